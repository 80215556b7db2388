//! A client that writes numbered messages, reads everything, and always reconnects like a good client: with `since` and
//! `epoch`, after the requested delay or with back-off, to any node.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use reqwest::StatusCode;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep, sleep_until, timeout};
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::referee::{Acknowledged, Incomplete, Member, Seen};
use crate::stage::{Phase, Progress, Stage};
use crate::support::shape::{number, opaque, text};
use crate::support::socket::{Frame, Place};
use crate::support::{Socket, User};

/// Time between two messages of one client.
const WRITE_INTERVAL_MS: std::ops::RangeInclusive<u64> = 40..=360;
/// Unanswered messages beyond which a client waits.
const IN_FLIGHT_MAX: usize = 16;
const PING_INTERVAL: Duration = Duration::from_secs(1);
/// A server that is silent for this long, although it is pinged every second, is considered dead.
const SILENCE: Duration = Duration::from_secs(5);
/// Time to connect, up to the first frame.
const OPEN_TIMEOUT: Duration = Duration::from_secs(4);
const SEND_TIMEOUT: Duration = Duration::from_secs(2);
const BACKOFF_FIRST_MS: u64 = 50;
const BACKOFF_MAX_MS: u64 = 1_000;
/// At the end, all remaining frames must arrive within this time.
const LAST_LOOK: Duration = Duration::from_secs(3);

/// A client's identity and room.
pub struct Role {
    pub name: String,
    pub user: User,
    pub room: usize,
    /// `/ws/channel/{id}` or `/ws/dm/{user}`.
    pub path: String,
    /// `message` or `dm_message`: the type that it sends and counts.
    pub kind: &'static str,
    pub seed: u64,
}

/// One connection to a node, and why it ended.
#[derive(Clone, Debug)]
pub struct Stay {
    pub node: usize,
    pub from_ms: u64,
    pub until_ms: u64,
    pub end: String,
}

/// A client's record.
pub struct Account {
    pub member: Member,
    pub acknowledged: Vec<Acknowledged>,
    pub refused: BTreeMap<String, u64>,
    pub stays: Vec<Stay>,
    /// The longest time without a socket, and when it began.
    pub longest_away_ms: (u64, u64),
    /// The same, minus the delay that a draining node had requested.
    pub longest_beyond_slot_ms: u64,
    /// How often a draining node sent a reconnect time.
    pub told_to_return: usize,
    /// Frames that a server must never send in such a run.
    pub unexpected: Vec<String>,
}

/// How a connection ended.
enum End {
    /// By the server or the network.
    Lost(String),
    /// By the director.
    Moved,
    Finished,
}

pub struct Client {
    role: Role,
    stage: Stage,
    progress: Arc<Progress>,
    random: fastrand::Rng,
    account: Account,
    /// The highest seq seen. None before the first frame.
    position: Option<u64>,
    /// The `since` of the open socket.
    since: u64,
    epoch: String,
    /// Unanswered texts on the open socket.
    in_flight: BTreeSet<String>,
    connections: u64,
    written: u64,
    reconnect_in_ms: u64,
}

impl Client {
    pub fn new(role: Role, stage: Stage, progress: Arc<Progress>) -> Client {
        let member = Member { name: role.name.clone(), room: role.room, ..Member::default() };
        let account = Account {
            member,
            acknowledged: Vec::new(),
            refused: BTreeMap::new(),
            stays: Vec::new(),
            longest_away_ms: (0, 0),
            longest_beyond_slot_ms: 0,
            told_to_return: 0,
            unexpected: Vec::new(),
        };
        let random = fastrand::Rng::with_seed(role.seed);
        Client {
            role,
            stage,
            progress,
            random,
            account,
            position: None,
            since: 0,
            epoch: String::new(),
            in_flight: BTreeSet::new(),
            connections: 0,
            written: 0,
            reconnect_in_ms: 0,
        }
    }

    /// Runs until the director ends the run.
    pub async fn live(mut self) -> Account {
        let mut node = self.random.usize(0..self.stage.origins.len());
        loop {
            let away_since_ms = self.stage.now_ms();
            let Some((socket, entered)) = self.come_in(node).await else { return self.account };
            let from_ms = self.stage.now_ms();
            self.note_absence(away_since_ms, from_ms);
            let end = self.stay(socket).await;
            self.progress.is_in.store(false, Ordering::Relaxed);
            self.in_flight.clear();
            self.progress.in_flight.store(0, Ordering::Relaxed);
            let why = match &end {
                End::Lost(why) => why.clone(),
                End::Moved => "moved".to_owned(),
                End::Finished => "finished".to_owned(),
            };
            let until_ms = self.stage.now_ms();
            self.account.stays.push(Stay { node: entered, from_ms, until_ms, end: why });
            node = match end {
                End::Finished => return self.account,
                End::Moved => self.another_node(entered),
                End::Lost(_) => self.random.usize(0..self.stage.origins.len()),
            };
        }
    }

