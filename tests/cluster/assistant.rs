//! An answer reaches its user on every node, and can be cancelled from any node.

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::Cluster;
use crate::support::provider::{Play, Provider};
use crate::support::socket::Frame;

/// Longer than an event takes between nodes.
const HEARD_WITHIN: Duration = Duration::from_millis(500);

#[tokio::test]
async fn an_answer_is_told_on_every_node_and_cancelled_from_any() {
    let provider = Provider::start(&[Play::Stalls(&["Once upon a time "])]).await;
    let cluster =
        Cluster::builder().env("AI_BASE_URL", provider.base_url()).env("AI_MODEL", "small-model").start(2).await;
    let [alice] = cluster.users(["alice"]).await;
    let mut here = alice.open("/api/v1/ws").await;
    let mut there = cluster.at(1, &alice).open("/api/v1/ws").await;
    // The second socket's subscription to its user's events may take a moment, so the test retries.
    let mut tries = 0;
    let request = loop {
        tries += 1;
        assert!(tries < 50, "the other node should hear of an answer");
        let request = format!("r{tries}");
        here.send_json(&json!({"type": "ai_request", "request_id": request, "query": "hello"})).await;
        if let Some(Frame::Json(frame)) = there.next_within(HEARD_WITHIN).await
            && frame["request_id"] == request
        {
            break request;
        }
        here.send_json(&json!({"type": "ai_cancel", "request_id": request})).await;
    };
    there.send_json(&json!({"type": "ai_cancel", "request_id": request, "ref": "stop"})).await;
    let is_end = |frame: &Value| frame["event_type"] == "ai_error" && frame["request_id"] == request;
    let mut frames: Vec<Value> = Vec::new();
    while !frames.iter().any(is_end) || !frames.iter().any(|frame| frame["type"] == "ack") {
        frames.push(there.next_json().await);
    }
    let end = frames.iter().find(|frame| is_end(frame)).expect("just seen");
    assert_eq!(end["data"]["code"], "AI_CANCELLED", "{end}");
    provider.nobody_there().await;
    there.send_json(&json!({"type": "ai_cancel", "request_id": request})).await;
    there.expect_error("NOT_FOUND").await;

    // A request name is local to a node; cancelling it cancels the requests of that name on all nodes.
    let both = json!({"type": "ai_request", "request_id": "both", "query": "hello"});
    let asked = provider.asked().len();
    here.send_json(&both).await;
    there.send_json(&both).await;
    provider.asked_times(asked + 2).await;
    there.send_json(&json!({"type": "ai_cancel", "request_id": "both"})).await;
    provider.nobody_there().await;
}
