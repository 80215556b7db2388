//! What one client may use of the server over HTTP. Whoever exceeds a budget is refused or disconnected; nobody else notices.

use std::time::Duration;

use super::{ConfigError, variables::Variables};

/// Budgets of HTTP clients.
#[derive(Clone, Debug)]
pub struct Budgets {
    /// `HTTP_BODY_SECONDS`: how long the body of a REST request may take to arrive. Uploads have limits of their own.
    pub body_timeout: Duration,
    /// `HTTP_UNREAD_SECONDS`: how long a client may leave an answer unread before its connection is closed.
    pub unread_timeout: Duration,
    /// `HTTP_CONNECTIONS_PER_ADDRESS`: HTTP connections at a time per client address; 0: no limit. A connection that has become
    /// a WebSocket does not count, nor do those of trusted proxies.
    pub connections_per_address: usize,
    /// `REST_READS_PER_MINUTE` per user and node; 0: no limit.
    pub reads_per_minute: u32,
    /// `REST_WRITES_PER_MINUTE` per user and node; 0: no limit.
    pub writes_per_minute: u32,
}

const PER_MINUTE_MAX: u32 = 10_000_000;

impl Budgets {
    pub(super) fn read(variables: &Variables<'_>) -> Result<Budgets, ConfigError> {
        let connections = "a number of connections, such as 1000, or 0 for no limit";
        let requests = "a number of requests, such as 12000, or 0 for no limit";
        Ok(Budgets {
            body_timeout: variables.seconds("HTTP_BODY_SECONDS", 1..=600, 30)?,
            unread_timeout: variables.seconds("HTTP_UNREAD_SECONDS", 1..=600, 30)?,
            connections_per_address: variables.number(
                "HTTP_CONNECTIONS_PER_ADDRESS",
                0..=1_000_000,
                1_000,
                connections,
            )?,
            reads_per_minute: variables.number("REST_READS_PER_MINUTE", 0..=PER_MINUTE_MAX, 30_000, requests)?,
            writes_per_minute: variables.number("REST_WRITES_PER_MINUTE", 0..=PER_MINUTE_MAX, 12_000, requests)?,
        })
    }

    pub(super) fn describe(&self, lines: &mut Vec<(&'static str, String)>) {
        lines.push(("HTTP_BODY_SECONDS", self.body_timeout.as_secs().to_string()));
        lines.push(("HTTP_UNREAD_SECONDS", self.unread_timeout.as_secs().to_string()));
        lines.push(("HTTP_CONNECTIONS_PER_ADDRESS", self.connections_per_address.to_string()));
        lines.push(("REST_READS_PER_MINUTE", self.reads_per_minute.to_string()));
        lines.push(("REST_WRITES_PER_MINUTE", self.writes_per_minute.to_string()));
    }
}
