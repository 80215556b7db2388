//! Shared sheets: written over sockets, read over REST (docs/protocol.md, "Sheets").

use serde_json::{Value, json};

use crate::on_both;
use crate::support::shape::Kind::{Count, OptionalText, Text, Time};
use crate::support::shape::assert_shape;
use crate::support::{Server, Socket, User, rest, token};

/// A socket that has joined the room.
async fn join(user: &User, room: &str) -> Socket {
    let mut socket = user.open("/api/v1/ws").await;
    socket.send_json(&json!({"type": "join_room", "room_id": room})).await;
    socket.read_until("room_state").await;
    socket
}

/// Writes cells and returns the versions that they got.
async fn write(socket: &mut Socket, sheet: &str, cells: &[(&str, Value)]) -> Vec<u64> {
    let cells: Vec<Value> = cells.iter().map(|(at, value)| json!({"cell_id": at, "value": value})).collect();
    socket.send_json(&json!({"type": "cells_update", "sheet_id": sheet, "cells": cells, "ref": "w"})).await;
    let (mut told, mut acked) = (None, false);
    while told.is_none() || !acked {
        let frame = socket.next_json().await;
        match frame["type"].as_str() {
            Some("ack") => acked = true,
            Some("cell_updated") => told = Some(vec![frame]),
            Some("cells_updated") => told = frame["cells"].as_array().cloned(),
            _ => panic!("{frame}"),
        }
    }
    told.unwrap_or_default().iter().map(|cell| cell["version"].as_u64().expect("a version")).collect()
}

fn path(sheet: &str, query: &str) -> String {
    format!("/api/v1/sheets/{sheet}/cells?{query}")
}

fn places(page: &Value) -> Vec<&str> {
    let cells = page["cells"].as_array().unwrap_or_else(|| panic!("a page, not {page}"));
    cells.iter().map(|cell| cell["cell_id"].as_str().expect("a place")).collect()
}

on_both! {
    async fn what_sockets_write_is_read_in_pages(database) {
        let server = Server::on(database).await;
        let alice = server.user("alice").await;
        let mut socket = join(&alice, "workspace one").await;
        assert_eq!(write(&mut socket, "budget", &[("A1", json!("Total")), ("B1", json!(2.5)), ("A2", json!(true))]).await, [1, 1, 1]);
        socket.send_json(&json!({"type": "cell_update", "sheet_id": "budget", "cell_id": "B2", "value": 4, "formula": "=2+2", "version": 1_642_161_000_000_u64})).await;
        assert_eq!(socket.expect("cell_updated").await["version"], 1_642_161_000_001_u64);

        let page = alice.get(&path("budget", "")).await.expect(200);
        assert_shape(&page, &[("epoch", Count), ("seq", Count), ("sheet_id", Text), ("room_id", Text)]);
        assert_eq!((&page["room_id"], &page["seq"], &page["next"]), (&json!("workspace one"), &json!(2), &Value::Null));
        assert_eq!(page["range"], "A1:XFD1048576");
        assert_eq!(places(&page), ["A1", "B1", "A2", "B2"]);
        let fields = [("cell_id", Text), ("formula", OptionalText), ("version", Count), ("user_id", Text), ("updated_at", Time)];
        assert_shape(&page["cells"][0], &fields);
        let last = &page["cells"][3];
        assert_eq!((&last["value"], &last["formula"], &last["version"]), (&json!(4), &json!("=2+2"), &json!(1_642_161_000_001_u64)));
        assert_eq!(last["user_id"], alice.id);

        let first = alice.get(&path("budget", "limit=3")).await.expect(200);
        assert_eq!((places(&first), &first["next"]), (vec!["A1", "B1", "A2"], &json!("A2")));
        let second = alice.get(&path("budget", "limit=3&after=A2")).await.expect(200);
        assert_eq!((places(&second), &second["next"]), (vec!["B2"], &Value::Null));
        for (range, expected) in [("B1:B9", vec!["B1", "B2"]), ("a:a", vec!["A1", "A2"]), ("2:2", vec!["A2", "B2"]), ("C3", vec![])] {
            let page = alice.get(&path("budget", &format!("range={range}"))).await.expect(200);
            assert_eq!(places(&page), expected, "{range}");
        }
        // Changes after a page are delivered by a socket that resumes from the page's position.
        write(&mut socket, "budget", &[("A1", json!("Sum"))]).await;
        let mut late = alice.open("/api/v1/ws").await;
        late.send_json(&json!({"type": "join_room", "room_id": "workspace one", "since": page["seq"], "epoch": page["epoch"]})).await;
        let missed = late.read_until("cell_updated").await;
        assert_eq!((&missed[missed.len() - 1]["value"], &missed[missed.len() - 1]["version"]), (&json!("Sum"), &json!(2)));
    }
}

