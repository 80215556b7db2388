//! A message sent again: stored once, answered as the first time, and recognised by its sender (docs/protocol.md, Sending
//! again).

use serde_json::{Value, json};

use crate::on_both;
use crate::support::shape::opaque;
use crate::support::{Server, Socket};

/// A message of a kind under an id of the client's.
fn named(kind: &str, content: &str, id: &str) -> Value {
    json!({"type": kind, "content": content, "ref": id, "client_message_id": id})
}

/// Sends it; returns its echo and its ack, which must both be about it.
async fn sent(socket: &mut Socket, message: &Value) -> (Value, Value) {
    socket.send_json(message).await;
    let (kind, content) = (message["type"].as_str().unwrap(), message["content"].as_str().unwrap());
    let (echo, ack) = socket.expect_echo_and_ack(kind, content, message["ref"].as_str().unwrap()).await;
    assert_eq!(echo["client_message_id"], message["client_message_id"], "{echo}");
    (echo, ack)
}

/// Sends it again: the ack is the next frame, and the same as the first one.
async fn sent_again(socket: &mut Socket, message: &Value, first: &Value) {
    socket.send_json(message).await;
    assert_eq!(&socket.expect("ack").await, first);
    socket.expect_nothing_before_pong().await;
}

/// Without what only the sender is shown.
fn for_others(echo: &Value) -> Value {
    let mut echo = echo.clone();
    echo.as_object_mut().unwrap().remove("client_message_id").expect("the sender is shown the id");
    echo
}

on_both! {
    async fn a_message_sent_again_after_its_ack_was_lost_is_not_doubled(database) {
        let mut server = Server::on(database).await;
        let (alice, bob) = (server.user("alice").await, server.user("bob").await);
        let channel = alice.channel_with(&[&bob]).await;
        let mut reader = bob.join(&channel).await;
        let mut sender = alice.connect(&channel).await;
        let epoch = opaque(&sender.expect("online_users").await, "epoch");
        reader.expect("user_joined").await;
        let mut elsewhere = alice.join(&channel).await;
        let message = named("message", "hello", "m-1");
        let (echo, ack) = sent(&mut sender, &message).await;
        assert_eq!(elsewhere.expect("message").await, echo, "all of the sender's sockets are shown the id");
        assert_eq!(reader.expect("message").await, for_others(&echo), "nobody else is");
        sent_again(&mut sender, &message, &ack).await;

        // the connection breaks off, and the replay is recognised by the id
        drop(sender);
        let mut back = alice.resume(&channel, 0, &epoch).await;
        back.expect("online_users").await;
        assert_eq!(back.expect("message").await, echo);
        back.expect("recovered").await;
        sent_again(&mut back, &message, &ack).await;
        let mut others_replay = bob.resume(&channel, 0, &epoch).await;
        others_replay.expect("online_users").await;
        assert_eq!(others_replay.expect("message").await, for_others(&echo));
        others_replay.expect("recovered").await;
        drop(others_replay);

        // without a `ref` it is not even answered
        back.send_json(&json!({"type": "message", "content": "hello", "client_message_id": "m-1"})).await;
        back.expect_nothing_before_pong().await;
        let (next, _) = sent(&mut back, &named("message", "hello", "m-2")).await;
        assert_eq!(next["seq"], 2, "the same text under another id is another message");
        assert_eq!(reader.expect("message").await, for_others(&next));
        assert_eq!(elsewhere.expect("message").await, next);

        // the server forgets nothing when it starts again
        server.kill();
        server.restart().await;
        let mut back = alice.resume(&channel, 2, &epoch).await;
        back.expect("online_users").await;
        back.expect("recovered").await;
        sent_again(&mut back, &message, &ack).await;
        assert_eq!(alice.history(&channel).await.len(), 2);
    }
}

on_both! {
    async fn the_id_belongs_to_one_user_one_room_and_one_content(database) {
        let server = Server::on(database).await;
        let (alice, bob) = (server.user("alice").await, server.user("bob").await);
        let channels = [alice.channel_with(&[&bob]).await, alice.channel_with(&[]).await];
        let mut first = alice.join(&channels[0]).await;
        let (_, ack) = sent(&mut first, &named("message", "hello", "m-1")).await;
        first.send_json(&named("message", "hello?", "m-1")).await;
        let error = first.expect_error("CONFLICT").await;
        assert_eq!(error["ref"], "m-1");
        assert!(error["error"].as_str().unwrap().contains("client_message_id"), "{error}");
        first.expect_nothing_before_pong().await;
        // another room, another user
        let (other_room, _) = sent(&mut alice.join(&channels[1]).await, &named("message", "hello", "m-1")).await;
        assert_eq!(other_room["seq"], 1);
        let mut bobs = bob.join(&channels[0]).await;
        first.expect("user_joined").await;
        let (other_user, _) = sent(&mut bobs, &named("message", "hello", "m-1")).await;
        assert_eq!((&other_user["seq"], &first.expect("message").await), (&json!(2), &for_others(&other_user)));
        sent_again(&mut first, &named("message", "hello", "m-1"), &ack).await;
    }
}

