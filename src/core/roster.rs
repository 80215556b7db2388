//! Who is online on other nodes, on which sockets and with which status. Each node is the only authority for its own
//! sockets and tells them by diffs; this keeps the others' parts and notices when a diff is missing. It never guesses:
//! what it has missed it asks for.

mod own;
mod part;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use self::own::OwnRoster;
use self::part::Part;
use crate::{
    core::{
        presence::Status,
        rate::{Account, Reckoning},
    },
    ids::{NodeId, RoomId, Timestamp, UserId},
};

/// A socket as other nodes know it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SocketEntry {
    /// Whose.
    pub user: UserId,
    /// Which worker's.
    pub worker: u16,
    /// Which of the worker's.
    pub generation: u32,
    /// Since when.
    pub opened_at: Timestamp,
}

/// What a node says about who is online there. The node's id is the life of its roster; a beat carries its version.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "say", rename_all = "snake_case")]
pub enum RosterWord {
    /// What changed, coalesced: first the closed ones, then the opened ones, then the statuses.
    Diff {
        /// The version after it; the one before is one less.
        version: u64,
        /// Sockets that opened.
        opened: Vec<SocketEntry>,
        /// Sockets that closed.
        closed: Vec<SocketEntry>,
        /// What users say about being there.
        statuses: Vec<(UserId, Status)>,
    },
    /// Tell your roster.
    Ask {
        /// Whose.
        of: NodeId,
    },
    /// A piece of the whole roster, in answer.
    Part {
        /// The version that it is of.
        version: u64,
        /// Which piece, from 0.
        piece: u32,
        /// How many there are.
        pieces: u32,
        /// Sockets.
        sockets: Vec<SocketEntry>,
        /// Statuses that are not the usual one.
        statuses: Vec<(UserId, Status)>,
    },
    /// What users who came to a node had asked for lately elsewhere, as far as the saying node knows.
    Used {
        /// Each user's windows.
        users: Vec<UsedUp>,
    },
    /// How does this user stand by your node?
    AskLimits {
        /// The asking node's name for the question.
        question: u64,
        /// Who.
        user: UserId,
    },
    /// The answer to it.
    Limits {
        /// Which question.
        question: u64,
        /// How.
        reckoning: Reckoning,
    },
    /// Which rooms are in use on your node?
    AskRooms {
        /// The asking node's name for the question.
        question: u64,
    },
    /// A piece of the answer to it.
    Rooms {
        /// Which question.
        question: u64,
        /// Which piece, from 0.
        piece: u32,
        /// How many there are.
        pieces: u32,
        /// Rooms in use, with the number of users in each as that node sees it.
        rooms: Vec<RoomInUse>,
    },
}

/// What a user has asked for in the running windows (`core/rate.rs`).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct UsedUp {
    /// Who.
    pub user: UserId,
    /// How much.
    #[serde(flatten)]
    pub account: Account,
    /// Requests in it that were let through on the saying node since the user came there.
    #[serde(default)]
    pub own: u32,
    /// Requests in it of which the saying node has heard since the user came to the hearing one.
    #[serde(default)]
    pub heard: u32,
}

/// A room that is in use.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub struct RoomInUse {
    /// Which.
    pub room: RoomId,
    /// Users in it.
    pub users: u64,
    /// Different users in an hour, in thousandths: the mean over the hours of a day in which there were any.
    #[serde(default)]
    pub users_per_hour_milli: u64,
    /// The last sign of life of anybody in it, where that is kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_sign: Option<Timestamp>,
}

impl Eq for RoomInUse {}

/// What a word changed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum RosterChange {
    /// A socket opened elsewhere.
    Opened(NodeId, SocketEntry),
    /// A socket closed elsewhere.
    Closed(NodeId, SocketEntry),
    /// What a user says on another node changed.
    Status(NodeId, UserId, Status),
}

/// What is to be done about a word.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct RosterNews {
    /// What changed, in order.
    pub changes: Vec<RosterChange>,
    /// Whom to ask for the whole part.
    pub ask: Option<NodeId>,
}

/// The other nodes' sockets. Memory is bounded by the peers (`PEERS_MAX`) and by what each of them says it has.
#[derive(Debug, Default)]
pub struct Roster {
    parts: BTreeMap<NodeId, Part>,
}

impl Roster {
    /// A peer is there; nothing is known of its sockets.
    pub fn up(&mut self, node: NodeId) -> RosterNews {
        let part = self.parts.entry(node).or_default();
        RosterNews { changes: Vec::new(), ask: part.want().then_some(node) }
    }

    /// A peer is gone, and its sockets with it.
    pub fn gone(&mut self, node: NodeId) -> RosterNews {
        let part = self.parts.remove(&node).unwrap_or_default();
        RosterNews { changes: part.into_sockets().map(|entry| RosterChange::Closed(node, entry)).collect(), ask: None }
    }

    /// How many sockets each of the others has whose whole part is known.
    pub fn sockets(&self) -> impl Iterator<Item = (NodeId, usize)> {
        self.parts.iter().filter_map(|(node, part)| Some((*node, part.sockets()?)))
    }

    /// A beat said where the peer's roster stands.
    pub fn stands_at(&mut self, node: NodeId, version: u64) -> RosterNews {
        let asks = self.parts.get_mut(&node).is_some_and(|part| part.is_behind(version) && part.want());
        RosterNews { changes: Vec::new(), ask: asks.then_some(node) }
    }

    /// A second went by: whoever was asked may be asked again.
    pub fn tick(&mut self) {
        self.parts.values_mut().for_each(Part::tick);
    }

    /// What another node said of its own sockets. Words of a node that is not known yet are left aside: its first beat
    /// brings the whole.
    pub fn hear(&mut self, node: NodeId, word: RosterWord) -> RosterNews {
        let Some(part) = self.parts.get_mut(&node) else { return RosterNews::default() };
        let mut changes = Vec::new();
        match word {
            RosterWord::Diff { version, opened, closed, statuses } => {
                part.diff(version, part::Diff { opened, closed, statuses });
            }
            RosterWord::Part { version, piece, pieces, sockets, statuses } => {
                part.piece(version, (piece, pieces), sockets, statuses);
            }
            RosterWord::Ask { .. }
            | RosterWord::Used { .. }
            | RosterWord::AskLimits { .. }
            | RosterWord::Limits { .. }
            | RosterWord::AskRooms { .. }
            | RosterWord::Rooms { .. } => {}
        }
        part.settle(node, &mut changes);
        let ask = (part.has_gap() && part.want()).then_some(node);
        RosterNews { changes, ask }
    }
}

#[cfg(test)]
mod tests;
