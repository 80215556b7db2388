//! The directory of devices over REST, and encrypted messages (docs/protocol.md, "Encrypted conversations").

use serde_json::{Value, json};

use crate::nexus::{joined, send};
use crate::on_both;
use crate::support::shape::Kind::{Count, OptionalText, Text, Time};
use crate::support::shape::assert_shape;
use crate::support::{Server, User, token};

const SECRET: &str = "AwgAEiBub2JvZHktcmVhZHMtdGhpcw";

async fn publish(user: &User, device: &str, prekeys: std::ops::Range<usize>) -> Value {
    let prekeys: Vec<Value> = prekeys.map(|n| json!({"key_id": format!("k{n}"), "key": format!("key-{n}")})).collect();
    let body = json!({"name": "My laptop", "keys": {"curve25519": SECRET}, "one_time_prekeys": prekeys});
    let path = format!("/api/users/me/devices/{device}");
    let answer = user.request(reqwest::Method::PUT, &path, Some(body)).await;
    assert!(answer.status.is_success(), "{}", answer.text);
    answer.body
}

async fn open_direct(user: &User, other: &User) {
    user.get(&format!("/api/dm/{}/messages", other.id)).await.expect(200);
}

on_both! {
    async fn a_device_is_published_read_and_removed(database) {
        let server = Server::on(database).await;
        let (alice, bob) = (server.user("alice").await, server.user("bob").await);
        let mut socket = alice.nexus().await;
        let published = publish(&alice, "laptop", 0..12).await;
        let fields = [("device_id", Text), ("name", OptionalText), ("created_at", Time), ("updated_at", Time), ("one_time_prekeys_left", Count)];
        assert_shape(&published, &fields);
        assert_eq!((&published["keys"], &published["one_time_prekeys_left"]), (&json!({"curve25519": SECRET}), &json!(12)));
        let told = socket.expect("device.update").await;
        assert_eq!((&told["device_id"], &told["change"], &told["user_id"]), (&json!("laptop"), &json!("added"), &json!(alice.id)));
        publish(&alice, "laptop", 0..12).await;
        assert_eq!(socket.expect("device.update").await["change"], "updated");
        assert_eq!(alice.get("/api/users/me/devices/laptop").await.expect(200)["one_time_prekeys_left"], 12);

        let path = format!("/api/users/{}/devices", alice.id);
        let claim = format!("/api/users/{}/prekeys/claim", alice.id);
        bob.get(&path).await.expect_error(403, "PERMISSION_DENIED");
        bob.post(&claim, json!({})).await.expect_error(403, "PERMISSION_DENIED");
        open_direct(&bob, &alice).await;
        let seen = bob.get(&path).await.expect(200);
        assert_eq!((&seen["user_id"], seen["devices"].as_array().map(Vec::len)), (&json!(alice.id), Some(1)));
        let device = &seen["devices"][0];
        assert_eq!(device["keys"], json!({"curve25519": SECRET}));
        assert_eq!((device.get("name"), device.get("one_time_prekeys_left")), (None, None), "only alice sees these");
        assert!(alice.get("/api/users/me/devices").await.expect(200)["devices"][0]["name"].is_string());

        let first = bob.post(&claim, json!({})).await.expect(200);
        let second = bob.post(&claim, json!({"devices": ["laptop"]})).await.expect(200);
        let key = |claimed: &Value| claimed["devices"][0]["one_time_prekey"]["key_id"].as_str().expect("a key").to_owned();
        assert_ne!(key(&first), key(&second));
        assert!(first["devices"][0]["one_time_prekey"]["key"].as_str().expect("a key").starts_with("key-"));
        // ten are left
        let low = socket.expect("device.update").await;
        assert_eq!((&low["change"], &low["one_time_prekeys_left"]), (&json!("prekeys_low"), &json!(10)));
        assert_eq!(bob.post(&claim, json!({"devices": ["phone"]})).await.expect(200)["devices"], json!([]));

        alice.delete("/api/users/me/devices/laptop").await.expect(204);
        assert_eq!(socket.expect("device.update").await["change"], "removed");
        alice.delete("/api/users/me/devices/laptop").await.expect_error(404, "NOT_FOUND");
        alice.get("/api/users/me/devices/laptop").await.expect_error(404, "NOT_FOUND");
        assert_eq!(bob.get(&path).await.expect(200)["devices"], json!([]));
        socket.expect_nothing_before_pong().await;
    }
}

