//! Tracks the sockets and statuses of users on other nodes. Each node is the only authority for its own sockets and
//! publishes them as versioned diffs. This module applies the diffs of the others and detects gaps. It must never
//! guess: after a gap it requests the complete roster of that node.

mod own;
mod part;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use self::own::OwnRoster;
use self::part::Part;
use crate::{
    core::{
        presence::{Status, StatusDetails, UserStatus},
        rate::{Account, LimitStatus},
    },
    ids::{NodeId, RoomId, Timestamp, UserId},
};

/// A socket as other nodes know it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SocketEntry {
    /// Its user.
    pub user: UserId,
    /// Its worker.
    pub worker: u16,
    /// Its number on that worker.
    pub generation: u32,
    /// When it was opened.
    pub opened_at: Timestamp,
    /// Whether it receives the presence of other users.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub follows_presence: bool,
}

/// A roster message between nodes. The id of a node identifies the incarnation of its roster; heartbeats carry its
/// version.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "say", rename_all = "snake_case")]
pub enum RosterMessage {
    /// A coalesced change. Closed sockets apply first, then opened ones, then statuses.
    Diff {
        /// The version after the change; the version before it is one less.
        version: u64,
        /// Sockets that opened.
        opened: Vec<SocketEntry>,
        /// Sockets that closed.
        closed: Vec<SocketEntry>,
        /// Statuses that users have set.
        statuses: Vec<(UserId, Status)>,
        /// What the users add to these.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        details: Vec<(UserId, StatusDetails)>,
    },
    /// A request for the complete roster.
    Ask {
        /// The node whose roster is requested.
        of: NodeId,
    },
    /// A part of the complete roster, in response to a request.
    Part {
        /// The version of the roster.
        version: u64,
        /// The index of this part, from 0.
        piece: u32,
        /// The number of parts.
        pieces: u32,
        /// Sockets.
        sockets: Vec<SocketEntry>,
        /// Statuses other than the default.
        statuses: Vec<(UserId, Status)>,
        /// What the users add to these.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        details: Vec<(UserId, StatusDetails)>,
    },
    /// The recent usage of users who connected to a node, as known to the sender.
    Used {
        /// The usage of each user.
        users: Vec<UserAccount>,
    },
    /// A request for a user's rate limit status.
    AskLimits {
        /// The id of the request.
        question: u64,
        /// The user.
        user: UserId,
    },
    /// The response.
    Limits {
        /// The id of the request.
        question: u64,
        /// The status.
        reckoning: LimitStatus,
    },
    /// A request for the rooms in use.
    AskRooms {
        /// The id of the request.
        question: u64,
    },
    /// A part of the response.
    Rooms {
        /// The id of the request.
        question: u64,
        /// The index of this part, from 0.
        piece: u32,
        /// The number of parts.
        pieces: u32,
        /// Rooms in use, with the number of users in each as that node sees it.
        rooms: Vec<RoomInUse>,
    },
}

/// A user's usage in the current windows (`core/rate/mod.rs`).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct UserAccount {
    /// The user.
    pub user: UserId,
    /// The usage.
    #[serde(flatten)]
    pub account: Account,
    /// Of these, requests accepted on the sending node since the user connected to it.
    #[serde(default)]
    pub own: u32,
    /// Of these, requests that the sending node has received from the receiving one since the user connected there.
    #[serde(default)]
    pub heard: u32,
}

/// A room in use.
#[derive(Clone, Copy, PartialEq, Debug, Serialize, Deserialize)]
pub struct RoomInUse {
    /// The room.
    pub room: RoomId,
    /// Users in it.
    pub users: u64,
    /// Distinct users per hour, in thousandths: the mean over those of the last 24 hours in which there were any.
    #[serde(default)]
    pub users_per_hour_milli: u64,
    /// The last activity of any member, where it is tracked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_sign: Option<Timestamp>,
}

impl Eq for RoomInUse {}

/// A change caused by a message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum RosterChange {
    /// A socket opened on another node.
    Opened(NodeId, SocketEntry),
    /// A socket closed on another node.
    Closed(NodeId, SocketEntry),
    /// A user's status on another node changed.
    Status(NodeId, UserId, UserStatus),
}

