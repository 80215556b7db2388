//! What the actors say to each other. Every message is typed; whoever sends one uses `try_send` or asks with a
//! time-out, and says what happens when it is refused.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use actix::prelude::*;

mod across;
mod administration;
mod errands;
mod storing;

pub use across::*;
pub use administration::*;
pub use errands::*;
pub use storing::*;

pub use crate::core::command::Resume;

use super::{
    fanout::{Broadcast, Opening},
    hub::Hub,
    outbox::ConnKey,
    quota::UserQuota,
    room::Room,
    session::Session,
};
use crate::{
    auth::policy::RoomPattern,
    core::{
        assistant::Question,
        command::{Command, RawJson, Tag},
        event::{Attachment, Reply, RoomIdentity},
        personal::Personal,
        presence::Status,
        profile::{Author, Profile},
        room::Already,
        upload::Upload,
        usage::Usage,
    },
    disconnect::Disconnect,
    error::Refusal,
    ids::{Epoch, NodeId, RoomId, Seq, Timestamp, UserId},
    store::Conversation,
};

// ---- to the actors that each node has one of ----

/// Answered as soon as its turn comes: the actor works, and all that was handed to it before is done.
#[derive(Message, Clone, Copy)]
#[rtype(result = "()")]
pub struct Alive;

// ---- to the registry ----

/// A worker thread has a hub.
#[derive(Message)]
#[rtype(result = "()")]
pub struct WorkerUp {
    /// Its number.
    pub index: u16,
    /// Where rooms may be placed.
    pub arbiter: actix::ArbiterHandle,
    /// Its hub.
    pub hub: Addr<Hub>,
}

/// May this user open a socket? Asked before the upgrade.
#[derive(Message, Clone)]
#[rtype(result = "Admission")]
pub struct Admit {
    /// Who.
    pub user: UserId,
    /// When the token was issued, if it says.
    pub issued_at: Option<Timestamp>,
}

/// The answer to [`Admit`].
#[derive(Debug, MessageResponse)]
pub enum Admission {
    /// Yes.
    Welcome {
        /// Who it is.
        profile: Arc<Profile>,
        /// The user's buckets, shared by all of the user's sockets on this node.
        quota: Arc<UserQuota>,
    },
    /// The profile is not known here or not fresh: read it and [`Introduce`] it.
    Unknown,
    /// The token was issued before the user's tokens were voided.
    Revoked,
    /// Blocked for exceeding the rate limit.
    Blocked {
        /// Seconds left.
        retry_after_seconds: u32,
    },
    /// The node has as many sockets as it is allowed.
    Full,
    /// The node drains.
    Draining,
}

/// A profile as just read from the store, and the same question again.
#[derive(Message)]
#[rtype(result = "Admission")]
pub struct Introduce {
    /// Who it is.
    pub profile: Profile,
    /// The question.
    pub admit: Admit,
}

/// A session began.
#[derive(Message)]
#[rtype(result = "()")]
pub struct SessionUp {
    /// Whose.
    pub user: UserId,
    /// Its connection.
    pub conn: ConnKey,
    /// The session.
    pub session: Addr<Session>,
    /// When the token was issued, if it says.
    pub issued_at: Option<Timestamp>,
    /// When the check of its rights began.
    pub checked_from: Instant,
}

/// A session ended.
#[derive(Message, Clone)]
#[rtype(result = "()")]
pub struct SessionDown {
    /// Whose.
    pub user: UserId,
    /// Its connection.
    pub conn: ConnKey,
}

/// Find or create a room, and bring it this join. Both in one message, so that no room can retire between the two.
#[derive(Message)]
#[rtype(result = "Result<Addr<Room>, Refusal>")]
pub struct JoinRoom {
    /// Which.
    pub room: Arc<RoomIdentity>,
    /// What to bring.
    pub join: Join,
}

/// A room has nobody and nothing to do.
#[derive(Message)]
#[rtype(result = "bool")]
pub struct Retire {
    /// Which.
    pub room: RoomId,
    /// The actor that asks: a younger one may have its place already.
    pub actor: Addr<Room>,
    /// How many joins and errands it has seen; if the registry brought more, one is on the way and the room stays.
    pub joins: u64,
    /// Whom it has seen, for the next time that it is in use.
    pub usage: Usage,
}

/// Close sockets of a user.
#[derive(Message, Clone)]
#[rtype(result = "usize")]
pub struct CloseUser {
    /// Whose.
    pub user: UserId,
    /// One of them, or all.
    pub conn: Option<ConnKey>,
    /// Why.
    pub why: Disconnect,
}

/// The user's tokens issued before that moment are void.
#[derive(Message, Clone)]
#[rtype(result = "()")]
pub struct Revoke {
    /// Whose.
    pub user: UserId,
    /// Before when.
    pub before: Timestamp,
}

/// The user may no longer be in these rooms.
#[derive(Message, Clone)]
#[rtype(result = "()")]
pub struct ExpelFrom {
    /// Who.
    pub user: UserId,
    /// From where.
    pub rooms: Vec<RoomId>,
}

