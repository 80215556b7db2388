//! What nodes and the actors that know them say to each other: the registry's share of it, the presence tracker's and the
//! cluster's.

use std::{collections::BTreeMap, sync::Arc};

use actix::prelude::*;

use crate::{
    actors::{bridge::Heard, outbox::ConnKey},
    core::{
        peers::Peer,
        presence::{Status, Whereabouts},
        rate::Reckoning,
        roster::{RoomInUse, RosterWord, UsedUp},
    },
    ids::{NodeId, UserId},
};

// ---- to the registry, from other nodes ----

/// What another node said that concerns users with sockets here.
#[derive(Message, Clone)]
#[rtype(result = "()")]
pub struct FromElsewhere(pub Heard);

/// Whether a user with a socket here has one on another node, too: then nodes tell each other what was asked for.
#[derive(Message, Clone)]
#[rtype(result = "()")]
pub struct SharedWithOthers {
    /// Who.
    pub user: UserId,
    /// Whether.
    pub shared: Shared,
}

/// End a connection on another node.
#[derive(Message, Clone)]
#[rtype(result = "Ended")]
pub struct CloseElsewhere {
    /// Which node.
    pub on: NodeId,
    /// Whose connection.
    pub user: UserId,
    /// Which of the node's.
    pub conn: ConnKey,
}

/// What became of a connection that was to end.
#[derive(Clone, Copy, PartialEq, Eq, Debug, MessageResponse)]
pub enum Ended {
    /// It was told to go.
    Yes,
    /// There is none of that name.
    NotThere,
    /// The node that has it did not answer.
    Unanswered,
}

/// See [`SharedWithOthers`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Shared {
    /// There are sockets elsewhere.
    Yes,
    /// There are none any more.
    No,
}

/// Users came to another node: what this one knows of their limits is told there.
#[derive(Message, Clone)]
#[rtype(result = "()")]
pub struct CameElsewhere {
    /// Which node.
    pub node: NodeId,
    /// Who.
    pub users: Vec<UserId>,
}

/// What another node knows of the limits of users who came here.
#[derive(Message, Clone)]
#[rtype(result = "()")]
pub struct UsedElsewhere(pub Vec<UsedUp>);

// ---- to the presence tracker ----

/// A user's socket opened.
#[derive(Message)]
#[rtype(result = "()")]
pub struct SocketOpened {
    /// Whose.
    pub user: UserId,
    /// Which.
    pub conn: ConnKey,
}

/// A user's socket closed.
#[derive(Message)]
#[rtype(result = "()")]
pub struct SocketClosed {
    /// Whose.
    pub user: UserId,
    /// Which.
    pub conn: ConnKey,
}

/// All sockets that are open here, and what users said about being there since the last word. What was told one by one
/// before it may have been lost.
#[derive(Message)]
#[rtype(result = "()")]
pub struct SocketsHere {
    /// Whose, and which.
    pub sockets: Vec<(UserId, ConnKey)>,
    /// Who says what.
    pub statuses: Vec<(UserId, Status)>,
}

/// Which of these users are online?
#[derive(Message)]
#[rtype(result = "Vec<UserId>")]
pub struct WhoIsOnline(pub Vec<UserId>);

/// The user's sockets, wherever they are.
#[derive(Message)]
#[rtype(result = "Vec<Whereabouts>")]
pub struct SocketsOf(pub UserId);

/// What the user says about being there.
#[derive(Message)]
#[rtype(result = "Status")]
pub struct StatusOf(pub UserId);

/// The user says something else about being there.
#[derive(Message)]
#[rtype(result = "()")]
pub struct SetStatus {
    /// Who.
    pub user: UserId,
    /// What.
    pub status: Status,
}

/// Users who are online, wherever they are, so many at most.
#[derive(Message)]
#[rtype(result = "Vec<UserId>")]
pub struct EveryoneOnline(pub usize);

/// How many users are online, wherever they are.
#[derive(Message)]
#[rtype(result = "usize")]
pub struct CountOnline;

/// How many sockets other nodes have, by what they told of them one by one.
#[derive(Message)]
#[rtype(result = "BTreeMap<NodeId, u64>")]
pub struct SocketsElsewhere;

/// What another node said about who is online there.
#[derive(Message)]
#[rtype(result = "()")]
pub struct RosterHeard {
    /// Which.
    pub from: NodeId,
    /// What.
    pub word: RosterWord,
}

/// A beat said where another node's roster stands.
#[derive(Message)]
#[rtype(result = "()")]
pub struct PeerStands {
    /// Which.
    pub node: NodeId,
    /// At which version.
    pub version: u64,
}

/// Which version of its roster has this node told?
#[derive(Message)]
#[rtype(result = "u64")]
pub struct RosterVersion;

/// The node drains: its users are expected back elsewhere and keep their places.
#[derive(Message)]
#[rtype(result = "()")]
pub struct KeepPlaces;

// ---- to the cluster ----

/// The node begins to leave.
#[derive(Message)]
#[rtype(result = "()")]
pub struct BeginLeaving {
    /// For how long its users are expected back elsewhere.
    pub leaving_ms: u64,
}

/// What is known of the nodes.
#[derive(Message)]
#[rtype(result = "NodesKnown")]
pub struct KnownNodes;

/// The answer to [`KnownNodes`].
#[derive(Clone, Default, Debug, MessageResponse)]
pub struct NodesKnown {
    /// Messages of clients that this node took, lately, per second.
    pub messages_per_second: f64,
    /// Seconds since this node started.
    pub uptime_seconds: u64,
    /// The others.
    pub peers: Vec<(NodeId, Peer)>,
}

/// How a user stands, by all nodes that answer in time.
#[derive(Message, Clone)]
#[rtype(result = "Reckoning")]
pub struct LimitsOf(pub UserId);

/// Which rooms are in use, on all nodes that answer in time? None if too many ask.
#[derive(Message)]
#[rtype(result = "Option<Arc<Vec<RoomInUse>>>")]
pub struct SurveyRooms;

// ---- to the assistant, from other nodes ----

/// What another node said about a question to the assistant.
#[derive(Message, Clone)]
#[rtype(result = "()")]
pub enum AssistantHeard {
    /// A user wants no answer any more.
    Cancel {
        /// Which node says it.
        from: NodeId,
        /// Who.
        user: UserId,
        /// The client's name for the question.
        request: Arc<str>,
        /// For the answer.
        question: u64,
    },
    /// A question of this node's user was cancelled there.
    Cancelled {
        /// The node that cancelled it.
        from: NodeId,
        /// The number under which this node asked for it.
        question: u64,
    },
}
