//! The seam between nodes. A room tells its bridge what the rooms of the same id on other nodes have to hear, a node
//! what other nodes have to, and the bridge brings both what those say. It only carries: what is durable is in the
//! database before it is handed over, so a bridge may lose, repeat or delay anything, and must never wait for anybody.

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

/// What rooms of one id on different nodes say to each other.
#[derive(Clone, Debug)]
pub enum RoomWord {
    /// Something happened: stored already, or ephemeral.
    Event(Arc<Broadcast>),
    /// Who of the room is on the node that says it.
    Members(PartWord),
    /// The user may no longer be here.
    Expel {
        /// Who.
        user: UserId,
    },
    /// Only these users may still be here.
    KeepOnly {
        /// Who.
        users: Vec<UserId>,
    },
    /// Members on the node that says it moved their cursors.
    Cursors(Vec<Pointed>),
    /// What there is to know of members on the node that says it, beside that they are there.
    Attending(Vec<Attendee>),
}

/// What nodes say to each other outside rooms.
#[derive(Clone, Debug)]
pub enum NodeWord {
    /// The node lives, and how it is.
    Beat(Beat),
    /// Who is online on the node that says it.
    Roster(RosterWord),
    /// A durable event of a direct conversation, for a user's sockets that are elsewhere.
    Direct {
        /// Whom it concerns.
        user: UserId,
        /// What happened.
        broadcast: Arc<Broadcast>,
    },
    /// An administrator's word for all sockets of a user.
    Notice {
        /// For whom.
        user: UserId,
        /// What, as it was written.
        data: RawJson,
        /// When.
        at: Timestamp,
    },
    /// News for a user on every socket.
    Personal {
        /// For whom.
        user: UserId,
        /// What.
        what: Arc<Personal>,
    },
    /// News of an upload, for a user's sockets and rooms.
    Upload {
        /// Who uploads.
        user: Author,
        /// How far it is.
        upload: Upload,
    },
    /// What a user says about being there, for the user's rooms.
    Status {
        /// Who.
        user: Author,
        /// What.
        status: Status,
        /// When it was said: an older word than the last one that is known says nothing.
        at: Timestamp,
    },
    /// A user wants no answer of the assistant any more.
    CancelAsk {
        /// Who.
        user: UserId,
        /// The client's name for the question.
        request: Arc<str>,
        /// For the answer.
        question: u64,
    },
    /// The answer to [`NodeWord::CancelAsk`] of the node that had it; the others say nothing.
    AskCancelled {
        /// The one that was asked.
        question: u64,
    },
    /// One connection of the node has to end.
    Close {
        /// Whose.
        user: UserId,
        /// Which.
        conn: ConnKey,
        /// For the answer.
        question: u64,
    },
    /// The answer to [`NodeWord::Close`].
    Closed {
        /// The one that was asked.
        question: u64,
        /// How many sockets that ended: one or none.
        sockets: u32,
    },
    /// The user may no longer be in these rooms. It is said beside [`RoomWord::Expel`], which only the nodes hear that
    /// have the room in use: on the others sockets of the user may be on their way into it.
    Exclude {
        /// Who.
        user: UserId,
        /// From where.
        rooms: Vec<RoomId>,
    },
    /// The user's tokens issued before that moment are void.
    Revoke {
        /// Whose.
        user: UserId,
        /// Before when.
        before: Timestamp,
    },
    /// The user has gone on after refusals, and is shut out.
    Block {
        /// Who.
        user: UserId,
        /// Until when.
        until: Timestamp,
    },
    /// The user's block is over before its time.
    Lift {
        /// Whose.
        user: UserId,
        /// Since when.
        at: Timestamp,
    },
    /// What a user's sockets on the saying node have asked for lately.
    Spent {
        /// Who.
        user: UserId,
        /// How much since the last such word.
        asked_for: AskedFor,
    },
}

/// Which other nodes hear a [`NodeWord`].
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum To {
    /// Those where the user has a socket.
    User(UserId),
    /// That one.
    Node(NodeId),
    /// All of them.
    Everyone,
}

// ---- from the bridge ----

/// Brought to a room.
#[derive(Message, Clone, Debug)]
#[rtype(result = "()")]
pub struct Carried {
    /// Which node says it.
    pub from: NodeId,
    /// What.
    pub word: RoomWord,
}

/// To a room: from here on it hears what is said elsewhere, or it can't for now and the bridge says so again later.
/// Comes after every [`Attach`], and again after each time that the bridge was deaf.
#[derive(Message, Clone, Copy, Debug)]
#[rtype(result = "()")]
pub struct Listening {
    /// How many other nodes have the room in use; None where the bridge can't tell, or nobody can be heard.
    pub others: Option<usize>,
}

