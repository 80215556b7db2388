//! What every thread of a node shares and nothing changes: addresses, keys, the store, settings. Built once by `app`
//! and passed in; there is no global.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU16, Ordering},
};

use actix::Addr;

use super::{bridge::BridgeLink, journal::Journal, presence::PresenceTracker, registry::Registry};
use crate::{
    auth::tokens::Verifier,
    config::{Config, Heartbeat},
    core::rate::RateLimits,
    dialects::DialectKind,
    ids::{Timestamp, UserId},
    metrics::Metrics,
    store::Store,
};

/// One node.
pub struct Node {
    /// Finds rooms and users.
    pub registry: Addr<Registry>,
    /// Stores durable events.
    pub journal: Addr<Journal>,
    /// Knows who is online.
    pub presence: Addr<PresenceTracker>,
    /// Reads.
    pub store: Store,
    /// Settings.
    pub config: Arc<Config>,
    /// Checks tokens.
    pub verifier: Arc<Verifier>,
    /// Counters.
    pub metrics: Arc<Metrics>,
    /// The wall clock.
    pub clock: Clock,
    /// The line to other nodes.
    pub bridge: BridgeLink,
    /// What users may send.
    pub rates: RateLimits,
    /// The node has begun to drain: no new sockets.
    pub(crate) draining: AtomicBool,
    pub(crate) workers: AtomicU16,
}

impl Node {
    /// Numbers the workers.
    pub(crate) fn next_worker(&self) -> u16 {
        self.workers.fetch_add(1, Ordering::Relaxed)
    }

    /// Whether the node takes no new sockets.
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    /// The heartbeat of a dialect's sockets.
    pub fn heartbeat(&self, dialect: DialectKind) -> &Heartbeat {
        match dialect {
            DialectKind::Channel => &self.config.sockets.heartbeat,
        }
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

/// A connection's name towards clients and administrators: `ws_<user_id>_<unix seconds>_<suffix>`, where the suffix
/// says which connection of which worker it is.
pub fn connection_name(user: &UserId, at: Timestamp, key: super::outbox::ConnKey) -> Arc<str> {
    format!("ws_{user}_{}_{:x}-{:x}", at.unix_seconds(), key.worker, key.generation).into()
}

/// Reads a name made by [`connection_name`].
pub fn parse_connection_name(name: &str) -> Option<(UserId, super::outbox::ConnKey)> {
    let (head, suffix) = name.strip_prefix("ws_")?.rsplit_once('_')?;
    let (user, _) = head.rsplit_once('_')?;
    let (worker, generation) = suffix.split_once('-')?;
    let worker = u16::from_str_radix(worker, 16).ok()?;
    let generation = u32::from_str_radix(generation, 16).ok()?;
    let key = super::outbox::ConnKey { worker, generation };
    Some((UserId::new(user).ok()?, key))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::actors::outbox::ConnKey;

    #[test]
    fn a_connection_name_can_be_read_back() {
        let key = ConnKey { worker: 3, generation: 0xfff0 };
        let user = UserId::new("a_user_7").unwrap();
        let name = connection_name(&user, Timestamp::from_unix_seconds(1_642_161_000), key);
        assert_eq!(&*name, "ws_a_user_7_1642161000_3-fff0");
        assert_eq!(parse_connection_name(&name), Some((user, key)));
        assert_eq!(parse_connection_name("ws_user_123_1642161000"), None);
    }
}
