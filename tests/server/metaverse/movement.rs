//! Moves: conflated, in the area of interest, refused before a join, and never stored.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use reqwest::Method;
use serde_json::{Value, json};

use super::{answer, entered, failed, nothing, opened, send, space};
use crate::support::{
    DEADLINE, Server, Socket, User, eventually,
    raw::{FrameOut, RawSocket, TEXT},
    rest::get,
    token,
};

async fn step(socket: &mut Socket, space: &str, x: f64, y: f64) {
    send(socket, "MOVE", json!({"spaceId": space, "position": {"x": x, "y": y}})).await;
}

/// Reads moves until one brings that avatar there.
async fn until(socket: &mut Socket, user: &str, number: i64, x: f64) -> Vec<Value> {
    let mut frames = Vec::new();
    loop {
        let frame = socket.next_json().await;
        assert!(matches!(frame["type"].as_str(), Some("USER_MOVED" | "USERS_MOVED")), "{frame}");
        let is_named = frame["userId"] == user && frame["position"]["x"] == x;
        let moves = frame["moves"].as_array().cloned().unwrap_or_default();
        let is_listed = moves.iter().any(|one| one[0] == number && one[1] == x);
        frames.push(frame);
        if is_named || is_listed {
            return frames;
        }
    }
}

/// The avatars' numbers by user, of the answer to a join.
fn numbers(joined: &Value) -> BTreeMap<String, i64> {
    let users = joined["users"].as_array().unwrap().iter();
    users.map(|one| (one["userId"].as_str().unwrap().to_owned(), one["number"].as_i64().unwrap())).collect()
}

#[tokio::test]
async fn moves_reach_the_others_and_the_newest_place_counts() {
    let server = Server::start().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let id = space(&alice, "Atrium", 5, true).await;
    let (mut first, _) = entered(&alice, &id, 0.0).await;
    let (mut second, joined) = entered(&bob, &id, 1.0).await;
    first.expect("USER_JOINED").await;
    let number = numbers(&joined)[&alice.id];
    send(&mut first, "MOVE", json!({"spaceId": id, "position": {"x": 5, "y": 6, "direction": "left"}})).await;
    let moved = second.expect("USER_MOVED").await;
    assert_eq!((&moved["spaceId"], &moved["userId"]), (&json!(id), &json!(alice.id)));
    assert_eq!(moved["position"], json!({"x": 5, "y": 6, "direction": "left"}));
    // in a burst only the newest matters, and its direction stays
    for x in 1..=20 {
        step(&mut first, &id, f64::from(x), 0.0).await;
    }
    let frames = until(&mut second, &alice.id, number, 20.0).await;
    assert!(frames.len() < 20, "conflated: {frames:?}");
    assert_eq!(frames.last().unwrap()["position"]["direction"], "left");
    nothing(&mut first).await;
    // a newcomer is sent the newest place; nothing of it is stored
    let (mut third, joined) = entered(&bob, &id, 9.0).await;
    let of_alice = joined["users"].as_array().unwrap().iter().find(|one| one["username"] == "alice").unwrap();
    assert_eq!((&of_alice["position"]["x"], &joined["seq"]), (&json!(20), &json!(0)));
    // two sockets of a user are one avatar
    step(&mut third, &id, 77.0, 0.0).await;
    let number = numbers(&joined)[&bob.id];
    until(&mut first, &bob.id, number, 77.0).await;
}

#[tokio::test]
async fn inputs_are_confirmed_by_the_last_one_that_is_applied() {
    let server = Server::start().await;
    let alice = server.user("alice").await;
    let id = space(&alice, "Atrium", 5, true).await;
    let (mut socket, _) = entered(&alice, &id, 0.0).await;
    for input in 1..=10 {
        send(&mut socket, "MOVE", json!({"spaceId": id, "position": {"x": input, "y": 0}, "inputSeq": input})).await;
    }
    loop {
        let frame = socket.expect("USER_MOVED").await;
        assert_eq!((&frame["userId"], &frame["position"]["x"]), (&json!(alice.id), &frame["inputSeq"]), "{frame}");
        if frame["inputSeq"] == 10 {
            break;
        }
    }
    nothing(&mut socket).await;
    let with_ref = json!({"type": "MOVE", "payload": {"spaceId": id, "position": {"x": 1, "y": 1}}, "ref": "r"});
    socket.send_json(&with_ref).await;
    let answered = socket.next_json().await;
    assert_eq!((&answered["requestType"], &answered["ref"]), (&json!("MOVE"), &json!("r")), "{answered}");
}

