//! Cells over the socket. Storing them and reading them over REST is tested with the store and in
//! `tests/server/sheets.rs`.

use serde_json::{Value, json};

use super::{join, joined, open, server};
use crate::on_both;
use crate::support::shape::Kind::{Count, Text, Time, Uuid};
use crate::support::shape::{assert_shape, number};
use crate::support::{Postgres, Server, Socket};

const WORLD: &str = "=CONCATENATE('Hello', ' ', 'World')";

fn update(cell: &str, value: Value, version: i64) -> Value {
    json!({"type": "cell_update", "sheet_id": "sheet_123", "cell_id": cell, "value": value, "version": version, "ref": cell})
}

/// Sends an update and reads the two answers to the sender: the change and the acknowledgement, in either order.
async fn updated(socket: &mut Socket, message: &Value) -> (Value, Value) {
    socket.send_json(message).await;
    told_and_acked(socket, "cell_updated").await
}

async fn told_and_acked(socket: &mut Socket, kind: &str) -> (Value, Value) {
    let (one, other) = (socket.next_json().await, socket.next_json().await);
    let (told, ack) = if one["type"] == "ack" { (other, one) } else { (one, other) };
    assert_eq!((&told["type"], &ack["type"]), (&json!(kind), &json!("ack")), "{told} {ack}");
    (told, ack)
}

on_both! {
    async fn a_cell_is_stored_and_told_to_everybody_with_its_new_version(database) {
        let server = Server::on(database).await;
        let (alice, bob) = (server.user("alice").await, server.user("bob").await);
        let mut editor = joined(&alice, "room").await;
        let mut reader = joined(&bob, "room").await;
        editor.expect("room_state").await;
        let mut message = update("A1", json!("Hello World"), 1_642_161_000_000);
        message["formula"] = json!(WORLD);
        let (own, ack) = updated(&mut editor, &message).await;
        let told = reader.expect("cell_updated").await;
        assert_eq!(own, told, "the sender receives the same event");
        let fields = [
            ("sheet_id", Text), ("cell_id", Text), ("user_id", Text), ("username", Text), ("version", Count),
            ("seq", Count), ("id", Uuid), ("room_id", Text), ("timestamp", Time),
        ];
        assert_shape(&told, &fields);
        assert_eq!((&told["value"], &told["formula"]), (&json!("Hello World"), &json!(WORLD)));
        assert_eq!((&told["version"], &told["username"]), (&json!(1_642_161_000_001_i64), &json!("alice")));
        assert_eq!((&ack["ref"], &ack["seq"], &ack["id"]), (&json!("A1"), &told["seq"], &told["id"]));

        for (at, value) in [json!(null), json!(true), json!(-1.25e-7), json!(12_345_678_901_i64), json!("ß\"\n")].into_iter().enumerate() {
            let (told, _) = updated(&mut editor, &update(&format!("B{}", at + 1), value.clone(), 0)).await;
            assert_eq!((&told["value"], &told["version"], &told["formula"]), (&value, &json!(1), &json!(null)));
            assert_eq!(number(&told, "seq"), at as u64 + 2);
        }
        let cells = alice.get("/api/v1/sheets/sheet_123/cells").await.expect(200);
        assert_eq!(cells["cells"].as_array().unwrap().len(), 6, "{cells}");
    }
}

on_both! {
    async fn whoever_changes_an_old_version_is_told_the_present_one(database) {
        let server = Server::on(database).await;
        let (alice, bob) = (server.user("alice").await, server.user("bob").await);
        let mut first = joined(&alice, "room").await;
        let mut second = joined(&bob, "room").await;
        first.expect("room_state").await;
        for version in 0..2 {
            updated(&mut first, &update("A1", json!(version), version)).await;
            second.expect("cell_updated").await;
        }
        second.send_json(&update("A1", json!("late"), 1)).await;
        let conflict = second.expect_error("VERSION_CONFLICT").await;
        assert_eq!((&conflict["ref"], &conflict["cell_id"]), (&json!("A1"), &json!("A1")));
        let current = json!({"value": 1, "formula": null, "version": 2, "user_id": alice.id});
        assert_eq!(conflict["current"], current);
        first.expect_nothing_before_pong().await;
        // With the current version it is accepted, and so is an update without a version.
        for (version, expected) in [(2, 3), (0, 4)] {
            let (told, _) = updated(&mut second, &update("A1", json!("now"), version)).await;
            assert_eq!((&told["version"], first.expect("cell_updated").await), (&json!(expected), told.clone()));
        }
    }
}

