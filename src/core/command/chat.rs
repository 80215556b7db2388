//! What a client may ask of a room's chat.

use std::sync::Arc;

use super::{Charge, Target};
use crate::ids::{FileId, RoomName};

/// A command of the chat.
#[derive(Clone, PartialEq, Debug)]
pub enum ChatCommand {
    /// A message for the room.
    Send {
        /// To which kind of room the client thinks it speaks.
        addressed: Addressed,
        /// The text, within limits.
        content: Arc<str>,
        /// Uploaded files that go with it.
        attachments: Vec<FileId>,
    },
    /// The user began or stopped typing.
    SetTyping {
        /// To which kind of room the client thinks it speaks.
        addressed: Addressed,
        /// Which of the two.
        typing: Typing,
        /// In which cell, by the client's own name.
        cell: Option<Arc<str>>,
    },
}

impl ChatCommand {
    /// To which kind of room the client thinks it speaks.
    pub const fn addressed(&self) -> &Addressed {
        match self {
            ChatCommand::Send { addressed, .. } | ChatCommand::SetTyping { addressed, .. } => addressed,
        }
    }

    /// Who carries it out.
    pub const fn target(&self) -> Target<'_> {
        Target::Room(self.addressed().room())
    }

    /// Uploaded files that it names.
    pub fn files(&self) -> &[FileId] {
        match self {
            ChatCommand::Send { attachments, .. } => attachments,
            ChatCommand::SetTyping { .. } => &[],
        }
    }

    /// How it is counted.
    pub const fn charge(&self) -> Charge {
        match self {
            ChatCommand::Send { .. } => Charge::Request,
            ChatCommand::SetTyping { .. } => Charge::Ephemeral,
        }
    }
}

/// To whom a client says something. A private message that is sent into a channel by mistake must not be delivered
/// there.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Addressed {
    /// All who are in the channel.
    Channel,
    /// The other side of a direct conversation.
    Partner,
    /// All who are in an open room.
    Room {
        /// Which; absent: the one joined last.
        room: Option<RoomName>,
    },
}

impl Addressed {
    /// The open room that is named.
    pub const fn room(&self) -> Option<&RoomName> {
        match self {
            Addressed::Channel | Addressed::Partner => None,
            Addressed::Room { room } => room.as_ref(),
        }
    }
}

/// Whether somebody types.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Typing {
    /// Began.
    Started,
    /// Ended.
    Stopped,
}
