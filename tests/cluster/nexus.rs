//! The nexus dialect on two nodes.

use serde_json::{Value, json};

use crate::setting::Setting;
use crate::support::{DEADLINE, Socket, User, eventually, token};

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

/// What is done over REST on one node reaches the sockets on the other one.
#[tokio::test]
async fn changes_over_rest_reach_the_sockets_on_the_other_node() {
    let setting = Setting::new().await;
    let mut reader = joined(&setting.bob, "conv").await;
    let mut own = setting.cluster.at(1, &setting.alice).nexus().await;
    let path = "/api/conversations/conv/messages";
    let sent = setting.alice.post(path, json!({"content": "frist"})).await.expect(201);
    let id = sent["id"].as_str().expect("an id");
    assert_eq!(reader.read_until("chat.message").await.pop().unwrap()["message_id"], sent["id"]);
    let message = format!("/api/messages/{id}");
    let edited = setting.alice.patch(&message, json!({"content": "first"})).await.expect(200);
    let edit = reader.expect("chat.edit").await;
    assert_eq!((&edit["content"], &edit["seq"], &edit["event_id"]), (&json!("first"), &edited["seq"], &edited["id"]));
    let reaction = format!("{message}/reactions/%F0%9F%91%8D");
    let reacted = setting.alice.put(&reaction).await.expect(200);
    let react = reader.expect("chat.react").await;
    assert_eq!((&react["emoji"], &react["removed"], &react["seq"]), (&json!("👍"), &json!(false), &reacted["seq"]));
    setting.alice.delete(&reaction).await.expect(200);
    assert_eq!(reader.expect("chat.react").await["removed"], true);
    let deleted = setting.alice.delete(&message).await.expect(200);
    assert_eq!(reader.expect("chat.delete").await["seq"], deleted["seq"]);

    let device = json!({"keys": {"curve25519": "AwgAEiA"}, "one_time_prekeys": []});
    let path = "/api/users/me/devices/laptop";
    for change in ["added", "updated"] {
        let put = setting.alice.request(reqwest::Method::PUT, path, Some(device.clone())).await;
        assert!(put.status.is_success(), "{}", put.text);
        let told = own.read_until("device.update").await.pop().unwrap();
        assert_eq!((&told["device_id"], &told["change"]), (&json!("laptop"), &json!(change)));
    }
    setting.alice.delete(path).await.expect(204);
    assert_eq!(own.read_until("device.update").await.pop().unwrap()["change"], "removed");
}

/// More users than up to which each mark is an event of its own, on both nodes.
#[tokio::test]
async fn the_marks_of_a_crowd_on_two_nodes_are_collected_on_each() {
    const EACH: usize = 18;
    let setting = Setting::new().await;
    let mut author = joined(&setting.alice, "hall").await;
    let mut crowd = Vec::new();
    for number in 0..2 * EACH {
        let (id, name) = (format!("reader-{number}"), format!("reader{number}"));
        let origin = setting.cluster.server(number / EACH).origin().to_owned();
        let user = User::with_token(&origin, &id, &name, &token::for_user(&id, &name, 3600));
        let socket = joined(&user, "hall").await;
        crowd.push((user, socket));
    }
    for _ in &crowd {
        author.expect("room.join").await;
    }
    author.send_json(&json!({"event_type": "chat.message", "conversation_id": "hall", "content": "hi"})).await;
    let echo = author.expect("chat.message").await;
    author.expect("chat.delivered").await;
    let read =
        json!({"event_type": "chat.read", "conversation_id": "hall", "message_id": echo["message_id"], "ref": 1});
    for (_, socket) in &mut crowd {
        socket.read_until("chat.message").await;
        socket.send_json(&read).await;
    }
    let mut of_nodes: Vec<Vec<Value>> = Vec::new();
    let (first, second) = crowd.split_at_mut(EACH);
    for socket in [&mut author, &mut first[0].1, &mut second[0].1] {
        let (mut frames, mut total) = (Vec::new(), 0);
        while total < 2 * EACH {
            let frame = socket.read_until("chat.read").await.pop().unwrap();
            total += frame["readers_total"].as_u64().unwrap_or(1) as usize;
            frames.push(frame);
        }
        of_nodes.push(frames);
    }
    assert!(of_nodes[0].len() < EACH, "collected: {of_nodes:?}");
    assert_eq!((&of_nodes[0], &of_nodes[0]), (&of_nodes[1], &of_nodes[2]), "the same events everywhere");
    for (user, _) in &crowd {
        let other = setting.cluster.at(0, user);
        let page = other.get("/api/conversations").await.expect(200);
        assert_eq!(page["conversations"][0]["last_read_seq"], echo["seq"]);
    }
}

/// Who takes part in a conversation without a socket receives its messages later, whatever nodes they were sent through.
#[tokio::test]
async fn what_participants_missed_waits_for_them_on_any_node() {
    let setting = Setting::new().await;
    let [carol, dave] = setting.cluster.users(["carol", "dave"]).await;
    let mut first = joined(&setting.alice, "conv").await;
    for absent in [&carol, &dave] {
        joined(absent, "conv").await.close().await;
        first.read_until("room.leave").await;
    }
    let mut authors = [first, joined(&setting.bob, "conv").await];
    let (mut sent, mut others) = (Vec::new(), Vec::new());
    for number in 0..10 {
        let message = json!({"event_type": "chat.message", "conversation_id": "conv", "content": number.to_string()});
        let author = &mut authors[number % 2];
        author.send_json(&message).await;
        // of the other author first
        while sent.len() <= number {
            let frame = author.read_until("chat.message").await.pop().unwrap();
            if !sent.contains(&frame["message_id"]) {
                sent.push(frame["message_id"].clone());
            }
        }
        others.push(author.read_until("chat.delivered").await.pop().unwrap()["queued_total"].clone());
    }
    assert!(others.iter().all(|total| *total == 2), "queued for both: {others:?}");
    for (absent, node) in [(&carol, 1), (&dave, 0)] {
        let mut back = setting.cluster.at(node, absent).nexus().await;
        for id in &sent {
            assert_eq!(back.expect("chat.message").await["message_id"], *id);
        }
        back.expect_nothing_before_pong().await;
        back.close().await;
        for node in [0, 1] {
            let mut again = setting.cluster.at(node, absent).nexus().await;
            again.expect_nothing_before_pong().await;
            again.close().await;
        }
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

#[tokio::test]
async fn a_new_conversation_is_announced_on_the_other_node() {
    let setting = Setting::new().await;
    let mut socket = setting.bob.nexus().await;
    eventually("the socket on the other node", DEADLINE, || async {
        let online = setting.alice.get("/api/ws/online").await.expect(200);
        online["online_users"]
            .as_array()
            .unwrap()
            .iter()
            .any(|one| one["user_id"] == json!(setting.bob.id))
            .then_some(())
    })
    .await;
    setting.alice.post("/api/conversations", json!({"members": [setting.bob.id]})).await.expect(201);
    socket.read_until("conversation.update").await;
}
