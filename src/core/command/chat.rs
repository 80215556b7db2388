//! What a client may ask of a room's chat.

use std::sync::Arc;

use super::{Charge, Target};
use crate::{
    error::{ErrorCode, Refusal},
    ids::{FileId, RoomName},
    limits, names,
};

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
    /// A message, once it is known that it may be sent: the same for sockets and REST.
    ///
    /// # Errors
    /// `INVALID_MESSAGE` where there is neither text nor file, or a NUL character, or a file twice; `MESSAGE_TOO_LONG`.
    pub fn send(addressed: Addressed, content: Arc<str>, attachments: Vec<FileId>) -> Result<ChatCommand, Refusal> {
        let invalid = |sentence: &'static str| Err(Refusal::new(ErrorCode::InvalidMessage, sentence));
        if !names::is_visible(&content) && attachments.is_empty() {
            return invalid("`content` must not be empty");
        }
        if content.contains('\0') {
            return invalid("`content` must not have NUL characters (\\u0000); leave them out");
        }
        // Characters are counted only when there are enough bytes for too many.
        let most = limits::CHAT_CHARS_MAX;
        if content.len() > most && content.chars().count() > most {
            let count = content.chars().count();
            let sentence = format!("`content` has {count} characters; at most {most} are allowed, so send it in parts");
            return Err(Refusal::new(ErrorCode::MessageTooLong, sentence));
        }
        let doubled = |(at, file): (usize, &FileId)| attachments.iter().take(at).any(|earlier| earlier == file);
        if attachments.len() > limits::ATTACHMENTS_MAX || attachments.iter().enumerate().any(doubled) {
            return Err(bad_attachments());
        }
        Ok(ChatCommand::Send { addressed, content, attachments })
    }

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

/// The refusal of a list of files that is none, is too long, or names one twice.
pub fn bad_attachments() -> Refusal {
    let most = limits::ATTACHMENTS_MAX;
    let sentence = format!("`attachments` must be a list of at most {most} ids of uploaded files, each once");
    Refusal::new(ErrorCode::InvalidMessage, sentence)
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
