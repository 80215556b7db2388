//! Events of a room's chat.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Audience, Weight};
use crate::{
    core::{command::Typing, profile::Author},
    ids::{EventId, FileId, Seq},
};

/// A stored event of the chat. The serde form is the one in the log, so fields may be added but not renamed.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum ChatDurable {
    /// A message.
    MessageSent {
        /// The author.
        sender: Author,
        /// The text.
        content: Arc<str>,
        /// Uploaded files that go with it.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        attachments: Vec<Attachment>,
    },
    /// A message was edited. It is replayed with its new text.
    MessageEdited {
        /// The message.
        message: EventId,
        /// The user who edited it.
        editor: Author,
        /// The new text.
        content: Arc<str>,
    },
    /// A message was deleted. A tombstone is replayed in its place.
    MessageDeleted {
        /// The message.
        message: EventId,
        /// The user who deleted it.
        by: Author,
    },
    /// The tombstone that replaces a deleted message in the log. Never appended.
    MessageErased {
        /// The author of the message.
        sender: Author,
    },
    /// A user has read further than before.
    ReadMarked {
        /// The user.
        reader: Author,
        /// The last message that was read.
        message: EventId,
        /// Its sequence number, set by the store.
        up_to: Seq,
    },
}

impl ChatDurable {
    /// The kinds in the log that belong to the chat.
    pub(super) const KINDS: &[&str] =
        &["message_sent", "message_edited", "message_deleted", "message_erased", "read_marked"];

    /// The kind in the log.
    pub const fn kind(&self) -> &'static str {
        match self {
            ChatDurable::MessageSent { .. } => "message_sent",
            ChatDurable::MessageEdited { .. } => "message_edited",
            ChatDurable::MessageDeleted { .. } => "message_deleted",
            ChatDurable::MessageErased { .. } => "message_erased",
            ChatDurable::ReadMarked { .. } => "read_marked",
        }
    }

    /// The user who caused it.
    pub const fn author(&self) -> &Author {
        match self {
            ChatDurable::MessageSent { sender, .. } | ChatDurable::MessageErased { sender } => sender,
            ChatDurable::MessageEdited { editor, .. } => editor,
            ChatDurable::MessageDeleted { by, .. } => by,
            ChatDurable::ReadMarked { reader, .. } => reader,
        }
    }

    /// The members who receive it.
    pub const fn audience(&self) -> Audience {
        match self {
            ChatDurable::MessageSent { .. }
            | ChatDurable::MessageEdited { .. }
            | ChatDurable::MessageDeleted { .. }
            | ChatDurable::MessageErased { .. }
            | ChatDurable::ReadMarked { .. } => Audience::Everyone,
        }
    }

    /// What storing it costs.
    pub fn weight(&self) -> Weight {
        match self {
            ChatDurable::MessageSent { content, attachments, .. } => {
                let of = |file: &Attachment| size_of::<Attachment>() + file.filename.len() + file.mime_type.len();
                Weight { bytes: content.len() + attachments.iter().map(of).sum::<usize>(), rows: 0 }
            }
            // the message is changed in the history, the log and a queue
            ChatDurable::MessageEdited { content, .. } => Weight { bytes: content.len(), rows: 3 },
            ChatDurable::MessageDeleted { .. } => Weight { bytes: 0, rows: 3 },
            ChatDurable::MessageErased { .. } => Weight::default(),
            // the mark
            ChatDurable::ReadMarked { .. } => Weight { bytes: 0, rows: 1 },
        }
    }

    /// Whether it is queued for a participant without a socket.
    pub const fn is_queued_for_absent(&self) -> bool {
        match self {
            // a tombstone keeps the place of its message in the queue
            ChatDurable::MessageSent { .. } | ChatDurable::MessageErased { .. } => true,
            ChatDurable::MessageEdited { .. } | ChatDurable::MessageDeleted { .. } | ChatDurable::ReadMarked { .. } => {
                false
            }
        }
    }
}

/// An uploaded file attached to a message.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Attachment {
    /// Its id.
    pub file: FileId,
    /// Its name.
    pub filename: Arc<str>,
    /// Its size.
    pub size_bytes: u64,
    /// Its type.
    pub mime_type: Arc<str>,
}

/// An event of the chat that is not stored.
#[derive(Clone, PartialEq, Debug)]
pub enum ChatEphemeral {
    /// A user started or stopped typing.
    Typing {
        /// The user.
        user: Author,
        /// Whether typing started or stopped.
        typing: Typing,
        /// The cell, by the client's id.
        cell: Option<Arc<str>>,
    },
}
