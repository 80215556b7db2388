//! Events of a room itself.

use serde::{Deserialize, Serialize};

use crate::core::{command::RawJson, profile::Author};

/// An event of a room. None is stored.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RoomEphemeral {
    /// An administrator's message for the room.
    Announced {
        /// The content as it was received.
        data: RawJson,
    },
    /// Data of a member for all members.
    Broadcast {
        /// The sender.
        by: Author,
        /// The data, an object, as it was received.
        data: RawJson,
    },
}
