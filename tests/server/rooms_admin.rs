//! Open rooms over REST (docs/protocol.md, "Open rooms over REST"): created in advance, made private, with members and
//! a capacity.

use reqwest::Method;
use serde_json::{Value, json};

use crate::on_both;
use crate::support::shape::Kind::{Count, Time};
use crate::support::shape::{assert_shape, number, text};
use crate::support::{DEADLINE, Server, Socket, User, eventually, token};

/// A name that must be encoded in a path, and its encoding.
const NAME: &str = "team/ünder 100%?";
const ENCODED: &str = "team%2F%C3%BCnder%20100%25%3F";

async fn patch(user: &User, path: &str, change: Value) -> crate::support::rest::Answer {
    user.request(Method::PATCH, path, Some(change)).await
}

async fn socket(user: &User) -> Socket {
    user.open("/api/v1/ws").await
}

async fn enter(socket: &mut Socket, room: &str) -> Value {
    socket.send_json(&json!({"type": "join_room", "room_id": room})).await;
    socket.read_until("room_state").await.pop().expect("the one that was waited for")
}

on_both! {
    async fn a_room_is_made_changed_and_peopled(database) {
        let server = Server::builder().database(database).start().await;
        let (alice, bob) = (server.user("alice").await, server.user("bob").await);
        let new = json!({"room_id": NAME, "visibility": "private", "name": "The team", "capacity": 5});
        let made = alice.post("/api/v1/rooms", new.clone()).await.expect(201);
        assert_shape(&made, &[("created_at", Time), ("capacity", Count)]);
        assert_eq!((&made["room_id"], &made["owner_id"], &made["role"]), (&json!(NAME), &json!(alice.id), &json!("owner")));
        bob.post("/api/v1/rooms", new).await.expect_error(409, "CONFLICT");
        let path = format!("/api/v1/rooms/{ENCODED}");
        assert_eq!(alice.get(&path).await.expect(200), made);
        for refused in [bob.get(&path).await, bob.get(&format!("{path}/members")).await] {
            refused.expect_error(403, "PERMISSION_DENIED");
        }
        let mut stranger = socket(&bob).await;
        stranger.send_json(&json!({"type": "join_room", "room_id": NAME})).await;
        stranger.expect_error("PERMISSION_DENIED").await;

        let members = format!("{path}/members");
        bob.post(&members, json!({"user_id": bob.id})).await.expect_error(403, "PERMISSION_DENIED");
        let member = alice.post(&members, json!({"user_id": bob.id})).await.expect(201);
        assert_eq!((&member["username"], &member["role"], &member["online"]), (&json!("bob"), &json!("member"), &json!(true)));
        for there in [&bob, &alice] {
            alice.post(&members, json!({"user_id": there.id})).await.expect_error(409, "ALREADY_MEMBER");
        }
        alice.post(&members, json!({"user_id": "nobody"})).await.expect_error(404, "USER_NOT_FOUND");
        let listed = bob.get(&members).await.expect(200);
        let roles: Vec<_> = listed.as_array().expect("members").iter().map(|m| (text(m, "username"), text(m, "role"))).collect();
        assert_eq!(roles, [("alice".into(), "owner".into()), ("bob".into(), "member".into())]);
        enter(&mut stranger, NAME).await;

        patch(&bob, &path, json!({"name": "Mine"})).await.expect_error(403, "PERMISSION_DENIED");
        let changed = patch(&alice, &path, json!({"name": "Ours", "capacity": null})).await.expect(200);
        assert_eq!((&changed["name"], &changed["capacity"], &changed["visibility"]), (&json!("Ours"), &json!(null), &json!("private")));
        assert_eq!(alice.get(&path).await.expect(200), changed);
        assert_eq!(patch(&alice, &path, json!({})).await.expect(200), changed);

        let membership = format!("{members}/{}", bob.id);
        assert_eq!(alice.delete(&membership).await.status, 204);
        stranger.expect_error("PERMISSION_DENIED").await;
        stranger.send_json(&json!({"type": "join_room", "room_id": NAME})).await;
        stranger.expect_error("PERMISSION_DENIED").await;
        alice.delete(&membership).await.expect_error(404, "NOT_FOUND");
        alice.delete(&format!("{members}/{}", alice.id)).await.expect_error(409, "CONFLICT");
    }
}