on_both! {
    async fn a_bulk_update_is_all_or_nothing(database) {
        let server = Server::on(database).await;
        let alice = server.user("alice").await;
        let mut socket = joined(&alice, "room").await;
        updated(&mut socket, &update("A1", json!(1), 0)).await;
        updated(&mut socket, &update("A1", json!(2), 1)).await;
        let bulk = |version| json!({"type": "cells_update", "sheet_id": "sheet_123", "ref": "b", "cells": [
            {"cell_id": "A1", "value": "x", "version": version}, {"cell_id": "A2", "value": "y"},
        ]});
        socket.send_json(&bulk(1)).await;
        let conflict = socket.expect_error("VERSION_CONFLICT").await;
        assert_eq!((&conflict["cell_id"], &conflict["current"]["version"]), (&json!("A1"), &json!(2)));
        socket.send_json(&bulk(2)).await;
        let (told, ack) = told_and_acked(&mut socket, "cells_updated").await;
        let versions: Vec<u64> = told["cells"].as_array().unwrap().iter().map(|cell| number(cell, "version")).collect();
        assert_eq!((versions, number(&told, "seq")), (vec![3, 1], 3), "the refused one took no place in the sequence");
        assert_eq!(ack["seq"], 3);
    }
}

on_both! {
    async fn what_was_missed_comes_with_the_join_before_anything_live(database) {
        let server = Server::on(database).await;
        let (alice, bob) = (server.user("alice").await, server.user("bob").await);
        let mut editor = joined(&alice, "room").await;
        let mut reader = open(&bob).await;
        let epoch = join(&mut reader, "room").await["epoch"].clone();
        editor.expect("room_state").await;
        updated(&mut editor, &update("A1", json!(1), 0)).await;
        let seen = number(&reader.expect("cell_updated").await, "seq");
        reader.send_json(&json!({"type": "leave_room", "room_id": "room"})).await;
        editor.expect("room_state").await;
        for value in 2..5 {
            updated(&mut editor, &update("A1", json!(value), 0)).await;
        }
        reader.send_json(&json!({"type": "join_room", "room_id": "room", "since": seen, "epoch": epoch, "ref": "back"})).await;
        let state = reader.expect("room_state").await;
        assert_eq!((&state["ref"], &state["seq"], &state["active_sheets"]), (&json!("back"), &json!(4), &json!(["sheet_123"])));
        for value in 2..5 {
            assert_eq!(reader.expect("cell_updated").await["value"], value);
        }
        let recovered = reader.expect("recovered").await;
        assert_eq!((&recovered["room_id"], &recovered["complete"], &recovered["seq"]), (&json!("room"), &json!(true), &json!(4)));
        editor.expect("room_state").await;
        updated(&mut editor, &update("A1", json!(5), 0)).await;
        assert_eq!(reader.expect("cell_updated").await["value"], 5);
        reader.send_json(&json!({"type": "join_room", "room_id": "room", "since": 0, "epoch": 7})).await;
        reader.expect("room_state").await;
        assert_eq!(reader.expect("recovered").await["complete"], false, "another epoch can't be resumed");
    }
}

