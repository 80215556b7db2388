//! What a client may say about its user's presence: a cursor in a room, a status everywhere.

use super::{Charge, Target};
use crate::{
    core::{cursor::Cursor, presence::Status},
    ids::RoomName,
};

/// A command about presence.
#[derive(Clone, PartialEq, Debug)]
pub enum PresenceCommand {
    /// The user points somewhere.
    MoveCursor {
        /// In which room; absent: the one joined last.
        room: Option<RoomName>,
        /// Where.
        cursor: Cursor,
    },
    /// The user's status, for all rooms that the user is in.
    SetStatus {
        /// Which.
        status: Status,
    },
}

impl PresenceCommand {
    /// Who carries it out.
    pub const fn target(&self) -> Target<'_> {
        match self {
            PresenceCommand::MoveCursor { room, .. } => Target::Room(room.as_ref()),
            PresenceCommand::SetStatus { .. } => Target::Session,
        }
    }

    /// How it is counted.
    pub const fn charge(&self) -> Charge {
        match self {
            PresenceCommand::MoveCursor { .. } => Charge::Ephemeral,
            PresenceCommand::SetStatus { .. } => Charge::Request,
        }
    }
}
