use proptest::{collection::vec, prelude::*, sample::select};
use serde_json::{Value, json};

use super::*;

const TYPES: [&str; 10] = [
    "ping",
    "canvas_chat",
    "user_presence",
    "user_activity",
    "tile_mention",
    "tile_create",
    "tile_update",
    "tile_delete",
    "tile_like",
    "tile_comment",
];

const FIELDS: [&str; 16] = [
    "text",
    "canvas_id",
    "presence_type",
    "is_typing",
    "is_editing",
    "tile_x",
    "tile_y",
    "status",
    "status_message",
    "activity_type",
    "data",
    "x",
    "y",
    "content",
    "tile_id",
    "version",
];

fn any_json() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (0..50_i64).prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        select(&["typing", "editing_tile", "status", "online"][..]).prop_map(Value::from),
        Just(json!({"a": [1]})),
    ]
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
        message.insert("type".to_owned(), json!(kind));
        check(ClientMessage::Text(&Value::Object(message).to_string()));
    }
}
