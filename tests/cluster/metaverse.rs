//! One space on two nodes: avatars, moves, invites and the last place are the same for both.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::setting::Setting;
use crate::support::{Cluster, Socket, User, socket::Frame};

async fn space(admin: &User, capacity: u32, is_public: bool) -> String {
    let new = json!({"name": "Atrium", "capacity": capacity, "isPublic": is_public});
    let made = admin.post("/metaverse/spaces", new).await.expect(201);
    made["data"]["space"]["id"].as_str().expect("an id").to_owned()
}

async fn send(socket: &mut Socket, kind: &str, payload: Value) {
    socket.send_json(&json!({"type": kind, "payload": payload})).await;
}

/// The data of the next frame, which must be the answer to a request of that type.
async fn answer(socket: &mut Socket, kind: &str) -> Value {
    let answer = socket.next_json().await;
    assert_eq!((&answer["status"], &answer["requestType"]), (&json!("success"), &json!(kind)), "{answer}");
    answer["data"].clone()
}

async fn entered(user: &User, space: &str, x: f64) -> (Socket, Value) {
    let mut socket = user.open("/ws/metaverse").await;
    send(&mut socket, "JOIN_SPACE", json!({"spaceId": space, "initialPosition": {"x": x, "y": 0}})).await;
    let data = answer(&mut socket, "JOIN_SPACE").await;
    (socket, data)
}

/// The horizontal place of a user in the answer to a join.
fn x_of(joined: &Value, user: &User) -> Value {
    let users = joined["users"].as_array().expect("a list");
    users.iter().find(|one| one["userId"] == user.id).expect("the user is listed")["position"]["x"].clone()
}

/// Reads moves until the user is there.
async fn until(socket: &mut Socket, user: &User, x: f64) {
    loop {
        let frame = socket.expect("USER_MOVED").await;
        if frame["userId"] == user.id && frame["position"]["x"] == x {
            return;
        }
    }
}

#[tokio::test]
async fn avatars_are_the_same_on_both_nodes() {
    let setting = Setting::new().await;
    let (alice, bob) = (&setting.alice, &setting.bob);
    let id = space(alice, 5, true).await;
    let (mut here, _) = entered(alice, &id, 3.0).await;
    let (mut there, joined) = entered(bob, &id, 4.0).await;
    assert_eq!((x_of(&joined, alice), x_of(&joined, bob)), (json!(3), json!(4)));
    let came = here.expect("USER_JOINED").await;
    assert_eq!((&came["userId"], &came["position"]["x"]), (&json!(bob.id), &json!(4)));
    for x in 1..=30 {
        send(&mut here, "MOVE", json!({"spaceId": id, "position": {"x": x, "y": 0}})).await;
        send(&mut there, "MOVE", json!({"spaceId": id, "position": {"x": -x, "y": 0}})).await;
    }
    until(&mut there, alice, 30.0).await;
    until(&mut here, bob, -30.0).await;
    // a newcomer on either node is sent the newest places, and a further socket of a user finds the avatar
    let (mut third, joined) = entered(alice, &id, 99.0).await;
    assert_eq!((x_of(&joined, alice), x_of(&joined, bob)), (json!(30), json!(-30)));
    send(&mut third, "MOVE", json!({"spaceId": id, "position": {"x": 31, "y": 0}})).await;
    until(&mut there, alice, 31.0).await;
    send(&mut there, "ACTION", json!({"spaceId": id, "action": "wave"})).await;
    here.read_until("USER_ACTION").await;
    there.close().await;
    let left = here.read_until("USER_LEFT").await.pop().unwrap();
    assert_eq!(left["userId"], json!(bob.id));
}

