//! Requests of a client to the chat of a room.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Charge, RoomAddress, Target};
use crate::{
    error::{ErrorCode, Refusal},
    ids::{FileId, RoomName},
    limits, names,
};

/// A command of the chat.
#[derive(Clone, PartialEq, Debug)]
pub enum ChatCommand {
    /// Send a message.
    Send {
        /// The kind of room for which the client sent it.
        addressed: Addressed,
        /// The text, within limits.
        content: Arc<str>,
        /// The attached files.
        attachments: Vec<FileId>,
    },
    /// The user started or stopped typing.
    SetTyping {
        /// The kind of room for which the client sent it.
        addressed: Addressed,
        /// Whether typing started or stopped.
        typing: Typing,
        /// The cell, by the client's id.
        cell: Option<Arc<str>>,
    },
}

impl ChatCommand {
    /// Validates a message, by the same rules for sockets and REST.
    ///
    /// # Errors
    /// `INVALID_MESSAGE` if it has neither text nor files, or contains a NUL character, or names a file twice; `MESSAGE_TOO_LONG`.
    pub fn send(addressed: Addressed, content: Arc<str>, attachments: Vec<FileId>) -> Result<ChatCommand, Refusal> {
        let invalid = |sentence: &'static str| Err(Refusal::new(ErrorCode::InvalidMessage, sentence));
        if !names::is_visible(&content) && attachments.is_empty() {
            return invalid("`content` must not be empty");
        }
        if content.contains('\0') {
            return invalid("`content` must not have NUL characters (\\u0000); leave them out");
        }
        // characters are only counted if there are enough bytes for too many
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

    /// The kind of room for which the client sent it.
    pub const fn addressed(&self) -> &Addressed {
        match self {
            ChatCommand::Send { addressed, .. } | ChatCommand::SetTyping { addressed, .. } => addressed,
        }
    }

    /// Who executes it.
    pub fn target(&self) -> Target {
        match self.addressed() {
            Addressed::Channel | Addressed::Partner => Target::Room(None),
            Addressed::Room { room } => Target::Room(room.clone().map(RoomAddress::Open)),
            Addressed::Conversation(room) => Target::Conversation(room.clone()),
        }
    }

    /// The uploaded files that it names.
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

/// The refusal of a list of files that is malformed, too long, or names one twice.
pub fn bad_attachments() -> Refusal {
    let most = limits::ATTACHMENTS_MAX;
    let sentence = format!("`attachments` must be a list of at most {most} ids of uploaded files, each once");
    Refusal::new(ErrorCode::InvalidMessage, sentence)
}

/// The kind of room that a message is addressed to. A private message sent to a channel by mistake must never be
/// delivered there.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Addressed {
    /// All members of the channel.
    Channel,
    /// The other user of a direct conversation.
    Partner,
    /// All members of an open room.
    Room {
        /// The room; if absent, the one joined last.
        room: Option<RoomName>,
    },
    /// All members of a conversation of any kind.
    Conversation(RoomAddress),
}

impl Addressed {
    /// How the sender is informed that the message is stored.
    pub const fn receipt(&self) -> Receipt {
        match self {
            Addressed::Channel | Addressed::Partner | Addressed::Room { .. } => Receipt::Ack,
            Addressed::Conversation(_) => Receipt::Delivery,
        }
    }
}

/// How the sender of a command is informed that it is stored.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Receipt {
    /// By an acknowledgement, if requested.
    Ack,
    /// By a delivery receipt: to whom it was sent and for whom it is queued.
    Delivery,
}

/// Whether somebody types.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Typing {
    /// The user started.
    Started,
    /// The user stopped.
    Stopped,
}
