//! Search over REST (docs/protocol.md, "Search"): only what the history would show, by current text, in pages.

use serde_json::{Value, json};

use crate::on_both;
use crate::support::{Server, User, token};

async fn send(user: &User, conversation: &str, body: Value) -> Value {
    user.post(&format!("/api/conversations/{conversation}/messages"), body).await.expect(201)
}

async fn say(user: &User, conversation: &str, content: &str) -> Value {
    send(user, conversation, json!({"content": content})).await
}

async fn search(user: &User, query: &str) -> Value {
    user.get(&format!("/api/search/messages?{query}")).await.expect(200)
}

fn results(page: &Value) -> &Vec<Value> {
    page["results"].as_array().unwrap_or_else(|| panic!("results, not {page}"))
}

fn contents(page: &Value) -> Vec<&str> {
    results(page).iter().map(|one| one["message"]["content"].as_str().expect("a text")).collect()
}

on_both! {
    async fn messages_of_all_conversations_are_found_at_once_and_with_an_extract(database) {
        let server = Server::on(database).await;
        let (alice, bob) = (server.user("alice").await, server.user("bob").await);
        let channel = alice.channel_with(&[&bob]).await;
        let group = alice.post("/api/conversations", json!({"members": [bob.id]})).await.expect(201);
        let group = group["conversation_id"].as_str().expect("an id").to_owned();
        say(&alice, &channel, "The release plan <b>for</b> May").await;
        say(&bob, &group, "Which release?").await;
        say(&alice, "lobby", "no plan").await;
        alice.post(&format!("/api/dm/{}/messages", bob.id), json!({"content": "RELEASE notes"})).await.expect(201);

        let page = search(&bob, "q=release").await;
        assert_eq!(contents(&page), ["RELEASE notes", "Which release?", "The release plan <b>for</b> May"]);
        assert_eq!((&page["has_more"], &page["next_cursor"], &page["complete"]), (&json!(false), &Value::Null, &json!(true)));
        let last = &results(&page)[2];
        assert_eq!(last["message"]["conversation_id"], channel);
        assert_eq!((&last["message"]["sender_id"], &last["message"]["seq"]), (&json!(alice.id), &json!(1)));
        let parts = json!([{"text": "The ", "match": false}, {"text": "release", "match": true}, {"text": " plan <b>for</b> May", "match": false}]);
        assert_eq!(last["extract"], json!({"parts": parts, "has_before": false, "has_after": false}));

        assert_eq!(contents(&search(&bob, "q=%22release+plan%22").await).len(), 1);
        assert_eq!(contents(&search(&bob, "q=rel*+-notes").await).len(), 2);
        assert_eq!(contents(&search(&bob, &format!("q=release&conversation_id={group}")).await), ["Which release?"]);
        assert_eq!(contents(&search(&bob, &format!("q=release&sender={}", bob.id)).await), ["Which release?"]);
        assert_eq!(contents(&search(&bob, "q=plan&conversation_id=lobby").await), ["no plan"]);
        assert_eq!(contents(&search(&bob, "q=plan+release&order=best").await), ["The release plan <b>for</b> May"]);
        let sent = last["message"]["created_at"].as_str().expect("a time");
        assert_eq!(contents(&search(&bob, &format!("q=release&before={sent}")).await), [""; 0]);
        assert_eq!(contents(&search(&bob, &format!("q=release&after={sent}")).await).len(), 3);

        let mut query = "q=release&limit=1".to_owned();
        let mut found = Vec::new();
        loop {
            let page = search(&bob, &query).await;
            found.extend(contents(&page).into_iter().map(ToOwned::to_owned));
            let Some(cursor) = page["next_cursor"].as_str() else { break };
            query = format!("q=release&limit=1&cursor={cursor}");
        }
        assert_eq!(found.len(), 3, "{found:?}");
    }
}

on_both! {
    async fn edits_deletions_and_ciphertexts_are_found_by_what_they_are_now(database) {
        let server = Server::on(database).await;
        let alice = server.user("alice").await;
        let first = say(&alice, "lobby", "mango one").await;
        let second = say(&alice, "lobby", "mango two").await;
        send(&alice, "lobby", json!({"content_type": "encrypted", "ciphertext": "mango"})).await;
        let of = |message: &Value| format!("/api/messages/{}", message["id"].as_str().expect("an id"));
        assert_eq!(contents(&search(&alice, "q=mango").await), ["mango two", "mango one"]);
        alice.request(reqwest::Method::PATCH, &of(&first), Some(json!({"content": "papaya one"}))).await.expect(200);
        assert_eq!(contents(&search(&alice, "q=mango").await), ["mango two"]);
        assert_eq!(contents(&search(&alice, "q=papaya").await), ["papaya one"]);
        let deleted = alice.delete(&of(&second)).await;
        assert!(deleted.status.is_success(), "{deleted:?}");
        assert_eq!(contents(&search(&alice, "q=mango").await), [""; 0]);
        assert_eq!(contents(&search(&alice, "q=two").await), [""; 0]);
        let log = server.log();
        assert!(!log.contains("event=search_not_indexed"), "{log}");
    }
}

