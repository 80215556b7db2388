//! Who is online on other nodes, on which sockets and with which status. Each node is the only authority for its own
//! sockets and tells them by diffs; this keeps the others' parts and notices when a diff is missing. It never guesses:
//! what it has missed it asks for.

use serde::{Deserialize, Serialize};

use crate::{
    core::presence::Status,
    ids::{NodeId, Timestamp, UserId},
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
    /// What changed, coalesced.
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
}
