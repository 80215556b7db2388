//! Messages to the registry, the presence tracker and the cluster that concern other nodes.

use std::{collections::BTreeMap, sync::Arc};

use actix::prelude::*;

use crate::{
    actors::{bridge::NodeMessageReceived, outbox::ConnKey},
    core::{
        peers::Peer,
        presence::{SocketLocation, Status, UserStatus},
        rate::LimitStatus,
        roster::{RoomInUse, RosterMessage, UserAccount},
    },
    ids::{NodeId, UserId},
};

// ---- to the registry, from other nodes ----

/// A message of another node that concerns users with sockets on this one.
#[derive(Message, Clone)]
#[rtype(result = "()")]
pub struct FromOtherNode(pub NodeMessageReceived);

/// Whether a user with a socket here also has one on another node, so that the nodes share the user's usage.
#[derive(Message, Clone)]
#[rtype(result = "()")]
pub struct UserOnOtherNodes {
    /// The user.
    pub user: UserId,
    /// The state.
    pub shared: Shared,
}

/// Closes a connection on another node.
#[derive(Message, Clone)]
#[rtype(result = "Ended")]
pub struct CloseRemoteSocket {
    /// The node.
    pub on: NodeId,
    /// The user of the connection.
    pub user: UserId,
    /// The connection on that node.
    pub conn: ConnKey,
}

/// The result of closing a connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug, MessageResponse)]
pub enum Ended {
    /// It is being closed.
    Yes,
    /// It does not exist.
    NotThere,
    /// Its node did not answer.
    Unanswered,
}

/// See [`UserOnOtherNodes`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Shared {
    /// There are sockets on other nodes.
    Yes,
    /// There are none any more.
    No,
}

/// Users have connected to another node, which must be sent their usage known here.
#[derive(Message, Clone)]
#[rtype(result = "()")]
pub struct UsersOnPeer {
    /// The node.
    pub node: NodeId,
    /// The users.
    pub users: Vec<UserId>,
}

/// The usage known to another node of users who have connected here.
#[derive(Message, Clone)]
#[rtype(result = "()")]
pub struct RemoteUsage(pub Vec<UserAccount>);

// ---- to the presence tracker ----

/// A user's socket opened.
#[derive(Message)]
#[rtype(result = "()")]
pub struct SocketOpened {
    /// The user.
    pub user: UserId,
    /// The socket.
    pub conn: ConnKey,
    /// Whether it receives the presence of other users.
    pub follows_presence: bool,
    /// Its name; absent in a report that repeats a lost one.
    pub connection: Option<Arc<str>>,
}

/// A user's socket closed.
#[derive(Message)]
#[rtype(result = "()")]
pub struct SocketClosed {
    /// The user.
    pub user: UserId,
    /// The socket.
    pub conn: ConnKey,
    /// Its name; absent in a report that repeats a lost one.
    pub connection: Option<Arc<str>>,
}

/// All sockets that are open on this node, and the statuses set since the last report. Earlier reports of single
/// changes may have been lost.
#[derive(Message)]
#[rtype(result = "()")]
pub struct LocalSockets {
    /// The sockets.
    pub sockets: Vec<LocalSocket>,
    /// The users and their statuses.
    pub statuses: Vec<(UserId, UserStatus)>,
}

/// A socket of this node.
pub struct LocalSocket {
    /// Its user.
    pub user: UserId,
    /// The socket.
    pub conn: ConnKey,
    /// Whether it receives the presence of other users.
    pub follows_presence: bool,
}

/// Asks which of these users are online.
#[derive(Message)]
#[rtype(result = "Vec<UserId>")]
pub struct FilterOnline(pub Vec<UserId>);

/// Asks which of these users have a socket on any node. Others may count as online for the rest of their grace period.
#[derive(Message)]
#[rtype(result = "Vec<UserId>")]
pub struct FilterConnected(pub Vec<UserId>);

/// The user's sockets on all nodes.
#[derive(Message)]
#[rtype(result = "Vec<SocketLocation>")]
pub struct SocketsOf(pub UserId);

