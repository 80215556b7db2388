//! The keyed state of a space: set by everybody who is there, compared and set, ended by time and with a socket.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{answer, entered, failed, nothing, opened, send, space};
use crate::on_both;
use crate::support::{DEADLINE, Server, Socket, eventually};

async fn set(socket: &mut Socket, space: &str, key: &str, value: Value) {
    send(socket, "STATE_SET", json!({"spaceId": space, "key": key, "value": value})).await;
}

/// The next frame, which must be a change of that entry. Returns it.
async fn changed(socket: &mut Socket, key: &str, value: Value) -> Value {
    let frame = socket.expect("STATE_CHANGED").await;
    assert_eq!((&frame["key"], &frame["value"]), (&json!(key), &value), "{frame}");
    frame
}

/// The state in the answer to a join, as keys, values and numbers.
fn listed(joined: &Value) -> Vec<(String, Value, i64)> {
    let entries = joined["state"].as_array().into_iter().flatten();
    let entry = |entry: &Value| {
        let key = entry["key"].as_str().unwrap().to_owned();
        (key, entry["value"].clone(), entry["seq"].as_i64().unwrap())
    };
    entries.map(entry).collect()
}

on_both! {
    async fn changes_reach_everybody_in_order_and_newcomers_have_the_state(database) {
        let server = Server::on(database).await;
        let (alice, bob) = (server.user("alice").await, server.user("bob").await);
        let id = space(&alice, "Atrium", 5, true).await;
        let (mut first, own) = entered(&alice, &id, 0.0).await;
        assert!(own.get("state").is_none(), "{own}");
        let (mut second, _) = entered(&bob, &id, 1.0).await;
        first.expect("USER_JOINED").await;
        let door = json!({"open": true});
        let with_ref = json!({"type": "STATE_SET", "payload": {"spaceId": id, "key": "door", "value": door, "clientMessageId": "s-1"}, "ref": 7});
        first.send_json(&with_ref).await;
        let echo = changed(&mut first, "door", door.clone()).await;
        assert_eq!((&echo["userId"], &echo["seq"], &echo["clientMessageId"]), (&json!(alice.id), &json!(1), &json!("s-1")));
        let stored = first.next_json().await;
        assert_eq!((&stored["requestType"], &stored["ref"], &stored["data"]["seq"]), (&json!("STATE_SET"), &json!(7), &json!(1)), "{stored}");
        let heard = changed(&mut second, "door", door.clone()).await;
        assert_eq!((&heard["spaceId"], heard.get("clientMessageId")), (&json!(id), None));
        // a repetition changes nothing and is answered as before
        first.send_json(&with_ref).await;
        assert_eq!(first.next_json().await["data"], stored["data"]);
        nothing(&mut second).await;

        set(&mut second, &id, "board", json!([1, "two"])).await;
        changed(&mut second, "board", json!([1, "two"])).await;
        answer(&mut second, "STATE_SET").await;
        changed(&mut first, "board", json!([1, "two"])).await;
        let (mut third, joined) = entered(&bob, &id, 1.0).await;
        assert_eq!(listed(&joined), [("board".into(), json!([1, "two"]), 2), ("door".into(), door, 1)]);
        assert_eq!(joined["seq"], 2);
        // null deletes, once
        set(&mut second, &id, "door", Value::Null).await;
        for socket in [&mut first, &mut second, &mut third] {
            assert_eq!(changed(socket, "door", Value::Null).await["seq"], 3);
        }
        answer(&mut second, "STATE_SET").await;
        set(&mut second, &id, "door", Value::Null).await;
        let unchanged = second.next_json().await;
        assert_eq!((&unchanged["status"], unchanged.get("data")), (&json!("success"), None), "{unchanged}");
        nothing(&mut first).await;
        // who resumes is sent the missed changes as well
        let mut back = opened(&bob).await;
        send(&mut back, "JOIN_SPACE", json!({"spaceId": id, "since": 1, "epoch": own["epoch"]})).await;
        assert_eq!(listed(&answer(&mut back, "JOIN_SPACE").await).len(), 1);
        assert_eq!(changed(&mut back, "board", json!([1, "two"])).await["seq"], 2);
        assert_eq!(changed(&mut back, "door", Value::Null).await["seq"], 3);
        back.expect("RECOVERED").await;
    }
}

