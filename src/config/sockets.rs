//! Settings of sockets: connection limits, heartbeats, and rate limits.

use std::time::Duration;

use super::{ConfigError, variables::Variables};
use crate::limits;

/// Connection limits, heartbeats, and write batching.
#[derive(Clone, Debug)]
pub struct Sockets {
    /// `MAX_CONNECTIONS_PER_USER`: a socket above this limit closes the user's oldest one; 0: no limit.
    pub per_user_max: usize,
    /// `MAX_DOCUMENT_CONNECTIONS_PER_USER`: the same for sockets of document editors, which open one for each document.
    pub documents_per_user_max: usize,
    /// `WEBSOCKET_MAX_CONNECTIONS`: sockets of this node; 0: no limit.
    pub connections_max: usize,
    /// `WEBSOCKET_PING_INTERVAL`, `WEBSOCKET_PING_TIMEOUT` (or `WEBSOCKET_TIMEOUT`).
    pub heartbeat: Heartbeat,
    /// `WEBSOCKET_HEARTBEAT_INTERVAL`, `WEBSOCKET_HEARTBEAT_TIMEOUT`: the same for the nexus dialect.
    pub nexus_heartbeat: Heartbeat,
    /// `LEAVE_GRACE_MS`: how long the others are not notified when the last socket of a user in a room drops, so that
    /// the user can reconnect unnoticed; zero: they are notified at once.
    pub leave_grace: Duration,
    /// `CORK_MS`: how long frames to a busy socket are delayed so that several are written together; zero: no delay.
    pub cork: Duration,
}

/// How often a socket is pinged, and how long it may be silent before it is closed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Heartbeat {
    /// Time between two pings.
    pub interval: Duration,
    /// Time without any data from the client.
    pub timeout: Duration,
}

const CONNECTIONS_MAX: usize = 10_000_000;
const HEARTBEAT_SECONDS: std::ops::RangeInclusive<u64> = 1..=3_600;

impl Sockets {
    pub(super) fn read(variables: &Variables<'_>) -> Result<Sockets, ConfigError> {
        let count = |name, default| {
            variables.number(name, 0..=CONNECTIONS_MAX, default, "a number of sockets, or 0 for no limit")
        };
        // Read even if it is not used, so that an invalid value is always reported.
        variables.seconds("WEBSOCKET_TIMEOUT", HEARTBEAT_SECONDS, 60)?;
        let timeout = match variables.text("WEBSOCKET_PING_TIMEOUT") {
            Some(_) => "WEBSOCKET_PING_TIMEOUT",
            None => "WEBSOCKET_TIMEOUT",
        };
        Ok(Sockets {
            per_user_max: count("MAX_CONNECTIONS_PER_USER", 5)?,
            documents_per_user_max: count("MAX_DOCUMENT_CONNECTIONS_PER_USER", limits::DOCUMENT_CONNECTIONS_DEFAULT)?,
            connections_max: count("WEBSOCKET_MAX_CONNECTIONS", 0)?,
            heartbeat: heartbeat(variables, ("WEBSOCKET_PING_INTERVAL", 25), (timeout, 60))?,
            nexus_heartbeat: heartbeat(
                variables,
                ("WEBSOCKET_HEARTBEAT_INTERVAL", 30),
                ("WEBSOCKET_HEARTBEAT_TIMEOUT", 60),
            )?,
            leave_grace: variables.milliseconds("LEAVE_GRACE_MS", 0..=600_000, 5_000)?,
            cork: variables.milliseconds("CORK_MS", 0..=1_000, 2)?,
        })
    }

