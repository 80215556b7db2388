//! Joins that take a while: requests sent right after them, and users who are removed in the meantime.

use reqwest::Method;
use serde_json::{Value, json};
use tokio_postgres::{Client, NoTls};

use super::{answers, join, joined, open, pipeline, server, users_of};
use crate::support::{DEADLINE, Postgres, Server, Socket};

fn join_as(room: &str, reference: u64) -> Value {
    json!({"type": "join_room", "room_id": room, "ref": reference})
}

fn write_as(room: &str, reference: u64) -> Value {
    json!({"type": "cell_update", "sheet_id": room, "room": room, "cell_id": "A1", "value": 1, "ref": reference})
}

fn leave_as(room: &str, reference: u64) -> Value {
    json!({"type": "leave_room", "room_id": room, "ref": reference})
}

#[tokio::test]
async fn a_status_right_behind_a_join_is_told_and_kept() {
    let server = server().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let mut socket = open(&alice).await;
    let status = |status: &str| json!({"type": "status_update", "status": status});
    for round in 0..10 {
        let room = format!("cold {round}");
        let join_room = json!({"type": "join_room", "room_id": room});
        pipeline(&mut socket, &[status("online"), join_room.clone(), status("busy"), join_room]).await;
        for kind in ["room_state", "user_status_changed", "room_state"] {
            let frames = socket.read_until(kind).await;
            assert!(frames.iter().rev().skip(1).all(|frame| frame["status"] == "online"), "{kind} next: {frames:?}");
        }
        let mut other = open(&bob).await;
        let state = join(&mut other, &room).await;
        let users = state["users"].as_array().unwrap();
        let of_alice = users.iter().find(|user| user["user_id"] == alice.id.as_str()).unwrap();
        assert_eq!(of_alice["status"], "busy", "round {round}");
        socket.expect("room_state").await;
        other.close().await;
        socket.expect("room_state").await;
        socket.send_json(&json!({"type": "leave_room", "room_id": room})).await;
    }
}

#[tokio::test]
async fn whatever_is_asked_behind_a_join_is_answered_once() {
    let server = server().await;
    let alice = server.user("alice").await;
    let mut socket = open(&alice).await;
    for round in 0..10 {
        let room = format!("twice {round}");
        pipeline(&mut socket, &[join_as(&room, 1), join_as(&room, 2)]).await;
        assert_eq!(answers(&mut socket, [1, 2]).await, ["room_state", "room_state"]);
        let room = format!("short {round}");
        pipeline(&mut socket, &[join_as(&room, 1), write_as(&room, 2), leave_as(&room, 3)]).await;
        assert_eq!(answers(&mut socket, [1, 2, 3]).await, ["room_state", "ack", "ack"]);
        let read = alice.get(&format!("/api/v1/sheets/short%20{round}/cells")).await.expect(200);
        assert_eq!(read["cells"][0]["value"], 1, "{read}");
        // Also in a room that is in use.
        pipeline(&mut socket, &[join_as(&room, 1), write_as(&room, 2), leave_as(&room, 3), write_as(&room, 4)]).await;
        assert_eq!(answers(&mut socket, [1, 2, 3, 4]).await, ["room_state", "ack", "ack", "NOT_IN_ROOM"]);
    }
}

#[tokio::test]
async fn whatever_is_asked_behind_a_join_that_is_refused_is_refused_too() {
    let server = server().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    for round in 0..10 {
        let room = format!("full {round}");
        alice.post("/api/v1/rooms", json!({"room_id": room, "capacity": 1})).await.expect(201);
        let (mut first, mut second) = (open(&alice).await, open(&bob).await);
        let asked = [join_as(&room, 1), write_as(&room, 2), leave_as(&room, 3)];
        let refused = ["SPACE_FULL", "NOT_IN_ROOM", "NOT_IN_ROOM"].map(str::to_owned);
        let done = ["room_state", "ack", "ack"].map(str::to_owned);
        // In a room that is not in memory yet, both at the same time.
        tokio::join!(pipeline(&mut first, &asked), pipeline(&mut second, &asked));
        for socket in [&mut first, &mut second] {
            let answers = answers(socket, [1, 2, 3]).await;
            assert!(answers == done || answers == refused, "{answers:?}");
        }
        join(&mut first, &room).await;
        pipeline(&mut second, &asked).await;
        assert_eq!(answers(&mut second, [1, 2, 3]).await, refused);
    }
}

