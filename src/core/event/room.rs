//! Events of a room itself.

use crate::core::command::RawJson;

/// An event of a room. None is stored.
#[derive(Clone, PartialEq, Debug)]
pub enum RoomEphemeral {
    /// An administrator's message for the room.
    Announced {
        /// The content as it was received.
        data: RawJson,
    },
}
