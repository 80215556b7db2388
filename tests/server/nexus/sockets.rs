//! Opening a nexus socket, its heartbeat and what it is told when a message is wrong.

use std::time::Duration;

use serde_json::json;

use crate::support::raw::{CLOSE, FrameOut, PING, RawSocket, TEXT};
use crate::support::shape::Kind::{Text, Time, Uuid};
use crate::support::shape::assert_shape;
use crate::support::socket::Place;
use crate::support::{Server, Socket};

#[tokio::test]
async fn the_first_frame_greets_and_names_the_connection() {
    let server = Server::start().await;
    let alice = server.user("alice").await;
    for path in [format!("/ws?user_id={}", alice.id), "/ws".to_owned(), "/ws/".to_owned()] {
        let mut socket = alice.open(&path).await;
        let first = socket.next_json().await;
        assert_shape(
            &first,
            &[
                ("event_type", Text),
                ("event_id", Uuid),
                ("timestamp", Time),
                ("message", Text),
                ("connection_id", Text),
                ("user_id", Text),
                ("server_time", Time),
            ],
        );
        assert_eq!((&first["event_type"], &first["user_id"]), (&json!("system.message"), &json!(alice.id)));
        assert_eq!(first["connection_id"], socket.header("X-Connection-Id"));
        socket.expect_nothing_before_pong().await;
    }
}

#[tokio::test]
async fn only_the_users_own_token_opens_the_socket() {
    let server = Server::start().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    for (path, status, code) in [
        (format!("/ws?user_id={}&token={}", bob.id, alice.token), 403, "PERMISSION_DENIED"),
        (format!("/ws?user_id={}", alice.id), 401, "AUTHENTICATION_FAILED"),
        (format!("/ws?user_id={}&token=your_token", alice.id), 401, "AUTHENTICATION_FAILED"),
    ] {
        let mut raw = RawSocket::connect(server.authority()).await;
        let answer = raw.handshake(server.authority(), &path, &[]).await;
        assert_eq!((answer.status, &answer.json()["code"]), (status, &json!(code)), "{path}");
    }
    let mut socket = Socket::open(server.origin(), "/ws", &alice.token, Place::Subprotocol).await;
    socket.expect("system.message").await;
}

#[tokio::test]
async fn pings_are_answered_and_every_frame_has_an_id_and_a_time() {
    let server = Server::start().await;
    let mut socket = server.user("alice").await.nexus().await;
    socket.send_json(&json!({"event_type": "ping", "ref": 7})).await;
    let pong = socket.expect("pong").await;
    assert_shape(&pong, &[("event_id", Uuid), ("timestamp", Time)]);
    assert_eq!(pong["ref"], 7);
    socket.send_json(&json!({"event_type": "ping"})).await;
    assert_ne!(socket.expect("pong").await["event_id"], pong["event_id"]);
}

#[tokio::test]
async fn a_bad_message_is_answered_and_disturbs_nobody() {
    let server = Server::start().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let mut bystander = super::joined(&bob, "conv").await;
    let mut socket = super::joined(&alice, "conv").await;
    bystander.expect("room.join").await;
    for (message, code) in [
        ("}{", "INVALID_JSON"),
        ("[]", "INVALID_MESSAGE"),
        (r#"{"type":"ping"}"#, "INVALID_MESSAGE"),
        (r#"{"event_type":"chat.reactivate"}"#, "UNKNOWN_MESSAGE_TYPE"),
        (r#"{"event_type":"join_room","room_id":"conv"}"#, "UNKNOWN_MESSAGE_TYPE"),
        (r#"{"event_type":"chat.message","content":"x"}"#, "INVALID_MESSAGE"),
        (r#"{"event_type":"chat.message","conversation_id":"conv","content":""}"#, "INVALID_MESSAGE"),
        (r#"{"event_type":"chat.message","recipient_id":"nobody","content":"x"}"#, "USER_NOT_FOUND"),
        (r#"{"event_type":"room.broadcast","room_id":"elsewhere","data":1}"#, "NOT_IN_ROOM"),
        (r#"{"event_type":"room.leave","room_id":"elsewhere"}"#, "NOT_IN_ROOM"),
        (r#"{"event_type":"notification.read","notification_id":"7"}"#, "NOT_FOUND"),
    ] {
        socket.send_text(message).await;
        let error = socket.expect_error(code).await;
        assert_shape(&error, &[("event_id", Uuid)]);
    }
    let long = "x".repeat(10_001);
    socket
        .send_json(&json!({"event_type": "chat.message", "conversation_id": "conv", "content": long, "ref": "r"}))
        .await;
    assert_eq!(socket.expect_error("MESSAGE_TOO_LONG").await["ref"], "r");
    bystander.expect_nothing_before_pong().await;
}

#[tokio::test]
async fn a_fresh_token_is_taken() {
    let server = Server::start().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let mut socket = alice.nexus().await;
    socket.send_json(&json!({"event_type": "auth.refresh", "token": alice.token, "ref": 1})).await;
    assert_shape(&socket.expect("ack").await, &[("expires_at", Time)]);
    socket.send_json(&json!({"event_type": "auth.refresh", "token": bob.token, "ref": 2})).await;
    socket.expect_error("AUTHENTICATION_FAILED").await;
}

/// The settings of the seed apply to nexus alone.
#[tokio::test]
async fn the_heartbeat_has_settings_of_its_own() {
    let server =
        Server::builder().env("WEBSOCKET_HEARTBEAT_INTERVAL", 1).env("WEBSOCKET_HEARTBEAT_TIMEOUT", 2).start().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let mut silent = RawSocket::upgrade(server.authority(), &format!("/ws?token={}", alice.token)).await;
    let mut other = RawSocket::upgrade(server.authority(), &format!("/api/v1/ws?token={}", bob.token)).await;
    silent.next_json().await;
    loop {
        let frame = silent.next_frame_within(Duration::from_secs(8)).await.expect("a close before the end");
        match frame.opcode() {
            PING => {}
            CLOSE => {
                assert_eq!(frame.close_code(), Some(4508));
                break;
            }
            _ => panic!("unexpected {frame:?}"),
        }
    }
    other.send(&FrameOut::new(TEXT, r#"{"type":"ping"}"#)).await;
    assert_eq!(other.next_json().await["type"], "pong");
}
