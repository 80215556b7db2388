//! What an append writes, worked out before any database is asked: the same for both. Pure.

use std::collections::HashMap;

use uuid::Uuid;

use super::{
    Append, StoreError,
    values::{Id, Moment, storable},
};
use crate::{core::event::Durable, ids::Seq};

/// Events to append, with their JSON ready.
pub(super) struct Batch {
    /// The rooms, ascending, each once: the order of locking.
    pub rooms: Vec<Id>,
    /// In the order of the input.
    pub entries: Vec<Entry>,
}

/// One event of a batch.
pub(super) struct Entry {
    /// Index into [`Batch::rooms`].
    pub room: usize,
    pub id: Id,
    pub at: Moment,
    pub kind: &'static str,
    pub payload: String,
    pub message: Option<MessageText>,
    pub queue_for: Vec<String>,
}

/// What of an event goes into the history of messages.
pub(super) struct MessageText {
    pub sender_id: String,
    pub sender_username: String,
    pub content: String,
}

/// Where the events of a batch go, now that the rooms' sequences are known.
pub(super) struct Places {
    /// In the order of the entries.
    pub seqs: Vec<i64>,
    /// Indices of the entries that are not stored yet.
    pub fresh: Vec<usize>,
    /// The rooms' sequences afterwards, in the order of [`Batch::rooms`].
    pub heads: Vec<i64>,
}

impl Batch {
    pub fn new(appends: &[Append]) -> Result<Batch, StoreError> {
        let mut rooms: Vec<Id> = appends.iter().map(|append| Id(append.room.0)).collect();
        rooms.sort_unstable();
        rooms.dedup();
        let index: HashMap<Id, usize> = rooms.iter().enumerate().map(|(index, room)| (*room, index)).collect();
        let entries = appends.iter().map(|append| {
            // Every append's room was put into the index just now.
            let room = index.get(&Id(append.room.0)).copied().unwrap_or_default();
            Entry::new(room, append)
        });
        Ok(Batch { entries: entries.collect::<Result<_, _>>()?, rooms })
    }

    /// The ids of all events.
    pub fn ids(&self) -> Vec<Id> {
        self.entries.iter().map(|entry| entry.id).collect()
    }

    /// Gives every event its place after its room's head, except those that are `stored` already.
    pub fn place(&self, heads: &[i64], stored: &HashMap<Uuid, i64>) -> Places {
        let mut heads = heads.to_vec();
        let mut seqs = Vec::with_capacity(self.entries.len());
        let mut fresh = Vec::with_capacity(self.entries.len());
        for (index, entry) in self.entries.iter().enumerate() {
            match (stored.get(&entry.id.0), heads.get_mut(entry.room)) {
                (Some(seq), _) => seqs.push(*seq),
                (None, Some(head)) => {
                    *head += 1;
                    seqs.push(*head);
                    fresh.push(index);
                }
                // Heads come one per room.
                (None, None) => unreachable!("a batch entry without a room"),
            }
        }
        Places { seqs, fresh, heads }
    }
}

impl Places {
    /// The answer to the caller.
    pub fn into_seqs(self) -> Vec<Seq> {
        self.seqs.into_iter().map(Seq).collect()
    }
}

impl Entry {
    fn new(room: usize, append: &Append) -> Result<Entry, StoreError> {
        let what = made_storable(&append.what);
        let what = what.as_ref().unwrap_or(&append.what);
        let payload = serde_json::to_string(what)
            .map_err(|error| StoreError::Fault(format!("an event can't be written as JSON: {error}")))?;
        let message = match what {
            Durable::CellsUpdated { .. } => None,
            Durable::MessageSent { sender, content, .. } => Some(MessageText {
                sender_id: sender.id.to_string(),
                sender_username: sender.username.to_string(),
                content: content.to_string(),
            }),
        };
        Ok(Entry {
            room,
            id: Id(append.id.0),
            at: Moment(append.at),
            kind: kind(what),
            payload,
            message,
            queue_for: append.queue_for.iter().map(|user| user.to_string()).collect(),
        })
    }
}

/// The `kind` column: the tag of the event's JSON.
const fn kind(what: &Durable) -> &'static str {
    match what {
        Durable::MessageSent { .. } => "message_sent",
        Durable::CellsUpdated { .. } => "cells_updated",
    }
}

/// The event without what cannot be stored; `None` if it is fine as it is, as nearly all are.
fn made_storable(what: &Durable) -> Option<Durable> {
    match what {
        Durable::CellsUpdated { .. } => None,
        Durable::MessageSent { sender, content, attachments } => {
            let mut sender = sender.clone();
            let (name, text) = (storable(&sender.username), storable(content));
            if matches!((&name, &text), (std::borrow::Cow::Borrowed(_), std::borrow::Cow::Borrowed(_))) {
                return None;
            }
            let content = text.into();
            sender.username = name.into();
            Some(Durable::MessageSent { sender, content, attachments: attachments.clone() })
        }
    }
}