on_both! {
    async fn a_direct_message_sent_again_is_not_doubled(database) {
        let server = Server::on(database).await;
        let (alice, bob) = (server.user("alice").await, server.user("bob").await);
        let channel = alice.channel_with(&[]).await;
        let mut elsewhere = alice.join(&channel).await;
        let mut sender = alice.connect_dm(&bob).await;
        sender.expect("connected").await;
        let message = named("dm_message", "are you there?", "d-1");
        let (echo, ack) = sent(&mut sender, &message).await;
        let overheard = elsewhere.expect("dm_message").await;
        assert_eq!((&overheard["client_message_id"], &overheard["seq"]), (&json!("d-1"), &json!(null)), "also of a channel");
        sent_again(&mut sender, &message, &ack).await;
        elsewhere.expect_nothing_before_pong().await;
        // it was queued once, for somebody who is not shown the id
        let mut partner = bob.connect_dm(&alice).await;
        partner.expect("dm_user_online").await;
        assert_eq!(partner.expect("dm_message").await, for_others(&echo));
        sender.expect("dm_user_online").await;
        sent_again(&mut sender, &message, &ack).await;
        partner.expect_nothing_before_pong().await;
    }
}

on_both! {
    async fn a_request_repeated_over_rest_is_answered_as_the_first_time(database) {
        let server = Server::on(database).await;
        let (alice, bob) = (server.user("alice").await, server.user("bob").await);
        let channel = alice.channel_with(&[&bob]).await;
        for path in [format!("/api/channels/{channel}/messages"), format!("/api/dm/{}/messages", bob.id)] {
            let body = json!({"content": "deployed", "idempotency_key": "deploy-7"});
            let first = alice.post(&path, body.clone()).await.expect(201);
            assert_eq!(alice.post(&path, body.clone()).await.expect(201), first);
            let other = json!({"content": "deployed?", "idempotency_key": "deploy-7"});
            let error = alice.post(&path, other).await.expect_error(409, "CONFLICT");
            assert!(error["error"].as_str().unwrap().contains("idempotency_key"), "{error}");
            assert_eq!(alice.whole_history(&path).await, [first]);
            for key in [json!(""), json!(7), json!("é".repeat(129)), json!("a\nb")] {
                let bad = json!({"content": "x", "idempotency_key": key});
                let error = alice.post(&path, bad).await.expect_error(400, "INVALID_MESSAGE");
                assert!(error["error"].as_str().unwrap().contains("idempotency_key"), "{key}: {error}");
            }
            alice.post(&path, json!({"content": "longest", "idempotency_key": "é".repeat(128)})).await.expect(201);
        }
        // sockets and REST share the ids
        let mut socket = alice.join(&channel).await;
        socket.send_json(&named("message", "deployed", "deploy-7")).await;
        assert_eq!(socket.expect("ack").await["seq"], 1);
        let body = json!({"content": "from a script", "idempotency_key": "deploy-8"});
        alice.post(&format!("/api/channels/{channel}/messages"), body).await.expect(201);
        assert_eq!(socket.expect("message").await["client_message_id"], "deploy-8");
    }
}

#[tokio::test]
async fn what_was_refused_is_not_remembered() {
    let server = Server::builder().env("WEBSOCKET_REQUESTS_PER_MINUTE", 5).start().await;
    let alice = server.user("alice").await;
    let channel = alice.channel_with(&[]).await;
    let mut socket = alice.join(&channel).await;
    for content in ["", " ", "a\u{0}b"] {
        socket.send_json(&named("message", content, "m-1")).await;
        socket.expect_error("INVALID_MESSAGE").await;
    }
    let (echo, _) = sent(&mut socket, &named("message", "at last", "m-1")).await;
    assert_eq!(echo["seq"], 1);
    // a repetition is a request like any other
    socket.send_json(&named("message", "at last", "m-1")).await;
    socket.expect("ack").await;
    socket.send_json(&named("message", "at last", "m-1")).await;
    socket.expect_error("RATE_LIMIT_EXCEEDED").await;
}