on_both! {
    async fn of_two_who_expect_the_same_entry_the_first_wins(database) {
        let server = Server::on(database).await;
        let (alice, bob) = (server.user("alice").await, server.user("bob").await);
        let id = space(&alice, "Atrium", 5, true).await;
        let (mut first, _) = entered(&alice, &id, 0.0).await;
        let (mut second, _) = entered(&bob, &id, 1.0).await;
        first.expect("USER_JOINED").await;
        let take = |user: &str, if_seq: i64| json!({"spaceId": id, "key": "seat", "value": user, "ifSeq": if_seq});
        tokio::join!(send(&mut first, "STATE_SET", take("alice", 0)), send(&mut second, "STATE_SET", take("bob", 0)));
        let mut answers = Vec::new();
        for socket in [&mut first, &mut second] {
            let mut of_socket = [socket.next_json().await, socket.next_json().await];
            of_socket.sort_by_key(|frame| frame["type"].is_null());
            let [change, answer] = of_socket;
            assert_eq!(change["seq"], 1, "{change}");
            answers.push((answer, change["value"].clone()));
        }
        assert_eq!(answers[0].1, answers[1].1, "both see the same one");
        let (won, lost): (Vec<_>, Vec<_>) = answers.into_iter().partition(|(answer, _)| answer["status"] == "success");
        assert_eq!((won.len(), lost.len()), (1, 1));
        let (refused, value) = &lost[0];
        assert_eq!((&refused["code"], &refused["data"]["entry"]["seq"]), (&json!("CONFLICT"), &json!(1)), "{refused}");
        assert_eq!(&refused["data"]["entry"]["value"], value);
        // with what it was told the next attempt succeeds
        send(&mut second, "STATE_SET", take("bob", 1)).await;
        assert_eq!(changed(&mut second, "seat", json!("bob")).await["seq"], 2);
        answer(&mut second, "STATE_SET").await;
        changed(&mut first, "seat", json!("bob")).await;
        send(&mut first, "STATE_SET", json!({"spaceId": id, "key": "table", "value": null, "ifSeq": 9})).await;
        assert_eq!(failed(&mut first, "STATE_SET", "CONFLICT").await["data"], json!({"entry": null}));
    }
}

#[tokio::test]
async fn entries_end_with_time_and_with_their_socket() {
    let server = Server::start().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let id = space(&alice, "Atrium", 5, true).await;
    let (mut first, _) = entered(&alice, &id, 0.0).await;
    let (mut second, _) = entered(&bob, &id, 1.0).await;
    first.expect("USER_JOINED").await;
    let begun = Instant::now();
    send(&mut second, "STATE_SET", json!({"spaceId": id, "key": "bell", "value": 1, "ttl": 0.7})).await;
    let rung = changed(&mut first, "bell", json!(1)).await;
    assert!(rung["expiresAt"].is_string(), "{rung}");
    let over = changed(&mut first, "bell", Value::Null).await;
    assert_eq!((&over["reason"], &over["userId"]), (&json!("expired"), &json!(bob.id)), "{over}");
    assert!(begun.elapsed() >= Duration::from_millis(700), "{:?}", begun.elapsed());
    second.read_until("STATE_CHANGED").await;

    // set again without an end, it stays
    for (ttl, value) in [(json!(0.3), 1), (Value::Null, 2)] {
        let payload = json!({"spaceId": id, "key": "lamp", "value": value, "ttl": ttl});
        send(&mut second, "STATE_SET", payload).await;
        changed(&mut first, "lamp", json!(value)).await;
    }
    // with the socket, however it ends
    for (key, ends) in [("seat", true), ("note", false)] {
        let payload = json!({"spaceId": id, "key": key, "value": "mine", "endsWithSocket": ends});
        send(&mut second, "STATE_SET", payload).await;
        assert_eq!(changed(&mut first, key, json!("mine")).await.get("endsWithSocket").is_some(), ends);
    }
    drop(second);
    let left = changed(&mut first, "seat", Value::Null).await;
    assert_eq!(left["reason"], "left", "{left}");
    let (mut third, joined) = entered(&bob, &id, 1.0).await;
    let keys: Vec<_> = listed(&joined).into_iter().map(|(key, ..)| key).collect();
    assert_eq!(keys, ["lamp", "note"], "{joined}");

    // one of two sockets of a user: the entry is that socket's
    send(&mut third, "STATE_SET", json!({"spaceId": id, "key": "seat", "value": 3, "endsWithSocket": true})).await;
    changed(&mut first, "seat", json!(3)).await;
    let (_fourth, _) = entered(&bob, &id, 1.0).await;
    third.read_until("STATE_CHANGED").await;
    answer(&mut third, "STATE_SET").await;
    send(&mut third, "LEAVE_SPACE", json!({"spaceId": id})).await;
    changed(&mut first, "seat", Value::Null).await;
    nothing(&mut first).await;
}