/// A durable event of a direct conversation, for both users' sockets that are elsewhere.
#[derive(Message)]
#[rtype(result = "()")]
pub struct ToUsers {
    /// Whom it concerns.
    pub users: [UserId; 2],
    /// What happened.
    pub broadcast: Arc<Broadcast>,
}

/// The user went on after refusals, and is shut out: on all nodes, and after a restart.
#[derive(Message, Clone)]
#[rtype(result = "()")]
pub struct BlockUser {
    /// Who.
    pub user: UserId,
    /// Until when.
    pub until: Timestamp,
}

/// An administrator's word for all sockets of a user, wherever they are. Answers how many of them are here.
#[derive(Message, Clone)]
#[rtype(result = "usize")]
pub struct Notify {
    /// For whom.
    pub user: UserId,
    /// What, as it was written.
    pub data: RawJson,
    /// When.
    pub at: Timestamp,
}

/// News for a user on every socket, wherever it is. Answers how many of them are here.
#[derive(Message, Clone)]
#[rtype(result = "usize")]
pub struct ToUser {
    /// For whom.
    pub user: UserId,
    /// What.
    pub what: Arc<Personal>,
    /// A socket here that knows it already.
    pub but: Option<ConnKey>,
}

/// News of an upload, for the user's other sockets and for the rooms that the user is in, wherever these are.
#[derive(Message, Clone)]
#[rtype(result = "()")]
pub struct TellUpload {
    /// Who uploads.
    pub user: Author,
    /// How far it is.
    pub upload: Upload,
    /// The socket that says so, if one does.
    pub but: Option<ConnKey>,
}

/// What a user says about being there, for the rooms that the user is in, wherever these are.
#[derive(Message, Clone)]
#[rtype(result = "()")]
pub struct StatusIs {
    /// Who.
    pub user: Author,
    /// What.
    pub status: Status,
}

/// A room did not let a socket in, or has sent it out: the registry and the session learn it.
#[derive(Message, Clone)]
#[rtype(result = "()")]
pub struct ShutOut {
    /// Whose.
    pub user: UserId,
    /// Which socket.
    pub conn: ConnKey,
    /// Which room.
    pub room: RoomId,
    /// What it is told.
    pub reply: Option<Box<Reply>>,
}

/// A socket left one of its rooms, and stays open.
#[derive(Message, Clone)]
#[rtype(result = "()")]
pub struct LeftRoom {
    /// Whose.
    pub user: UserId,
    /// Which socket.
    pub conn: ConnKey,
    /// Which room.
    pub room: RoomId,
}

/// An administrator's word for a room, wherever its members are.
#[derive(Message, Clone)]
#[rtype(result = "()")]
pub struct Announce(pub Arc<Broadcast>);

/// Counts.
#[derive(Message)]
#[rtype(result = "Statistics")]
pub struct CountAll;

/// What a node has.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug, MessageResponse)]
pub struct Statistics {
    /// Open sockets.
    pub connections: u64,
    /// Rooms in memory.
    pub rooms: u64,
    /// Users with a socket.
    pub users: u64,
}

/// The addresses that a drain has to visit in order.
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

/// The session has to end.
#[derive(Message, Clone)]
#[rtype(result = "()")]
pub struct Kick(pub Disconnect);

/// Something that concerns the session's user, in a room where the session may not be.
#[derive(Message, Clone)]
#[rtype(result = "()")]
pub struct Overhear(pub Arc<Broadcast>);

/// An administrator's word for the session's user.
#[derive(Message, Clone)]
#[rtype(result = "()")]
pub struct Notice(pub Arc<Reply>);

/// News for the session's user.
#[derive(Message, Clone)]
#[rtype(result = "()")]
pub struct News(pub Arc<Personal>);

/// Words of other nodes may have been lost on their way to the session's user.
#[derive(Message, Clone, Copy)]
#[rtype(result = "()")]
pub struct NewsMissed;

// ---- to the assistant ----

/// A user asks. Its answer comes as [`ToUser`].
#[derive(Message, Clone)]
#[rtype(result = "Result<(), Refusal>")]
pub struct AskAssistant {
    /// Who.
    pub user: Author,
    /// On which socket.
    pub conn: ConnKey,
    /// The rooms to which the socket's token is confined; without it, all.
    pub confined: Option<Arc<[RoomPattern]>>,
    /// What.
    pub question: Question,
}

/// The user wants no answer any more.
#[derive(Message, Clone)]
#[rtype(result = "bool")]
pub struct CancelAsk {
    /// Who.
    pub user: UserId,
    /// The client's name for the question.
    pub request: Arc<str>,
}

/// The socket on which questions were asked has ended.
#[derive(Message, Clone)]
#[rtype(result = "()")]
pub struct AskerGone {
    /// Whose.
    pub user: UserId,
    /// Which.
    pub conn: ConnKey,
}

/// No more questions are taken; answered when the last one has ended, by itself or because its time is over.
#[derive(Message, Clone, Copy)]
#[rtype(result = "()")]
pub struct FinishAnswers {
    /// How long that may take.
    pub within: Duration,
}

