//! Every message of every dialect, both ways, against what was recorded in `tests/transcripts/`: a file that nothing here
//! expects, and a message here without a file, are failures. The protocol reference shows the same files.

use std::{collections::BTreeMap, fs, path::Path, sync::Arc};

use convene::{
    core::{
        command::{Addressed, Command, RawJson, Request, SignalKind, Typing},
        event::{Attachment, Durable, Entered, Ephemeral, Event, EventBody, Reply, RoomIdentity, RoomScope},
        profile::Author,
    },
    dialects::{ClientMessage, Dialect, DialectKind, Encoded, Rejection},
    error::{ErrorCode, Refusal},
    ids::{Epoch, EventId, GroupId, RoomId, Seq, Timestamp, UserId},
    limits,
};
use serde_json::Value;

const ALICE: &str = "01932c07-209b-7000-8000-00000000a11c";
const BOB: &str = "01932c07-209c-7000-8000-000000000b0b";
const CHANNEL: &str = "01932c0a-77f1-7d3e-9c55-1b2a3c4d5e6f";
const CONVERSATION: &str = "01932c0b-0101-7aaa-8bbb-0c0d0e0f1011";
const MESSAGE: &str = "01932c0c-5a5a-7abc-8def-112233445566";
const FILE: &str = "01932c0e-1c2d-7e3f-8a4b-5c6d7e8f9a0b";
const NOON: Timestamp = Timestamp { unix_ms: 1_761_566_400_250 };

fn channel_dialect() -> &'static dyn Dialect {
    DialectKind::Channel.dialect()
}

/// The files of a folder, by name.
fn transcripts(folder: &str) -> BTreeMap<String, String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts").join(folder);
    let files = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
    files
        .map(|file| (file.file_stem().unwrap().to_str().unwrap().to_owned(), fs::read_to_string(&file).unwrap()))
        .collect()
}

fn user(id: &str) -> UserId {
    UserId::new(id).unwrap()
}

fn alice() -> Author {
    Author::new(user(ALICE), "alice")
}

fn bob() -> Author {
    Author::new(user(BOB), "bob")
}

fn channel() -> Arc<RoomIdentity> {
    let group = GroupId::generate();
    Arc::new(RoomIdentity { id: CHANNEL.parse::<RoomId>().unwrap(), scope: RoomScope::Channel { group } })
}

fn conversation() -> Arc<RoomIdentity> {
    let users = [user(ALICE), user(BOB)];
    Arc::new(RoomIdentity { id: CONVERSATION.parse::<RoomId>().unwrap(), scope: RoomScope::Direct { users } })
}

/// The `data` of a transcript, as it stands in the file.
fn data_of(transcript: &str) -> RawJson {
    let start = transcript.find("\"data\": ").unwrap() + "\"data\": ".len();
    let end = start + transcript[start..].find('}').unwrap() + 1;
    RawJson::from_parsed(&transcript[start..end])
}

// ---- from the client ----

