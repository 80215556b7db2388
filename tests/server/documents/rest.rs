//! Documents over REST: created, read, shared, saved, compared and restored; and rights that change while a document is open.

use serde_json::{Value, json};

use super::json::{edit, insertion, opened};
use crate::on_both;
use crate::support::document::{YjsMessage, parsed};
use crate::support::socket::Frame;
use crate::support::{DEADLINE, Server, User, YjsEditor, token};

/// An id that must be encoded in a path, and its encoding.
const ID: &str = "notes/ünder 100%?";
const ENCODED: &str = "notes%2F%C3%BCnder%20100%25%3F";

async fn set_role(owner: &User, document: &str, member: &User, role: &str) {
    let path = format!("/api/documents/{document}/members");
    let set = owner.post(&path, json!({"user_id": member.id, "role": role})).await.expect(200);
    assert_eq!((&set["user_id"], &set["role"]), (&json!(member.id), &json!(role)));
}

on_both! {
    async fn a_document_is_made_listed_and_shared(database) {
        let server = Server::on(database).await;
        let (alice, bob) = (server.user("alice").await, server.user("bob").await);
        let new = json!({"document_id": ID, "access": "private"});
        let made = alice.post("/api/documents", new.clone()).await.expect(201);
        assert_eq!((&made["document_id"], &made["owner_id"]), (&json!(ID), &json!(alice.id)));
        assert_eq!((&made["access"], &made["role"]), (&json!("private"), &json!("owner")));
        bob.post("/api/documents", new).await.expect_error(409, "CONFLICT");
        alice.post("/api/documents", json!({"document_id": "active"})).await.expect_error(400, "INVALID_MESSAGE");
        alice.post("/api/documents", json!({"document_id": "x", "access": "all"})).await.expect_error(400, "INVALID_MESSAGE");
        let path = format!("/api/documents/{ENCODED}");
        let read = alice.get(&path).await.expect(200);
        assert_eq!((&read["content"], &read["version"]), (&json!(""), &json!(0)));
        bob.get(&path).await.expect_error(403, "PERMISSION_DENIED");
        bob.get("/api/documents/none").await.expect_error(404, "ROOM_NOT_FOUND");
        bob.patch(&path, json!({"access": "edit"})).await.expect_error(403, "PERMISSION_DENIED");
        let members = format!("{path}/members");
        bob.get(&members).await.expect_error(403, "PERMISSION_DENIED");
        alice.post(&members, json!({"user_id": "nobody", "role": "viewer"})).await.expect_error(404, "USER_NOT_FOUND");
        alice.post(&members, json!({"user_id": bob.id, "role": "boss"})).await.expect_error(400, "INVALID_MESSAGE");
        alice.post(&members, json!({"user_id": alice.id, "role": "viewer"})).await.expect_error(409, "CONFLICT");
        for role in ["viewer", "commenter", "editor", "owner"] {
            set_role(&alice, ENCODED, &bob, role).await;
            assert_eq!(bob.get(&path).await.expect(200)["role"], role);
        }
        let listed = bob.get(&members).await.expect(200);
        let roles: Vec<_> = listed.as_array().unwrap().iter().map(|one| (one["username"].clone(), one["role"].clone())).collect();
        assert_eq!(roles, [(json!("alice"), json!("owner")), (json!("bob"), json!("owner"))]);
        // an owner manages it, too
        assert_eq!(bob.patch(&path, json!({"access": "view"})).await.expect(200)["access"], "view");
        alice.post("/api/documents", json!({"document_id": "another"})).await.expect(201);
        let mine = alice.get("/api/documents?limit=1").await.expect(200);
        assert_eq!((&mine["documents"][0]["document_id"], &mine["has_more"]), (&json!("another"), &json!(true)));
        let rest = alice.get("/api/documents?after=another").await.expect(200);
        assert_eq!((&rest["documents"][0]["document_id"], &rest["has_more"]), (&json!(ID), &json!(false)));
        assert_eq!(bob.get("/api/documents").await.expect(200)["documents"].as_array().unwrap().len(), 1);
        alice.delete(&format!("{members}/{}", bob.id)).await.expect(204);
        alice.delete(&format!("{members}/{}", bob.id)).await.expect_error(404, "NOT_FOUND");
        assert_eq!(bob.get(&path).await.expect(200)["role"], "viewer", "what everybody may do");
    }
}

