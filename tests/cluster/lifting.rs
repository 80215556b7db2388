//! A block is visible on any node and lifted on all of them, including nodes that did not know about it.

use std::time::Duration;

use serde_json::json;

use crate::setting::{Setting, closed_with};
use crate::support::proxy::Line;
use crate::support::raw::RawSocket;
use crate::support::shape::number;
use crate::support::{Cluster, DEADLINE, User, eventually, token};

const PER_MINUTE: u64 = 5;

fn admin(setting: &Setting, node: usize) -> User {
    let token = token::for_admin("root-of-all", "root");
    User::with_token(setting.cluster.server(node).origin(), "root-of-all", "root", &token)
}

async fn status_at(setting: &Setting, node: usize) -> u16 {
    let authority = setting.cluster.server(node).authority();
    let path = format!("/ws/channel/{}?token={}", setting.channel, setting.alice.token);
    RawSocket::connect(authority).await.handshake(authority, &path, &[]).await.status
}

/// Alice continues until both nodes have blocked her.
async fn blocked() -> Setting {
    let cluster = Cluster::builder().env("WEBSOCKET_REQUESTS_PER_MINUTE", PER_MINUTE).start(2).await;
    let setting = Setting::of(cluster).await;
    let mut here = setting.alice.join(&setting.channel).await;
    let mut there = setting.cluster.at(1, &setting.alice).join(&setting.channel).await;
    for _ in 0..PER_MINUTE + 11 {
        here.say("on and on").await;
    }
    closed_with(&mut here, 4429).await;
    closed_with(&mut there, 4429).await;
    setting
}

#[tokio::test]
async fn any_node_lifts_a_block_on_all_nodes() {
    let setting = blocked().await;
    let limits = format!("/api/v1/ws/users/{}/limits", setting.alice.id);
    for node in [0, 1] {
        assert_eq!(status_at(&setting, node).await, 429);
        let standing = admin(&setting, node).get(&limits).await.expect(200);
        assert_eq!(number(&standing, "requests_last_minute"), PER_MINUTE, "node {node}: {standing}");
        assert!((14 * 60..=15 * 60).contains(&number(&standing, "retry_after")), "{standing}");
        let blocks = admin(&setting, node).get("/api/v1/ws/blocks").await.expect(200);
        assert_eq!(blocks["blocks"][0]["user_id"], json!(setting.alice.id), "node {node}");
    }
    let lift = format!("/api/v1/ws/users/{}/block", setting.alice.id);
    assert_eq!(admin(&setting, 1).delete(&lift).await.status, 204);
    assert_eq!(status_at(&setting, 1).await, 101, "at once where it was lifted");
    eventually("the way in on the other node", Duration::from_secs(2), || async {
        (status_at(&setting, 0).await == 101).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_node_that_was_deaf_learns_of_it() {
    let setting = blocked().await;
    assert_eq!(status_at(&setting, 0).await, 429);
    let deaf = &setting.cluster.nodes[0];
    deaf.redis.set(Line::Severed);
    setting.redis_status(0, "down").await;
    let lift = format!("/api/v1/ws/users/{}/block", setting.alice.id);
    assert_eq!(admin(&setting, 1).delete(&lift).await.status, 204);
    assert_eq!(status_at(&setting, 1).await, 101);
    assert_eq!(status_at(&setting, 0).await, 429, "it can't know yet");
    setting.cluster.heal_lines();
    eventually("that it knows", DEADLINE * 2, || async { (status_at(&setting, 0).await == 101).then_some(()) }).await;
}
