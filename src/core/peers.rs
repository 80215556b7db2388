//! Which other nodes live. A node that beats is there; one that has been silent for long enough is gone. It counts its
//! own ticks instead of time, so that a process that was stopped for a while does not take everybody else for dead.

use serde::{Deserialize, Serialize};

/// What a node says about itself, every second.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Beat {
    /// Its name for people.
    pub name: String,
    /// Seconds since it started.
    pub uptime_seconds: u64,
    /// Open sockets.
    pub connections: u64,
    /// Users with a socket.
    pub users: u64,
    /// Rooms in memory.
    pub rooms: u64,
    /// The version of its roster (`core/roster.rs`).
    pub roster_version: u64,
    /// Set while it drains: for so long its users are expected back elsewhere, and keep their places.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leaving_ms: Option<u64>,
}
