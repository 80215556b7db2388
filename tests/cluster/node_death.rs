//! A node dies, or is considered dead and returns.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::setting::{Setting, join_knowing, said};
use crate::support::Socket;
use crate::support::socket::Frame;

/// The time within which the users of a dead node must be announced as left.
const GONE_WITHIN: Duration = Duration::from_secs(10);

/// The next frame must be `user_left` of that user, within ten seconds of `since`.
async fn expect_gone(socket: &mut Socket, user_id: &str, since: Instant) {
    let left = GONE_WITHIN.saturating_sub(since.elapsed());
    match socket.next_within(left).await {
        Some(Frame::Json(frame)) => {
            assert_eq!((&frame["type"], &frame["user_id"]), (&json!("user_left"), &json!(user_id)), "{frame}");
        }
        other => panic!("expected that {user_id} leaves within {GONE_WITHIN:?}, got {other:?}"),
    }
}

#[tokio::test]
async fn the_users_of_a_killed_node_leave_and_those_with_a_socket_elsewhere_stay() {
    let mut setting = Setting::new().await;
    let carol = setting.guest("carol").await;
    let (mut alice, _bob) = setting.both().await;
    let mut carol_here = carol.join(&setting.channel).await;
    assert_eq!(alice.expect("user_joined").await["user_id"], carol.id.as_str());
    let carol_there = carol.at(setting.cluster.server(1));
    let _carol_there = join_knowing(&carol_there, &setting.channel, &[&setting.alice, &carol]).await;

    setting.cluster.server_mut(1).kill();
    let killed = Instant::now();
    for socket in [&mut alice, &mut carol_here] {
        expect_gone(socket, &setting.bob.id, killed).await;
    }
    said("Carol has not left", &mut [&mut alice, &mut carol_here]).await;

    setting.cluster.server_mut(1).restart().await;
    let mut bob = join_knowing(&setting.bob, &setting.channel, &[&setting.alice, &carol]).await;
    for socket in [&mut alice, &mut carol_here] {
        assert_eq!(socket.expect("user_joined").await["user_id"], setting.bob.id.as_str());
    }
    said("all back", &mut [&mut bob, &mut alice, &mut carol_here]).await;
}

#[tokio::test]
async fn a_direct_partner_on_a_killed_node_goes_offline() {
    let mut setting = Setting::new().await;
    let mut alice = setting.alice.connect_dm(&setting.bob).await;
    alice.expect("connected").await;
    let mut bob = setting.bob.connect_dm(&setting.alice).await;
    bob.next_json().await;
    alice.expect("dm_user_online").await;
    setting.cluster.server_mut(1).kill();
    match alice.next_within(GONE_WITHIN).await {
        Some(Frame::Json(frame)) => assert_eq!(frame["type"], "dm_user_offline", "{frame}"),
        other => panic!("expected dm_user_offline within {GONE_WITHIN:?}, got {other:?}"),
    }
    // For a user who is offline everywhere, the message is queued.
    alice.send_json(&json!({"type": "dm_message", "content": "later", "ref": 1})).await;
    alice.next_json().await;
    alice.next_json().await;
    let mut back = setting.cluster.at(0, &setting.bob).connect_dm(&setting.alice).await;
    back.expect("dm_user_online").await;
    assert_eq!(back.expect("dm_message").await["content"], "later");
}

#[tokio::test]
async fn a_frozen_node_is_taken_for_dead_and_welcomed_back() {
    let setting = Setting::new().await;
    let (mut alice, mut bob) = setting.both().await;
    setting.cluster.server(1).pause();
    expect_gone(&mut alice, &setting.bob.id, Instant::now()).await;
    for content in ["one", "two"] {
        said(content, &mut [&mut alice]).await;
    }
    setting.cluster.server(1).resume();
    // His socket was open all the time: he is online again, and gets the missed messages in order.
    assert_eq!(alice.expect("user_joined").await["user_id"], setting.bob.id.as_str());
    let mut heard = Vec::new();
    while heard.len() < 2 {
        let frame = bob.next_json().await;
        match frame["type"].as_str() {
            Some("message") => heard.push(frame["content"].clone()),
            // From his point of view, the others were offline.
            Some("user_left" | "user_joined") => assert_eq!(frame["user_id"], setting.alice.id.as_str(), "{frame}"),
            _ => panic!("unexpected: {frame}"),
        }
    }
    assert_eq!(heard, ["one", "two"]);
    setting.cluster.wait_ready(1, 200).await;
    bob.say("back").await;
    alice.expect_message("back").await;
}
