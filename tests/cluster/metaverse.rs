//! One space on two nodes: avatars, moves, invites and the last place are the same for both.

use serde_json::{Value, json};

use super::setting::Setting;
use crate::support::{Cluster, Socket, User};

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