#[tokio::test]
async fn whoever_may_not_read_a_conversation_finds_nothing_there() {
    let server = Server::start().await;
    let (alice, bob, eve) = (server.user("alice").await, server.user("bob").await, server.user("eve").await);
    let channel = alice.channel_with(&[&bob]).await;
    say(&alice, &channel, "hidden word").await;
    let direct =
        alice.post(&format!("/api/dm/{}/messages", bob.id), json!({"content": "hidden word"})).await.expect(201);
    let direct = direct["conversation_id"].as_str().expect("an id").to_owned();
    say(&alice, "lobby", "an open word").await;
    assert_eq!(contents(&search(&eve, "q=word").await), ["an open word"]);
    assert_eq!(contents(&search(&bob, "q=word").await).len(), 3);
    for id in [&channel, &direct] {
        let there = format!("/api/search/messages?q=word&conversation_id={id}");
        eve.get(&there).await.expect_error(403, "PERMISSION_DENIED");
    }
    eve.get("/api/search/messages?q=word&conversation_id=nowhere").await.expect_error(404, "ROOM_NOT_FOUND");
    let claims = json!({"sub": bob.id, "username": "bob", "exp": token::now() + 60, "rooms": ["lobby"]});
    let confined = User::with_token(bob.origin(), &bob.id, "bob", &token::sign(&claims, token::SECRET));
    assert_eq!(contents(&search(&confined, "q=word").await), ["an open word"]);
    let there = format!("/api/search/messages?q=word&conversation_id={channel}");
    confined.get(&there).await.expect_error(403, "PERMISSION_DENIED");
    let groups = bob.get("/api/groups").await.expect(200);
    let group = groups[0]["id"].as_str().expect("an id");
    bob.delete(&format!("/api/groups/{group}/members/{}", bob.id)).await.expect(204);
    assert_eq!(contents(&search(&bob, "q=word").await), ["an open word", "hidden word"]);
}

on_both! {
    async fn bad_input_is_refused_or_harmless(database) {
        let server = Server::on(database).await;
        let alice = server.user("alice").await;
        let room = alice.channel_with(&[]).await;
        say(&alice, &room, "it's \"quoted\" \\ 100% :* & | ! ( ) <-> NEAR AND OR NOT w00000it r00000").await;
        let long = "x".repeat(10 * 1024);
        let many = (0..17).map(|n| n.to_string()).collect::<Vec<_>>().join("+");
        for query in [
            "", "q=", "q=+", "q=%21%3F*", "q=%22%22", "q=%22", "q=-", "q=%00", "q=-quoted", &format!("q={long}"), &format!("q={many}"),
            "q=it&limit=0", "q=it&limit=x", "q=it&after=yesterday", "q=it&before=1", "q=it&order=oldest", "q=it&cursor=x",
            "q=it&cursor=1_2", "q=it&cursor=-1_01932c0c-5a5a-7abc-8def-112233445566",
            "q=it&order=best&cursor=1_01932c0c-5a5a-7abc-8def-112233445566",
        ] {
            let refused = alice.get(&format!("/api/search/messages?{query}")).await.expect_error(400, "INVALID_MESSAGE");
            let field = query.rsplit('&').next().unwrap_or_default().split('=').next().filter(|name| !name.is_empty()).unwrap_or("q");
            assert!(refused["error"].as_str().expect("a sentence").starts_with(field), "{query}: {refused}");
        }
        let unknown = alice.get(&format!("/api/search/messages?q=it&sender={}", "u".repeat(129))).await;
        unknown.expect_error(404, "USER_NOT_FOUND");
        // syntax of the databases' own query languages means nothing (tests/store/search repeats this for indexed messages)
        for (query, count) in [
            ("q=%22it%27s", 1), ("q=quoted%22", 1), ("q=it%00s", 1), ("q=it%27+%7C+nothing", 0), ("q=NOT+it", 1),
            ("q=it+NEAR+100", 1), ("q=%28it%29%3A*", 1), ("q=it+%5C%27%27", 1), ("q=words%3Ait", 0), ("q=r00000*", 1),
            ("q=w00000it", 1), ("q=it+OR+nothing", 0), ("q=%5Eit", 1), ("q=it%3A%2A", 1), ("q=%27it%27%3AABCD", 0),
        ] {
            assert_eq!(contents(&search(&alice, query).await).len(), count, "{query}");
        }
    }
}