#[tokio::test]
async fn the_last_place_is_given_once_to_sockets_of_two_nodes() {
    let cluster = Cluster::start(2).await;
    let [alice, bob, carol] = cluster.users(["alice", "bob", "carol"]).await;
    let mut sender = alice.open("/ws/metaverse").await;
    let mut first = bob.open("/ws/metaverse").await;
    let mut second = cluster.at(1, &carol).open("/ws/metaverse").await;
    for _ in 0..5 {
        let id = space(&alice, 2, false).await;
        let mut invites = Vec::new();
        for (user, socket) in [(&bob, &mut first), (&carol, &mut second)] {
            send(&mut sender, "SEND_INVITE", json!({"toUserId": user.id, "spaceId": id})).await;
            let sent = answer(&mut sender, "SEND_INVITE").await;
            let received = socket.expect("INVITE_RECEIVED").await;
            assert_eq!(received["invite"]["id"], sent["invite"]["id"]);
            invites.push(json!({"notificationId": sent["invite"]["id"]}));
        }
        tokio::join!(
            send(&mut first, "ACCEPT_INVITE", invites[0].clone()),
            send(&mut second, "ACCEPT_INVITE", invites[1].clone())
        );
        let answers = [first.next_json().await, second.next_json().await];
        let won: Vec<_> = answers.iter().filter(|answer| answer["status"] == "success").collect();
        let lost: Vec<_> = answers.iter().filter(|answer| answer["error"] == "Space is full").collect();
        assert_eq!((won.len(), lost.len()), (1, 1), "{answers:?}");
        sender.expect("INVITE_ACCEPTED").await;
        let space = alice.get(&format!("/metaverse/spaces/{id}")).await.expect(200);
        assert_eq!(space["data"]["space"]["memberCount"], 2);
    }
}

/// The next frame, which must be a change of that entry.
async fn changed(socket: &mut Socket, key: &str, value: Value) -> Value {
    let frame = socket.expect("STATE_CHANGED").await;
    assert_eq!((&frame["key"], &frame["value"]), (&json!(key), &value), "{frame}");
    frame
}

#[tokio::test]
async fn the_state_of_a_space_is_one_on_both_nodes() {
    let setting = Setting::new().await;
    let (alice, bob) = (&setting.alice, &setting.bob);
    let id = space(alice, 5, true).await;
    let (mut here, _) = entered(alice, &id, 0.0).await;
    let (mut there, _) = entered(bob, &id, 1.0).await;
    here.expect("USER_JOINED").await;
    let mut expected = 0;
    for round in 0..8 {
        let take =
            |user: &str| json!({"spaceId": id, "key": "seat", "value": format!("{user} {round}"), "ifSeq": expected});
        tokio::join!(send(&mut here, "STATE_SET", take("alice")), send(&mut there, "STATE_SET", take("bob")));
        let mut seen = Vec::new();
        for socket in [&mut here, &mut there] {
            let mut frames = [socket.next_json().await, socket.next_json().await];
            frames.sort_by_key(|frame| frame["type"].is_null());
            let [change, answer] = frames;
            assert_eq!(change["type"], "STATE_CHANGED", "{change}");
            seen.push((change["seq"].as_i64().unwrap(), change["value"].clone(), answer));
        }
        assert_eq!((seen[0].0, &seen[0].1), (seen[1].0, &seen[1].1), "the same on both nodes");
        let won = seen.iter().filter(|(_, _, answer)| answer["status"] == "success").count();
        let lost: Vec<_> = seen.iter().filter(|(_, _, answer)| answer["code"] == "CONFLICT").collect();
        assert_eq!((won, lost.len()), (1, 1), "{seen:?}");
        assert_eq!(lost[0].2["data"]["entry"]["seq"], seen[0].0);
        expected = seen[0].0;
    }
    // an end by time is stored by one of the nodes
    send(&mut there, "STATE_SET", json!({"spaceId": id, "key": "bell", "value": 1, "ttl": 0.5})).await;
    for socket in [&mut here, &mut there] {
        changed(socket, "bell", json!(1)).await;
    }
    answer(&mut there, "STATE_SET").await;
    let mut ends = Vec::new();
    for socket in [&mut here, &mut there] {
        let end = changed(socket, "bell", Value::Null).await;
        assert_eq!(end["reason"], "expired", "{end}");
        ends.push(end["seq"].clone());
    }
    assert_eq!(ends[0], ends[1]);
    // what the looser of the two nodes asked for is refused, and takes no number
    let (mut third, joined) = entered(bob, &id, 1.0).await;
    assert_eq!((&joined["seq"], &joined["state"][0]["key"]), (&ends[0], &json!("seat")), "{joined}");
    send(&mut third, "STATE_SET", json!({"spaceId": id, "key": "next", "value": 1})).await;
    assert_eq!(changed(&mut here, "next", json!(1)).await["seq"].as_i64(), ends[0].as_i64().map(|seq| seq + 1));
}