/// The current state of the room.
async fn state_of(socket: &mut Socket, room: &str) -> Value {
    socket.send_json(&json!({"type": "join_room", "room_id": room, "ref": "now"})).await;
    loop {
        let frame = socket.next_json().await;
        if frame["ref"] == "now" {
            return frame;
        }
    }
}

/// A server on PostgreSQL, and the test's own connection to its database.
async fn with_database() -> (Server, Client) {
    let url = Postgres::shared().create_database().await;
    let server = Server::builder().env("DATABASE_URL", &url).start().await;
    let (client, connection) = tokio_postgres::connect(&url, NoTls).await.expect("the test's own line");
    tokio::spawn(connection);
    (server, client)
}

#[tokio::test]
async fn a_room_that_becomes_private_keeps_those_out_who_are_on_the_way_in() {
    let (server, database) = with_database().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    alice.post("/api/v1/rooms", json!({"room_id": "den"})).await.expect(201);
    let (mut owner, mut guest) = (open(&alice).await, open(&bob).await);
    // Loading a room waits for this lock.
    database.batch_execute("BEGIN; LOCK TABLE sheets IN ACCESS EXCLUSIVE MODE").await.expect("the lock");
    for socket in [&mut owner, &mut guest] {
        pipeline(socket, &[join_as("den", 1), leave_as("den", 2), join_as("den", 3)]).await;
        socket.expect_nothing_before_pong().await;
    }
    let private = json!({"visibility": "private"});
    alice.request(Method::PATCH, "/api/v1/rooms/den", Some(private)).await.expect(200);
    assert_eq!(guest.expect_error("PERMISSION_DENIED").await["ref"], 1);
    database.batch_execute("COMMIT").await.expect("the lock's end");
    assert_eq!(answers(&mut guest, [2, 3]).await, ["NOT_IN_ROOM", "PERMISSION_DENIED"]);
    assert_eq!(answers(&mut owner, [1, 2, 3]).await, ["room_state", "ack", "room_state"]);
    assert_eq!(users_of(&join(&mut owner, "den").await), std::slice::from_ref(&alice.id));
}

#[tokio::test]
async fn whoever_joins_while_the_room_becomes_private_is_not_in_it() {
    let server = server().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let (mut owner, mut guest) = (open(&alice).await, open(&bob).await);
    for round in 0..40 {
        let room = format!("den-{round}");
        alice.post("/api/v1/rooms", json!({"room_id": room})).await.expect(201);
        if round % 2 == 0 {
            join(&mut owner, &room).await;
        }
        let path = format!("/api/v1/rooms/{room}");
        let change = alice.request(Method::PATCH, &path, Some(json!({"visibility": "private"})));
        let join_room = join_as(&room, round);
        let (changed, ()) = tokio::join!(change, guest.send_json(&join_room));
        changed.expect(200);
        // Either admitted and removed, or not admitted.
        loop {
            let frame = guest.next_json().await;
            if frame["type"] == "error" {
                assert_eq!(frame["code"], "PERMISSION_DENIED", "{frame}");
                break;
            }
        }
        let alone = async { while users_of(&state_of(&mut owner, &room).await) != [alice.id.clone()] {} };
        tokio::time::timeout(DEADLINE, alone).await.expect("the owner alone is left");
        owner.send_json(&json!({"type": "leave_room", "room_id": room})).await;
    }
}

#[tokio::test]
async fn a_room_that_can_not_be_read_is_refused_and_the_socket_stays() {
    let (server, database) = with_database().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let mut socket = joined(&alice, "other").await;
    let mut witness = joined(&bob, "other").await;
    socket.expect("room_state").await;
    database.batch_execute("ALTER TABLE sheets RENAME TO away").await.expect("a table is gone");
    let status = json!({"type": "status_update", "status": "away", "ref": 3});
    pipeline(&mut socket, &[join_as("den", 1), leave_as("den", 2), status]).await;
    assert_eq!(answers(&mut socket, [1, 2, 3]).await, ["SERVICE_UNAVAILABLE", "NOT_IN_ROOM", "ack"]);
    witness.expect("user_status_changed").await;
    database.batch_execute("ALTER TABLE away RENAME TO sheets").await.expect("it is back");
    socket.send_json(&join_as("den", 4)).await;
    // Alice's own status may reach her socket later than Bob's.
    let state = socket.read_until("room_state").await.pop().expect("the state of the room");
    assert_eq!(users_of(&state), std::slice::from_ref(&alice.id));
}
