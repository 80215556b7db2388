//! Entering and leaving rooms, and data for everybody in one.

use reqwest::Method;
use serde_json::json;

use super::{join, joined, say};
use crate::on_both;
use crate::support::Server;
use crate::support::shape::Kind::{Count, Opaque, Text, Time, Uuid};
use crate::support::shape::assert_shape;

on_both! {
    async fn a_newcomer_learns_who_is_there_and_the_others_that_somebody_came(database) {
        let server = Server::on(database).await;
        let (alice, bob) = (server.user("alice").await, server.user("bob").await);
        let mut first = alice.nexus().await;
        first.send_json(&json!({"event_type": "room.join", "room_id": "room_general", "username": "x", "ref": 1})).await;
        let state = first.expect("room.join").await;
        assert_shape(&state, &[("room_id", Text), ("seq", Count), ("epoch", Opaque), ("event_id", Uuid)]);
        assert_eq!((&state["ref"], &state["total_members"]), (&json!(1), &json!(1)));
        let own = json!([{"user_id": alice.id, "username": "alice", "status": "online"}]);
        assert_eq!(state["members"], own);

        let mut second = bob.nexus().await;
        assert_eq!(join(&mut second, "room_general").await["total_members"], 2);
        let came = first.expect("room.join").await;
        assert_eq!((&came["user_id"], &came["username"]), (&json!(bob.id), &json!("bob")));
        assert_eq!(came.get("members"), None, "{came}");

        second.send_json(&json!({"event_type": "room.leave", "room_id": "room_general", "ref": 2})).await;
        assert_eq!(second.expect("ack").await["ref"], 2);
        let left = first.expect("room.leave").await;
        assert_eq!((&left["user_id"], &left["username"]), (&json!(bob.id), &json!("bob")));
        first.send_json(&json!({"event_type": "room.broadcast", "room_id": "room_general", "data": 1})).await;
        first.expect("room.broadcast").await;
        second.expect_nothing_before_pong().await;
    }
}

