//! Direct messages: two users, one conversation, nobody else (docs/protocol.md, "channel").

use serde_json::json;

use crate::on_both;
use crate::support::raw::RawSocket;
use crate::support::shape::Kind::{Boolean, Count, Opaque, Text, Time, Uuid};
use crate::support::shape::{assert_shape, text};
use crate::support::socket::Frame;
use crate::support::{DEADLINE, Server, Socket, User, eventually};

async fn enter(user: &User, partner: &User) -> (Socket, serde_json::Value) {
    let mut socket = user.connect_dm(partner).await;
    let first = socket.next_json().await;
    (socket, first)
}

async fn say(socket: &mut Socket, content: &str) {
    socket.send_json(&json!({"type": "dm_message", "content": content})).await;
}

#[tokio::test]
async fn each_side_learns_once_that_the_other_is_there() {
    let server = Server::start().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);

    let (mut first, connected) = enter(&alice, &bob).await;
    assert_eq!(connected["type"], "connected", "{connected}");
    let about_room = [("conversation_id", Text), ("seq", Count), ("epoch", Opaque), ("connection_id", Text)];
    assert_shape(&connected, &about_room);
    assert_eq!(connected["connection_id"], first.header("X-Connection-Id"));

    let (second, at_once) = enter(&bob, &alice).await;
    assert_shape(&at_once, &[("type", Text), ("user_id", Text), ("username", Text)]);
    assert_shape(&at_once, &about_room);
    assert_eq!((&at_once["type"], &at_once["user_id"]), (&json!("dm_user_online"), &json!(alice.id)));
    assert_eq!(at_once["conversation_id"], connected["conversation_id"], "both sides are one conversation");

    let online = first.expect("dm_user_online").await;
    assert_shape(&online, &[("type", Text), ("user_id", Text), ("username", Text)]);
    assert_eq!((&online["user_id"], &online["username"]), (&json!(bob.id), &json!("bob")));

    let (third, _) = enter(&bob, &alice).await;
    second.close().await;
    first.expect_nothing_before_pong().await;
    third.close().await;
    let offline = first.expect("dm_user_offline").await;
    assert_shape(&offline, &[("type", Text), ("user_id", Text), ("username", Text)]);
    assert_eq!(offline["user_id"], bob.id.as_str());
}

on_both! {
    async fn a_message_reaches_all_sockets_of_both(database) {
        let server = Server::on(database).await;
        let (alice, bob) = (server.user("alice").await, server.user("bob").await);
        let (mut first, connected) = enter(&alice, &bob).await;
        let (mut second, _) = enter(&bob, &alice).await;
        first.expect("dm_user_online").await;
        let (mut second_tab, _) = enter(&bob, &alice).await;

        first.send_json(&json!({"type": "dm_message", "content": "Hey, how are you?", "ref": "r"})).await;
        let (echo, _) = first.expect_echo_and_ack("dm_message", "Hey, how are you?", "r").await;
        let fields = [
            ("type", Text), ("id", Uuid), ("content", Text), ("sender_id", Text), ("sender_username", Text),
            ("recipient_id", Text), ("conversation_id", Text), ("created_at", Time), ("seq", Count),
        ];
        assert_shape(&echo, &fields);
        assert_eq!((&echo["sender_id"], &echo["recipient_id"]), (&json!(alice.id), &json!(bob.id)));
        assert_eq!((&echo["sender_username"], &echo["seq"]), (&json!("alice"), &json!(1)));
        assert_eq!(echo["conversation_id"], connected["conversation_id"]);
        assert_eq!(second.expect("dm_message").await, echo);
        assert_eq!(second_tab.expect("dm_message").await, echo);

        say(&mut second, "Fine").await;
        let answer = first.expect("dm_message").await;
        assert_eq!((&answer["sender_id"], &answer["recipient_id"]), (&json!(bob.id), &json!(alice.id)));
        assert_eq!(answer["seq"], 2);

        for (user, partner) in [(&alice, &bob), (&bob, &alice)] {
            let history = user.whole_history(&format!("/api/dm/{}/messages", partner.id)).await;
            assert_eq!(history.iter().map(|m| &m["content"]).collect::<Vec<_>>(), ["Hey, how are you?", "Fine"]);
            assert_eq!(history[0]["recipient_id"], bob.id.as_str());
            assert_eq!(history[0]["conversation_id"], connected["conversation_id"]);
        }
    }
}

