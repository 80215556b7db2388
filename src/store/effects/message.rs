//! Edits and deletions of messages. They change the stored message in the history, in the log and in the users' queues,
//! in the transaction that stores the event, so that later reads and replays return the new text or a tombstone.
//! Permissions are checked before, which is safe because a message's author never changes.

use std::sync::Arc;

use super::Known;
use crate::{
    core::{
        event::{Attachment, ChatDurable, ContentType, Durable, Secrecy},
        profile::Author,
    },
    ids::{EventId, UserId},
    store::{
        StoreError,
        batch::payload,
        values::{Id, Moment},
    },
};

/// Why a message is not changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum MessageRefused {
    /// There is no such message in the room.
    #[error("the message does not exist in this room")]
    Unknown,
    /// It was deleted.
    #[error("the message was deleted")]
    Deleted,
    /// It is encrypted and the new content is not, or the other way round.
    #[error("only a ciphertext can replace a ciphertext")]
    OtherSecrecy,
}

/// A message as stored, with the changes by previous effects in the batch.
pub struct KnownMessage {
    pub room: Id,
    pub seq: i64,
    pub sender: Author,
    pub content_type: ContentType,
    pub attachments: Vec<Attachment>,
    pub mentions: Vec<UserId>,
    pub is_deleted: bool,
    /// Its change.
    pub change: Option<Change>,
}

/// The change of a message.
pub struct Change {
    at: Moment,
    /// Its new text. None: deleted.
    content: Option<Arc<str>>,
}

/// A message to rewrite.
pub struct Rewrite {
    pub message: Id,
    pub room: Id,
    pub seq: i64,
    /// The new text; empty for a tombstone.
    pub content: String,
    /// When it was edited. None: deleted.
    pub edited_at: Option<Moment>,
    /// When it was deleted.
    pub deleted_at: Option<Moment>,
    /// The users it mentioned, if it is deleted.
    pub unmentioned: Vec<UserId>,
    /// The event as it is replayed from now on, and its kind.
    pub payload: String,
    pub kind: &'static str,
}

pub(super) fn open(known: &mut Known, room: Id, message: EventId) -> Result<&mut KnownMessage, MessageRefused> {
    let found = known.messages.get_mut(&message.0).filter(|found| found.room == room);
    let found = found.ok_or(MessageRefused::Unknown)?;
    if found.is_deleted { Err(MessageRefused::Deleted) } else { Ok(found) }
}

pub(super) fn edit(
    known: &mut Known,
    room: Id,
    message: EventId,
    (content, secrecy): (&Arc<str>, Secrecy),
    at: Moment,
) -> Result<(), MessageRefused> {
    let found = open(known, room, message)?;
    if found.content_type.secrecy() != secrecy {
        return Err(MessageRefused::OtherSecrecy);
    }
    found.change = Some(Change { at, content: Some(content.clone()) });
    Ok(())
}

pub(super) fn delete(known: &mut Known, room: Id, message: EventId, at: Moment) -> Result<(), MessageRefused> {
    let found = open(known, room, message)?;
    found.is_deleted = true;
    found.change = Some(Change { at, content: None });
    Ok(())
}

/// An edit without its text, if it is one of that message, which was deleted.
pub fn edit_erased(edit: &Durable, deleted: Id) -> Option<Durable> {
    match edit {
        Durable::Chat(ChatDurable::MessageEdited { message, editor, secrecy, .. }) if message.0 == deleted.0 => {
            let (message, editor, secrecy) = (*message, editor.clone(), *secrecy);
            Some(Durable::Chat(ChatDurable::MessageEdited { message, editor, content: "".into(), secrecy }))
        }
        Durable::Chat(_) | Durable::Sheet(_) | Durable::Canvas(_) | Durable::Document(_) | Durable::Space(_) => None,
    }
}

/// The new contents of the changed messages, ordered by id.
pub(super) fn rewrites(known: &Known) -> Result<Vec<Rewrite>, StoreError> {
    let mut rewrites = Vec::new();
    for (id, message) in &known.messages {
        let Some(change) = &message.change else { continue };
        let sender = message.sender.clone();
        let (what, edited_at, deleted_at) = match &change.content {
            Some(content) => {
                let (content, content_type) = (content.clone(), message.content_type.clone());
                let (attachments, mentions) = (message.attachments.clone(), message.mentions.clone());
                let what = ChatDurable::MessageSent { sender, content, content_type, attachments, mentions };
                (what, Some(change.at), None)
            }
            None => (ChatDurable::MessageErased { sender }, None, Some(change.at)),
        };
        let unmentioned = if change.content.is_none() { message.mentions.clone() } else { Vec::new() };
        rewrites.push(Rewrite {
            message: Id(*id),
            room: message.room,
            seq: message.seq,
            content: change.content.as_deref().unwrap_or_default().to_owned(),
            edited_at,
            deleted_at,
            unmentioned,
            kind: what.kind(),
            payload: payload(&Durable::Chat(what))?,
        });
    }
    rewrites.sort_unstable_by_key(|rewrite| rewrite.message);
    Ok(rewrites)
}
