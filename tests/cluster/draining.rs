//! A node is drained under load; only its own clients notice.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::load::{Acknowledged, Talker, assert_kept};
use crate::setting::{Setting, epoch_of, join_knowing};
use crate::support::shape::{number, text};
use crate::support::socket::Frame;
use crate::support::{Cluster, DEADLINE, Socket, eventually};

/// Long enough to observe that the node still serves while it is not ready.
const SHUTDOWN_DELAY_MS: u64 = 2_000;
const RECONNECT_SPREAD_MS: u64 = 2_000;
/// Users who do not reconnect are announced as left shortly after the spread.
const LEFT_WITHIN: Duration = Duration::from_secs(30);

/// Reads until the restart announcement and the close. Returns the reconnect delay.
async fn told_to_return(mut socket: Socket) -> u64 {
    loop {
        let frame = socket.next_json().await;
        match frame["type"].as_str() {
            Some("server_restarting") => {
                socket.expect_close(1012).await;
                return number(&frame, "reconnect_in_ms");
            }
            Some("message" | "ack" | "user_joined") => {}
            _ => panic!("unexpected before the restart: {frame}"),
        }
    }
}

/// Reads until that user has left. Returns all joins and leaves, in order.
async fn comings_and_goings(mut socket: Socket, last_to_leave: String) -> Vec<(Value, Value)> {
    let mut told = Vec::new();
    let begun = Instant::now();
    while begun.elapsed() < LEFT_WITHIN {
        match socket.next_within(LEFT_WITHIN).await {
            Some(Frame::Json(frame)) if frame["type"] == "message" => {}
            Some(Frame::Json(frame)) => {
                told.push((frame["type"].clone(), frame["user_id"].clone()));
                if frame["type"] == "user_left" && frame["user_id"] == last_to_leave.as_str() {
                    return told;
                }
            }
            other => panic!("a member of the other node is not disturbed, but: {other:?}"),
        }
    }
    panic!("{last_to_leave} never came back and was not told as left within {LEFT_WITHIN:?}; told: {told:?}");
}

#[tokio::test]
async fn a_node_that_is_taken_out_loses_nothing_and_makes_no_noise() {
    let cluster = Cluster::builder()
        .env("SHUTDOWN_DELAY_MS", SHUTDOWN_DELAY_MS)
        .env("RECONNECT_SPREAD_MS", RECONNECT_SPREAD_MS)
        .start(2)
        .await;
    let mut setting = Setting::of(cluster).await;
    let (carol, dora) = (setting.guest("carol").await, setting.guest("dora").await);
    let (carol_there, dora_there) = (setting.cluster.at(1, &carol), setting.cluster.at(1, &dora));
    let channel = setting.channel.clone();
    let mut watcher = setting.alice.join(&channel).await;
    let epoch = epoch_of(&setting.alice, &channel).await;
    let bob = join_knowing(&setting.bob, &channel, &[&setting.alice]).await;
    let talking = join_knowing(&carol_there, &channel, &[&setting.alice]).await;
    let absent = join_knowing(&dora_there, &channel, &[&setting.alice]).await;
    let everybody = BTreeSet::from([setting.bob.id.clone(), carol.id.clone(), dora.id.clone()]);
    let mut joined = BTreeSet::new();
    while joined != everybody {
        joined.insert(text(&watcher.expect("user_joined").await, "user_id"));
    }
    let watching = tokio::spawn(comings_and_goings(watcher, dora.id.clone()));
    // Both read continuously, because the talker would fill the send buffer of a socket that nobody reads.
    let [bob, absent] = [bob, absent].map(|socket| tokio::spawn(told_to_return(socket)));
    let talker = Talker::start(talking, "carol");
    eventually("load", DEADLINE, || std::future::ready((talker.count() >= 100).then_some(()))).await;

    let asked = Instant::now();
    setting.cluster.server(1).request_stop();
    setting.cluster.wait_ready(1, 503).await;
    // Balancers have time to notice: the sockets still work.
    let before = talker.count();
    eventually("acknowledgements while readiness is red", DEADLINE, || {
        std::future::ready((talker.count() >= before + 20).then_some(()))
    })
    .await;
    assert!(asked.elapsed() < Duration::from_millis(SHUTDOWN_DELAY_MS), "too slow to show anything");
    let delay_ms = bob.await.expect("Bob is told to return");
    assert!(asked.elapsed() >= Duration::from_millis(SHUTDOWN_DELAY_MS), "told only after {SHUTDOWN_DELAY_MS} ms");
    assert!(delay_ms <= RECONNECT_SPREAD_MS, "{delay_ms}");
    absent.await.expect("Dora is told to return");
    let acknowledged: Acknowledged = talker.finish().await;
    let _carol_is_back = setting.cluster.at(0, &carol).join(&channel).await;

    tokio::time::sleep(Duration::from_millis(delay_ms)).await;
    let mut back = setting.cluster.at(0, &setting.bob).resume(&channel, 0, &epoch).await;
    let replay = back.read_until("recovered").await;
    assert!(replay.len() > 1 && replay.last().is_some_and(|frame| frame["seq"].is_u64()), "{replay:?}");
    assert_eq!(setting.cluster.server_mut(1).ended().await.code(), Some(0), "{}", setting.cluster.server(1).log());
    assert_kept(&setting.alice, &channel, &acknowledged).await;
    let told = watching.await.expect("the watcher met no surprise");
    assert_eq!(told, [(json!("user_left"), json!(dora.id))], "only who did not come back is news");
}
