//! The metrics, under the names that dashboards use. Callers report what happened through one method each. A label must
//! never contain text from outside, so that the number of time series stays bounded.

mod ai;

use std::{fmt::Write as _, sync::atomic::AtomicU64, time::Duration};

use prometheus_client::{
    encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder, text::encode_registry},
    metrics::{
        counter::Counter,
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
    },
    registry::Registry,
};

pub use self::ai::{AiMetrics, AiOutcome, AiTokens};
use crate::{disconnect::Disconnect, error::ErrorCode};

/// The outcome of a command or of an upgrade request.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Outcome {
    Accepted,
    Refused(ErrorCode),
}

impl EncodeLabelValue for Outcome {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> std::fmt::Result {
        match self {
            Outcome::Accepted => encoder.write_str("accepted"),
            Outcome::Refused(code) => encoder.write_str(code.name()),
        }
    }
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct OutcomeLabel {
    outcome: Outcome,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct ActorLabel {
    actor: &'static str,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct CodeLabel {
    code: u32,
}

/// Why a message between nodes was not delivered.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Lost {
    /// The link was down when it was sent.
    LinkDown,
    /// Messages were sent faster than Redis accepts them.
    QueueFull,
    /// It exceeds the size limit of an envelope.
    TooLarge,
    /// Redis refused it.
    Refused,
    /// Messages arrived faster than this node processes them.
    InboxFull,
    /// The mailbox of the receiving room or actor is full.
    ReceiverFull,
    /// It comes from a newer release.
    Newer,
    /// It is not a valid message.
    Unreadable,
}

impl EncodeLabelValue for Lost {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> std::fmt::Result {
        encoder.write_str(match self {
            Lost::LinkDown => "link_down",
            Lost::QueueFull => "queue_full",
            Lost::TooLarge => "too_large",
            Lost::Refused => "refused",
            Lost::InboxFull => "inbox_full",
            Lost::ReceiverFull => "receiver_full",
            Lost::Newer => "newer",
            Lost::Unreadable => "unreadable",
        })
    }
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct LostLabel {
    reason: Lost,
}

/// The content type of [`Metrics::render`] (Prometheus text exposition format 0.0.4).
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The code for connections without a close frame (RFC 6455 section 7.1.5).
const NO_CLOSE_FRAME: u16 = 1006;

/// All metrics of a node.
pub struct Metrics {
    /// The assistant's metrics.
    pub ai: AiMetrics,
    registry: Registry,
    connections: Gauge,
    connected: Counter,
    disconnected: Family<CodeLabel, Counter>,
    users_online: Gauge,
    peers: Gauge,
    rooms: Gauge,
    deliveries: Counter,
    delivered_bytes: Counter,
    ephemeral_dropped: Counter,
    slow_consumers: Counter,
    refused_connections: Counter,
    requests: Family<OutcomeLabel, Counter>,
    /// A shortcut to the outcome of nearly all requests, to avoid the lookup in the family.
    requests_accepted: Counter,
    journal_appends: Counter,
    journal_commits: Counter,
    journal_commit_seconds: Histogram,
    journal_queue: Gauge,
    upgrades: Family<OutcomeLabel, Counter>,
    store_up: Gauge,
    actor_up: Family<ActorLabel, Gauge>,
    history_reads: Counter,
    queue_reads: Counter,
    room_gaps: Counter,
    bridge_up: Gauge,
    bridge_published: Counter,
    bridge_received: Counter,
    bridge_lost: Family<LostLabel, Counter>,
    bridge_reconnects: Counter,
    bridge_probe_seconds: Gauge<f64, AtomicU64>,
    bridge_subscriptions: Gauge,
}

impl Default for Metrics {
    fn default() -> Metrics {
        let requests = Family::<OutcomeLabel, Counter>::default();
        let requests_accepted = requests.get_or_create_owned(&OutcomeLabel { outcome: Outcome::Accepted });
        let mut metrics = Metrics {
            ai: AiMetrics::default(),
            registry: Registry::default(),
            connections: Gauge::default(),
            connected: Counter::default(),
            disconnected: Family::default(),
            users_online: Gauge::default(),
            peers: Gauge::default(),
            rooms: Gauge::default(),
            deliveries: Counter::default(),
            delivered_bytes: Counter::default(),
            ephemeral_dropped: Counter::default(),
            slow_consumers: Counter::default(),
            refused_connections: Counter::default(),
            requests,
            requests_accepted,
            journal_appends: Counter::default(),
            journal_commits: Counter::default(),
            // From a quarter of a millisecond to eight seconds.
            journal_commit_seconds: Histogram::new(exponential_buckets(0.000_25, 2.0, 16)),
            journal_queue: Gauge::default(),
            upgrades: Family::default(),
            store_up: Gauge::default(),
            actor_up: Family::default(),
            history_reads: Counter::default(),
            queue_reads: Counter::default(),
            room_gaps: Counter::default(),
            bridge_up: Gauge::default(),
            bridge_published: Counter::default(),
            bridge_received: Counter::default(),
            bridge_lost: Family::default(),
            bridge_reconnects: Counter::default(),
            bridge_probe_seconds: Gauge::default(),
            bridge_subscriptions: Gauge::default(),
        };
        metrics.register();
        metrics.register_bridge();
        metrics.ai.register(&mut metrics.registry);
        metrics
    }
}

impl Metrics {
    /// Creates metrics with all values at zero.
    pub fn new() -> Metrics {
        Metrics::default()
    }