#[tokio::test]
async fn a_move_before_a_join_and_bad_places_are_refused() {
    let server = Server::start().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let id = space(&alice, "Atrium", 5, true).await;
    let (mut other, _) = entered(&alice, &id, 0.0).await;
    let mut socket = opened(&bob).await;
    step(&mut socket, &id, 1.0, 1.0).await;
    let refused = failed(&mut socket, "MOVE", "NOT_IN_ROOM").await;
    assert_eq!(refused["error"], "You do not have access to this space");
    send(&mut socket, "JOIN_SPACE", json!({"spaceId": id})).await;
    answer(&mut socket, "JOIN_SPACE").await;
    other.expect("USER_JOINED").await;
    for (x, code) in [
        ("NaN", "INVALID_JSON"),
        ("Infinity", "INVALID_JSON"),
        ("1e999", "INVALID_MESSAGE"),
        ("\"1\"", "INVALID_MESSAGE"),
        ("1000001", "INVALID_MESSAGE"),
    ] {
        let text =
            format!("{{\"type\":\"MOVE\",\"payload\":{{\"spaceId\":\"{id}\",\"position\":{{\"x\":{x},\"y\":0}}}}}}");
        socket.send_text(&text).await;
        let refused = socket.next_json().await;
        assert_eq!((&refused["status"], &refused["code"]), (&json!("failed"), &json!(code)), "{x}: {refused}");
    }
    nothing(&mut other).await;
}

