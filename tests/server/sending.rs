//! Sending over REST: the same rules, events and log as over sockets (docs/protocol.md, History).

use serde_json::json;

use crate::on_both;
use crate::support::Server;
use crate::support::shape::Kind::{Count, Text, Time, Uuid};
use crate::support::shape::{assert_shape, number};

on_both! {
    async fn a_message_over_rest_is_one_like_any_other(database) {
        let server = Server::on(database).await;
        let (alice, bob) = (server.user("alice").await, server.user("bob").await);
        let channel = alice.channel_with(&[&bob]).await;
        let path = format!("/api/channels/{channel}/messages");
        // The room is not in use and must be loaded first.
        let first = alice.post(&path, json!({"content": "nobody is there"})).await.expect(201);
        let fields = [
            ("id", Uuid), ("content", Text), ("sender_id", Text), ("sender_username", Text), ("channel_id", Uuid),
            ("created_at", Time), ("seq", Count),
        ];
        assert_shape(&first, &fields);
        assert_eq!((&first["seq"], &first["sender_id"]), (&json!(1), &json!(alice.id)));

        let mut reader = bob.join(&channel).await;
        let mut own = alice.join(&channel).await;
        reader.expect("user_joined").await;
        let second = alice.post(&path, json!({"content": "hello"})).await.expect(201);
        for socket in [&mut reader, &mut own] {
            let told = socket.expect("message").await;
            for field in ["id", "content", "sender_id", "sender_username", "channel_id", "created_at", "seq"] {
                assert_eq!(told[field], second[field], "{field}");
            }
        }
        // Sockets and REST write to the same log.
        own.say_acked("from the socket", "1").await;
        let fourth = bob.post(&path, json!({"content": "and back"})).await.expect(201);
        assert_eq!(number(&fourth, "seq"), 4);
        let page = bob.get(&path).await.expect(200);
        assert_eq!(page["messages"].as_array().unwrap().len(), 4, "{page}");
        assert_eq!(page["messages"][0], fourth);
    }
}

on_both! {
    async fn a_direct_message_over_rest_reaches_both_and_waits_for_who_is_away(database) {
        let server = Server::on(database).await;
        let (alice, bob) = (server.user("alice").await, server.user("bob").await);
        let path = format!("/api/dm/{}/messages", bob.id);
        let sent = alice.post(&path, json!({"content": "are you there?"})).await.expect(201);
        assert_eq!((&sent["recipient_id"], &sent["seq"]), (&json!(bob.id), &json!(1)));
        assert!(sent["conversation_id"].is_string() && sent["channel_id"].is_null(), "{sent}");
        let mut partner = bob.connect_dm(&alice).await;
        partner.expect("connected").await;
        assert_eq!(partner.expect("dm_message").await["id"], sent["id"], "it was queued");
        let live = alice.post(&path, json!({"content": "good"})).await.expect(201);
        assert_eq!(partner.expect("dm_message").await["id"], live["id"]);
    }
}

#[tokio::test]
async fn what_sockets_may_not_send_rest_may_not_either() {
    let server = Server::start().await;
    let (alice, bob, mallory) = (server.user("alice").await, server.user("bob").await, server.user("mallory").await);
    let channel = alice.channel_with(&[&bob]).await;
    let path = format!("/api/channels/{channel}/messages");
    let post = |body| alice.post(&path, body);
    post(json!({})).await.expect_error(400, "INVALID_MESSAGE");
    post(json!({"content": "  "})).await.expect_error(400, "INVALID_MESSAGE");
    post(json!({"content": 7})).await.expect_error(400, "INVALID_MESSAGE");
    post(json!({"content": "a\u{0}b"})).await.expect_error(400, "INVALID_MESSAGE");
    post(json!({"content": "é".repeat(10_001)})).await.expect_error(413, "MESSAGE_TOO_LONG");
    post(json!({"content": "x", "attachments": "file"})).await.expect_error(400, "INVALID_MESSAGE");
    let file = "01932c0c-5a5a-7abc-8def-112233445566";
    post(json!({"content": "x", "attachments": [file, file]})).await.expect_error(400, "INVALID_MESSAGE");
    post(json!({"content": "x", "attachments": [file]})).await.expect_error(404, "NOT_FOUND");
    mallory.post(&path, json!({"content": "x"})).await.expect_error(403, "PERMISSION_DENIED");
    let nowhere = format!("/api/channels/{file}/messages");
    alice.post(&nowhere, json!({"content": "x"})).await.expect_error(404, "ROOM_NOT_FOUND");
    alice.post("/api/dm/nobody/messages", json!({"content": "x"})).await.expect_error(404, "USER_NOT_FOUND");
    assert_eq!(alice.get(&path).await.expect(200)["messages"], json!([]), "nothing of it was stored");
}
