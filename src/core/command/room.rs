//! How a client names rooms, enters and leaves them, and sends data of its own to everybody in one.

use super::{Charge, RawJson, Resume, Target};
use crate::ids::{RoomName, UserId};

/// What a client calls a room.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum RoomAddress {
    /// An open room, by its name.
    Open(RoomName),
    /// A channel or a direct conversation by its id, or else an open room by its name.
    Conversation(RoomName),
    /// The direct conversation with that user.
    With(UserId),
}

/// A command about membership in a room.
#[derive(Clone, PartialEq, Debug)]
pub enum RoomCommand {
    /// Enter a room. An open one is made at the first need.
    Join {
        /// Which.
        room: RoomAddress,
        /// From where the client resumes, if it does.
        resume: Option<Resume>,
    },
    /// Leave a room.
    Leave {
        /// Which.
        room: RoomAddress,
    },
    /// Send data of the client's own to all members.
    Broadcast {
        /// Of which room.
        room: RoomAddress,
        /// Relayed unchanged, an object.
        data: RawJson,
    },
}

impl RoomCommand {
    /// Who carries it out.
    pub fn target(&self) -> Target {
        match self {
            RoomCommand::Join { .. } | RoomCommand::Leave { .. } => Target::Session,
            RoomCommand::Broadcast { room, .. } => Target::Room(Some(room.clone())),
        }
    }

    /// How it is counted.
    pub const fn charge(&self) -> Charge {
        match self {
            RoomCommand::Join { .. } | RoomCommand::Leave { .. } | RoomCommand::Broadcast { .. } => Charge::Request,
        }
    }
}
