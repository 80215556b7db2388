//! Channels: the recipients of each event, the order, and the exact wire format (docs/protocol.md, "channel").

use serde_json::json;

use crate::on_both;
use crate::support::Server;
use crate::support::shape::Kind::{Boolean, Count, Opaque, Text, Texts, Time, Uuid};
use crate::support::shape::{assert_shape, sorted_texts};

on_both! {
    async fn the_first_frame_says_who_is_there(database) {
        let server = Server::on(database).await;
        let (alice, bob) = (server.user("alice").await, server.user("bob").await);
        let channel = alice.channel_with(&[&bob]).await;

        let mut first = alice.connect(&channel).await;
        let frame = first.expect("online_users").await;
        let fields = [
            ("type", Text), ("users", Texts), ("channel_id", Uuid), ("seq", Count), ("epoch", Opaque),
            ("total_users", Count), ("connection_id", Text),
        ];
        assert_shape(&frame, &fields);
        assert_eq!(frame["users"], json!([alice.id]));
        assert_eq!((&frame["channel_id"], &frame["seq"]), (&json!(channel), &json!(0)));
        assert_eq!(frame["connection_id"], first.header("X-Connection-Id"), "the handshake names the connection, too");

        first.say("one").await;
        first.expect_message("one").await;
        let mut second = bob.connect(&channel).await;
        let later = second.expect("online_users").await;
        let mut both = vec![alice.id.clone(), bob.id.clone()];
        both.sort();
        assert_eq!(sorted_texts(&later["users"]), both);
        assert_eq!((&later["seq"], &later["total_users"]), (&json!(1), &json!(2)));
        assert_eq!(later["epoch"], frame["epoch"]);
    }
}

#[tokio::test]
async fn nothing_comes_before_the_first_frame_however_eager_the_client() {
    let server = Server::start().await;
    let alice = server.user("alice").await;
    // Each time in a channel without members, so that the room must be loaded first.
    for _ in 0..10 {
        let channel = alice.create_channel(&alice.create_group("eager").await, "eager").await;
        let mut socket = alice.connect(&channel).await;
        socket.send_json(&json!({"type": "ping", "ref": 1})).await;
        socket.send_json(&json!({"type": "nonsense", "ref": 2})).await;
        socket.expect("online_users").await;
        let mut answers = [socket.next_json().await, socket.next_json().await].map(|answer| answer["ref"].clone());
        answers.sort_by_key(|reference| reference.as_i64());
        assert_eq!(answers, [1, 2]);
    }
}

#[tokio::test]
async fn joining_is_told_once_per_user_and_not_per_socket() {
    let server = Server::start().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let channel = alice.channel_with(&[&bob]).await;
    let mut watcher = alice.join(&channel).await;

    let desktop = bob.join(&channel).await;
    let joined = watcher.expect("user_joined").await;
    assert_shape(&joined, &[("type", Text), ("user_id", Text), ("username", Text), ("channel_id", Uuid)]);
    assert_eq!(joined["user_id"], bob.id.as_str());
    assert_eq!(joined["username"], "bob");
    assert_eq!(joined["channel_id"], channel.as_str());

    let mut mobile = bob.connect(&channel).await;
    assert_eq!(mobile.expect("online_users").await["total_users"], 2, "one user with two sockets counts once");
    desktop.close().await;
    mobile.say("still here").await;
    mobile.expect_message("still here").await;
    watcher.expect_message("still here").await;
    mobile.close().await;
    let left = watcher.expect("user_left").await;
    assert_shape(&left, &[("type", Text), ("user_id", Text), ("username", Text), ("channel_id", Uuid)]);
    assert_eq!(left["user_id"], bob.id.as_str());

    bob.join(&channel).await;
    watcher.expect("user_joined").await;
}

#[tokio::test]
async fn a_connection_that_breaks_counts_as_leaving() {
    let server = Server::builder().env("LEAVE_GRACE_MS", 0).start().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let channel = alice.channel_with(&[&bob]).await;
    let mut watcher = alice.join(&channel).await;
    let broken = bob.join(&channel).await;
    watcher.expect("user_joined").await;
    drop(broken);
    assert_eq!(watcher.expect("user_left").await["user_id"], bob.id.as_str());
}

on_both! {
    async fn a_message_reaches_everybody_and_its_sender(database) {
        let server = Server::on(database).await;
        let (alice, bob) = (server.user("alice").await, server.user("bob").await);
        let channel = alice.channel_with(&[&bob]).await;
        let mut sender = alice.join(&channel).await;
        let mut other_tab = alice.join(&channel).await;
        let mut receiver = bob.join(&channel).await;
        sender.expect("user_joined").await;
        other_tab.expect("user_joined").await;

        sender.say("Hello everyone! 👋 \"quoted\" \\ \u{2028}").await;
        let echo = sender.expect("message").await;
        let fields = [
            ("type", Text), ("id", Uuid), ("content", Text), ("sender_id", Text), ("sender_username", Text),
            ("channel_id", Uuid), ("created_at", Time), ("seq", Count),
        ];
        assert_shape(&echo, &fields);
        assert_eq!(echo["content"], "Hello everyone! 👋 \"quoted\" \\ \u{2028}");
        assert_eq!((&echo["sender_id"], &echo["sender_username"]), (&json!(alice.id), &json!("alice")));
        assert_eq!((&echo["channel_id"], &echo["seq"]), (&json!(channel), &json!(1)));
        assert_eq!(other_tab.expect("message").await, echo, "all sockets see the same frame");
        assert_eq!(receiver.expect("message").await, echo);
        assert_eq!(bob.history(&channel).await[0]["id"], echo["id"], "it was stored before anyone was sent it");
        sender.expect_nothing_before_pong().await;
    }
}

