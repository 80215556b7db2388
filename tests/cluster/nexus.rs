//! The nexus dialect on two nodes.

use serde_json::json;

use crate::setting::Setting;
use crate::support::{DEADLINE, Socket, User, eventually};

async fn joined(user: &User, room: &str) -> Socket {
    let mut socket = user.nexus().await;
    socket.send_json(&json!({"event_type": "room.join", "room_id": room})).await;
    socket.expect("room.join").await;
    socket
}

#[tokio::test]
async fn a_conversation_is_one_on_both_nodes() {
    let setting = Setting::new().await;
    let mut author = joined(&setting.alice, "conv").await;
    let mut reader = joined(&setting.bob, "conv").await;
    author.expect("room.join").await;
    author.send_json(&json!({"event_type": "chat.message", "conversation_id": "conv", "content": "one"})).await;
    let echo = author.expect("chat.message").await;
    let receipt = author.expect("chat.delivered").await;
    assert_eq!((&receipt["delivered_to"], &receipt["queued_for"]), (&json!([setting.bob.id]), &json!([])));
    assert_eq!(reader.read_until("chat.message").await.pop().unwrap(), echo);
    for (kind, field, value) in [("chat.edit", "content", "first"), ("chat.react", "emoji", "👍")] {
        author.send_json(&json!({"event_type": kind, "message_id": echo["message_id"], field: value})).await;
        let change = author.expect(kind).await;
        assert_eq!(reader.expect(kind).await, change);
    }
    reader.send_json(&json!({"event_type": "chat.read", "message_id": echo["message_id"]})).await;
    assert_eq!(author.expect("chat.read").await["user_id"], json!(setting.bob.id));
    reader.expect("chat.read").await;
    // each node's memory has the edited text
    for user in [&setting.alice, &setting.bob] {
        let mut late = user.nexus().await;
        let again = json!({"event_type": "room.join", "room_id": "conv", "since": 0, "epoch": receipt["epoch"]});
        late.send_json(&again).await;
        late.expect("room.join").await;
        assert_eq!(late.expect("chat.message").await["content"], "first");
    }
}

#[tokio::test]
async fn a_status_reaches_the_other_node_once() {
    let setting = Setting::new().await;
    let mut author = joined(&setting.alice, &setting.channel).await;
    let mut reader = joined(&setting.bob, &setting.channel).await;
    author.read_until("room.join").await;
    // at once: the author's node announces a change when it knows the sockets that were opened elsewhere before it
    author.send_json(&json!({"event_type": "presence.update", "status": "busy", "location": "Lab"})).await;
    let seen = reader.read_until("presence.busy").await.pop().unwrap();
    assert_eq!((&seen["user_id"], &seen["location"]), (&json!(setting.alice.id), &json!("Lab")));
    author.send_json(&json!({"event_type": "presence.update", "status": "online"})).await;
    let next = reader.read_until("presence.online").await;
    assert_eq!(next.len(), 1, "{next:?}");
    let path = format!("/api/presence/{}", setting.alice.id);
    eventually("the location on the other node", DEADLINE, || async {
        (setting.bob.get(&path).await.expect(200)["location"] == "Lab").then_some(())
    })
    .await;
}

#[tokio::test]
async fn the_queue_is_delivered_once_and_in_order_on_any_node() {
    let setting = Setting::new().await;
    let mut author = setting.alice.nexus().await;
    for content in ["one", "two", "three"] {
        let message = json!({"event_type": "chat.message", "recipient_id": setting.bob.id, "content": content});
        author.send_json(&message).await;
        author.expect("chat.message").await;
        assert_eq!(author.expect("chat.delivered").await["queued_for"], json!([setting.bob.id]));
    }
    let mut reader = setting.bob.nexus().await;
    for content in ["one", "two", "three"] {
        assert_eq!(reader.expect("chat.message").await["content"], content);
    }
    reader.expect_nothing_before_pong().await;
    reader.close().await;
    for node in [0, 1] {
        let mut again = setting.cluster.at(node, &setting.bob).nexus().await;
        again.expect_nothing_before_pong().await;
        again.close().await;
    }
}

/// A direct message reaches a socket of each dialect on the other node in its own form.
#[tokio::test]
async fn a_direct_message_reaches_both_dialects_on_the_other_node() {
    let setting = Setting::new().await;
    let mut nexus = setting.bob.nexus().await;
    let mut window = setting.bob.connect_dm(&setting.alice).await;
    window.next_json().await;
    nexus.expect("connect").await;
    let mut author = setting.alice.nexus().await;
    let message = json!({"event_type": "chat.message", "recipient_id": setting.bob.id, "content": "psst"});
    author.send_json(&message).await;
    let echo = author.expect("chat.message").await;
    assert_eq!(nexus.expect("chat.message").await["message_id"], echo["message_id"]);
    assert_eq!(window.read_until("dm_message").await.pop().unwrap()["id"], echo["message_id"]);
    nexus.expect_nothing_before_pong().await;
}
