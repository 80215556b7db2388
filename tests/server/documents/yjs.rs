//! Editors of the y-websocket protocol.

use std::time::Duration;

use serde_json::json;
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::on_both;
use crate::support::document::{YjsMessage, framed};
use crate::support::socket::Frame;
use crate::support::{DEADLINE, Server, YjsEditor, eventually, token};

on_both! {
    async fn editors_see_each_others_changes_and_newcomers_all_of_them(database) {
        let server = Server::on(database).await;
        let (alice, bob) = (server.user("alice").await, server.user("bob").await);
        let mut first = YjsEditor::open(&alice, "notes/2026").await;
        let mut second = YjsEditor::open(&bob, "notes/2026").await;
        first.edit(0, 0, "Hello").await;
        second.until_text("Hello").await;
        second.edit(5, 0, " 😀 world").await;
        first.until_text("Hello 😀 world").await;
        first.edit(0, 5, "Bye").await;
        second.until_text("Bye 😀 world").await;
        assert_eq!(YjsEditor::open(&alice, "notes%2F2026").await.text(), "Bye 😀 world");
        assert_eq!(YjsEditor::open(&alice, "other").await.text(), "");
    }
}

on_both! {
    async fn what_one_editor_has_received_survives_kill_9(database) {
        let mut server = Server::on(database).await;
        let (alice, bob) = (server.user("alice").await, server.user("bob").await);
        let mut writer = YjsEditor::open(&alice, "doc").await;
        let mut reader = YjsEditor::open(&bob, "doc").await;
        for round in 0..3 {
            for at in 0..40 {
                writer.edit(at, 0, "x").await;
            }
            // relayed means stored: whatever the reader has is in the log
            while reader.text().len() < (round + 1) * 20 {
                reader.next().await;
            }
            server.kill();
            let seen = reader.text();
            server.restart().await;
            let again = YjsEditor::open(&bob, "doc").await;
            assert!(again.text().len() >= seen.len(), "{} < {}", again.text().len(), seen.len());
            // the writer sends the rest again
            writer.reconnect(&alice, "doc").await;
            reader.reconnect(&bob, "doc").await;
            let text = writer.text();
            reader.until_text(&text).await;
        }
    }
}

#[tokio::test]
async fn what_was_written_offline_is_sent_when_the_editor_returns() {
    let server = Server::start().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let mut first = YjsEditor::open(&alice, "doc").await;
    let mut second = YjsEditor::open(&bob, "doc").await;
    first.edit(0, 0, "shared ").await;
    second.until_text("shared ").await;
    first.replace(7, 0, "offline");
    second.edit(0, 0, "and ").await;
    second.settle().await;
    first.reconnect(&alice, "doc").await;
    first.until_text("and shared offline").await;
    second.until_text("and shared offline").await;
    // an editor that has nothing new changes nothing
    let before = alice.get("/api/v1/ws/health").await.expect(200);
    assert_eq!(before["status"], "healthy");
    first.reconnect(&alice, "doc").await;
    first.settle().await;
    assert_eq!(second.next_within(Duration::from_millis(200)).await, None, "nothing was stored again");
}

