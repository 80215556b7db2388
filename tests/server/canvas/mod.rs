//! The canvas dialect from outside (docs/canvas.md).

mod comments;
mod ends;
mod presence;
mod tiles;

use serde_json::{Value, json};

use crate::support::{Socket, User};

/// Creates an open canvas of 40 by 30 tiles, and returns its id.
pub async fn create(owner: &User) -> i64 {
    create_as(owner, "open").await
}

pub async fn create_as(owner: &User, visibility: &str) -> i64 {
    let new = json!({"name": "Board", "width": 40, "height": 30, "visibility": visibility});
    owner.post("/api/v1/canvases", new).await.expect(201)["id"].as_i64().unwrap()
}

/// The number of a user.
pub async fn number(user: &User) -> i64 {
    user.get("/api/auth/me").await.expect(200)["number"].as_i64().unwrap()
}

/// Opens a socket on a canvas, and returns its two first frames.
pub async fn open(user: &User, canvas: i64) -> (Socket, Value, Value) {
    let mut socket = user.open(&format!("/canvas/{canvas}")).await;
    let joined = socket.expect("user_joined").await;
    let users = socket.expect("active_users").await;
    (socket, joined, users)
}

/// The same without the frames.
pub async fn joined(user: &User, canvas: i64) -> Socket {
    open(user, canvas).await.0
}

/// Creates a tile over REST.
pub async fn tile(user: &User, canvas: i64, x: i64, y: i64) -> Value {
    let new = json!({"x": x, "y": y, "content": "Hello"});
    user.post(&format!("/api/v1/canvases/{canvas}/tiles"), new).await.expect(201)
}
