//! The state shared by all threads of a node: addresses, keys, store, settings. Built once by `app` and passed in;
//! there must never be a global.

use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};
use std::{
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicBool, AtomicU16, AtomicUsize, Ordering},
    },
    time::Instant,
};

use actix::{Addr, Recipient};
use tokio::sync::Notify;

use super::{
    bridge::BridgeLink,
    cluster::Cluster,
    journal::Journal,
    messages::{AskAssistant, AskerClosed, AssistantPeerMessage, CancelAsk, FinishAnswers, StatusOf},
    moderation::Moderation,
    outbox::ConnKey,
    presence::PresenceTracker,
    registry::Registry,
};
use crate::{
    auth::{connection_counts::ConnectionCounts, tokens::Verifier},
    config::{Config, Heartbeat},
    core::{presence::Status, rate::RateLimits, user_rates::UserRates},
    dialects::{DialectKind, options::HeartbeatSetting},
    ids::{NodeId, Timestamp, UserId},
    limits,
    metrics::Metrics,
    store::Store,
};

/// One node.
pub struct Node {
    /// Its id.
    pub id: NodeId,
    /// Finds rooms and users.
    pub registry: Addr<Registry>,
    /// Stores durable events.
    pub journal: Journal,
    /// Tracks who is online.
    pub presence: Addr<PresenceTracker>,
    /// Tracks the other nodes.
    pub cluster: Addr<Cluster>,
    /// Access to the database.
    pub store: Store,
    /// The settings.
    pub config: Arc<Config>,
    /// Verifies tokens.
    pub verifier: Arc<Verifier>,
    /// The metrics.
    pub metrics: Arc<Metrics>,
    /// Access to the assistant, once it has started.
    pub assistant: OnceLock<AssistantLine>,
    /// The wall clock.
    pub clock: Clock,
    /// Access to the other nodes.
    pub bridge: BridgeLink,
    /// Bytes of the events that all rooms on this node keep in memory, bounded by
    /// [`limits::RECOVERY_BYTES_ALL_ROOMS_MAX`].
    pub(crate) history_bytes: AtomicUsize,
    /// The open HTTP connections of each client address.
    pub(crate) connection_counts: Arc<ConnectionCounts>,
    /// The recent invites of users on this node.
    pub(crate) invite_rates: Mutex<UserRates>,
    /// Who is muted or banned, and which words are filtered.
    pub moderation: Arc<Moderation>,
    /// The rate limits.
    pub rates: RateLimits,
    /// When it started.
    pub started: Instant,
    /// Load balancers are asked to route elsewhere.
    pub(crate) leaving: AtomicBool,
    /// The node has started to drain: no new sockets.
    pub(crate) draining: AtomicBool,
    pub(crate) stop: StopSwitch,
    pub(crate) workers: AtomicU16,
}

impl Node {
    /// The index for the next worker.
    pub(crate) fn next_worker(&self) -> u16 {
        self.workers.fetch_add(1, Ordering::Relaxed)
    }

    /// Whether the node is shutting down, although it may still accept sockets: see `SHUTDOWN_DELAY_MS`.
    pub fn is_leaving(&self) -> bool {
        self.leaving.load(Ordering::Relaxed)
    }

    /// Whether the node accepts no new sockets and its users are expected to reconnect elsewhere.
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    /// The user's status.
    pub async fn status_of(&self, user: UserId) -> Status {
        self.registry.send(StatusOf(user)).timeout(limits::ASK_TIMEOUT).await.unwrap_or_default()
    }

    /// The heartbeat settings for sockets of a dialect.
    pub fn heartbeat(&self, dialect: DialectKind) -> &Heartbeat {
        match dialect.options().heartbeat {
            HeartbeatSetting::Common => &self.config.sockets.heartbeat,
            HeartbeatSetting::Nexus => &self.config.sockets.nexus_heartbeat,
        }
    }
}

/// The recipients through which sessions reach the assistant, which is not known to the actors.
#[derive(Clone)]
pub struct AssistantLine {
    /// Questions.
    pub ask: Recipient<AskAssistant>,
    /// Cancellations.
    pub cancel: Recipient<CancelAsk>,
    /// Sockets with open questions that have closed.
    pub gone: Recipient<AskerClosed>,
    /// Messages of other nodes.
    pub heard: Recipient<AssistantPeerMessage>,
    /// The shutdown of the node.
    pub finish: Recipient<FinishAnswers>,
}

