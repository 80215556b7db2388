//! Statuses, and who is online.

use std::time::{Duration, Instant};

use serde_json::json;

use super::{join, joined};
use crate::support::shape::Kind::{Text, Time, Uuid};
use crate::support::shape::assert_shape;
use crate::support::{Server, Socket, User};

/// Alice's socket, and Bob's, who share two conversations.
async fn two_who_know_each_other(server: &Server) -> (User, Socket, User, Socket) {
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let (mut first, mut second) = (alice.nexus().await, bob.nexus().await);
    for room in ["one", "two"] {
        join(&mut first, room).await;
        join(&mut second, room).await;
        first.expect("room.join").await;
    }
    (alice, first, bob, second)
}

#[tokio::test]
async fn a_status_reaches_each_socket_of_those_who_share_conversations_once() {
    let server = Server::start().await;
    let (alice, mut first, bob, mut second) = two_who_know_each_other(&server).await;
    let mut tab = alice.nexus().await;
    first.expect("connect").await;
    let mut stranger = server.user("carol").await.nexus().await;
    let away = json!({"event_type": "presence.update", "status": "away", "status_message": "In a meeting", "location": "Room"});
    first.send_json(&away).await;
    for socket in [&mut second, &mut tab] {
        let seen = socket.read_until("presence.away").await.pop().unwrap();
        assert_shape(&seen, &[("event_id", Uuid), ("timestamp", Time), ("username", Text)]);
        assert_eq!((&seen["user_id"], &seen["status"]), (&json!(alice.id), &json!("away")));
        assert_eq!((&seen["status_message"], &seen["location"]), (&json!("In a meeting"), &json!("Room")));
    }
    first.send_json(&json!({"event_type": "presence.update", "status_message": "Back at three", "ref": 1})).await;
    for socket in [&mut second, &mut tab] {
        let seen = socket.expect("presence.update").await;
        assert_eq!((&seen["status_message"], &seen["location"]), (&json!("Back at three"), &json!("Room")));
    }
    assert_eq!(first.expect("ack").await["ref"], 1, "the socket that says it is told nothing else");
    first.send_json(&away).await;
    second.expect("presence.update").await;
    first.send_json(&json!({"event_type": "presence.update", "status": "offline"})).await;
    first.expect_error("INVALID_MESSAGE").await;
    second.send_json(&json!({"event_type": "presence.update", "status": "busy"})).await;
    assert_eq!(first.expect("presence.busy").await["user_id"], json!(bob.id));
    stranger.expect_nothing_at_all_before_pong().await;
}

#[tokio::test]
async fn offline_is_announced_after_a_grace_and_a_reconnect_is_not() {
    let server = Server::start().await;
    let (_, mut first, bob, second) = two_who_know_each_other(&server).await;
    second.close().await;
    for _ in 0..2 {
        first.expect("room.leave").await;
    }
    let second = bob.nexus().await;
    first.expect_nothing_at_all_before_pong().await;
    let began = Instant::now();
    second.close().await;
    let offline = match first.next_within(Duration::from_secs(15)).await {
        Some(crate::support::socket::Frame::Json(frame)) => frame,
        other => panic!("expected a frame, got {other:?}"),
    };
    assert_eq!((&offline["event_type"], &offline["user_id"]), (&json!("presence.offline"), &json!(bob.id)));
    assert!(began.elapsed() >= Duration::from_secs(4), "after a grace: {:?}", began.elapsed());
    let _back = bob.nexus().await;
    let online = first.expect("presence.online").await;
    assert_eq!((&online["user_id"], &online["status"]), (&json!(bob.id), &json!("online")));
}

#[tokio::test]
async fn a_users_other_sockets_learn_of_a_new_one_and_of_its_end() {
    let server = Server::start().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let mut first = alice.nexus().await;
    let second = alice.nexus().await;
    let opened = first.expect("connect").await;
    assert_eq!(opened["connection_id"], second.header("X-Connection-Id"));
    let window = alice.connect_dm(&bob).await;
    assert_eq!(first.expect("connect").await["connection_id"], window.header("X-Connection-Id"));
    let name = second.header("X-Connection-Id").to_owned();
    second.close().await;
    assert_eq!(first.expect("disconnect").await["connection_id"], name);
}

/// A status is one over all dialects.
#[tokio::test]
async fn a_status_set_in_nexus_is_seen_in_a_workspace_and_the_reverse() {
    let server = Server::start().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let mut nexus = joined(&alice, "shared").await;
    let mut other = joined(&bob, "shared").await;
    nexus.read_until("room.join").await;
    let mut workspace = bob.open("/api/v1/ws").await;
    workspace.send_json(&json!({"type": "join_room", "room_id": "shared"})).await;
    workspace.expect("room_state").await;
    nexus.send_json(&json!({"event_type": "presence.update", "status": "busy"})).await;
    let changed = workspace.expect("user_status_changed").await;
    assert_eq!((&changed["user_id"], &changed["status"]), (&json!(alice.id), &json!("busy")));
    other.read_until("presence.busy").await;
    workspace.send_json(&json!({"type": "status_update", "status": "away"})).await;
    assert_eq!(nexus.read_until("presence.away").await.pop().unwrap()["user_id"], json!(bob.id));
}
