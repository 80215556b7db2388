//! Messages of a conversation: the echo, the receipt, and the same conversation in other dialects.

use serde_json::json;

use super::{join, joined, say, send};
use crate::on_both;
use crate::support::Server;
use crate::support::shape::Kind::{Count, Opaque, Text, Time, Uuid};
use crate::support::shape::assert_shape;

/// The seed's own test: the echo is the next frame, though nobody has joined anything.
#[tokio::test]
async fn the_echo_is_the_next_frame() {
    let server = Server::start().await;
    let mut socket = server.user("alice").await.nexus().await;
    let message = json!({"event_type": "chat.message", "conversation_id": "test_conv", "content": "Test message"});
    socket.send_json(&message).await;
    let echo = socket.next_json().await;
    assert_eq!(echo["event_type"], "chat.message");
    assert_shape(
        &echo,
        &[
            ("event_id", Uuid),
            ("timestamp", Time),
            ("message_id", Uuid),
            ("conversation_id", Text),
            ("user_id", Text),
            ("username", Text),
            ("content", Text),
            ("seq", Count),
        ],
    );
    assert_eq!(echo["event_id"], echo["message_id"], "the event's id is the message's");
    let receipt = socket.expect("chat.delivered").await;
    assert_shape(&receipt, &[("epoch", Opaque), ("seq", Count), ("id", Uuid)]);
    assert_eq!((&receipt["delivered_to"], &receipt["queued_for"]), (&json!([]), &json!([])));
    socket.expect_nothing_before_pong().await;
}

on_both! {
    async fn a_message_reaches_all_members_and_the_receipt_names_them(database) {
        let server = Server::on(database).await;
        let (alice, bob) = (server.user("alice").await, server.user("bob").await);
        let mut sender = joined(&alice, "conv").await;
        let mut tab = joined(&alice, "conv").await;
        let mut reader = joined(&bob, "conv").await;
        sender.expect("room.join").await;
        tab.expect("room.join").await;
        let message =
            json!({"event_type": "chat.message", "conversation_id": "conv", "content": "Hello", "ref": "m-1"});
        let (echo, receipt) = send(&mut sender, &message).await;
        assert_eq!((&receipt["ref"], &receipt["id"]), (&json!("m-1"), &echo["message_id"]));
        assert_eq!((&receipt["delivered_to"], &receipt["delivered_total"]), (&json!([bob.id]), &json!(1)));
        assert_eq!(reader.expect("chat.message").await, echo);
        assert_eq!(tab.expect("chat.message").await, echo);
        sender.expect_nothing_before_pong().await;
        reader.expect_nothing_before_pong().await;
    }
}

#[tokio::test]
async fn typing_goes_to_the_others() {
    let server = Server::start().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let mut typist = joined(&alice, "conv").await;
    let mut reader = joined(&bob, "conv").await;
    typist.expect("room.join").await;
    typist.send_json(&json!({"event_type": "chat.typing", "conversation_id": "conv", "is_typing": true})).await;
    let typing = reader.expect("chat.typing").await;
    assert_eq!((&typing["user_id"], &typing["is_typing"]), (&json!(alice.id), &json!(true)));
    assert_eq!((&typing["username"], &typing["conversation_id"]), (&json!("alice"), &json!("conv")));
    typist.expect_nothing_before_pong().await;
    typist.close().await;
    assert_eq!(reader.expect("chat.typing").await["is_typing"], false, "typing ends with the socket");
}

on_both! {
    async fn a_direct_message_is_one_conversation_in_both_dialects(database) {
        let server = Server::on(database).await;
        let (alice, bob) = (server.user("alice").await, server.user("bob").await);
        let mut window = bob.connect_dm(&alice).await;
        let connected = window.next_json().await;
        let mut nexus = alice.nexus().await;
        let message = json!({"event_type": "chat.message", "recipient_id": bob.id, "content": "psst"});
        nexus.send_json(&message).await;
        let echo = nexus.expect("chat.message").await;
        assert_eq!((&echo["recipient_id"], &echo["user_id"]), (&json!(bob.id), &json!(alice.id)));
        assert_eq!(echo["conversation_id"], connected["conversation_id"]);
        let receipt = nexus.expect("chat.delivered").await;
        assert_eq!((&receipt["delivered_to"], &receipt["queued_for"]), (&json!([bob.id]), &json!([])));
        window.expect("dm_user_online").await;
        let told = window.expect("dm_message").await;
        assert_eq!((&told["id"], &told["content"]), (&echo["message_id"], &json!("psst")));
        // the answer reaches the nexus socket once, which has joined the conversation by sending
        window.send_json(&json!({"type": "dm_message", "content": "what?", "ref": "1"})).await;
        window.expect_echo_and_ack("dm_message", "what?", "1").await;
        let answer = nexus.expect("chat.message").await;
        assert_eq!((&answer["content"], &answer["seq"]), (&json!("what?"), &json!(2)));
        nexus.expect_nothing_before_pong().await;
        // the conversation's id means the same
        let conversation = connected["conversation_id"].as_str().unwrap();
        say(&mut nexus, conversation, "nothing").await;
        assert_eq!(window.expect("dm_message").await["seq"], 3);
    }
}

/// A nexus socket that has joined nothing is sent the user's direct messages all the same.
#[tokio::test]
async fn a_direct_message_reaches_a_socket_that_has_joined_nothing() {
    let server = Server::start().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let mut idle = bob.nexus().await;
    let mut sender = alice.nexus().await;
    let message = json!({"event_type": "chat.message", "recipient_id": bob.id, "content": "psst"});
    let (echo, receipt) = send(&mut sender, &message).await;
    assert_eq!(receipt["delivered_to"], json!([bob.id]));
    assert_eq!(idle.expect("chat.message").await, echo);
    idle.expect_nothing_before_pong().await;
    let (_, receipt) = send(&mut sender, &message).await;
    assert_eq!(receipt["delivered_to"], json!([bob.id]));
    idle.expect("chat.message").await;
    idle.close().await;
    let mut again = bob.nexus().await;
    again.expect_nothing_before_pong().await;
}

