//! The workspace dialect, black box: many rooms on one socket, presence, cursors, sheets, status, typing.

mod crowds;
mod cursors;
mod ending;
mod newcomers;
mod presence;
mod repeats;
mod rooms;
mod sheets;

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::support::{Server, Socket, User};

/// A server without rate limits, which are not the subject of these tests.
pub async fn server() -> Server {
    Server::builder()
        .env("WEBSOCKET_REQUESTS_PER_MINUTE", 0)
        .env("WEBSOCKET_REQUESTS_PER_HOUR", 0)
        .env("WEBSOCKET_EPHEMERAL_PER_SECOND", 0)
        .start()
        .await
}

/// A socket of that user that has not joined a room.
pub async fn open(user: &User) -> Socket {
    user.open("/api/v1/ws").await
}

/// Joins a room. Returns the room's state.
pub async fn join(socket: &mut Socket, room: &str) -> Value {
    socket.send_json(&json!({"type": "join_room", "room_id": room})).await;
    let state = socket.expect("room_state").await;
    assert_eq!(state["room_id"], room, "{state}");
    state
}

/// A socket of that user that has joined that room.
pub async fn joined(user: &User, room: &str) -> Socket {
    let mut socket = open(user).await;
    join(&mut socket, room).await;
    socket
}

/// The sorted ids of the users in a state.
pub fn users_of(state: &Value) -> Vec<String> {
    let users = state["users"].as_array().unwrap_or_else(|| panic!("a list of users, not {state}"));
    let mut ids: Vec<String> = users.iter().map(|user| user["user_id"].as_str().expect("an id").to_owned()).collect();
    ids.sort();
    ids
}

/// Sends all messages before reading anything.
pub async fn pipeline(socket: &mut Socket, messages: &[Value]) {
    for message in messages {
        socket.send_json(message).await;
    }
}

/// Reads until each of the refs was answered. Returns the `type` of each answer, or the `code` of an error. A second
/// answer to one of them is a failure.
pub async fn answers<const N: usize>(socket: &mut Socket, references: [u64; N]) -> [String; N] {
    let mut answers = BTreeMap::new();
    while !references.iter().all(|reference| answers.contains_key(reference)) {
        let frame = socket.next_json().await;
        let Some(reference) = frame["ref"].as_u64() else { continue };
        let what = if frame["type"] == "error" { &frame["code"] } else { &frame["type"] };
        let before = answers.insert(reference, what.as_str().expect("a name").to_owned());
        assert_eq!(before, None, "ref {reference} is answered twice: {frame}");
    }
    socket.send_json(&json!({"type": "ping", "ref": "the end"})).await;
    for frame in socket.read_until("pong").await {
        assert!(frame["ref"] == "the end" || frame["ref"].is_null(), "answered twice: {frame}");
    }
    references.map(|reference| answers[&reference].clone())
}