/// Asks for the user's status.
#[derive(Message)]
#[rtype(result = "Status")]
pub struct StatusOf(pub UserId);

/// Whether a change is announced by this node: it is by the one on which it was made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AnnounceStatus {
    /// It is, to all sockets but the one on which it was made.
    Yes {
        /// That socket.
        by: ConnKey,
    },
    /// Another node does.
    No,
}

/// The status of each of these users with what the user adds to it; none if offline.
#[derive(Message)]
#[rtype(result = "Vec<Option<UserStatus>>")]
pub struct StatusesOf(pub Vec<UserId>);

/// The user has set a status.
#[derive(Message)]
#[rtype(result = "()")]
pub struct SetStatus {
    /// The user.
    pub user: UserId,
    /// The status.
    pub status: UserStatus,
    /// Whether this node announces the change.
    pub announce: AnnounceStatus,
}

/// Users who are online on any node, up to this number.
#[derive(Message)]
#[rtype(result = "Vec<UserId>")]
pub struct ListOnline(pub usize);

/// The number of users online on all nodes.
#[derive(Message)]
#[rtype(result = "usize")]
pub struct CountOnline;

/// The number of sockets of each other node, according to its roster.
#[derive(Message)]
#[rtype(result = "BTreeMap<NodeId, u64>")]
pub struct RemoteSocketCounts;

/// A roster message of another node.
#[derive(Message)]
#[rtype(result = "()")]
pub struct RosterMessageReceived {
    /// The node.
    pub from: NodeId,
    /// The message.
    pub message: RosterMessage,
}

/// A heartbeat has reported the version of another node's roster.
#[derive(Message)]
#[rtype(result = "()")]
pub struct PeerRosterVersion {
    /// The node.
    pub node: NodeId,
    /// The version.
    pub version: u64,
}

/// Asks for the published version of this node's roster.
#[derive(Message)]
#[rtype(result = "u64")]
pub struct RosterVersion;

/// The node drains: its users are expected to reconnect elsewhere and count as present meanwhile.
#[derive(Message)]
#[rtype(result = "()")]
pub struct HoldPresence;

// ---- to the cluster ----

/// The node starts to leave.
#[derive(Message)]
#[rtype(result = "()")]
pub struct BeginLeaving {
    /// For how long its users are expected to reconnect elsewhere.
    pub leaving_ms: u64,
}

/// Asks for the known nodes.
#[derive(Message)]
#[rtype(result = "NodeList")]
pub struct ListNodes;

/// The answer to [`ListNodes`].
#[derive(Clone, Default, Debug, MessageResponse)]
pub struct NodeList {
    /// Recent rate of messages received from clients of this node, per second.
    pub messages_per_second: f64,
    /// Seconds since this node started.
    pub uptime_seconds: u64,
    /// The other nodes.
    pub peers: Vec<(NodeId, Peer)>,
}

/// A user's position relative to the limits, merged from all nodes that answer in time.
#[derive(Message, Clone)]
#[rtype(result = "LimitStatus")]
pub struct LimitsOf(pub UserId);

/// Asks for the rooms in use on all nodes that answer in time. `None` if too many requests are pending.
#[derive(Message)]
#[rtype(result = "Option<Arc<Vec<RoomInUse>>>")]
pub struct SurveyRooms;

// ---- to the assistant, from other nodes ----

/// A message of another node about a question to the assistant.
#[derive(Message, Clone)]
#[rtype(result = "()")]
pub enum AssistantPeerMessage {
    /// A user cancels a question.
    Cancel {
        /// The node that sends it.
        from: NodeId,
        /// The user.
        user: UserId,
        /// The client's id for the question.
        request: Arc<str>,
        /// The id of this request, for the answer.
        question: u64,
    },
    /// A question of this node's user was cancelled there.
    Cancelled {
        /// The node that cancelled it.
        from: NodeId,
        /// The id under which this node requested it.
        question: u64,
    },
}
