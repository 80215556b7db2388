//! Leaving: announced at once after an intentional leave, and after a grace period when a connection broke
//! (docs/protocol.md, "Leaving").

use std::time::{Duration, Instant};

use serde_json::json;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;

use crate::support::{Server, Socket, User};

/// A grace period that no test outlives.
const FOR_EVER: u32 = 600_000;

async fn with_grace(milliseconds: u32) -> (Server, User, User, String) {
    let server = Server::builder().env("LEAVE_GRACE_MS", milliseconds).start().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let channel = alice.channel_with(&[&bob]).await;
    (server, alice, bob, channel)
}

async fn close_with(mut socket: Socket, code: u16) {
    let frame = CloseFrame { code: code.into(), reason: "".into() };
    socket.send_frame(Message::Close(Some(frame))).await;
    socket.expect_end_within(Duration::from_secs(5)).await;
}

#[tokio::test]
async fn a_short_absence_is_not_announced() {
    let (_server, alice, bob, channel) = with_grace(FOR_EVER).await;
    let mut watcher = alice.join(&channel).await;
    let mut socket = bob.join(&channel).await;
    watcher.expect("user_joined").await;
    for way in 0..3 {
        match way {
            0 => drop(socket),
            1 => close_with(socket, 1001).await,
            _ => close_with(socket, 4508).await,
        }
        socket = bob.connect(&channel).await;
        let first = socket.expect("online_users").await;
        assert_eq!(first["total_users"], 2, "{first}");
        socket.say("back").await;
        socket.expect_message("back").await;
        watcher.expect_message("back").await;
    }
}

#[tokio::test]
async fn an_absence_is_told_when_the_grace_is_over_and_then_the_return_is_too() {
    const GRACE: Duration = Duration::from_millis(400);
    let (server, alice, bob, channel) = with_grace(GRACE.as_millis() as u32).await;
    let mut watcher = alice.join(&channel).await;
    let socket = bob.join(&channel).await;
    watcher.expect("user_joined").await;
    let began = Instant::now();
    drop(socket);
    let mut late = alice.connect(&channel).await;
    let first = late.expect("online_users").await;
    assert_eq!(first["total_users"], 2, "the leave was not announced: {first}");
    for socket in [&mut watcher, &mut late] {
        assert_eq!(socket.expect("user_left").await["user_id"], bob.id.as_str());
    }
    assert!(began.elapsed() >= GRACE, "announced after {:?}", began.elapsed());
    let first = bob.connect(&channel).await.expect("online_users").await;
    assert_eq!(first["total_users"], 2);
    watcher.expect("user_joined").await;
    drop(server);
}

#[tokio::test]
async fn whoever_means_to_go_is_told_as_gone_at_once() {
    let (_server, alice, bob, channel) = with_grace(FOR_EVER).await;
    let mut watcher = alice.join(&channel).await;
    let socket = bob.join(&channel).await;
    watcher.expect("user_joined").await;
    close_with(socket, 1000).await;
    watcher.expect("user_left").await;

    // A broken connection, and a removal from the group during the grace period.
    let socket = bob.join(&channel).await;
    watcher.expect("user_joined").await;
    drop(socket);
    let groups = alice.get("/api/groups").await.expect(200);
    let group = groups[0]["id"].as_str().expect("Alice's only group");
    alice.delete(&format!("/api/groups/{group}/members/{}", bob.id)).await.expect(204);
    assert_eq!(watcher.expect("user_left").await["user_id"], bob.id.as_str());
}

#[tokio::test]
async fn a_message_for_somebody_who_broke_off_waits_for_the_return() {
    let (_server, alice, bob, _) = with_grace(FOR_EVER).await;
    let mut sender = alice.connect_dm(&bob).await;
    sender.expect("connected").await;
    let mut lost = bob.connect_dm(&alice).await;
    lost.expect("dm_user_online").await;
    sender.expect("dm_user_online").await;
    drop(lost);
    // A signal detects that he has no socket.
    let signal = json!({"type": "webrtc_offer", "data": {}, "ref": 1});
    loop {
        sender.send_json(&signal).await;
        let refused = tokio::time::timeout(Duration::from_millis(100), sender.next_json()).await;
        if let Ok(answer) = refused {
            assert_eq!(answer["code"], "TARGET_UNAVAILABLE", "{answer}");
            break;
        }
    }
    sender.send_json(&json!({"type": "dm_message", "content": "are you there?", "ref": 2})).await;
    sender.next_json().await;
    sender.next_json().await;
    let mut back = bob.connect_dm(&alice).await;
    back.expect("dm_user_online").await;
    assert_eq!(back.expect("dm_message").await["content"], "are you there?");
    sender.expect_nothing_before_pong().await;
}

#[tokio::test]
async fn an_open_room_keeps_the_place_and_the_count_of_whoever_broke_off() {
    let (server, alice, bob, _) = with_grace(FOR_EVER).await;
    let enter = async |user: &User| {
        let mut socket = user.open("/api/v1/ws").await;
        socket.send_json(&json!({"type": "join_room", "room_id": "plan"})).await;
        let state = socket.expect("room_state").await;
        (socket, state)
    };
    let (mut watcher, _) = enter(&alice).await;
    let (lost, _) = enter(&bob).await;
    watcher.expect("room_state").await;
    drop(lost);
    let (mut back, state) = enter(&bob).await;
    assert_eq!(state["total_users"], 2, "{state}");
    drop(back);
    back = enter(&bob).await.0;
    back.send_json(&json!({"type": "leave_room", "room_id": "plan", "ref": 1})).await;
    back.expect("ack").await;
    let state = watcher.expect("room_state").await;
    assert_eq!((&state["total_users"], &state["users"][0]["user_id"]), (&json!(1), &json!(alice.id)), "{state}");
    drop(server);
}