on_both! {
    async fn who_comes_late_is_told_and_nothing_is_changed(database) {
        let server = Server::on(database).await;
        let (alice, bob) = (server.user("alice").await, server.user("bob").await);
        let mut first = join(&alice, "r").await;
        write(&mut first, "s", &[("A1", json!(1))]).await;
        write(&mut first, "s", &[("A1", json!(2))]).await;
        let mut second = join(&bob, "r").await;
        second.send_json(&json!({"type": "cell_update", "sheet_id": "s", "cell_id": "A1", "value": 3, "version": 1, "ref": 7})).await;
        let conflict = second.expect_error("VERSION_CONFLICT").await;
        assert_eq!(conflict["current"], json!({"value": 2, "formula": null, "version": 2, "user_id": alice.id}));
        assert_eq!(conflict["ref"], 7);
        // The sheet stays in its room.
        let mut elsewhere = join(&bob, "elsewhere").await;
        elsewhere.send_json(&json!({"type": "cell_update", "sheet_id": "s", "room": "elsewhere", "cell_id": "A1", "value": 3})).await;
        let refusal = elsewhere.expect_error("INVALID_MESSAGE").await;
        assert!(refusal["error"].as_str().is_some_and(|said| said.contains("`room`") && said.contains("`sheet_id`")), "{refusal}");
        let page = bob.get(&path("s", "")).await.expect(200);
        assert_eq!((&page["cells"][0]["value"], &page["seq"]), (&json!(2), &json!(2)));
    }
}

on_both! {
    async fn rows_and_csv_have_no_gaps(database) {
        let server = Server::on(database).await;
        let alice = server.user("alice").await;
        let mut socket = join(&alice, "r").await;
        let cells = [
            ("B1", json!("na,me")), ("C1", json!("=SUM(A1)")), ("A3", json!(-0.5)), ("C3", json!("two\n\"lines\"")),
            ("D9", json!("gone")), ("B3", Value::Null),
        ];
        write(&mut socket, "a sheet", &cells).await;
        write(&mut socket, "a sheet", &[("D9", Value::Null)]).await;
        let rows = alice.get(&path("a%20sheet", "format=rows")).await.expect(200);
        assert_eq!(rows["rows"], json!([[null, "na,me", "=SUM(A1)"], [null, null, null], [-0.5, null, "two\n\"lines\""]]));
        assert_eq!((&rows["range"], &rows["sheet_id"], &rows["seq"]), (&json!("A1:C3"), &json!("a sheet"), &json!(2)));
        let some = alice.get(&path("a%20sheet", "format=rows&range=B2:C3")).await.expect(200);
        assert_eq!((&some["rows"], &some["range"]), (&json!([[null, null], [null, "two\n\"lines\""]]), &json!("B2:C3")));
        let none = alice.get(&path("a%20sheet", "format=rows&range=D:Z")).await.expect(200);
        assert_eq!((&none["rows"], &none["range"]), (&json!([]), &Value::Null));

        let csv = alice.get(&path("a%20sheet", "format=csv")).await;
        assert_eq!(csv.status, 200);
        assert_eq!(csv.header("content-type"), "text/csv; charset=utf-8; header=absent");
        assert_eq!(csv.header("content-disposition"), "attachment; filename*=UTF-8''a%20sheet.csv");
        assert_eq!(csv.text, ",\"na,me\",=SUM(A1)\r\n,,\r\n-0.5,,\"two\n\"\"lines\"\"\"\r\n");
        assert_eq!(alice.get(&path("a%20sheet", "format=csv&range=D:Z")).await.text, "");
        let wants = reqwest::Client::new().get(server.url(&path("a%20sheet", "range=A3:B3"))).bearer_auth(&alice.token);
        let answer = rest::send(wants.header("accept", "text/csv"), None).await;
        assert_eq!(answer.text, "-0.5\r\n");
    }
}

#[tokio::test]
async fn a_stream_is_longer_than_a_page() {
    let server = Server::start().await;
    let alice = server.user("alice").await;
    let mut socket = join(&alice, "r").await;
    let names: Vec<String> = (0..2_500).map(|n| format!("{}{}", ["A", "B", "C", "D", "E"][n % 5], n / 5 + 1)).collect();
    for some in names.chunks(900) {
        let cells: Vec<(&str, Value)> = some.iter().map(|name| (name.as_str(), json!(name))).collect();
        write(&mut socket, "big", &cells).await;
    }
    let csv = alice.get(&path("big", "format=csv")).await.text;
    let expected: String = names.chunks(5).map(|row| row.join(",") + "\r\n").collect();
    assert!(csv == expected, "{} characters instead of {}", csv.len(), expected.len());
    let (mut read, mut after) = (Vec::new(), String::new());
    loop {
        let page = alice.get(&path("big", &format!("limit=1200{after}"))).await.expect(200);
        read.extend(places(&page).into_iter().map(str::to_owned));
        let Some(next) = page["next"].as_str() else { break };
        after = format!("&after={next}");
    }
    assert_eq!(read, names);
}