    /// Waits for its reconnect time, then retries until a node accepts it. None when the run is over.
    async fn come_in(&mut self, mut node: usize) -> Option<(Socket, usize)> {
        sleep(Duration::from_millis(self.reconnect_in_ms)).await;
        let mut backoff_ms = BACKOFF_FIRST_MS;
        while self.stage.phase() != Phase::Leaving {
            // Otherwise it was refused, or nobody responded.
            if let Ok(Some(socket)) = timeout(OPEN_TIMEOUT, self.open(node)).await {
                return Some((socket, node));
            }
            sleep(Duration::from_millis(self.random.u64(backoff_ms / 2..=backoff_ms))).await;
            backoff_ms = (backoff_ms * 2).min(BACKOFF_MAX_MS);
            node = self.another_node(node);
        }
        None
    }

    fn another_node(&mut self, node: usize) -> usize {
        let count = self.stage.origins.len();
        if count == 1 { 0 } else { (node + self.random.usize(1..count)) % count }
    }

    /// Opens a socket and reads its first frame.
    async fn open(&mut self, node: usize) -> Option<Socket> {
        let place = match self.position {
            Some(position) => format!("?since={position}&epoch={}", self.epoch),
            None => String::new(),
        };
        let path = format!("{}{place}", self.role.path);
        let opening = Socket::try_open(&self.stage.origins[node], &path, &self.role.user.token, Place::Query);
        let mut socket = match opening.await {
            Ok(socket) => socket,
            Err(Error::Http(answer)) => {
                // a node that was frozen while it read the request answers 408, and the client tries again
                if answer.status().is_client_error() && answer.status() != StatusCode::REQUEST_TIMEOUT {
                    self.account.unexpected.push(format!("{} was refused with {}", self.role.name, answer.status()));
                }
                return None;
            }
            Err(_) => return None,
        };
        match socket.next_within(OPEN_TIMEOUT).await {
            Some(Frame::Json(first)) if first.get("epoch").is_some() => self.enter(&first),
            // Accepted and then disconnected at once, for example because the node is draining.
            Some(Frame::Json(first)) if first["type"] == "server_restarting" => return None,
            Some(Frame::Json(first)) => {
                self.account.unexpected.push(format!("{}'s first frame was {first}", self.role.name));
                return None;
            }
            Some(Frame::Binary(_) | Frame::Close(_) | Frame::End) | None => return None,
        }
        Some(socket)
    }

    fn enter(&mut self, first: &Value) {
        self.epoch = opaque(first, "epoch");
        self.account.member.epochs.insert(self.epoch.clone());
        if self.position.is_none() {
            self.account.member.since = number(first, "seq");
            self.set_position(self.account.member.since);
        }
        self.since = self.position.unwrap_or_default();
        self.connections += 1;
        self.progress.is_in.store(true, Ordering::Relaxed);
    }

    fn set_position(&mut self, seq: u64) {
        let position = self.position.map_or(seq, |position| position.max(seq));
        self.position = Some(position);
        self.progress.position.store(position, Ordering::Relaxed);
    }

    fn note_absence(&mut self, since_ms: u64, until_ms: u64) {
        let slot_ms = std::mem::take(&mut self.reconnect_in_ms);
        // The first connect does not count as an absence.
        if self.connections > 1 {
            let away_ms = until_ms - since_ms;
            self.account.longest_away_ms = self.account.longest_away_ms.max((away_ms, since_ms));
            let beyond_ms = away_ms.saturating_sub(slot_ms);
            self.account.longest_beyond_slot_ms = self.account.longest_beyond_slot_ms.max(beyond_ms);
        }
    }

    /// Reads and writes until the socket ends, for whatever reason.
    async fn stay(&mut self, mut socket: Socket) -> End {
        // Frames that arrived between the request and now are in the first frames and need not be awaited.
        let (mut phase, mut moves) = (self.stage.phase.clone(), self.stage.moves.clone());
        moves.mark_unchanged();
        let mut heard = Instant::now();
        let mut next_ping = heard + PING_INTERVAL;
        let mut next_write = heard + self.pause();
        loop {
            if self.stage.phase() == Phase::Leaving {
                return self.look_once_more(socket).await;
            }
            let sent = tokio::select! {
                frame = socket.next_within(SILENCE) => match frame {
                    Some(Frame::Json(frame)) => {
                        heard = Instant::now();
                        self.hear(&frame);
                        Ok(())
                    }
                    Some(Frame::Close(close)) => return self.closed(close),
                    Some(Frame::Binary(_) | Frame::End) => return End::Lost("connection lost".to_owned()),
                    None => Ok(()),
                },
                () = sleep_until(next_ping.min(next_write)) => {
                    let now = Instant::now();
                    if heard.elapsed() > SILENCE {
                        return End::Lost("silence".to_owned());
                    }
                    let mut frames = Vec::new();
                    if now >= next_ping {
                        next_ping = now + PING_INTERVAL;
                        frames.push(json!({"type": "ping"}));
                    }
                    if now >= next_write {
                        next_write = now + self.pause();
                        frames.extend(self.write());
                    }
                    send(&mut socket, frames).await
                }
                _ = moves.changed() => {
                    if self.random.u32(0..100) < moves.borrow().percent {
                        return self.leave(socket).await;
                    }
                    Ok(())
                }
                _ = phase.changed() => Ok(()),
            };
            if sent.is_err() {
                return End::Lost("could not send".to_owned());
            }
        }
    }

