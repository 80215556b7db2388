//! Conversations over REST (docs/protocol.md, "Conversations"): one list over all kinds of rooms, groups of named people,
//! sending, and history in both directions.

use serde_json::{Value, json};

use crate::on_both;
use crate::support::rest::id_of;
use crate::support::shape::Kind::{Count, OptionalText, Text, Time};
use crate::support::shape::assert_shape;
use crate::support::{Server, User, token};

async fn send(user: &User, conversation: &str, content: &str) -> Value {
    let path = format!("/api/conversations/{conversation}/messages");
    user.post(&path, json!({"content": content})).await.expect(201)
}

async fn list(user: &User) -> Vec<Value> {
    let page = user.get("/api/conversations").await.expect(200);
    page["conversations"].as_array().unwrap_or_else(|| panic!("a list, not {page}")).clone()
}

fn ids(list: &[Value]) -> Vec<&str> {
    list.iter().map(|one| one["conversation_id"].as_str().expect("an id")).collect()
}

fn contents(page: &Value) -> Vec<&str> {
    let messages = page["messages"].as_array().unwrap_or_else(|| panic!("messages, not {page}"));
    messages.iter().map(|message| message["content"].as_str().expect("a text")).collect()
}

on_both! {
    async fn all_kinds_of_conversations_are_in_one_list_newest_first(database) {
        let server = Server::on(database).await;
        let (alice, bob) = (server.user("alice").await, server.user("bob").await);
        assert_eq!(list(&bob).await, Vec::<Value>::new());
        let channel = alice.channel_with(&[&bob]).await;
        let group = alice.post("/api/conversations", json!({"name": "Plans", "members": [bob.id]})).await.expect(201);
        let group = group["conversation_id"].as_str().expect("an id").to_owned();
        send(&alice, "lobby", "to whoever comes").await;
        send(&bob, "lobby", "I came").await;
        let direct = alice.post(&format!("/api/dm/{}/messages", bob.id), json!({"content": "hi"})).await.expect(201);
        let direct = direct["conversation_id"].as_str().expect("an id").to_owned();
        send(&alice, &group, "to the group").await;
        send(&alice, &channel, "to the channel").await;

        let of_bob = list(&bob).await;
        assert_eq!(ids(&of_bob), [channel.as_str(), &group, &direct, "lobby"]);
        let kinds: Vec<_> = of_bob.iter().map(|one| one["type"].as_str().expect("a type")).collect();
        assert_eq!(kinds, ["channel", "group", "direct", "open"]);
        let names: Vec<_> = of_bob.iter().map(|one| one["name"].as_str()).collect();
        assert_eq!(names, [Some("general"), Some("Plans"), None, Some("lobby")]);
        let last: Vec<_> = of_bob.iter().map(|one| one["last_message"]["content"].as_str().expect("a text")).collect();
        assert_eq!(last, ["to the channel", "to the group", "hi", "I came"]);
        let unread: Vec<_> = of_bob.iter().map(|one| one["unread_count"].as_i64().expect("a number")).collect();
        assert_eq!(unread, [1, 1, 1, 0], "who joins by sending has read what was there");
        let user = json!({"id": alice.id, "username": "alice", "display_name": "alice"});
        assert_eq!(of_bob[2]["user"], user);
        let fields = [
            ("conversation_id", Text), ("type", Text), ("name", OptionalText), ("owner_id", Text),
            ("unread_count", Count), ("mention_count", Count), ("last_read_seq", Count), ("seq", Count),
            ("epoch", Count), ("active_at", Time),
        ];
        assert_shape(&of_bob[1], &fields);

        let first = bob.get("/api/conversations?limit=3").await.expect(200);
        assert_eq!((first["has_more"].clone(), ids(first["conversations"].as_array().expect("a list")).len()), (json!(true), 3));
        let cursor = first["next_cursor"].as_str().expect("a cursor");
        let second = bob.get(&format!("/api/conversations?limit=3&cursor={cursor}")).await.expect(200);
        assert_eq!(ids(second["conversations"].as_array().expect("a list")), ["lobby"]);
        assert_eq!((&second["has_more"], &second["next_cursor"]), (&json!(false), &Value::Null));
    }
}

on_both! {
    async fn only_those_who_may_enter_a_conversation_read_and_write_it(database) {
        let server = Server::on(database).await;
        let (alice, bob, eve) = (server.user("alice").await, server.user("bob").await, server.user("eve").await);
        let group = alice.post("/api/conversations", json!({"members": [bob.id]})).await.expect(201);
        assert_eq!((&group["name"], &group["type"]), (&Value::Null, &json!("group")));
        let channel = alice.channel_with(&[&bob]).await;
        let direct = alice.post(&format!("/api/dm/{}/messages", bob.id), json!({"content": "hi"})).await.expect(201);
        for id in [&group["conversation_id"], &json!(channel), &direct["conversation_id"]] {
            let path = format!("/api/conversations/{}/messages", id.as_str().expect("an id"));
            eve.get(&path).await.expect_error(403, "PERMISSION_DENIED");
            eve.post(&path, json!({"content": "let me in"})).await.expect_error(403, "PERMISSION_DENIED");
            bob.post(&path, json!({"content": "me"})).await.expect(201);
            assert_eq!(contents(&bob.get(&path).await.expect(200))[0], "me");
        }
        assert_eq!(list(&eve).await, Vec::<Value>::new());
        eve.get("/api/conversations/nowhere/messages").await.expect_error(404, "ROOM_NOT_FOUND");
        eve.get(&format!("/api/conversations/{}/messages", "x".repeat(129))).await.expect_error(404, "ROOM_NOT_FOUND");
        // whoever leaves the group leaves the conversations of its channels
        let group = bob.get("/api/groups").await.expect(200);
        bob.delete(&format!("/api/groups/{}/members/{}", id_of(&group[0]), bob.id)).await.expect(204);
        assert!(!ids(&list(&bob).await).contains(&channel.as_str()));
    }
}

