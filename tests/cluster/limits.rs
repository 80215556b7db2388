//! Limits per user apply across all nodes.

use std::time::Duration;

use serde_json::json;

use crate::setting::{Setting, closed_with};
use crate::support::raw::RawSocket;
use crate::support::rest::assert_error;
use crate::support::{Cluster, Socket, eventually};

#[tokio::test]
async fn the_oldest_of_too_many_sockets_goes_wherever_it_is() {
    let setting = Setting::new().await;
    let alice_there = setting.cluster.at(1, &setting.alice);
    let other_channel = setting.alice.channel_with(&[]).await;
    let mut oldest = setting.alice.join(&setting.channel).await;
    let mut others = Vec::new();
    // Ordered by milliseconds, whichever node they are on.
    for node in [&setting.alice, &alice_there, &setting.alice, &alice_there] {
        others.push(node.join(&other_channel).await);
    }
    oldest.expect_nothing_before_pong().await;
    others.push(alice_there.join(&other_channel).await);
    oldest.expect_close(4409).await;
    // The next oldest one, on this node again, is closed by a new socket on the other node.
    others.push(alice_there.join(&other_channel).await);
    closed_with(&mut others[0], 4409).await;
    for socket in &mut others[1..] {
        socket.send_json(&json!({"type": "ping"})).await;
        while socket.next_json().await["type"] != "pong" {}
    }
}

/// Sends a message and reads up to its answer. Returns whether it was refused.
async fn is_refused(socket: &mut Socket) -> bool {
    socket.send_json(&json!({"type": "message", "content": "hi", "ref": 1})).await;
    loop {
        let frame = socket.next_json().await;
        match frame["type"].as_str() {
            Some("ack") => return false,
            Some("error") => {
                assert_error(&frame, "RATE_LIMIT_EXCEEDED");
                return true;
            }
            _ => {}
        }
    }
}

#[tokio::test]
async fn a_block_on_one_node_holds_on_all() {
    const PER_MINUTE: u32 = 5;
    let cluster = Cluster::builder().env("WEBSOCKET_REQUESTS_PER_MINUTE", PER_MINUTE).start(2).await;
    let setting = Setting::of(cluster).await;
    let alice_there = setting.cluster.at(1, &setting.alice);
    let mut here = setting.alice.join(&setting.channel).await;
    let mut there = alice_there.join(&setting.channel).await;
    let mut bob = setting.bob.join(&setting.channel).await;
    for _ in 0..PER_MINUTE {
        assert!(!is_refused(&mut here).await, "within the limit");
    }
    for _ in 0..10 {
        assert!(is_refused(&mut here).await, "beyond the limit");
    }
    here.say("and on").await;
    closed_with(&mut here, 4429).await;
    closed_with(&mut there, 4429).await;
    for node in [0, 1] {
        let authority = setting.cluster.server(node).authority();
        let path = format!("/ws/channel/{}?token={}", setting.channel, setting.alice.token);
        let mut raw = RawSocket::connect(authority).await;
        let answer = raw.handshake(authority, &path, &[]).await;
        assert_eq!(answer.status, 429, "node {node}: {answer:?}");
        assert_error(&answer.json(), "RATE_LIMIT_EXCEEDED");
        let seconds: u64 = answer.header("retry-after").parse().expect("Retry-After in seconds");
        assert!((14 * 60..=15 * 60).contains(&seconds), "the block lasts fifteen minutes: {seconds}");
    }
    assert!(!is_refused(&mut bob).await, "others are not concerned");
}

