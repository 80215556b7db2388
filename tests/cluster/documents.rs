//! One document on two nodes.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::setting::Setting;
use crate::support::document::YjsMessage;
use crate::support::socket::Frame;
use crate::support::{DEADLINE, Socket, User, YjsEditor, eventually};

/// The time within which the clients of a dead node must be gone.
const GONE_WITHIN: Duration = Duration::from_secs(10);

async fn opened(user: &User, document: &str) -> (Socket, Value) {
    let mut socket = user.nexus().await;
    socket.send_json(&json!({"event_type": "doc.open", "document_id": document})).await;
    let state = socket.expect("doc.open").await;
    (socket, state)
}

fn insertion(column: u32, text: &str) -> Value {
    json!({"event_type": "doc.edit", "document_id": "doc", "operation": "insert",
           "changes": [{"position": {"line": 0, "column": column}, "text": text}]})
}

#[tokio::test]
async fn yjs_editors_of_both_nodes_have_the_same_text_and_see_each_other() {
    let setting = Setting::new().await;
    let mut first = YjsEditor::open(&setting.alice, "doc").await;
    let mut second = YjsEditor::open(&setting.bob, "doc").await;
    for round in 0..20 {
        first.edit(0, 0, "a").await;
        second.edit(0, 0, "b").await;
        if round % 5 == 0 {
            first.settle().await;
            second.settle().await;
        }
    }
    while first.text().len() < 40 || second.text().len() < 40 {
        let editor = if first.text().len() < 40 { &mut first } else { &mut second };
        editor.next_within(DEADLINE).await.expect("the other node's updates");
    }
    assert_eq!(first.text(), second.text());
    first.show(11, 1, "{\"on\":1}").await;
    second.until_state(11, "{\"on\":1}").await;
    // one who opens it later on the other node learns it, too
    let mut late = YjsEditor::open(&setting.bob, "doc").await;
    late.until_state(11, "{\"on\":1}").await;
    drop(first);
    second.until_state(11, "null").await;
}

#[tokio::test]
async fn the_clients_of_a_dead_node_are_gone_within_ten_seconds() {
    let mut setting = Setting::new().await;
    let mut first = YjsEditor::open(&setting.alice, "doc").await;
    let mut second = YjsEditor::open(&setting.bob, "doc").await;
    second.show(22, 1, "{}").await;
    first.until_state(22, "{}").await;
    setting.cluster.server_mut(1).kill();
    let killed = Instant::now();
    while first.state_of(22) != Some("null") {
        let left = GONE_WITHIN.saturating_sub(killed.elapsed());
        first.next_within(left).await.expect("the client to go within ten seconds");
    }
}

#[tokio::test]
async fn a_version_is_the_same_text_on_both_nodes() {
    let setting = Setting::new().await;
    let (mut first, _) = opened(&setting.alice, "doc").await;
    let (mut second, state) = opened(&setting.bob, "doc").await;
    let colours: Vec<_> = state["participants"].as_array().unwrap().iter().map(|one| one["color"].clone()).collect();
    assert_eq!(colours.len(), 2, "{state}");
    assert_ne!(colours[0], colours[1]);
    assert_eq!(first.expect("doc.open").await["user_id"], json!(setting.bob.id));
    // both write at once, without waiting for each other
    for count in 0..15 {
        first.send_json(&insertion(count, "a")).await;
        second.send_json(&insertion(count, "b")).await;
    }
    let mut texts = [Vec::new(), Vec::new()];
    for (socket, seen) in [&mut first, &mut second].into_iter().zip(&mut texts) {
        let mut text = String::new();
        for _ in 0..30 {
            let frame = socket.expect("doc.edit").await;
            for change in frame["changes"].as_array().unwrap() {
                let at = usize::try_from(change["position"]["column"].as_u64().unwrap()).unwrap();
                text.insert_str(at, change["text"].as_str().unwrap());
            }
            seen.push((frame["version"].as_i64().unwrap(), text.clone()));
        }
    }
    assert_eq!(texts[0], texts[1], "version by version");
    let (_, state) = opened(&setting.bob, "doc").await;
    assert_eq!(state["content"], json!(texts[0].last().unwrap().1));
    let pointing = json!({"event_type": "doc.cursor", "document_id": "doc", "position": {"line": 0, "column": 3}});
    first.send_json(&pointing).await;
    assert_eq!(second.expect("doc.cursor").await["position"], json!({"line": 0, "column": 3}));
}

