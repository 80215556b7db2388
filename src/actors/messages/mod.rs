//! The messages between actors. Every message is typed. A sender must use `try_send`, or ask with a time-out, and must
//! handle a refusal.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use actix::prelude::*;

mod administration;
mod cluster;
mod journal;
mod membership;
mod rest_requests;
mod user_events;

pub use administration::*;
pub use cluster::*;
pub use journal::*;
pub use membership::*;
pub use rest_requests::*;
pub use user_events::*;

pub use crate::core::command::Resume;

use super::{
    fanout::{Broadcast, Opening},
    hub::Hub,
    outbox::{Bound, ConnKey},
    quota::UserQuota,
    room::Room,
    session::Session,
};
use crate::{
    auth::policy::RoomPattern,
    core::{
        assistant::Question,
        command::{Command, RawJson, Tag},
        document::DocumentRole,
        event::{Attachment, Reply, RoomIdentity},
        presence::Status,
        profile::{Author, Profile},
        room::Already,
        space::PlaceChange,
        usage::Usage,
        user_event::UserEvent,
    },
    dialects::options::Form,
    disconnect::Disconnect,
    error::Refusal,
    ids::{Area, ClientMessageId, Epoch, NodeId, RoomId, Seq, Timestamp, UserId},
    store::Conversation,
};

// ---- to the actors of which a node has one ----

/// Answered in turn: the actor works, and all messages sent to it before have been handled.
#[derive(Message, Clone, Copy)]
#[rtype(result = "()")]
pub struct LivenessProbe;

// ---- to the registry ----

/// A worker thread has started its hub.
#[derive(Message)]
#[rtype(result = "()")]
pub struct WorkerUp {
    /// Its index.
    pub index: u16,
    /// The arbiter on which rooms may be started.
    pub arbiter: actix::ArbiterHandle,
    /// Its hub.
    pub hub: Addr<Hub>,
}

/// Asks whether a user may open a socket. Sent before the upgrade.
#[derive(Message, Clone)]
#[rtype(result = "Admission")]
pub struct Admit {
    /// The user.
    pub user: UserId,
    /// When the token was issued, if it has the claim.
    pub issued_at: Option<Timestamp>,
}

/// The answer to [`Admit`].
#[derive(Debug, MessageResponse)]
pub enum Admission {
    /// The user may open a socket.
    Welcome {
        /// The user's profile.
        profile: Arc<Profile>,
        /// The user's rate limits, shared by all of the user's sockets on this node.
        quota: Arc<UserQuota>,
    },
    /// The profile is not known here or outdated: read it and send [`AdmitWithProfile`].
    Unknown,
    /// The token was issued before the user's tokens were revoked.
    Revoked,
    /// Blocked for exceeding the rate limit.
    Blocked {
        /// Remaining seconds.
        retry_after_seconds: u32,
    },
    /// The node has reached its limit of sockets.
    Full,
    /// The node drains.
    Draining,
}

/// A profile just read from the store, with the same question again.
#[derive(Message)]
#[rtype(result = "Admission")]
pub struct AdmitWithProfile {
    /// The profile.
    pub profile: Profile,
    /// The question.
    pub admit: Admit,
}

/// A session has started.
#[derive(Message)]
#[rtype(result = "()")]
pub struct SessionUp {
    /// Its user.
    pub user: UserId,
    /// Its connection.
    pub conn: ConnKey,
    /// The name of the connection.
    pub connection: Arc<str>,
    /// Whether it receives the presence of other users.
    pub follows_presence: bool,
    /// The session.
    pub session: Addr<Session>,
    /// When the token was issued, if it has the claim.
    pub issued_at: Option<Timestamp>,
    /// When the check of its rights began.
    pub checked_from: Instant,
}

/// A session has ended.
#[derive(Message, Clone)]
#[rtype(result = "()")]
pub struct SessionDown {
    /// Its user.
    pub user: UserId,
    /// Its connection.
    pub conn: ConnKey,
    /// The name of the connection.
    pub connection: Arc<str>,
}