// ---- to a room ----

/// Another node came or went. The registry brings it to every room, a few at a time.
#[derive(Message, Clone, Copy, PartialEq, Eq, Debug)]
#[rtype(result = "()")]
pub enum PeerNews {
    /// It is there: it knows nothing yet of who is here.
    Up(NodeId),
    /// It is gone, and its members with it.
    Gone(NodeId),
}

/// Where the room's sequence stands in the log: what lies before it and was not heard is to be read.
#[derive(Message, Clone, Copy, PartialEq, Eq, Debug)]
#[rtype(result = "()")]
pub struct HeadIs {
    /// The last event's place.
    pub seq: Seq,
    /// Of which life of the sequence.
    pub epoch: Epoch,
}

/// A socket enters.
#[derive(Message, Clone)]
#[rtype(result = "()")]
pub struct Join {
    /// Which socket.
    pub conn: ConnKey,
    /// Its name towards clients and administrators.
    pub connection: Arc<str>,
    /// Whose.
    pub user: Author,
    /// Where its thread's hub is.
    pub hub: Addr<Hub>,
    /// From where it resumes, if it does.
    pub resume: Option<Resume>,
    /// The tag of the request, where it was asked for by one.
    pub tag: Tag,
    /// What the user says about being there.
    pub status: Status,
    /// How many users may be in; absent: any number.
    pub capacity: Option<u32>,
    /// When it began to be read that the user may enter: a right that was lost since then is read again, or the socket
    /// is sent away to try again. None where the right can't end.
    pub access_read_at: Option<Instant>,
    /// What its session has leased of the conversation's messages that are queued for the user.
    pub queued: Option<Box<Conversation>>,
}

/// A socket leaves.
#[derive(Message, Clone)]
#[rtype(result = "()")]
pub struct Leave {
    /// Which socket.
    pub conn: ConnKey,
    /// How.
    pub leaving: Leaving,
}

/// How a socket leaves.
#[derive(Clone, Debug)]
pub enum Leaving {
    /// Its client asks for it, and has asked other things before.
    Asked {
        /// Whose socket it is.
        user: UserId,
        /// The tag of the request, which is answered when nothing more of the room will come.
        tag: Tag,
    },
    /// It has ended, or the room does not have it any more.
    AtOnce,
    /// It broke off, and its user is likely to come back at once.
    BrokenOff,
}

/// A member asks something of the room.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Ask {
    /// Which socket.
    pub conn: ConnKey,
    /// Whose.
    pub user: Author,
    /// Given back with the answer.
    pub tag: Tag,
    /// What.
    pub command: Command,
    /// The files of a message, found and allowed; their ids are in the command.
    pub attachments: Vec<Attachment>,
}

/// The user may no longer be here.
#[derive(Message, Clone)]
#[rtype(result = "()")]
pub struct Expel {
    /// Who.
    pub user: UserId,
}

/// Answered when everything said before it was handled.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Barrier;

/// Answered when the room has heard all that this socket said to it before, also if the socket is still on its way in.
#[derive(Message, Clone, Copy)]
#[rtype(result = "()")]
pub struct HeardOut {
    /// Which.
    pub conn: ConnKey,
}

// ---- to a hub ----

/// What rooms tell a hub. One type, so that its order is one order.
#[derive(Message, Clone)]
#[rtype(result = "()")]
pub enum FromRoom {
    /// A connection enters: its opening comes first, then everything that follows.
    Subscribe {
        /// Into which room.
        room: RoomId,
        /// Which connection.
        conn: ConnKey,
        /// First words, snapshot and replay.
        opening: Vec<Opening>,
        /// Whether it was in before, and wants its first words once more.
        already: Already,
    },
    /// A connection leaves.
    Unsubscribe {
        /// Out of which room.
        room: RoomId,
        /// Which connection.
        conn: ConnKey,
        /// The last that it is told.
        farewell: Option<Box<Reply>>,
    },
    /// An event for the room's members.
    Deliver {
        /// Which room.
        room: RoomId,
        /// What.
        broadcast: Arc<Broadcast>,
    },
    /// An answer to one connection, behind what was delivered to it before.
    Tell {
        /// Of which room.
        room: RoomId,
        /// Which.
        conn: ConnKey,
        /// What.
        reply: Box<Reply>,
    },
    /// A member has to go.
    Expel {
        /// From which room.
        room: RoomId,
        /// Which connection.
        conn: ConnKey,
        /// Why.
        why: Disconnect,
    },
    /// The hub fell so far behind that the room can't make it up: its members there are told to resume.
    Evict {
        /// Which room.
        room: RoomId,
    },
}

/// Nothing more is read from any socket.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Quiesce;

/// Every session is told to come back elsewhere. Answers how many connections are left.
#[derive(Message, Clone, Copy)]
#[rtype(result = "usize")]
pub struct Drain {
    /// Nobody is told to come back sooner.
    pub floor_ms: u64,
    /// Reconnects are spread over this time after that.
    pub spread_ms: u64,
}