#[test]
fn what_a_channel_client_sends_is_understood() {
    let files = transcripts("channel/client");
    let signal = |file: &str, kind, target: Option<&str>| {
        (None, Command::Signal { kind, target: target.map(user), data: data_of(&files[file]) })
    };
    let send =
        |addressed, content: &str| Command::SendMessage { addressed, content: content.into(), attachments: Vec::new() };
    let typing = |addressed, typing| (None, Command::SetTyping { addressed, typing, cell: None });
    let expected = BTreeMap::from([
        ("message", (None, send(Addressed::Channel, "Hello everyone!"))),
        ("message_with_ref", (Some("\"m-1\""), send(Addressed::Channel, "Hello everyone!"))),
        (
            "message_with_attachments",
            (
                None,
                Command::SendMessage {
                    addressed: Addressed::Channel,
                    content: "The figures of October".into(),
                    attachments: vec![FILE.parse().unwrap()],
                },
            ),
        ),
        ("typing", typing(Addressed::Channel, Typing::Started)),
        ("typing_stopped", typing(Addressed::Channel, Typing::Stopped)),
        ("webrtc_offer", signal("webrtc_offer", SignalKind::Offer, Some(BOB))),
        ("webrtc_answer", signal("webrtc_answer", SignalKind::Answer, Some(ALICE))),
        ("webrtc_ice_candidate", signal("webrtc_ice_candidate", SignalKind::IceCandidate, Some(BOB))),
        ("dm_message", (None, send(Addressed::Partner, "Hey, how are you?"))),
        ("dm_typing", typing(Addressed::Partner, Typing::Started)),
        ("dm_webrtc_offer", signal("dm_webrtc_offer", SignalKind::Offer, None)),
        ("ping", (None, Command::Ping)),
        ("ping_with_ref", (Some("7"), Command::Ping)),
        ("auth_refresh", (Some("\"refresh-1\""), Command::AuthRefresh { token: "eyJhbGciOi…".into() })),
    ]);
    assert_eq!(files.keys().map(String::as_str).collect::<Vec<_>>(), expected.keys().copied().collect::<Vec<_>>());
    for (name, (reference, command)) in expected {
        let request = Request { reference: reference.map(RawJson::from_parsed), command };
        assert_eq!(channel_dialect().decode(ClientMessage::Text(&files[name])), Ok(request), "{name}");
    }
}

#[derive(serde::Deserialize)]
struct Refused {
    what: String,
    sends: String,
    code: String,
    says: Option<String>,
    #[serde(rename = "ref")]
    reference: Option<String>,
}

#[test]
fn what_is_wrong_is_refused_by_name() {
    let refused: Vec<Refused> = serde_json::from_str(include_str!("transcripts/channel/refused.json")).unwrap();
    assert!(!refused.is_empty());
    for Refused { what, sends, code, says, reference } in refused {
        let rejection = channel_dialect().decode(ClientMessage::Text(&sends)).expect_err(&what);
        assert_eq!(rejection.refusal.code.name(), code, "{what}");
        assert_eq!(rejection.reference, reference.as_deref().map(RawJson::from_parsed), "{what}");
        let sentence = &rejection.refusal.sentence;
        assert!(sentence.contains(says.as_deref().unwrap_or_default()), "{what}: {sentence}");
    }
}

#[test]
fn limits_hold_to_the_character() {
    let send = |content: &str| {
        let text = serde_json::json!({"type": "message", "content": content, "ref": 1}).to_string();
        channel_dialect().decode(ClientMessage::Text(&text))
    };
    let most = "é".repeat(limits::CHAT_CHARS_MAX);
    assert_eq!(
        send(&most).unwrap().command,
        Command::SendMessage { addressed: Addressed::Channel, content: most.as_str().into(), attachments: Vec::new() }
    );
    let Rejection { reference, refusal, .. } = send(&(most + "é")).unwrap_err();
    assert_eq!((reference, refusal.code), (Some(RawJson::from_parsed("1")), ErrorCode::MessageTooLong));
    assert!(refusal.sentence.contains("10001"), "{refusal}");

    let reference = format!("\"{}\"", "x".repeat(limits::REF_BYTES_MAX - 2));
    let text = format!("{{\"type\":\"ping\",\"ref\":{reference}}}");
    let request = channel_dialect().decode(ClientMessage::Text(&text)).unwrap();
    assert_eq!(request.reference, Some(RawJson::from_parsed(&reference)));

    let depth = limits::JSON_DEPTH_MAX - 1; // the message itself is one level
    let data = "[".repeat(depth) + &"]".repeat(depth);
    let text = format!("{{\"type\":\"webrtc_offer\",\"data\":{data}}}");
    assert!(channel_dialect().decode(ClientMessage::Text(&text)).is_ok());
}

