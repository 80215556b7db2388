//! What happens to messages after they were sent, over REST (docs/protocol.md, "Messages one by one"): the same rules and
//! events as over sockets.

use serde_json::{Value, json};

use crate::nexus::{joined, say};
use crate::on_both;
use crate::support::rest::{Answer, id_of};
use crate::support::{Server, User, token};

const THUMB: &str = "%F0%9F%91%8D";

fn message(id: &str) -> String {
    format!("/api/messages/{id}")
}

fn reaction(id: &str, emoji: &str) -> String {
    format!("/api/messages/{id}/reactions/{emoji}")
}

async fn send(user: &User, conversation: &str, body: Value) -> Value {
    user.post(&format!("/api/conversations/{conversation}/messages"), body).await.expect(201)
}

async fn read(user: &User, conversation: &str, mark: Value) -> Answer {
    user.post(&format!("/api/conversations/{conversation}/read"), mark).await
}

/// The conversation in the user's list.
async fn listed(user: &User, conversation: &str) -> Value {
    let page = user.get("/api/conversations").await.expect(200);
    let list = page["conversations"].as_array().expect("a list").clone();
    let found = list.into_iter().find(|one| one["conversation_id"] == conversation);
    found.unwrap_or_else(|| panic!("{conversation} in {page}"))
}

on_both! {
    async fn changes_over_rest_are_events_like_those_of_sockets(database) {
        let server = Server::on(database).await;
        let (alice, bob) = (server.user("alice").await, server.user("bob").await);
        let mut own = joined(&alice, "conv").await;
        let mut reader = joined(&bob, "conv").await;
        own.expect("room.join").await;
        let sent = send(&alice, "conv", json!({"content": "frist"})).await;
        let id = id_of(&sent);
        for socket in [&mut own, &mut reader] {
            assert_eq!(socket.expect("chat.message").await["message_id"], json!(id));
        }

        let edited = alice.patch(&message(&id), json!({"content": "first"})).await.expect(200);
        assert_eq!((&edited["message_id"], &edited["conversation_id"], &edited["seq"]), (&json!(id), &json!("conv"), &json!(2)));
        let reacted = bob.put(&reaction(&id, THUMB)).await.expect(200);
        let marked = read(&bob, "conv", json!({"message_id": id})).await.expect(200);
        for socket in [&mut own, &mut reader] {
            let edit = socket.expect("chat.edit").await;
            assert_eq!((&edit["content"], &edit["event_id"], &edit["seq"]), (&json!("first"), &edited["id"], &edited["seq"]));
            let react = socket.expect("chat.react").await;
            assert_eq!((&react["emoji"], &react["user_id"], &react["seq"]), (&json!("👍"), &json!(bob.id), &reacted["seq"]));
            let mark = socket.expect("chat.read").await;
            assert_eq!((&mark["user_id"], &mark["read_seq"], &mark["seq"]), (&json!(bob.id), &json!(1), &marked["seq"]));
        }
        // what does not change anything is no event
        for unchanged in [
            bob.put(&reaction(&id, THUMB)).await.expect(200),
            read(&bob, "conv", json!({"message_id": id})).await.expect(200),
            alice.delete(&reaction(&id, THUMB)).await.expect(200),
        ] {
            assert_eq!((&unchanged["message_id"], unchanged.get("seq"), unchanged.get("id")), (&json!(id), None, None));
        }
        let stored = bob.get(&message(&id)).await.expect(200);
        assert_eq!((&stored["content"], &stored["seq"]), (&json!("first"), &json!(1)));
        assert!(stored["edited_at"].is_string(), "{stored}");
        assert_eq!(stored["reactions"], json!([{"emoji": "👍", "count": 1, "reacted": true}]));
        assert_eq!(alice.get(&message(&id)).await.expect(200)["reactions"][0]["reacted"], false);

        let taken_back = bob.delete(&reaction(&id, THUMB)).await.expect(200);
        let deleted = alice.delete(&message(&id)).await.expect(200);
        for socket in [&mut own, &mut reader] {
            let back = socket.expect("chat.react").await;
            assert_eq!((&back["removed"], &back["seq"]), (&json!(true), &taken_back["seq"]));
            assert_eq!(socket.expect("chat.delete").await["seq"], deleted["seq"]);
        }
        let erased = bob.get(&message(&id)).await.expect(200);
        assert_eq!((&erased["content"], &erased["deleted"], erased.get("reactions")), (&json!(""), &json!(true), None));
        alice.patch(&message(&id), json!({"content": "back"})).await.expect_error(404, "NOT_FOUND");
        bob.put(&reaction(&id, THUMB)).await.expect_error(404, "NOT_FOUND");
        alice.delete(&message(&id)).await.expect_error(404, "NOT_FOUND");
        own.expect_nothing_before_pong().await;
        reader.expect_nothing_before_pong().await;
    }
}