    fn register(&mut self) {
        let mut registry = Registry::with_prefix("convene");
        let r = &mut registry;
        r.register("connections", "Open sockets", self.connections.clone());
        r.register("connections", "Sockets opened since the start", self.connected.clone());
        r.register("disconnects", "Sockets closed, by close code", self.disconnected.clone());
        r.register("users_online", "Users with an open socket", self.users_online.clone());
        r.register("peers", "Other nodes that this node receives heartbeats from", self.peers.clone());
        r.register("rooms", "Rooms in memory", self.rooms.clone());
        r.register("deliveries", "Events written to sockets", self.deliveries.clone());
        r.register("delivered_bytes", "Bytes of events written to sockets", self.delivered_bytes.clone());
        r.register("ephemeral_dropped", "Ephemeral events not sent to slow clients", self.ephemeral_dropped.clone());
        r.register("slow_consumers", "Sockets closed for reading too slowly", self.slow_consumers.clone());
        r.register(
            "refused_connections",
            "HTTP connections closed because their address has too many",
            self.refused_connections.clone(),
        );
        r.register("requests", "Client commands, by outcome", self.requests.clone());
        r.register("journal_appends", "Events stored", self.journal_appends.clone());
        r.register("journal_commits", "Transactions that stored them", self.journal_commits.clone());
        r.register("journal_commit_seconds", "Duration of a transaction", self.journal_commit_seconds.clone());
        r.register("journal_queue", "Events that are queued for storage", self.journal_queue.clone());
        r.register("upgrades", "Upgrade requests, by outcome", self.upgrades.clone());
        r.register("store_up", "1 while the database responds and is writable", self.store_up.clone());
        r.register("actor_up", "1 while an essential actor responds", self.actor_up.clone());
        r.register("history_reads", "Reads of a room's log for reconnecting clients", self.history_reads.clone());
        r.register("queue_reads", "Reads of users' queues, each for one or more sockets", self.queue_reads.clone());
        r.register("room_gaps", "Reads of a room's log for missing messages of other nodes", self.room_gaps.clone());
        self.registry = registry;
    }

    /// Counts a log read for events that a reconnecting client missed.
    pub fn history_read(&self) {
        self.history_reads.inc();
    }

    /// Counts reads of users' queues.
    pub fn queue_reads(&self, reads: u64) {
        self.queue_reads.inc_by(reads);
    }

    /// Counts a log read that fills a gap in the messages from other nodes.
    pub fn gap_read(&self) {
        self.room_gaps.inc();
    }

    fn register_bridge(&mut self) {
        let r = &mut self.registry;
        r.register("bridge_up", "1 while messages from other nodes are received", self.bridge_up.clone());
        r.register("bridge_published", "Messages published to Redis", self.bridge_published.clone());
        r.register("bridge_received", "Messages received from other nodes", self.bridge_received.clone());
        r.register("bridge_lost", "Messages between nodes that were not delivered", self.bridge_lost.clone());
        r.register("bridge_reconnects", "How often the link to Redis broke", self.bridge_reconnects.clone());
        r.register("bridge_probe_seconds", "Duration of the last probe", self.bridge_probe_seconds.clone());
        r.register("bridge_subscriptions", "Channels that Redis has confirmed", self.bridge_subscriptions.clone());
    }

    /// A socket was opened.
    pub fn connected(&self) {
        self.connections.inc();
        self.connected.inc();
    }

    /// A socket was closed. None: by the client or the network without a close frame.
    pub fn disconnected(&self, why: Option<Disconnect>) {
        self.connections.dec();
        let code = why.map_or(NO_CLOSE_FRAME, Disconnect::code);
        self.disconnected.get_or_create(&CodeLabel { code: u32::from(code) }).inc();
        if why == Some(Disconnect::TooSlow) {
            self.slow_consumers.inc();
        }
    }

