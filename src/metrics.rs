//! What is counted, under the names that dashboards know. Whoever counts calls a method that says what happened; no
//! label is a text from outside, so that their number is bounded.

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

/// What became of a command, or of a request to open a socket.
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

/// Why something said between nodes was not brought.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Lost {
    /// The link was down when it was said.
    LinkDown,
    /// More was said than Redis took.
    QueueFull,
    /// It is larger than an envelope may be.
    TooLarge,
    /// Redis did not take it.
    Refused,
    /// More came than this node's threads took.
    InboxFull,
    /// The room or the node it is for has a full mailbox.
    ReceiverFull,
    /// A newer release said it.
    Newer,
    /// It is nothing that a node says.
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

/// The code that stands for none (RFC 6455 section 7.1.5).
const NO_CLOSE_FRAME: u16 = 1006;

/// All counters of a node.
pub struct Metrics {
    /// The assistant's.
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
    requests: Family<OutcomeLabel, Counter>,
    /// The outcome of nearly all requests, without the look into the family.
    requests_accepted: Counter,
    journal_appends: Counter,
    journal_commits: Counter,
    journal_commit_seconds: Histogram,
    journal_queue: Gauge,
    upgrades: Family<OutcomeLabel, Counter>,
    store_up: Gauge,
    actor_up: Family<ActorLabel, Gauge>,
    history_reads: Counter,
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
    /// Everything at zero.
    pub fn new() -> Metrics {
        Metrics::default()
    }

    fn register(&mut self) {
        let mut registry = Registry::with_prefix("convene");
        let r = &mut registry;
        r.register("connections", "Open sockets", self.connections.clone());
        r.register("connections", "Sockets opened since the start", self.connected.clone());
        r.register("disconnects", "Sockets ended, by close code", self.disconnected.clone());
        r.register("users_online", "Users with an open socket", self.users_online.clone());
        r.register("peers", "Other nodes that are heard", self.peers.clone());
        r.register("rooms", "Rooms in memory", self.rooms.clone());
        r.register("deliveries", "Events written to sockets", self.deliveries.clone());
        r.register("delivered_bytes", "Bytes of events written to sockets", self.delivered_bytes.clone());
        r.register("ephemeral_dropped", "Ephemeral events not sent to slow readers", self.ephemeral_dropped.clone());
        r.register("slow_consumers", "Sockets closed for reading too slowly", self.slow_consumers.clone());
        r.register("requests", "Commands of clients, by what became of them", self.requests.clone());
        r.register("journal_appends", "Events stored", self.journal_appends.clone());
        r.register("journal_commits", "Transactions that stored them", self.journal_commits.clone());
        r.register("journal_commit_seconds", "How long a transaction took", self.journal_commit_seconds.clone());
        r.register("journal_queue", "Events that wait to be stored", self.journal_queue.clone());
        r.register("upgrades", "Requests to open a socket, by what became of them", self.upgrades.clone());
        r.register("store_up", "1 while the database answers and can be written to", self.store_up.clone());
        r.register("actor_up", "1 while an actor that the node can't do without answers", self.actor_up.clone());
        r.register("history_reads", "Reads of a room's log for returning clients", self.history_reads.clone());
        r.register("room_gaps", "Reads of a room's log for what was not heard in time", self.room_gaps.clone());
        self.registry = registry;
    }

    /// What returning clients missed is read from a room's log.
    pub fn history_read(&self) {
        self.history_reads.inc();
    }

    /// A gap in what a room has heard is closed from its log.
    pub fn gap_read(&self) {
        self.room_gaps.inc();
    }

    fn register_bridge(&mut self) {
        let r = &mut self.registry;
        r.register("bridge_up", "1 while other nodes are heard", self.bridge_up.clone());
        r.register("bridge_published", "Words handed to Redis", self.bridge_published.clone());
        r.register("bridge_received", "Words brought from other nodes", self.bridge_received.clone());
        r.register("bridge_lost", "Words between nodes that were not brought", self.bridge_lost.clone());
        r.register(
            "bridge_reconnects",
            "Times that the link to Redis was found broken",
            self.bridge_reconnects.clone(),
        );
        r.register("bridge_probe_seconds", "How long the last probe took", self.bridge_probe_seconds.clone());
        r.register("bridge_subscriptions", "Channels that Redis has confirmed", self.bridge_subscriptions.clone());
    }

    /// A socket was opened.
    pub fn connected(&self) {
        self.connections.inc();
        self.connected.inc();
    }

