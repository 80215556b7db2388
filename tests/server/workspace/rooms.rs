//! Joining and leaving rooms, in the wire format of the seed application.

use serde_json::json;

use super::{join, joined, open, server, users_of};
use crate::on_both;
use crate::support::shape::Kind::{Count, Opaque, OptionalText, Text, Texts, Time};
use crate::support::shape::assert_shape;
use crate::support::{Server, User, token};

#[tokio::test]
async fn no_frame_comes_on_connect() {
    let server = server().await;
    let alice = server.user("alice").await;
    let mut socket = open(&alice).await;
    assert!(socket.header("X-Connection-Id").starts_with(&format!("ws_{}_", alice.id)));
    socket.send_json(&json!({"type": "ping"})).await;
    assert_eq!(socket.next_json().await["type"], "pong");
}

on_both! {
    async fn whoever_joins_learns_who_is_there_and_the_others_do_too(database) {
        let server = Server::on(database).await;
        let (alice, bob) = (server.user("alice").await, server.user("bob").await);
        let mut first = open(&alice).await;
        let state = join(&mut first, "workspace_123").await;
        let fields = [
            ("type", Text), ("room_id", Text), ("active_sheets", Texts), ("total_users", Count),
            ("seq", Count), ("epoch", Opaque),
        ];
        assert_shape(&state, &fields);
        let of_a_user = [
            ("user_id", Text), ("username", Text), ("email", OptionalText), ("room", Text), ("status", Text),
            ("last_seen", Time),
        ];
        assert_shape(&state["users"][0], &of_a_user);
        assert_eq!(state["users"][0]["email"], "alice@example.org");
        assert_eq!((&state["users"][0]["status"], &state["total_users"]), (&json!("online"), &json!(1)));

        let mut second = open(&bob).await;
        let seen = join(&mut second, "workspace_123").await;
        let told = first.expect("room_state").await;
        let mut both = vec![alice.id.clone(), bob.id.clone()];
        both.sort();
        for state in [&seen, &told] {
            assert_eq!((users_of(state), &state["total_users"]), (both.clone(), &json!(2)));
        }
        second.send_json(&json!({"type": "leave_room", "room_id": "workspace_123", "ref": "bye"})).await;
        assert_eq!(second.expect("ack").await["ref"], "bye");
        let told = first.expect("room_state").await;
        assert_eq!((users_of(&told), &told["total_users"]), (vec![alice.id.clone()], &json!(1)));

        join(&mut second, "workspace_123").await;
        first.expect("room_state").await;
        second.close().await;
        assert_eq!(first.expect("room_state").await["total_users"], 1, "the end of a socket is a leave");
    }
}

#[tokio::test]
async fn one_socket_is_in_many_rooms() {
    let server = server().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let mut both = joined(&alice, "one").await;
    join(&mut both, "two").await;
    let mut in_one = joined(&bob, "one").await;
    assert_eq!(both.expect("room_state").await["room_id"], "one");
    let mut in_two = joined(&bob, "two").await;
    assert_eq!(both.expect("room_state").await["room_id"], "two");

    let typing = |room: &str| json!({"type": "typing_start", "cell_id": "A1", "room": room});
    both.send_json(&typing("one")).await;
    assert_eq!(in_one.expect("user_typing_start").await["room"], "one");
    // Without a name: the room that was joined last.
    both.send_json(&json!({"type": "typing_stop", "cell_id": "A1"})).await;
    assert_eq!(in_two.expect("user_typing_stop").await["room"], "two");
    in_one.expect_nothing_before_pong().await;
    let _owner = joined(&bob, "three").await;
    both.send_json(&typing("three")).await;
    both.expect_error("NOT_IN_ROOM").await;
}

#[tokio::test]
async fn joining_again_tells_the_state_again_and_nothing_comes_twice() {
    let server = server().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let mut socket = joined(&alice, "again").await;
    assert_eq!(join(&mut socket, "again").await["total_users"], 1);
    let mut other = joined(&bob, "again").await;
    assert_eq!(socket.expect("room_state").await["total_users"], 2);
    other.send_json(&json!({"type": "typing_start", "cell_id": "A1", "room": "again"})).await;
    socket.expect("user_typing_start").await;
    socket.expect_nothing_before_pong().await;
    other.expect_nothing_before_pong().await;
}

#[tokio::test]
async fn requests_are_answered_by_their_ref() {
    let server = server().await;
    let alice = server.user("alice").await;
    let mut socket = open(&alice).await;
    socket.send_json(&json!({"type": "join_room", "room_id": "refs", "ref": 1})).await;
    assert_eq!(socket.expect("room_state").await["ref"], 1);
    for (message, reference) in [
        (json!({"type": "status_update", "status": "away", "ref": "s"}), json!("s")),
        (json!({"type": "leave_room", "room_id": "refs", "ref": 2.5}), json!(2.5)),
    ] {
        socket.send_json(&message).await;
        let answer = loop {
            let frame = socket.next_json().await;
            if frame["type"] != "user_status_changed" {
                break frame;
            }
        };
        assert_eq!((&answer["type"], &answer["ref"]), (&json!("ack"), &reference), "{answer}");
    }
    socket.send_json(&json!({"type": "leave_room", "room_id": "refs", "ref": "x"})).await;
    assert_eq!(socket.expect_error("NOT_IN_ROOM").await["ref"], "x");
}