#[tokio::test]
async fn typing_goes_to_the_partner_only() {
    let server = Server::start().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let (mut first, _) = enter(&alice, &bob).await;
    let (mut second, _) = enter(&bob, &alice).await;
    first.expect("dm_user_online").await;
    first.send_json(&json!({"type": "dm_typing", "is_typing": true})).await;
    let typing = second.expect("dm_typing").await;
    assert_shape(&typing, &[("type", Text), ("user_id", Text), ("username", Text), ("is_typing", Boolean)]);
    assert_eq!((&typing["user_id"], &typing["is_typing"]), (&json!(alice.id), &json!(true)));
    say(&mut second, "a later event").await;
    let next = first.expect("dm_message").await;
    assert_eq!(next["content"], "a later event", "typing is not sent to its author");
}

on_both! {
    async fn what_was_sent_while_away_comes_on_the_next_connect_exactly_once(database) {
        let mut server = Server::on(database).await;
        let (alice, bob) = (server.user("alice").await, server.user("bob").await);
        let (mut sender, _) = enter(&alice, &bob).await;
        for number in 1..=3 {
            let content = format!("while you were away {number}");
            sender.send_json(&json!({"type": "dm_message", "content": content, "ref": content})).await;
            sender.expect_echo_and_ack("dm_message", &content, &content).await;
        }
        // The queue is durable.
        server.kill();
        server.restart().await;

        let (mut receiver, first) = enter(&bob, &alice).await;
        assert_eq!((&first["type"], &first["seq"]), (&json!("connected"), &json!(3)));
        for number in 1..=3 {
            let queued = receiver.expect("dm_message").await;
            assert_eq!(queued["content"], format!("while you were away {number}"));
            assert_eq!(queued["seq"], number, "the queue is in order");
        }
        receiver.expect_nothing_before_pong().await;
        receiver.close().await;
        let (mut again, _) = enter(&bob, &alice).await;
        again.expect_nothing_before_pong().await;
    }
}

#[tokio::test]
async fn the_offline_queue_drops_its_oldest_and_history_keeps_all() {
    let server = Server::builder().env("MAX_QUEUE_SIZE", 3).start().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let (mut sender, _) = enter(&alice, &bob).await;
    for number in 1..=5 {
        say(&mut sender, &number.to_string()).await;
        sender.expect("dm_message").await;
    }
    let (mut receiver, _) = enter(&bob, &alice).await;
    for number in 3..=5 {
        assert_eq!(receiver.expect("dm_message").await["content"], number.to_string());
    }
    receiver.expect_nothing_before_pong().await;
    assert_eq!(bob.whole_history(&format!("/api/dm/{}/messages", alice.id)).await.len(), 5);
}

#[tokio::test]
async fn nobody_else_can_enter_a_conversation() {
    let server = Server::start().await;
    let (alice, bob, carol) = (server.user("alice").await, server.user("bob").await, server.user("carol").await);
    let (mut first, connected) = enter(&alice, &bob).await;
    say(&mut first, "a secret").await;
    first.expect("dm_message").await;
    for partner in [&alice, &bob] {
        let (mut third, entered) = enter(&carol, partner).await;
        assert_eq!(entered["type"], "connected", "the partner is in another conversation: {entered}");
        assert_ne!(entered["conversation_id"], connected["conversation_id"], "this is a conversation of Carol's own");
        third.expect_nothing_before_pong().await;
        assert!(carol.whole_history(&format!("/api/dm/{}/messages", partner.id)).await.is_empty());
    }
    // The conversation's id is not a channel that could be joined or read.
    let conversation = text(&connected, "conversation_id");
    carol.get(&format!("/api/channels/{conversation}/messages")).await.expect_error(404, "ROOM_NOT_FOUND");
    let path = format!("/ws/channel/{conversation}?token={}", carol.token);
    let mut raw = RawSocket::connect(server.authority()).await;
    let answer = raw.handshake(server.authority(), &path, &[]).await;
    assert_eq!(answer.status, 404, "{answer:?}");
    first.expect_nothing_before_pong().await;
}