on_both! {
    async fn messages_keep_one_order_for_everybody(database) {
        let server = Server::on(database).await;
        let (alice, bob) = (server.user("alice").await, server.user("bob").await);
        let channel = alice.channel_with(&[&bob]).await;
        let mut first = alice.join(&channel).await;
        let mut second = bob.join(&channel).await;
        first.expect("user_joined").await;
        for number in 0..50 {
            first.say(&format!("a {number}")).await;
            second.say(&format!("b {number}")).await;
        }
        let mut own = (0, 0);
        for seq in 1..=100 {
            let message = first.expect("message").await;
            assert_eq!(message["seq"], seq, "seq grows by one, with no gap");
            assert_eq!(second.expect("message").await, message);
            let count = if message["sender_id"] == alice.id.as_str() { &mut own.0 } else { &mut own.1 };
            let expected = message["content"].as_str().and_then(|text| text.split(' ').nth(1)?.parse().ok());
            assert_eq!(expected, Some(*count), "one sender's messages keep their order");
            *count += 1;
        }
    }
}

#[tokio::test]
async fn typing_goes_to_everybody_and_its_sender_and_is_not_stored() {
    let server = Server::start().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let channel = alice.channel_with(&[&bob]).await;
    let mut sender = alice.join(&channel).await;
    let mut receiver = bob.join(&channel).await;
    sender.expect("user_joined").await;
    for is_typing in [true, false] {
        sender.send_json(&json!({"type": "typing", "is_typing": is_typing})).await;
        let echo = sender.expect("typing").await;
        let fields =
            [("type", Text), ("user_id", Text), ("username", Text), ("is_typing", Boolean), ("channel_id", Uuid)];
        assert_shape(&echo, &fields);
        assert_eq!((&echo["user_id"], &echo["is_typing"]), (&json!(alice.id), &json!(is_typing)));
        assert_eq!(echo.get("seq"), None, "ephemeral events have no place in the sequence");
        assert_eq!(receiver.expect("typing").await, echo);
    }
    assert!(alice.history(&channel).await.is_empty());
}

#[tokio::test]
async fn a_ref_is_acknowledged_to_the_senders_socket_only() {
    let server = Server::start().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let channel = alice.channel_with(&[&bob]).await;
    let mut sender = alice.join(&channel).await;
    let mut other_tab = alice.join(&channel).await;
    let mut receiver = bob.join(&channel).await;
    sender.expect("user_joined").await;
    other_tab.expect("user_joined").await;

    let (echo, ack) = sender.say_acked("with ref", "r-1").await;
    assert_shape(&ack, &[("type", Text), ("ref", Text), ("id", Uuid), ("seq", Count)]);
    assert_eq!(echo.get("ref"), None, "a ref belongs to the sender and is not sent to others");
    for socket in [&mut other_tab, &mut receiver] {
        assert_eq!(socket.expect_message("with ref").await, echo);
        socket.expect_nothing_before_pong().await;
    }

    sender.send_json(&json!({"type": "message", "content": "number", "ref": 42})).await;
    let frames = [sender.next_json().await, sender.next_json().await];
    let ack = frames.iter().find(|frame| frame["type"] == "ack").expect("one of the two is the ack");
    assert_eq!(ack["ref"], 42, "a numeric ref is returned as a number");
}

#[tokio::test]
async fn a_json_ping_is_answered_with_its_ref() {
    let server = Server::start().await;
    let alice = server.user("alice").await;
    let channel = alice.channel_with(&[]).await;
    let mut socket = alice.join(&channel).await;
    socket.send_json(&json!({"type": "ping"})).await;
    let pong = socket.expect("pong").await;
    assert_shape(&pong, &[("type", Text), ("timestamp", Time)]);
    assert_eq!(pong.get("ref"), None);
    socket.send_json(&json!({"type": "ping", "ref": 7})).await;
    assert_eq!(socket.expect("pong").await["ref"], 7);
}

#[tokio::test]
async fn channels_do_not_hear_each_other() {
    let server = Server::start().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let group = alice.create_group("Two channels").await;
    alice.add_member(&group, &bob).await;
    let general = alice.create_channel(&group, "general").await;
    let random = alice.create_channel(&group, "random").await;
    let mut in_general = alice.join(&general).await;
    let mut in_random = bob.join(&random).await;
    in_general.say("for general").await;
    in_general.expect_message("for general").await;
    in_random.say("for random").await;
    let heard = in_random.expect_message("for random").await;
    assert_eq!((&heard["channel_id"], &heard["seq"]), (&json!(random), &json!(1)), "each channel counts for itself");
    in_general.expect_nothing_before_pong().await;
    in_random.expect_nothing_before_pong().await;
}

#[tokio::test]
async fn fields_that_the_server_does_not_know_are_ignored() {
    let server = Server::start().await;
    let alice = server.user("alice").await;
    let channel = alice.channel_with(&[]).await;
    let mut socket = alice.join(&channel).await;
    let message = json!({"type": "message", "content": "hi", "sender_id": "somebody else", "seq": 99, "new": {"a": 1}});
    socket.send_json(&message).await;
    let echo = socket.expect_message("hi").await;
    assert_eq!((&echo["sender_id"], &echo["seq"]), (&json!(alice.id), &json!(1)), "nobody speaks for another");
}