    fn pause(&mut self) -> Duration {
        Duration::from_millis(self.random.u64(WRITE_INTERVAL_MS))
    }

    /// The next message, if it is time to write.
    fn write(&mut self) -> Option<Value> {
        if self.stage.phase() != Phase::Writing || self.in_flight.len() >= IN_FLIGHT_MAX {
            return None;
        }
        self.written += 1;
        let content = format!("{}/{}#{}", self.role.name, self.connections, self.written);
        let message = json!({"type": self.role.kind, "content": content, "ref": content});
        self.in_flight.insert(content);
        self.progress.in_flight.store(self.in_flight.len() as u64, Ordering::Relaxed);
        Some(message)
    }

    fn hear(&mut self, frame: &Value) {
        let at_ms = self.stage.now_ms();
        match frame["type"].as_str().unwrap_or_default() {
            // A direct message is also delivered to channel sockets; its seq belongs to another room.
            kind if kind == self.role.kind => {
                let seq = number(frame, "seq");
                let seen = Seen { seq, id: text(frame, "id"), text: text(frame, "content"), at_ms };
                self.account.member.seen.push(seen);
                self.set_position(seq);
            }
            "ack" => {
                let content = text(frame, "ref");
                self.answered(&content);
                let (id, seq) = (text(frame, "id"), number(frame, "seq"));
                self.account.acknowledged.push(Acknowledged { room: self.role.room, text: content, id, seq, at_ms });
            }
            "error" => match frame["ref"].as_str() {
                Some(content) => {
                    self.answered(content);
                    self.account.refused.insert(content.to_owned(), at_ms);
                    if frame["code"] != "SERVICE_UNAVAILABLE" {
                        self.account.unexpected.push(format!("{} received {frame}", self.role.name));
                    }
                }
                None => self.account.unexpected.push(format!("{} received {frame}", self.role.name)),
            },
            "recovered" => {
                let up_to = number(frame, "seq");
                if frame["complete"] != true {
                    let after = self.since;
                    self.account.member.incomplete.push(Incomplete { after, up_to });
                    self.set_position(up_to);
                }
            }
            "server_restarting" => {
                self.reconnect_in_ms = number(frame, "reconnect_in_ms");
                self.account.told_to_return += 1;
            }
            _ => {}
        }
    }

    fn answered(&mut self, content: &str) {
        if !self.in_flight.remove(content) {
            let name = &self.role.name;
            self.account.unexpected.push(format!("{name} got a second or foreign answer to '{content}'"));
        }
        self.progress.in_flight.store(self.in_flight.len() as u64, Ordering::Relaxed);
    }

    fn closed(&mut self, close: Option<(u16, String)>) -> End {
        let Some((code, reason)) = close else { return End::Lost("closed without a code".to_owned()) };
        // 44xx means "do not reconnect unchanged". No client of this run gives a reason for that.
        if (4400..4500).contains(&code) || (1002..1010).contains(&code) {
            self.account.unexpected.push(format!("{} was closed with {code} {reason}", self.role.name));
        }
        End::Lost(format!("closed with {code}"))
    }

    /// Leaves with or without a close frame, as clients do.
    async fn leave(&mut self, socket: Socket) -> End {
        if self.random.bool() {
            drop(socket);
        } else {
            // Bounded, because the node may be frozen.
            let _ = timeout(SEND_TIMEOUT, socket.close()).await;
        }
        End::Moved
    }

    /// Duplicates may arrive late: reads everything up to the answer to a last ping.
    async fn look_once_more(&mut self, mut socket: Socket) -> End {
        if send(&mut socket, vec![json!({"type": "ping", "ref": "last"})]).await.is_err() {
            return End::Lost("could not send".to_owned());
        }
        let end = Instant::now() + LAST_LOOK;
        loop {
            match socket.next_within(end.saturating_duration_since(Instant::now())).await {
                Some(Frame::Json(frame)) if frame["type"] == "pong" && frame["ref"] == "last" => return End::Finished,
                Some(Frame::Json(frame)) => self.hear(&frame),
                Some(Frame::Close(close)) => return self.closed(close),
                Some(Frame::Binary(_) | Frame::End) => return End::Lost("connection lost".to_owned()),
                None => return End::Lost("silence".to_owned()),
            }
        }
    }
}

async fn send(socket: &mut Socket, frames: Vec<Value>) -> Result<(), ()> {
    for frame in frames {
        let sent = timeout(SEND_TIMEOUT, socket.try_send(Message::text(frame.to_string()))).await;
        sent.map_err(|_| ())?.map_err(|_| ())?;
    }
    Ok(())
}

/// How often each kind of end occurred, over all clients.
pub fn count_ends(accounts: &[Account]) -> BTreeMap<&str, u64> {
    let mut counts = BTreeMap::new();
    for stay in accounts.iter().flat_map(|account| &account.stays) {
        *counts.entry(stay.end.as_str()).or_default() += 1;
    }
    counts
}
