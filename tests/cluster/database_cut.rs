//! One node loses its database, the others do not.

use serde_json::json;

use crate::setting::{Setting, said};
use crate::support::rest::assert_error;
use crate::support::socket::Frame;
use crate::support::{DEADLINE, Line};

async fn a_node_without_its_database(line: Line) {
    let setting = Setting::new().await;
    let (mut alice, mut bob) = setting.both().await;
    said("before", &mut [&mut alice, &mut bob]).await;
    setting.cluster.nodes[0].database.set(line);
    alice.send_json(&json!({"type": "message", "content": "into the void", "ref": 1})).await;
    // A refusal after a few seconds: no request waits for ever, not even for a connection that has silently died.
    match alice.next_within(DEADLINE).await {
        Some(Frame::Json(error)) => assert_error(&error, "SERVICE_UNAVAILABLE"),
        other => panic!("a refusal, not {other:?}"),
    }
    let reason = setting.cluster.wait_ready(0, 503).await.to_lowercase();
    assert!(reason.contains("database"), "the reason should name the database: {reason}");
    // Messages that others store are still received there, typing works in both directions, and the other node is not
    // affected.
    said("from the other node", &mut [&mut bob, &mut alice]).await;
    alice.send_json(&json!({"type": "typing", "is_typing": true})).await;
    for socket in [&mut alice, &mut bob] {
        socket.expect("typing").await;
    }
    setting.cluster.wait_ready(1, 200).await;

    setting.cluster.nodes[0].database.set(Line::Open);
    setting.cluster.wait_ready(0, 200).await;
    // A stalled connection may still deliver the statement once it is open again; the refusal said that the outcome is
    // unknown.
    alice.send_json(&json!({"type": "message", "content": "healed"})).await;
    let mut late = 0;
    for socket in [&mut alice, &mut bob] {
        let mut seen = Vec::new();
        while seen.last().is_none_or(|content| *content != "healed") {
            seen.push(socket.expect("message").await["content"].clone());
        }
        late = seen.iter().filter(|content| **content == "into the void").count();
        assert!(late <= usize::from(matches!(line, Line::Stalled)), "{seen:?}");
    }
    let stored: Vec<_> = setting.bob.history(&setting.channel).await;
    let contents: Vec<_> = stored.iter().rev().map(|message| message["content"].clone()).collect();
    let certain: Vec<_> = contents.iter().filter(|content| **content != "into the void").cloned().collect();
    assert_eq!(certain, ["before", "from the other node", "healed"]);
    assert_eq!(contents.len() - certain.len(), late, "stored once if it was delivered, and else not at all");
}

#[tokio::test]
async fn a_severed_line_to_the_database_concerns_only_that_node() {
    a_node_without_its_database(Line::Severed).await;
}

#[tokio::test]
async fn a_stalled_line_to_the_database_concerns_only_that_node() {
    a_node_without_its_database(Line::Stalled).await;
}
