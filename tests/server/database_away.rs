//! The database becomes unavailable and returns: commands to be stored are refused with a reason, everything else
//! continues, and the server recovers by itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::load::{Acknowledged, Talker, assert_kept};
use crate::support::proxy::Proxy;
use crate::support::rest::get;
use crate::support::{DEADLINE, Line, Postgres, Server, Socket, User, eventually};
use crate::workspace::joined;

/// How long a message may wait for the database before it is refused ("a few seconds").
const PATIENCE: Duration = Duration::from_secs(10);

struct Setting {
    cluster: Postgres,
    server: Server,
    alice: User,
    bob: User,
    channel: String,
}

impl Setting {
    async fn new() -> Setting {
        let cluster = Postgres::private();
        let server = Server::builder().env("DATABASE_URL", cluster.create_database().await).start().await;
        let (alice, bob) = (server.user("alice").await, server.user("bob").await);
        let channel = alice.channel_with(&[&bob]).await;
        Setting { cluster, server, alice, bob, channel }
    }

    async fn wait_ready(&self, status: u16) {
        let url = self.server.url("/readyz");
        let what = format!("readiness {status}");
        eventually(&what, DEADLINE * 2, || async { (get(&url).await.status == status).then_some(()) }).await;
    }

    /// Checks what must hold while the database is unavailable, whatever the cause.
    async fn expect_outage(&self, sender: &mut Socket, receiver: &mut Socket) {
        let asked = Instant::now();
        sender.send_json(&json!({"type": "message", "content": "into the void", "ref": 1})).await;
        // Ephemeral events and pings do not wait for it.
        // Typing is stopped again, because it would otherwise end by itself during a long outage.
        for is_typing in [true, false] {
            sender.send_json(&json!({"type": "typing", "is_typing": is_typing})).await;
            receiver.expect("typing").await;
            receiver.expect_nothing_before_pong().await;
            sender.expect("typing").await;
        }
        let error = match sender.next_within(PATIENCE).await {
            Some(crate::support::socket::Frame::Json(frame)) => frame,
            other => panic!("a refusal within {PATIENCE:?}, not {other:?}"),
        };
        crate::support::rest::assert_error(&error, "SERVICE_UNAVAILABLE");
        assert_eq!(error["ref"], 1, "{error}");
        assert!(asked.elapsed() > Duration::from_secs(1), "it should have waited a little for the database");
        self.wait_ready(503).await;
        let reason = get(&self.server.url("/readyz")).await.text.to_lowercase();
        assert!(reason.contains("database"), "the reason should name the database: {reason}");
        get(&self.server.url("/healthz")).await.expect(200);
        let health_url = self.server.url("/api/v1/ws/health");
        eventually("degraded health", DEADLINE, || async {
            (get(&health_url).await.expect(200)["status"] == "degraded").then_some(())
        })
        .await;
        let refused = self.alice.get("/api/groups").await;
        assert_eq!(refused.status, 503, "REST says so, too: {}", refused.text);
    }

    /// Everything works again, on the sockets that stayed open.
    async fn expect_healed(&self, sender: &mut Socket, receiver: &mut Socket) {
        self.wait_ready(200).await;
        sender.say_acked("healed", "h").await;
        receiver.expect_message("healed").await;
        let health = get(&self.server.url("/api/v1/ws/health")).await.expect(200);
        assert_eq!(health["status"], "healthy", "{health}");
        self.bob.join(&self.channel).await;
    }
}

#[tokio::test]
async fn a_stopped_database_refuses_messages_and_heals() {
    let mut setting = Setting::new().await;
    let mut sender = setting.alice.join(&setting.channel).await;
    let mut receiver = setting.bob.join(&setting.channel).await;
    sender.expect("user_joined").await;
    sender.say_acked("before", "b").await;
    receiver.expect_message("before").await;

    setting.cluster.stop_at_once();
    setting.expect_outage(&mut sender, &mut receiver).await;
    setting.cluster.start().expect("PostgreSQL should recover");
    setting.expect_healed(&mut sender, &mut receiver).await;

    let history = setting.alice.history(&setting.channel).await;
    let contents: Vec<_> = history.iter().map(|message| message["content"].clone()).collect();
    assert_eq!(contents, ["healed", "before"], "what was refused is not there, what was acknowledged is");
}

#[tokio::test]
async fn a_frozen_database_refuses_messages_and_heals() {
    let setting = Setting::new().await;
    let mut sender = setting.alice.join(&setting.channel).await;
    let mut receiver = setting.bob.join(&setting.channel).await;
    sender.expect("user_joined").await;
    setting.cluster.freeze();
    setting.expect_outage(&mut sender, &mut receiver).await;
    setting.cluster.thaw();
    setting.expect_healed(&mut sender, &mut receiver).await;
}

