//! Events of a room itself.

use crate::core::{command::RawJson, profile::Author};

/// An event of a room. None is stored.
#[derive(Clone, PartialEq, Debug)]
pub enum RoomEphemeral {
    /// An administrator's message for the room.
    Announced {
        /// The content as it was received.
        data: RawJson,
    },
    /// A member's own data for all members.
    Broadcast {
        /// Who sent it.
        by: Author,
        /// As it was written, an object.
        data: RawJson,
    },
}
