use crate::core::event::{CanvasDurable, ChatDurable, DocumentDurable, Durable, SheetDurable, SpaceDurable};

/// Rows of logs written before events were divided into capabilities.
const OLD_ROWS: [(&str, &str); 3] = [
    ("message_sent", r#"{"kind":"message_sent","sender":{"id":"ann","username":"Ann"},"content":"hi"}"#),
    (
        "message_sent",
        r#"{"kind":"message_sent","sender":{"id":"ann","username":"Ann","email":"a@b.c"},"content":"","attachments":[{"file":"01932c0c-5a5a-7abc-8def-112233445566","filename":"a.csv","size_bytes":3,"mime_type":"text/csv"}]}"#,
    ),
    (
        "cells_updated",
        r#"{"kind":"cells_updated","sheet":"s1","author":{"id":"ann","username":"Ann"},"cells":[{"cell":"A1","value":"\"x\"","version":3}]}"#,
    ),
];

#[test]
fn rows_that_were_written_before_are_read_and_written_as_they_were() {
    for (kind, row) in rows() {
        let event: Durable = serde_json::from_str(row).unwrap();
        assert_eq!(event.kind(), kind);
        assert_eq!(serde_json::to_string(&event).unwrap(), row);
    }
}

/// Rows of the kinds that change what is stored of a message or of a reader.
const EFFECT_ROWS: [(&str, &str); 8] = [
    (
        "message_sent",
        r#"{"kind":"message_sent","sender":{"id":"ann","username":"Ann"},"content":"8f…","content_type":"encrypted","mentions":["bob"]}"#,
    ),
    (
        "reacted",
        r#"{"kind":"reacted","message":"01932c0c-5a5a-7abc-8def-112233445566","by":{"id":"ann","username":"Ann"},"emoji":"👍","change":"added"}"#,
    ),
    (
        "message_edited",
        r#"{"kind":"message_edited","message":"01932c0c-5a5a-7abc-8def-112233445566","editor":{"id":"ann","username":"Ann"},"content":"ho"}"#,
    ),
    (
        "message_deleted",
        r#"{"kind":"message_deleted","message":"01932c0c-5a5a-7abc-8def-112233445566","by":{"id":"ann","username":"Ann"}}"#,
    ),
    ("message_erased", r#"{"kind":"message_erased","sender":{"id":"ann","username":"Ann"}}"#),
    (
        "read_marked",
        r#"{"kind":"read_marked","reader":{"id":"ann","username":"Ann"},"message":"01932c0c-5a5a-7abc-8def-112233445566","up_to":7}"#,
    ),
    (
        "read_marked",
        r#"{"kind":"read_marked","reader":{"id":"ann","username":"Ann"},"message":"01932c0c-5a5a-7abc-8def-112233445566","up_to":7,"others":[{"reader":{"id":"bob","username":"Bob"},"message":"01932c0c-4a4a-7abc-8def-112233445500","up_to":6}],"more":978}"#,
    ),
    (
        "document_updated",
        r#"{"kind":"document_updated","author":{"id":"ann","username":"Ann"},"update":"AQEHAAQBB2NvbnRlbnQBYQA="}"#,
    ),
];

/// Rows of spaces.
const SPACE_ROWS: [(&str, &str); 4] = [
    (
        "space_acted",
        r#"{"kind":"space_acted","by":{"id":"ann","username":"Ann","number":7},"action":"wave","data":"{\"hand\":\"left\"}"}"#,
    ),
    (
        "space_state_changed",
        r#"{"kind":"space_state_changed","by":{"id":"ann","username":"Ann","number":7},"key":"door","value":"{\"open\":true}"}"#,
    ),
    (
        "space_state_changed",
        r#"{"kind":"space_state_changed","by":{"id":"ann","username":"Ann","number":7},"key":"seat","value":"1","expires_at":1761566400250,"holder":{"node":"00000000000000aa","worker":1,"generation":7}}"#,
    ),
    (
        "space_state_changed",
        r#"{"kind":"space_state_changed","by":{"id":"ann","username":"Ann","number":7},"key":"seat","cause":"socket_left"}"#,
    ),
];

/// Rows of canvases.
const CANVAS_ROWS: [(&str, &str); 6] = [
    (
        "tile_created",
        r#"{"kind":"tile_created","tile":{"id":456,"at":{"x":15,"y":10},"content":"hi","version":1,"likes":0,"creator":7},"by":{"id":"ann","username":"Ann","number":7}}"#,
    ),
    (
        "tile_updated",
        r#"{"kind":"tile_updated","tile":{"id":456,"at":{"x":15,"y":10},"content":"ho","version":2,"likes":0,"creator":7},"by":{"id":"bob","username":"Bob","number":8}}"#,
    ),
    (
        "tile_deleted",
        r#"{"kind":"tile_deleted","tile":{"id":456,"at":{"x":15,"y":10},"content":"ho","version":2,"likes":0,"creator":7},"by":{"id":"bob","username":"Bob","number":8}}"#,
    ),
    (
        "tile_liked",
        r#"{"kind":"tile_liked","tile":{"id":456,"at":{"x":15,"y":10},"content":"ho","version":2,"likes":1,"creator":7},"by":{"id":"bob","username":"Bob","number":8},"change":"given"}"#,
    ),
    ("acted", r#"{"kind":"acted","by":{"id":"bob","username":"Bob","number":8},"activity":"zoom"}"#),
    (
        "acted",
        r#"{"kind":"acted","by":{"id":"bob","username":"Bob","number":8},"activity":"zoom","data":"{\"by\":2}"}"#,
    ),
];

fn rows() -> impl Iterator<Item = (&'static str, &'static str)> {
    OLD_ROWS.into_iter().chain(EFFECT_ROWS).chain(CANVAS_ROWS).chain(SPACE_ROWS)
}

#[test]
fn every_kind_is_one_that_is_read() {
    for (_, row) in rows() {
        let event: Durable = serde_json::from_str(row).unwrap();
        let kinds = match &event {
            Durable::Chat(_) => ChatDurable::KINDS,
            Durable::Sheet(_) => SheetDurable::KINDS,
            Durable::Canvas(_) => &CanvasDurable::KINDS,
            Durable::Document(_) => DocumentDurable::KINDS,
            Durable::Space(_) => SpaceDurable::KINDS,
        };
        assert!(kinds.contains(&event.kind()));
    }
}

#[test]
fn what_is_no_event_is_refused() {
    for row in ["{}", "[]", r#"{"kind":"message_burnt"}"#, r#"{"kind":7}"#, r#"{"kind":"message_sent"}"#] {
        assert!(serde_json::from_str::<Durable>(row).is_err(), "{row}");
    }
}

#[test]
fn the_order_of_the_fields_does_not_matter() {
    for (_, row) in rows() {
        let event: Durable = serde_json::from_str(row).unwrap();
        let sorted: serde_json::Value = serde_json::from_str(row).unwrap();
        let sorted = sorted.to_string();
        assert_eq!(serde_json::from_str::<Durable>(&sorted).unwrap(), event, "{sorted}");
    }
}