#[tokio::test]
async fn connections_cut_in_the_middle_of_commits_are_not_noticed() {
    const CUTS: u64 = 8;
    let cluster = Postgres::private();
    let url = cluster.create_database().await;
    let server = Server::builder().env("DATABASE_URL", &url).start().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let channel = alice.channel_with(&[&bob]).await;
    let talkers = [Talker::start(alice.join(&channel).await, "alice"), Talker::start(bob.join(&channel).await, "bob")];
    for cut in 1..=CUTS {
        eventually("acknowledgements after a cut", DEADLINE * 2, || {
            let going = talkers.iter().all(|talker| talker.count() >= cut * 40);
            async move { going.then_some(()) }
        })
        .await;
        cluster.cut_connections(&url).await;
    }
    let enough = |talker: &Talker| talker.count() >= (CUTS + 1) * 40;
    let healed = || std::future::ready(talkers.iter().all(enough).then_some(()));
    eventually("acknowledgements after the last cut", DEADLINE * 2, healed).await;
    let mut acknowledged = Acknowledged::new();
    for talker in talkers {
        assert_eq!(talker.refused(), 0, "what was cut off is tried again, not refused");
        acknowledged.extend(talker.stop().await);
    }
    // A retried commit with an unknown outcome must not be stored twice.
    assert_kept(&alice, &channel, &acknowledged).await;
}

/// A server on its own PostgreSQL database, without rate limits.
async fn uncounted(url: &str) -> Server {
    Server::builder()
        .env("DATABASE_URL", url)
        .env("WEBSOCKET_REQUESTS_PER_MINUTE", 0)
        .env("WEBSOCKET_REQUESTS_PER_HOUR", 0)
        .start()
        .await
}

/// Writes the first cell of one new sheet after another without naming a room, until stopped. Nothing may be refused.
async fn begin_sheets(user: User, written: Arc<AtomicU64>, stopping: Arc<AtomicBool>) {
    let mut socket = joined(&user, "room").await;
    while !stopping.load(Ordering::Relaxed) {
        let sheet = format!("{} {}", user.username, written.load(Ordering::Relaxed));
        let update = json!({"type": "cell_update", "sheet_id": sheet, "cell_id": "A1", "value": 1, "ref": sheet});
        socket.send_json(&update).await;
        loop {
            let frame = match socket.next_within(DEADLINE * 2).await {
                Some(crate::support::socket::Frame::Json(frame)) => frame,
                other => panic!("an answer about {sheet}, not {other:?}"),
            };
            assert_ne!(frame["type"], "error", "what was cut off is tried again, not refused: {frame}");
            if frame["ref"] == sheet.as_str() {
                break;
            }
        }
        written.fetch_add(1, Ordering::Relaxed);
    }
}

#[tokio::test]
async fn the_rooms_of_new_sheets_are_found_although_connections_are_cut() {
    const CUTS: u64 = 10;
    let cluster = Postgres::private();
    let url = cluster.create_database().await;
    let server = uncounted(&url).await;
    let stopping = Arc::<AtomicBool>::default();
    let mut editors = Vec::new();
    for name in ["alice", "bob", "carol"] {
        let written = Arc::<AtomicU64>::default();
        let editing = begin_sheets(server.user(name).await, written.clone(), stopping.clone());
        editors.push((tokio::spawn(editing), written));
    }
    for cut in 1..=CUTS + 1 {
        eventually("cells after a cut", DEADLINE * 2, || {
            let going =
                editors.iter().all(|(task, written)| task.is_finished() || written.load(Ordering::Relaxed) >= cut * 15);
            async move { going.then_some(()) }
        })
        .await;
        if cut <= CUTS {
            cluster.cut_connections(&url).await;
        }
    }
    stopping.store(true, Ordering::Relaxed);
    for (task, _) in editors {
        task.await.expect("nothing was refused");
    }
}

/// Reads until this many updates have arrived in order. Returns how many acknowledgements arrived as well.
async fn told(socket: &mut Socket, seqs: std::ops::RangeInclusive<u64>) -> u64 {
    let (mut seq, mut acks) = (*seqs.start(), 0);
    while seqs.contains(&seq) {
        let frame = match socket.next_within(DEADLINE * 2).await {
            Some(crate::support::socket::Frame::Json(frame)) => frame,
            other => panic!("an update after {seq}, not {other:?}"),
        };
        match frame["type"].as_str() {
            Some("cells_updated") => {
                assert_eq!((&frame["seq"], frame["cells"].as_array().map(Vec::len)), (&json!(seq), Some(1_000)));
                seq += 1;
            }
            Some("ack") => acks += 1,
            _ => panic!("{frame}"),
        }
    }
    acks
}

