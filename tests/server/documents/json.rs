//! Editors by line and column.

use serde_json::{Value, json};

use crate::on_both;
use crate::support::{DEADLINE, Server, Socket, User, YjsEditor, eventually};

/// Opens a document; answers it.
async fn open(socket: &mut Socket, document: &str) -> Value {
    socket.send_json(&json!({"event_type": "doc.open", "document_id": document, "ref": "open"})).await;
    let opened = socket.expect("doc.open").await;
    assert_eq!((&opened["document_id"], &opened["ref"]), (&json!(document), &json!("open")), "{opened}");
    opened
}

pub async fn opened(user: &User, document: &str) -> (Socket, Value) {
    let mut socket = user.nexus().await;
    let state = open(&mut socket, document).await;
    (socket, state)
}

fn at(line: u32, column: u32) -> Value {
    json!({"line": line, "column": column})
}

pub fn insertion(line: u32, column: u32, text: &str) -> Value {
    json!({"event_type": "doc.edit", "document_id": "doc", "operation": "insert",
           "changes": [{"position": at(line, column), "text": text}]})
}

fn with(mut message: Value, field: &str, value: impl Into<Value>) -> Value {
    message[field] = value.into();
    message
}

/// Sends an edit; answers its acknowledgement, which is the next frame.
pub async fn edit(socket: &mut Socket, message: Value) -> Value {
    socket.send_json(&with(message, "ref", "e")).await;
    let answer = socket.expect("doc.edit").await;
    assert_eq!((&answer["ack"], &answer["ref"]), (&json!(true), &json!("e")), "{answer}");
    answer
}

on_both! {
    async fn editors_open_edit_and_see_each_other(database) {
        let server = Server::on(database).await;
        let (alice, bob) = (server.user("alice").await, server.user("bob").await);
        let (mut first, state) = opened(&alice, "doc").await;
        assert_eq!((&state["content"], &state["role"]), (&json!(""), &json!("owner")));
        let (mut second, state) = opened(&bob, "doc").await;
        assert_eq!(state["role"], "editor");
        let colours: Vec<_> = state["participants"].as_array().unwrap().iter().map(|one| &one["color"]).collect();
        assert_eq!(colours.len(), 2);
        assert_ne!(colours[0], colours[1]);
        let came = first.expect("doc.open").await;
        assert_eq!((&came["user_id"], &came["username"]), (&json!(bob.id), &json!("bob")));
        let ack = edit(&mut first, insertion(0, 0, "Hello\nworld")).await;
        let seen = second.expect("doc.edit").await;
        assert_eq!((&seen["user_id"], &seen["operation"]), (&json!(alice.id), &json!("insert")));
        assert_eq!((&seen["version"], &seen["changes"]), (&ack["version"], &ack["changes"]));
        assert_eq!(seen["changes"], json!([{"position": at(0, 0), "text": "Hello\nworld"}]));
        // bob's edit refers to the version before a change of the first line
        let base = seen["version"].clone();
        edit(&mut first, insertion(0, 0, "Well, ")).await;
        second.expect("doc.edit").await;
        let late = json!({"event_type": "doc.edit", "document_id": "doc", "operation": "replace", "version": base,
            "changes": [{"position": at(0, 0), "length": 5, "text": "bye"}, {"position": at(1, 5), "text": "!"}]});
        edit(&mut second, late).await;
        let seen = first.expect("doc.edit").await;
        assert_eq!(seen["changes"][0], json!({"position": at(0, 6), "end": at(0, 11), "text": "bye"}));
        let (_, state) = opened(&bob, "doc").await;
        assert_eq!(state["content"], "Well, bye\nworld!");
        assert_eq!(state["version"], seen["version"]);
        second.send_json(&json!({"event_type": "doc.close", "document_id": "doc", "ref": "c"})).await;
        assert_eq!(second.expect("ack").await["ref"], "c");
        let unopened = insertion(0, 0, "x");
        second.send_json(&unopened).await;
        second.expect_error("NOT_IN_ROOM").await;
    }
}

