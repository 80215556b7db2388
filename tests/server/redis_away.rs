//! A node without Redis serves its own sockets and reports its state. It needs no restart when Redis becomes available,
//! fails, and returns.

use serde_json::json;

use crate::support::redis::Redis;
use crate::support::rest::get;
use crate::support::{DEADLINE, Server, eventually};

/// Waits for the readiness and the Redis state in health, which are at most 5 s old.
async fn wait_for(server: &Server, ready: u16, redis: &str, status: &str) {
    let what = format!("readiness {ready} and Redis {redis}");
    eventually(&what, DEADLINE, || async {
        let health = get(&server.url("/api/v1/ws/health")).await.expect(200);
        let told = health["redis"]["status"] == redis && health["status"] == status;
        (told && get(&server.url("/readyz")).await.status == ready).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_node_serves_without_its_redis_and_says_so() {
    let mut redis = Redis::away();
    let mut server = Server::builder().env("REDIS_URL", redis.url()).start().await;
    wait_for(&server, 503, "down", "degraded").await;
    let reason = get(&server.url("/readyz")).await.text;
    assert!(reason.contains("Redis"), "the reason should name Redis: {reason}");
    get(&server.url("/healthz")).await.expect(200);

    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let channel = alice.channel_with(&[&bob]).await;
    let mut receiver = bob.join(&channel).await;
    let mut sender = alice.join(&channel).await;
    receiver.expect("user_joined").await;
    sender.say_acked("before", "1").await;

    assert!(redis.start());
    wait_for(&server, 200, "ok", "healthy").await;
    sender.say_acked("while it is there", "2").await;

    redis.stop();
    wait_for(&server, 503, "down", "degraded").await;
    sender.say_acked("after", "3").await;
    for expected in ["before", "while it is there", "after"] {
        assert_eq!(receiver.expect("message").await["content"], json!(expected));
    }
    assert!(server.terminate().await.success());
}

#[tokio::test]
async fn a_node_with_redis_stops_with_a_last_word() {
    let redis = Redis::private();
    let mut server = Server::builder().env("REDIS_HOST", "127.0.0.1").env("REDIS_PORT", redis.port()).start().await;
    wait_for(&server, 200, "ok", "healthy").await;
    let metrics = get(&server.url("/metrics")).await.text;
    assert!(metrics.lines().any(|line| line == "convene_bridge_up 1"), "{metrics}");
    assert!(server.terminate().await.success());
    assert!(!server.log().contains("drain_step"), "{}", server.log());
}