#[tokio::test]
async fn making_a_room_private_sends_out_who_is_not_a_member() {
    let server = Server::start().await;
    let (alice, bob, carol) = (server.user("alice").await, server.user("bob").await, server.user("carol").await);
    let (mut owner, mut guest, mut member) = (socket(&alice).await, socket(&bob).await, socket(&carol).await);
    for one in [&mut owner, &mut guest, &mut member] {
        enter(one, "den").await;
    }
    alice.post("/api/v1/rooms/den/members", json!({"user_id": carol.id})).await.expect(201);
    patch(&alice, "/api/v1/rooms/den", json!({"visibility": "private"})).await.expect(200);
    let heard = guest.read_until("error").await.pop().expect("a refusal");
    assert_eq!(heard["code"], "PERMISSION_DENIED", "{heard}");
    // Removed from the room, but still connected.
    // A state from before the removal may still arrive.
    guest.send_json(&json!({"type": "cursor_move", "room": "den", "x": 1, "y": 2})).await;
    let refused = guest.read_until("error").await.pop().expect("a refusal");
    assert_eq!(refused["code"], "NOT_IN_ROOM", "{refused}");
    enter(&mut guest, "elsewhere").await;
    // Earlier states announce the others' joins.
    loop {
        let state = owner.read_until("room_state").await.pop().expect("a state");
        let users = state["users"].as_array().expect("users");
        let mut names: Vec<_> = users.iter().map(|user| text(user, "username")).collect();
        names.sort();
        if names == ["alice", "carol"] {
            break;
        }
    }
    // In an open room, a removed member may rejoin.
    patch(&alice, "/api/v1/rooms/den", json!({"visibility": "open"})).await.expect(200);
    assert_eq!(carol.delete(&format!("/api/v1/rooms/den/members/{}", carol.id)).await.status, 204);
    member.send_json(&json!({"type": "join_room", "room_id": "den"})).await;
    member.read_until("room_state").await;
    enter(&mut guest, "den").await;
}

#[tokio::test]
async fn a_smaller_capacity_keeps_those_who_are_in() {
    let server = Server::start().await;
    let (alice, bob, carol) = (server.user("alice").await, server.user("bob").await, server.user("carol").await);
    let (mut first, mut second, mut third) = (socket(&alice).await, socket(&bob).await, socket(&carol).await);
    enter(&mut first, "den").await;
    enter(&mut second, "den").await;
    assert_eq!(number(&patch(&alice, "/api/v1/rooms/den", json!({"capacity": 1})).await.expect(200), "capacity"), 1);
    third.send_json(&json!({"type": "join_room", "room_id": "den"})).await;
    third.expect_error("SPACE_FULL").await;
    second.expect_nothing_before_pong().await;
    assert_eq!(number(&enter(&mut second, "den").await, "total_users"), 2);
}

#[tokio::test]
async fn administrators_manage_all_rooms_and_bad_fields_are_named() {
    let server = Server::start().await;
    let alice = server.user("alice").await;
    let ops = User::with_token(server.origin(), "ops", "ops", &token::for_admin("ops", "ops"));
    alice.post("/api/v1/rooms", json!({"room_id": "den", "visibility": "private"})).await.expect(201);
    assert_eq!(ops.get("/api/v1/rooms/den").await.expect(200)["role"], json!(null));
    assert_eq!(patch(&ops, "/api/v1/rooms/den", json!({"name": "Den"})).await.expect(200)["name"], "Den");
    for (field, change) in [
        ("visibility", json!({"visibility": "secret"})),
        ("capacity", json!({"capacity": 0})),
        ("capacity", json!({"capacity": -5})),
        ("capacity", json!({"capacity": 2.5})),
        ("capacity", json!({"capacity": "many"})),
        ("name", json!({"name": ["a"]})),
        ("name", json!({"name": "x".repeat(129)})),
    ] {
        let error =
            text(&patch(&alice, "/api/v1/rooms/den", change).await.expect_error(400, "INVALID_MESSAGE"), "error");
        assert!(error.starts_with(field), "{field}: {error}");
    }
    for body in [json!({}), json!({"room_id": ""}), json!({"room_id": "x".repeat(129)}), json!({"room_id": 7})] {
        alice.post("/api/v1/rooms", body).await.expect_error(400, "INVALID_MESSAGE");
    }
    alice.get("/api/v1/rooms/none").await.expect_error(404, "ROOM_NOT_FOUND");
    alice.get(&format!("/api/v1/rooms/{}", "x".repeat(200))).await.expect_error(404, "ROOM_NOT_FOUND");
}

#[tokio::test]
async fn administrators_see_and_address_open_rooms_by_their_names() {
    let server = Server::start().await;
    let alice = server.user("alice").await;
    let ops = User::with_token(server.origin(), "ops", "ops", &token::for_admin("ops", "ops"));
    let mut inside = socket(&alice).await;
    enter(&mut inside, NAME).await;
    let rooms = ops.get("/api/v1/ws/rooms").await.expect(200);
    let [room] = rooms.as_array().expect("rooms").as_slice() else { panic!("one room: {rooms}") };
    assert_eq!((text(room, "room_id"), number(room, "user_count")), (NAME.to_owned(), 1));
    assert_shape(room, &[("last_activity", Time)]);
    inside.send_json(&json!({"type": "cursor_move", "room": NAME, "x": 1, "y": 2})).await;
    eventually("a later sign of life", DEADLINE, || async {
        let rooms = ops.get("/api/v1/ws/rooms").await.expect(200);
        (text(&rooms[0], "last_activity") > text(room, "last_activity")).then_some(())
    })
    .await;
    assert_eq!(room["avg_users_per_hour"], 1.0, "{room}");
    let data = json!({"type": "system_announcement", "title": "Maintenance Notice"});
    let answer = ops.post(&format!("/api/v1/ws/rooms/{ENCODED}/broadcast"), data).await.expect(200);
    assert_eq!(answer["room_id"], NAME);
    let heard = inside.read_until("system_announcement").await.pop().expect("the announcement");
    assert_eq!(heard["title"], "Maintenance Notice");
}