on_both! {
    async fn the_conversations_id_is_stable(database) {
        let mut server = Server::on(database).await;
        let (alice, bob) = (server.user("alice").await, server.user("bob").await);
        let (_, before) = enter(&alice, &bob).await;
        server.terminate().await;
        server.restart().await;
        let (_, after) = enter(&bob, &alice).await;
        assert_eq!(after["conversation_id"], before["conversation_id"]);
        assert_eq!(after["epoch"], before["epoch"], "the sequence continues, so the epoch stays");
    }
}

#[tokio::test]
async fn an_unknown_partner_is_refused() {
    let server = Server::start().await;
    let alice = server.user("alice").await;
    let mut raw = RawSocket::connect(server.authority()).await;
    let path = format!("/ws/dm/{}?token={}", uuid::Uuid::now_v7(), alice.token);
    let answer = raw.handshake(server.authority(), &path, &[]).await;
    assert_eq!(answer.status, 404, "{answer:?}");
    let code = text(&answer.json(), "code");
    assert!(["USER_NOT_FOUND", "ROOM_NOT_FOUND"].contains(&code.as_str()), "{code}");
}

#[tokio::test]
async fn a_direct_message_is_heard_in_a_channel_but_in_no_other_conversation() {
    let server = Server::start().await;
    let (alice, bob, carol) = (server.user("alice").await, server.user("bob").await, server.user("carol").await);
    let channel = alice.channel_with(&[&bob, &carol]).await;
    let mut bob_in_channel = bob.join(&channel).await;
    let mut carol_in_channel = carol.join(&channel).await;
    bob_in_channel.expect("user_joined").await;
    let mut bob_with_carol = bob.connect_dm(&carol).await;
    bob_with_carol.expect("connected").await;
    let mut alice_with_bob = alice.connect_dm(&bob).await;
    alice_with_bob.expect("connected").await;

    let (echo, _) = {
        alice_with_bob.send_json(&json!({"type": "dm_message", "content": "psst", "ref": "r"})).await;
        alice_with_bob.expect_echo_and_ack("dm_message", "psst", "r").await
    };
    let overheard = bob_in_channel.expect("dm_message").await;
    assert_eq!((&overheard["id"], &overheard["conversation_id"]), (&echo["id"], &echo["conversation_id"]));
    assert_eq!(overheard.get("seq"), None, "it would be taken for the channel's: {overheard}");
    bob_with_carol.expect_nothing_before_pong().await;
    carol_in_channel.expect_nothing_before_pong().await;
}

/// Opens a conversation on a socket with a small receive buffer, then stops reading.
async fn enter_and_stall(server: &Server, user: &User, partner: &User) -> RawSocket {
    let mut deaf = RawSocket::with_receive_buffer(server.authority(), 4096).await;
    let path = format!("/ws/dm/{}?token={}", partner.id, user.token);
    assert_eq!(deaf.handshake(server.authority(), &path, &[]).await.status, 101);
    assert_eq!(deaf.next_json().await["seq"], LARGE, "the first frame");
    deaf
}

/// More messages than the kernel buffers for a client that does not read.
const LARGE: i64 = 80;

async fn say_large(sender: &mut Socket) {
    for number in 1..=LARGE {
        say(sender, &format!("{number} {}", "x".repeat(9_000))).await;
        sender.expect("dm_message").await;
    }
}

on_both! {
    async fn a_link_that_dies_before_the_bytes_were_taken_loses_nothing(database) {
        let server = Server::builder().database(database).env("LEAVE_GRACE_MS", 0).start().await;
        let (alice, bob) = (server.user("alice").await, server.user("bob").await);
        let (mut sender, _) = enter(&alice, &bob).await;
        say_large(&mut sender).await;
        let deaf = enter_and_stall(&server, &bob, &alice).await;
        deaf.stream.set_zero_linger().expect("a TCP option");
        drop(deaf);
        sender.expect("dm_user_online").await;
        sender.expect("dm_user_offline").await;
        // The leases of the dead socket are released shortly after it closes.
        let (mut socket, mut frame) = eventually("the messages are free again", DEADLINE, || {
            let (alice, bob) = (&alice, &bob);
            async move {
                let (mut socket, _) = enter(bob, alice).await;
                let Some(Frame::Json(frame)) = socket.next_within(std::time::Duration::from_millis(200)).await else {
                    return None;
                };
                Some((socket, frame))
            }
        })
        .await;
        for number in 1..=LARGE {
            assert_eq!((&frame["type"], &frame["seq"]), (&json!("dm_message"), &json!(number)));
            if number < LARGE {
                frame = socket.next_json().await;
            }
        }
        socket.expect_nothing_before_pong().await;
    }
}

