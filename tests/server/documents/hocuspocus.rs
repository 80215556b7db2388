//! Editors of the protocol of @hocuspocus/provider: many documents on one socket, authentication by a message, and a status
//! for each update. Written after the protocol, not after the server.

use std::time::Duration;

use serde_json::json;
use tokio_tungstenite::tungstenite::Message;
use yrs::{Doc, GetString, StateVector, Text, Transact, Update, updates::decoder::Decode, updates::encoder::Encode};

use super::json::{edit, insertion, opened};
use crate::on_both;
use crate::support::document::{number, put_number, take};
use crate::support::socket::{Frame, Place};
use crate::support::{DEADLINE, Server, Socket, User, token};

/// A message of the server about a document.
#[derive(Clone, PartialEq, Debug)]
enum Said {
    Step1,
    Step2(Vec<u8>),
    Update(Vec<u8>),
    Awareness,
    Denied(String),
    Admitted(String),
    Status(u8),
}

struct Client {
    socket: Socket,
}

fn framed(document: &str, kinds: &[u8], body: &[u8]) -> Message {
    let mut bytes = Vec::new();
    put_number(document.len() as u64, &mut bytes);
    bytes.extend_from_slice(document.as_bytes());
    bytes.extend_from_slice(kinds);
    put_number(body.len() as u64, &mut bytes);
    bytes.extend_from_slice(body);
    Message::binary(bytes)
}

impl Client {
    async fn connect(server: &Server) -> Client {
        Client { socket: Socket::open(server.origin(), "/hocuspocus", "", Place::Query).await }
    }

    async fn authenticate(&mut self, document: &str, token: &str) {
        self.socket.send_frame(framed(document, &[2, 0], token.as_bytes())).await;
    }

    /// Opens a document; answers what the user may do.
    async fn open(&mut self, document: &str, user: &User) -> String {
        self.authenticate(document, &user.token).await;
        self.socket.send_frame(framed(document, &[0, 0], &StateVector::default().encode_v1())).await;
        self.admitted(document).await
    }

    async fn admitted(&mut self, document: &str) -> String {
        let scope = self.until(document, |said| match said {
            Said::Admitted(scope) => Some(scope),
            Said::Denied(why) => panic!("{document}: {why}"),
            _ => None,
        });
        scope.await
    }

    async fn next(&mut self) -> (String, Said) {
        match self.socket.next_within(DEADLINE).await {
            Some(Frame::Binary(bytes)) => {
                let mut bytes = bytes.as_ref();
                let document = String::from_utf8(take(&mut bytes)).unwrap();
                let said = match number(&mut bytes) {
                    0 => match number(&mut bytes) {
                        0 => Said::Step1,
                        1 => Said::Step2(take(&mut bytes)),
                        _ => Said::Update(take(&mut bytes)),
                    },
                    1 => Said::Awareness,
                    2 if number(&mut bytes) == 1 => Said::Denied(String::from_utf8(take(&mut bytes)).unwrap()),
                    2 => Said::Admitted(String::from_utf8(take(&mut bytes)).unwrap()),
                    8 => Said::Status(bytes[0]),
                    other => panic!("no message has the number {other}"),
                };
                (document, said)
            }
            other => panic!("expected a message about a document, got {other:?}"),
        }
    }

    async fn until<T>(&mut self, document: &str, meant: impl Fn(Said) -> Option<T>) -> T {
        loop {
            let (about, said) = self.next().await;
            if about == document
                && let Some(found) = meant(said)
            {
                return found;
            }
        }
    }

    async fn status(&mut self, document: &str) -> u8 {
        self.until(document, |said| if let Said::Status(applied) = said { Some(applied) } else { None }).await
    }

    async fn insert(&mut self, document: &str, text: &str) {
        let doc = Doc::new();
        let content = doc.get_or_insert_text("content");
        let mut transaction = doc.transact_mut();
        content.insert(&mut transaction, 0, text);
        let update = transaction.encode_update_v1();
        self.socket.send_frame(framed(document, &[0, 2], &update)).await;
    }
}

fn text_of(update: &[u8]) -> String {
    let doc = Doc::new();
    doc.transact_mut().apply_update(Update::decode_v1(update).unwrap()).unwrap();
    doc.get_or_insert_text("content").get_string(&doc.transact())
}

on_both! {
    async fn many_documents_are_edited_on_one_socket(database) {
        let mut server = Server::on(database).await;
        let (alice, bob) = (server.user("alice").await, server.user("bob").await);
        let mut client = Client::connect(&server).await;
        assert_eq!(client.open("one", &alice).await, "read-write");
        assert_eq!(client.open("two/a b", &alice).await, "read-write");
        client.insert("one", "first").await;
        client.insert("two/a b", "second").await;
        assert_eq!(client.status("two/a b").await, 1);
        // acknowledged means stored
        server.kill();
        server.restart().await;
        let mut other = Client::connect(&server).await;
        other.open("two/a b", &bob).await;
        other.socket.send_frame(framed("two/a b", &[0, 0], &StateVector::default().encode_v1())).await;
        let state = other.until("two/a b", |said| if let Said::Step2(update) = said { Some(update) } else { None }).await;
        assert_eq!(text_of(&state), "second");
        // what a JSON editor writes reaches the right document
        let (mut socket, _) = opened(&alice, "one").await;
        other.open("one", &bob).await;
        socket.expect("doc.open").await;
        let mut change = insertion(0, 0, "x");
        change["document_id"] = "one".into();
        edit(&mut socket, change).await;
        other.until("one", |said| if let Said::Update(_) = said { Some(()) } else { None }).await;
    }
}