#[tokio::test]
async fn awareness_reaches_everybody_and_ends_with_the_socket() {
    let server = Server::start().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let mut first = YjsEditor::open(&alice, "doc").await;
    let mut second = YjsEditor::open(&bob, "doc").await;
    first.show(11, 1, r#"{"user":{"name":"Ann"}}"#).await;
    // the client waits for its own state, too
    first.until_state(11, r#"{"user":{"name":"Ann"}}"#).await;
    second.until_state(11, r#"{"user":{"name":"Ann"}}"#).await;
    // a newcomer learns it with the first messages
    let mut late = YjsEditor::open(&bob, "doc").await;
    late.until_state(11, r#"{"user":{"name":"Ann"}}"#).await;
    // nobody may speak for the client of another user
    second.show(11, 5, "null").await;
    second.show(12, 1, "{}").await;
    late.until_state(12, "{}").await;
    assert_ne!(late.state_of(11), Some("null"));
    // the socket breaks off without a close
    drop(first);
    second.until_state(11, "null").await;
    late.until_state(11, "null").await;
    // the client returns with the clock that it had, and is seen at once
    let mut again = YjsEditor::open(&alice, "doc").await;
    again.show(11, 1, r#"{"back":true}"#).await;
    second.until_state(11, r#"{"back":true}"#).await;
    let clocks: Vec<u64> = second.awareness.iter().filter(|(id, _, _)| *id == 11).map(|(_, clock, _)| *clock).collect();
    assert!(clocks.last() > clocks.first(), "others would ignore an old clock: {clocks:?}");
}

#[tokio::test]
async fn malformed_messages_close_their_socket_and_change_nothing() {
    let server = Server::start().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let mut witness = YjsEditor::open(&bob, "doc").await;
    witness.edit(0, 0, "whole").await;
    witness.settle().await;
    let bad = [
        Message::binary(&b"\x00\x02\xff\xff\xff\xff\x0f"[..]),
        Message::binary(&b"\x07"[..]),
        Message::text("{\"type\":\"ping\"}"),
        framed(&[0, 2], b"rubbish"),
        framed(&[0, 2], &[0, 1, 7, 1, 255, 255, 255, 255, 255, 255, 255, 63, 1]),
        framed(&[0, 0], &[255, 255, 255, 255, 15]),
        framed(&[1], &[200, 1]),
    ];
    for message in bad {
        let mut socket = YjsEditor::open(&alice, "doc").await.socket;
        socket.send_frame(message.clone()).await;
        loop {
            match socket.next_within(DEADLINE).await {
                Some(Frame::Binary(_)) => {}
                Some(Frame::Close(Some((1003, _)))) => break,
                other => panic!("{message:?} should close the socket with 1003: {other:?}"),
            }
        }
    }
    witness.settle().await;
    assert_eq!(witness.text(), "whole");
    assert_eq!(YjsEditor::open(&alice, "doc").await.text(), "whole");
}

#[tokio::test]
async fn an_update_whose_predecessor_is_missing_is_asked_for_again() {
    let server = Server::start().await;
    let alice = server.user("alice").await;
    let mut editor = YjsEditor::open(&alice, "doc").await;
    editor.replace(0, 0, "lost ");
    editor.edit(5, 0, "sent").await;
    // the server says what it has, and the editor sends what is missing
    while !matches!(editor.next().await, YjsMessage::Step1(_)) {}
    editor.settle().await;
    assert_eq!(YjsEditor::open(&alice, "doc").await.text(), "lost sent");
}

#[tokio::test]
async fn a_document_needs_a_token_that_permits_it() {
    let server = Server::start().await;
    let alice = server.user("alice").await;
    let status = |outcome: Result<YjsEditor, Error>| match outcome {
        Err(Error::Http(response)) => response.status().as_u16(),
        Ok(_) => 101,
        Err(other) => panic!("{other}"),
    };
    let mut nobody = alice.clone();
    nobody.token = "rubbish".into();
    assert_eq!(status(YjsEditor::try_connect(&nobody, "doc").await), 401);
    let mut confined = alice.clone();
    let claims = json!({"sub": alice.id, "username": "alice", "exp": token::now() + 60, "rooms": ["notes_*"]});
    confined.token = token::sign(&claims, token::SECRET);
    assert_eq!(status(YjsEditor::try_connect(&confined, "doc").await), 403);
    assert_eq!(status(YjsEditor::try_connect(&confined, "notes_1").await), 101);
}

#[tokio::test]
async fn document_sockets_are_counted_apart() {
    let server =
        Server::builder().env("MAX_CONNECTIONS_PER_USER", 1).env("MAX_DOCUMENT_CONNECTIONS_PER_USER", 2).start().await;
    let alice = server.user("alice").await;
    let mut nexus = alice.nexus().await;
    let mut oldest = YjsEditor::open(&alice, "one").await;
    let mut second = YjsEditor::open(&alice, "two").await;
    second.settle().await;
    nexus.expect_nothing_before_pong().await;
    let mut third = YjsEditor::open(&alice, "three").await;
    loop {
        match oldest.socket.next_within(DEADLINE).await {
            Some(Frame::Binary(_)) => {}
            other => break assert!(other.as_ref().is_some_and(|frame| frame.is_close(4409)), "{other:?}"),
        }
    }
    second.settle().await;
    third.settle().await;
    nexus.send_json(&json!({"event_type": "ping"})).await;
    nexus.expect("pong").await;
}

on_both! {
    async fn a_long_history_is_stored_as_a_state_and_opens_again(database) {
        let mut server = Server::builder().database(database).env("MAX_CACHE_SIZE", 100).env("RUST_LOG", "debug").start().await;
        let alice = server.user("alice").await;
        let mut writer = YjsEditor::open(&alice, "doc").await;
        for round in 0..4 {
            for at in 0..300 {
                writer.edit(round * 300 + at, 0, "y").await;
            }
            writer.settle().await;
        }
        let text = writer.text();
        assert_eq!(text.len(), 1200);
        let late = YjsEditor::open(&alice, "doc").await;
        assert_eq!(late.text(), text);
        eventually("the state to be stored", DEADLINE, || async {
            server.log().contains("event=document_saved").then_some(())
        })
        .await;
        server.kill();
        server.restart().await;
        assert_eq!(YjsEditor::open(&alice, "doc").await.text(), text);
        writer.reconnect(&alice, "doc").await;
        writer.edit(0, 1200, "short").await;
        writer.settle().await;
        assert_eq!(YjsEditor::open(&alice, "doc").await.text(), "short");
    }
}
