//! The interface between nodes. Rooms publish messages to the rooms with the same id on other nodes, and nodes publish
//! messages to other nodes; the bridge delivers both. It only transports: durable events are in the database before
//! they are published, so a bridge may lose, repeat or delay any message, and must never wait for anybody.

pub mod envelope;
pub mod local;
pub mod redis;

use std::sync::{
    Arc,
    atomic::{AtomicU8, Ordering},
};

use actix::prelude::*;

use super::{fanout::Broadcast, outbox::ConnKey};
use crate::{
    core::{
        command::RawJson, cursor::Pointed, elsewhere::PartWord, event::Attendee, peers::Beat, personal::Personal,
        presence::Status, profile::Author, rate::AskedFor, roster::RosterWord, upload::Upload,
    },
    ids::{NodeId, RoomId, Timestamp, UserId},
};

// ---- what is carried ----

/// Messages between rooms with the same id on different nodes.
#[derive(Clone, Debug)]
pub enum RoomWord {
    /// An event, ephemeral or already stored.
    Event(Arc<Broadcast>),
    /// Members of the room on the sending node.
    Members(PartWord),
    /// The user was removed from the room.
    Expel {
        /// The user.
        user: UserId,
    },
    /// All other users were removed from the room.
    KeepOnly {
        /// The users who may stay.
        users: Vec<UserId>,
    },
    /// Cursor movements of members on the sending node.
    Cursors(Vec<Pointed>),
    /// Presence data of members on the sending node.
    Attending(Vec<Attendee>),
}

/// Messages between nodes outside of rooms.
#[derive(Clone, Debug)]
pub enum NodeWord {
    /// A heartbeat.
    Beat(Beat),
    /// The roster of users online on the sending node.
    Roster(RosterWord),
    /// A durable event of a direct conversation, for sockets of one of its users that are in other rooms.
    Direct {
        /// The user.
        user: UserId,
        /// The event.
        broadcast: Arc<Broadcast>,
    },
    /// An administrator's notice for all sockets of a user.
    Notice {
        /// The user.
        user: UserId,
        /// The content, as it was received.
        data: RawJson,
        /// The time.
        at: Timestamp,
    },
    /// An event for all sockets of a user.
    Personal {
        /// The user.
        user: UserId,
        /// The event.
        what: Arc<Personal>,
    },
    /// Progress of an upload, for a user's sockets and rooms.
    Upload {
        /// The uploading user.
        user: Author,
        /// The progress.
        upload: Upload,
    },
    /// A user's status, for the user's rooms.
    Status {
        /// The user.
        user: Author,
        /// The status.
        status: Status,
        /// When it was set. A status older than the known one is ignored.
        at: Timestamp,
    },
    /// A user cancels a question to the assistant.
    CancelAsk {
        /// The user.
        user: UserId,
        /// The client's id for the question.
        request: Arc<str>,
        /// The id of this request, for the answer.
        question: u64,
    },
    /// The answer to [`NodeWord::CancelAsk`] by the node that had the question; the others do not answer.
    AskCancelled {
        /// The id of the request.
        question: u64,
    },
    /// Closes a connection of the receiving node.
    Close {
        /// The user.
        user: UserId,
        /// The connection.
        conn: ConnKey,
        /// The id of this request, for the answer.
        question: u64,
    },
    /// The answer to [`NodeWord::Close`].
    Closed {
        /// The id of the request.
        question: u64,
        /// The number of sockets that were closed: one or none.
        sockets: u32,
    },
    /// The user was removed from these rooms. Published in addition to [`RoomWord::Expel`], which only reaches nodes on
    /// which the room is in use: on the others, sockets of the user may be about to join it.
    Exclude {
        /// The user.
        user: UserId,
        /// The rooms.
        rooms: Vec<RoomId>,
    },
    /// The user's tokens issued before this time are revoked.
    Revoke {
        /// The user.
        user: UserId,
        /// The time.
        before: Timestamp,
    },
    /// The user is blocked for ignoring rate limits.
    Block {
        /// The user.
        user: UserId,
        /// The end of the block.
        until: Timestamp,
    },
    /// The user's block was ended early.
    Lift {
        /// The user.
        user: UserId,
        /// The time at which it ended.
        at: Timestamp,
    },
    /// Recent requests of a user's sockets on the sending node.
    Spent {
        /// The user.
        user: UserId,
        /// The requests since the last such message.
        asked_for: AskedFor,
    },
}

/// The receivers of a [`NodeWord`].
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum To {
    /// The nodes on which the user has a socket.
    User(UserId),
    /// A single node.
    Node(NodeId),
    /// All nodes.
    Everyone,
}

// ---- from the bridge ----

/// A message delivered to a room.
#[derive(Message, Clone, Debug)]
#[rtype(result = "()")]
pub struct Carried {
    /// The sending node.
    pub from: NodeId,
    /// The message.
    pub word: RoomWord,
}

/// To a room: messages of other nodes are received from now on, or cannot be for now and this message will be repeated.
/// Sent after every [`Attach`], and again after every interruption of the link.
#[derive(Message, Clone, Copy, Debug)]
#[rtype(result = "()")]
pub struct Listening {
    /// The number of other nodes that have the room in use; `None` if unknown, or if no other node can be reached.
    pub others: Option<usize>,
}

/// A message delivered to a node.
#[derive(Message, Clone, Debug)]
#[rtype(result = "()")]
pub struct Heard {
    /// The sending node.
    pub from: NodeId,
    /// The message.
    pub word: NodeWord,
}

/// To a node: whether messages of the other nodes are received.
#[derive(Message, Clone, Copy, PartialEq, Eq, Debug)]
#[rtype(result = "()")]
pub enum LinkIs {
    /// All subscriptions are confirmed and a probe was received.
    Up,
    /// Nothing is received.
    Down,
}

