//! Events of a room's chat.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Audience, Weight};
use crate::{
    core::{command::Typing, emoji::Emoji, profile::Author},
    ids::{EventId, FileId, Seq, UserId},
};

/// What a message's content is.
#[derive(Clone, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(from = "Arc<str>", into = "Arc<str>")]
pub enum ContentType {
    /// Text to read.
    #[default]
    Text,
    /// A ciphertext between devices: nothing here looks into it.
    Encrypted,
    /// A type agreed upon by clients, with their own name for it.
    Other(Arc<str>),
}

impl ContentType {
    /// Whether the content is to be read.
    pub const fn secrecy(&self) -> Secrecy {
        match self {
            ContentType::Encrypted => Secrecy::Encrypted,
            ContentType::Text | ContentType::Other(_) => Secrecy::Plain,
        }
    }

    /// Text, as nearly all are.
    pub fn is_text(&self) -> bool {
        *self == ContentType::Text
    }

    /// Which of the two fields of a message is its content: an encrypted one has a ciphertext, all others a content. `None` if
    /// neither is present.
    ///
    /// # Errors
    /// [`MisplacedContent`] if the other field is present, or the ciphertext is missing.
    pub fn choose<T>(&self, content: Option<T>, ciphertext: Option<T>) -> Result<Option<T>, MisplacedContent> {
        match (self, content, ciphertext) {
            (ContentType::Encrypted, None, Some(ciphertext)) => Ok(Some(ciphertext)),
            (ContentType::Encrypted, _, _) => Err(MisplacedContent::Encrypted),
            (ContentType::Text | ContentType::Other(_), _, Some(_)) => Err(MisplacedContent::NotEncrypted),
            (ContentType::Text | ContentType::Other(_), content, None) => Ok(content),
        }
    }

    /// As on the wire.
    pub fn name(&self) -> &str {
        match self {
            ContentType::Text => "text",
            ContentType::Encrypted => "encrypted",
            ContentType::Other(name) => name,
        }
    }
}

/// Whether the new content of an edited message is to be read, or is a ciphertext.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Secrecy {
    /// It is to be read.
    #[default]
    Plain,
    /// It is a ciphertext.
    Encrypted,
}

impl Secrecy {
    /// Whether it is to be read, as nearly all are.
    pub fn is_plain(&self) -> bool {
        *self == Secrecy::Plain
    }
}

/// The error for a message whose fields do not fit its content type.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum MisplacedContent {
    /// An encrypted message without a ciphertext, or with a content.
    #[error("`ciphertext` must be the encrypted message, a string, without `content` beside it")]
    Encrypted,
    /// A ciphertext of a message that is not encrypted.
    #[error("`ciphertext` goes with the `content_type` \"encrypted\"")]
    NotEncrypted,
}

impl From<Arc<str>> for ContentType {
    fn from(name: Arc<str>) -> ContentType {
        match &*name {
            "text" => ContentType::Text,
            "encrypted" => ContentType::Encrypted,
            _other => ContentType::Other(name),
        }
    }
}

impl From<ContentType> for Arc<str> {
    fn from(content_type: ContentType) -> Arc<str> {
        match content_type {
            ContentType::Other(name) => name,
            ContentType::Text | ContentType::Encrypted => content_type.name().into(),
        }
    }
}

/// A stored event of the chat. The serde form is that of the log: fields may be added but not renamed.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum ChatDurable {
    /// A message.
    MessageSent {
        /// The author.
        sender: Author,
        /// The text; of an encrypted message the ciphertext.
        content: Arc<str>,
        /// What the content is.
        #[serde(default, skip_serializing_if = "ContentType::is_text")]
        content_type: ContentType,
        /// The attached files.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        attachments: Vec<Attachment>,
        /// The users whom it mentions, each once.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        mentions: Vec<UserId>,
    },
    /// A message was edited. It is replayed with its new text.
    MessageEdited {
        /// The message.
        message: EventId,
        /// The user who edited it.
        editor: Author,
        /// The new text; of an encrypted message the new ciphertext.
        content: Arc<str>,
        /// Whether it is a ciphertext. It is one exactly if that of the message is.
        #[serde(default, skip_serializing_if = "Secrecy::is_plain")]
        secrecy: Secrecy,
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
    /// A user has read further than before; in large rooms several users.
    ReadMarked {
        /// The user.
        reader: Author,
        /// The last message that was read.
        message: EventId,
        /// Its sequence number, set by the store.
        up_to: Seq,
        /// Other users whose marks were stored with it.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        others: Vec<ReadMark>,
        /// The number of further users whose marks were stored with it, set by the store.
        #[serde(default, skip_serializing_if = "is_zero")]
        more: usize,
        /// Their marks. They are stored, but neither logged nor sent.
        #[serde(skip)]
        unlisted: Vec<ReadMark>,
    },
    /// A user has reacted to a message, or has taken a reaction back.
    Reacted {
        /// To which.
        message: EventId,
        /// Who.
        by: Author,
        /// With what.
        emoji: Emoji,
        /// Whether it is given or taken back.
        change: ReactionChange,
    },
}