#[tokio::test]
async fn requests_on_all_nodes_count_together() {
    let cluster = Cluster::builder().env("WEBSOCKET_REQUESTS_PER_MINUTE", 10).start(2).await;
    let setting = Setting::of(cluster).await;
    let mut here = setting.alice.join(&setting.channel).await;
    let mut there = setting.cluster.at(1, &setting.alice).join(&setting.channel).await;
    for _ in 0..5 {
        assert!(!is_refused(&mut here).await);
        assert!(!is_refused(&mut there).await);
    }
    // Usage on other nodes is published in the background, a few times a second. At that rate hardly any more messages
    // pass, whereas two independent nodes would accept ten.
    let mut pace = tokio::time::interval(Duration::from_millis(500));
    pace.tick().await;
    let mut beyond = 0;
    for socket in [&mut here, &mut there] {
        pace.tick().await;
        while !is_refused(socket).await {
            beyond += 1;
            assert!(beyond < 3, "the limit of 10 a minute is over both nodes");
            pace.tick().await;
        }
    }
}

#[tokio::test]
async fn the_limit_is_nearly_exact_though_nodes_are_asked_in_turn() {
    let cluster = Cluster::builder().env("WEBSOCKET_REQUESTS_PER_MINUTE", 60).start(2).await;
    let setting = Setting::of(cluster).await;
    let mut here = setting.alice.join(&setting.channel).await;
    let mut there = setting.cluster.at(1, &setting.alice).join(&setting.channel).await;
    let mut passed = 0;
    let mut refused_in_turn = 0;
    while refused_in_turn < 2 {
        let socket = if passed % 2 == 0 { &mut here } else { &mut there };
        match is_refused(socket).await {
            true => refused_in_turn += 1,
            false => (passed, refused_in_turn) = (passed + 1, 0),
        }
        assert!(passed <= 62, "two beyond the limit may be on their way between the nodes");
    }
    assert!(passed >= 60, "nothing is counted twice: {passed}");
}

#[tokio::test]
async fn refusals_on_all_nodes_lead_to_one_block() {
    let cluster = Cluster::builder().env("WEBSOCKET_REQUESTS_PER_MINUTE", 4).start(2).await;
    let setting = Setting::of(cluster).await;
    let mut here = setting.alice.join(&setting.channel).await;
    let mut there = setting.cluster.at(1, &setting.alice).join(&setting.channel).await;
    let ops = crate::support::User::with_token(
        setting.cluster.server(0).origin(),
        "root-of-all",
        "root",
        &crate::support::token::for_admin("root-of-all", "root"),
    );
    let path = format!("/api/v1/ws/users/{}/limits", setting.alice.id);
    let mut refused = 0;
    while refused < 10 {
        let socket = if refused % 2 == 0 { &mut here } else { &mut there };
        refused += u64::from(is_refused(socket).await);
        // The maximum of the nodes' counts: each node must know about all refusals.
        eventually("the refusals of both nodes", Duration::from_secs(5), || async {
            (ops.get(&path).await.expect(200)["refusals"] == refused).then_some(())
        })
        .await;
    }
    there.say("and on").await;
    closed_with(&mut there, 4429).await;
    closed_with(&mut here, 4429).await;
}

#[tokio::test]
async fn a_block_outlives_all_nodes() {
    let cluster = Cluster::builder().env("WEBSOCKET_REQUESTS_PER_MINUTE", 1).start(2).await;
    let mut setting = Setting::of(cluster).await;
    let mut here = setting.alice.join(&setting.channel).await;
    assert!(!is_refused(&mut here).await);
    for _ in 0..11 {
        here.say("and on").await;
    }
    closed_with(&mut here, 4429).await;
    let path = format!("/ws/channel/{}?token={}", setting.channel, setting.alice.token);
    let status_at = async |setting: &Setting, node: usize| {
        let authority = setting.cluster.server(node).authority().to_owned();
        RawSocket::connect(&authority).await.handshake(&authority, &path, &[]).await.status
    };
    eventually("the other node's refusal", Duration::from_secs(5), || async {
        (status_at(&setting, 1).await == 429).then_some(())
    })
    .await;
    for node in [0, 1] {
        setting.cluster.server_mut(node).terminate().await;
    }
    setting.cluster.server_mut(1).restart().await;
    assert_eq!(status_at(&setting, 1).await, 429, "it is stored");
}
