//! What the node counts, in Prometheus' form. Counting is a relaxed addition; nothing here may lock on a hot path.

use std::{
    sync::atomic::{AtomicI64, AtomicU64},
    time::Duration,
};

use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{
        counter::Counter,
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
    },
    registry::Registry,
};

use crate::{disconnect::Disconnect, error::ErrorCode};

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct CodeLabel {
    code: String,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct OutcomeLabel {
    outcome: String,
}

/// All counters of a node.
pub struct Metrics {
    registry: Registry,
    connections: Gauge<i64, AtomicI64>,
    connections_total: Counter<u64, AtomicU64>,
    disconnects: Family<CodeLabel, Counter>,
    rooms: Gauge<i64, AtomicI64>,
    users_online: Gauge<i64, AtomicI64>,
    deliveries: Counter<u64, AtomicU64>,
    delivered_bytes: Counter<u64, AtomicU64>,
    ephemeral_dropped: Counter<u64, AtomicU64>,
    slow_consumers: Counter<u64, AtomicU64>,
    refusals: Family<OutcomeLabel, Counter>,
    upgrades: Counter<u64, AtomicU64>,
    journal_appends: Counter<u64, AtomicU64>,
    journal_commits: Counter<u64, AtomicU64>,
    journal_commit_seconds: Histogram,
    journal_queue: Gauge<i64, AtomicI64>,
    store_up: Gauge<i64, AtomicI64>,
}

impl Default for Metrics {
    fn default() -> Metrics {
        Metrics::new()
    }
}

impl Metrics {
    /// Everything at zero.
    pub fn new() -> Metrics {
        let mut metrics = Metrics {
            registry: Registry::with_prefix("convene"),
            connections: Gauge::default(),
            connections_total: Counter::default(),
            disconnects: Family::default(),
            rooms: Gauge::default(),
            users_online: Gauge::default(),
            deliveries: Counter::default(),
            delivered_bytes: Counter::default(),
            ephemeral_dropped: Counter::default(),
            slow_consumers: Counter::default(),
            refusals: Family::default(),
            upgrades: Counter::default(),
            journal_appends: Counter::default(),
            journal_commits: Counter::default(),
            journal_commit_seconds: Histogram::new(exponential_buckets(0.000_25, 2.0, 14)),
            journal_queue: Gauge::default(),
            store_up: Gauge::default(),
        };
        metrics.register();
        metrics
    }

    fn register(&mut self) {
        let registry = &mut self.registry;
        registry.register("connections", "Open sockets", self.connections.clone());
        // the exposition adds `_total` to counters
        registry.register("connections", "Sockets opened", self.connections_total.clone());
        registry.register("disconnects", "Sockets ended, by close code", self.disconnects.clone());
        registry.register("rooms", "Rooms in memory", self.rooms.clone());
        registry.register("users_online", "Users with a socket or in their grace", self.users_online.clone());
        registry.register("deliveries", "Frames handed to sockets by broadcasts", self.deliveries.clone());
        registry.register("delivered_bytes", "Bytes of them", self.delivered_bytes.clone());
        registry.register(
            "ephemeral_dropped",
            "Ephemeral frames dropped for slow readers",
            self.ephemeral_dropped.clone(),
        );
        registry.register("slow_consumers", "Sockets closed for not reading", self.slow_consumers.clone());
        registry.register("refusals", "Requests and upgrades refused, by error code", self.refusals.clone());
        registry.register("upgrades", "Upgrades accepted", self.upgrades.clone());
        registry.register("journal_appends", "Events stored", self.journal_appends.clone());
        registry.register("journal_commits", "Commits that stored them", self.journal_commits.clone());
        registry.register("journal_commit_seconds", "Duration of a commit", self.journal_commit_seconds.clone());
        registry.register("journal_queue", "Events waiting for a commit", self.journal_queue.clone());
        registry.register("store_up", "Whether the database answers", self.store_up.clone());
    }

    /// Everything in Prometheus' text form.
    pub fn expose(&self) -> String {
        let mut text = String::new();
        if let Err(error) = encode(&mut text, &self.registry) {
            log::error!("event=metrics_not_encoded why=\"{error}\"");
        }
        text
    }

    /// A socket opened.
    pub fn connected(&self) {
        self.connections.inc();
        self.connections_total.inc();
    }

    /// A socket ended; None: the client or the network ended it.
    pub fn disconnected(&self, reason: Option<Disconnect>) {
        self.connections.dec();
        if reason == Some(Disconnect::TooSlow) {
            self.slow_consumers.inc();
        }
        let code = reason.map_or(1006, Disconnect::code).to_string();
        self.disconnects.get_or_create(&CodeLabel { code }).inc();
    }

    /// Frames were handed to sockets.
    pub fn delivered(&self, frames: u64, bytes: u64) {
        if frames > 0 {
            self.deliveries.inc_by(frames);
            self.delivered_bytes.inc_by(bytes);
        }
    }

    /// Ephemeral frames were dropped for a slow reader.
    pub fn ephemeral_dropped(&self, frames: u32) {
        if frames > 0 {
            self.ephemeral_dropped.inc_by(u64::from(frames));
        }
    }

    /// Something was refused.
    pub fn refused(&self, code: ErrorCode) {
        self.refusals.get_or_create(&OutcomeLabel { outcome: code.name().to_owned() }).inc();
    }

    /// An upgrade was accepted.
    pub fn upgraded(&self) {
        self.upgrades.inc();
    }

    /// A room was loaded.
    pub fn room_opened(&self) {
        self.rooms.inc();
    }

    /// A room retired.
    pub fn room_closed(&self) {
        self.rooms.dec();
    }

    /// How many users are online.
    pub fn users_online(&self, users: usize) {
        self.users_online.set(users as i64);
    }

    /// A commit stored this many events.
    pub fn committed(&self, appends: usize, took: Duration) {
        self.journal_appends.inc_by(appends as u64);
        self.journal_commits.inc();
        self.journal_commit_seconds.observe(took.as_secs_f64());
    }

    /// How many events wait for a commit.
    pub fn journal_queue(&self, waiting: usize) {
        self.journal_queue.set(waiting as i64);
    }

    /// Whether the database answers.
    pub fn store_up(&self, up: bool) {
        self.store_up.set(i64::from(up));
    }
}