    /// A socket has ended; None: the client or the network ended it without a word.
    pub fn disconnected(&self, why: Option<Disconnect>) {
        self.connections.dec();
        let code = why.map_or(NO_CLOSE_FRAME, Disconnect::code);
        self.disconnected.get_or_create(&CodeLabel { code: u32::from(code) }).inc();
        if why == Some(Disconnect::TooSlow) {
            self.slow_consumers.inc();
        }
    }

    /// How many users have a socket.
    pub fn users_online(&self, users: usize) {
        self.users_online.set(gauge_value(users));
    }

    /// How many other nodes are heard.
    pub fn peers(&self, peers: usize) {
        self.peers.set(gauge_value(peers));
    }

    /// A room came into memory.
    pub fn room_opened(&self) {
        self.rooms.inc();
    }

    /// A room left memory.
    pub fn room_closed(&self) {
        self.rooms.dec();
    }

    /// Events went out to sockets.
    pub fn delivered(&self, deliveries: u64, bytes: u64) {
        self.deliveries.inc_by(deliveries);
        self.delivered_bytes.inc_by(bytes);
    }

    /// Ephemeral events were not sent to a slow reader.
    pub fn ephemeral_dropped(&self, count: u32) {
        self.ephemeral_dropped.inc_by(u64::from(count));
    }

    /// A client's command was well-formed and within the limits.
    pub fn accepted(&self) {
        self.requests_accepted.inc();
    }

    /// How many were accepted so far.
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

    /// So many more events wait to be stored.
    pub fn journal_queue_grew(&self, by: usize) {
        self.journal_queue.inc_by(gauge_value(by));
    }

    /// So many events wait no more.
    pub fn journal_queue_shrank(&self, by: usize) {
        self.journal_queue.dec_by(gauge_value(by));
    }

    /// A socket was let in.
    pub fn upgraded(&self) {
        self.upgrades.get_or_create(&OutcomeLabel { outcome: Outcome::Accepted }).inc();
    }

    /// A request to open a socket was refused.
    pub fn upgrade_refused(&self, code: ErrorCode) {
        self.upgrades.get_or_create(&OutcomeLabel { outcome: Outcome::Refused(code) }).inc();
    }

    /// The database answered and took a write, or did not.
    pub fn store(&self, state: StoreState) {
        self.store_up.set(match state {
            StoreState::Up => 1,
            StoreState::Down | StoreState::ReadOnly => 0,
        });
    }

    /// Whether an actor that the node can't do without answers.
    pub fn actor(&self, actor: &'static str, state: ActorState) {
        self.actor_up.get_or_create(&ActorLabel { actor }).set(match state {
            ActorState::Answers => 1,
            ActorState::Silent => 0,
        });
    }

    /// Other nodes are heard.
    pub fn link_up(&self) {
        self.bridge_up.set(1);
    }

    /// The link to Redis was found broken, or could not be made.
    pub fn link_broke(&self) {
        self.bridge_up.set(0);
        self.bridge_reconnects.inc();
    }

    /// Words were handed to Redis.
    pub fn published(&self, words: u32) {
        self.bridge_published.inc_by(u64::from(words));
    }

    /// A word came from another node.
    pub fn received(&self) {
        self.bridge_received.inc();
    }

    /// Words between nodes were not brought.
    pub fn lost(&self, reason: Lost, words: u32) {
        self.bridge_lost.get_or_create(&LostLabel { reason }).inc_by(u64::from(words));
    }

    /// The node heard itself.
    pub fn probed(&self, took: Duration) {
        self.bridge_probe_seconds.set(took.as_secs_f64());
    }

    /// How many channels Redis has confirmed.
    pub fn subscriptions(&self, channels: usize) {
        self.bridge_subscriptions.set(gauge_value(channels));
    }

    /// Everything in the text form that Prometheus scrapes.
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

/// Whether an actor answers.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ActorState {
    /// It does.
    Answers,
    /// It has ended, or is stuck.
    Silent,
}

/// Whether the database answers and can be written to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StoreState {
    /// It does.
    Up,
    /// It does not, or takes too long.
    Down,
    /// It answers and takes no write.
    ReadOnly,
}

fn gauge_value(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// The encoder writes OpenMetrics, where a counter's family is named without its `_total`, so that the gauge
/// `connections` and the counter `connections_total` would be one family described twice. In Prometheus' own format the
/// description has the sample's name.
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
