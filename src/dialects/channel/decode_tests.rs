use proptest::{collection::vec, prelude::*};
use serde_json::{Value, json};

use super::*;
use crate::{core::command::RawJson, ids::UserId, limits};

/// Any JSON, with names of known fields among the keys.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(|number| json!(number)),
        any_text().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            vec((field_name(), inner), 0..6).prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

fn any_text() -> impl Strategy<Value = String> {
    prop_oneof![any::<String>(), message_type()]
}

fn message_type() -> impl Strategy<Value = String> {
    let types =
        ["message", "dm_message", "typing", "dm_typing", "webrtc_offer", "webrtc_answer", "ping", "auth_refresh"];
    prop::sample::select(types.to_vec()).prop_map(str::to_owned)
}

fn field_name() -> impl Strategy<Value = String> {
    let names = ["type", "ref", "content", "is_typing", "target_user_id", "token", "data", "other"];
    prop::sample::select(names.to_vec()).prop_map(str::to_owned)
}

/// What a client would have written to mean the same. Raw JSON is inserted unchanged, because parsing would round its
/// numbers.
fn written(request: &Request) -> String {
    let mut fields = match &request.command {
        Command::Ping => vec![("type", json!("ping").to_string())],
        Command::AuthRefresh { token } => {
            vec![("type", json!("auth_refresh").to_string()), ("token", json!(token).to_string())]
        }
        Command::Chat(ChatCommand::Send { addressed, draft }) => {
            let name = match addressed {
                Addressed::Channel => "message",
                Addressed::Partner => "dm_message",
                Addressed::Room { .. }
                | Addressed::Conversation(_)
                | Addressed::Space(_)
                | Addressed::Canvas { .. } => {
                    panic!("this dialect names no rooms")
                }
            };
            vec![("type", json!(name).to_string()), ("content", json!(&*draft.content).to_string())]
        }
        Command::Chat(ChatCommand::SetTyping { addressed, typing, .. }) => {
            let name = match addressed {
                Addressed::Channel => "typing",
                Addressed::Partner => "dm_typing",
                Addressed::Room { .. }
                | Addressed::Conversation(_)
                | Addressed::Space(_)
                | Addressed::Canvas { .. } => {
                    panic!("this dialect names no rooms")
                }
            };
            vec![("type", json!(name).to_string()), ("is_typing", (*typing == Typing::Started).to_string())]
        }
        Command::Call(CallCommand::Signal { kind, target, data }) => {
            let name = match kind {
                SignalKind::Offer => "webrtc_offer",
                SignalKind::Answer => "webrtc_answer",
                SignalKind::IceCandidate => "webrtc_ice_candidate",
            };
            let target = json!(target.as_ref().map(UserId::as_str)).to_string();
            vec![("type", json!(name).to_string()), ("target_user_id", target), ("data", data.as_str().to_owned())]
        }
        other => panic!("this dialect has no form for {other:?}"),
    };
    fields.extend(request.tag.reference.as_ref().map(|reference| ("ref", reference.as_str().to_owned())));
    let fields: Vec<_> = fields.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
    format!("{{{}}}", fields.join(","))
}

fn check(message: ClientMessage<'_>) {
    match decode(message) {
        Ok(request) => assert_eq!(decode(ClientMessage::Text(&written(&request))), Ok(request)),
        Err(Rejection { refusal, .. }) => {
            assert!(refusal.sentence.len() > 20, "a sentence for people: {refusal}");
            assert!(!refusal.sentence.contains(char::is_control), "fit for a log line: {refusal:?}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, max_shrink_iters: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_a_request_or_a_refusal(text: String, bytes in vec(any::<u8>(), 0..200_usize)) {
        check(ClientMessage::Text(&text));
        check(ClientMessage::Text(&String::from_utf8_lossy(&bytes)));
        check(ClientMessage::Binary(&bytes));
    }

    #[test]
    fn any_json_is_a_request_or_a_refusal(value in any_json()) {
        check(ClientMessage::Text(&value.to_string()));
    }

    #[test]
    fn any_fields_are_a_request_or_a_refusal(kind in message_type(), fields in vec((field_name(), any_json()), 0..6)) {
        let mut message = json!({"type": kind});
        for (name, value) in fields {
            message[name] = value;
        }
        check(ClientMessage::Text(&message.to_string()));
    }

    #[test]
    fn a_message_cut_or_damaged_is_a_request_or_a_refusal(value in any_json(), at: prop::sample::Index, byte: u8) {
        let mut text = value.to_string().into_bytes();
        let at = at.index(text.len());
        check(ClientMessage::Text(&String::from_utf8_lossy(&text[..at])));
        text[at] = byte;
        check(ClientMessage::Text(&String::from_utf8_lossy(&text)));
    }

    #[test]
    fn text_and_reference_arrive_as_they_were_sent(content in "[^\0]{1,60}", reference: String) {
        prop_assume!(crate::names::is_visible(&content) && json!(reference).to_string().len() <= limits::REF_BYTES_MAX);
        let text = json!({"type": "message", "content": content, "ref": reference}).to_string();
        let request = decode(ClientMessage::Text(&text)).unwrap();
        prop_assert_eq!(request.tag.reference, Some(RawJson::from_parsed(&json!(reference).to_string())));
        prop_assert_eq!(request.command, Command::Chat(ChatCommand::Send {
            addressed: Addressed::Channel,
            draft: Draft::text(content, Vec::new()),
        }));
    }
}
