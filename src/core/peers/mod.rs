//! Detects which other nodes are alive. A node that sends heartbeats is alive; one that has been silent for a number of
//! ticks is gone. Silence is measured in this node's own ticks, not in time, so that a process that was suspended does
//! not declare all other nodes dead. While the link to the other nodes is down no ticks are counted, because silence
//! must never be taken for death then.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{ids::NodeId, limits};

/// The heartbeat that a node publishes every second.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct NodeHeartbeat {
    /// Its display name.
    pub name: String,
    /// Seconds since it started.
    pub uptime_seconds: u64,
    /// Open sockets.
    pub connections: u64,
    /// Users with a socket.
    pub users: u64,
    /// Rooms in memory.
    pub rooms: u64,
    /// The version of its roster (`core/roster/mod.rs`).
    pub roster_version: u64,
    /// Recent rate of messages received from clients, per second.
    #[serde(default)]
    pub messages_per_second: f64,
    /// Set while it drains: the time in which its users are expected to reconnect elsewhere. They count as present
    /// meanwhile.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leaving_ms: Option<u64>,
}

/// The result of a heartbeat.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum HeartbeatResult {
    /// The first one of an unknown node.
    New,
    /// One of a known node.
    Known,
    /// One of a node that was not added, because `PEERS_MAX` is reached.
    NoPlace,
}

/// Another node.
#[derive(Clone, PartialEq, Debug)]
pub struct Peer {
    /// Its last heartbeat.
    pub beat: NodeHeartbeat,
    /// Ticks since then.
    pub silent_ticks: u32,
}

impl Peer {
    /// Ticks of silence after which the node counts as gone. A node that is draining has until its users have
    /// reconnected elsewhere.
    fn patience_ticks(&self) -> u32 {
        let leaving_ticks = self.beat.leaving_ms.map_or(0, |ms| u32::try_from(ms.div_ceil(1000)).unwrap_or(u32::MAX));
        leaving_ticks.clamp(limits::PEER_SILENT_TICKS_MAX, limits::PEER_LEAVING_TICKS_MAX)
    }
}

/// Whether heartbeats of other nodes can be received.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum Detection {
    #[default]
    Running,
    Paused,
}

/// The other nodes.
#[derive(Debug, Default)]
pub struct Peers {
    peers: BTreeMap<NodeId, Peer>,
    detection: Detection,
}

impl Peers {
    /// A heartbeat was received.
    pub fn receive(&mut self, node: NodeId, beat: NodeHeartbeat) -> HeartbeatResult {
        if let Some(peer) = self.peers.get_mut(&node) {
            *peer = Peer { beat, silent_ticks: 0 };
            return HeartbeatResult::Known;
        }
        if self.peers.len() >= limits::PEERS_MAX {
            return HeartbeatResult::NoPlace;
        }
        self.peers.insert(node, Peer { beat, silent_ticks: 0 });
        HeartbeatResult::New
    }

    /// One second of this node's own time has passed. Returns the nodes that are gone.
    pub fn tick(&mut self) -> Vec<NodeId> {
        if self.detection == Detection::Paused {
            return Vec::new();
        }
        for peer in self.peers.values_mut() {
            peer.silent_ticks = peer.silent_ticks.saturating_add(1);
        }
        let gone = self.peers.extract_if(.., |_, peer| peer.silent_ticks >= peer.patience_ticks());
        gone.map(|(node, _)| node).collect()
    }

    /// The link to the other nodes is down: nobody is removed until it is up again.
    pub fn pause(&mut self) {
        self.detection = Detection::Paused;
    }

    /// The link is up again: all nodes get the full time-out to send a heartbeat.
    pub fn resume(&mut self) {
        self.detection = Detection::Running;
        self.peers.values_mut().for_each(|peer| peer.silent_ticks = 0);
    }

    /// All other nodes that are alive.
    pub fn iter(&self) -> impl Iterator<Item = (NodeId, &Peer)> {
        self.peers.iter().map(|(node, peer)| (*node, peer))
    }

    /// The number of other nodes that are alive.
    pub fn count(&self) -> usize {
        self.peers.len()
    }
}

#[cfg(test)]
mod tests;
