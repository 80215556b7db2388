use proptest::{collection::vec, prelude::*, sample::select};
use serde_json::{Value, json};

use super::*;

const TYPES: [&str; 11] = [
    "ping",
    "auth.refresh",
    "room.join",
    "room.leave",
    "room.broadcast",
    "chat.message",
    "chat.typing",
    "notification.read",
    "call.offer",
    "call.hangup",
    "elsewhere",
];

const FIELDS: [&str; 17] = [
    "room_id",
    "room",
    "conversation_id",
    "recipient_id",
    "since",
    "epoch",
    "data",
    "content",
    "content_type",
    "attachments",
    "mentions",
    "is_typing",
    "notification_id",
    "target_user_id",
    "call_id",
    "token",
    "ref",
];

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        select(&["conv_123", "01932c0a-77f1-7d3e-9c55-1b2a3c4d5e6f", ""][..]).prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        let object = vec((select(&FIELDS[..]), inner.clone()), 0..4)
            .prop_map(|fields| fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect());
        prop_oneof![vec(inner, 0..4).prop_map(Value::Array), object.prop_map(Value::Object)]
    })
}

fn check(message: ClientMessage<'_>) {
    if let Err(Rejection { refusal, .. }) = decode(message) {
        assert!(refusal.sentence.len() > 20, "a sentence for people: {refusal}");
        assert!(!refusal.sentence.contains(char::is_control), "fit for a log line: {refusal:?}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, max_shrink_iters: 2_000, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_answered(bytes in vec(any::<u8>(), 0..300)) {
        check(ClientMessage::Binary(&bytes));
        check(ClientMessage::Text(&String::from_utf8_lossy(&bytes)));
    }

    #[test]
    fn any_fields_are_answered(
        kind in select(&TYPES[..]),
        fields in vec((select(&FIELDS[..]), any_json()), 0..8),
    ) {
        let mut message: serde_json::Map<_, _> =
            fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        message.insert("event_type".to_owned(), json!(kind));
        check(ClientMessage::Text(&Value::Object(message).to_string()));
    }
}