#[tokio::test]
async fn nodes_whose_redis_is_away_catch_up_from_the_log() {
    let mut setting = Setting::new().await;
    let mut first = YjsEditor::open(&setting.alice, "doc").await;
    let mut second = YjsEditor::open(&setting.bob, "doc").await;
    first.edit(0, 0, "before ").await;
    second.until_text("before ").await;
    setting.cluster.stop_redis();
    first.edit(7, 0, "during").await;
    second.until_text("before during").await;
    second.edit(0, 0, "and ").await;
    first.until_text("and before during").await;
    setting.cluster.start_redis();
    setting.cluster.all_ready().await;
    first.edit(17, 0, " after").await;
    second.until_text("and before during after").await;
}

#[tokio::test]
async fn a_lost_right_counts_on_the_other_node() {
    let setting = Setting::new().await;
    let (mut owner, _) = opened(&setting.alice, "doc").await;
    let (mut socket, state) = opened(&setting.bob, "doc").await;
    assert_eq!(state["role"], "editor");
    owner.expect("doc.open").await;
    let mut yjs = YjsEditor::open(&setting.bob, "doc").await;
    setting.alice.patch("/api/documents/doc", json!({"access": "comment"})).await.expect(200);
    loop {
        match yjs.socket.next_within(DEADLINE).await {
            Some(Frame::Binary(_)) => {}
            other => break assert!(other.as_ref().is_some_and(|frame| frame.is_close(4403)), "{other:?}"),
        }
    }
    socket.send_json(&insertion(0, "lost")).await;
    assert_eq!(socket.read_until("error").await.pop().unwrap()["code"], "PERMISSION_DENIED");
    setting.alice.patch("/api/documents/doc", json!({"access": "edit"})).await.expect(200);
    eventually("the right to be back", DEADLINE, || async {
        let session = setting.bob.get("/api/documents/doc").await.expect(200);
        (session["role"] == "editor").then_some(())
    })
    .await;
    let session = setting.bob.get("/api/documents/doc/session").await.expect(200);
    assert_eq!(session["participants"].as_array().unwrap().len(), 2, "of both nodes");
    setting.alice.patch("/api/documents/doc", json!({"access": "private"})).await.expect(200);
    assert_eq!(socket.read_until("error").await.pop().unwrap()["code"], "PERMISSION_DENIED");
    setting.bob.get("/api/documents/doc").await.expect_error(403, "PERMISSION_DENIED");
}

#[tokio::test]
async fn a_sync_answer_is_for_its_peer_alone() {
    let setting = Setting::new().await;
    let mut first = YjsEditor::open(&setting.alice, "doc").await;
    let mut second = YjsEditor::open(&setting.bob, "doc").await;
    let mut third = YjsEditor::open(&setting.alice, "doc").await;
    first.edit(0, 0, "text").await;
    second.until_text("text").await;
    third.until_text("text").await;
    // asks again and again; the others must not hear of it
    for _ in 0..5 {
        first.synchronise_again().await;
    }
    second.edit(4, 0, "!").await;
    for editor in [&mut second, &mut third] {
        while editor.text() != "text!" {
            match editor.next_within(DEADLINE).await {
                Some(YjsMessage::Step1(_) | YjsMessage::Step2(_)) => panic!("an answer for another peer"),
                Some(_) => {}
                None => panic!("the edit should come"),
            }
        }
    }
}
