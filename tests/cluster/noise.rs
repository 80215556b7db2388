//! Foreign messages in our Redis channels are ignored.

use serde_json::json;

use crate::setting::{Setting, said};
use crate::support::random;

/// The largest message that Redis delivers to a subscriber by default without disconnecting it.
const HUGE_BYTES: usize = 4 * 1024 * 1024;

fn payloads() -> Vec<Vec<u8>> {
    let mut random = fastrand::Rng::with_seed(random::seed());
    let mut payloads: Vec<Vec<u8>> = (0..64)
        .map(|_| {
            let length = random.usize(0..400);
            (0..length).map(|_| random.u8(..)).collect()
        })
        .collect();
    let node = format!("{:016x}", random.u64(..));
    let texts = [
        String::new(),
        "{".to_owned(),
        "null".to_owned(),
        "[]".to_owned(),
        "{}".to_owned(),
        "[".repeat(100_000),
        json!({"v": 1}).to_string(),
        json!({"v": 1, "node": 7, "items": {}}).to_string(),
        json!({"v": "1", "node": node, "items": []}).to_string(),
        json!({"v": 1, "node": "not hex", "items": []}).to_string(),
        json!({"v": 1, "node": node, "items": [null, 1, "x", [], {}]}).to_string(),
        json!({"v": 1, "node": node, "items": [{"kind": "of another release", "x": 1}]}).to_string(),
        json!({"v": 1, "node": node, "items": [{"of_another_release": {"x": 1}}]}).to_string(),
        json!({"v": 2, "node": node, "items": "of another form"}).to_string(),
        json!({"v": 999, "node": {"new": true}}).to_string(),
        json!({"v": -1, "node": node, "items": []}).to_string(),
        json!({"v": 1e300, "node": node, "items": []}).to_string(),
        json!({"v": 1, "node": node, "items": ["x".repeat(HUGE_BYTES)]}).to_string(),
    ];
    payloads.extend(texts.map(String::into_bytes));
    payloads
}

#[tokio::test]
async fn garbage_in_redis_disturbs_nobody() {
    let setting = Setting::new().await;
    let (mut alice, mut bob) = setting.both().await;
    let channels = setting.cluster.redis.channels();
    for part in [":room:", ":user:", ":node:", ":nodes"] {
        assert!(channels.iter().any(|channel| channel.contains(part)), "nobody listens to '…{part}…': {channels:?}");
    }
    for payload in payloads() {
        for channel in &channels {
            assert!(setting.cluster.redis.publish(channel, &payload) > 0, "{channel} has lost its listener");
        }
    }
    for number in 0..10 {
        said(&format!("{number} of Alice"), &mut [&mut alice, &mut bob]).await;
        said(&format!("{number} of Bob"), &mut [&mut bob, &mut alice]).await;
    }
    for node in [0, 1] {
        setting.cluster.wait_ready(node, 200).await;
        let log = setting.cluster.server(node).log();
        assert!(!log.contains("panicked"), "{log}");
    }
}