/// The result of a message.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct RosterUpdate {
    /// The changes, in order.
    pub changes: Vec<RosterChange>,
    /// The node to request the complete roster from.
    pub ask: Option<NodeId>,
}

/// The sockets of the other nodes. Memory is bounded by the number of peers (`PEERS_MAX`) and the number of sockets
/// that each of them reports.
#[derive(Debug, Default)]
pub struct Roster {
    parts: BTreeMap<NodeId, Part>,
}

impl Roster {
    /// A peer is up; its sockets are not known yet.
    pub fn up(&mut self, node: NodeId) -> RosterUpdate {
        let part = self.parts.entry(node).or_default();
        RosterUpdate { changes: Vec::new(), ask: part.want().then_some(node) }
    }

    /// A peer is gone; all its sockets count as closed.
    pub fn gone(&mut self, node: NodeId) -> RosterUpdate {
        let part = self.parts.remove(&node).unwrap_or_default();
        RosterUpdate {
            changes: part.into_sockets().map(|entry| RosterChange::Closed(node, entry)).collect(),
            ask: None,
        }
    }

    /// The number of sockets of each other node whose complete roster is known.
    pub fn sockets(&self) -> impl Iterator<Item = (NodeId, usize)> {
        self.parts.iter().filter_map(|(node, part)| Some((*node, part.sockets()?)))
    }

    /// A heartbeat reported the version of the peer's roster.
    pub fn stands_at(&mut self, node: NodeId, version: u64) -> RosterUpdate {
        let asks = self.parts.get_mut(&node).is_some_and(|part| part.is_behind(version) && part.want());
        RosterUpdate { changes: Vec::new(), ask: asks.then_some(node) }
    }

    /// The other nodes.
    pub fn nodes(&self) -> impl Iterator<Item = NodeId> {
        self.parts.keys().copied()
    }

    /// One second has passed: requests may be repeated.
    pub fn tick(&mut self) {
        self.parts.values_mut().for_each(Part::tick);
    }

    /// Applies a message of another node about its own sockets. Messages of unknown nodes are ignored: their first
    /// heartbeat triggers a request for the complete roster.
    pub fn receive(&mut self, node: NodeId, message: RosterMessage) -> RosterUpdate {
        let Some(part) = self.parts.get_mut(&node) else { return RosterUpdate::default() };
        let mut changes = Vec::new();
        match message {
            RosterMessage::Diff { version, opened, closed, statuses, details } => {
                let statuses = with_details(statuses, details);
                part.diff(version, part::Diff { opened, closed, statuses });
            }
            RosterMessage::Part { version, piece, pieces, sockets, statuses, details } => {
                let statuses = with_details(statuses, details);
                part.piece(version, (piece, pieces), sockets, statuses);
            }
            RosterMessage::Ask { .. }
            | RosterMessage::Used { .. }
            | RosterMessage::AskLimits { .. }
            | RosterMessage::Limits { .. }
            | RosterMessage::AskRooms { .. }
            | RosterMessage::Rooms { .. } => {}
        }
        part.settle(node, &mut changes);
        let ask = (part.has_gap() && part.want()).then_some(node);
        RosterUpdate { changes, ask }
    }
}

/// Statuses and what the users add to them travel apart, since earlier releases know only the former.
fn with_details(statuses: Vec<(UserId, Status)>, details: Vec<(UserId, StatusDetails)>) -> Vec<(UserId, UserStatus)> {
    let mut details: BTreeMap<UserId, StatusDetails> = details.into_iter().collect();
    let whole = |(user, status)| {
        let details = details.remove(&user).unwrap_or_default();
        (user, UserStatus { status, details })
    };
    statuses.into_iter().map(whole).collect()
}

/// Statuses, and what users add to them.
type Apart = (Vec<(UserId, Status)>, Vec<(UserId, StatusDetails)>);

/// The reverse.
fn apart(statuses: &[(UserId, UserStatus)]) -> Apart {
    let has_details = |(_, status): &&(UserId, UserStatus)| status.details != StatusDetails::default();
    let details = statuses.iter().filter(has_details).map(|(user, status)| (user.clone(), status.details.clone()));
    (statuses.iter().map(|(user, status)| (user.clone(), status.status)).collect(), details.collect())
}

#[cfg(test)]
mod tests;