/// How far a user has read.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ReadMark {
    /// The user.
    pub reader: Author,
    /// The last message that was read.
    pub message: EventId,
    /// Its sequence number.
    pub up_to: Seq,
}

fn is_zero(count: &usize) -> bool {
    *count == 0
}

impl ChatDurable {
    /// The kind of an edit in the log.
    pub const EDITED: &str = "message_edited";

    /// The kinds in the log that belong to the chat.
    pub(super) const KINDS: &[&str] =
        &["message_sent", "message_edited", "message_deleted", "message_erased", "read_marked", "reacted"];

    /// A message of plain text.
    pub fn text(sender: Author, content: Arc<str>, attachments: Vec<Attachment>) -> ChatDurable {
        let (content_type, mentions) = (ContentType::Text, Vec::new());
        ChatDurable::MessageSent { sender, content, content_type, attachments, mentions }
    }

    /// The mark of one user, whose place is found when it is stored.
    pub fn read(reader: Author, message: EventId) -> ChatDurable {
        let (others, unlisted) = (Vec::new(), Vec::new());
        ChatDurable::ReadMarked { reader, message, up_to: Seq(0), others, more: 0, unlisted }
    }

    /// The marks of several users in one event, which lists all except `unlisted`. `None` if there are none.
    pub fn read_by(listed: Vec<ReadMark>, unlisted: Vec<ReadMark>) -> Option<ChatDurable> {
        let (mut listed, mut unlisted) = (listed.into_iter(), unlisted.into_iter());
        let ReadMark { reader, message, up_to } = listed.next().or_else(|| unlisted.next())?;
        let (others, unlisted): (_, Vec<ReadMark>) = (listed.collect(), unlisted.collect());
        Some(ChatDurable::ReadMarked { reader, message, up_to, others, more: unlisted.len(), unlisted })
    }

    /// All readers whose marks it contains.
    pub fn readers(&self) -> impl Iterator<Item = &Author> {
        let (reader, others, unlisted) = match self {
            ChatDurable::ReadMarked { reader, others, unlisted, .. } => (Some(reader), &**others, &**unlisted),
            ChatDurable::MessageSent { .. }
            | ChatDurable::MessageEdited { .. }
            | ChatDurable::MessageDeleted { .. }
            | ChatDurable::MessageErased { .. }
            | ChatDurable::Reacted { .. } => (None, Default::default(), Default::default()),
        };
        reader.into_iter().chain(others.iter().chain(unlisted).map(|mark| &mark.reader))
    }

    /// Drops the marks that it does not list.
    pub fn drop_unlisted(&mut self) {
        if let ChatDurable::ReadMarked { unlisted, .. } = self {
            *unlisted = Vec::new();
        }
    }

    /// Whether it is a message, or what is left of one.
    pub const fn is_message(&self) -> bool {
        self.is_queued_for_absent()
    }

    /// The message that it edits or deletes.
    pub const fn changes(&self) -> Option<EventId> {
        match self {
            ChatDurable::MessageEdited { message, .. } | ChatDurable::MessageDeleted { message, .. } => Some(*message),
            ChatDurable::MessageSent { .. }
            | ChatDurable::MessageErased { .. }
            | ChatDurable::ReadMarked { .. }
            | ChatDurable::Reacted { .. } => None,
        }
    }

    /// What an edit or a deletion leaves of this event, which has that id; `None` if it does not change it. Nothing of a
    /// deleted message is left, nor of its edits.
    pub fn changed_by(&self, id: EventId, change: &ChatDurable) -> Option<ChatDurable> {
        match (self, change) {
            (ChatDurable::MessageSent { .. }, ChatDurable::MessageEdited { message, content, .. })
                if *message == id =>
            {
                let mut edited = self.clone();
                if let ChatDurable::MessageSent { content: text, .. } = &mut edited {
                    *text = content.clone();
                }
                Some(edited)
            }
            (ChatDurable::MessageSent { sender, .. }, ChatDurable::MessageDeleted { message, .. })
                if *message == id =>
            {
                Some(ChatDurable::MessageErased { sender: sender.clone() })
            }
            (
                ChatDurable::MessageEdited { message: edited, editor, secrecy, .. },
                ChatDurable::MessageDeleted { message: deleted, .. },
            ) if edited == deleted => {
                let (message, editor, secrecy) = (*edited, editor.clone(), *secrecy);
                Some(ChatDurable::MessageEdited { message, editor, content: "".into(), secrecy })
            }
            (_, _) => None,
        }
    }

