//! Which other nodes live. A node that beats is there; one that has been silent for long enough is gone. It counts its
//! own ticks instead of time, so that a process that was stopped for a while does not take everybody else for dead; and
//! while the line to the others is down it counts nothing, since silence then says nothing about them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::{ids::NodeId, limits};

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
    /// Messages of clients that it took, lately, per second.
    #[serde(default)]
    pub messages_per_second: f64,
    /// Set while it drains: for so long its users are expected back elsewhere, and keep their places.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leaving_ms: Option<u64>,
}

/// What a beat was.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Hearing {
    /// The first of a node that was not known.
    New,
    /// Another one.
    Known,
    /// Of a node for which there is no place (`PEERS_MAX`).
    NoPlace,
}

/// Another node.
#[derive(Clone, PartialEq, Debug)]
pub struct Peer {
    /// What it said last.
    pub beat: Beat,
    /// Own ticks since then.
    pub silent_ticks: u32,
}

impl Peer {
    /// Ticks of silence after which it is gone: one that said it would leave has until its users are back elsewhere.
    fn patience_ticks(&self) -> u32 {
        let leaving_ticks = self.beat.leaving_ms.map_or(0, |ms| u32::try_from(ms.div_ceil(1000)).unwrap_or(u32::MAX));
        leaving_ticks.clamp(limits::PEER_SILENT_TICKS_MAX, limits::PEER_LEAVING_TICKS_MAX)
    }
}

/// Whether the others can be heard.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum Sight {
    #[default]
    Sighted,
    Blind,
}

/// The other nodes.
#[derive(Debug, Default)]
pub struct Peers {
    peers: BTreeMap<NodeId, Peer>,
    sight: Sight,
}

impl Peers {
    /// A beat was heard.
    pub fn hear(&mut self, node: NodeId, beat: Beat) -> Hearing {
        if let Some(peer) = self.peers.get_mut(&node) {
            *peer = Peer { beat, silent_ticks: 0 };
            return Hearing::Known;
        }
        if self.peers.len() >= limits::PEERS_MAX {
            return Hearing::NoPlace;
        }
        self.peers.insert(node, Peer { beat, silent_ticks: 0 });
        Hearing::New
    }

    /// A second of this node's own time went by; answers who is gone.
    pub fn tick(&mut self) -> Vec<NodeId> {
        if self.sight == Sight::Blind {
            return Vec::new();
        }
        for peer in self.peers.values_mut() {
            peer.silent_ticks = peer.silent_ticks.saturating_add(1);
        }
        let gone = self.peers.extract_if(.., |_, peer| peer.silent_ticks >= peer.patience_ticks());
        gone.map(|(node, _)| node).collect()
    }

    /// The line to the others is down: whoever was there stays.
    pub fn blind(&mut self) {
        self.sight = Sight::Blind;
    }

    /// The line is back: everybody has the whole patience again to be heard.
    pub fn sighted(&mut self) {
        self.sight = Sight::Sighted;
        self.peers.values_mut().for_each(|peer| peer.silent_ticks = 0);
    }

    /// All that are there.
    pub fn iter(&self) -> impl Iterator<Item = (NodeId, &Peer)> {
        self.peers.iter().map(|(node, peer)| (*node, peer))
    }

    /// How many are there.
    pub fn count(&self) -> usize {
        self.peers.len()
    }
}

#[cfg(test)]
mod tests;
