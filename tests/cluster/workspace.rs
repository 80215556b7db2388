//! An open room over two nodes behaves like one room: presence with status and cursors, typing, and uploads.

use serde_json::{Value, json};

use crate::support::{Cluster, DEADLINE, Socket, User, eventually, token};

const ROOM: &str = "workspace_123";

/// A socket in the room. If its node has just loaded the room, members on other nodes may be announced a moment later.
async fn joined(user: &User) -> Socket {
    let mut socket = user.open("/api/v1/ws").await;
    socket.send_json(&json!({"type": "join_room", "room_id": ROOM})).await;
    socket.expect("room_state").await;
    socket
}

/// Reads until a frame of that type for which `holds` returns true.
async fn until(socket: &mut Socket, kind: &str, holds: impl Fn(&Value) -> bool) -> Value {
    let found = async {
        loop {
            let frame = socket.next_json().await;
            if frame["type"] == kind && holds(&frame) {
                return frame;
            }
        }
    };
    tokio::time::timeout(DEADLINE, found).await.unwrap_or_else(|_| panic!("no such {kind} came"))
}

fn user_of<'a>(state: &'a Value, user: &User) -> &'a Value {
    let users = state["users"].as_array().expect("a list of users");
    users.iter().find(|listed| listed["user_id"] == user.id.as_str()).unwrap_or(&Value::Null)
}

#[tokio::test]
async fn members_on_two_nodes_see_each_other() {
    let cluster = Cluster::start(2).await;
    let [alice, bob] = cluster.users(["alice", "bob"]).await;
    let bob = cluster.at(1, &bob);
    let mut first = joined(&alice).await;
    first.send_json(&json!({"type": "cursor_move", "room": ROOM, "x": 1, "y": 2, "cell": "A1"})).await;
    first.send_json(&json!({"type": "status_update", "status": "busy", "ref": 1})).await;
    until(&mut first, "ack", |_| true).await;

    let mut second = bob.open("/api/v1/ws").await;
    second.send_json(&json!({"type": "join_room", "room_id": ROOM})).await;
    let state = until(&mut second, "room_state", |state| state["total_users"] == 2).await;
    assert_eq!(user_of(&state, &alice)["status"], "busy");
    assert_eq!(user_of(&state, &alice)["cursor"], json!({"x": 1, "y": 2, "cell": "A1"}));
    assert_eq!(user_of(&state, &alice)["email"], "alice@example.org");
    let told = until(&mut first, "room_state", |state| state["total_users"] == 2).await;
    assert_eq!(user_of(&told, &bob)["username"], "bob");

    second.send_json(&json!({"type": "cursor_move", "room": ROOM, "x": 7, "y": 8})).await;
    let moved = until(&mut first, "cursor_moved", |_| true).await;
    assert_eq!((&moved["user_id"], &moved["cursor"]), (&json!(bob.id), &json!({"x": 7, "y": 8})));
    second.send_json(&json!({"type": "typing_start", "cell_id": "C3", "room": ROOM})).await;
    assert_eq!(until(&mut first, "user_typing_start", |_| true).await["cell_id"], "C3");
    second.send_json(&json!({"type": "leave_room", "room_id": ROOM})).await;
    let left = until(&mut first, "room_state", |state| state["total_users"] == 1).await;
    assert_eq!(user_of(&left, &bob), &Value::Null);
}

#[tokio::test]
async fn what_a_user_of_two_nodes_does_is_told_once() {
    let cluster = Cluster::start(2).await;
    let [alice, bob] = cluster.users(["alice", "bob"]).await;
    let (mut here, mut there) = (joined(&alice).await, joined(&cluster.at(1, &alice)).await);
    let mut near = joined(&bob).await;
    let mut far = joined(&cluster.at(1, &bob)).await;
    // Everybody must know everybody before the test begins.
    for socket in [&mut here, &mut there, &mut near, &mut far] {
        socket.send_json(&json!({"type": "join_room", "room_id": ROOM})).await;
        until(socket, "room_state", |state| state["total_users"] == 2 && state["connection_id"].is_string()).await;
    }
    here.send_json(&json!({"type": "status_update", "status": "away"})).await;
    let upload = json!({"type": "file_upload_start", "file_id": "f", "filename": "a.csv", "file_size": 3});
    here.send_json(&upload).await;
    for socket in [&mut near, &mut far] {
        until(socket, "user_status_changed", |frame| frame["status"] == "away").await;
        until(socket, "file_upload_start", |frame| frame["file_id"] == "f").await;
    }
    until(&mut there, "file_upload_start", |frame| frame["file_id"] == "f").await;
    // A duplicate would arrive before this.
    there.send_json(&json!({"type": "typing_start", "cell_id": "Z9", "room": ROOM})).await;
    for socket in [&mut near, &mut far] {
        let frame = socket.next_json().await;
        assert_eq!((&frame["type"], &frame["cell_id"]), (&json!("user_typing_start"), &json!("Z9")), "{frame}");
    }
}

#[tokio::test]
async fn typing_ends_with_its_socket_on_another_node_once() {
    let cluster = Cluster::start(2).await;
    let [alice, bob] = cluster.users(["alice", "bob"]).await;
    let mut reader = joined(&alice).await;
    let mut stays = joined(&cluster.at(1, &bob)).await;
    until(&mut reader, "room_state", |state| state["total_users"] == 2).await;
    let mut ends = joined(&cluster.at(1, &bob)).await;
    ends.send_json(&json!({"type": "typing_start", "cell_id": "B2", "room": ROOM})).await;
    until(&mut reader, "user_typing_start", |frame| frame["cell_id"] == "B2").await;
    drop(ends);
    let stopped = reader.next_json().await;
    assert_eq!((&stopped["type"], &stopped["cell_id"]), (&json!("user_typing_stop"), &json!("B2")), "{stopped}");
    // A duplicate would arrive before this.
    stays.send_json(&json!({"type": "typing_start", "cell_id": "Z9", "room": ROOM})).await;
    let frame = reader.next_json().await;
    assert_eq!((&frame["type"], &frame["cell_id"]), (&json!("user_typing_start"), &json!("Z9")), "{frame}");
}

