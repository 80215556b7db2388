//! The workspace dialect from outside: many rooms on one socket, who is there, cursors, sheets, status, typing.

mod cursors;
mod presence;
mod rooms;
mod sheets;

use serde_json::{Value, json};

use crate::support::{Server, Socket, User};

/// A server on which nobody is counted: these tests are about other things.
pub async fn server() -> Server {
    Server::builder()
        .env("WEBSOCKET_REQUESTS_PER_MINUTE", 0)
        .env("WEBSOCKET_REQUESTS_PER_HOUR", 0)
        .env("WEBSOCKET_EPHEMERAL_PER_SECOND", 0)
        .start()
        .await
}

/// A socket of that user, in no room yet.
pub async fn open(user: &User) -> Socket {
    user.open("/api/v1/ws").await
}

/// Joins; answers the room's state.
pub async fn join(socket: &mut Socket, room: &str) -> Value {
    socket.send_json(&json!({"type": "join_room", "room_id": room})).await;
    let state = socket.expect("room_state").await;
    assert_eq!(state["room_id"], room, "{state}");
    state
}

/// A socket of that user in that room.
pub async fn joined(user: &User, room: &str) -> Socket {
    let mut socket = open(user).await;
    join(&mut socket, room).await;
    socket
}

/// The ids of those who are there, sorted.
pub fn users_of(state: &Value) -> Vec<String> {
    let users = state["users"].as_array().unwrap_or_else(|| panic!("a list of users, not {state}"));
    let mut ids: Vec<String> = users.iter().map(|user| user["user_id"].as_str().expect("an id").to_owned()).collect();
    ids.sort();
    ids
}