/// Finds or creates a room and sends it this join. A single message, so that the room cannot retire in between.
#[derive(Message)]
#[rtype(result = "Result<Addr<Room>, Refusal>")]
pub struct JoinRoom {
    /// The room.
    pub room: Arc<RoomIdentity>,
    /// The join.
    pub join: Join,
}

/// A room is empty and idle and asks to be removed.
#[derive(Message)]
#[rtype(result = "bool")]
pub struct Retire {
    /// The room.
    pub room: RoomId,
    /// The asking actor: a newer one may have replaced it already.
    pub actor: Addr<Room>,
    /// The number of joins and REST requests it has received. If the registry has sent more, one is in transit and the room
    /// stays.
    pub joins: u64,
    /// Its usage, for the next time that the room starts.
    pub usage: Usage,
}

/// Closes sockets of a user.
#[derive(Message, Clone)]
#[rtype(result = "usize")]
pub struct CloseUser {
    /// The user.
    pub user: UserId,
    /// The socket, or all if absent.
    pub conn: Option<ConnKey>,
    /// The reason.
    pub why: Disconnect,
}

/// Revokes the user's tokens issued before a time.
#[derive(Message, Clone)]
#[rtype(result = "()")]
pub struct Revoke {
    /// The user.
    pub user: UserId,
    /// The time.
    pub before: Timestamp,
}

/// Removes a user from rooms.
#[derive(Message, Clone)]
#[rtype(result = "()")]
pub struct ExpelFrom {
    /// The user.
    pub user: UserId,
    /// The rooms.
    pub rooms: Vec<RoomId>,
}

/// A durable event of a conversation, for sockets of these users that have not joined it.
#[derive(Message)]
#[rtype(result = "()")]
pub struct PublishDirect {
    /// The users: both of a direct conversation; elsewhere those in whose queue it is.
    pub users: Vec<UserId>,
    /// The event.
    pub broadcast: Arc<Broadcast>,
}

/// Blocks a user who has ignored rate limits, on all nodes and across restarts.
#[derive(Message, Clone)]
#[rtype(result = "()")]
pub struct BlockUser {
    /// The user.
    pub user: UserId,
    /// The end of the block.
    pub until: Timestamp,
}

/// A notice by an administrator for all sockets of a user, on any node. Returns the number of sockets on this node.
#[derive(Message, Clone)]
#[rtype(result = "usize")]
pub struct Notify {
    /// The user.
    pub user: UserId,
    /// The content, as it was received.
    pub data: RawJson,
    /// The time.
    pub at: Timestamp,
}

/// A socket has left a room and stays open.
#[derive(Message, Clone)]
#[rtype(result = "()")]
pub struct LeftRoom {
    /// The user of the socket.
    pub user: UserId,
    /// The socket.
    pub conn: ConnKey,
    /// The room.
    pub room: RoomId,
}

/// An announcement by an administrator for a room, on all nodes.
#[derive(Message, Clone)]
#[rtype(result = "()")]
pub struct Announce(pub Arc<Broadcast>);

/// Requests the node's figures.
#[derive(Message)]
#[rtype(result = "Statistics")]
pub struct CountAll;

/// The figures of a node.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug, MessageResponse)]
pub struct Statistics {
    /// Open sockets.
    pub connections: u64,
    /// Rooms in memory.
    pub rooms: u64,
    /// Users with a socket.
    pub users: u64,
}

/// Requests the addresses that a drain visits in order.
#[derive(Message)]
#[rtype(result = "Everyone")]
pub struct StartDraining;

/// All rooms and hubs of the node.
#[derive(MessageResponse)]
pub struct Everyone {
    /// Rooms in memory.
    pub rooms: Vec<Addr<Room>>,
    /// One per worker.
    pub hubs: Vec<Addr<Hub>>,
}

// ---- to a session ----

/// Closes the session.
#[derive(Message, Clone)]
#[rtype(result = "()")]
pub struct CloseSession(pub Disconnect);