on_both! {
    async fn versions_are_kept_read_compared_and_restored(database) {
        let server = Server::on(database).await;
        let (alice, bob) = (server.user("alice").await, server.user("bob").await);
        let (mut socket, _) = opened(&alice, "doc").await;
        edit(&mut socket, insertion(0, 0, "one\ntwo\nthree\n")).await;
        let versions = "/api/documents/doc/versions";
        let first = alice.post(versions, json!({"name": "First draft"})).await.expect(201);
        assert_eq!((&first["number"], &first["name"], &first["username"]), (&json!(1), &json!("First draft"), &json!("alice")));
        let told = socket.expect("doc.save").await;
        assert_eq!((&told["number"], &told["name"]), (&json!(1), &json!("First draft")));
        let change = json!({"event_type": "doc.edit", "document_id": "doc", "operation": "replace",
            "changes": [{"position": {"line": 1, "column": 0}, "length": 3, "text": "2"},
                        {"position": {"line": 3, "column": 0}, "length": 0, "text": "four\n"}]});
        edit(&mut socket, change).await;
        socket.send_json(&json!({"event_type": "doc.save", "document_id": "doc", "ref": "s"})).await;
        socket.expect("doc.save").await;
        socket.expect("ack").await;
        let listed = alice.get(versions).await.expect(200);
        let numbers: Vec<_> = listed["versions"].as_array().unwrap().iter().map(|one| one["number"].clone()).collect();
        assert_eq!((numbers, &listed["has_more"]), (vec![json!(2), json!(1)], &json!(false)));
        assert_eq!(alice.get(&format!("{versions}?before=2")).await.expect(200)["versions"][0], first);
        assert_eq!(alice.get(&format!("{versions}/1")).await.expect(200)["content"], "one\ntwo\nthree\n");
        alice.get(&format!("{versions}/3")).await.expect_error(404, "NOT_FOUND");
        let changes = json!({"changes": [
            {"position": {"line": 1, "column": 0}, "end": {"line": 1, "column": 3}, "text": "2"},
            {"position": {"line": 3, "column": 0}, "end": null, "text": "four\n"},
        ]});
        assert_eq!(alice.get(&format!("{versions}/1/changes?to=2")).await.expect(200), changes);
        assert_eq!(alice.get(&format!("{versions}/1/changes")).await.expect(200), changes);
        alice.get(&format!("{versions}/1/changes?to=7")).await.expect_error(404, "NOT_FOUND");
        let mut yjs = YjsEditor::open(&bob, "doc").await;
        socket.expect("doc.open").await;
        let restored = bob.post(&format!("{versions}/1/restore"), json!({})).await.expect(200);
        let seen = socket.expect("doc.edit").await;
        assert_eq!((&seen["version"], &seen["user_id"]), (&restored["version"], &json!(bob.id)));
        yjs.until_text("one\ntwo\nthree\n").await;
        assert_eq!(bob.post(&format!("{versions}/1/restore"), json!({})).await.expect(200)["version"], Value::Null);
        alice.patch("/api/documents/doc", json!({"access": "view"})).await.expect(200);
        bob.post(&format!("{versions}/2/restore"), json!({})).await.expect_error(403, "PERMISSION_DENIED");
        bob.post(versions, json!({})).await.expect_error(403, "PERMISSION_DENIED");
        assert_eq!(bob.get("/api/documents/doc").await.expect(200)["content"], "one\ntwo\nthree\n");
    }
}