    pub(super) fn describe(&self, lines: &mut Vec<(&'static str, String)>) {
        let seconds = |span: Duration| span.as_secs().to_string();
        lines.push(("MAX_CONNECTIONS_PER_USER", self.per_user_max.to_string()));
        lines.push(("MAX_DOCUMENT_CONNECTIONS_PER_USER", self.documents_per_user_max.to_string()));
        lines.push(("WEBSOCKET_MAX_CONNECTIONS", self.connections_max.to_string()));
        lines.push(("WEBSOCKET_PING_INTERVAL", seconds(self.heartbeat.interval)));
        lines.push(("WEBSOCKET_PING_TIMEOUT", seconds(self.heartbeat.timeout)));
        lines.push(("LEAVE_GRACE_MS", self.leave_grace.as_millis().to_string()));
        lines.push(("CORK_MS", self.cork.as_millis().to_string()));
    }
}

fn heartbeat(
    variables: &Variables<'_>,
    (interval_name, interval_default): (&'static str, u64),
    (timeout_name, timeout_default): (&'static str, u64),
) -> Result<Heartbeat, ConfigError> {
    let interval = variables.seconds(interval_name, HEARTBEAT_SECONDS, interval_default)?;
    let timeout = variables.seconds(timeout_name, HEARTBEAT_SECONDS, timeout_default)?;
    if timeout <= interval {
        let problem = format!(
            "is not above {interval_name} ({} seconds), so every idle socket would be closed; set it to {} or more",
            interval.as_secs(),
            interval.as_secs() * 2
        );
        return Err(ConfigError::value(timeout_name, &timeout.as_secs().to_string(), problem));
    }
    Ok(Heartbeat { interval, timeout })
}

/// Rate limits of a user, over all of the user's sockets; 0 disables a limit.
#[derive(Clone, Debug)]
pub struct Rates {
    /// `WEBSOCKET_REQUESTS_PER_MINUTE`.
    pub requests_per_minute: u32,
    /// `WEBSOCKET_REQUESTS_PER_HOUR`.
    pub requests_per_hour: u32,
    /// `WEBSOCKET_BLOCK_DURATION_MINUTES`: how long a user who continues after being refused is blocked; zero: never.
    pub block: Duration,
    /// `WEBSOCKET_EPHEMERAL_PER_SECOND`: typing events, ICE candidates and the like.
    pub ephemeral_per_second: u32,
    /// `WEBSOCKET_EDITS_PER_SECOND`: cell updates.
    pub edits_per_second: u32,
}

const RATE_MAX: u32 = 10_000_000;
/// A week.
const BLOCK_MINUTES_MAX: u64 = 7 * 24 * 60;

impl Rates {
    pub(super) fn read(variables: &Variables<'_>) -> Result<Rates, ConfigError> {
        let rate = |name, default: u32| {
            variables.number(name, 0..=RATE_MAX, default, &format!("a number such as {default}, or 0 for no limit"))
        };
        let minutes =
            variables.number("WEBSOCKET_BLOCK_DURATION_MINUTES", 0..=BLOCK_MINUTES_MAX, 15, "minutes, such as 15")?;
        Ok(Rates {
            requests_per_minute: rate("WEBSOCKET_REQUESTS_PER_MINUTE", 60)?,
            requests_per_hour: rate("WEBSOCKET_REQUESTS_PER_HOUR", 1_000)?,
            block: Duration::from_secs(minutes * 60),
            ephemeral_per_second: rate("WEBSOCKET_EPHEMERAL_PER_SECOND", 60)?,
            edits_per_second: rate("WEBSOCKET_EDITS_PER_SECOND", 120)?,
        })
    }

    pub(super) fn describe(&self, lines: &mut Vec<(&'static str, String)>) {
        lines.push(("WEBSOCKET_REQUESTS_PER_MINUTE", self.requests_per_minute.to_string()));
        lines.push(("WEBSOCKET_REQUESTS_PER_HOUR", self.requests_per_hour.to_string()));
        lines.push(("WEBSOCKET_BLOCK_DURATION_MINUTES", (self.block.as_secs() / 60).to_string()));
        lines.push(("WEBSOCKET_EPHEMERAL_PER_SECOND", self.ephemeral_per_second.to_string()));
        lines.push(("WEBSOCKET_EDITS_PER_SECOND", self.edits_per_second.to_string()));
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{config, refusal};
    use super::*;

    #[test]
    fn the_time_out_has_two_names_and_the_longer_one_wins() {
        let timeout = |variables: &[(&str, &str)]| config(variables).unwrap().sockets.heartbeat.timeout;
        assert_eq!(timeout(&[]), Duration::from_secs(60));
        assert_eq!(timeout(&[("WEBSOCKET_TIMEOUT", "90")]), Duration::from_secs(90));
        let both = [("WEBSOCKET_TIMEOUT", "90"), ("WEBSOCKET_PING_TIMEOUT", "40")];
        assert_eq!(timeout(&both), Duration::from_secs(40));
    }

    #[test]
    fn a_time_out_below_the_interval_is_refused() {
        let sentence = refusal(&[("WEBSOCKET_TIMEOUT", "20")]);
        assert!(sentence.starts_with("WEBSOCKET_TIMEOUT: \"20\" is not above WEBSOCKET_PING_INTERVAL"), "{sentence}");
    }
}