/// An event of a direct conversation of the session's user, while the session may be in another room.
#[derive(Message, Clone)]
#[rtype(result = "()")]
pub struct DeliverDirect(pub Arc<Broadcast>);

/// An administrator's notice for the session's user.
#[derive(Message, Clone)]
#[rtype(result = "()")]
pub struct Notice(pub Arc<Reply>);

/// An event for the session's user.
#[derive(Message, Clone)]
#[rtype(result = "()")]
pub struct DeliverUserEvent(pub Arc<UserEvent>);

/// Messages of other nodes to the session's user may have been lost.
#[derive(Message, Clone, Copy)]
#[rtype(result = "()")]
pub struct ResyncUserEvents;

// ---- to the assistant ----

/// A question to the assistant. The answer is sent as [`PublishToUser`].
#[derive(Message, Clone)]
#[rtype(result = "Result<(), Refusal>")]
pub struct AskAssistant {
    /// The user.
    pub user: Author,
    /// The socket.
    pub conn: ConnKey,
    /// The rooms to which the socket's token is confined; all if absent.
    pub confined: Option<Arc<[RoomPattern]>>,
    /// The question.
    pub question: Question,
}

/// Cancels a question.
#[derive(Message, Clone)]
#[rtype(result = "bool")]
pub struct CancelAsk {
    /// The user.
    pub user: UserId,
    /// The client's id for the question.
    pub request: Arc<str>,
}

/// A socket with open questions has closed.
#[derive(Message, Clone)]
#[rtype(result = "()")]
pub struct AskerClosed {
    /// Its user.
    pub user: UserId,
    /// The socket.
    pub conn: ConnKey,
}

/// Stops accepting questions. Answered when the last one has ended, by itself or at the time limit.
#[derive(Message, Clone, Copy)]
#[rtype(result = "()")]
pub struct FinishAnswers {
    /// The time limit.
    pub within: Duration,
}

// ---- to a room ----

/// Another node is up or gone. The registry sends it to all rooms, a few at a time.
#[derive(Message, Clone, Copy, PartialEq, Eq, Debug)]
#[rtype(result = "()")]
pub enum PeerEvent {
    /// The node is up and does not know yet who is here.
    Up(NodeId),
    /// The node is gone, and its members with it.
    Gone(NodeId),
}

/// The head of the room's log: events up to it that the room has not received must be read.
#[derive(Message, Clone, Copy, PartialEq, Eq, Debug)]
#[rtype(result = "()")]
pub struct LogHead {
    /// The sequence number of the last event.
    pub seq: Seq,
    /// The epoch of the sequence.
    pub epoch: Epoch,
}

/// A socket joins.
#[derive(Message, Clone)]
#[rtype(result = "()")]
pub struct Join {
    /// The socket.
    pub conn: ConnKey,
    /// Its name for clients and administrators.
    pub connection: Arc<str>,
    /// Its user.
    pub user: Author,
    /// The hub of its thread.
    pub hub: Addr<Hub>,
    /// The position from which it resumes, if it does.
    pub resume: Option<Resume>,
    /// The tag of the request, if there was one.
    pub tag: Tag,
    /// The user's status.
    pub status: Status,
    /// The maximum number of users in the room, if limited.
    pub capacity: Option<u32>,
    /// When reading of the access right began. A right that was lost since then is read again, or the socket is told to
    /// try again. `None` if the right cannot be lost.
    pub access_read_at: Option<Instant>,
    /// The queued messages of the conversation that its session has leased.
    pub queued: Option<Box<Conversation>>,
    /// Whether the socket is sent the room's first frame. False if it joined by sending a command to the room.
    pub is_greeted: bool,
    /// Whether the socket is bound to this room by its address; such a socket is closed when it loses the room.
    pub bound: Bound,
    /// What the user may do, if the room is a document.
    pub role: Option<DocumentRole>,
    /// The form of the socket's messages.
    pub form: Form,
    /// Where the avatar appears, if the room is a space and the avatar is not there already.
    pub place: Option<Box<PlaceChange>>,
}