on_both! {
    async fn the_state_outlives_the_server_and_what_is_over_does_not(database) {
        let mut server = Server::on(database).await;
        let alice = server.user("alice").await;
        let id = space(&alice, "Atrium", 5, true).await;
        let (mut socket, _) = entered(&alice, &id, 0.0).await;
        for (key, ttl, ends) in [("door", Value::Null, false), ("bell", json!(0.5), false), ("seat", Value::Null, true)] {
            let payload = json!({"spaceId": id, "key": key, "value": key, "ttl": ttl, "endsWithSocket": ends});
            send(&mut socket, "STATE_SET", payload).await;
            changed(&mut socket, key, json!(key)).await;
            answer(&mut socket, "STATE_SET").await;
        }
        let killed = Instant::now();
        server.kill();
        server.restart().await;
        let passed = async || (killed.elapsed() > Duration::from_millis(600)).then_some(());
        eventually("the time of an entry has passed", DEADLINE, passed).await;
        let (mut socket, joined) = entered(&alice, &id, 0.0).await;
        assert_eq!(listed(&joined), [("door".into(), json!("door"), 1)], "{joined}");
        // the ends are stored now, each once
        let mut ended = Vec::new();
        for _ in 0..2 {
            let frame = socket.expect("STATE_CHANGED").await;
            assert_eq!(frame["value"], Value::Null, "{frame}");
            ended.push((frame["key"].as_str().unwrap().to_owned(), frame["reason"].as_str().unwrap().to_owned()));
        }
        ended.sort();
        assert_eq!(ended, [("bell".into(), "expired".into()), ("seat".into(), "left".into())]);
        let (_again, joined) = entered(&alice, &id, 0.0).await;
        assert_eq!((listed(&joined).len(), &joined["seq"]), (1, &json!(5)));
        nothing(&mut socket).await;
    }
}

#[tokio::test]
async fn bad_entries_and_strangers_are_refused() {
    let server = Server::start().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let id = space(&alice, "Atrium", 5, true).await;
    let (mut first, _) = entered(&alice, &id, 0.0).await;
    let mut stranger = opened(&bob).await;
    set(&mut stranger, &id, "door", json!(1)).await;
    let refused = failed(&mut stranger, "STATE_SET", "NOT_IN_ROOM").await;
    assert_eq!(refused["error"], "You do not have access to this space");
    for payload in [
        json!({"spaceId": id, "key": "door"}),
        json!({"spaceId": id, "key": 7, "value": 1}),
        json!({"spaceId": id, "key": "", "value": 1}),
        json!({"spaceId": id, "key": "door", "value": 1, "ifSeq": "1"}),
        json!({"spaceId": id, "key": "door", "value": 1, "ttl": -1}),
        json!({"spaceId": id, "key": "door", "value": 1, "ttl": "soon"}),
        json!({"spaceId": id, "key": "door", "value": 1, "endsWithSocket": "yes"}),
    ] {
        send(&mut first, "STATE_SET", payload.clone()).await;
        let refused = first.next_json().await;
        assert_eq!(refused["code"], "INVALID_MESSAGE", "{payload}: {refused}");
    }
    set(&mut first, &id, "door", json!("x".repeat(5_000))).await;
    failed(&mut first, "STATE_SET", "MESSAGE_TOO_LONG").await;
    nothing(&mut first).await;
}

/// Changes count as requests.
#[tokio::test]
async fn changes_of_the_state_are_limited() {
    let server = Server::builder().env("WEBSOCKET_REQUESTS_PER_MINUTE", "5").start().await;
    let alice = server.user("alice").await;
    let id = space(&alice, "Atrium", 5, true).await;
    let (mut socket, _) = entered(&alice, &id, 0.0).await;
    for number in 1..=5 {
        set(&mut socket, &id, "door", json!(number)).await;
    }
    // four changes with their answers, and the refusal of the fifth, which may come before these
    let mut frames = Vec::new();
    for _ in 0..9 {
        frames.push(socket.next_json().await);
    }
    let count = |field: &str, value: &str| frames.iter().filter(|frame| frame[field] == value).count();
    assert_eq!((count("type", "STATE_CHANGED"), count("code", "RATE_LIMIT_EXCEEDED")), (4, 1), "{frames:?}");
}
