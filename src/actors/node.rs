//! What every thread of a node shares and nothing changes: addresses, keys, the store, settings. Built once by `app`
//! and passed in; there is no global.

use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};
use std::{
    sync::{
        Arc, OnceLock,
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
    messages::{AskAssistant, AskerGone, AssistantHeard, CancelAsk, FinishAnswers, StatusOf},
    outbox::ConnKey,
    presence::PresenceTracker,
    registry::Registry,
};
use crate::{
    auth::tokens::Verifier,
    config::{Config, Heartbeat},
    core::{presence::Status, rate::RateLimits},
    dialects::{DialectKind, manner::HeartbeatSetting},
    ids::{NodeId, Timestamp, UserId},
    limits,
    metrics::Metrics,
    store::Store,
};

/// One node.
pub struct Node {
    /// Which.
    pub id: NodeId,
    /// Finds rooms and users.
    pub registry: Addr<Registry>,
    /// Stores durable events.
    pub journal: Journal,
    /// Knows who is online.
    pub presence: Addr<PresenceTracker>,
    /// Knows the other nodes.
    pub cluster: Addr<Cluster>,
    /// Reads.
    pub store: Store,
    /// Settings.
    pub config: Arc<Config>,
    /// Checks tokens.
    pub verifier: Arc<Verifier>,
    /// Counters.
    pub metrics: Arc<Metrics>,
    /// The line to the assistant, once it works.
    pub assistant: OnceLock<AssistantLine>,
    /// The wall clock.
    pub clock: Clock,
    /// The line to other nodes.
    pub bridge: BridgeLink,
    /// Bytes of the events that all rooms here keep in memory, bounded by
    /// [`limits::RECOVERY_BYTES_ALL_ROOMS_MAX`].
    pub(crate) history_bytes: AtomicUsize,
    /// What users may send.
    pub rates: RateLimits,
    /// When it started.
    pub started: Instant,
    /// Load balancers are told to look elsewhere.
    pub(crate) leaving: AtomicBool,
    /// The node has begun to drain: no new sockets.
    pub(crate) draining: AtomicBool,
    pub(crate) stop: StopSwitch,
    pub(crate) workers: AtomicU16,
}

impl Node {
    /// Numbers the workers.
    pub(crate) fn next_worker(&self) -> u16 {
        self.workers.fetch_add(1, Ordering::Relaxed)
    }

    /// Whether the node is on its way out, although it may still take sockets: see `SHUTDOWN_DELAY_MS`.
    pub fn is_leaving(&self) -> bool {
        self.leaving.load(Ordering::Relaxed)
    }

    /// Whether the node takes no new sockets, and its users are expected back elsewhere.
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    /// What the user says about being there.
    pub async fn status_of(&self, user: UserId) -> Status {
        self.registry.send(StatusOf(user)).timeout(limits::ASK_TIMEOUT).await.unwrap_or_default()
    }

    /// The heartbeat of a dialect's sockets.
    pub fn heartbeat(&self, dialect: DialectKind) -> &Heartbeat {
        match dialect.manner().heartbeat {
            HeartbeatSetting::Common => &self.config.sockets.heartbeat,
            HeartbeatSetting::Nexus => &self.config.sockets.nexus_heartbeat,
        }
    }
}

/// How sessions reach the assistant, which no actor here knows.
#[derive(Clone)]
pub struct AssistantLine {
    /// For questions.
    pub ask: Recipient<AskAssistant>,
    /// For answers that are wanted no more.
    pub cancel: Recipient<CancelAsk>,
    /// For the end of a socket on which something was asked.
    pub gone: Recipient<AskerGone>,
    /// For what other nodes say.
    pub heard: Recipient<AssistantHeard>,
    /// For the end of the node.
    pub finish: Recipient<FinishAnswers>,
}

/// How an administrator's call reaches whoever takes the node out.
#[derive(Debug, Default)]
pub(crate) struct StopSwitch {
    /// Somebody waits for the call.
    wired: AtomicBool,
    pulled: Notify,
}

/// Whether a call to stop reaches anybody.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StopCall {
    /// The node is being taken out.
    Heard,
    /// The node is a part of another program, which stops it.
    NotOurs,
}

impl StopSwitch {
    /// Ready when somebody calls for the stop; from now on calls are heard.
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
    /// Now.
    pub fn now(&self) -> Timestamp {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Timestamp { unix_ms: since.as_millis() as i64 }
    }
}

/// What an administrator's name of a connection says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ConnectionName {
    /// Whose it is.
    pub user: UserId,
    /// On which node.
    pub node: NodeId,
    /// Which of the node's.
    pub conn: ConnKey,
}

/// What is percent-encoded of a user id in a connection's name, beside what is not ASCII: what headers, paths and log
/// lines do not hold as it is.
const NOT_IN_NAMES: &AsciiSet =
    &CONTROLS.add(b' ').add(b'"').add(b'#').add(b'%').add(b'/').add(b'<').add(b'>').add(b'?').add(b'\\');

/// A connection's name towards clients and administrators: `ws_<user_id>_<unix seconds>_<suffix>`, where the suffix
/// says which connection of which worker of which node it is.
pub fn connection_name(user: &UserId, at: Timestamp, node: NodeId, conn: ConnKey) -> Arc<str> {
    let user = utf8_percent_encode(user.as_str(), NOT_IN_NAMES);
    format!("ws_{user}_{}_{node}-{:x}-{:x}", at.unix_seconds(), conn.worker, conn.generation).into()
}

/// Reads a name made by [`connection_name`], also if it was decoded on its way, as in a path.
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