#[test]
fn a_binary_message_is_answered_not_punished() {
    let rejection = channel_dialect().decode(ClientMessage::Binary(b"{\"type\":\"ping\"}")).unwrap_err();
    assert_eq!(rejection.refusal.code, ErrorCode::InvalidMessage);
    assert!(rejection.refusal.sentence.contains("send text frames with JSON"));
}

#[test]
fn fields_that_are_unknown_or_null_are_ignored() {
    let text = r#"{"extra":[{"a":1}],"type":"webrtc_offer","target_user_id":null,"ref":null,"data": { "b" : 1.50 } ,"content":5}"#;
    let command =
        Command::Signal { kind: SignalKind::Offer, target: None, data: RawJson::from_parsed("{ \"b\" : 1.50 }") };
    assert_eq!(channel_dialect().decode(ClientMessage::Text(text)), Ok(Request { reference: None, command }));
    let text = "{\"t\\u0079pe\":\"p\\u0069ng\"}";
    assert_eq!(channel_dialect().decode(ClientMessage::Text(text)).unwrap().command, Command::Ping);
}

// ---- from the server ----

enum Told {
    Everybody(Event),
    One(Reply),
}

fn ephemeral(room: Arc<RoomIdentity>, what: Ephemeral) -> Told {
    Told::Everybody(Event { room, at: NOON, body: EventBody::Ephemeral(what) })
}

fn sent(room: Arc<RoomIdentity>, seq: i64, content: &str) -> Told {
    let what = Durable::MessageSent { sender: alice(), content: content.into(), attachments: Vec::new() };
    let body = EventBody::Durable { seq: Seq(seq), id: MESSAGE.parse().unwrap(), what };
    Told::Everybody(Event { room, at: NOON, body })
}

fn sent_with_file(room: Arc<RoomIdentity>, seq: i64, content: &str) -> Told {
    let october = Attachment {
        file: FILE.parse().unwrap(),
        filename: "october.csv".into(),
        size_bytes: 20_480,
        mime_type: "text/csv".into(),
    };
    let what = Durable::MessageSent { sender: alice(), content: content.into(), attachments: vec![october] };
    let body = EventBody::Durable { seq: Seq(seq), id: MESSAGE.parse().unwrap(), what };
    Told::Everybody(Event { room, at: NOON, body })
}

fn entered(room: Arc<RoomIdentity>, seq: i64, online: Vec<Author>) -> Told {
    Told::One(Reply::Entered(Box::new(Entered {
        reference: None,
        attendance: None,
        room,
        user: user(ALICE),
        connection: "ws_alice_1761566400_7f3a".into(),
        online_total: online.len(),
        online,
        seq: Seq(seq),
        epoch: Epoch(1_761_566_400_250),
    })))
}

fn in_rooms(files: &BTreeMap<String, String>) -> Vec<(&'static str, Told)> {
    let signal = |file: &'static str, from, kind| {
        (file, ephemeral(channel(), Ephemeral::Signal { from, kind, data: data_of(&files[file]) }))
    };
    let typing = || Ephemeral::Typing { user: alice(), typing: Typing::Started, cell: None };
    vec![
        ("online_users", entered(channel(), 41, vec![alice(), bob()])),
        ("user_joined", ephemeral(channel(), Ephemeral::UserJoined { user: alice() })),
        ("user_left", ephemeral(channel(), Ephemeral::UserLeft { user: alice() })),
        ("message", sent(channel(), 42, "Hello everyone!")),
        ("message_with_attachments", sent_with_file(channel(), 43, "The figures of October")),
        ("typing", ephemeral(channel(), typing())),
        signal("webrtc_offer", alice(), SignalKind::Offer),
        signal("webrtc_answer", bob(), SignalKind::Answer),
        signal("webrtc_ice_candidate", alice(), SignalKind::IceCandidate),
        ("broadcast", ephemeral(channel(), Ephemeral::Announced { data: data_of(&files["broadcast"]) })),
        ("dm_user_online_first", entered(conversation(), 7, vec![alice(), bob()])),
        ("dm_connected", entered(conversation(), 7, vec![alice()])),
        ("dm_user_online", ephemeral(conversation(), Ephemeral::UserJoined { user: alice() })),
        ("dm_user_offline", ephemeral(conversation(), Ephemeral::UserLeft { user: alice() })),
        ("dm_message", sent(conversation(), 8, "Hey, how are you?")),
        ("dm_typing", ephemeral(conversation(), typing())),
    ]
}

