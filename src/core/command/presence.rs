//! Requests of a client about the user's presence: the cursor in a room, the status everywhere.

use super::{Charge, RoomAddress, Target};
use crate::{
    core::{cursor::Cursor, presence::StatusUpdate},
    ids::RoomName,
};

/// A command about presence.
#[derive(Clone, PartialEq, Debug)]
pub enum PresenceCommand {
    /// Move the user's cursor.
    MoveCursor {
        /// The room; if absent, the one joined last.
        room: Option<RoomName>,
        /// The position.
        cursor: Cursor,
    },
    /// Set the user's status, for all rooms that the user is in.
    SetStatus {
        /// The change.
        update: StatusUpdate,
    },
}

impl PresenceCommand {
    /// Who executes it.
    pub fn target(&self) -> Target {
        match self {
            PresenceCommand::MoveCursor { room, .. } => Target::Room(room.clone().map(RoomAddress::Open)),
            PresenceCommand::SetStatus { .. } => Target::Session,
        }
    }

    /// How it is charged.
    pub const fn charge(&self) -> Charge {
        match self {
            PresenceCommand::MoveCursor { .. } => Charge::Ephemeral,
            PresenceCommand::SetStatus { .. } => Charge::Request,
        }
    }
}
