//! Tracks deliveries: every publication is counted until all members have received it.
//!
//! A publication is recognised by its publisher, whose number every broadcast contains. One member may therefore have
//! only one publication in flight. (An ephemeral event contains nothing else that we could choose.)

use std::time::Instant;

use crate::Result;
use crate::client::Receiver;
use crate::contender::Contender;
use crate::histogram::Histogram;
use crate::tag::{Sighting, TagReader};

/// One member's publication in flight.
#[derive(Clone, Copy)]
struct Flight {
    since: Instant,
    missing: u32,
}

pub struct Fanout {
    tags: TagReader,
    flights: Vec<Flight>,
    receivers: u32,
    /// The node of each connection. Empty if there is only one node.
    nodes: Vec<u8>,
    /// Latency to receivers on the publisher's node.
    pub latency: Histogram,
    /// Latency to receivers on another node.
    pub across: Histogram,
    /// Since the window began.
    pub deliveries: u64,
    pub delivered_bytes: u64,
    /// Publishers whose publication has reached everybody.
    pub completed: Vec<usize>,
    pub missing: u64,
    /// How often a publisher sent again before everybody had received its previous message.
    pub overtaken: u64,
    /// Deliveries in excess of the expected ones.
    pub surplus: u64,
    /// When the room was notified that somebody left.
    pub departed_at: Option<Instant>,
    refusal: Option<String>,
}

const DEPARTURE: &[u8] = b"{\"type\":\"user_left\"";

impl Fanout {
    /// For `publishers` members, each of whose publications must reach `receivers`.
    pub fn new(contender: Contender, publishers: usize, receivers: usize) -> Self {
        Fanout {
            tags: contender.tags(),
            flights: vec![Flight { since: Instant::now(), missing: 0 }; publishers],
            receivers: receivers as u32,
            nodes: Vec::new(),
            latency: Histogram::default(),
            across: Histogram::default(),
            deliveries: 0,
            delivered_bytes: 0,
            completed: Vec::new(),
            missing: 0,
            overtaken: 0,
            surplus: 0,
            departed_at: None,
            refusal: None,
        }
    }

    /// Separates latencies within a node from those between nodes. `nodes` has the node of each connection.
    pub fn over_nodes(self, nodes: Vec<u8>) -> Self {
        Fanout { nodes, ..self }
    }

    /// Must be called right before `publisher` sends what was due at `since`.
    pub fn published(&mut self, publisher: usize, since: Instant) {
        let flight = &mut self.flights[publisher];
        self.overtaken += u64::from(flight.missing > 0);
        flight.missing += self.receivers;
        flight.since = since;
        self.missing += u64::from(self.receivers);
    }

    /// Begins a measured window: resets the counters of a window.
    pub fn begin_window(&mut self) {
        self.latency.clear();
        self.across.clear();
        self.deliveries = 0;
        self.delivered_bytes = 0;
    }

    /// Fails if a delivery is missing or duplicated, or if the server refused a message.
    pub fn require_complete(&self) -> Result<()> {
        if let Some(refusal) = &self.refusal {
            return Err(format!("the server refused a message: {refusal}").into());
        }
        if self.missing > 0 || self.surplus > 0 {
            return Err(format!("{} deliveries are missing, {} came twice", self.missing, self.surplus).into());
        }
        Ok(())
    }

    pub fn refused(&self) -> bool {
        self.refusal.is_some()
    }
}

impl Receiver for Fanout {
    fn text(&mut self, connection: usize, payload: &[u8], now: Instant) {
        let publisher = match self.tags.read(payload) {
            Sighting::Number(publisher) => publisher as usize,
            Sighting::Refusal => return self.refusal = Some(String::from_utf8_lossy(payload).into_owned()),
            Sighting::Other => {
                if payload.starts_with(DEPARTURE) {
                    self.departed_at.get_or_insert(now);
                }
                return;
            }
        };
        let Some(flight) = self.flights.get_mut(publisher) else { return self.surplus += 1 };
        if flight.missing == 0 {
            return self.surplus += 1;
        }
        flight.missing -= 1;
        self.missing -= 1;
        if flight.missing == 0 {
            self.completed.push(publisher);
        }
        self.deliveries += 1;
        self.delivered_bytes += payload.len() as u64;
        let latency = now.saturating_duration_since(flight.since);
        if self.nodes.get(connection) == self.nodes.get(publisher) {
            self.latency.record(latency);
        } else {
            self.across.record(latency);
        }
    }
}