on_both! {
    async fn history_is_read_in_both_directions_and_around_a_message(database) {
        let server = Server::on(database).await;
        let alice = server.user("alice").await;
        let mut sent = Vec::new();
        for n in 1..=7 {
            sent.push(send(&alice, "log book", &n.to_string()).await);
        }
        assert_eq!(sent[0]["conversation_id"], "log book");
        let read = |query: &str| {
            let (alice, path) = (alice.clone(), format!("/api/conversations/log%20book/messages?{query}"));
            async move { alice.get(&path).await.expect(200) }
        };
        let flags = |page: &Value| (page["has_more"].as_bool().expect("older"), page["has_newer"].as_bool().expect("newer"));
        let page = read("limit=2").await;
        assert_eq!((contents(&page), flags(&page)), (vec!["7", "6"], (true, false)));
        let page = read(&format!("limit=2&before={}", sent[5]["seq"])).await;
        assert_eq!((contents(&page), flags(&page)), (vec!["5", "4"], (true, true)));
        let page = read(&format!("limit=2&after={}", id_of(&sent[0]))).await;
        assert_eq!((contents(&page), flags(&page)), (vec!["3", "2"], (true, true)));
        let page = read(&format!("limit=9&after={}", sent[4]["seq"])).await;
        assert_eq!((contents(&page), flags(&page)), (vec!["7", "6"], (true, false)));
        let page = read(&format!("limit=3&around={}", id_of(&sent[3]))).await;
        assert_eq!((contents(&page), flags(&page)), (vec!["5", "4", "3"], (true, true)));
        let page = read(&format!("limit=4&around={}", id_of(&sent[6]))).await;
        assert_eq!((contents(&page), flags(&page)), (vec!["7", "6", "5", "4"], (true, false)));
        let page = read(&format!("limit=50&around={}", id_of(&sent[3]))).await;
        assert_eq!((contents(&page), flags(&page)), (vec!["7", "6", "5", "4", "3", "2", "1"], (false, false)));
        let path = "/api/conversations/log%20book/messages";
        alice.get(&format!("{path}?around={}", uuid::Uuid::now_v7())).await.expect_error(404, "NOT_FOUND");
        alice.get(&format!("{path}?around=7")).await.expect_error(400, "INVALID_MESSAGE");
        alice.get(&format!("{path}?before=1&after=2")).await.expect_error(400, "INVALID_MESSAGE");
    }
}

#[tokio::test]
async fn bad_requests_are_refused_with_the_name_of_the_field() {
    let server = Server::start().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let many: Vec<String> = (0..201).map(|n| format!("user{n}")).collect();
    let cases = [
        (json!({}), "members"),
        (json!({"members": []}), "members"),
        (json!({"members": bob.id}), "members"),
        (json!({"members": [5]}), "members"),
        (json!({"members": many}), "members"),
        (json!({"members": [bob.id], "name": "n".repeat(129)}), "name"),
    ];
    for (body, field) in cases {
        let refused = alice.post("/api/conversations", body.clone()).await.expect_error(400, "INVALID_MESSAGE");
        assert!(refused["error"].as_str().expect("a sentence").starts_with(field), "{body}: {refused}");
    }
    let unknown = json!({"members": [bob.id, "nobody"]});
    alice.post("/api/conversations", unknown).await.expect_error(404, "USER_NOT_FOUND");
    for query in ["cursor=x", "cursor=1_2", "cursor=-1_01932c0c-5a5a-7abc-8def-112233445566", "limit=0"] {
        alice.get(&format!("/api/conversations?{query}")).await.expect_error(400, "INVALID_MESSAGE");
    }
    assert_eq!(list(&alice).await, Vec::<Value>::new());
}

#[tokio::test]
async fn a_token_that_is_confined_to_rooms_lists_only_these() {
    let server = Server::start().await;
    let alice = server.user("alice").await;
    send(&alice, "lobby", "one").await;
    send(&alice, "kitchen", "two").await;
    let claims = json!({"sub": alice.id, "username": "alice", "exp": token::now() + 60, "rooms": ["lobby"]});
    let confined = User::with_token(alice.origin(), &alice.id, "alice", &token::sign(&claims, token::SECRET));
    assert_eq!(ids(&list(&confined).await), ["lobby"]);
    let refused = json!({"members": [alice.id]});
    confined.post("/api/conversations", refused).await.expect_error(403, "PERMISSION_DENIED");
    confined.get("/api/conversations/kitchen/messages").await.expect_error(403, "PERMISSION_DENIED");
}
