use proptest::{collection::vec, prelude::*, sample::select};
use serde_json::{Value, json};

use super::*;

const TYPES: [&str; 17] = [
    "ping",
    "auth_refresh",
    "join_room",
    "leave_room",
    "cursor_move",
    "typing_start",
    "typing_stop",
    "status_update",
    "cell_update",
    "cells_update",
    "ai_request",
    "ai_cancel",
    "subscribe_notifications",
    "notification_read",
    "file_upload_start",
    "file_upload_progress",
    "elsewhere",
];

const FIELDS: [&str; 24] = [
    "room_id",
    "room",
    "since",
    "epoch",
    "x",
    "y",
    "cell",
    "sheet_id",
    "cell_id",
    "value",
    "formula",
    "version",
    "cells",
    "status",
    "request_id",
    "query",
    "context",
    "categories",
    "priorities",
    "notification_id",
    "file_id",
    "filename",
    "file_size",
    "ref",
];

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        select(&["A1", "ZZZ999999", "busy", "high", ""][..]).prop_map(Value::from),
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

/// The accepted value, or the error sentence.
fn value_of(fields: &str) -> Result<String, String> {
    let text = format!(r#"{{"type":"cell_update","sheet_id":"s","cell_id":"A1",{fields}}}"#);
    match decode(ClientMessage::Text(&text)) {
        Ok(Request { command: Command::Sheet(SheetCommand::UpdateCells { cells, .. }), .. }) => {
            Ok(cells[0].value.as_str().to_owned())
        }
        Ok(other) => panic!("{other:?}"),
        Err(Rejection { refusal, .. }) => Err(format!("{} {refusal}", refusal.code.name())),
    }
}

#[test]
fn only_an_explicit_null_or_a_formula_clears_a_value() {
    assert_eq!(value_of(r#""value":null"#), Ok("null".to_owned()));
    assert_eq!(value_of(r#""formula":"=1""#), Ok("null".to_owned()));
    assert_eq!(value_of(r#""value":2,"formula":"=1+1""#), Ok("2".to_owned()));
    for missing in [r#""version":3"#, r#""formula":null"#] {
        assert!(value_of(missing).unwrap_err().starts_with("INVALID_MESSAGE `value` is missing"), "{missing}");
    }
}

#[test]
fn a_value_that_parsers_cannot_read_reaches_nobody() {
    for number in ["0", "-0.10e3", "1e308", "12345678901234567890", &format!("1{}", "0".repeat(300))] {
        assert_eq!(value_of(&format!("\"value\":{number}")), Ok(number.to_owned()));
    }
    for number in ["1e999", "-1e400", &"9".repeat(310), &"1".repeat(5_000), &format!("0.{}", "1".repeat(500))] {
        let said = value_of(&format!("\"value\":{number}")).unwrap_err();
        assert!(said.starts_with("INVALID_MESSAGE `value` must be a finite double"), "{number}: {said}");
    }
    assert_eq!(value_of(r#""value":"\ud83d\ude00""#), Ok(r#""\ud83d\ude00""#.to_owned()));
    for text in [r#""\ud83d""#, r#""\ude00\ud83d""#, r#""a\ud83db""#] {
        let said = value_of(&format!("\"value\":{text}")).unwrap_err();
        assert!(said.starts_with("INVALID_MESSAGE `value` has half of a surrogate pair"), "{text}: {said}");
    }
}

#[test]
fn characters_of_a_value_are_counted_and_not_their_escapes() {
    let most = limits::CELL_TEXT_CHARS_MAX;
    for (character, count) in [("x", most), ("é", most), (r"\n", most), (r"\u00e9", 10_000), (r"\ud83d\ude00", 5_000)]
    {
        let text = format!("\"{}\"", character.repeat(count));
        assert_eq!(value_of(&format!("\"value\":{text}")), Ok(text));
    }
    for character in ["x", "é", r"\n"] {
        let said = value_of(&format!("\"value\":\"{}\"", character.repeat(most + 1))).unwrap_err();
        assert_eq!(said, "MESSAGE_TOO_LONG `value` has 32768 characters; at most 32767 are allowed");
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
    fn any_fields_are_a_request_or_a_refusal(kind in select(&TYPES[..]), fields in vec((select(&FIELDS[..]), any_json()), 0..8)) {
        let mut message = json!({"type": kind});
        for (name, value) in fields {
            message[name] = value;
        }
        check(ClientMessage::Text(&message.to_string()));
    }

    #[test]
    fn a_cell_keeps_its_value_as_it_was_written(value in any_json(), version in 0..i64::from(u32::MAX)) {
        let text = json!({"type": "cell_update", "sheet_id": "s", "cell_id": "C3", "value": value, "version": version}).to_string();
        match decode(ClientMessage::Text(&text)) {
            Ok(Request { command: Command::Sheet(SheetCommand::UpdateCells { cells, .. }), .. }) => {
                let cell = cells.first().unwrap();
                prop_assert_eq!(cell.value.as_str(), value.to_string());
                prop_assert_eq!((cell.version, cell.at.to_string()), (version, "C3".to_owned()));
                prop_assert!(!value.is_array() && !value.is_object());
            }
            other => prop_assert!(value.is_array() || value.is_object(), "{:?}", other),
        }
    }
}