    /// A connection was closed because its address has too many.
    pub fn connection_refused(&self) {
        self.refused_connections.inc();
    }

    /// Sets the number of users with a socket.
    pub fn users_online(&self, users: usize) {
        self.users_online.set(gauge_value(users));
    }

    /// Sets the number of reachable other nodes.
    pub fn peers(&self, peers: usize) {
        self.peers.set(gauge_value(peers));
    }

    /// A room was loaded into memory.
    pub fn room_opened(&self) {
        self.rooms.inc();
    }

    /// A room was removed from memory.
    pub fn room_closed(&self) {
        self.rooms.dec();
    }

    /// Events were written to sockets.
    pub fn delivered(&self, deliveries: u64, bytes: u64) {
        self.deliveries.inc_by(deliveries);
        self.delivered_bytes.inc_by(bytes);
    }

    /// Ephemeral events were dropped for a slow client.
    pub fn ephemeral_dropped(&self, count: u32) {
        self.ephemeral_dropped.inc_by(u64::from(count));
    }

    /// A client's command was well-formed and within the limits.
    pub fn accepted(&self) {
        self.requests_accepted.inc();
    }

    /// The number of accepted commands so far.
    pub fn requests_accepted(&self) -> u64 {
        self.requests_accepted.get()
    }

    /// A client's command was refused.
    pub fn refused(&self, code: ErrorCode) {
        self.requests.get_or_create(&OutcomeLabel { outcome: Outcome::Refused(code) }).inc();
    }

    /// A transaction stored events.
    pub fn committed(&self, appends: usize, took: Duration) {
        self.journal_appends.inc_by(appends as u64);
        self.journal_commits.inc();
        self.journal_commit_seconds.observe(took.as_secs_f64());
    }

    /// Events were queued for storage.
    pub fn journal_queue_grew(&self, by: usize) {
        self.journal_queue.inc_by(gauge_value(by));
    }

    /// Events left the storage queue.
    pub fn journal_queue_shrank(&self, by: usize) {
        self.journal_queue.dec_by(gauge_value(by));
    }

    /// A socket was accepted.
    pub fn upgraded(&self) {
        self.upgrades.get_or_create(&OutcomeLabel { outcome: Outcome::Accepted }).inc();
    }

    /// An upgrade request was refused.
    pub fn upgrade_refused(&self, code: ErrorCode) {
        self.upgrades.get_or_create(&OutcomeLabel { outcome: Outcome::Refused(code) }).inc();
    }

    /// Sets whether the database responds and is writable.
    pub fn store(&self, state: StoreState) {
        self.store_up.set(match state {
            StoreState::Up => 1,
            StoreState::Down | StoreState::ReadOnly => 0,
        });
    }

    /// Sets whether an essential actor responds.
    pub fn actor(&self, actor: &'static str, state: ActorState) {
        self.actor_up.get_or_create(&ActorLabel { actor }).set(match state {
            ActorState::Answers => 1,
            ActorState::Silent => 0,
        });
    }

    /// The link to other nodes works.
    pub fn link_up(&self) {
        self.bridge_up.set(1);
    }

    /// The link to Redis broke or could not be established.
    pub fn link_broke(&self) {
        self.bridge_up.set(0);
        self.bridge_reconnects.inc();
    }

    /// Messages were published to Redis.
    pub fn published(&self, words: u32) {
        self.bridge_published.inc_by(u64::from(words));
    }

    /// A message arrived from another node.
    pub fn received(&self) {
        self.bridge_received.inc();
    }

    /// Messages between nodes were lost.
    pub fn lost(&self, reason: Lost, words: u32) {
        self.bridge_lost.get_or_create(&LostLabel { reason }).inc_by(u64::from(words));
    }

    /// A probe of this node to itself arrived.
    pub fn probed(&self, took: Duration) {
        self.bridge_probe_seconds.set(took.as_secs_f64());
    }

    /// Sets the number of channels that Redis has confirmed.
    pub fn subscriptions(&self, channels: usize) {
        self.bridge_subscriptions.set(gauge_value(channels));
    }

    /// All metrics in the text format that Prometheus scrapes.
    pub fn render(&self) -> String {
        let mut text = String::new();
        match encode_registry(&mut text, &self.registry) {
            Ok(()) => as_prometheus_text(&text),
            Err(why) => {
                log::error!("event=metrics_unreadable why=\"{why}\"");
                String::new()
            }
        }
    }
}

/// Whether an actor responds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ActorState {
    /// It responds.
    Answers,
    /// It has ended or is stuck.
    Silent,
}

/// Whether the database responds and is writable.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StoreState {
    /// It responds and is writable.
    Up,
    /// It does not respond in time.
    Down,
    /// It responds but refuses writes.
    ReadOnly,
}