#[tokio::test]
async fn rooms_are_not_made_where_the_operator_forbids_it() {
    let server = Server::builder().env("ROOMS_AUTO_CREATE", false).start().await;
    let alice = server.user("alice").await;
    let mut socket = open(&alice).await;
    for message in [
        json!({"type": "join_room", "room_id": "nowhere", "ref": 7}),
        json!({"type": "cursor_move", "room": "nowhere", "x": 1, "y": 2, "ref": 7}),
        json!({"type": "cell_update", "room": "nowhere", "sheet_id": "s", "cell_id": "A1", "value": 1, "ref": 7}),
    ] {
        socket.send_json(&message).await;
        assert_eq!(socket.expect_error("ROOM_NOT_FOUND").await["ref"], 7);
    }
    socket.expect_nothing_before_pong().await;
}

#[tokio::test]
async fn a_token_confined_to_rooms_opens_no_other() {
    let server = server().await;
    let expires_at = token::now() + 600;
    let claims = json!({"sub": "guest", "username": "guest", "rooms": ["workspace_*"], "exp": expires_at});
    let token = token::sign(&claims, token::SECRET);
    let guest = User::with_token(server.origin(), "guest", "guest", &token);
    let mut socket = open(&guest).await;
    join(&mut socket, "workspace_7").await;
    socket.send_json(&json!({"type": "join_room", "room_id": "secret"})).await;
    socket.expect_error("PERMISSION_DENIED").await;
}

#[tokio::test]
async fn a_socket_has_only_so_many_rooms() {
    let server = server().await;
    let alice = server.user("alice").await;
    let mut socket = open(&alice).await;
    for room in 0..100 {
        join(&mut socket, &format!("room {room}")).await;
    }
    socket.send_json(&json!({"type": "join_room", "room_id": "one too many"})).await;
    socket.expect_error("CONFLICT").await;
    socket.send_json(&json!({"type": "leave_room", "room_id": "room 0", "ref": 0})).await;
    socket.expect("ack").await;
    join(&mut socket, "one too many").await;
}

#[tokio::test]
async fn a_room_that_is_named_and_not_there_is_made_and_joined() {
    let server = Server::start().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let mut socket = open(&alice).await;
    for (room, message, answer) in [
        ("c", json!({"type": "cursor_move", "room": "c", "x": 1, "y": 2, "ref": 1}), "ack"),
        ("t", json!({"type": "typing_start", "conversation_id": "t", "cell_id": "A1", "ref": 1}), "ack"),
        (
            "s",
            json!({"type": "cell_update", "sheet_id": "s", "room_id": "s", "cell_id": "A1", "value": 1}),
            "cell_updated",
        ),
    ] {
        socket.send_json(&message).await;
        let state = socket.expect("room_state").await;
        assert_eq!((&state["room_id"], &state["total_users"]), (&json!(room), &json!(1)));
        socket.expect(answer).await;
        // An existing room must be joined first.
        let mut other = open(&bob).await;
        other.send_json(&message).await;
        other.expect_error("NOT_IN_ROOM").await;
        other.send_json(&message).await;
        other.expect_error("NOT_IN_ROOM").await;
        other.close().await;
    }
    assert_eq!(alice.get("/api/v1/rooms/c").await.expect(200)["owner_id"], alice.id.as_str());
}

#[tokio::test]
async fn to_make_rooms_by_naming_them_costs_requests() {
    let server = Server::builder().env("WEBSOCKET_REQUESTS_PER_MINUTE", 2).start().await;
    let alice = server.user("alice").await;
    let mut socket = open(&alice).await;
    for room in ["one", "two"] {
        socket.send_json(&json!({"type": "cursor_move", "room": room, "x": 1, "y": 2})).await;
        socket.expect("room_state").await;
    }
    socket.send_json(&json!({"type": "cursor_move", "room": "three", "x": 1, "y": 2, "ref": 3})).await;
    assert_eq!(socket.expect_error("RATE_LIMIT_EXCEEDED").await["ref"], 3);
    alice.get("/api/v1/rooms/three").await.expect_error(404, "ROOM_NOT_FOUND");
}

#[tokio::test]
async fn a_room_has_three_names_for_its_name() {
    let server = server().await;
    let alice = server.user("alice").await;
    let mut socket = open(&alice).await;
    for field in ["room_id", "room", "conversation_id"] {
        let about = |kind: &str| {
            let mut message = json!({"type": kind, "ref": field, "x": 1, "y": 2, "cell": ""});
            message[field] = json!("named");
            message
        };
        socket.send_json(&about("join_room")).await;
        assert_eq!(socket.expect("room_state").await["ref"], field);
        for kind in ["cursor_move", "typing_start", "typing_stop", "leave_room"] {
            socket.send_json(&about(kind)).await;
            assert_eq!(socket.expect("ack").await["ref"], field, "{kind}");
        }
    }
}