on_both! {
    async fn json_and_yjs_editors_edit_one_text(database) {
        let mut server = Server::on(database).await;
        let (alice, bob) = (server.user("alice").await, server.user("bob").await);
        let mut yjs = YjsEditor::open(&alice, "doc").await;
        yjs.edit(0, 0, "from 😀 Yjs").await;
        yjs.settle().await;
        let (mut socket, state) = opened(&bob, "doc").await;
        assert_eq!(state["content"], "from 😀 Yjs");
        let ack = edit(&mut socket, insertion(0, 11, " and JSON\n")).await;
        yjs.until_text("from 😀 Yjs and JSON\n").await;
        yjs.edit(0, 5, "").await;
        let seen = socket.expect("doc.edit").await;
        assert_eq!((&seen["operation"], &seen["user_id"]), (&json!("delete"), &json!(alice.id)));
        assert_eq!(seen["changes"], json!([{"position": at(0, 0), "end": at(0, 5)}]));
        // stale: the positions are those from before the deletion
        edit(&mut socket, with(insertion(0, 8, "and "), "version", ack["version"].clone())).await;
        yjs.until_text("😀 and Yjs and JSON\n").await;
        server.kill();
        server.restart().await;
        let (_, state) = opened(&bob, "doc").await;
        assert_eq!(state["content"], "😀 and Yjs and JSON\n");
    }
}

#[tokio::test]
async fn what_was_removed_meanwhile_is_a_conflict() {
    let server = Server::start().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let (mut first, _) = opened(&alice, "doc").await;
    let base = edit(&mut first, insertion(0, 0, "abcdef")).await["version"].clone();
    let (mut second, _) = opened(&bob, "doc").await;
    first.expect("doc.open").await;
    let removal = json!({"event_type": "doc.edit", "document_id": "doc", "operation": "delete",
        "changes": [{"position": at(0, 1), "end": at(0, 5)}]});
    let now = edit(&mut first, removal).await["version"].clone();
    second.expect("doc.edit").await;
    let late = with(insertion(0, 3, "x"), "version", base.clone());
    second.send_json(&with(late.clone(), "ref", "r")).await;
    let conflict = second.expect("doc.conflict").await;
    assert_eq!((&conflict["reason"], &conflict["ref"]), (&json!("removed"), &json!("r")));
    assert_eq!((&conflict["content"], &conflict["version"]), (&json!("af"), &now));
    assert_eq!(conflict["changes"], late["changes"]);
    let strict = with(with(insertion(0, 0, "x"), "version", base), "mode", "strict");
    second.send_json(&strict).await;
    assert_eq!(second.expect("doc.conflict").await["reason"], "stale");
    first.expect_nothing_before_pong().await;
}

on_both! {
    async fn an_edit_that_is_sent_again_is_applied_once(database) {
        let server = Server::on(database).await;
        let alice = server.user("alice").await;
        let (mut socket, _) = opened(&alice, "doc").await;
        let message = with(insertion(0, 0, "once"), "op_id", "op-1");
        let first = edit(&mut socket, message.clone()).await;
        edit(&mut socket, insertion(0, 4, " more")).await;
        let again = edit(&mut socket, message).await;
        assert_eq!((&again["version"], &again["changes"]), (&first["version"], &json!([])));
        socket.send_json(&with(insertion(0, 0, "else"), "op_id", "op-1")).await;
        socket.expect_error("CONFLICT").await;
        edit(&mut socket, insertion(0, 9, "!")).await;
        let (_, state) = opened(&alice, "doc").await;
        assert_eq!(state["content"], "once more!");
    }
}

#[tokio::test]
async fn many_edits_at_once_are_all_applied_in_order() {
    let server = Server::start().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let (mut writer, _) = opened(&alice, "doc").await;
    let (mut reader, _) = opened(&bob, "doc").await;
    writer.expect("doc.open").await;
    for count in 0..100 {
        writer.send_json(&with(insertion(0, count, if count % 2 == 0 { "a" } else { "b" }), "ref", count)).await;
    }
    let mut last = 0;
    for count in 0..100 {
        let (ack, seen) = (writer.expect("doc.edit").await, reader.expect("doc.edit").await);
        assert_eq!(ack["ref"], count);
        assert_eq!(ack["version"], seen["version"]);
        let version = seen["version"].as_i64().unwrap();
        assert!(version > last, "{version} after {last}");
        last = version;
    }
    let (_, state) = opened(&bob, "doc").await;
    assert_eq!(state["content"], "ab".repeat(50));
}