fn gauge_value(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// Converts the encoder's OpenMetrics to the Prometheus format. In OpenMetrics the family of a counter is named without
/// `_total`, so the gauge `connections` and the counter `connections_total` would be one family described twice. In the
/// Prometheus format the description has the name of the sample.
fn as_prometheus_text(open_metrics: &str) -> String {
    let mut out = String::with_capacity(open_metrics.len() + 512);
    let mut lines = open_metrics.lines().peekable();
    while let Some(line) = lines.next() {
        let Some(help) = line.strip_prefix("# HELP ") else {
            out.push_str(line);
            out.push('\n');
            continue;
        };
        let (name, sentence) = help.split_once(' ').unwrap_or((help, ""));
        let kind = lines.next_if(|next| next.starts_with("# TYPE ")).and_then(|next| next.rsplit(' ').next());
        let kind = kind.unwrap_or("untyped");
        let suffix = if kind == "counter" { "_total" } else { "" };
        // Writing to a String does not fail.
        let _written = writeln!(out, "# HELP {name}{suffix} {sentence}\n# TYPE {name}{suffix} {kind}");
    }
    out
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn sample(text: &str, name: &str) -> Option<f64> {
        text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok())
    }

    #[test]
    fn every_promised_name_is_there_and_described_once() {
        let metrics = Metrics::default();
        metrics.connected();
        metrics.connected();
        metrics.connected();
        metrics.disconnected(Some(Disconnect::TooSlow));
        metrics.disconnected(None);
        metrics.peers(2);
        metrics.room_opened();
        metrics.delivered(10, 1_000);
        metrics.ephemeral_dropped(3);
        metrics.connection_refused();
        metrics.accepted();
        metrics.refused(ErrorCode::InvalidJson);
        metrics.committed(5, Duration::from_millis(3));
        metrics.journal_queue_grew(9);
        metrics.journal_queue_shrank(2);
        metrics.upgraded();
        metrics.upgrade_refused(ErrorCode::AuthenticationFailed);
        metrics.store(StoreState::Up);
        metrics.actor("journal", ActorState::Answers);
        metrics.published(3);
        metrics.received();
        metrics.lost(Lost::ReceiverFull, 2);
        metrics.link_broke();
        metrics.link_up();
        metrics.probed(Duration::from_millis(250));
        metrics.subscriptions(9);
        let text = metrics.render();
        for (name, value) in [
            ("convene_connections", 1.0),
            ("convene_connections_total", 3.0),
            ("convene_disconnects_total{code=\"4510\"}", 1.0),
            ("convene_disconnects_total{code=\"1006\"}", 1.0),
            ("convene_peers", 2.0),
            ("convene_rooms", 1.0),
            ("convene_deliveries_total", 10.0),
            ("convene_delivered_bytes_total", 1_000.0),
            ("convene_ephemeral_dropped_total", 3.0),
            ("convene_slow_consumers_total", 1.0),
            ("convene_refused_connections_total", 1.0),
            ("convene_requests_total{outcome=\"accepted\"}", 1.0),
            ("convene_requests_total{outcome=\"INVALID_JSON\"}", 1.0),
            ("convene_journal_appends_total", 5.0),
            ("convene_journal_commits_total", 1.0),
            ("convene_journal_commit_seconds_count", 1.0),
            ("convene_journal_commit_seconds_bucket{le=\"0.004\"}", 1.0),
            ("convene_journal_queue", 7.0),
            ("convene_upgrades_total{outcome=\"accepted\"}", 1.0),
            ("convene_upgrades_total{outcome=\"AUTHENTICATION_FAILED\"}", 1.0),
            ("convene_store_up", 1.0),
            ("convene_actor_up{actor=\"journal\"}", 1.0),
            ("convene_bridge_up", 1.0),
            ("convene_bridge_published_total", 3.0),
            ("convene_bridge_received_total", 1.0),
            ("convene_bridge_lost_total{reason=\"receiver_full\"}", 2.0),
            ("convene_bridge_reconnects_total", 1.0),
            ("convene_bridge_probe_seconds", 0.25),
            ("convene_bridge_subscriptions", 9.0),
        ] {
            assert_eq!(sample(&text, name), Some(value), "{name} in:\n{text}");
        }
        let described: Vec<_> = text.lines().filter(|line| line.starts_with("# TYPE ")).collect();
        let names: HashSet<_> = described.iter().filter_map(|line| line.split(' ').nth(2)).collect();
        assert_eq!(names.len(), described.len(), "{described:?}");
        assert!(names.contains("convene_connections_total") && names.contains("convene_connections"));
    }
}