#[tokio::test]
async fn a_channel_is_a_conversation_too() {
    let server = Server::start().await;
    let (alice, bob, carol) = (server.user("alice").await, server.user("bob").await, server.user("carol").await);
    let channel = alice.channel_with(&[&bob]).await;
    let mut in_channel = bob.join(&channel).await;
    let mut nexus = alice.nexus().await;
    let state = join(&mut nexus, &channel).await;
    assert_eq!(state["total_members"], 2);
    in_channel.expect("user_joined").await;
    let (echo, receipt) = say(&mut nexus, &channel, "Hello").await;
    assert_eq!((&echo["conversation_id"], &receipt["delivered_to"]), (&json!(channel), &json!([bob.id])));
    assert_eq!(in_channel.expect_message("Hello").await["id"], echo["message_id"]);
    in_channel.say("Hi").await;
    in_channel.expect_message("Hi").await;
    assert_eq!(nexus.expect("chat.message").await["content"], "Hi");
    let mut stranger = carol.nexus().await;
    for message in [
        json!({"event_type": "room.join", "room_id": channel}),
        json!({"event_type": "chat.message", "conversation_id": channel, "content": "x"}),
    ] {
        stranger.send_json(&message).await;
        stranger.expect_error("PERMISSION_DENIED").await;
    }
}

#[tokio::test]
async fn nobody_else_enters_a_direct_conversation_by_its_id() {
    let server = Server::start().await;
    let (alice, bob, carol) = (server.user("alice").await, server.user("bob").await, server.user("carol").await);
    let mut sender = alice.nexus().await;
    let (echo, _) =
        send(&mut sender, &json!({"event_type": "chat.message", "recipient_id": bob.id, "content": "a secret"})).await;
    let mut stranger = carol.nexus().await;
    for message in [
        json!({"event_type": "room.join", "room_id": echo["conversation_id"], "since": 0}),
        json!({"event_type": "chat.message", "conversation_id": echo["conversation_id"], "content": "x"}),
    ] {
        stranger.send_json(&message).await;
        stranger.expect_error("PERMISSION_DENIED").await;
    }
    sender.expect_nothing_before_pong().await;
}

/// What waits for a user comes when a nexus socket opens, whichever dialect it was said in.
#[tokio::test]
async fn what_was_sent_while_away_comes_on_the_next_connect_exactly_once() {
    let server = Server::start().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let mut sender = alice.nexus().await;
    for text in ["one", "two"] {
        let message = json!({"event_type": "chat.message", "recipient_id": bob.id, "content": text});
        let (_, receipt) = send(&mut sender, &message).await;
        assert_eq!((&receipt["queued_for"], &receipt["delivered_to"]), (&json!([bob.id]), &json!([])));
    }
    let mut socket = bob.nexus().await;
    for (text, seq) in [("one", 1), ("two", 2)] {
        let queued = socket.expect("chat.message").await;
        assert_eq!((&queued["content"], &queued["seq"]), (&json!(text), &json!(seq)));
    }
    socket.expect_nothing_before_pong().await;
    socket.close().await;
    let mut again = bob.nexus().await;
    again.expect_nothing_before_pong().await;
}

/// Taking part outlives the socket, and ends with leaving.
#[tokio::test]
async fn leaving_a_conversation_works_without_having_joined_it_on_this_socket() {
    let server = Server::start().await;
    let alice = server.user("alice").await;
    let mut first = alice.nexus().await;
    say(&mut first, "conv", "one").await;
    first.close().await;
    let mut second = alice.nexus().await;
    let leave = json!({"event_type": "room.leave", "room_id": "conv", "ref": 1});
    second.send_json(&leave).await;
    second.expect("ack").await;
    second.send_json(&leave).await;
    second.expect_error("NOT_IN_ROOM").await;
}

on_both! {
    async fn a_message_sent_again_is_answered_with_the_first_ones_receipt(database) {
        let server = Server::on(database).await;
        let (alice, bob) = (server.user("alice").await, server.user("bob").await);
        let mut sender = joined(&alice, "conv").await;
        let mut reader = joined(&bob, "conv").await;
        sender.expect("room.join").await;
        let message = json!({"event_type": "chat.message", "conversation_id": "conv", "content": "Hello", "ref": "m-1",
                             "client_message_id": "c-1"});
        let (echo, receipt) = send(&mut sender, &message).await;
        assert_eq!(echo["client_message_id"], "c-1");
        let told = reader.expect("chat.message").await;
        assert_eq!((&told["client_message_id"], &told["message_id"]), (&json!(null), &echo["message_id"]));

        // a socket that has not joined the conversation sends it, too
        let mut back = alice.nexus().await;
        for socket in [&mut sender, &mut back] {
            socket.send_json(&message).await;
            let again = socket.expect("chat.delivered").await;
            for field in ["id", "seq", "epoch", "ref", "conversation_id", "delivered_to"] {
                assert_eq!(again[field], receipt[field], "{field}");
            }
            socket.expect_nothing_before_pong().await;
        }
        reader.expect_nothing_before_pong().await;
        let other = json!({"event_type": "chat.message", "conversation_id": "conv", "content": "Bye", "client_message_id": "c-1"});
        back.send_json(&other).await;
        back.expect_error("CONFLICT").await;
    }
}
