//! Clients that lose their node and reconnect: what each has received, and whether it is sent exactly what it missed.
//!
//! Every stored event at every client is checked: its `seq` must follow the previous one, or the run fails.

use std::time::Instant;

use crate::Result;
use crate::client::Receiver;
use crate::histogram::Histogram;
use crate::tag::{self, Sighting, TagReader};

const FIRST_FRAME: &[u8] = b"{\"type\":\"online_users\"";
const MESSAGE: &[u8] = b"{\"type\":\"message\"";
const RECOVERED: &[u8] = b"{\"type\":\"recovered\"";
const REFUSAL: &[u8] = b"{\"type\":\"error\"";
const BEFORE_SEQ: &str = "\"seq\":";
const BEFORE_EPOCH: &str = "\"epoch\":";

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// Was never connected.
    New,
    Live,
    /// Is reconnecting.
    Expected,
    /// Is connected again and is receiving what it missed.
    Behind,
}

#[derive(Clone, Copy)]
struct Client {
    state: State,
    seen: u64,
    epoch: u64,
    /// When it began to reconnect.
    since: Instant,
}

pub struct Returns {
    clients: Vec<Client>,
    seqs: TagReader,
    /// Expected clients that have received a first frame.
    pub entered: usize,
    /// Expected clients that have received everything they missed.
    pub current: usize,
    /// From the start of a handshake until the client is current.
    pub latency: Histogram,
    /// Frames of any kind since `begin`.
    pub frames: u64,
    fault: Option<String>,
}

impl Returns {
    pub fn new(clients: usize) -> Self {
        let client = Client { state: State::New, seen: 0, epoch: 0, since: Instant::now() };
        Returns {
            clients: vec![client; clients],
            seqs: TagReader::new("\"type\":\"message\"", BEFORE_SEQ),
            entered: 0,
            current: 0,
            latency: Histogram::default(),
            frames: 0,
            fault: None,
        }
    }

    /// The highest `seq` that the client has received.
    pub fn seen(&self, client: usize) -> u64 {
        self.clients[client].seen
    }

    pub fn epoch(&self, client: usize) -> u64 {
        self.clients[client].epoch
    }

    /// Resets the counters.
    pub fn begin(&mut self) {
        self.frames = 0;
        self.latency.clear();
    }

    /// The client reconnects now.
    pub fn expect(&mut self, client: usize) {
        let client = &mut self.clients[client];
        client.state = State::Expected;
        client.since = Instant::now();
    }

    /// Fails if anything unexpected was received, or in the wrong order.
    pub fn require_right(&self) -> Result<()> {
        match &self.fault {
            Some(fault) => Err(fault.clone().into()),
            None => Ok(()),
        }
    }

    fn wrong(&mut self, client: usize, what: &str, payload: &[u8]) {
        let seen = self.clients[client].seen;
        let frame = String::from_utf8_lossy(&payload[..payload.len().min(500)]);
        self.fault.get_or_insert_with(|| format!("client {client}, which has seen {seen}: {what}: {frame}"));
    }

    fn first_frame(&mut self, index: usize, payload: &[u8]) {
        let numbers = (tag::last_number(payload, BEFORE_SEQ), tag::last_number(payload, BEFORE_EPOCH));
        let (Some(seq), Some(epoch)) = numbers else {
            return self.wrong(index, "a first frame without seq or epoch", payload);
        };
        let client = &mut self.clients[index];
        match client.state {
            State::New => *client = Client { state: State::Live, seen: seq, epoch, ..*client },
            State::Expected if client.epoch == epoch => {
                client.state = State::Behind;
                self.entered += 1;
            }
            State::Expected => self.wrong(index, "another epoch", payload),
            State::Live | State::Behind => self.wrong(index, "a second first frame", payload),
        }
    }

    fn message(&mut self, index: usize, payload: &[u8]) {
        let Sighting::Number(seq) = self.seqs.read(payload) else {
            return self.wrong(index, "a message without seq", payload);
        };
        let client = &mut self.clients[index];
        let is_in = match client.state {
            State::Live | State::Behind => true,
            State::New | State::Expected => false,
        };
        if is_in && seq == client.seen + 1 {
            client.seen = seq;
        } else {
            self.wrong(index, "a message is lost, duplicated or out of order", payload);
        }
    }

    fn recovered(&mut self, index: usize, payload: &[u8], now: Instant) {
        let whole = tag::find(payload, b"\"complete\":true").is_some();
        let client = &mut self.clients[index];
        if client.state != State::Behind || !whole || tag::last_number(payload, BEFORE_SEQ) != Some(client.seen) {
            return self.wrong(index, "`recovered` is unexpected or incomplete", payload);
        }
        client.state = State::Live;
        self.current += 1;
        self.latency.record(now.saturating_duration_since(client.since));
    }
}

impl Receiver for Returns {
    fn text(&mut self, connection: usize, payload: &[u8], now: Instant) {
        self.frames += 1;
        if payload.starts_with(MESSAGE) {
            self.message(connection, payload);
        } else if payload.starts_with(FIRST_FRAME) {
            self.first_frame(connection, payload);
        } else if payload.starts_with(RECOVERED) {
            self.recovered(connection, payload, now);
        } else if payload.starts_with(REFUSAL) {
            self.wrong(connection, "a refusal", payload);
        }
    }
}
