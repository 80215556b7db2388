//! The nexus dialect from outside (docs/nexus.md).

mod calls;
mod changes;
mod chat;
mod devices;
mod notifications;
mod participants;
mod presence;
mod receipts;
mod rest;
mod rooms;
mod sockets;

use serde_json::{Value, json};

use crate::support::{Socket, User};

/// Joins; answers the room's state.
pub async fn join(socket: &mut Socket, room: &str) -> Value {
    socket.send_json(&json!({"event_type": "room.join", "room_id": room})).await;
    let state = socket.expect("room.join").await;
    assert_eq!(state["room_id"], room, "{state}");
    state
}

/// A socket of that user in that room.
pub async fn joined(user: &User, room: &str) -> Socket {
    let mut socket = user.nexus().await;
    join(&mut socket, room).await;
    socket
}

/// Sends a message; answers its echo, which is the next frame, and the receipt behind it.
pub async fn say(socket: &mut Socket, conversation: &str, content: &str) -> (Value, Value) {
    send(socket, &json!({"event_type": "chat.message", "conversation_id": conversation, "content": content})).await
}

/// The same with a message of the caller's.
pub async fn send(socket: &mut Socket, message: &Value) -> (Value, Value) {
    socket.send_json(message).await;
    let echo = socket.expect("chat.message").await;
    let receipt = socket.expect("chat.delivered").await;
    assert_eq!((&receipt["message_id"], &receipt["seq"]), (&echo["message_id"], &echo["seq"]), "{receipt}");
    assert_eq!(receipt["conversation_id"], echo["conversation_id"]);
    (echo, receipt)
}