#[tokio::test]
async fn entries_end_with_sockets_of_another_node_and_with_the_node() {
    let mut setting = Setting::new().await;
    let id = space(&setting.alice, 5, true).await;
    let (mut here, _) = entered(&setting.alice, &id, 0.0).await;
    let (mut there, _) = entered(&setting.bob, &id, 1.0).await;
    here.expect("USER_JOINED").await;
    let (gone, _) = entered(&setting.bob, &id, 1.0).await;
    let mut gone = gone;
    let take = |key: &str| json!({"spaceId": id, "key": key, "value": "taken", "endsWithSocket": true});
    for (socket, key) in [(&mut gone, "stool"), (&mut there, "seat")] {
        send(socket, "STATE_SET", take(key)).await;
        changed(&mut here, key, json!("taken")).await;
    }
    gone.close().await;
    let left = changed(&mut here, "stool", Value::Null).await;
    assert_eq!((&left["reason"], &left["userId"]), (&json!("left"), &json!(setting.bob.id)));
    setting.cluster.server_mut(1).kill();
    let killed = Instant::now();
    // the entry ends, and the user leaves
    loop {
        let left = Duration::from_secs(15).saturating_sub(killed.elapsed());
        match here.next_within(left).await {
            Some(Frame::Json(frame)) if frame["type"] == "STATE_CHANGED" => {
                assert_eq!(
                    (&frame["key"], &frame["value"], &frame["reason"]),
                    (&json!("seat"), &Value::Null, &json!("left"))
                );
                break;
            }
            Some(Frame::Json(frame)) => assert_eq!(frame["type"], "USER_LEFT", "{frame}"),
            other => panic!("the entry of a dead node has not ended: {other:?}"),
        }
    }
}

#[tokio::test]
async fn a_changed_radius_counts_at_once_on_both_nodes() {
    let setting = Setting::new().await;
    let id = space(&setting.alice, 5, true).await;
    let (mut here, _) = entered(&setting.alice, &id, 0.0).await;
    let (mut there, _) = entered(&setting.bob, &id, 5_000.0).await;
    here.expect("USER_JOINED").await;
    let path = format!("/metaverse/spaces/{id}");
    let change =
        |radius: Value| setting.alice.request(reqwest::Method::PATCH, &path, Some(json!({"interestRadius": radius})));
    change(json!(100)).await.expect(200);
    for socket in [&mut here, &mut there] {
        assert_eq!(socket.expect("SPACE_CHANGED").await["space"]["interestRadius"], 100);
        // the own place, by the new measure
        socket.expect("USERS_MOVED").await;
    }
    send(&mut there, "MOVE", json!({"spaceId": id, "position": {"x": 5_010, "y": 0}})).await;
    assert_eq!(there.expect("USERS_MOVED").await["moves"][0][1], 5_010);
    change(Value::Null).await.expect(200);
    // the move that is far away has not been shown
    assert_eq!(here.expect("SPACE_CHANGED").await["space"].get("interestRadius"), None);
    until(&mut here, &setting.bob, 5_010.0).await;
    there.read_until("SPACE_CHANGED").await;
    send(&mut there, "MOVE", json!({"spaceId": id, "position": {"x": 5_020, "y": 0}})).await;
    until(&mut here, &setting.bob, 5_020.0).await;
}
