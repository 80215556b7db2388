//! History over REST: keyset pages, newest first (docs/protocol.md, "channel").

use serde_json::{Value, json};

use crate::on_both;
use crate::support::shape::Kind::{Count, Opaque, Text, Time, Uuid};
use crate::support::shape::assert_shape;
use crate::support::{Server, Socket, User};

async fn fill(user: &User, channel: &str, count: u64) -> Socket {
    let mut socket = user.join(channel).await;
    for number in 1..=count {
        socket.say(&format!("message {number}")).await;
    }
    for _ in 1..=count {
        socket.expect("message").await;
    }
    socket
}

fn sequence(page: &Value) -> Vec<u64> {
    let messages = page["messages"].as_array().unwrap_or_else(|| panic!("a page, not {page}"));
    messages.iter().map(|message| message["seq"].as_u64().expect("every message has its seq")).collect()
}

on_both! {
    async fn pages_lead_from_the_newest_to_the_first_message(database) {
        let server = Server::on(database).await;
        let alice = server.user("alice").await;
        let channel = alice.channel_with(&[]).await;
        let _socket = fill(&alice, &channel, 7).await;
        let path = format!("/api/channels/{channel}/messages");

        let newest = alice.get(&format!("{path}?limit=3")).await.expect(200);
        assert_shape(&newest, &[("epoch", Opaque), ("seq", Count)]);
        assert_eq!((sequence(&newest), &newest["has_more"]), (vec![7, 6, 5], &json!(true)));
        assert_eq!(newest["seq"], 7);
        let fields = [
            ("id", Uuid), ("content", Text), ("sender_id", Text), ("sender_username", Text), ("channel_id", Uuid),
            ("created_at", Time), ("seq", Count),
        ];
        assert_shape(&newest["messages"][0], &fields);
        assert_eq!(newest["messages"][0]["content"], "message 7");

        let by_seq = alice.get(&format!("{path}?limit=3&before=5")).await.expect(200);
        let last_id = newest["messages"][2]["id"].as_str().expect("an id");
        let by_id = alice.get(&format!("{path}?limit=3&before={last_id}")).await.expect(200);
        assert_eq!((sequence(&by_seq), &by_seq["has_more"]), (vec![4, 3, 2], &json!(true)));
        assert_eq!(by_id["messages"], by_seq["messages"], "`before` is a message id or a seq");
        let oldest = alice.get(&format!("{path}?limit=3&before=2")).await.expect(200);
        assert_eq!((sequence(&oldest), &oldest["has_more"]), (vec![1], &json!(false)));
        let beyond = alice.get(&format!("{path}?before=1")).await.expect(200);
        assert_eq!((sequence(&beyond), &beyond["has_more"]), (vec![], &json!(false)));
        let exact = alice.get(&format!("{path}?limit=7")).await.expect(200);
        assert_eq!((sequence(&exact).len(), &exact["has_more"]), (7, &json!(false)));
    }
}

#[tokio::test]
async fn a_page_has_fifty_messages_unless_asked_and_a_hundred_at_most() {
    let server = Server::start().await;
    let alice = server.user("alice").await;
    let channel = alice.channel_with(&[]).await;
    let _socket = fill(&alice, &channel, 120).await;
    let path = format!("/api/channels/{channel}/messages");
    assert_eq!(sequence(&alice.get(&path).await.expect(200)).len(), 50);
    assert_eq!(sequence(&alice.get(&format!("{path}?limit=100")).await.expect(200)).len(), 100);
    let too_many = alice.get(&format!("{path}?limit=5000")).await;
    if too_many.status == 200 {
        assert_eq!(sequence(&too_many.body).len(), 100);
    } else {
        too_many.expect_error(400, "INVALID_MESSAGE");
    }
    assert_eq!(alice.whole_history(&path).await.len(), 120);
}

#[tokio::test]
async fn only_members_read_and_bad_questions_are_refused() {
    let server = Server::start().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let (channel, other_channel) = (alice.channel_with(&[]).await, alice.channel_with(&[]).await);
    let mut elsewhere = fill(&alice, &other_channel, 0).await;
    elsewhere.say("elsewhere").await;
    let foreign_id = elsewhere.expect("message").await["id"].as_str().expect("an id").to_owned();
    let path = format!("/api/channels/{channel}/messages");
    bob.get(&path).await.expect_error(403, "PERMISSION_DENIED");
    let unknown = uuid::Uuid::now_v7();
    alice.get(&format!("/api/channels/{unknown}/messages")).await.expect_error(404, "ROOM_NOT_FOUND");
    for query in ["limit=x", "limit=-1", "before=x", "before=-3"] {
        let answer = alice.get(&format!("{path}?{query}")).await;
        let error = answer.expect_error(400, "INVALID_MESSAGE");
        let field = query.split('=').next().unwrap_or_default();
        assert!(error["error"].as_str().is_some_and(|sentence| sentence.contains(field)), "{query}: {error}");
    }
    let answer = alice.get(&format!("{path}?before={foreign_id}")).await;
    assert!([400, 404].contains(&answer.status.as_u16()), "another room's message is no place here: {}", answer.text);
}
