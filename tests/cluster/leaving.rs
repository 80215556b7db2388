//! The leave grace applies in the whole cluster (docs/protocol.md, "Leaving").

use std::time::{Duration, Instant};

use crate::setting::{Setting, join_knowing};
use crate::support::Cluster;
use crate::support::socket::Frame;

async fn with_grace(milliseconds: u32) -> Setting {
    Setting::of(Cluster::builder().env("LEAVE_GRACE_MS", milliseconds).start(2).await).await
}

#[tokio::test]
async fn whoever_comes_back_on_another_node_was_never_away() {
    let setting = with_grace(600_000).await;
    let (mut alice, bob) = setting.both().await;
    drop(bob);
    // Reconnects to Alice's node, and then to his own, each time within the grace period.
    for (round, node) in [0, 1, 0].into_iter().enumerate() {
        let bob_there = setting.bob.at(setting.cluster.server(node));
        let mut bob = join_knowing(&bob_there, &setting.channel, &[&setting.alice]).await;
        let content = format!("back {round}");
        bob.say(&content).await;
        // His node may receive what he said on the other one only after he has joined.
        while bob.expect("message").await["content"] != content {}
        alice.expect_message(&content).await;
        drop(bob);
    }
}

#[tokio::test]
async fn members_on_other_nodes_are_told_when_the_grace_is_over() {
    const GRACE: Duration = Duration::from_millis(500);
    let setting = with_grace(GRACE.as_millis() as u32).await;
    let (mut alice, bob) = setting.both().await;
    let began = Instant::now();
    drop(bob);
    assert_eq!(alice.expect("user_left").await["user_id"], setting.bob.id.as_str());
    assert!(began.elapsed() >= GRACE, "told after {:?}", began.elapsed());
    // An intentional leave is announced at once.
    let setting = with_grace(600_000).await;
    let (mut alice, bob) = setting.both().await;
    bob.close().await;
    assert_eq!(alice.expect("user_left").await["user_id"], setting.bob.id.as_str());
}

#[tokio::test]
async fn the_grace_of_a_dead_nodes_users_counts_from_its_last_sign_of_life() {
    let mut setting = with_grace(8_000).await;
    let (mut alice, _bob) = setting.both().await;
    setting.cluster.server_mut(1).kill();
    let killed = Instant::now();
    match alice.next_within(Duration::from_secs(12)).await {
        Some(Frame::Json(left)) => assert_eq!(left["type"], "user_left", "{left}"),
        other => panic!("Bob's grace should have ended, got {other:?}"),
    }
    let after = killed.elapsed();
    assert!(after >= Duration::from_millis(6_500), "told after {after:?}, when the node was found dead");
}