/// Passes an administrator's request to stop to the code that runs the node.
#[derive(Debug, Default)]
pub(crate) struct StopSwitch {
    /// Whether somebody waits for the request.
    wired: AtomicBool,
    pulled: Notify,
}

/// The result of a request to stop.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StopCall {
    /// The node is shutting down.
    Heard,
    /// The node is part of another program, which decides when to stop it.
    NotOurs,
}

impl StopSwitch {
    /// Completes when a stop is requested; from the first call on, requests are accepted.
    pub(crate) async fn wait(&self) {
        self.wired.store(true, Ordering::Relaxed);
        self.pulled.notified().await;
    }

    pub(super) fn pull(&self) -> StopCall {
        if !self.wired.load(Ordering::Relaxed) {
            return StopCall::NotOurs;
        }
        self.pulled.notify_one();
        StopCall::Heard
    }
}

/// The wall clock.
#[derive(Clone, Copy, Default, Debug)]
pub struct Clock;

impl Clock {
    /// The current time.
    pub fn now(&self) -> Timestamp {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Timestamp { unix_ms: since.as_millis() as i64 }
    }
}

/// The parts of a connection's name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ConnectionName {
    /// The user.
    pub user: UserId,
    /// The node.
    pub node: NodeId,
    /// The connection on that node.
    pub conn: ConnKey,
}

/// Characters that are percent-encoded in the user id of a connection's name, in addition to those that are not ASCII,
/// because they are not allowed in headers, paths or log lines.
const NOT_IN_NAMES: &AsciiSet =
    &CONTROLS.add(b' ').add(b'"').add(b'#').add(b'%').add(b'/').add(b'<').add(b'>').add(b'?').add(b'\\');

/// The name of a connection for clients and administrators: `ws_<user_id>_<unix seconds>_<suffix>`, where the suffix
/// identifies node, worker and connection.
pub fn connection_name(user: &UserId, at: Timestamp, node: NodeId, conn: ConnKey) -> Arc<str> {
    let user = utf8_percent_encode(user.as_str(), NOT_IN_NAMES);
    format!("ws_{user}_{}_{node}-{:x}-{:x}", at.unix_seconds(), conn.worker, conn.generation).into()
}

/// Parses a name made by [`connection_name`], also if it was percent-decoded in transit, as in a path.
pub fn parse_connection_name(name: &str) -> Option<ConnectionName> {
    let (head, suffix) = name.strip_prefix("ws_")?.rsplit_once('_')?;
    let (user, _) = head.rsplit_once('_')?;
    let user = percent_decode_str(user).decode_utf8().ok()?;
    let mut parts = suffix.splitn(3, '-');
    let node = parts.next()?.parse().ok()?;
    let worker = u16::from_str_radix(parts.next()?, 16).ok()?;
    let generation = u32::from_str_radix(parts.next()?, 16).ok()?;
    Some(ConnectionName { user: UserId::new(user).ok()?, node, conn: ConnKey { worker, generation } })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_name_can_be_read_back() {
        let (node, conn) = (NodeId(0xab), ConnKey { worker: 3, generation: 0xfff0 });
        let user = UserId::new("a_user_7").unwrap();
        let name = connection_name(&user, Timestamp::from_unix_seconds(1_642_161_000), node, conn);
        assert_eq!(&*name, "ws_a_user_7_1642161000_00000000000000ab-3-fff0");
        assert_eq!(parse_connection_name(&name), Some(ConnectionName { user, node, conn }));
        assert_eq!(parse_connection_name("ws_user_123_1642161000"), None);
        let user = UserId::new("jürgen \"o\"/7").unwrap();
        let name = connection_name(&user, Timestamp::from_unix_seconds(1_642_161_000), node, conn);
        assert_eq!(&*name, "ws_j%C3%BCrgen%20%22o%22%2F7_1642161000_00000000000000ab-3-fff0");
        for name in [&*name, &percent_decode_str(&name).decode_utf8().unwrap()] {
            assert_eq!(parse_connection_name(name), Some(ConnectionName { user: user.clone(), node, conn }));
        }
    }
}