async fn with_radius(admin: &User, radius: u32) -> String {
    let new = json!({"name": "Plain", "capacity": 50, "isPublic": true, "interestRadius": radius});
    let made = super::data(admin.post("/metaverse/spaces", new).await);
    made["space"]["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn in_a_space_with_a_radius_only_moves_that_are_near_are_sent() {
    let server = Server::start().await;
    let (alice, bob, carol) = (server.user("alice").await, server.user("bob").await, server.user("carol").await);
    let id = with_radius(&alice, 100).await;
    let (mut near, joined) = entered(&alice, &id, 50.0).await;
    assert_eq!(joined["space"]["interestRadius"], 100);
    let (mut mover, _) = entered(&bob, &id, 120.0).await;
    let (mut far, joined) = entered(&carol, &id, 5_000.0).await;
    let number = numbers(&joined)[&bob.id];
    near.expect("USER_JOINED").await;
    near.expect("USER_JOINED").await;
    mover.expect("USER_JOINED").await;
    step(&mut mover, &id, 130.0, 0.0).await;
    let frames = until(&mut near, &bob.id, number, 130.0).await;
    assert!(frames.iter().all(|frame| frame["type"] == "USERS_MOVED"), "{frames:?}");
    // the mover sees the own avatar
    until(&mut mover, &bob.id, number, 130.0).await;
    nothing(&mut far).await;
    // who leaves the neighbourhood is shown where it goes, and whoever comes near is shown once
    step(&mut mover, &id, 5_050.0, 0.0).await;
    until(&mut near, &bob.id, number, 5_050.0).await;
    until(&mut far, &bob.id, number, 5_050.0).await;
    let carols = numbers(&joined)[&carol.id];
    until(&mut mover, &carol.id, carols, 5_000.0).await;
    step(&mut mover, &id, 5_060.0, 0.0).await;
    until(&mut far, &bob.id, number, 5_060.0).await;
    nothing(&mut near).await;
    // an avatar that has been there all the time is shown to one that comes near
    step(&mut far, &id, 60.0, 0.0).await;
    let alices = numbers(&joined)[&alice.id];
    until(&mut far, &alice.id, alices, 50.0).await;
}

/// An avatar of somebody else is not taken over, and one's own is kept while any socket is there.
#[tokio::test]
async fn an_avatar_stays_while_any_socket_of_its_user_is_there() {
    let server = Server::start().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let id = space(&alice, "Atrium", 5, true).await;
    let (mut first, _) = entered(&alice, &id, 3.0).await;
    let (second, _) = entered(&alice, &id, 99.0).await;
    step(&mut first, &id, 4.0, 0.0).await;
    nothing(&mut first).await;
    first.close().await;
    let (mut other, joined) = entered(&bob, &id, 0.0).await;
    let of_alice = joined["users"].as_array().unwrap().iter().find(|one| one["username"] == "alice").unwrap();
    assert_eq!(of_alice["position"]["x"], 4);
    second.close().await;
    assert_eq!(other.expect("USER_LEFT").await["userId"], json!(alice.id));
    // who returns appears anew
    let (_again, joined) = entered(&alice, &id, 12.0).await;
    let of_alice = joined["users"].as_array().unwrap().iter().find(|one| one["username"] == "alice").unwrap();
    assert_eq!(of_alice["position"]["x"], 12);
}

/// A change of the radius counts for those who are there already, and shows them who is near by it.
#[tokio::test]
async fn a_changed_radius_counts_at_once() {
    let server = Server::start().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let id = space(&alice, "Atrium", 5, true).await;
    let (mut near, joined) = entered(&alice, &id, 50.0).await;
    let alices = numbers(&joined)[&alice.id];
    let (mut far, joined) = entered(&bob, &id, 5_000.0).await;
    let bobs = numbers(&joined)[&bob.id];
    near.expect("USER_JOINED").await;
    let path = format!("/metaverse/spaces/{id}");
    super::data(alice.request(Method::PATCH, &path, Some(json!({"interestRadius": 100}))).await);
    for socket in [&mut near, &mut far] {
        let changed = socket.expect("SPACE_CHANGED").await;
        assert_eq!(changed["space"], json!({"id": id, "name": "Atrium", "interestRadius": 100}), "{changed}");
    }
    until(&mut near, &alice.id, alices, 50.0).await;
    until(&mut far, &bob.id, bobs, 5_000.0).await;
    step(&mut far, &id, 5_010.0, 0.0).await;
    until(&mut far, &bob.id, bobs, 5_010.0).await;
    nothing(&mut near).await;
    // everywhere again, under another name
    let change = json!({"interestRadius": null, "name": "Hall"});
    super::data(alice.request(Method::PATCH, &path, Some(change)).await);
    for socket in [&mut near, &mut far] {
        assert_eq!(socket.expect("SPACE_CHANGED").await["space"], json!({"id": id, "name": "Hall"}));
    }
    until(&mut near, &bob.id, bobs, 5_010.0).await;
    step(&mut far, &id, 5_020.0, 0.0).await;
    until(&mut near, &bob.id, bobs, 5_020.0).await;
    let (_third, joined) = entered(&alice, &id, 0.0).await;
    assert_eq!(joined["space"], json!({"id": id, "name": "Hall"}));
}

/// A user who moves at random, about twenty times a second, until the flag is set, and then once to that place. Reads what comes.
async fn wander(mut socket: Socket, space: String, last: f64, ends: Arc<AtomicBool>) {
    let mut is_last = false;
    for round in 0.. {
        if !is_last {
            is_last = ends.load(Ordering::Relaxed);
            let x = if is_last { last } else { 100_000.123_456 + f64::from(round) };
            let place = json!({"x": x, "y": 123_456.123_456_78, "direction": "northnorthwest"});
            send(&mut socket, "MOVE", json!({"spaceId": space, "position": place})).await;
        }
        for _ in 0..2 {
            socket.next_within(Duration::from_millis(25)).await;
        }
    }
}

/// Moves are dropped while a client does not read. When it has caught up it is sent where everybody is.
#[tokio::test]
async fn who_has_read_too_slowly_is_sent_where_everybody_is() {
    const MOVERS: u32 = 40;
    let server = Server::start().await;
    let alice = server.user("alice").await;
    let id = with_radius(&alice, 1_000_000).await;
    let mut slow = RawSocket::with_receive_buffer(server.authority(), 4096).await;
    let path = format!("/ws/metaverse?token={}", alice.token);
    assert_eq!(slow.handshake(server.authority(), &path, &[]).await.status, 101);
    let join = json!({"type": "JOIN_SPACE", "payload": {"spaceId": id}});
    slow.send(&FrameOut::new(TEXT, join.to_string())).await;
    assert_eq!(slow.next_json().await["requestType"], "JOIN_SPACE");
    let ends = Arc::new(AtomicBool::new(false));
    let (mut movers, mut last) = (Vec::new(), BTreeMap::new());
    for mover in 0..MOVERS {
        let (name, x) = (format!("mover{mover}"), 900_000.0 + f64::from(mover));
        let user = User::with_token(server.origin(), &name, &name, &token::for_user(&name, &name, 600));
        let (socket, joined) = entered(&user, &id, 0.0).await;
        last.insert(numbers(&joined)[&user.id], x);
        movers.push(tokio::spawn(wander(socket, id.clone(), x, ends.clone())));
    }
    let url = server.url("/metrics");
    eventually("a frame is dropped", DEADLINE * 4, || async {
        let metrics = get(&url).await.text;
        let dropped = metrics.lines().find(|line| line.starts_with("convene_ephemeral_dropped_total"));
        dropped.is_some_and(|line| !line.ends_with(" 0")).then_some(())
    })
    .await;
    ends.store(true, Ordering::Relaxed);
    eventually("everybody is where they end", DEADLINE, || async {
        let (_watcher, joined) = entered(&alice, &id, 0.0).await;
        let places = joined["users"].as_array().unwrap().iter().map(|one| one["position"]["x"].as_f64().unwrap());
        (places.filter(|x| *x >= 900_000.0).count() == MOVERS as usize).then_some(())
    })
    .await;
    while !last.is_empty() {
        let frame = slow.next_json().await;
        for moved in frame["moves"].as_array().into_iter().flatten() {
            let number = moved[0].as_i64().unwrap();
            if last.get(&number).is_some_and(|x| moved[1] == *x) {
                last.remove(&number);
            }
        }
    }
    movers.iter().for_each(|mover| mover.abort());
}
