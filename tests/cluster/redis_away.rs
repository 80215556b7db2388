//! Redis becomes unavailable, with or without closing its connections: users on one node continue to communicate,
//! nothing acknowledged is lost, the node reports its state, and it recovers by itself without closing a socket.

use std::time::Instant;

use serde_json::json;

use crate::setting::{FIVE_SECONDS, Setting, said};
use crate::support::rest::get;
use crate::support::{Line, Socket, User};

struct People {
    setting: Setting,
    carol: User,
    alice: Socket,
    carol_socket: Socket,
    bob: Socket,
}

/// Alice and Carol on the first node, Bob on the second.
async fn people() -> People {
    let setting = Setting::new().await;
    let carol = setting.guest("carol").await;
    let (mut alice, mut bob) = setting.both().await;
    let carol_socket = carol.join(&setting.channel).await;
    alice.expect("user_joined").await;
    bob.expect("user_joined").await;
    People { setting, carol, alice, carol_socket, bob }
}

/// Reads until these messages have arrived in order, allowing only presence events in between.
async fn hear_in_order(socket: &mut Socket, seqs: std::ops::RangeInclusive<u64>) {
    for seq in seqs {
        loop {
            let frame = socket.next_json().await;
            if frame["type"] == "message" {
                assert_eq!(frame["seq"], seq, "{frame}");
                break;
            }
            assert!(["user_left", "user_joined"].iter().any(|kind| frame["type"] == *kind), "{frame}");
        }
    }
}

#[tokio::test]
async fn members_of_one_node_go_on_talking_and_the_others_catch_up() {
    let mut people = people().await;
    people.setting.cluster.stop_redis();
    let stopped = Instant::now();
    for number in 1..=5 {
        let content = number.to_string();
        people.alice.say_acked(&content, &content).await;
        people.carol_socket.expect_message(&content).await;
    }
    for node in [0, 1] {
        people.setting.redis_status(node, "down").await;
        assert!(stopped.elapsed() < FIVE_SECONDS, "health tells within 5 s, not {:?}", stopped.elapsed());
        let reason = people.setting.cluster.wait_ready(node, 503).await.to_lowercase();
        assert!(reason.contains("redis"), "the reason should name Redis: {reason}");
        get(&people.setting.cluster.server(node).url("/healthz")).await.expect(200);
    }
    // A new socket is accepted and receives the messages of this node.
    people.carol_socket.close().await;
    let mut again = people.carol.join(&people.setting.channel).await;
    people.alice.say("six").await;
    again.expect_message("six").await;

    people.setting.cluster.start_redis();
    for node in [0, 1] {
        people.setting.redis_status(node, "ok").await;
        people.setting.cluster.wait_ready(node, 200).await;
    }
    people.alice.say("seven").await;
    hear_in_order(&mut people.bob, 1..=7).await;
    // Bob may be notified only now that Carol left and rejoined, and that he was unreachable for the others.
    people.bob.say("eight").await;
    hear_in_order(&mut people.bob, 8..=8).await;
    hear_in_order(&mut again, 7..=8).await;
}

#[tokio::test]
async fn a_line_that_is_silently_dead_is_found() {
    let mut people = people().await;
    people.setting.cluster.nodes[1].redis.set(Line::Stalled);
    let stalled = Instant::now();
    people.setting.cluster.wait_ready(1, 503).await;
    assert!(stalled.elapsed() < FIVE_SECONDS, "readiness goes red within 5 s, not {:?}", stalled.elapsed());
    people.setting.redis_status(1, "down").await;
    // The node may or may not already count Bob as gone, because his node is unreachable.
    people.alice.say("unheard for now").await;
    for socket in [&mut people.alice, &mut people.carol_socket] {
        hear_in_order(socket, 1..=1).await;
    }
    people.setting.cluster.nodes[1].redis.set(Line::Open);
    people.setting.redis_status(1, "ok").await;
    people.setting.cluster.wait_ready(1, 200).await;
    people.alice.say("heard").await;
    hear_in_order(&mut people.bob, 1..=2).await;
}

#[tokio::test]
async fn a_message_lost_on_the_way_is_found_without_a_successor() {
    let mut people = people().await;
    // Too short to be detected: messages published in the meantime are lost, and no further message reveals the gap.
    people.setting.cluster.nodes[1].redis.set(Line::Severed);
    said("the last word", &mut [&mut people.alice, &mut people.carol_socket]).await;
    people.setting.cluster.nodes[1].redis.set(Line::Open);
    let found = Instant::now();
    loop {
        match people.bob.next_within(FIVE_SECONDS * 2).await {
            Some(crate::support::socket::Frame::Json(frame)) if frame["type"] == "message" => {
                assert_eq!(frame["content"], "the last word");
                break;
            }
            Some(crate::support::socket::Frame::Json(_)) => {}
            other => panic!("the message within {:?}, not {other:?}", found.elapsed()),
        }
    }
}

#[tokio::test]
async fn a_node_starts_while_redis_is_away() {
    let mut people = people().await;
    people.setting.cluster.server_mut(1).kill();
    people.setting.cluster.stop_redis();
    people.setting.cluster.server_mut(1).restart().await;
    people.setting.cluster.wait_ready(1, 503).await;
    let mut bob = people.setting.bob.join(&people.setting.channel).await;
    bob.say_acked("alone for now", "a").await;
    people.setting.cluster.start_redis();
    for node in [0, 1] {
        people.setting.cluster.wait_ready(node, 200).await;
    }
    hear_in_order(&mut people.alice, 1..=1).await;
}

#[tokio::test]
async fn whoever_was_sent_out_of_a_room_meanwhile_is_out_when_redis_is_back() {
    let mut setting = Setting::new().await;
    let join = json!({"type": "join_room", "room_id": "den"});
    let (mut owner, mut guest) = (setting.alice.open("/api/v1/ws").await, setting.bob.open("/api/v1/ws").await);
    for socket in [&mut owner, &mut guest] {
        socket.send_json(&join).await;
        socket.expect("room_state").await;
    }
    setting.cluster.stop_redis();
    for node in [0, 1] {
        setting.redis_status(node, "down").await;
    }
    let private = json!({"visibility": "private"});
    setting.alice.request(reqwest::Method::PATCH, "/api/v1/rooms/den", Some(private)).await.expect(200);
    setting.cluster.start_redis();
    let refused = guest.read_until("error").await.pop().expect("what was waited for");
    assert_eq!(refused["code"], "PERMISSION_DENIED", "{refused}");
    guest.send_json(&json!({"type": "cursor_move", "room": "den", "x": 1, "y": 2})).await;
    guest.read_until("error").await;
    owner.send_json(&join).await;
    owner.read_until("room_state").await;
}
