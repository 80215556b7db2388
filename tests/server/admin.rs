//! Administration on one node (docs/protocol.md, "Administration"), and its effects after a restart.

use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use crate::on_both;
use crate::support::raw::RawSocket;
use crate::support::rest::get;
use crate::support::shape::Kind::{Count, Text, Time, Uuid};
use crate::support::shape::{assert_shape, number, text};
use crate::support::{DEADLINE, Server, Socket, User, eventually, token};

fn admin(server: &Server) -> User {
    User::with_token(server.origin(), "ops", "ops", &token::for_admin("ops", "ops"))
}

/// Reads the next frames up to one of that `type`.
async fn hear(socket: &mut Socket, kind: &str) -> Value {
    socket.read_until(kind).await.pop().expect("the one that was waited for")
}

#[tokio::test]
async fn nobody_but_an_administrator_gets_in() {
    let server = Server::start().await;
    let alice = server.user("alice").await;
    let paths = [
        (Method::GET, "/api/v1/ws/stats".to_owned()),
        (Method::GET, "/api/v1/ws/stats/detailed".to_owned()),
        (Method::GET, "/api/v1/ws/rooms".to_owned()),
        (Method::POST, format!("/api/v1/ws/rooms/{}/broadcast", uuid::Uuid::now_v7())),
        (Method::POST, format!("/api/v1/ws/users/{}/notify", alice.id)),
        (Method::POST, "/api/v1/ws/broadcast/notification".to_owned()),
        (Method::POST, "/api/v1/ws/shutdown".to_owned()),
        (Method::POST, "/api/auth/revoke".to_owned()),
        (Method::DELETE, "/api/v1/ws/connections/x".to_owned()),
        (Method::GET, "/api/v1/ws/blocks".to_owned()),
        (Method::GET, format!("/api/v1/ws/users/{}/limits", alice.id)),
        (Method::DELETE, format!("/api/v1/ws/users/{}/block", alice.id)),
    ];
    for (method, path) in paths {
        // The role is checked whatever the body is.
        for body in ["", "{", "[]", "{}"] {
            let request = reqwest::Client::new().request(method.clone(), server.url(&path)).bearer_auth(&alice.token);
            let request = request.header("content-type", "application/json").body(body);
            crate::support::rest::send(request, None).await.expect_error(403, "PERMISSION_DENIED");
        }
    }
    get(&server.url("/readyz")).await.expect(200);
}

#[tokio::test]
async fn statistics_count_sockets_users_rooms_and_messages() {
    let server = Server::builder().env("NODE_NAME", "one").start().await;
    let (alice, bob, ops) = (server.user("alice").await, server.user("bob").await, admin(&server));
    let channel = alice.channel_with(&[&bob]).await;
    let empty = ops.get("/api/v1/ws/stats").await.expect(200);
    assert_eq!((&empty["total_connections"], &empty["rooms_active"]), (&json!(0), &json!(0)), "{empty}");

    let mut first = alice.join(&channel).await;
    let _others = [alice.join(&channel).await, bob.join(&channel).await];
    first.expect("user_joined").await;
    first.say_acked("one", "1").await;
    let stats = eventually("rooms and messages in the statistics", DEADLINE, || async {
        let stats = ops.get("/api/v1/ws/stats").await.expect(200);
        let counted = stats["rooms_active"] == 1 && stats["messages_per_second"].as_f64() > Some(0.0);
        counted.then_some(stats)
    })
    .await;
    assert_shape(&stats, &[("total_connections", Count), ("uptime_seconds", Count)]);
    for (name, expected) in [("total_connections", 3), ("authenticated_connections", 3), ("users_online", 2)] {
        assert_eq!(number(&stats, name), expected, "{name} of {stats}");
    }
    let detailed = ops.get("/api/v1/ws/stats/detailed").await.expect(200);
    assert_eq!(number(&detailed, "total_connections"), 3);
    let [node] = detailed["nodes"].as_array().expect("nodes").as_slice() else { panic!("one node: {detailed}") };
    assert_shape(node, &[("id", Text), ("name", Text), ("uptime_seconds", Count), ("last_beat_seconds", Count)]);
    assert_eq!((number(node, "connections"), number(node, "users"), number(node, "rooms")), (3, 2, 1), "{node}");
    assert_eq!((&node["name"], &node["draining"]), (&json!("one"), &json!(false)));

    let rooms = ops.get("/api/v1/ws/rooms").await.expect(200);
    let [room] = rooms.as_array().expect("rooms").as_slice() else { panic!("one room: {rooms}") };
    assert_shape(room, &[("room_id", Uuid), ("name", Text), ("last_activity", Time), ("active_sheets_count", Count)]);
    assert_eq!((text(room, "room_id"), text(room, "name")), (channel, "general".to_owned()));
    assert_eq!((number(room, "user_count"), number(room, "messages_sent")), (2, 1));
    assert_eq!(room["avg_users_per_hour"], 2.0, "{room}");
}

