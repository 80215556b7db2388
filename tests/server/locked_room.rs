//! Another session locks the database row of one room: only that room may be delayed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::postgres::Held;
use crate::support::rest::assert_error;
use crate::support::socket::Frame;
use crate::support::{DEADLINE, Postgres, Server, Socket, User, eventually};

/// How long the row stays locked.
const LOCKED: Duration = Duration::from_secs(10);
/// Rooms that must not be affected.
const OTHERS: usize = 6;
/// The limit for 99 % of their acknowledgements.
const QUICK: Duration = Duration::from_millis(100);
/// The assumed interval between messages of a client in another room.
const EVERY: Duration = Duration::from_millis(10);
/// Messages to the locked room in flight.
const INSISTING: usize = 8;

/// Sends messages, each when the previous one is acknowledged. Returns how long each took.
async fn talk(mut socket: Socket, stopping: Arc<AtomicBool>) -> Vec<Duration> {
    let mut took = Vec::new();
    while !stopping.load(Ordering::Relaxed) {
        let began = Instant::now();
        socket.send_json(&json!({"type": "message", "content": "quick", "ref": took.len()})).await;
        let answer = answer(&mut socket).await;
        assert_eq!(answer["type"], "ack", "nothing of other rooms is refused: {answer}");
        took.push(began.elapsed());
    }
    took
}

/// The next acknowledgement or error.
async fn answer(socket: &mut Socket) -> Value {
    loop {
        match socket.next_within(DEADLINE).await {
            Some(Frame::Json(frame)) if frame["type"] == "ack" || frame["type"] == "error" => return frame,
            Some(Frame::Json(_)) => {}
            other => panic!("an answer, not {other:?}"),
        }
    }
}

/// Keeps some messages to the locked room in flight until stopped, then waits for the last answers. Returns the stored
/// ones, and how many were refused.
async fn insist(mut socket: Socket, stopping: Arc<AtomicBool>) -> (Vec<String>, usize) {
    let (mut sent, mut refused, mut stored) = (0, 0, Vec::new());
    loop {
        while sent < refused + stored.len() + INSISTING && !stopping.load(Ordering::Relaxed) {
            let text = format!("insisting {sent}");
            socket.send_json(&json!({"type": "message", "content": text, "ref": text})).await;
            sent += 1;
        }
        if sent == refused + stored.len() {
            return (stored, refused);
        }
        let answer = answer(&mut socket).await;
        if answer["type"] == "ack" {
            stored.push(answer["ref"].as_str().expect("its own ref").to_owned());
        } else {
            assert_error(&answer, "SERVICE_UNAVAILABLE");
            let sentence = answer["error"].as_str().unwrap_or_default();
            assert!(!sentence.contains("may or may not"), "it is known that nothing was stored: {answer}");
            refused += 1;
        }
    }
}

/// The 99th percentile as seen by clients that send at a fixed interval, whether or not the previous answer has
/// arrived.
fn p99(took: &[Duration]) -> Duration {
    let mut seen = Vec::new();
    for took in took {
        let mut left = Some(*took);
        while let Some(wait) = left {
            seen.push(wait);
            left = wait.checked_sub(EVERY).filter(|left| !left.is_zero());
        }
    }
    seen.sort_unstable();
    seen[seen.len() * 99 / 100]
}

struct Setting {
    cluster: Postgres,
    url: String,
    server: Server,
    alice: User,
    locked: String,
}

impl Setting {
    async fn new() -> Setting {
        let cluster = Postgres::private();
        let url = cluster.create_database().await;
        let server = Server::builder()
            .env("DATABASE_URL", &url)
            .env("WEBSOCKET_REQUESTS_PER_MINUTE", 0)
            .env("WEBSOCKET_REQUESTS_PER_HOUR", 0)
            .start()
            .await;
        let alice = server.user("alice").await;
        let locked = alice.channel_with(&[]).await;
        Setting { cluster, url, server, alice, locked }
    }

    /// Locks the row, like a person at a prompt who forgets to end the transaction.
    async fn lock(&self) -> Held {
        let lock = format!("SELECT seq FROM rooms WHERE id = '{}' FOR UPDATE", self.locked);
        self.cluster.hold(&self.url, &lock).await
    }
}

#[tokio::test]
async fn a_locked_room_keeps_no_other_room_waiting() {
    let setting = Setting::new().await;
    let mut held = setting.alice.join(&setting.locked).await;
    held.say_acked("before", "b").await;
    let mut others = Vec::new();
    for name in 0..OTHERS {
        let user = setting.server.user(&format!("other{name}")).await;
        let channel = user.channel_with(&[]).await;
        others.push(user.join(&channel).await);
    }
    let lock = setting.lock().await;
    let (began, stopping) = (Instant::now(), Arc::<AtomicBool>::default());
    let insisting = tokio::spawn(insist(held, stopping.clone()));
    let talking: Vec<_> = others.into_iter().map(|socket| tokio::spawn(talk(socket, stopping.clone()))).collect();
    let long_enough = || std::future::ready((began.elapsed() >= LOCKED).then_some(()));
    eventually("ten seconds", LOCKED * 2, long_enough).await;
    stopping.store(true, Ordering::Relaxed);
    let mut took = Vec::new();
    for talker in talking {
        took.extend(talker.await.expect("nothing of the other rooms was refused"));
    }
    drop(lock);
    let (stored, refused) = insisting.await.expect("answers");
    let slow = p99(&took);
    println!("{} acknowledgements, p99 {slow:?}; locked room: {refused} refused", took.len());
    assert!(slow < QUICK, "p99 of {} acknowledgements: {slow:?}", took.len());
    assert!(refused >= INSISTING, "what waited too long is refused");
    assert!(!stored.is_empty(), "what waited when the lock went is stored");
    let history = setting.alice.history(&setting.locked).await;
    let kept = history.iter().rev().map(|message| message["content"].as_str().unwrap_or_default().to_owned());
    let told: Vec<String> = std::iter::once("before".to_owned()).chain(stored).collect();
    assert_eq!(kept.collect::<Vec<_>>(), told, "in order, and nothing that was refused");
}
