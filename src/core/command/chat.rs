//! Requests of a client to the chat of a room.

use std::{borrow::Cow, sync::Arc};

use serde::{Deserialize, Serialize};

use super::{Charge, RoomAddress, Target};
use crate::{
    core::{
        emoji::Emoji,
        event::{ContentType, ReactionChange, Secrecy},
    },
    error::{ErrorCode, Refusal},
    ids::{CanvasId, EventId, FileId, RoomId, RoomName, UserId},
    limits, names,
};

/// A command of the chat.
#[derive(Clone, PartialEq, Debug)]
pub enum ChatCommand {
    /// Send a message.
    Send {
        /// The kind of room for which the client sent it.
        addressed: Addressed,
        /// The message.
        draft: Draft,
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
    /// Change the text of a message.
    Edit {
        /// Which message.
        at: MessageAddress,
        /// The new text, within limits; of an encrypted message the new ciphertext.
        content: Arc<str>,
        /// Whether it is a ciphertext.
        secrecy: Secrecy,
    },
    /// Delete a message.
    Delete {
        /// Which message.
        at: MessageAddress,
    },
    /// The user has read up to a message.
    Read {
        /// Which message.
        at: MessageAddress,
    },
    /// Add or remove a reaction to a message.
    React {
        /// Which message.
        at: MessageAddress,
        /// The reaction.
        emoji: Emoji,
        /// Whether it is added or removed.
        change: ReactionChange,
    },
}

/// A message that a client wants to send.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Draft {
    /// The text; of an encrypted message the ciphertext.
    pub content: Arc<str>,
    /// What the content is.
    pub content_type: ContentType,
    /// The attached files.
    pub attachments: Vec<FileId>,
    /// The users whom it mentions, each once.
    pub mentions: Vec<UserId>,
}

impl Draft {
    /// A message of plain text.
    pub fn text(content: impl Into<Arc<str>>, attachments: Vec<FileId>) -> Draft {
        Draft { content: content.into(), attachments, ..Draft::default() }
    }

    /// The users whom a message names, each once. A name that can't be the id of a user is ignored, like that of an unknown
    /// user.
    pub fn mentioned<'a>(names: impl IntoIterator<Item = &'a str>) -> Vec<UserId> {
        let mut users: Vec<UserId> = Vec::new();
        for user in names.into_iter().filter_map(|name| UserId::new(name).ok()) {
            if !users.contains(&user) {
                users.push(user);
            }
        }
        users
    }

    fn check(&self, text_characters_max: usize) -> Result<(), Refusal> {
        let Draft { content, content_type, attachments, mentions } = self;
        if !names::is_visible(content) && attachments.is_empty() {
            return Err(invalid("`content` must not be empty"));
        }
        check_text(content, characters_max(content_type.secrecy(), text_characters_max))?;
        if attachments.len() > limits::ATTACHMENTS_MAX || has_twice(attachments) {
            return Err(bad_attachments());
        }
        if mentions.len() > limits::MENTIONS_MAX {
            let most = limits::MENTIONS_MAX;
            return Err(invalid(format!("`mentions` must be a list of at most {most} ids of users")));
        }
        Ok(())
    }
}

fn invalid(sentence: impl Into<Cow<'static, str>>) -> Refusal {
    Refusal::new(ErrorCode::InvalidMessage, sentence)
}

/// A ciphertext is longer than its text.
const fn characters_max(secrecy: Secrecy, text_characters_max: usize) -> usize {
    match secrecy {
        Secrecy::Plain => text_characters_max,
        Secrecy::Encrypted => limits::CIPHERTEXT_CHARS_MAX,
    }
}

fn check_text(content: &str, characters_max: usize) -> Result<(), Refusal> {
    if content.contains('\0') {
        return Err(invalid("`content` must not have NUL characters (\\u0000); leave them out"));
    }
    // characters are only counted if there are enough bytes for too many
    if content.len() > characters_max && content.chars().count() > characters_max {
        let count = content.chars().count();
        let sentence =
            format!("`content` has {count} characters; at most {characters_max} are allowed, so send it in parts");
        return Err(Refusal::new(ErrorCode::MessageTooLong, sentence));
    }
    Ok(())
}

fn has_twice<T: PartialEq>(items: &[T]) -> bool {
    items.iter().enumerate().any(|(at, item)| items.iter().take(at).any(|earlier| earlier == item))
}

/// Identifies a message.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct MessageAddress {
    /// The room; if absent, the one that the message is in.
    pub room: Option<RoomAddress>,
    /// The message.
    pub message: EventId,
}

impl ChatCommand {
    /// Validates a message, by the same rules for sockets and REST.
    ///
    /// # Errors
    /// `INVALID_MESSAGE` if it has neither text nor files, or contains a NUL character, or names a file twice, or too many
    /// users; `MESSAGE_TOO_LONG`.
    pub fn send(addressed: Addressed, draft: Draft) -> Result<ChatCommand, Refusal> {
        draft.check(addressed.characters_max())?;
        Ok(ChatCommand::Send { addressed, draft })
    }