#[tokio::test]
async fn statistics_are_of_this_moment() {
    let server = Server::start().await;
    let (alice, ops) = (server.user("alice").await, admin(&server));
    let mut socket = alice.open("/api/v1/ws").await;
    let in_use = async || {
        let (stats, rooms) = tokio::join!(ops.get("/api/v1/ws/stats"), ops.get("/api/v1/ws/rooms"));
        let rooms = rooms.expect(200).as_array().expect("rooms").len() as u64;
        (number(&stats.expect(200), "rooms_active"), rooms)
    };
    assert_eq!(in_use().await, (0, 0));
    for _ in 0..3 {
        socket.send_json(&json!({"type": "join_room", "room_id": "den"})).await;
        socket.read_until("room_state").await;
        assert_eq!(in_use().await, (1, 1), "just joined");
        socket.send_json(&json!({"type": "leave_room", "room_id": "den", "ref": 2})).await;
        socket.read_until("ack").await;
        assert_eq!(in_use().await, (0, 0), "just left");
    }
}

#[tokio::test]
async fn a_connection_is_ended_by_what_its_header_says_whatever_its_user_is_called() {
    let server = Server::start().await;
    let ops = admin(&server);
    for id in ["jürgen", "bob by=\"root\"", "auth0|7", "a_b"] {
        let user = User::with_token(server.origin(), id, "someone", &token::for_user(id, id, 3600));
        let mut socket = user.open("/api/v1/ws").await;
        let name = socket.header("X-Connection-Id").to_owned();
        assert!(name.starts_with("ws_") && name.bytes().all(|byte| byte.is_ascii_graphic()), "{id}: {name}");
        assert_eq!(ops.delete(&format!("/api/v1/ws/connections/{name}")).await.status, 204, "{id}: {name}");
        socket.expect_close(4403).await;
    }
    // A user's name must not be able to forge another field of a log line.
    server.logs(r#"event=socket_closing user="bob by=\"root\"" conn="#).await;
    server.logs("user=jürgen ").await;
}

#[tokio::test]
async fn a_broadcast_reaches_the_room_and_nobody_else() {
    let server = Server::start().await;
    let (alice, bob, ops) = (server.user("alice").await, server.user("bob").await, admin(&server));
    let (channel, other) = (alice.channel_with(&[&bob]).await, alice.channel_with(&[]).await);
    let (mut first, mut elsewhere) = (alice.join(&channel).await, alice.join(&other).await);
    let mut second = bob.join(&channel).await;
    let data = json!({"type": "system", "title": "Maintenance", "nested": {"a": [1, 2.5, null]}});
    let path = format!("/api/v1/ws/rooms/{channel}/broadcast");
    let answer = ops.post(&path, data.clone()).await.expect(200);
    assert_eq!(answer["room_id"], channel);
    for socket in [&mut first, &mut second] {
        let heard = hear(socket, "broadcast").await;
        assert_shape(&heard, &[("room_id", Uuid), ("timestamp", Time)]);
        assert_eq!((&heard["data"], &heard["room_id"]), (&data, &json!(channel)));
    }
    elsewhere.expect_nothing_before_pong().await;
    // A room without members is still a room.
    let empty = alice.channel_with(&[]).await;
    ops.post(&format!("/api/v1/ws/rooms/{empty}/broadcast"), json!({})).await.expect(200);
    for room in [uuid::Uuid::now_v7().to_string(), "no-room".to_owned()] {
        let path = format!("/api/v1/ws/rooms/{room}/broadcast");
        ops.post(&path, json!({})).await.expect_error(404, "ROOM_NOT_FOUND");
    }
    assert!(!server.log().contains("Maintenance"), "what is said is nobody's business in the log");
}

#[tokio::test]
async fn a_notice_reaches_all_sockets_of_the_user() {
    let server = Server::start().await;
    let (alice, bob, ops) = (server.user("alice").await, server.user("bob").await, admin(&server));
    let channel = alice.channel_with(&[&bob]).await;
    let (mut first, mut bystander) = (alice.join(&channel).await, bob.join(&channel).await);
    let mut direct = alice.connect_dm(&bob).await;
    direct.expect("connected").await;
    let data = json!({"message": "Please review"});
    let path = format!("/api/v1/ws/users/{}/notify", alice.id);
    assert_eq!(number(&ops.post(&path, data.clone()).await.expect(200), "sockets"), 2);
    for socket in [&mut first, &mut direct] {
        let heard = hear(socket, "notification").await;
        assert_shape(&heard, &[("timestamp", Time)]);
        assert_eq!(heard["data"], data);
    }
    bystander.expect_nothing_before_pong().await;
    let nowhere = format!("/api/v1/ws/users/{}/notify", server.user("carol").await.id);
    assert_eq!(number(&ops.post(&nowhere, json!({})).await.expect(200), "sockets"), 0);
    ops.post("/api/v1/ws/users/nobody/notify", json!({})).await.expect_error(404, "USER_NOT_FOUND");
}

#[tokio::test]
async fn only_a_json_object_of_bearable_size_is_passed_on() {
    let server = Server::start().await;
    let (alice, ops) = (server.user("alice").await, admin(&server));
    let path = format!("/api/v1/ws/users/{}/notify", alice.id);
    for value in [json!([1]), json!("text"), json!(5), json!(null)] {
        ops.post(&path, value).await.expect_error(400, "INVALID_MESSAGE");
    }
    ops.post(&path, json!({"long": "x".repeat(70 * 1024)})).await.expect_error(413, "MESSAGE_TOO_LONG");
    let nested = |depth: usize| (1..depth).fold(json!({}), |inner, _| json!({"in": inner}));
    ops.post(&path, nested(63)).await.expect(200);
    ops.post(&path, nested(64)).await.expect_error(400, "INVALID_JSON");
    let request = reqwest::Client::new().post(server.url(&path)).bearer_auth(&ops.token).body("{\"half");
    crate::support::rest::send(request, None).await.expect_error(400, "INVALID_JSON");
}

#[tokio::test]
async fn the_call_to_stop_does_what_a_signal_does() {
    let mut server = Server::start().await;
    let (alice, ops) = (server.user("alice").await, admin(&server));
    let channel = alice.channel_with(&[]).await;
    let mut socket = alice.join(&channel).await;
    let answer = ops.post("/api/v1/ws/shutdown", json!({})).await.expect(202);
    assert_eq!(answer["status"], "stopping");
    hear(&mut socket, "server_restarting").await;
    socket.expect_close(1012).await;
    assert_eq!(server.ended().await.code(), Some(0), "{}", server.log());
    server.logs("by=ops").await;
}

#[tokio::test]
async fn readiness_goes_red_while_sockets_go_on() {
    let mut server = Server::builder().env("SHUTDOWN_DELAY_MS", 2_000).start().await;
    let alice = server.user("alice").await;
    let channel = alice.channel_with(&[]).await;
    let mut socket = alice.join(&channel).await;
    server.request_stop();
    let url = server.url("/readyz");
    eventually("red readiness", DEADLINE, || async { (get(&url).await.status == 503).then_some(()) }).await;
    // The balancer has not noticed yet: new sockets are served, and open ones continue.
    let mut late = alice.join(&channel).await;
    late.say_acked("still here", "1").await;
    hear(&mut socket, "message").await;
    for socket in [&mut socket, &mut late] {
        hear(socket, "server_restarting").await;
        socket.expect_close(1012).await;
    }
    assert_eq!(server.ended().await.code(), Some(0), "{}", server.log());
}

on_both! {
    async fn a_block_outlives_the_server(database) {
        let mut server =
            Server::builder().database(database).env("WEBSOCKET_REQUESTS_PER_MINUTE", 1).start().await;
        let (alice, bob) = (server.user("alice").await, server.user("bob").await);
        let channel = alice.channel_with(&[&bob]).await;
        let mut socket = alice.join(&channel).await;
        for _ in 0..20 {
            socket.say("on and on").await;
        }
        let end = socket.expect_end_within(Duration::from_secs(5)).await;
        assert!(format!("{end:?}").contains("4429"), "{end:?}");
        let path = format!("/ws/channel/{channel}?token={}", alice.token);
        let authority = server.authority().to_owned();
        let refused = || async {
            let answer = RawSocket::connect(&authority).await.handshake(&authority, &path, &[]).await;
            assert_eq!(answer.status, 429, "{answer:?}");
            answer.header("retry-after").parse::<u64>().expect("Retry-After in seconds")
        };
        let before = refused().await;
        // The block is stored at the same time as the refusal is sent, not before it.
        let log = || async { (refused().await <= before).then_some(()) };
        eventually("the block", DEADLINE, log).await;
        server.terminate().await;
        server.restart().await;
        let after = refused().await;
        assert!((14 * 60..=before).contains(&after), "{before} s before, {after} s after the restart");
        bob.join(&channel).await;
    }
}