#[tokio::test]
async fn a_token_must_come_and_must_be_the_same_users() {
    let server = Server::start().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let mut client = Client::connect(&server).await;
    client.authenticate("doc", "rubbish").await;
    assert!(matches!(client.next().await, (document, Said::Denied(_)) if document == "doc"));
    client.socket.expect_close(4401).await;
    let mut client = Client::connect(&server).await;
    client.open("doc", &alice).await;
    client.authenticate("other", &bob.token).await;
    client.until("other", |said| if let Said::Denied(why) = said { Some(why) } else { None }).await;
    // nothing else has happened to the socket
    client.insert("doc", "still").await;
    assert_eq!(client.status("doc").await, 1);
    // who sends none is closed
    let mut silent = Client::connect(&server).await;
    silent.socket.expect_close_within(4401, Duration::from_secs(20)).await;
}

#[tokio::test]
async fn each_document_is_opened_with_the_rights_of_its_own_token() {
    let server = Server::start().await;
    let alice = server.user("alice").await;
    let confined = |rooms: &[&str]| {
        let claims = json!({"sub": alice.id, "username": "alice", "exp": token::now() + 60, "rooms": rooms});
        token::sign(&claims, token::SECRET)
    };
    let mut client = Client::connect(&server).await;
    client.authenticate("notes_1", &confined(&["notes_*"])).await;
    client.admitted("notes_1").await;
    // the first token of the socket opens no plans, but that of the document does
    client.authenticate("plans_1", &confined(&["plans_*"])).await;
    client.admitted("plans_1").await;
    // and the first one does not open more notes for a token that may not
    client.authenticate("notes_2", &confined(&["plans_*"])).await;
    client.until("notes_2", |said| if let Said::Denied(why) = said { Some(why) } else { None }).await;
    client.authenticate("notes_2", &alice.token).await;
    client.admitted("notes_2").await;
}

#[tokio::test]
async fn a_socket_ends_with_the_token_that_expires_first() {
    let server = Server::start().await;
    let alice = server.user("alice").await;
    let mut client = Client::connect(&server).await;
    client.open("one", &alice).await;
    let claims = json!({"sub": alice.id, "username": "alice", "exp": token::now() + 2});
    client.authenticate("two", &token::sign(&claims, token::SECRET)).await;
    client.admitted("two").await;
    client.socket.expect_close_within(4401, DEADLINE).await;
}

#[tokio::test]
async fn a_revoked_token_opens_no_further_document() {
    let server = Server::start().await;
    let alice = server.user("alice").await;
    let root = User::with_token(server.origin(), "root", "root", &token::for_admin("root", "root"));
    root.post("/api/auth/revoke", json!({"user_id": alice.id})).await.expect(204);
    let again = User::login(server.origin(), "alice").await;
    let mut client = Client::connect(&server).await;
    client.open("one", &again).await;
    client.authenticate("two", &alice.token).await;
    client.until("two", |said| if let Said::Denied(why) = said { Some(why) } else { None }).await;
}

#[tokio::test]
async fn a_reader_is_told_that_updates_are_not_applied() {
    let server = Server::start().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    alice.post("/api/documents", json!({"document_id": "doc", "access": "view"})).await.expect(201);
    let mut reader = Client::connect(&server).await;
    assert_eq!(reader.open("doc", &bob).await, "readonly");
    reader.insert("doc", "ignored").await;
    assert_eq!(reader.status("doc").await, 0);
    assert_eq!(alice.get("/api/documents/doc").await.expect(200)["content"], "");
    // the right changes while it is open
    alice.patch("/api/documents/doc", json!({"access": "edit"})).await.expect(200);
    let scope = reader.until("doc", |said| if let Said::Admitted(scope) = said { Some(scope) } else { None });
    assert_eq!(scope.await, "read-write");
    reader.insert("doc", "stored").await;
    assert_eq!(reader.status("doc").await, 1);
    alice.post("/api/documents", json!({"document_id": "secret", "access": "private"})).await.expect(201);
    reader.authenticate("secret", &bob.token).await;
    reader.until("secret", |said| if let Said::Denied(why) = said { Some(why) } else { None }).await;
    alice.patch("/api/documents/doc", json!({"access": "private"})).await.expect(200);
    reader.until("doc", |said| if let Said::Denied(why) = said { Some(why) } else { None }).await;
}