#[tokio::test]
async fn bad_devices_are_refused_with_the_name_of_the_field() {
    let server = Server::start().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let put = |device: &str, body: Value| {
        let (alice, path) = (alice.clone(), format!("/api/users/me/devices/{device}"));
        async move { alice.request(reqwest::Method::PUT, &path, Some(body)).await }
    };
    let prekey = |id: &str, key: &str| json!({"key_id": id, "key": key});
    let many: Vec<Value> = (0..201).map(|n| prekey(&n.to_string(), "k")).collect();
    for (body, field) in [
        (json!({}), "keys"),
        (json!({"keys": "x"}), "keys"),
        (json!({"keys": {"x": "k".repeat(8 * 1024)}}), "keys"),
        (json!({"keys": {}, "name": "n".repeat(129)}), "name"),
        (json!({"keys": {}, "one_time_prekeys": many}), "one_time_prekeys"),
        (json!({"keys": {}, "one_time_prekeys": {}}), "one_time_prekeys"),
        (json!({"keys": {}, "one_time_prekeys": ["k"]}), "one_time_prekeys"),
        (json!({"keys": {}, "one_time_prekeys": [prekey("1", "a"), prekey("1", "b")]}), "one_time_prekeys"),
        (json!({"keys": {}, "one_time_prekeys": [prekey("", "a")]}), "one_time_prekeys.key_id"),
        (json!({"keys": {}, "one_time_prekeys": [prekey("1", &"k".repeat(1025))]}), "one_time_prekeys.key"),
        (json!({"keys": {}, "one_time_prekeys": [prekey("1", "a\nb")]}), "one_time_prekeys.key"),
    ] {
        let refused = put("laptop", body.clone()).await.expect_error(400, "INVALID_MESSAGE");
        assert!(refused["error"].as_str().expect("a sentence").starts_with(field), "{body}: {refused}");
    }
    for id in ["a%20b", "a%2Fb", &"d".repeat(65), "%C3%A9"] {
        put(id, json!({"keys": {}})).await.expect_error(400, "INVALID_MESSAGE");
    }
    assert_eq!(alice.get("/api/users/me/devices").await.expect(200)["devices"], json!([]));
    open_direct(&bob, &alice).await;
    let claim = format!("/api/users/{}/prekeys/claim", alice.id);
    for body in [
        json!({"devices": "laptop"}),
        json!({"devices": [5]}),
        json!({"devices": ["a b"]}),
        json!({"devices": vec!["d"; 21]}),
    ] {
        bob.post(&claim, body).await.expect_error(400, "INVALID_MESSAGE");
    }
    bob.get("/api/users/nobody/devices").await.expect_error(404, "USER_NOT_FOUND");
    let claims = json!({"sub": bob.id, "username": "bob", "exp": token::now() + 60, "rooms": ["lobby"]});
    let confined = User::with_token(bob.origin(), &bob.id, "bob", &token::sign(&claims, token::SECRET));
    confined.get(&format!("/api/users/{}/devices", alice.id)).await.expect_error(403, "PERMISSION_DENIED");
    confined.get("/api/users/nobody/devices").await.expect_error(403, "PERMISSION_DENIED");
    let body = Some(json!({"keys": {}}));
    let refused = confined.request(reqwest::Method::PUT, "/api/users/me/devices/x", body).await;
    refused.expect_error(403, "PERMISSION_DENIED");
}

