//! Messages for users who take part in a conversation without a socket in it.

use serde_json::json;

use super::{join, joined, say, send};
use crate::on_both;
use crate::support::Server;

on_both! {
    async fn a_message_is_queued_for_participants_without_a_socket(database) {
        let server = Server::on(database).await;
        let (alice, bob) = (server.user("alice").await, server.user("bob").await);
        let mut author = joined(&alice, "conv").await;
        let reader = joined(&bob, "conv").await;
        author.expect("room.join").await;
        reader.close().await;
        author.expect("room.leave").await;
        let (first, receipt) = say(&mut author, "conv", "one").await;
        assert_eq!((&receipt["queued_for"], &receipt["delivered_to"]), (&json!([bob.id]), &json!([])));
        say(&mut author, "conv", "two").await;

        let mut back = bob.nexus().await;
        assert_eq!(back.expect("chat.message").await, first);
        assert_eq!(back.expect("chat.message").await["content"], "two");
        // delivered live to a socket that has joined nothing
        let (third, receipt) = say(&mut author, "conv", "three").await;
        assert_eq!((&receipt["queued_for"], &receipt["delivered_to"]), (&json!([]), &json!([bob.id])));
        assert_eq!(back.expect("chat.message").await, third);
        // and by the room alone once it has joined
        join(&mut back, "conv").await;
        author.expect("room.join").await;
        let (fourth, receipt) = say(&mut author, "conv", "four").await;
        assert_eq!(receipt["delivered_to"], json!([bob.id]));
        assert_eq!(back.expect("chat.message").await, fourth);
        back.expect_nothing_before_pong().await;
        back.close().await;
        let mut again = bob.nexus().await;
        again.expect_nothing_before_pong().await;
    }
}

#[tokio::test]
async fn those_who_have_left_receive_nothing() {
    let server = Server::start().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let mut author = joined(&alice, "conv").await;
    let mut reader = joined(&bob, "conv").await;
    author.expect("room.join").await;
    reader.send_json(&json!({"event_type": "room.leave", "room_id": "conv", "ref": 1})).await;
    reader.expect("ack").await;
    author.expect("room.leave").await;
    let (_, receipt) = say(&mut author, "conv", "one").await;
    assert_eq!((&receipt["queued_for"], &receipt["delivered_to"]), (&json!([]), &json!([])));
    reader.expect_nothing_before_pong().await;
}

/// A mention is queued in a channel as well, whose members are otherwise not queued for.
#[tokio::test]
async fn a_message_in_a_channel_is_queued_for_those_whom_it_mentions() {
    let server = Server::start().await;
    let (alice, bob, carol) = (server.user("alice").await, server.user("bob").await, server.user("carol").await);
    let channel = alice.channel_with(&[&bob, &carol]).await;
    let mut author = joined(&alice, &channel).await;
    let message =
        json!({"event_type": "chat.message", "conversation_id": channel, "content": "look", "mentions": [bob.id]});
    let (echo, receipt) = send(&mut author, &message).await;
    assert_eq!(receipt["queued_for"], json!([bob.id]));
    let mut mentioned = bob.nexus().await;
    assert_eq!(mentioned.read_until("chat.message").await.pop().unwrap(), echo);
    carol.nexus().await.expect_nothing_before_pong().await;
}