#[tokio::test]
async fn cursors_and_selections_reach_the_others_with_their_colour() {
    let server = Server::start().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let (mut first, _) = opened(&alice, "doc").await;
    let base = edit(&mut first, insertion(0, 0, "one two")).await["version"].clone();
    let (mut second, state) = opened(&bob, "doc").await;
    let colour = first.expect("doc.open").await["color"].clone();
    assert!(state["participants"].as_array().unwrap().iter().any(|one| one["color"] == colour));
    edit(&mut first, insertion(0, 0, "zero ")).await;
    second.expect("doc.edit").await;
    let cursor = json!({"event_type": "doc.cursor", "document_id": "doc", "position": at(0, 4), "version": base,
        "selection": {"start": at(0, 4), "end": at(0, 7)}});
    second.send_json(&cursor).await;
    let seen = first.expect("doc.cursor").await;
    assert_eq!((&seen["user_id"], &seen["color"]), (&json!(bob.id), &colour));
    assert_eq!((&seen["position"], &seen["selection"]["end"]), (&at(0, 9), &at(0, 12)), "carried over the insertion");
    second.send_json(&json!({"event_type": "doc.selection", "document_id": "doc"})).await;
    assert_eq!(first.expect("doc.selection").await.get("selection"), None);
    // a newcomer learns where bob is
    let (_, state) = opened(&alice, "doc").await;
    let of_bob =
        state["participants"].as_array().unwrap().iter().find(|one| one["user_id"] == bob.id.as_str()).unwrap();
    assert_eq!((&of_bob["position"], of_bob.get("selection")), (&at(0, 9), None));
    second.close().await;
    assert_eq!(first.expect("doc.close").await["user_id"], bob.id.as_str());
}

/// The state of a Yjs editor whose cursor is before the character at that offset.
fn state_at(editor: &YjsEditor, offset: u32) -> String {
    use yrs::{Assoc, IndexedSequence, Transact};
    let text = editor.doc.get_or_insert_text("content");
    let index = text.sticky_index(&editor.doc.transact(), offset, Assoc::After).expect("a place in the text");
    let id = index.id().expect("a character");
    let place =
        json!({"type": null, "tname": "content", "item": {"client": id.client.get(), "clock": id.clock}, "assoc": 0});
    json!({"user": {"name": "Al"}, "cursor": {"anchor": place, "head": place}}).to_string()
}

#[tokio::test]
async fn json_and_yjs_editors_see_each_others_cursors() {
    let server = Server::start().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let mut yjs = YjsEditor::open(&alice, "doc").await;
    yjs.edit(0, 0, "one\ntwo").await;
    yjs.settle().await;
    yjs.show(77, 1, &state_at(&yjs, 5)).await;
    yjs.until_shown(|state| state["user"]["name"] == "Al").await;
    let (mut socket, state) = opened(&bob, "doc").await;
    let of_alice =
        state["participants"].as_array().unwrap().iter().find(|one| one["user_id"] == alice.id.as_str()).unwrap();
    assert_eq!(of_alice["position"], at(1, 1));
    yjs.show(77, 2, &state_at(&yjs, 2)).await;
    let seen = socket.expect("doc.cursor").await;
    assert_eq!((&seen["user_id"], &seen["position"]), (&json!(alice.id), &at(0, 2)));
    assert_eq!(seen["color"], of_alice["color"]);
    // the other way
    let cursor = json!({"event_type": "doc.cursor", "document_id": "doc", "position": at(1, 0)});
    socket.send_json(&cursor).await;
    let shown = yjs.until_shown(|state| state["user"]["name"] == "bob").await;
    let own = state["participants"].as_array().unwrap().iter().find(|one| one["user_id"] == bob.id.as_str()).unwrap();
    assert_eq!(shown["user"]["color"], own["color"]);
    let before_two: Value = serde_json::from_str(&state_at(&yjs, 4)).unwrap();
    assert_eq!(shown["cursor"], before_two["cursor"]);
    // one who opens it later sees it as well
    let mut late = YjsEditor::connect(&alice, "doc").await;
    late.until_shown(|state| state["user"]["name"] == "bob").await;
    let (client, _, _) = yjs.awareness.last().cloned().unwrap();
    socket.close().await;
    yjs.until_state(client, "null").await;
    late.until_state(client, "null").await;
}

