//! A client that sends numbered messages as fast as its window allows and records what was acknowledged.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio_tungstenite::tungstenite::Message;

use crate::support::shape::{number, text};
use crate::support::socket::Frame;
use crate::support::{Socket, User};

/// Messages in flight per talker.
const WINDOW: u64 = 16;
/// A server that is silent for this long has hung.
const SILENCE: Duration = Duration::from_secs(30);

/// The acknowledged messages: seq and text by message id.
pub type Acknowledged = BTreeMap<String, (u64, String)>;

/// Sends in the background until its socket ends or it is stopped.
pub struct Talker {
    task: JoinHandle<Acknowledged>,
    progress: Arc<Progress>,
}

/// Shared by the test and the sending task.
#[derive(Default)]
struct Progress {
    acknowledged: AtomicU64,
    refused: AtomicU64,
    stopping: AtomicBool,
}

impl Talker {
    /// Starts to send on a joined socket; `name` makes its texts unique.
    pub fn start(socket: Socket, name: &str) -> Talker {
        let progress = Arc::<Progress>::default();
        let task = tokio::spawn(talk(socket, name.to_owned(), Arc::clone(&progress)));
        Talker { task, progress }
    }

    /// The number of acknowledgements.
    pub fn count(&self) -> u64 {
        self.progress.acknowledged.load(Ordering::Relaxed)
    }

    /// The number of refused messages.
    pub fn refused(&self) -> u64 {
        self.progress.refused.load(Ordering::Relaxed)
    }

    /// Stops sending, waits for outstanding answers, and returns what was acknowledged.
    pub async fn stop(self) -> Acknowledged {
        self.progress.stopping.store(true, Ordering::Relaxed);
        self.finish().await
    }

    /// Waits until the socket has ended, and returns what was acknowledged.
    pub async fn finish(self) -> Acknowledged {
        self.task.await.expect("the talker met no surprise")
    }
}

async fn talk(mut socket: Socket, name: String, progress: Arc<Progress>) -> Acknowledged {
    let mut acknowledged = Acknowledged::new();
    let (mut sent, mut answered) = (0, 0);
    loop {
        let stopping = progress.stopping.load(Ordering::Relaxed);
        if stopping && answered == sent {
            return acknowledged;
        }
        while !stopping && sent - answered < WINDOW {
            let content = format!("{name} {sent}");
            let message = json!({"type": "message", "content": content, "ref": content}).to_string();
            if socket.try_send(Message::text(message)).await.is_err() {
                break;
            }
            sent += 1;
        }
        match socket.next_within(SILENCE).await {
            Some(Frame::Json(frame)) if frame["type"] == "ack" => {
                acknowledged.insert(text(&frame, "id"), (number(&frame, "seq"), text(&frame, "ref")));
                progress.acknowledged.fetch_add(1, Ordering::Relaxed);
                answered += 1;
            }
            // Refused, for example while the server stops: nothing was promised.
            Some(Frame::Json(frame)) if frame["type"] == "error" => {
                progress.refused.fetch_add(1, Ordering::Relaxed);
                answered += 1;
            }
            Some(Frame::Json(_) | Frame::Binary(_)) => {}
            Some(Frame::Close(_) | Frame::End) => return acknowledged,
            None => panic!("the server should say something within {SILENCE:?}"),
        }
    }
}

/// Asserts that the channel has every acknowledged message once, with its seq, and that its sequence has no gap.
/// Returns the last seq.
pub async fn assert_kept(reader: &User, channel: &str, acknowledged: &Acknowledged) -> u64 {
    let stored = reader.whole_history(&format!("/api/channels/{channel}/messages")).await;
    let places: Vec<u64> = stored.iter().map(|message| number(message, "seq")).collect();
    assert_eq!(places, (1..=stored.len() as u64).collect::<Vec<_>>(), "the sequence has no gap and nothing twice");
    let by_id: BTreeMap<&str, &Value> =
        stored.iter().map(|message| (message["id"].as_str().expect("an id"), message)).collect();
    assert_eq!(by_id.len(), stored.len(), "no id twice");
    // Every text is sent once, so a text that is stored twice was retried although it was already stored.
    let texts: BTreeSet<&str> = stored.iter().filter_map(|message| message["content"].as_str()).collect();
    assert_eq!(texts.len(), stored.len(), "no text twice");
    for (id, (seq, content)) in acknowledged {
        let message = by_id.get(id.as_str()).unwrap_or_else(|| panic!("'{content}' was acknowledged and is lost"));
        assert_eq!((number(message, "seq"), &text(message, "content")), (*seq, content), "{message}");
    }
    let mut socket = reader.connect(channel).await;
    let head = number(&socket.expect("online_users").await, "seq");
    assert_eq!(head, stored.len() as u64, "the room knows its place");
    socket.close().await;
    head
}