on_both! {
    async fn nobody_reaches_messages_of_others(database) {
        let server = Server::on(database).await;
        let (alice, bob, eve) = (server.user("alice").await, server.user("bob").await, server.user("eve").await);
        let sent = alice.post(&format!("/api/dm/{}/messages", bob.id), json!({"content": "psst"})).await.expect(201);
        let (id, direct) = (id_of(&sent), sent["conversation_id"].as_str().expect("an id").to_owned());
        let edit = json!({"content": "changed"});
        bob.patch(&message(&id), edit.clone()).await.expect_error(403, "PERMISSION_DENIED");
        bob.delete(&message(&id)).await.expect_error(403, "PERMISSION_DENIED");
        // a foreign conversation is not even known to have that message
        let unknown = uuid::Uuid::now_v7().to_string();
        for (who, id) in [(&eve, &id), (&alice, &unknown), (&alice, &"7".to_owned())] {
            who.get(&message(id)).await.expect_error(404, "NOT_FOUND");
            who.patch(&message(id), edit.clone()).await.expect_error(404, "NOT_FOUND");
            who.delete(&message(id)).await.expect_error(404, "NOT_FOUND");
            who.put(&reaction(id, THUMB)).await.expect_error(404, "NOT_FOUND");
            who.delete(&reaction(id, THUMB)).await.expect_error(404, "NOT_FOUND");
        }
        read(&eve, &direct, json!({"message_id": id})).await.expect_error(404, "NOT_FOUND");
        read(&eve, &direct, json!({"seq": 1})).await.expect_error(403, "PERMISSION_DENIED");
        send(&eve, "elsewhere", json!({"content": "mine"})).await;
        read(&eve, "elsewhere", json!({"message_id": id})).await.expect_error(404, "NOT_FOUND");
        let confined = json!({"sub": alice.id, "username": "alice", "exp": token::now() + 60, "rooms": ["elsewhere"]});
        let confined = User::with_token(alice.origin(), &alice.id, "alice", &token::sign(&confined, token::SECRET));
        confined.get(&message(&id)).await.expect_error(404, "NOT_FOUND");
        confined.delete(&message(&id)).await.expect_error(404, "NOT_FOUND");

        let admin = User::with_token(server.origin(), "root", "root", &token::for_admin("root", "root"));
        admin.patch(&message(&id), edit).await.expect(200);
        admin.delete(&message(&id)).await.expect(200);
        assert_eq!(alice.get(&message(&id)).await.expect(200)["deleted"], true);
    }
}

