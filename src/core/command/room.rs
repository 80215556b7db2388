//! Requests of a client to join and leave rooms, and to broadcast data in one; and how clients address rooms.

use super::{Charge, RawJson, Resume, Target};
use crate::{
    core::event::{RoomIdentity, RoomScope},
    ids::{DocumentId, RoomId, RoomName, UserId},
};

/// How a client addresses a room.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum RoomAddress {
    /// An open room by its name.
    Open(RoomName),
    /// A channel or direct conversation by its id, otherwise an open room by its name.
    Conversation(RoomName),
    /// The direct conversation with this user.
    With(UserId),
    /// A space by its id.
    Space(RoomId),
    /// A document by its id.
    Document(DocumentId),
}

impl RoomAddress {
    /// Whether it names a conversation, in which those who join take part also when they are away.
    pub const fn is_conversation(&self) -> bool {
        match self {
            RoomAddress::Open(_) | RoomAddress::Space(_) | RoomAddress::Document(_) => false,
            RoomAddress::Conversation(_) | RoomAddress::With(_) => true,
        }
    }

    /// Whether a room is the one that this user means.
    pub fn means(&self, room: &RoomIdentity, user: &UserId) -> bool {
        match self {
            RoomAddress::Open(name) => room.scope.name() == Some(name),
            RoomAddress::Conversation(label) => room.is_labelled(label),
            RoomAddress::Space(id) => room.scope == RoomScope::Space && room.id == *id,
            RoomAddress::With(partner) => room.scope.partner_of(user) == Some(partner),
            RoomAddress::Document(document) => room.scope.document() == Some(document),
        }
    }
}

/// A command about membership in a room.
#[derive(Clone, PartialEq, Debug)]
pub enum RoomCommand {
    /// Join a room. An open room is created if necessary.
    Join {
        /// Which.
        room: RoomAddress,
        /// The position from which the client resumes, if it does.
        resume: Option<Resume>,
    },
    /// Join a room with a token of its own, which must be of the same user.
    JoinWithToken {
        /// Which.
        room: RoomAddress,
        /// The token.
        token: String,
    },
    /// Leave a room.
    Leave {
        /// Which.
        room: RoomAddress,
    },
    /// Broadcast data to all members.
    Broadcast {
        /// The room.
        room: RoomAddress,
        /// The data, an object, relayed unchanged.
        data: RawJson,
    },
}

impl RoomCommand {
    /// Who executes it.
    pub fn target(&self) -> Target {
        match self {
            RoomCommand::Join { .. } | RoomCommand::JoinWithToken { .. } | RoomCommand::Leave { .. } => Target::Session,
            RoomCommand::Broadcast { room, .. } => Target::Room(Some(room.clone())),
        }
    }

    /// How it is charged.
    pub const fn charge(&self) -> Charge {
        match self {
            RoomCommand::Join { .. }
            | RoomCommand::JoinWithToken { .. }
            | RoomCommand::Leave { .. }
            | RoomCommand::Broadcast { .. } => Charge::Request,
        }
    }
}
