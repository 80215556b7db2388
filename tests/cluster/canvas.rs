//! One canvas on two nodes: locks, likes and what has to end everywhere.

use serde_json::{Value, json};

use super::setting::Setting;
use crate::support::{Socket, User};

async fn create(owner: &User) -> i64 {
    let new = json!({"name": "Board", "width": 40, "height": 30});
    owner.post("/api/v1/canvases", new).await.expect(201)["id"].as_i64().unwrap()
}

async fn joined(user: &User, canvas: i64) -> Socket {
    let mut socket = user.open(&format!("/canvas/{canvas}")).await;
    socket.expect("user_joined").await;
    socket.expect("active_users").await;
    socket
}

/// Both users on the canvas, each aware of the other.
async fn both(setting: &Setting, canvas: i64) -> (Socket, Socket) {
    let mut alice = joined(&setting.alice, canvas).await;
    let bob = joined(&setting.bob, canvas).await;
    alice.read_until("user_joined").await;
    (alice, bob)
}

fn edit(is_editing: bool) -> Value {
    json!({"type": "user_presence", "presence_type": "editing_tile", "tile_x": 1, "tile_y": 2, "is_editing": is_editing, "ref": 1})
}

#[tokio::test]
async fn the_lock_of_a_tile_ends_with_its_socket_on_all_nodes() {
    let setting = Setting::new().await;
    let canvas = create(&setting.alice).await;
    let (mut alice, mut bob) = both(&setting, canvas).await;
    alice.send_json(&edit(true)).await;
    alice.expect("ack").await;
    let shown = bob.read_until("user_presence_update").await.pop().unwrap();
    assert_eq!((&shown["tile_x"], &shown["is_editing"]), (&json!(1), &json!(true)));
    bob.send_json(&edit(true)).await;
    assert_eq!(bob.expect_error("CONFLICT").await["holder"]["username"], "alice");
    alice.close().await;
    let ended = bob.expect("user_presence_update").await;
    assert_eq!(ended["is_editing"], false);
    bob.expect("user_left").await;
    bob.send_json(&edit(true)).await;
    bob.expect("ack").await;
}

#[tokio::test]
async fn likes_and_tiles_of_two_nodes_are_counted_once() {
    const TURNS: i64 = 10;
    let setting = Setting::new().await;
    let canvas = create(&setting.alice).await;
    let path = format!("/api/v1/canvases/{canvas}/tiles");
    for x in 0..TURNS {
        let new = json!({"x": x, "y": 0, "content": "x"});
        let (one, other) = tokio::join!(setting.alice.post(&path, new.clone()), setting.bob.post(&path, new));
        let statuses = [one.status.as_u16(), other.status.as_u16()];
        let (made, taken) = if statuses[0] == 201 { (one, other) } else { (other, one) };
        let id = made.expect(201)["tile_id"].clone();
        assert_eq!(taken.expect_error(409, "CONFLICT")["tile"]["tile_id"], id, "one creates it: {statuses:?}");
        let like = format!("/api/v1/tiles/{id}/like");
        let all = tokio::join!(
            setting.alice.post(&like, json!({})),
            setting.bob.post(&like, json!({})),
            setting.alice.post(&like, json!({})),
        );
        for answer in [all.0, all.1, all.2] {
            assert_eq!(answer.expect(200)["liked"], true);
        }
        assert_eq!(setting.bob.get(&format!("/api/v1/tiles/{id}")).await.expect(200)["like_count"], 2);
    }
    let (one, other) = (setting.alice.get(&path).await.expect(200), setting.bob.get(&path).await.expect(200));
    let count = |page: &Value| page["tiles"].as_array().unwrap().len();
    assert_eq!((count(&one), count(&other), &one["seq"]), (10, 10, &json!(TURNS * 3)));
}

#[tokio::test]
async fn what_one_node_stores_reaches_the_other_and_ends_there_too() {
    let setting = Setting::new().await;
    let canvas = create(&setting.alice).await;
    let (mut alice, mut bob) = both(&setting, canvas).await;
    alice.send_json(&json!({"type": "tile_create", "x": 1, "y": 1, "content": "Hello", "ref": 1})).await;
    let ack = alice.expect("ack").await;
    let created = bob.read_until("tile_created").await.pop().unwrap();
    assert_eq!((&created["tile_id"], &created["seq"]), (&ack["tile_id"], &ack["seq"]));
    bob.send_json(&json!({"type": "canvas_chat", "text": "Nice"})).await;
    assert_eq!(alice.expect("canvas_chat_message").await["message_text"], "Nice");
    bob.expect("canvas_chat_message").await;
    alice.expect_nothing_before_pong().await;
    setting.alice.delete(&format!("/api/v1/canvases/{canvas}")).await.expect(204);
    super::setting::closed_with(&mut bob, 4403).await;
    super::setting::closed_with(&mut alice, 4403).await;
    setting.bob.get(&format!("/api/v1/canvases/{canvas}")).await.expect_error(404, "ROOM_NOT_FOUND");
}