on_both! {
    async fn a_conversation_is_read_up_to_a_message_or_a_seq(database) {
        let server = Server::on(database).await;
        let (alice, bob) = (server.user("alice").await, server.user("bob").await);
        let channel = alice.channel_with(&[&bob]).await;
        let mut sent = Vec::new();
        for n in 1..=4 {
            sent.push(send(&alice, &channel, json!({"content": n.to_string(), "mentions": [bob.id]})).await);
        }
        let counts = async |user: &User| {
            let one = listed(user, &channel).await;
            [&one["unread_count"], &one["mention_count"], &one["last_read_seq"]].map(|n| n.as_i64().expect("a number"))
        };
        assert_eq!(counts(&bob).await, [4, 4, 0]);
        read(&bob, &channel, json!({"message_id": sent[0]["id"]})).await.expect(200);
        assert_eq!(counts(&bob).await, [3, 3, 1]);
        // the event that marks it has the seq 5, so the last message up to 5 is the fourth
        let marked = read(&bob, &channel, json!({"seq": 2})).await.expect(200);
        assert_eq!((&marked["message_id"], &marked["conversation_id"]), (&sent[1]["id"], &json!(channel)));
        assert_eq!(counts(&bob).await, [2, 2, 2]);
        read(&bob, &channel, json!({"seq": 1})).await.expect(200);
        assert_eq!(counts(&bob).await, [2, 2, 2], "it only advances");
        let head = listed(&bob, &channel).await["seq"].as_i64().expect("a seq");
        let ahead = read(&bob, &channel, json!({"seq": head + 1})).await.expect_error(400, "INVALID_MESSAGE");
        assert!(ahead["error"].as_str().expect("a sentence").contains("ahead"), "{ahead}");
        read(&bob, &channel, json!({"seq": i64::MAX})).await.expect_error(400, "INVALID_MESSAGE");
        assert_eq!(counts(&bob).await, [2, 2, 2]);
        read(&bob, &channel, json!({"seq": head})).await.expect(200);
        assert_eq!(counts(&bob).await, [0, 0, 4]);
        assert_eq!(counts(&alice).await, [0, 0, 0], "own messages are not unread");
        read(&bob, &channel, json!({"seq": 0})).await.expect_error(404, "NOT_FOUND");
        for bad in [json!({}), json!({"message_id": 5}), json!({"message_id": "x"}), json!({"seq": -1}), json!({"seq": "1"})] {
            read(&bob, &channel, bad).await.expect_error(400, "INVALID_MESSAGE");
        }
        read(&bob, "nowhere", json!({"seq": 1})).await.expect_error(404, "ROOM_NOT_FOUND");
        read(&bob, "nowhere", json!({"message_id": sent[0]["id"]})).await.expect_error(404, "NOT_FOUND");
    }
}

on_both! {
    async fn mentions_and_types_of_content_are_sent_over_rest(database) {
        let server = Server::on(database).await;
        let (alice, bob, eve) = (server.user("alice").await, server.user("bob").await, server.user("eve").await);
        let channel = alice.channel_with(&[&bob]).await;
        let mut mentioned = bob.nexus().await;
        let mentions = json!([bob.id, bob.id, eve.id, "nobody"]);
        let sent = send(&alice, &channel, json!({"content": "look", "mentions": mentions})).await;
        assert_eq!(sent["mentions"], json!([bob.id]), "only those who may be here, each once");
        let mut received = [mentioned.next_json().await, mentioned.next_json().await];
        received.sort_by_key(|frame| frame["event_type"].to_string());
        assert_eq!((&received[0]["event_type"], &received[0]["mentions"]), (&json!("chat.message"), &json!([bob.id])));
        assert_eq!((&received[1]["event_type"], &received[1]["category"]), (&json!("notification"), &json!("mention")));

        let typed = send(&alice, &channel, json!({"content": "# title", "content_type": "markdown"})).await;
        assert_eq!((&typed["content"], &typed["content_type"]), (&json!("# title"), &json!("markdown")));
        let ciphertext = "A".repeat(20_000);
        let sealed = json!({"content_type": "encrypted", "ciphertext": ciphertext});
        let path = format!("/api/channels/{channel}/messages");
        let sealed = alice.post(&path, sealed).await.expect(201);
        assert_eq!((&sealed["content"], &sealed["ciphertext"]), (&json!(""), &json!(ciphertext)));
        let page = bob.get(&path).await.expect(200);
        assert_eq!((&page["messages"][0], &page["messages"][1]["content_type"]), (&sealed, &json!("markdown")));
    }
}