fn to_one(files: &BTreeMap<String, String>) -> Vec<(&'static str, Told)> {
    let reference = |text: &str| Some(RawJson::from_parsed(text));
    let error = |reference, refusal| Told::One(Reply::Error { reference, refusal, at: NOON });
    let expires_at = Timestamp::from_unix_seconds(1_761_570_000);
    vec![
        ("pong", Told::One(Reply::Pong { reference: None, at: NOON })),
        ("pong_with_ref", Told::One(Reply::Pong { reference: reference("7"), at: NOON })),
        (
            "ack",
            Told::One(Reply::Ack {
                reference: RawJson::from_parsed("\"m-1\""),
                id: MESSAGE.parse::<EventId>().unwrap(),
                seq: Seq(42),
            }),
        ),
        ("ack_of_auth_refresh", Told::One(Reply::AuthRefreshed { reference: reference("\"refresh-1\""), expires_at })),
        ("error", error(None, Refusal::new(ErrorCode::InvalidMessage, "`content` must not be empty"))),
        (
            "error_with_ref",
            error(reference("\"m-1\""), Refusal::limited("You sent 60 requests within a minute; wait 12 seconds", 12)),
        ),
        ("recovered", Told::One(Reply::Recovered { room: channel(), seq: Seq(44), complete: true })),
        ("notification", Told::One(Reply::Notice { data: data_of(&files["notification"]), at: NOON })),
        ("server_restarting", Told::One(Reply::Restarting { reconnect_in_ms: 2_350, at: NOON })),
    ]
}

#[test]
fn what_a_channel_client_is_told_is_as_recorded() {
    let files = transcripts("channel/server");
    let told: BTreeMap<_, _> = in_rooms(&files).into_iter().chain(to_one(&files)).collect();
    assert_eq!(files.keys().map(String::as_str).collect::<Vec<_>>(), told.keys().copied().collect::<Vec<_>>());
    for (name, told) in told {
        let mut out = b"kept".to_vec();
        let encoded = match &told {
            Told::Everybody(event) => channel_dialect().encode_event(event, &mut out),
            Told::One(reply) => channel_dialect().encode_reply(reply, &mut out),
        };
        assert_eq!(encoded, Encoded::Text);
        let text = str::from_utf8(&out).unwrap().strip_prefix("kept").expect("an encoder only appends");
        assert_eq!(parsed(text), parsed(&files[name]), "{name}");
        assert!(text.starts_with("{\"type\":"), "{name}");
    }
}

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[test]
fn the_recipient_of_a_direct_message_is_the_other_side() {
    let (users, own) = ([user(ALICE), user(BOB)], [user(ALICE), user(ALICE)]);
    for (users, sender, recipient) in [(users.clone(), bob(), ALICE), (users, alice(), BOB), (own, alice(), ALICE)] {
        let room = Arc::new(RoomIdentity { id: CONVERSATION.parse().unwrap(), scope: RoomScope::Direct { users } });
        let what = Durable::MessageSent { sender, content: "x".into(), attachments: Vec::new() };
        let body = EventBody::Durable { seq: Seq(1), id: EventId::generate(), what };
        let mut out = Vec::new();
        let _ = channel_dialect().encode_event(&Event { room, at: NOON, body }, &mut out);
        assert_eq!(parsed(str::from_utf8(&out).unwrap())["recipient_id"], recipient);
    }
}