#[tokio::test]
async fn a_sheet_belongs_to_the_room_that_it_was_first_written_in() {
    let server = server().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let mut editor = joined(&alice, "first").await;
    updated(&mut editor, &update("A1", json!(1), 0)).await;
    join(&mut editor, "second").await;
    // The sheet keeps its room, although another room was joined last.
    assert_eq!(updated(&mut editor, &update("A2", json!(1), 0)).await.0["room_id"], "first");
    // A new sheet belongs to the room that is named.
    let mut named = update("A1", json!(1), 0);
    (named["sheet_id"], named["room"]) = (json!("other"), json!("first"));
    assert_eq!(updated(&mut editor, &named).await.0["room_id"], "first");
    named["room"] = json!("second");
    editor.send_json(&named).await;
    let error = editor.expect_error("INVALID_MESSAGE").await;
    assert!(error["error"].as_str().unwrap().contains("another room"), "{error}");

    let mut stranger = open(&bob).await;
    stranger.send_json(&update("A1", json!("no"), 0)).await;
    stranger.expect_error("NOT_IN_ROOM").await;
    join(&mut stranger, "elsewhere").await;
    stranger.send_json(&update("A1", json!("no"), 0)).await;
    let error = stranger.expect_error("NOT_IN_ROOM").await;
    assert!(error["error"].as_str().unwrap().contains("the room \"first\""), "it names the sheet's room: {error}");
    let state = join(&mut stranger, "first").await;
    assert_eq!(state["active_sheets"], json!(["other", "sheet_123"]));

    // The name of a room that the user may not enter is not revealed.
    let private = Some(json!({"visibility": "private"}));
    alice.request(reqwest::Method::PATCH, "/api/v1/rooms/first", private).await.expect(200);
    let carol = server.user("carol").await;
    let mut outsider = joined(&carol, "outside").await;
    outsider.send_json(&update("A1", json!("no"), 0)).await;
    let error = outsider.expect_error("NOT_IN_ROOM").await;
    assert!(!error["error"].as_str().unwrap().contains("first"), "{error}");
}

/// A server whose commits into a room can be blocked while it can still read.
async fn on_postgres() -> (&'static Postgres, String, Server) {
    let postgres = Postgres::shared();
    let url = postgres.create_database().await;
    let server = Server::builder().env("DATABASE_URL", &url).start().await;
    (postgres, url, server)
}

#[tokio::test]
async fn what_follows_the_first_write_goes_the_same_way() {
    let (postgres, url, server) = on_postgres().await;
    let alice = server.user("alice").await;
    let mut editor = joined(&alice, "first").await;
    let held = postgres.hold(&url, "SELECT seq FROM rooms WHERE key = 'first' FOR UPDATE").await;
    editor.send_json(&update("A1", json!(1), 0)).await;
    join(&mut editor, "second").await;
    editor.send_json(&update("A2", json!(2), 0)).await;
    // Both are in flight, and the sheet does not exist yet.
    editor.expect_nothing_before_pong().await;
    alice.get("/api/v1/sheets/sheet_123/cells").await.expect_error(404, "NOT_FOUND");
    drop(held);
    // One commit may store both, and then both changes precede both acknowledgements.
    let (mut told, mut acked) = (Vec::new(), Vec::new());
    while told.len() + acked.len() < 4 {
        let frame = editor.next_json().await;
        if frame["type"] == "ack" {
            acked.push(number(&frame, "seq"));
            assert!(told.contains(&acked[acked.len() - 1]), "an acknowledgement follows its change: {frame}");
        } else {
            assert_eq!((&frame["type"], &frame["room_id"]), (&json!("cell_updated"), &json!("first")), "{frame}");
            told.push(number(&frame, "seq"));
        }
    }
    assert_eq!((told, acked), (vec![1, 2], vec![1, 2]));
}