#[tokio::test]
async fn a_broadcast_reaches_all_members_as_it_was_sent() {
    let server = Server::start().await;
    let (alice, bob, carol) = (server.user("alice").await, server.user("bob").await, server.user("carol").await);
    let mut bystander = carol.nexus().await;
    let mut sender = joined(&alice, "room").await;
    let mut member = joined(&bob, "room").await;
    sender.expect("room.join").await;
    let data = r#"{ "n":1.0e+05,  "a":[ ]}"#;
    sender.send_text(&format!(r#"{{"event_type":"room.broadcast","room_id":"room","data":{data},"ref":1}}"#)).await;
    for socket in [&mut sender, &mut member] {
        let sent = socket.expect("room.broadcast").await;
        assert_eq!((&sent["user_id"], &sent["room_id"]), (&json!(alice.id), &json!("room")));
        assert!(socket.last_text().contains(data), "{}", socket.last_text());
    }
    assert_eq!(sender.expect("ack").await["ref"], 1);
    let late = joined(&carol, "other").await;
    drop(late);
    bystander.expect_nothing_before_pong().await;
}

/// The two dialects share rooms: each sees who is there, in its own form.
#[tokio::test]
async fn a_nexus_user_is_in_the_state_of_a_workspace_room() {
    let server = Server::start().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let mut workspace = alice.open("/api/v1/ws").await;
    workspace.send_json(&json!({"type": "join_room", "room_id": "shared"})).await;
    workspace.expect("room_state").await;
    let mut nexus = bob.nexus().await;
    let state = join(&mut nexus, "shared").await;
    assert_eq!(state["total_members"], 2);
    let told = workspace.expect("room_state").await;
    assert_eq!(told["total_users"], 2, "the state alone says it: {told}");
    nexus
        .send_json(&json!({"event_type": "room.broadcast", "room_id": "shared", "data": {"type": "room_state"}}))
        .await;
    nexus.expect("room.broadcast").await;
    say(&mut nexus, "shared", "hello").await;
    nexus.send_json(&json!({"event_type": "chat.typing", "conversation_id": "shared", "is_typing": true})).await;
    workspace.expect("user_typing_start").await;
    nexus.close().await;
    assert_eq!(workspace.read_until("room_state").await.last().unwrap()["total_users"], 1);
}

#[tokio::test]
async fn a_private_room_admits_only_members() {
    let server = Server::start().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let mut owner = joined(&alice, "secret").await;
    let private = Some(json!({"visibility": "private"}));
    alice.request(Method::PATCH, "/api/v1/rooms/secret", private).await.expect(200);
    let mut stranger = bob.nexus().await;
    for message in [
        json!({"event_type": "room.join", "room_id": "secret"}),
        json!({"event_type": "chat.message", "conversation_id": "secret", "content": "x"}),
        json!({"event_type": "chat.typing", "conversation_id": "secret", "is_typing": true}),
    ] {
        stranger.send_json(&message).await;
        stranger.expect_error("PERMISSION_DENIED").await;
    }
    owner.expect_nothing_before_pong().await;
}

/// A socket that joined a channel by its id loses the channel with the right to it, and stays open.
#[tokio::test]
async fn whoever_leaves_the_group_leaves_the_channel_and_keeps_the_socket() {
    let server = Server::start().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let group = alice.create_group("Team").await;
    alice.add_member(&group, &bob).await;
    let channel = alice.create_channel(&group, "general").await;
    let mut nexus = joined(&bob, &channel).await;
    let mut bound = bob.join(&channel).await;
    alice.delete(&format!("/api/groups/{group}/members/{}", bob.id)).await.expect(204);
    bound.expect_close(4403).await;
    // in either order
    let frames = nexus.read_until("conversation.update").await;
    if frames.iter().all(|frame| frame["code"] != "PERMISSION_DENIED") {
        nexus.expect_error("PERMISSION_DENIED").await;
    }
    // the session learns a moment later that its socket is out of the channel
    loop {
        nexus.send_json(&json!({"event_type": "chat.message", "conversation_id": channel, "content": "x"})).await;
        match nexus.expect("error").await["code"].as_str() {
            Some("PERMISSION_DENIED") => break,
            other => assert_eq!(other, Some("NOT_IN_ROOM")),
        }
    }
    nexus.expect_nothing_before_pong().await;
}

#[tokio::test]
async fn a_resumed_join_brings_what_was_missed() {
    let server = Server::start().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let mut sender = joined(&alice, "room").await;
    let mut reader = bob.nexus().await;
    let state = join(&mut reader, "room").await;
    sender.expect("room.join").await;
    reader.send_json(&json!({"event_type": "room.leave", "room_id": "room", "ref": 1})).await;
    reader.expect("ack").await;
    sender.expect("room.leave").await;
    for text in ["one", "two"] {
        say(&mut sender, "room", text).await;
    }
    let again = json!({"event_type": "room.join", "room_id": "room", "since": state["seq"], "epoch": state["epoch"]});
    reader.send_json(&again).await;
    assert_eq!(reader.expect("room.join").await["seq"], 2);
    for text in ["one", "two"] {
        assert_eq!(reader.expect("chat.message").await["content"], text);
    }
    let recovered = reader.expect("recovered").await;
    assert_eq!((&recovered["room_id"], &recovered["complete"]), (&json!("room"), &json!(true)));
}

on_both! {
    async fn a_users_sockets_are_informed_when_the_list_of_conversations_changes(database) {
        let server = Server::on(database).await;
        let (alice, bob) = (server.user("alice").await, server.user("bob").await);
        let mut socket = bob.nexus().await;
        let listed = async || {
            let list = bob.get("/api/conversations").await.expect(200);
            list["conversations"].as_array().unwrap().len()
        };

        let group = alice.post("/api/groups", json!({"name": "Engines"})).await.expect(201);
        let path = |rest: &str| format!("/api/groups/{}/{rest}", group["id"].as_str().unwrap());
        alice.post(&path("channels"), json!({"name": "general"})).await.expect(201);
        alice.post(&path("members"), json!({"user_id": bob.id})).await.expect(201);
        let update = socket.expect("conversation.update").await;
        assert_shape(&update, &[("event_id", Uuid), ("timestamp", Time)]);
        assert_eq!(listed().await, 1);
        alice.post(&path("channels"), json!({"name": "plans"})).await.expect(201);
        socket.expect("conversation.update").await;
        assert_eq!(listed().await, 2);

        let made = alice.post("/api/conversations", json!({"members": [bob.id]})).await.expect(201);
        socket.expect("conversation.update").await;
        assert_eq!(listed().await, 3);
        let members = format!("/api/v1/rooms/{}/members", made["conversation_id"].as_str().unwrap());
        alice.delete(&format!("{members}/{}", bob.id)).await.expect(204);
        socket.expect("conversation.update").await;
        assert_eq!(listed().await, 2);
        alice.post(&members, json!({"user_id": bob.id})).await.expect(201);
        socket.expect("conversation.update").await;
        assert_eq!(listed().await, 3);

        alice.delete(&path(&format!("members/{}", bob.id))).await.expect(204);
        socket.expect("conversation.update").await;
        assert_eq!(listed().await, 1);
        // what concerns others only is not for this user
        alice.post(&path("channels"), json!({"name": "secrets"})).await.expect(201);
        socket.expect_nothing_before_pong().await;
    }
}