#[tokio::test]
async fn a_page_of_large_cells_ends_early() {
    const BYTES_FULL: usize = 4 * 1024 * 1024;
    let server = Server::builder().env("WEBSOCKET_REQUESTS_PER_MINUTE", 0).start().await;
    let alice = server.user("alice").await;
    let mut socket = join(&alice, "r").await;
    let text = "é".repeat(32_000);
    let written = text.len() + 2;
    for row in 1..=75 {
        write(&mut socket, "s", &[(&format!("A{row}"), json!(text))]).await;
    }
    let expected: Vec<String> = (1..=75).map(|row| format!("A{row}")).collect();
    let (fits, rest) = expected.split_at(BYTES_FULL.div_ceil(written));
    let first = alice.get(&path("s", "")).await.expect(200);
    assert_eq!(
        (places(&first), first["next"].as_str()),
        (fits.iter().map(String::as_str).collect(), fits.last().map(String::as_str))
    );
    let second = alice.get(&path("s", &format!("after={}", fits[fits.len() - 1]))).await.expect(200);
    assert_eq!((places(&second), &second["next"]), (rest.iter().map(String::as_str).collect(), &Value::Null));
}

#[tokio::test]
async fn a_sheet_opens_to_whom_its_room_opens() {
    let server = Server::start().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let mut socket = join(&alice, "team room").await;
    write(&mut socket, "s", &[("A1", json!(1))]).await;
    rest::get(&server.url(&path("s", ""))).await.expect_error(401, "AUTHENTICATION_FAILED");
    bob.get(&path("s", "")).await.expect(200);
    for unknown in ["none", "%00", &"x".repeat(129)] {
        bob.get(&path(unknown, "")).await.expect_error(404, "NOT_FOUND");
    }
    let confined = |rooms: Value| {
        let claims = json!({"sub": bob.id, "username": "bob", "exp": token::now() + 60, "rooms": rooms});
        User::with_token(server.origin(), &bob.id, "bob", &token::sign(&claims, token::SECRET))
    };
    confined(json!(["team *"])).get(&path("s", "")).await.expect(200);
    confined(json!(["other"])).get(&path("s", "")).await.expect_error(403, "PERMISSION_DENIED");

    let file = server.data_folder().join("convene.db");
    let mut database =
        <diesel::SqliteConnection as diesel::Connection>::establish(&file.to_string_lossy()).expect("it is there");
    let private = "PRAGMA busy_timeout = 5000; UPDATE rooms SET visibility = 'private' WHERE key = 'team room'";
    diesel::connection::SimpleConnection::batch_execute(&mut database, private).expect("it can be written");
    for format in ["cells", "rows", "csv"] {
        bob.get(&path("s", &format!("format={format}"))).await.expect_error(403, "PERMISSION_DENIED");
        assert_eq!(alice.get(&path("s", &format!("format={format}"))).await.status, 200, "its owner is a member");
    }
}

#[tokio::test]
async fn bad_questions_are_refused_by_name() {
    let server = Server::start().await;
    let alice = server.user("alice").await;
    let mut socket = join(&alice, "r").await;
    write(&mut socket, "s", &[("A1", json!(1)), ("XFD1048576", json!(2))]).await;
    for query in [
        "range=A",
        "range=A1:ZZZ999999",
        "range=1:A",
        "range=A0",
        "limit=0",
        "limit=x",
        "limit=-5",
        "after=A",
        "after=1",
        "format=xml",
        "limit=5&format=csv",
        "after=A1&format=rows",
        "range=A:XFD&format=rows",
        "range=1:1048576&format=csv",
    ] {
        let error = alice.get(&path("s", query)).await.expect_error(400, "INVALID_MESSAGE");
        let field = query.split('=').next().unwrap_or_default();
        assert!(
            error["error"].as_str().is_some_and(|said| said.starts_with(&format!("{field}: "))),
            "{query}: {error}"
        );
    }
    // The whole sheet can be read in pages, and its filled part in rows.
    let page = alice.get(&path("s", "range=A:XFD&limit=99999999")).await.expect(200);
    assert_eq!(places(&page), ["A1", "XFD1048576"]);
    assert_eq!(alice.get(&path("s", "range=A:C&format=rows")).await.expect(200)["rows"], json!([[1]]));
    alice.post(&path("s", ""), json!({})).await.expect_error(405, "NOT_FOUND");
    // Excel recognises UTF-8 by a byte order mark.
    assert!(alice.get(&path("s", "range=A1:A1&format=csv&bom=true")).await.text.starts_with("\u{feff}1"));
    assert!(alice.get(&path("s", "range=A1:A1&format=csv")).await.text.starts_with('1'));
    alice.get(&path("s", "format=csv&bom=x")).await.expect_error(400, "INVALID_MESSAGE");
}
