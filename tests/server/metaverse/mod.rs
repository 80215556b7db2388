//! The metaverse dialect and its REST routes (docs/metaverse.md).

mod dialect;
mod invites;
mod movement;
mod spaces;
mod state;

use serde_json::{Value, json};

use crate::support::{Socket, User, rest::Answer};

/// The data of a successful answer.
#[track_caller]
pub fn data(answer: Answer) -> Value {
    assert!(answer.status.is_success(), "{}", answer.text);
    assert_eq!(answer.body["status"], "success", "{}", answer.text);
    answer.body["data"].clone()
}

/// Asserts a refusal in the form of the dialect.
#[track_caller]
pub fn assert_failed(answer: Answer, status: u16, code: &str, sentence: &str) {
    let body = answer.expect_error(status, code);
    assert_eq!((&body["status"], &body["error"]), (&json!("failed"), &json!(sentence)), "{body}");
}

/// Creates a space with so many places.
pub async fn space(admin: &User, name: &str, capacity: u32, is_public: bool) -> String {
    let new = json!({"name": name, "capacity": capacity, "isPublic": is_public});
    let made = data(admin.post("/metaverse/spaces", new).await);
    made["space"]["id"].as_str().expect("an id").to_owned()
}

/// Invites a user and returns the invite.
pub async fn invite(from: &User, to: &User, space: &str) -> Value {
    let sent = from.post("/metaverse/invites/send", json!({"toUserId": to.id, "spaceId": space})).await;
    assert_eq!(sent.body["message"], "Invite sent successfully", "{}", sent.text);
    data(sent)["invite"].clone()
}

/// Accepts an invite.
pub async fn accept(user: &User, invite: &Value) -> Answer {
    user.post(&format!("/metaverse/invites/{}/accept", invite["id"].as_str().expect("an id")), json!({})).await
}

/// Declines an invite.
pub async fn decline(user: &User, invite: &Value) -> Answer {
    user.post(&format!("/metaverse/invites/{}/decline", invite["id"].as_str().expect("an id")), json!({})).await
}

/// Makes the user a member.
pub async fn admit(admin: &User, user: &User, space: &str) {
    let sent = invite(admin, user, space).await;
    data(accept(user, &sent).await);
}

// ---- sockets ----

/// Opens a socket of the dialect.
pub async fn opened(user: &User) -> Socket {
    user.open("/ws/metaverse").await
}

/// Sends a request.
pub async fn send(socket: &mut Socket, kind: &str, payload: Value) {
    socket.send_json(&json!({"type": kind, "payload": payload})).await;
}

/// The next frame, which must be the answer to a request of that type that was executed. Returns its data.
pub async fn answer(socket: &mut Socket, kind: &str) -> Value {
    let answer = socket.next_json().await;
    assert_eq!((&answer["status"], &answer["requestType"]), (&json!("success"), &json!(kind)), "{answer}");
    answer["data"].clone()
}

/// The next frame, which must be the refusal of a request of that type.
pub async fn failed(socket: &mut Socket, kind: &str, code: &str) -> Value {
    let answer = socket.next_json().await;
    assert_eq!((&answer["status"], &answer["requestType"]), (&json!("failed"), &json!(kind)), "{answer}");
    assert_eq!(answer["code"], code, "{answer}");
    answer
}

/// Asserts that no frame is queued for this socket.
pub async fn nothing(socket: &mut Socket) {
    socket.send_json(&json!({"type": "PING", "ref": "nothing"})).await;
    let pong = socket.expect("PONG").await;
    assert_eq!(pong["ref"], "nothing", "{pong}");
}

/// Opens a socket and enters a space. Returns the data of the answer.
pub async fn entered(user: &User, space: &str, x: f64) -> (Socket, Value) {
    let mut socket = opened(user).await;
    let place = json!({"x": x, "y": 0, "direction": "down"});
    send(&mut socket, "JOIN_SPACE", json!({"spaceId": space, "initialPosition": place})).await;
    let data = answer(&mut socket, "JOIN_SPACE").await;
    (socket, data)
}