    /// Validates the new text of a message.
    ///
    /// # Errors
    /// `INVALID_MESSAGE` if nothing of it is visible or it contains a NUL character; `MESSAGE_TOO_LONG`.
    pub fn edit(at: MessageAddress, content: Arc<str>, secrecy: Secrecy) -> Result<ChatCommand, Refusal> {
        if !names::is_visible(&content) {
            return Err(invalid("`content` must not be empty; delete the message instead"));
        }
        check_text(&content, characters_max(secrecy, limits::CHAT_CHARS_MAX))?;
        Ok(ChatCommand::Edit { at, content, secrecy })
    }

    /// The kind of room for which the client sent it; `None` if a message names the room.
    pub const fn addressed(&self) -> Option<&Addressed> {
        match self {
            ChatCommand::Send { addressed, .. } | ChatCommand::SetTyping { addressed, .. } => Some(addressed),
            ChatCommand::Edit { .. }
            | ChatCommand::Delete { .. }
            | ChatCommand::Read { .. }
            | ChatCommand::React { .. } => None,
        }
    }

    /// Who executes it.
    pub fn target(&self) -> Target {
        match self {
            ChatCommand::Send { addressed, .. } | ChatCommand::SetTyping { addressed, .. } => match addressed {
                Addressed::Channel | Addressed::Partner | Addressed::Canvas { .. } => Target::Room(None),
                Addressed::Room { room } => Target::Room(room.clone().map(RoomAddress::Open)),
                Addressed::Conversation(room) => Target::Conversation(room.clone()),
                Addressed::Space(space) => Target::Room(Some(RoomAddress::Space(*space))),
            },
            ChatCommand::Edit { at, .. } | ChatCommand::Delete { at } => {
                Target::Message(at.clone(), MessageRight::Change)
            }
            ChatCommand::Read { at } | ChatCommand::React { at, .. } => {
                Target::Message(at.clone(), MessageRight::Answer)
            }
        }
    }

    /// Whether the user takes part in the conversation from then on, also while away.
    pub const fn takes_part(&self) -> bool {
        match self {
            ChatCommand::Send { addressed: Addressed::Conversation(_), .. } => true,
            ChatCommand::Send { .. }
            | ChatCommand::SetTyping { .. }
            | ChatCommand::Edit { .. }
            | ChatCommand::Delete { .. }
            | ChatCommand::Read { .. }
            | ChatCommand::React { .. } => false,
        }
    }

    /// The uploaded files that it names.
    pub fn files(&self) -> &[FileId] {
        match self {
            ChatCommand::Send { draft, .. } => &draft.attachments,
            ChatCommand::SetTyping { .. }
            | ChatCommand::Edit { .. }
            | ChatCommand::Delete { .. }
            | ChatCommand::Read { .. }
            | ChatCommand::React { .. } => &[],
        }
    }

    /// The users whom it mentions.
    pub fn mentions(&self) -> &[UserId] {
        match self {
            ChatCommand::Send { draft, .. } => &draft.mentions,
            ChatCommand::SetTyping { .. }
            | ChatCommand::Edit { .. }
            | ChatCommand::Delete { .. }
            | ChatCommand::Read { .. }
            | ChatCommand::React { .. } => &[],
        }
    }

    /// The same command, in which only these users are mentioned.
    pub fn mentioning(mut self, users: Vec<UserId>) -> ChatCommand {
        if let ChatCommand::Send { draft, .. } = &mut self {
            draft.mentions = users;
        }
        self
    }

    /// Whether it creates a stored event.
    pub const fn is_durable(&self) -> bool {
        match self {
            ChatCommand::Send { .. }
            | ChatCommand::Edit { .. }
            | ChatCommand::Delete { .. }
            | ChatCommand::Read { .. }
            | ChatCommand::React { .. } => true,
            ChatCommand::SetTyping { .. } => false,
        }
    }

    /// How it is counted.
    pub const fn charge(&self) -> Charge {
        match self {
            ChatCommand::Send { .. }
            | ChatCommand::Edit { .. }
            | ChatCommand::Delete { .. }
            | ChatCommand::Read { .. }
            | ChatCommand::React { .. } => Charge::Request,
            ChatCommand::SetTyping { .. } => Charge::Ephemeral,
        }
    }
}

/// The right that an action on a message requires.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum MessageRight {
    /// Change or delete it: its author and administrators.
    Change,
    /// Read it or react to it: whoever takes part in the conversation.
    Answer,
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
    /// All users in a space.
    Space(RoomId),
    /// All users on the canvas.
    Canvas {
        /// The canvas; if absent, the one to which the socket is bound.
        canvas: Option<CanvasId>,
    },
}

impl Addressed {
    /// How the sender is informed that the message is stored.
    pub const fn receipt(&self) -> Receipt {
        match self {
            Addressed::Channel
            | Addressed::Partner
            | Addressed::Room { .. }
            | Addressed::Space(_)
            | Addressed::Canvas { .. } => Receipt::Ack,
            Addressed::Conversation(_) => Receipt::Delivery,
        }
    }

    /// Characters of a message of plain text.
    pub const fn characters_max(&self) -> usize {
        match self {
            Addressed::Channel
            | Addressed::Partner
            | Addressed::Room { .. }
            | Addressed::Space(_)
            | Addressed::Conversation(_) => limits::CHAT_CHARS_MAX,
            Addressed::Canvas { .. } => limits::CANVAS_CHAT_CHARS_MAX,
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
    /// By an answer that the kind of the room gives.
    OfKind,
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