#[tokio::test]
async fn who_loses_the_race_for_a_new_sheet_is_sent_on_to_its_room() {
    let (postgres, url, server) = on_postgres().await;
    let (alice, bob, carol) = (server.user("alice").await, server.user("bob").await, server.user("carol").await);
    let mut winner = joined(&bob, "second").await;
    let mut stranger = joined(&carol, "first").await;
    let mut editor = joined(&alice, "second").await;
    winner.expect("room_state").await;
    join(&mut editor, "first").await;
    stranger.expect("room_state").await;
    // An append does not wait for a locked room for long, so each room has its own lock and they are released in turn.
    let second = postgres.hold(&url, "SELECT seq FROM rooms WHERE key = 'second' FOR UPDATE").await;
    let first = postgres.hold(&url, "SELECT seq FROM rooms WHERE key = 'first' FOR UPDATE").await;
    winner.send_json(&update("A1", json!("bob"), 0)).await;
    for (socket, cell) in [(&mut editor, "A2"), (&mut stranger, "A3")] {
        // Neither has named a room, so the room joined last applies.
        socket.send_json(&update(cell, json!("late"), 0)).await;
        socket.expect_nothing_before_pong().await;
    }
    // All are sent while nobody knows the sheet.
    alice.get("/api/v1/sheets/sheet_123/cells").await.expect_error(404, "NOT_FOUND");
    drop(second);
    assert_eq!(told_and_acked(&mut winner, "cell_updated").await.1["ref"], "A1");
    assert_eq!(editor.expect("cell_updated").await["value"], "bob");
    drop(first);
    let (told, ack) = told_and_acked(&mut editor, "cell_updated").await;
    assert_eq!((&told["room_id"], &told["cell_id"], &ack["ref"]), (&json!("second"), &json!("A2"), &json!("A2")));
    assert_eq!(stranger.expect_error("NOT_IN_ROOM").await["ref"], "A3");
}

#[tokio::test]
async fn a_paste_of_five_hundred_cells_blocks_nobody_and_all_are_acknowledged() {
    // The default limits: 60 requests a minute, 120 edits a second.
    let limits = ["WEBSOCKET_REQUESTS_PER_MINUTE", "WEBSOCKET_REQUESTS_PER_HOUR", "WEBSOCKET_EDITS_PER_SECOND"];
    let server = limits.into_iter().fold(Server::builder(), |server, name| server.without_env(name)).start().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let mut editor = joined(&alice, "room").await;
    let mut other = joined(&bob, "room").await;
    editor.expect("room_state").await;
    let began = std::time::Instant::now();
    for row in 1..=500 {
        editor.send_json(&update(&format!("A{row}"), json!(row), 0)).await;
    }
    // Another user is served in the meantime, and so is the editor's own next request, in order.
    other.send_json(&update("B1", json!("bob"), 0)).await;
    while other.next_json().await["type"] != "ack" {}
    assert!(began.elapsed() < std::time::Duration::from_secs(3), "nobody else waits");
    let mut acked = Vec::new();
    while acked.len() < 500 {
        let told = editor.next_json().await;
        assert_ne!(told["type"], "error", "{told}");
        if told["type"] == "ack" {
            acked.push(told["ref"].as_str().unwrap().to_owned());
        }
    }
    let sent: Vec<String> = (1..=500).map(|row| format!("A{row}")).collect();
    assert_eq!(acked, sent, "each once, in the order in which they were sent");
    assert!(began.elapsed() > std::time::Duration::from_millis(3_000), "380 of them had to wait at 120 a second");
    let cells = alice.get("/api/v1/sheets/sheet_123/cells?limit=1000").await.expect(200);
    assert_eq!(cells["cells"].as_array().unwrap().len(), 501);
    // Edits do not count as requests.
    for n in 0..50 {
        editor.send_json(&json!({"type": "status_update", "status": "busy", "ref": n})).await;
    }
    let mut answered = 0;
    while answered < 50 {
        let told = editor.next_json().await;
        assert_ne!(told["type"], "error", "{told}");
        answered += usize::from(told["type"] == "ack");
    }
}

/// A text in both JSON forms: unescaped, or with every character as an escape.
fn written(character: &str, count: usize, escaped: bool) -> String {
    let mut units = [0; 2];
    let text: String = match escaped {
        false => character.to_owned(),
        true => character
            .chars()
            .next()
            .unwrap()
            .encode_utf16(&mut units)
            .iter()
            .map(|unit| format!("\\u{unit:04x}"))
            .collect(),
    };
    text.repeat(count)
}