#[tokio::test]
async fn who_has_a_document_open_can_be_asked() {
    let server = Server::start().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let (mut socket, _) = opened(&alice, "doc").await;
    edit(&mut socket, insertion(0, 0, "text")).await;
    let _yjs = YjsEditor::open(&bob, "doc").await;
    socket.expect("doc.open").await;
    let cursor =
        json!({"event_type": "doc.cursor", "document_id": "doc", "position": {"line": 0, "column": 2}, "ref": 1});
    socket.send_json(&cursor).await;
    socket.expect("ack").await;
    let session = bob.get("/api/documents/doc/session").await.expect(200);
    assert_eq!((&session["active"], &session["document_id"]), (&json!(true), &json!("doc")));
    let participants = session["participants"].as_array().unwrap();
    let of_alice = participants.iter().find(|one| one["user_id"] == alice.id.as_str()).unwrap();
    assert_eq!((&of_alice["username"], &of_alice["position"]["column"]), (&json!("alice"), &json!(2)));
    let of_bob = participants.iter().find(|one| one["user_id"] == bob.id.as_str()).unwrap();
    assert_ne!(of_alice["color"], of_bob["color"]);
    let active = bob.get("/api/documents/active").await.expect(200);
    assert_eq!((&active["count"], &active["documents"][0]["document_id"]), (&json!(1), &json!("doc")));
    assert_eq!(active["documents"][0]["participants"], 2);
    alice.patch("/api/documents/doc", json!({"access": "private"})).await.expect(200);
    assert_eq!(bob.get("/api/documents/active").await.expect(200)["count"], 0);
    bob.get("/api/documents/doc/session").await.expect_error(403, "PERMISSION_DENIED");
    bob.get("/api/documents/none/session").await.expect_error(404, "ROOM_NOT_FOUND");
    let claims = json!({"sub": bob.id, "username": "bob", "exp": token::now() + 60, "rooms": ["notes_*"]});
    let mut confined = bob.clone();
    confined.token = token::sign(&claims, token::SECRET);
    confined.get("/api/documents/active").await.expect_error(403, "PERMISSION_DENIED");
    confined.get("/api/documents/doc").await.expect_error(403, "PERMISSION_DENIED");
}

#[tokio::test]
async fn a_lost_right_counts_at_once_in_open_editors() {
    let server = Server::start().await;
    let (alice, bob, carol) = (server.user("alice").await, server.user("bob").await, server.user("carol").await);
    let (mut owner, _) = opened(&alice, "doc").await;
    let (mut socket, state) = opened(&bob, "doc").await;
    assert_eq!(state["role"], "editor");
    owner.expect("doc.open").await;
    let mut yjs = YjsEditor::open(&carol, "doc").await;
    owner.expect("doc.open").await;
    socket.expect("doc.open").await;
    set_role(&alice, "doc", &carol, "viewer").await;
    // the link still lets everybody edit
    yjs.edit(0, 0, "kept").await;
    owner.expect("doc.edit").await;
    socket.expect("doc.edit").await;
    alice.patch("/api/documents/doc", json!({"access": "comment"})).await.expect(200);
    loop {
        match yjs.socket.next_within(DEADLINE).await {
            Some(Frame::Binary(bytes)) => {
                if let YjsMessage::Denied(_) = parsed(&bytes) {
                    break;
                }
            }
            other => panic!("the editor should be told that it may not edit: {other:?}"),
        }
    }
    while let Some(frame) = yjs.socket.next_within(DEADLINE).await {
        if frame.is_close(4403) {
            break;
        }
    }
    socket.send_json(&insertion(0, 0, "lost")).await;
    assert_eq!(socket.read_until("error").await.pop().unwrap()["code"], "PERMISSION_DENIED");
    // as a commenter bob is still seen
    let cursor = json!({"event_type": "doc.cursor", "document_id": "doc", "position": {"line": 0, "column": 2}});
    socket.send_json(&cursor).await;
    owner.read_until("doc.cursor").await;
    // a reader of Yjs comes back, and what it sends is ignored
    let mut reader = YjsEditor::open(&carol, "doc").await;
    reader.edit(0, 0, "ignored").await;
    alice.patch("/api/documents/doc", json!({"access": "private"})).await.expect(200);
    let refused = socket.read_until("error").await.pop().unwrap();
    assert_eq!(refused["code"], "PERMISSION_DENIED");
    socket.send_json(&insertion(0, 0, "lost")).await;
    assert_eq!(socket.read_until("error").await.pop().unwrap()["code"], "NOT_IN_ROOM");
    assert_eq!(alice.get("/api/documents/doc").await.expect(200)["content"], "kept");
}
