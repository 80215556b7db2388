//! Requests of a client in a space: to enter it, to move the avatar, and to act.

use std::sync::Arc;

use super::{Charge, RawJson, Resume, RoomAddress, Target};
use crate::{
    core::space::{PlaceChange, StateSet},
    error::{ErrorCode, Refusal},
    ids::{RoomId, UserId},
    limits,
};

/// A command in a space.
#[derive(Clone, PartialEq, Debug)]
pub enum SpaceCommand {
    /// Enter a space.
    Join {
        /// Which.
        space: RoomId,
        /// The user as whom the client means to enter; it must be that of the socket.
        user: Option<UserId>,
        /// Where the avatar appears, unless it is there already.
        place: Option<PlaceChange>,
        /// The position from which the client resumes, if it does.
        resume: Option<Resume>,
    },
    /// Move the avatar.
    Move {
        /// In which space.
        space: RoomId,
        /// To where.
        to: PlaceChange,
        /// The client's number of the input, by which it recognises what is included in what it is sent.
        input: Option<i64>,
    },
    /// Do something that clients give a name to.
    Act {
        /// In which space.
        space: RoomId,
        /// The clients' name for it.
        action: Arc<str>,
        /// Further data, within limits.
        data: Option<RawJson>,
    },
    /// Set or delete an entry of the space's state.
    SetState {
        /// Of which space.
        space: RoomId,
        /// What the entry becomes.
        set: StateSet,
    },
    /// Read the settings of the space again: they were changed. Only over REST.
    ReadSettings {
        /// Of which space.
        space: RoomId,
    },
}

impl SpaceCommand {
    /// Validates an action.
    ///
    /// # Errors
    /// `MESSAGE_TOO_LONG` if its data has too many bytes.
    pub fn act(space: RoomId, action: Arc<str>, data: Option<RawJson>) -> Result<SpaceCommand, Refusal> {
        let (bytes, most) = (data.as_ref().map_or(0, |data| data.as_str().len()), limits::ACTION_DATA_BYTES_MAX);
        if bytes > most {
            let sentence = format!("`data` has {bytes} bytes; at most {most} are allowed");
            return Err(Refusal::new(ErrorCode::MessageTooLong, sentence));
        }
        Ok(SpaceCommand::Act { space, action, data })
    }

    /// Validates a change of the state.
    ///
    /// # Errors
    /// `MESSAGE_TOO_LONG` if the value has too many bytes.
    pub fn set_state(space: RoomId, set: StateSet) -> Result<SpaceCommand, Refusal> {
        let (bytes, most) = (set.value.as_ref().map_or(0, |value| value.as_str().len()), limits::STATE_VALUE_BYTES_MAX);
        if bytes > most {
            let sentence = format!("`value` has {bytes} bytes; at most {most} are allowed");
            return Err(Refusal::new(ErrorCode::MessageTooLong, sentence));
        }
        Ok(SpaceCommand::SetState { space, set })
    }

    /// Who executes it.
    pub const fn target(&self) -> Target {
        match self {
            SpaceCommand::Join { .. } => Target::Session,
            SpaceCommand::Move { space, .. }
            | SpaceCommand::Act { space, .. }
            | SpaceCommand::SetState { space, .. }
            | SpaceCommand::ReadSettings { space } => Target::Room(Some(RoomAddress::Space(*space))),
        }
    }

    /// Whether it creates a stored event.
    pub const fn is_durable(&self) -> bool {
        match self {
            SpaceCommand::Join { .. } | SpaceCommand::Move { .. } | SpaceCommand::ReadSettings { .. } => false,
            SpaceCommand::Act { .. } | SpaceCommand::SetState { .. } => true,
        }
    }

    /// How it is counted.
    pub const fn charge(&self) -> Charge {
        match self {
            SpaceCommand::Join { .. }
            | SpaceCommand::Act { .. }
            | SpaceCommand::SetState { .. }
            | SpaceCommand::ReadSettings { .. } => Charge::Request,
            SpaceCommand::Move { .. } => Charge::Ephemeral,
        }
    }
}