/// Brought to a node.
#[derive(Message, Clone, Debug)]
#[rtype(result = "()")]
pub struct Heard {
    /// Which node says it.
    pub from: NodeId,
    /// What.
    pub word: NodeWord,
}

/// To a node: whether it can hear the others.
#[derive(Message, Clone, Copy, PartialEq, Eq, Debug)]
#[rtype(result = "()")]
pub enum LinkIs {
    /// All subscriptions stand, and the probe came back.
    Up,
    /// Nothing is heard.
    Down,
}

// ---- to the bridge ----

/// A node takes part.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Enlist {
    /// Which.
    pub node: NodeId,
    /// Where to bring what others say to it.
    pub heard: Recipient<Heard>,
    /// Whom to tell how the link is.
    pub link: Recipient<LinkIs>,
    /// Whom to tell that words for a user are heard from now on.
    pub followed: Recipient<Followed>,
}

/// A room is in use here: bring it what the others say.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Attach {
    /// Which room.
    pub room: RoomId,
    /// Which node's.
    pub node: NodeId,
    /// Which of the room's actors on that node, so that an older one can't detach it.
    pub life: u64,
    /// Where to bring it.
    pub to: Recipient<Carried>,
    /// Whom to tell that it hears.
    pub listening: Recipient<Listening>,
}

/// The room is no longer in use here.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Detach {
    /// Which room.
    pub room: RoomId,
    /// Which node's.
    pub node: NodeId,
    /// The one that was attached; a younger one stays.
    pub life: u64,
}

/// A user's first socket on the node opened.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Follow {
    /// Whose.
    pub user: UserId,
    /// Which node's.
    pub node: NodeId,
}

/// Words for a user are heard from now on; those said since [`Follow`] may have been missed. Not told of users who were
/// followed before the link came up: they are a part of what that means.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Followed {
    /// Whose.
    pub user: UserId,
}

/// A user's last socket on the node closed.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Unfollow {
    /// Whose.
    pub user: UserId,
    /// Which node's.
    pub node: NodeId,
}

/// For the rooms of the same id on other nodes.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Carry {
    /// Which room's.
    pub room: RoomId,
    /// From which node.
    pub node: NodeId,
    /// What.
    pub word: RoomWord,
}

/// For other nodes.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Say {
    /// To which.
    pub to: To,
    /// From which.
    pub node: NodeId,
    /// What.
    pub word: NodeWord,
}

/// The last word to a bridge, answered when what was said before has gone out or has no prospect to; then it carries
/// nothing more.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Hush;

// ---- a node's line ----

/// How far a bridge reaches.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reach {
    /// There is no other node: nothing needs carrying.
    ThisNode,
    /// There may be others.
    Cluster,
}

/// How the line to the other nodes is, for health answers; written by the bridge alone.
#[derive(Debug, Default)]
pub struct LinkBoard(AtomicU8);

/// What a [`LinkBoard`] says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum LinkState {
    /// There are no others.
    Disabled,
    /// They are heard.
    Up,
    /// They are not.
    Down,
}

impl LinkBoard {
    /// What it says.
    pub fn state(&self) -> LinkState {
        match self.0.load(Ordering::Relaxed) {
            0 => LinkState::Disabled,
            1 => LinkState::Up,
            _ => LinkState::Down,
        }
    }

    /// Says something else.
    pub fn set(&self, state: LinkState) {
        let code = match state {
            LinkState::Disabled => 0,
            LinkState::Up => 1,
            LinkState::Down => 2,
        };
        self.0.store(code, Ordering::Relaxed);
    }
}

/// A node's line to its bridge, whichever it is.
#[derive(Clone)]
pub struct BridgeLink {
    /// This node.
    pub node: NodeId,
    /// How far it reaches.
    pub reach: Reach,
    /// How it is.
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
    /// The line of a node to a bridge.
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

    /// Hands over what the room has to hear on other nodes. A full bridge loses it: rooms close their gaps from the
    /// database.
    pub fn carry(&self, room: RoomId, word: RoomWord) {
        if self.reach == Reach::Cluster && self.carry.try_send(Carry { room, node: self.node, word }).is_err() {
            log::warn!("event=bridge_full room={room}");
        }
    }

    /// Hands over what other nodes have to hear. A full bridge loses it: beats, rosters and profiles are repeated.
    pub fn say(&self, to: To, word: NodeWord) {
        if self.reach == Reach::Cluster && self.say.try_send(Say { to, node: self.node, word }).is_err() {
            log::warn!("event=bridge_full");
        }
    }
}