on_both! {
    async fn a_saved_version_goes_to_all(database) {
        let server = Server::on(database).await;
        let (alice, bob) = (server.user("alice").await, server.user("bob").await);
        let (mut first, _) = opened(&alice, "doc").await;
        edit(&mut first, insertion(0, 0, "draft")).await;
        let (mut second, _) = opened(&bob, "doc").await;
        first.expect("doc.open").await;
        for (number, name) in [(1, json!("First draft")), (2, Value::Null)] {
            let mut message = json!({"event_type": "doc.save", "document_id": "doc", "ref": "s"});
            if name != Value::Null {
                message["name"] = name.clone();
            }
            second.send_json(&message).await;
            let saved = second.expect("doc.save").await;
            assert_eq!((&saved["number"], saved.get("name").unwrap_or(&Value::Null)), (&json!(number), &name));
            assert_eq!(second.expect("ack").await["seq"], saved["seq"]);
            assert_eq!(first.expect("doc.save").await["number"], number);
        }
        // the numbers of saved versions are no versions of the text
        edit(&mut first, insertion(0, 5, "!")).await;
        assert_eq!(second.expect("doc.edit").await["changes"][0]["position"], at(0, 5));
    }
}

#[tokio::test]
async fn a_document_of_another_editor_is_shown_empty_and_refuses_edits() {
    let server = Server::start().await;
    let alice = server.user("alice").await;
    let mut yjs = YjsEditor::open(&alice, "doc").await;
    let update = {
        use yrs::{Text, Transact};
        let other = yjs.doc.get_or_insert_text("prosemirror");
        let mut transaction = yjs.doc.transact_mut();
        other.insert(&mut transaction, 0, "elsewhere");
        transaction.encode_update_v1()
    };
    yjs.send_update(&update).await;
    yjs.settle().await;
    let (mut socket, state) = opened(&alice, "doc").await;
    assert_eq!(state["content"], "");
    socket.send_json(&insertion(0, 0, "x")).await;
    socket.expect_error("CONFLICT").await;
}

#[tokio::test]
async fn a_document_leaves_memory_when_nobody_has_it_open() {
    let server = Server::start().await;
    let alice = server.user("alice").await;
    let rooms = async || alice.get("/api/ws/stats").await.expect(200)["rooms_active"].clone();
    let before = rooms().await;
    let (socket, _) = opened(&alice, "doc").await;
    assert_ne!(rooms().await, before);
    socket.close().await;
    eventually("the document to leave memory", DEADLINE * 5, || async { (rooms().await == before).then_some(()) })
        .await;
    let (_, state) = opened(&alice, "doc").await;
    assert_eq!(state["content"], "");
}

on_both! {
    async fn acknowledged_edits_survive_kill_9_and_retries_are_applied_once(database) {
        let mut server = Server::on(database).await;
        let alice = server.user("alice").await;
        let (mut sent, mut acknowledged) = (0_u32, 0_u32);
        let numbered = |number: u32| {
            with(with(insertion(0, 0, &format!("<{number}>")), "op_id", format!("op-{number}")), "ref", number)
        };
        for round in 0..4_u64 {
            let (mut socket, state) = opened(&alice, "doc").await;
            let content = state["content"].as_str().unwrap().to_owned();
            for number in 0..acknowledged {
                assert_eq!(content.matches(&format!("<{number}>")).count(), 1, "round {round}: {number} in {content}");
            }
            // whatever was not acknowledged is sent again
            let first = acknowledged;
            sent = sent.max(first) + 60;
            for number in first..sent {
                socket.send_json(&numbered(number)).await;
            }
            let until = first + 15 + u32::try_from(round).unwrap() * 10;
            while acknowledged < until {
                let ack = socket.expect("doc.edit").await;
                assert_eq!((&ack["ref"], &ack["ack"]), (&json!(acknowledged), &json!(true)));
                acknowledged += 1;
            }
            server.kill();
            server.restart().await;
        }
        let (mut socket, _) = opened(&alice, "doc").await;
        for number in acknowledged..sent {
            socket.send_json(&numbered(number)).await;
            assert_eq!(socket.expect("doc.edit").await["ref"], number);
        }
        let (_, state) = opened(&alice, "doc").await;
        let content = state["content"].as_str().unwrap();
        for number in 0..sent {
            assert_eq!(content.matches(&format!("<{number}>")).count(), 1, "{number} in {content}");
        }
    }
}
