//! Bad messages: each gets the documented error, closes nothing, loses nothing, and reaches no other user
//! (docs/protocol.md, "Errors").

use std::time::Duration;

use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::on_both;
use crate::support::raw::{FrameOut, RawSocket, TEXT};
use crate::support::socket::Frame;
use crate::support::{DEADLINE, Server, random};

/// Messages that a channel refuses: the text, the code, and the field that the sentence must name (if any).
fn bad_messages() -> Vec<(String, &'static str, &'static str)> {
    let deep =
        |levels: usize| format!(r#"{{"type":"typing","is_typing":{}1{}}}"#, "[".repeat(levels), "]".repeat(levels));
    let literal = [
        ("", "INVALID_JSON", ""),
        ("{", "INVALID_JSON", ""),
        ("not json", "INVALID_JSON", ""),
        ("{\"type\":\"message\",\"content\":\"a\"} trailing", "INVALID_JSON", ""),
        ("{'type':'message'}", "INVALID_JSON", ""),
        ("{\"type\":\"message\",\"content\":\"\\ud800\"}", "INVALID_JSON", ""),
        ("[]", "INVALID_MESSAGE", ""),
        ("7", "INVALID_MESSAGE", ""),
        ("null", "INVALID_MESSAGE", ""),
        ("\"message\"", "INVALID_MESSAGE", ""),
        ("{}", "INVALID_MESSAGE", "type"),
        ("{\"type\":7}", "INVALID_MESSAGE", "type"),
        ("{\"type\":null}", "INVALID_MESSAGE", "type"),
        ("{\"type\":\"\"}", "UNKNOWN_MESSAGE_TYPE", ""),
        ("{\"type\":\"launch_missiles\"}", "UNKNOWN_MESSAGE_TYPE", ""),
        ("{\"type\":\"MESSAGE\",\"content\":\"a\"}", "UNKNOWN_MESSAGE_TYPE", ""),
        ("{\"type\":\"message\"}", "INVALID_MESSAGE", "content"),
        ("{\"type\":\"message\",\"content\":null}", "INVALID_MESSAGE", "content"),
        ("{\"type\":\"message\",\"content\":7}", "INVALID_MESSAGE", "content"),
        ("{\"type\":\"message\",\"content\":\"\"}", "INVALID_MESSAGE", "content"),
        ("{\"type\":\"message\",\"content\":{\"a\":1}}", "INVALID_MESSAGE", "content"),
        ("{\"type\":\"message\",\"content\":\"a\",\"ref\":{}}", "INVALID_MESSAGE", "ref"),
        ("{\"type\":\"message\",\"content\":\"a\",\"ref\":true}", "INVALID_MESSAGE", "ref"),
        ("{\"type\":\"typing\"}", "INVALID_MESSAGE", "is_typing"),
        ("{\"type\":\"typing\",\"is_typing\":\"yes\"}", "INVALID_MESSAGE", "is_typing"),
        ("{\"type\":\"auth_refresh\"}", "INVALID_MESSAGE", "token"),
        ("{\"type\":\"auth_refresh\",\"token\":7}", "INVALID_MESSAGE", "token"),
    ];
    let mut cases: Vec<_> = literal.map(|(text, code, field)| (text.to_owned(), code, field)).into();
    let long_ref = "r".repeat(257);
    cases.push((format!(r#"{{"type":"message","content":"a","ref":"{long_ref}"}}"#), "INVALID_MESSAGE", "ref"));
    cases.push((deep(10), "INVALID_MESSAGE", "is_typing"));
    cases
}

#[tokio::test]
async fn a_bad_message_gets_its_error_and_disturbs_nobody() {
    let server = Server::start().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let channel = alice.channel_with(&[&bob]).await;
    let mut socket = alice.join(&channel).await;
    let mut witness = bob.join(&channel).await;
    socket.expect("user_joined").await;
    for (bad, code, field) in bad_messages() {
        socket.send_text(&bad).await;
        let error = socket.next_json().await;
        assert_eq!(error["code"], code, "the answer to {bad:?} was {error}");
        crate::support::rest::assert_error(&error, code);
        let sentence = error["error"].as_str().unwrap_or_default();
        assert!(sentence.contains(field), "{bad:?}: the sentence should name '{field}': {sentence}");
    }
    witness.expect_nothing_before_pong().await;
    socket.say("still here").await;
    assert_eq!(socket.expect_message("still here").await["seq"], 1, "nothing bad was stored");
    witness.expect_message("still here").await;
}

#[tokio::test]
async fn an_error_carries_the_ref_of_what_it_refuses() {
    let server = Server::start().await;
    let alice = server.user("alice").await;
    let channel = alice.channel_with(&[]).await;
    let mut socket = alice.join(&channel).await;
    for reference in [json!("abc"), json!(12), json!(-1)] {
        socket.send_json(&json!({"type": "nonsense", "ref": reference})).await;
        assert_eq!(socket.expect_error("UNKNOWN_MESSAGE_TYPE").await["ref"], reference);
        socket.send_json(&json!({"type": "message", "ref": reference})).await;
        assert_eq!(socket.expect_error("INVALID_MESSAGE").await["ref"], reference);
    }
    socket.send_text("{").await;
    assert_eq!(socket.expect_error("INVALID_JSON").await.get("ref"), None);
}

#[tokio::test]
async fn messages_of_the_other_endpoint_do_not_work_here() {
    let server = Server::start().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let channel = alice.channel_with(&[&bob]).await;
    let mut in_channel = alice.join(&channel).await;
    let mut in_dm = alice.connect_dm(&bob).await;
    in_dm.expect("connected").await;
    for kind in ["dm_message", "dm_typing"] {
        in_channel.send_json(&json!({"type": kind, "content": "a", "is_typing": true})).await;
        in_channel.expect_error("UNKNOWN_MESSAGE_TYPE").await;
    }
    for kind in ["message", "typing"] {
        in_dm.send_json(&json!({"type": kind, "content": "a", "is_typing": true})).await;
        in_dm.expect_error("UNKNOWN_MESSAGE_TYPE").await;
    }
    assert!(alice.history(&channel).await.is_empty());
}

#[tokio::test]
async fn json_as_deep_as_it_gets_is_refused_without_harm() {
    let server = Server::start().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let channel = alice.channel_with(&[&bob]).await;
    let mut socket = alice.join(&channel).await;
    let mut witness = bob.join(&channel).await;
    socket.expect("user_joined").await;
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        for levels in [1_000, 9_000] {
            let deep = format!("{}1{}", open.repeat(levels), close.repeat(levels));
            let frames = [
                deep.clone(),
                format!(r#"{{"type":"typing","is_typing":{deep}}}"#),
                format!(r#"{{"type":"message","content":"a","filler":{deep}}}"#),
                format!(r#"{{"type":"webrtc_offer","target_user_id":"{}","data":{deep}}}"#, bob.id),
            ];
            for frame in frames {
                socket.send_text(&frame).await;
                let error = socket.expect("error").await;
                let code = error["code"].as_str().unwrap_or_default();
                assert!(["INVALID_JSON", "INVALID_MESSAGE"].contains(&code), "{error}");
            }
        }
    }
    witness.expect_nothing_before_pong().await;
}

#[tokio::test]
async fn a_binary_frame_is_answered_and_reaches_nobody() {
    let server = Server::start().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let channel = alice.channel_with(&[&bob]).await;
    let mut witness = bob.join(&channel).await;
    let mut socket = alice.join(&channel).await;
    witness.expect("user_joined").await;
    socket.send_frame(Message::binary(&b"\x00\x01\x02"[..])).await;
    // Either a refused message or a close with 1003 ("unsupported data") is acceptable.
    match socket.next_within(DEADLINE).await {
        Some(Frame::Json(error)) => crate::support::rest::assert_error(&error, "INVALID_MESSAGE"),
        Some(Frame::Close(Some((1003, _)))) => {
            assert_eq!(witness.expect("user_left").await["user_id"], alice.id.as_str())
        }
        other => panic!("expected an error or a close with 1003, got {other:?}"),
    }
    witness.expect_nothing_before_pong().await;
}

on_both! {
    async fn text_that_a_database_refuses_spoils_nobodys_commit(database) {
        let server = Server::on(database).await;
        let (alice, bob) = (server.user("alice").await, server.user("bob").await);
        let channel = alice.channel_with(&[&bob]).await;
        let mut odd = alice.join(&channel).await;
        let mut plain = bob.join(&channel).await;
        odd.expect("user_joined").await;
        // PostgreSQL can't store U+0000. Whether it is refused or stored, the result must be the same on both
        // databases, and other messages in the same group commit must not be affected.
        for round in 0..20 {
            odd.send_json(&json!({"type": "message", "content": "a\u{0}b", "ref": round})).await;
            plain.say(&format!("plain {round}")).await;
        }
        let mut heard = Vec::new();
        while heard.len() < 20 {
            let frame = plain.next_json().await;
            assert_ne!(frame["type"], "error", "{frame}");
            if frame["sender_id"] == bob.id.as_str() {
                heard.push(frame["content"].clone());
            }
        }
        assert_eq!(heard, (0..20).map(|round| Value::from(format!("plain {round}"))).collect::<Vec<_>>());
        let mut answers = 0;
        while answers < 20 {
            let frame = odd.next_json().await;
            assert_ne!(frame["code"], "INTERNAL_ERROR", "{frame}");
            assert_ne!(frame["code"], "SERVICE_UNAVAILABLE", "{frame}");
            answers += u32::from(frame.get("ref").is_some());
        }
    }
}

#[tokio::test]
async fn names_and_ids_of_strangers_are_only_text() {
    let server = Server::start().await;
    let alice = server.user("alice").await;
    let evil = [
        "%00",
        "%2e%2e%2f%2e%2e%2fetc%2fpasswd",
        "'%20OR%20'1'='1",
        "%F0%9F%91%8B",
        "%ff%fe",
        "%22%7D%2C%7B%22",
        "a%0d%0aX-Injected:%201",
    ];
    for text in evil {
        for path in ["/ws/channel/", "/ws/dm/", "/ws/nothing/", "/"] {
            let mut raw = RawSocket::connect(server.authority()).await;
            let answer = raw.handshake(server.authority(), &format!("{path}{text}?token={}", alice.token), &[]).await;
            assert!((400..500).contains(&answer.status), "{path}{text}: {answer:?}");
            assert_eq!(answer.header("x-injected"), "");
        }
        for path in ["/api/channels/{}/messages", "/api/dm/{}/messages", "/api/groups/{}", "/api/groups/{}/members"] {
            let answer = alice.get(&path.replace("{}", text)).await;
            assert!((400..500).contains(&answer.status.as_u16()), "{path} {text}: {} {}", answer.status, answer.text);
        }
        let answer = alice.get(&format!("/api/users?query={text}")).await;
        assert!(answer.status.as_u16() < 500, "{text}: {} {}", answer.status, answer.text);
    }
}

#[tokio::test]
async fn random_frames_never_hurt_the_server() {
    const CONNECTIONS: u32 = 150;
    let mut random = fastrand::Rng::with_seed(random::seed());
    let server = Server::builder().env("MAX_CONNECTIONS_PER_USER", 0).start().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let channel = alice.channel_with(&[&bob]).await;
    let other_channel = bob.channel_with(&[]).await;
    let mut witness = bob.join(&other_channel).await;
    let path = format!("/ws/channel/{channel}?token={}", alice.token);
    let valid = json!({"type": "message", "content": "a valid message", "ref": "r"}).to_string();
    for connection in 0..CONNECTIONS {
        let mut raw = RawSocket::upgrade(server.authority(), &path).await;
        for _ in 0..random.u32(1..8) {
            let bytes = random_bytes(&mut random, valid.as_bytes());
            // The server may already have disconnected because of the previous bytes, which is correct.
            if raw.try_write(&bytes).await.is_err() {
                break;
            }
        }
        drop(raw);
        if connection % 10 == 0 {
            witness.expect_nothing_before_pong().await;
        }
    }
    witness.expect_nothing_before_pong().await;
    let socket = bob.join(&channel).await;
    socket.close().await;
    let log = server.log();
    assert!(!log.contains("panicked"), "the server must not panic: {log}");
}

/// Pure noise, noise after a frame's header, or a valid frame with a few changed bytes.
fn random_bytes(random: &mut fastrand::Rng, valid: &[u8]) -> Vec<u8> {
    let noise = |random: &mut fastrand::Rng, most: usize| {
        let length = random.usize(0..most);
        std::iter::repeat_with(|| random.u8(..)).take(length).collect::<Vec<u8>>()
    };
    match random.u8(0..3) {
        0 => noise(random, 300),
        1 => {
            FrameOut { first_byte: random.u8(..), masked: random.u8(0..8) != 0, payload: noise(random, 70_000) }.bytes()
        }
        _ => {
            let mut bytes = FrameOut::new(TEXT, valid).bytes();
            for _ in 0..random.usize(1..4) {
                let at = random.usize(0..bytes.len());
                bytes[at] = random.u8(..);
            }
            bytes
        }
    }
}

#[tokio::test]
async fn half_a_handshake_does_not_hold_the_server() {
    let server = Server::start().await;
    let alice = server.user("alice").await;
    let mut waiting = Vec::new();
    for _ in 0..50 {
        let mut raw = RawSocket::connect(server.authority()).await;
        raw.write(b"GET /ws/channel/x HTTP/1.1\r\nHost: a\r\nUpgr").await;
        waiting.push(raw);
    }
    let channel = alice.channel_with(&[]).await;
    let mut socket = tokio::time::timeout(Duration::from_secs(5), alice.join(&channel)).await.expect("others get in");
    socket.expect_nothing_before_pong().await;
}

#[tokio::test]
async fn rubbish_in_a_workspace_gets_its_error_and_disturbs_nobody() {
    let server = Server::start().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let (mut socket, mut witness) = (alice.open("/api/v1/ws").await, bob.open("/api/v1/ws").await);
    for one in [&mut socket, &mut witness] {
        one.send_json(&json!({"type": "join_room", "room_id": "room"})).await;
        one.expect("room_state").await;
    }
    socket.expect("room_state").await;
    let text = |value: Value| value.to_string();
    let huge = "x".repeat(60_000);
    let cases = [
        (String::new(), "INVALID_JSON"),
        ("{".to_owned(), "INVALID_JSON"),
        ("[".repeat(30_000), "INVALID_JSON"),
        ("[]".to_owned(), "INVALID_MESSAGE"),
        ("7".to_owned(), "INVALID_MESSAGE"),
        (text(json!({"type": ["cursor_move"]})), "INVALID_MESSAGE"),
        (text(json!({"type": "LAUNCH"})), "UNKNOWN_MESSAGE_TYPE"),
        (text(json!({"type": huge})), "UNKNOWN_MESSAGE_TYPE"),
        (text(json!({"type": "join_room", "room_id": huge})), "INVALID_MESSAGE"),
        (text(json!({"type": "join_room", "conversation_id": {}})), "INVALID_MESSAGE"),
        (text(json!({"type": "cursor_move", "x": "1", "y": 2})), "INVALID_MESSAGE"),
        ("{\"type\":\"cursor_move\",\"x\":1e999,\"y\":2}".to_owned(), "INVALID_MESSAGE"),
        (text(json!({"type": "cursor_move", "x": 1, "y": 2, "cell": huge})), "INVALID_MESSAGE"),
        (text(json!({"type": "typing_start", "cell_id": 7})), "INVALID_MESSAGE"),
        (text(json!({"type": "status_update", "status": "asleep"})), "INVALID_MESSAGE"),
        (text(json!({"type": "cells_update", "sheet_id": "s", "cells": 7})), "INVALID_MESSAGE"),
        (text(json!({"type": "cell_update", "sheet_id": "s", "cell_id": "A1", "value": huge})), "MESSAGE_TOO_LONG"),
        (text(json!({"type": "ai_request", "request_id": "r", "query": huge})), "MESSAGE_TOO_LONG"),
        (text(json!({"type": "file_upload_start", "file_id": "f", "filename": "", "file_size": 1})), "INVALID_MESSAGE"),
        (text(json!({"type": "notification_read", "notification_id": [1]})), "INVALID_MESSAGE"),
    ];
    for (bad, code) in cases {
        socket.send_text(&bad).await;
        let error = socket.next_json().await;
        assert_eq!(error["code"], code, "the answer to {:.100?} was {error}", bad);
        crate::support::rest::assert_error(&error, code);
    }
    socket.send_frame(Message::binary(&b"\x00\x01\x02"[..])).await;
    socket.expect_error("INVALID_MESSAGE").await;
    witness.expect_nothing_before_pong().await;
    socket.send_json(&json!({"type": "cursor_move", "room": "room", "x": 1, "y": 2})).await;
    assert_eq!(witness.expect("cursor_moved").await["cursor"], json!({"x": 1, "y": 2}));
}