on_both! {
    async fn an_encrypted_message_is_stored_ordered_queued_and_recovered_and_nobody_reads_it(database) {
        let server = Server::on(database).await;
        let (alice, bob) = (server.user("alice").await, server.user("bob").await);
        let mut sender = alice.nexus().await;
        let sealed = |text: &str| json!({
            "event_type": "chat.message", "recipient_id": bob.id, "content_type": "encrypted", "ciphertext": text, "ref": 1,
        });
        // queued for bob, who is away
        let (first, receipt) = send(&mut sender, &sealed(SECRET)).await;
        assert_eq!((&receipt["queued_for"], &receipt["ref"]), (&json!([bob.id]), &json!(1)));
        let mut reader = bob.nexus().await;
        assert_eq!(reader.expect("chat.message").await, first);
        assert_eq!((&first["ciphertext"], &first["content"]), (&json!(SECRET), &json!("")));

        // live, also on sockets that know only messages
        let mut window = bob.connect_dm(&alice).await;
        window.next_json().await;
        sender.expect("room.join").await;
        let (second, _) = send(&mut sender, &sealed("second")).await;
        let shown = window.expect("dm_message").await;
        assert_eq!((&shown["content"], &shown["content_type"], &shown["ciphertext"]), (&json!(""), &json!("encrypted"), &json!("second")));
        assert_eq!(reader.expect("chat.message").await["seq"], second["seq"]);

        // edited, but only to another ciphertext
        let edit = |field: &str, text: &str| json!({"event_type": "chat.edit", "message_id": second["message_id"], field: text, "ref": 2});
        sender.send_json(&edit("content", "in the clear")).await;
        sender.expect_error("INVALID_MESSAGE").await;
        let id = second["message_id"].as_str().expect("an id");
        alice.patch(&format!("/api/messages/{id}"), json!({"content": "clear"})).await.expect_error(400, "INVALID_MESSAGE");
        sender.send_json(&edit("ciphertext", "changed")).await;
        for socket in [&mut sender, &mut reader] {
            let edited = socket.expect("chat.edit").await;
            assert_eq!((&edited["ciphertext"], &edited["content"]), (&json!("changed"), &json!("")));
        }
        sender.expect("ack").await;
        let edited = alice.patch(&format!("/api/messages/{id}"), json!({"ciphertext": "changed again"})).await.expect(200);
        for socket in [&mut sender, &mut reader] {
            assert_eq!(socket.expect("chat.edit").await["seq"], edited["seq"]);
        }

        // recovered and in the history
        let mut late = bob.nexus().await;
        let join = json!({"event_type": "room.join", "room_id": first["conversation_id"], "since": 0, "epoch": receipt["epoch"]});
        late.send_json(&join).await;
        late.expect("room.join").await;
        assert_eq!(late.expect("chat.message").await["ciphertext"], SECRET);
        assert_eq!(late.expect("chat.message").await["ciphertext"], "changed again");
        let page = bob.get(&format!("/api/dm/{}/messages", alice.id)).await.expect(200);
        let texts: Vec<_> = page["messages"].as_array().expect("a page").iter().map(|one| &one["ciphertext"]).collect();
        assert_eq!(texts, [&json!("changed again"), &json!(SECRET)]);
        assert!(!server.log().contains(SECRET), "a ciphertext is not logged");
    }
}

/// A mention of an encrypted message says nothing about its content.
#[tokio::test]
async fn the_notification_of_a_mention_does_not_quote_a_ciphertext() {
    let server = Server::start().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let channel = alice.channel_with(&[&bob]).await;
    let mut reader = joined(&bob, &channel).await;
    let body = json!({"content_type": "encrypted", "ciphertext": SECRET, "mentions": [bob.id]});
    alice.post(&format!("/api/conversations/{channel}/messages"), body).await.expect(201);
    let mut frames = [reader.next_json().await, reader.next_json().await];
    frames.sort_by_key(|frame| frame["event_type"].to_string());
    assert_eq!(frames[0]["ciphertext"], SECRET);
    assert_eq!(frames[1]["event_type"], "notification");
    assert!(!frames[1].to_string().contains(SECRET), "{}", frames[1]);
}
