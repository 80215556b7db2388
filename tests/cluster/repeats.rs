//! A message sent again at another node: stored once, answered as the first time (docs/protocol.md, Sending again).

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::setting::{Setting, said};
use crate::support::socket::Frame;
use crate::support::{DEADLINE, Line, Socket, User, eventually};

fn named(content: &str, id: &str) -> Value {
    json!({"type": "message", "content": content, "ref": id, "client_message_id": id})
}

/// Comes back at the user's node, without knowing of any event; returns the socket and what is sent again.
async fn come_back(user: &User, channel: &str) -> (Socket, Vec<Value>) {
    let mut socket = user.open(&format!("/ws/channel/{channel}?since=0")).await;
    socket.expect("online_users").await;
    let frames = socket.read_until("recovered").await;
    (socket, frames.into_iter().filter(|frame| frame["type"] == "message").collect())
}

/// Reads up to the acknowledgement, which it returns; what comes before must not be a message.
async fn acked(socket: &mut Socket) -> Value {
    let frames = socket.read_until("ack").await;
    assert!(frames.iter().all(|frame| frame["type"] != "message"), "{frames:?}");
    frames.into_iter().next_back().expect("the ack")
}

#[tokio::test]
async fn a_message_whose_ack_was_lost_with_its_node_is_sent_again_at_another_node() {
    let mut setting = Setting::new().await;
    let (mut alice, mut bob) = setting.both().await;
    alice.send_json(&named("hello", "m-1")).await;
    let heard = bob.expect_message("hello").await;
    // nothing that her node has sent her was read
    setting.cluster.server_mut(0).kill();
    drop(alice);

    let alice_there = setting.cluster.at(1, &setting.alice);
    let (mut alice, replayed) = come_back(&alice_there, &setting.channel).await;
    assert_eq!(replayed.len(), 1);
    assert_eq!((&replayed[0]["client_message_id"], &replayed[0]["id"]), (&json!("m-1"), &heard["id"]));
    alice.send_json(&named("hello", "m-1")).await;
    let ack = acked(&mut alice).await;
    assert_eq!((&ack["ref"], &ack["id"], &ack["seq"]), (&json!("m-1"), &heard["id"], &heard["seq"]));
    alice.send_json(&named("something else", "m-1")).await;
    alice.expect_error("CONFLICT").await;
    // everybody has heard it once
    let next = said("next", &mut [&mut alice, &mut bob]).await;
    assert_eq!(next["seq"], 2);
    assert_eq!(alice_there.history(&setting.channel).await.len(), 2);
}

#[tokio::test]
async fn a_message_that_only_the_database_had_is_published_when_it_is_sent_again() {
    let mut setting = Setting::new().await;
    let (mut alice, mut bob) = setting.both().await;
    // her node tells nobody, and dies
    setting.cluster.nodes[0].redis.set(Line::Severed);
    alice.send_json(&named("hello", "m-1")).await;
    let history = format!("/api/channels/{}/messages", setting.channel);
    let stored = eventually("the message in the database", DEADLINE, || async {
        setting.bob.get(&history).await.expect(200)["messages"].as_array().and_then(|page| page.first().cloned())
    })
    .await;
    setting.cluster.server_mut(0).kill();
    drop(alice);
    let alice_there = setting.cluster.at(1, &setting.alice);
    let mut alice = alice_there.connect(&setting.channel).await;
    alice.expect("online_users").await;
    alice.send_json(&named("hello", "m-1")).await;
    let ack = alice.read_until("ack").await.pop().expect("the ack");
    assert_eq!((&ack["id"], &ack["seq"]), (&stored["id"], &json!(1)));
    let heard = loop {
        match bob.next_within(DEADLINE).await {
            Some(Frame::Json(frame)) if frame["type"] == "message" => break frame,
            Some(Frame::Json(frame)) => {
                assert!(["user_left", "user_joined"].contains(&frame["type"].as_str().unwrap()))
            }
            other => panic!("expected the message, got {other:?}"),
        }
    };
    assert_eq!((&heard["id"], &heard["client_message_id"]), (&stored["id"], &json!(null)));
    alice.say("next").await;
    let next = bob.read_until("message").await.pop().expect("a message");
    assert_eq!(next["seq"], 2, "and it was heard once");
}

#[tokio::test]
async fn the_same_message_at_two_nodes_at_once_is_stored_once() {
    let setting = Setting::new().await;
    let (mut here, mut bob) = setting.both().await;
    let alice_there = setting.cluster.at(1, &setting.alice);
    let mut there = alice_there.connect(&setting.channel).await;
    there.expect("online_users").await;
    const COUNT: usize = 20;
    for number in 0..COUNT {
        let (content, id) = (format!("message {number}"), format!("m-{number}"));
        here.send_json(&named(&content, &id)).await;
        there.send_json(&named(&content, &id)).await;
    }
    let mut answers = Vec::new();
    for socket in [&mut here, &mut there] {
        let (mut acks, mut own) = (Vec::new(), Vec::new());
        while acks.len() < COUNT || own.len() < COUNT {
            let frame = socket.next_json().await;
            match frame["type"].as_str() {
                Some("ack") => acks.push((frame["ref"].to_string(), frame["id"].to_string(), frame["seq"].to_string())),
                Some("message") => own.push(frame["client_message_id"].to_string()),
                _ => panic!("unexpected: {frame}"),
            }
        }
        assert_eq!(own.iter().collect::<BTreeSet<_>>().len(), COUNT, "each once: {own:?}");
        acks.sort();
        answers.push(acks);
    }
    assert_eq!(answers[0], answers[1], "both are told the same");
    let mut heard = BTreeSet::new();
    for _ in 0..COUNT {
        let message = bob.expect("message").await;
        assert_eq!(message["client_message_id"], json!(null), "{message}");
        assert!(heard.insert(message["content"].to_string()), "twice: {message}");
    }
    said("the end", &mut [&mut bob, &mut here, &mut there]).await;
}