#[tokio::test]
async fn the_longest_text_can_be_sent_in_every_script() {
    const MOST: usize = convene::limits::CELL_TEXT_CHARS_MAX;
    let server = server().await;
    let alice = server.user("alice").await;
    let mut editor = joined(&alice, "room").await;
    for (row, (character, escaped)) in
        [("a", false), ("ж", false), ("日", false), ("🎉", false), ("ж", true), ("🎉", true)].into_iter().enumerate()
    {
        let update = |count| {
            let value = written(character, count, escaped);
            format!(r#"{{"type":"cell_update","sheet_id":"s","cell_id":"A{}","ref":{row},"value":"{value}"}}"#, row + 1)
        };
        editor.send_text(&update(MOST)).await;
        let (told, _) = told_and_acked(&mut editor, "cell_updated").await;
        assert_eq!(told["value"], character.repeat(MOST), "{character} {escaped}");
        // One more character is too long, but the socket stays open.
        editor.send_text(&update(MOST + 1)).await;
        editor.expect_error("MESSAGE_TOO_LONG").await;
    }
    // All of it in one update.
    let formula = written("🎉", convene::limits::FORMULA_CHARS_MAX, true);
    let value = written("🎉", MOST, true);
    let update = format!(
        r#"{{"type":"cell_update","sheet_id":"s","cell_id":"B1","ref":7,"value":"{value}","formula":"{formula}"}}"#
    );
    assert!(update.len() > 480_000, "as large as it gets: {}", update.len());
    editor.send_text(&update).await;
    told_and_acked(&mut editor, "cell_updated").await;
    // Longer than any allowed text.
    editor.send_text(&format!(r#"{{"type":"ping","filler":"{}"}}"#, written("ж", 65_536, false))).await;
    editor.expect_close(1009).await;
}

#[tokio::test]
async fn rubbish_changes_nothing_and_disturbs_nobody() {
    let server = server().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let mut sender = joined(&alice, "room").await;
    let mut witness = joined(&bob, "room").await;
    sender.expect("room_state").await;
    let categories: Vec<String> = (0..10_000).map(|category| format!("{category}")).collect();
    for (message, code) in [
        (json!({"type": "cell_update", "sheet_id": "s", "cell_id": "ZZZ999999", "value": 1}), "INVALID_MESSAGE"),
        (json!({"type": "cell_update", "sheet_id": "s", "cell_id": "A1", "value": {}}), "INVALID_MESSAGE"),
        (json!({"type": "cell_update", "sheet_id": "s", "cell_id": "A1", "version": 1}), "INVALID_MESSAGE"),
        (
            json!({"type": "cell_update", "sheet_id": "s", "cell_id": "A1", "formula": "=".repeat(60_000)}),
            "MESSAGE_TOO_LONG",
        ),
        (json!({"type": "subscribe_notifications", "categories": categories[..9_000]}), "INVALID_MESSAGE"),
        (json!({"type": "cursor_move", "room": "room", "x": "left", "y": 0}), "INVALID_MESSAGE"),
        (json!({"type": "join_room", "room_id": ["room"]}), "INVALID_MESSAGE"),
    ] {
        assert!(message.to_string().len() < 64 * 1024, "it arrives");
        sender.send_json(&message).await;
        sender.expect_error(code).await;
    }
    sender
        .send_text(
            &json!({"type": "cell_update", "sheet_id": "s", "cell_id": "A1", "formula": "=".repeat(65_536)})
                .to_string(),
        )
        .await;
    sender.expect_close(1009).await;
    assert_eq!(witness.expect("room_state").await["total_users"], 1);
    witness.expect_nothing_before_pong().await;
    alice.get("/api/v1/sheets/s/cells").await.expect_error(404, "NOT_FOUND");
}