#[tokio::test]
async fn members_of_a_node_that_died_are_gone() {
    let mut cluster = Cluster::start(2).await;
    let [alice, bob] = cluster.users(["alice", "bob"]).await;
    let mut watcher = joined(&alice).await;
    let _other = joined(&cluster.at(1, &bob)).await;
    until(&mut watcher, "room_state", |state| state["total_users"] == 2).await;
    cluster.nodes[1].server.kill();
    let state = until(&mut watcher, "room_state", |state| state["total_users"] == 1).await;
    assert_eq!(user_of(&state, &bob), &Value::Null);
}

#[tokio::test]
async fn the_status_of_whoever_joins_elsewhere_is_known() {
    let cluster = Cluster::start(2).await;
    let [alice, bob] = cluster.users(["alice", "bob"]).await;
    let mut watcher = joined(&bob).await;
    // The room is already in use on both nodes.
    let mut other = cluster.at(1, &alice).open("/api/v1/ws").await;
    other.send_json(&json!({"type": "status_update", "status": "busy", "ref": 1})).await;
    until(&mut other, "ack", |_| true).await;
    other.send_json(&json!({"type": "join_room", "room_id": ROOM})).await;
    let state = until(&mut watcher, "room_state", |state| state["total_users"] == 2).await;
    assert_eq!(user_of(&state, &alice)["status"], "busy");
}

#[tokio::test]
async fn cursors_of_newcomers_elsewhere_are_told() {
    const PEOPLE: usize = 10;
    let cluster = Cluster::start(2).await;
    let [watcher] = cluster.users(["watcher"]).await;
    let mut watching = joined(&watcher).await;
    let mut people = Vec::new();
    for person in 0..PEOPLE {
        let (id, name) = (format!("person-{person}"), format!("person{person}"));
        people.push(User::with_token(cluster.server(1).origin(), &id, &name, &token::for_user(&id, &name, 600)));
    }
    let moving = people.iter().map(async |person| {
        let mut socket = joined(person).await;
        socket.send_json(&json!({"type": "cursor_move", "room": ROOM, "x": 5, "y": 6})).await;
        socket
    });
    let _sockets = futures_util::future::join_all(moving).await;
    let mut seen = std::collections::BTreeSet::new();
    while seen.len() < PEOPLE {
        let moved = until(&mut watching, "cursor_moved", |_| true).await;
        let others = moved["cursors"].as_array().into_iter().flatten();
        seen.extend(others.chain([&moved]).map(|pointed| pointed["user_id"].to_string()));
    }
}

#[tokio::test]
async fn the_last_word_of_a_user_on_two_nodes_counts() {
    let cluster = Cluster::start(2).await;
    let [alice, carol] = cluster.users(["alice", "carol"]).await;
    let (mut first, mut second) = (joined(&alice).await, joined(&cluster.at(1, &alice)).await);
    let mut watcher = joined(&cluster.at(1, &carol)).await;
    // Everybody must know everybody before the test begins.
    for socket in [&mut first, &mut second, &mut watcher] {
        socket.send_json(&json!({"type": "join_room", "room_id": ROOM})).await;
        until(socket, "room_state", |state| state["total_users"] == 2).await;
    }
    let status = |status: &str| json!({"type": "status_update", "status": status});
    // Alice's presence in a room that is joined now.
    let shown = async |room: String| {
        let mut tab = cluster.at(1, &alice).open("/api/v1/ws").await;
        tab.send_json(&json!({"type": "join_room", "room_id": room})).await;
        let state = until(&mut tab, "room_state", |_| true).await;
        user_of(&state, &alice)["status"].clone()
    };
    first.send_json(&status("busy")).await;
    until(&mut second, "user_status_changed", |frame| frame["status"] == "busy").await;
    second.send_json(&status("online")).await;
    until(&mut first, "user_status_changed", |frame| frame["status"] == "online").await;
    let mut rooms = 0;
    eventually("online", DEADLINE, || {
        rooms += 1;
        let now = shown(format!("room {rooms}"));
        async move { (now.await == "online").then_some(()) }
    })
    .await;
}

#[tokio::test]
async fn whoever_leaves_while_coming_back_is_gone() {
    let cluster = Cluster::start(2).await;
    let [alice, bob] = cluster.users(["alice", "bob"]).await;
    let mut watcher = joined(&bob).await;
    let mut socket = alice.open("/api/v1/ws").await;
    for _ in 0..10 {
        socket.send_json(&json!({"type": "join_room", "room_id": ROOM})).await;
        let state = until(&mut socket, "room_state", |state| state["seq"].is_number()).await;
        until(&mut watcher, "room_state", |state| state["total_users"] == 2).await;
        let again = json!({"type": "join_room", "room_id": ROOM, "since": 0, "epoch": state["epoch"], "ref": 1});
        socket.send_json(&again).await;
        socket.send_json(&json!({"type": "leave_room", "room_id": ROOM, "ref": 2})).await;
        until(&mut socket, "room_state", |state| state["ref"] == 1).await;
        until(&mut socket, "ack", |ack| ack["ref"] == 2).await;
        until(&mut watcher, "room_state", |state| state["total_users"] == 1).await;
    }
}