on_both! {
    async fn whoever_opens_while_the_partner_writes_gets_all_in_order_once(database) {
        const MESSAGES: i64 = 90;
        let server = Server::on(database).await;
        let (alice, bob) = (server.user("alice").await, server.user("bob").await);
        let (mut sender, _) = enter(&alice, &bob).await;
        let writing = tokio::spawn(async move {
            for number in 1..=MESSAGES {
                say(&mut sender, &number.to_string()).await;
                if number % 10 == 0 {
                    while sender.read_until("dm_message").await.last().is_none_or(|m| m["seq"] != number) {}
                }
            }
            sender
        });
        let (mut receiver, first) = enter(&bob, &alice).await;
        assert!(first["seq"].is_number(), "{first}");
        for number in 1..=MESSAGES {
            let message = receiver.read_until("dm_message").await.pop().expect("a message");
            assert_eq!((&message["seq"], &message["content"]), (&json!(number), &json!(number.to_string())));
        }
        receiver.expect_nothing_before_pong().await;
        let _sender = writing.await.expect("all were sent");
        receiver.close().await;
        let (mut again, _) = enter(&bob, &alice).await;
        again.expect_nothing_before_pong().await;
    }
}

#[tokio::test]
async fn what_was_heard_in_a_channel_does_not_come_again_in_the_conversation() {
    let server = Server::start().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let channel = alice.channel_with(&[&bob]).await;
    let mut bob_in_channel = bob.join(&channel).await;
    let (mut alice_with_bob, _) = enter(&alice, &bob).await;
    say(&mut alice_with_bob, "heard").await;
    assert_eq!(bob_in_channel.expect("dm_message").await["content"], "heard");
    bob_in_channel.expect_nothing_before_pong().await;
    let (mut bob_with_alice, _) = enter(&bob, &alice).await;
    bob_with_alice.expect_nothing_before_pong().await;
}

#[tokio::test]
async fn a_socket_that_can_not_show_it_keeps_no_message_from_the_queue() {
    let server = Server::start().await;
    let (alice, bob, carol) = (server.user("alice").await, server.user("bob").await, server.user("carol").await);
    let mut workspace = bob.open("/api/v1/ws").await;
    workspace.expect_nothing_before_pong().await;
    let mut bob_with_carol = bob.connect_dm(&carol).await;
    bob_with_carol.expect("connected").await;
    let (mut alice_with_bob, _) = enter(&alice, &bob).await;
    say(&mut alice_with_bob, "unseen").await;
    alice_with_bob.expect("dm_message").await;
    workspace.expect_nothing_before_pong().await;
    bob_with_carol.expect_nothing_before_pong().await;
    let (mut bob_with_alice, _) = enter(&bob, &alice).await;
    assert_eq!(bob_with_alice.expect("dm_message").await["content"], "unseen");
}

#[tokio::test]
async fn of_two_devices_that_open_at_once_each_message_comes_on_one() {
    let server = Server::start().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let (mut sender, _) = enter(&alice, &bob).await;
    for number in 1..=10 {
        say(&mut sender, &number.to_string()).await;
        sender.expect("dm_message").await;
    }
    let ((mut one, _), (mut other, _)) = tokio::join!(enter(&bob, &alice), enter(&bob, &alice));
    for number in 1..=10 {
        let frame = tokio::select! { frame = one.next_json() => frame, frame = other.next_json() => frame };
        assert_eq!((&frame["type"], &frame["seq"]), (&json!("dm_message"), &json!(number)));
    }
    for socket in [&mut one, &mut other] {
        socket.expect_nothing_before_pong().await;
    }
}