// ---- to the bridge ----

/// Registers a node.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Enlist {
    /// The node.
    pub node: NodeId,
    /// Receives the messages of other nodes.
    pub heard: Recipient<Heard>,
    /// Receives the state of the link.
    pub link: Recipient<LinkIs>,
    /// Is informed when the subscription to a user is confirmed.
    pub followed: Recipient<Followed>,
}

/// A room is in use here: subscribe to its messages.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Attach {
    /// The room.
    pub room: RoomId,
    /// Its node.
    pub node: NodeId,
    /// The incarnation of the room on that node, so that an older one cannot detach it.
    pub life: u64,
    /// Receives the messages.
    pub to: Recipient<Carried>,
    /// Is informed when the subscription is confirmed.
    pub listening: Recipient<Listening>,
}

/// The room is no longer in use here.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Detach {
    /// The room.
    pub room: RoomId,
    /// Its node.
    pub node: NodeId,
    /// The incarnation that was attached; a newer one stays attached.
    pub life: u64,
}

/// A user's first socket on the node opened: subscribe to the user's messages.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Follow {
    /// The user.
    pub user: UserId,
    /// The node.
    pub node: NodeId,
}

/// The subscription to a user's messages is confirmed; those published since [`Follow`] may have been missed. Not sent
/// for users followed before the link came up, because the link counts as up only when their subscriptions are
/// confirmed.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Followed {
    /// The user.
    pub user: UserId,
}

/// A user's last socket on the node closed.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Unfollow {
    /// The user.
    pub user: UserId,
    /// The node.
    pub node: NodeId,
}

/// Publishes a message to the rooms with the same id on other nodes.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Carry {
    /// The room.
    pub room: RoomId,
    /// The sending node.
    pub node: NodeId,
    /// The message.
    pub word: RoomWord,
}

/// Publishes a message to other nodes.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Say {
    /// The receivers.
    pub to: To,
    /// The sending node.
    pub node: NodeId,
    /// The message.
    pub word: NodeWord,
}

/// Closes the bridge. Answered when earlier messages have been published or cannot be; afterwards nothing more is
/// transported.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Hush;

// ---- a node's line ----

/// Whether the bridge connects other nodes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reach {
    /// There is no other node, so nothing is published.
    ThisNode,
    /// There may be other nodes.
    Cluster,
}

/// The state of the link to the other nodes, for health checks. Written by the bridge only.
#[derive(Debug, Default)]
pub struct LinkBoard(AtomicU8);

/// The state of a link.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LinkState {
    /// There are no other nodes.
    Disabled,
    /// Messages of other nodes are received.
    Up,
    /// They are not.
    Down,
}

impl LinkBoard {
    /// The current state.
    pub fn state(&self) -> LinkState {
        match self.0.load(Ordering::Relaxed) {
            0 => LinkState::Disabled,
            1 => LinkState::Up,
            _ => LinkState::Down,
        }
    }

    /// Sets the state.
    pub fn set(&self, state: LinkState) {
        let code = match state {
            LinkState::Disabled => 0,
            LinkState::Up => 1,
            LinkState::Down => 2,
        };
        self.0.store(code, Ordering::Relaxed);
    }
}

/// A node's access to its bridge, of whichever kind.
#[derive(Clone)]
pub struct BridgeLink {
    /// This node.
    pub node: NodeId,
    /// Whether there may be other nodes.
    pub reach: Reach,
    /// The state of the link.
    pub board: Arc<LinkBoard>,
    /// For [`Enlist`].
    pub enlist: Recipient<Enlist>,
    /// For [`Attach`].
    pub attach: Recipient<Attach>,
    /// For [`Detach`].
    pub detach: Recipient<Detach>,
    /// For [`Follow`].
    pub follow: Recipient<Follow>,
    /// For [`Unfollow`].
    pub unfollow: Recipient<Unfollow>,
    /// For [`Carry`].
    pub carry: Recipient<Carry>,
    /// For [`Say`].
    pub say: Recipient<Say>,
    /// For [`Hush`].
    pub hush: Recipient<Hush>,
}

impl BridgeLink {
    /// Creates a node's access to a bridge.
    pub fn new<B>(bridge: &Addr<B>, node: NodeId, reach: Reach, board: Arc<LinkBoard>) -> BridgeLink
    where
        B: Actor<Context = Context<B>>
            + Handler<Enlist>
            + Handler<Attach>
            + Handler<Detach>
            + Handler<Follow>
            + Handler<Unfollow>
            + Handler<Carry>
            + Handler<Say>
            + Handler<Hush>,
    {
        BridgeLink {
            node,
            reach,
            board,
            enlist: bridge.clone().recipient(),
            attach: bridge.clone().recipient(),
            detach: bridge.clone().recipient(),
            follow: bridge.clone().recipient(),
            unfollow: bridge.clone().recipient(),
            carry: bridge.clone().recipient(),
            say: bridge.clone().recipient(),
            hush: bridge.clone().recipient(),
        }
    }

    /// Publishes a message to the room on other nodes. If the bridge is full it is lost; rooms close their gaps from
    /// the database.
    pub fn carry(&self, room: RoomId, word: RoomWord) {
        if self.reach == Reach::Cluster && self.carry.try_send(Carry { room, node: self.node, word }).is_err() {
            log::warn!("event=bridge_full room={room}");
        }
    }

    /// Publishes a message to other nodes. If the bridge is full it is lost; heartbeats, rosters and profiles are
    /// repeated.
    pub fn say(&self, to: To, word: NodeWord) {
        if self.reach == Reach::Cluster && self.say.try_send(Say { to, node: self.node, word }).is_err() {
            log::warn!("event=bridge_full");
        }
    }
}
