//! Events of a room's chat.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Audience, Weight};
use crate::{
    core::{command::Typing, profile::Author},
    ids::FileId,
};

/// A stored event of the chat. The serde form is the one in the log, so fields may be added but not renamed.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum ChatDurable {
    /// A message.
    MessageSent {
        /// Who wrote it.
        sender: Author,
        /// The text.
        content: Arc<str>,
        /// Uploaded files that go with it.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        attachments: Vec<Attachment>,
    },
}

impl ChatDurable {
    /// The kinds in the log that belong to the chat.
    pub(super) const KINDS: &[&str] = &["message_sent"];

    /// Its kind in the log.
    pub const fn kind(&self) -> &'static str {
        match self {
            ChatDurable::MessageSent { .. } => "message_sent",
        }
    }

    /// Who did it.
    pub const fn author(&self) -> &Author {
        match self {
            ChatDurable::MessageSent { sender, .. } => sender,
        }
    }

    /// Who of the room's members is sent it.
    pub const fn audience(&self) -> Audience {
        match self {
            ChatDurable::MessageSent { .. } => Audience::Everyone,
        }
    }

    /// What storing it costs.
    pub fn weight(&self) -> Weight {
        match self {
            ChatDurable::MessageSent { content, attachments, .. } => {
                let of = |file: &Attachment| size_of::<Attachment>() + file.filename.len() + file.mime_type.len();
                Weight { bytes: content.len() + attachments.iter().map(of).sum::<usize>(), rows: 0 }
            }
        }
    }

    /// Whether it is queued for a participant who has no socket.
    pub const fn is_queued_for_absent(&self) -> bool {
        match self {
            ChatDurable::MessageSent { .. } => true,
        }
    }
}

/// An uploaded file that goes with a message.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Attachment {
    /// Which.
    pub file: FileId,
    /// Its name.
    pub filename: Arc<str>,
    /// How large it is.
    pub size_bytes: u64,
    /// What it is.
    pub mime_type: Arc<str>,
}

/// An event of the chat that is not stored.
#[derive(Clone, PartialEq, Debug)]
pub enum ChatEphemeral {
    /// Somebody began or stopped typing.
    Typing {
        /// Who.
        user: Author,
        /// Which of the two.
        typing: Typing,
        /// In which cell, by the client's own name.
        cell: Option<Arc<str>>,
    },
}
