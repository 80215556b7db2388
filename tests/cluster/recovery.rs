//! `since` works on a different node.

use serde_json::{Value, json};

use crate::setting::{Setting, epoch_of};
use crate::support::postgres::Held;
use crate::support::shape::number;
use crate::support::{Cluster, DEADLINE, Line, Postgres, Socket, User, eventually};

/// Reconnects to the user's node. Returns the socket, the replayed seqs, and the `recovered` frame.
async fn come_back(user: &User, channel: &str, since: u64, epoch: &str) -> (Socket, Vec<u64>, Value) {
    let mut socket = user.resume(channel, since, epoch).await;
    socket.expect("online_users").await;
    let mut missed = Vec::new();
    loop {
        let frame = socket.next_json().await;
        match frame["type"].as_str() {
            Some("recovered") => return (socket, missed, frame),
            Some("message") => missed.push(number(&frame, "seq")),
            // Presence events of others may come before or after.
            Some("user_joined" | "user_left") => {}
            _ => panic!("unexpected before `recovered`: {frame}"),
        }
    }
}

async fn say_many(socket: &mut Socket, numbers: std::ops::RangeInclusive<u64>) {
    for number in numbers {
        let content = format!("message {number}");
        socket.send_json(&json!({"type": "message", "content": content, "ref": number})).await;
        while socket.next_json().await["type"] != "ack" {}
    }
}

#[tokio::test]
async fn a_client_resumes_on_another_node() {
    let setting = Setting::new().await;
    let epoch = epoch_of(&setting.alice, &setting.channel).await;
    let mut alice = setting.alice.join(&setting.channel).await;
    say_many(&mut alice, 1..=6).await;
    // This node did not know the room until now.
    let (mut bob, missed, recovered) = come_back(&setting.bob, &setting.channel, 2, &epoch).await;
    assert_eq!(missed, [3, 4, 5, 6]);
    assert_eq!(recovered, json!({"type": "recovered", "room_id": setting.channel, "seq": 6, "complete": true}));
    say_many(&mut alice, 7..=7).await;
    while bob.next_json().await["seq"] != 7 {}
    // And back to the first node.
    let bob_here = setting.bob.at(setting.cluster.server(0));
    let (_, missed, recovered) = come_back(&bob_here, &setting.channel, 5, &epoch).await;
    assert_eq!((missed, &recovered["complete"]), (vec![6, 7], &json!(true)));
}

#[tokio::test]
async fn a_client_resumes_on_another_node_after_kill_9() {
    let mut setting = Setting::new().await;
    let epoch = epoch_of(&setting.alice, &setting.channel).await;
    let (mut alice, mut bob) = setting.both().await;
    say_many(&mut bob, 1..=5).await;
    setting.cluster.server_mut(1).kill();
    drop(bob);
    say_many(&mut alice, 6..=8).await;
    let bob_here = setting.bob.at(setting.cluster.server(0));
    let (mut back, mut heard, recovered) = come_back(&bob_here, &setting.channel, 3, &epoch).await;
    assert_eq!(recovered["complete"], true, "{recovered}");
    // Messages that the dead node stored but did not publish are a gap, which may be filled a moment later; the rest
    // then arrives live.
    assert_eq!(recovered["seq"], 3 + heard.len(), "{recovered} after {heard:?}");
    while heard.len() < 5 {
        heard.push(number(&back.expect("message").await, "seq"));
    }
    assert_eq!(heard, [4, 5, 6, 7, 8]);
    setting.cluster.server_mut(1).restart().await;
    let (_, missed, recovered) = come_back(&setting.bob, &setting.channel, 7, &epoch).await;
    assert_eq!((missed, &recovered["complete"]), (vec![8], &json!(true)));
}

#[tokio::test]
async fn what_was_just_acknowledged_elsewhere_is_no_future() {
    const ROUNDS: u64 = 40;
    let setting = Setting::new().await;
    let epoch = epoch_of(&setting.alice, &setting.channel).await;
    // Bob keeps the room in use on his node, so that it has its own head, which may lag behind.
    let (mut alice, _bob) = setting.both().await;
    let alice_there = setting.alice.at(setting.cluster.server(1));
    for round in 1..=ROUNDS {
        say_many(&mut alice, round..=round).await;
        let (socket, missed, recovered) = come_back(&alice_there, &setting.channel, round, &epoch).await;
        assert_eq!((missed, &recovered["seq"]), (vec![], &json!(round)), "{recovered}");
        assert_eq!(recovered["complete"], true, "round {round}: {recovered}");
        socket.close().await;
    }
}

/// Locks the log of all rooms: its head can be read, but its events cannot.
async fn locked_log(cluster: &Cluster) -> Held {
    Postgres::shared().hold(cluster.database_url(), "LOCK TABLE room_events IN ACCESS EXCLUSIVE MODE").await
}

async fn somebody_waits_for_the_lock(cluster: &Cluster) {
    let waiting =
        "SELECT pid::text FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    eventually("a read that waits for the lock", DEADLINE, || async {
        Postgres::shared().query_text(cluster.database_url(), waiting).await
    })
    .await;
}

#[tokio::test]
async fn a_database_that_breaks_off_while_the_log_is_read_is_asked_again() {
    const SAID: u64 = 40;
    let cluster = Cluster::start(1).await;
    let [alice, bob] = cluster.users(["alice", "bob"]).await;
    let channel = alice.channel_with(&[&bob]).await;
    let epoch = epoch_of(&bob, &channel).await;
    let mut socket = alice.join(&channel).await;
    for number in 1..=SAID {
        // More than the in-memory history holds.
        let content = "x".repeat(9_000);
        socket.send_json(&json!({"type": "message", "content": content, "ref": number})).await;
        while socket.next_json().await["type"] != "ack" {}
    }
    let held = locked_log(&cluster).await;
    let returning = {
        let (bob, channel, epoch) = (bob.clone(), channel.clone(), epoch.clone());
        tokio::spawn(async move { come_back(&bob, &channel, 0, &epoch).await })
    };
    somebody_waits_for_the_lock(&cluster).await;
    cluster.nodes[0].database.set(Line::Severed);
    drop(held);
    cluster.nodes[0].database.set(Line::Open);
    let (_socket, missed, recovered) = returning.await.expect("Bob comes back");
    assert_eq!((missed, &recovered["complete"]), ((1..=SAID).collect(), &json!(true)), "{recovered}");
}