#[tokio::test]
async fn what_waited_for_the_database_cuts_no_reader_when_it_comes_at_once() {
    const BEFORE: u64 = 2;
    const UPDATES: u64 = 20;
    let cluster = Postgres::private();
    let url = cluster.create_database().await;
    let server = uncounted(&url).await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let mut sender = joined(&alice, "room").await;
    let mut reader = joined(&bob, "room").await;
    sender.expect("room_state").await;
    let first = json!({"type": "cell_update", "sheet_id": "s", "cell_id": "A1", "value": 1});
    // The second message finds out which room the sheet belongs to, so that later ones need not query the database.
    for _ in 1..=BEFORE {
        sender.send_json(&first).await;
        for socket in [&mut sender, &mut reader] {
            socket.expect("cell_updated").await;
        }
    }
    let reading = tokio::spawn(async move {
        told(&mut reader, BEFORE + 1..=BEFORE + UPDATES).await;
        reader
    });
    let text = "x".repeat(32);
    let cells: Vec<_> = (1..=1_000).map(|row| json!({"cell_id": format!("B{row}"), "value": text})).collect();
    let update = json!({"type": "cells_update", "sheet_id": "s", "cells": cells, "ref": 1}).to_string();
    assert!((55 * 1024..64 * 1024).contains(&update.len()), "nearly the largest: {}", update.len());
    cluster.freeze();
    for _ in 0..UPDATES {
        sender.send_text(&update).await;
    }
    // All of it waits for the commit that hangs.
    sender.expect_nothing_before_pong().await;
    cluster.thaw();
    let acks = told(&mut sender, BEFORE + 1..=BEFORE + UPDATES).await;
    for _ in acks..UPDATES {
        sender.expect("ack").await;
    }
    let mut reader = reading.await.expect("everything arrives");
    for socket in [&mut sender, &mut reader] {
        socket.expect_nothing_before_pong().await;
    }
}

#[tokio::test]
async fn an_upgrade_without_a_database_is_refused_and_not_left_hanging() {
    let mut setting = Setting::new().await;
    setting.cluster.stop_at_once();
    let stranger_to_the_cache = setting.bob.id.clone();
    let path = format!("/ws/dm/{stranger_to_the_cache}?token={}", setting.alice.token);
    let mut raw = crate::support::raw::RawSocket::connect(setting.server.authority()).await;
    let answer = raw.handshake(setting.server.authority(), &path, &[]).await;
    assert_eq!(answer.status, 503, "{answer:?}");
    crate::support::rest::assert_error(&answer.json(), "SERVICE_UNAVAILABLE");
    setting.cluster.start().expect("PostgreSQL should recover");
    setting.wait_ready(200).await;
    setting.alice.connect_dm(&setting.bob).await.expect("connected").await;
}

#[tokio::test]
async fn a_message_of_unknown_outcome_that_was_stored_is_delivered_on_a_lone_node() {
    let cluster = Postgres::private();
    let url = cluster.create_database().await;
    let line = Proxy::to(cluster.port());
    let name = url.rsplit('/').next().expect("a database");
    let through = format!("postgres://convene@127.0.0.1:{}/{name}", line.port());
    let server = Server::builder().env("DATABASE_URL", through).start().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let channel = alice.channel_with(&[&bob]).await;
    let mut sender = alice.join(&channel).await;
    let mut receiver = bob.join(&channel).await;
    sender.expect("user_joined").await;
    sender.say_acked("before", "b").await;
    receiver.expect_message("before").await;
    line.set(Line::Uncommitted);
    sender.send_json(&json!({"type": "message", "content": "in doubt", "ref": 1})).await;
    // The message itself may arrive first: the log reconciler may run while the answer is still awaited.
    let error = eventually_error(&mut sender).await;
    crate::support::rest::assert_error(&error, "SERVICE_UNAVAILABLE");
    assert!(error["error"].as_str().unwrap_or_default().contains("may or may not"), "{error}");
    line.set(Line::Open);
    // Nobody sends anything more in this room, so the node must find the message by itself.
    let told = match receiver.next_within(DEADLINE * 2).await {
        Some(crate::support::socket::Frame::Json(frame)) => frame,
        other => panic!("the message that was stored, not {other:?}"),
    };
    assert_eq!((&told["type"], &told["content"], &told["seq"]), (&json!("message"), &json!("in doubt"), &json!(2)));
    assert_eq!(alice.history(&channel).await.len(), 2, "once");
}

/// The next error, skipping other frames.
async fn eventually_error(socket: &mut Socket) -> serde_json::Value {
    loop {
        match socket.next_within(PATIENCE * 2).await {
            Some(crate::support::socket::Frame::Json(frame)) if frame["type"] == "error" => return frame,
            Some(crate::support::socket::Frame::Json(_)) => {}
            other => panic!("an error, not {other:?}"),
        }
    }
}
