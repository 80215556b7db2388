//! How a client enters and leaves rooms.

use super::{Charge, Resume};
use crate::ids::RoomName;

/// A command about membership in a room.
#[derive(Clone, PartialEq, Debug)]
pub enum RoomCommand {
    /// Enter an open room, made at the first need.
    Join {
        /// Which.
        room: RoomName,
        /// From where the client resumes, if it does.
        resume: Option<Resume>,
    },
    /// Leave a room.
    Leave {
        /// Which.
        room: RoomName,
    },
}

impl RoomCommand {
    /// How it is counted.
    pub const fn charge(&self) -> Charge {
        match self {
            RoomCommand::Join { .. } | RoomCommand::Leave { .. } => Charge::Request,
        }
    }
}