on_both! {
    async fn a_change_over_rest_can_be_repeated(database) {
        let server = Server::on(database).await;
        let (alice, bob) = (server.user("alice").await, server.user("bob").await);
        let mut reader = joined(&bob, "conv").await;
        let id = id_of(&send(&alice, "conv", json!({"content": "frist", "idempotency_key": "m-1"})).await);
        let again = send(&alice, "conv", json!({"content": "frist", "idempotency_key": "m-1"})).await;
        assert_eq!(id_of(&again), id);
        let path = "/api/conversations/conv/messages";
        alice.post(path, json!({"content": "other", "idempotency_key": "m-1"})).await.expect_error(409, "CONFLICT");
        for key in [&*"k".repeat(129), "%0a"] {
            let refused = alice.put(&format!("{}?idempotency_key={key}", reaction(&id, THUMB))).await;
            refused.expect_error(400, "INVALID_MESSAGE");
        }

        let edit = json!({"content": "first", "idempotency_key": "e-1"});
        let first = [
            alice.patch(&message(&id), edit.clone()).await.expect(200),
            alice.put(&format!("{}?idempotency_key=r-1", reaction(&id, THUMB))).await.expect(200),
            read(&alice, "conv", json!({"message_id": id, "idempotency_key": "s-1"})).await.expect(200),
            alice.delete(&format!("{}?idempotency_key=d-1", message(&id))).await.expect(200),
        ];
        // most would be refused now, since the message is deleted
        let again = [
            alice.patch(&message(&id), edit).await.expect(200),
            alice.put(&format!("{}?idempotency_key=r-1", reaction(&id, THUMB))).await.expect(200),
            read(&alice, "conv", json!({"message_id": id, "idempotency_key": "s-1"})).await.expect(200),
            alice.delete(&format!("{}?idempotency_key=d-1", message(&id))).await.expect(200),
        ];
        assert_eq!(first, again);
        let other = json!({"content": "another", "idempotency_key": "e-1"});
        alice.patch(&message(&id), other).await.expect_error(409, "CONFLICT");
        alice.delete(&format!("{}?idempotency_key=%00", message(&id))).await.expect_error(400, "INVALID_MESSAGE");
        for kind in ["chat.message", "chat.edit", "chat.react", "chat.read", "chat.delete"] {
            reader.expect(kind).await;
        }
        reader.expect_nothing_before_pong().await;
        // sockets and REST share the ids
        let mut socket = joined(&alice, "conv").await;
        let said = json!({"event_type": "chat.message", "conversation_id": "conv", "content": "x", "client_message_id": "m-1"});
        socket.send_json(&said).await;
        socket.expect_error("CONFLICT").await;
    }
}

#[tokio::test]
async fn malformed_changes_are_refused_and_disturb_nobody() {
    let server = Server::start().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let mut author = joined(&alice, "conv").await;
    let mut reader = joined(&bob, "conv").await;
    author.expect("room.join").await;
    let (echo, _) = say(&mut author, "conv", "one").await;
    reader.expect("chat.message").await;
    let id = echo["message_id"].as_str().expect("an id");
    for body in [
        json!({}),
        json!({"content": null}),
        json!({"content": 5}),
        json!({"content": "  "}),
        json!({"content": "a\u{0}b"}),
        json!({"content": "x", "idempotency_key": ""}),
        json!({"content": "x", "idempotency_key": 7}),
    ] {
        alice.patch(&message(id), body).await.expect_error(400, "INVALID_MESSAGE");
    }
    alice.patch(&message(id), json!({"content": "é".repeat(10_001)})).await.expect_error(413, "MESSAGE_TOO_LONG");
    for emoji in ["x", "ok", "%F0%9F%91%8D%F0%9F%91%8D", "%3Cb%3E", "%20", "%E2%80%8D", "1", "%00"] {
        alice.put(&reaction(id, emoji)).await.expect_error(400, "INVALID_MESSAGE");
        alice.delete(&reaction(id, emoji)).await.expect_error(400, "INVALID_MESSAGE");
    }
    let users: Vec<String> = (0..10_000).map(|n| format!("user{n}")).collect();
    for body in [
        json!({"content": "x", "mentions": users}),
        json!({"content": "x", "mentions": "bob"}),
        json!({"content": "x", "mentions": [5]}),
        json!({"content": "x", "content_type": "c".repeat(65)}),
        json!({"content": "x", "content_type": 5}),
        json!({"content": "x", "content_type": "encrypted"}),
        json!({"content": "x", "content_type": "encrypted", "ciphertext": "AA"}),
        json!({"content_type": "encrypted"}),
        json!({"content_type": "encrypted", "ciphertext": ""}),
        json!({"content_type": "encrypted", "ciphertext": 5}),
        json!({"ciphertext": "AA"}),
    ] {
        alice.post("/api/conversations/conv/messages", body).await.expect_error(400, "INVALID_MESSAGE");
    }
    let sealed = json!({"content_type": "encrypted", "ciphertext": "A".repeat(50_000)});
    alice.post("/api/conversations/conv/messages", sealed).await.expect_error(413, "MESSAGE_TOO_LONG");
    author.expect_nothing_before_pong().await;
    reader.expect_nothing_before_pong().await;
    let page = bob.get("/api/conversations/conv/messages").await.expect(200);
    assert_eq!((&page["seq"], page["messages"].as_array().map(Vec::len)), (&json!(1), Some(1)));
}