    /// The kind in the log.
    pub const fn kind(&self) -> &'static str {
        match self {
            ChatDurable::MessageSent { .. } => "message_sent",
            ChatDurable::MessageEdited { .. } => ChatDurable::EDITED,
            ChatDurable::MessageDeleted { .. } => "message_deleted",
            ChatDurable::MessageErased { .. } => "message_erased",
            ChatDurable::ReadMarked { .. } => "read_marked",
            ChatDurable::Reacted { .. } => "reacted",
        }
    }

    /// The user who caused it.
    pub const fn author(&self) -> &Author {
        match self {
            ChatDurable::MessageSent { sender, .. } | ChatDurable::MessageErased { sender } => sender,
            ChatDurable::MessageEdited { editor, .. } => editor,
            ChatDurable::MessageDeleted { by, .. } | ChatDurable::Reacted { by, .. } => by,
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
            | ChatDurable::ReadMarked { .. }
            | ChatDurable::Reacted { .. } => Audience::Everyone,
        }
    }

    /// Passes the content to `feed`: see [`super::Durable::content`].
    pub fn content(&self, feed: &mut dyn FnMut(&[u8])) {
        match self {
            // who may be mentioned can change in between, so the mentions do not count
            ChatDurable::MessageSent { content, content_type, attachments, .. } => {
                feed(content.as_bytes());
                if !content_type.is_text() {
                    feed(content_type.name().as_bytes());
                }
                attachments.iter().for_each(|attachment| feed(attachment.file.0.as_bytes()));
            }
            ChatDurable::MessageEdited { message, content, secrecy, .. } => {
                feed(message.0.as_bytes());
                feed(content.as_bytes());
                match secrecy {
                    Secrecy::Plain => {}
                    Secrecy::Encrypted => feed(b"encrypted"),
                }
            }
            ChatDurable::MessageDeleted { message, .. } | ChatDurable::ReadMarked { message, .. } => {
                feed(message.0.as_bytes());
            }
            ChatDurable::MessageErased { .. } => {}
            ChatDurable::Reacted { message, emoji, change, .. } => {
                feed(message.0.as_bytes());
                feed(emoji.as_str().as_bytes());
                feed(match change {
                    ReactionChange::Added => b"added",
                    ReactionChange::Removed => b"removed",
                });
            }
        }
    }

    /// The cost of storing it.
    pub fn weight(&self) -> Weight {
        match self {
            ChatDurable::MessageSent { content, attachments, mentions, .. } => {
                let of = |file: &Attachment| size_of::<Attachment>() + file.filename.len() + file.mime_type.len();
                let named: usize = mentions.iter().map(|user| size_of::<UserId>() + user.as_str().len()).sum();
                let bytes = content.len() + attachments.iter().map(of).sum::<usize>() + named;
                Weight { bytes, rows: mentions.len() }
            }
            // the message is changed in the history, the log and a queue
            ChatDurable::MessageEdited { content, .. } => Weight { bytes: content.len(), rows: 3 },
            ChatDurable::MessageDeleted { .. } => Weight { bytes: 0, rows: 3 },
            ChatDurable::MessageErased { .. } => Weight::default(),
            // the read marks
            ChatDurable::ReadMarked { others, unlisted, .. } => {
                let of = |mark: &ReadMark| size_of::<ReadMark>() + mark.reader.id.as_str().len();
                Weight { bytes: others.iter().map(of).sum(), rows: 1 + others.len() + unlisted.len() }
            }
            // the reaction
            ChatDurable::Reacted { emoji, .. } => Weight { bytes: emoji.as_str().len(), rows: 1 },
        }
    }

    /// Whether it is queued for a participant without a socket.
    pub const fn is_queued_for_absent(&self) -> bool {
        match self {
            // a tombstone keeps the place of its message in the queue
            ChatDurable::MessageSent { .. } | ChatDurable::MessageErased { .. } => true,
            ChatDurable::MessageEdited { .. }
            | ChatDurable::MessageDeleted { .. }
            | ChatDurable::ReadMarked { .. }
            | ChatDurable::Reacted { .. } => false,
        }
    }
}

/// What becomes of a reaction.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReactionChange {
    /// It is given.
    Added,
    /// It is taken back.
    Removed,
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
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChatEphemeral {
    /// A user started or stopped typing.
    Typing {
        /// The user.
        user: Author,
        /// Whether typing started or stopped.
        typing: Typing,
        /// The cell, by the client's id.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        cell: Option<Arc<str>>,
    },
}