/// A socket leaves.
#[derive(Message, Clone)]
#[rtype(result = "()")]
pub struct Leave {
    /// The socket.
    pub conn: ConnKey,
    /// The way it leaves.
    pub leaving: Leaving,
}

/// The ways in which a socket leaves.
#[derive(Clone, Debug)]
pub enum Leaving {
    /// At the request of its client, after the client's earlier requests.
    Asked {
        /// The user of the socket.
        user: UserId,
        /// The tag of the request, which is answered when nothing more of the room will be sent.
        tag: Tag,
    },
    /// It has closed, or was removed from the room.
    AtOnce,
    /// It broke off, and its user is likely to reconnect.
    BrokenOff,
}

/// A command of a member.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Ask {
    /// The socket.
    pub conn: ConnKey,
    /// Its user.
    pub user: Author,
    /// Returned with the reply.
    pub tag: Tag,
    /// The id under which the client may repeat the command.
    pub client_message_id: Option<ClientMessageId>,
    /// The command.
    pub command: Command,
    /// The attached files, found and permitted; their ids are in the command.
    pub attachments: Vec<Attachment>,
}

/// Removes a user from the room.
#[derive(Message, Clone)]
#[rtype(result = "()")]
pub struct Expel {
    /// The user.
    pub user: UserId,
}

/// Answered when all earlier messages have been handled.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Barrier;

/// Answered when the room has handled all earlier messages of this socket, also if its join is still pending.
#[derive(Message, Clone, Copy)]
#[rtype(result = "()")]
pub struct SocketBarrier {
    /// The socket.
    pub conn: ConnKey,
}

// ---- to a hub ----

/// Messages from rooms to a hub. A single type, so that they keep their order.
#[derive(Message, Clone)]
#[rtype(result = "()")]
pub enum HubMessage {
    /// A connection joins: its opening is sent first, then everything that follows.
    Subscribe {
        /// The room.
        room: RoomId,
        /// The connection.
        conn: ConnKey,
        /// Replies, snapshot and replay.
        opening: Vec<Opening>,
        /// Whether it was a member before and asks for its opening again.
        already: Already,
    },
    /// A connection leaves.
    Unsubscribe {
        /// The room.
        room: RoomId,
        /// The connection.
        conn: ConnKey,
        /// The last reply to send.
        last_reply: Option<Box<Reply>>,
    },
    /// An event for the room's members.
    Deliver {
        /// The room.
        room: RoomId,
        /// The event.
        broadcast: Arc<Broadcast>,
    },
    /// Members are placed in areas of the room, or in none. Applies to events that are delivered after it.
    Place {
        /// The room.
        room: RoomId,
        /// The connections, each with its new area.
        places: Vec<(ConnKey, Option<Area>)>,
    },
    /// A reply to one connection, after everything that was delivered to it before.
    Reply {
        /// The room.
        room: RoomId,
        /// The connection.
        conn: ConnKey,
        /// The reply.
        reply: Box<Reply>,
    },
    /// A member is removed from the room. A socket that is bound to the room is closed; any other is sent the error and
    /// stays open.
    Remove {
        /// The room.
        room: RoomId,
        /// The connection.
        conn: ConnKey,
        /// The error.
        refusal: Box<Refusal>,
        /// The reason for closing.
        why: Disconnect,
    },
    /// A connection is closed, whatever rooms it is in.
    Expel {
        /// The room.
        room: RoomId,
        /// The connection.
        conn: ConnKey,
        /// The reason.
        why: Disconnect,
    },
    /// The hub is too far behind for the room to catch up: all members on it are closed and told to resume.
    Evict {
        /// The room.
        room: RoomId,
    },
}

/// Stops reading from all sockets.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Quiesce;

/// Closes every session with the request to reconnect elsewhere. Returns the number of remaining connections.
#[derive(Message, Clone, Copy)]
#[rtype(result = "usize")]
pub struct Drain {
    /// The minimum delay of reconnects.
    pub floor_ms: u64,
    /// The period after that over which reconnects are spread.
    pub spread_ms: u64,
}
