//! Everything an append writes that can be computed without the database: the same for both databases. Pure. `updates`
//! decides cell updates, for which the database must be read first.

use std::{
    borrow::Cow,
    collections::{BTreeSet, HashMap, HashSet},
    sync::Arc,
};

use serde::Serialize;
use uuid::Uuid;

use super::{
    Append, Appended, FirstSending, NotAppended, StoreError,
    repeats::ClientKey,
    values::{Id, Moment, storable},
};
use crate::{
    core::{
        command::RawJson,
        event::{Attachment, CanvasDurable, ChatDurable, Durable, SheetDurable, SpaceDurable},
        sheet::Cell,
        space::StateChange,
    },
    ids::{Seq, UserId},
};

/// Events to append, with their JSON.
pub(super) struct Batch {
    /// The rooms, each once, ascending: the order of locking.
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
    /// The event as stored; cells get their new versions when the update is accepted.
    pub what: Arc<Durable>,
    pub kind: &'static str,
    /// The event's JSON; for a cell update it is set when the update is accepted.
    pub payload: String,
    /// The files attached to a message, as JSON, if any.
    pub attachments: Option<String>,
    /// The users mentioned in a message, as JSON, if any.
    pub mentions: Option<String>,
    /// In whose queues it is put; the participants are added by [`Batch::queue_for_participants`].
    pub queue_for: Vec<UserId>,
    /// Whether the participants are to be added, except these.
    participants_except: Option<Arc<[UserId]>>,
    /// Identifies repetitions of it, if its client gave it an id.
    pub key: Option<ClientKey>,
    /// Why it is refused, once that is known.
    pub refused: Option<NotAppended>,
}

/// The events of a batch that are already stored, by id: by an earlier attempt, or because the entry repeats them.
pub(super) type Earlier = HashMap<Uuid, Kept>;

/// An event that is already stored.
pub(super) struct Kept {
    pub seq: i64,
    /// The event itself, if it is still in the log.
    pub what: Option<Durable>,
    /// Set if the entry repeats it.
    pub first: Option<FirstSending>,
}

/// The parts of an event that go into the message history.
pub(super) struct MessageText<'a> {
    pub sender_id: &'a str,
    pub sender_username: &'a str,
    pub content: &'a str,
    /// The content type, if it is not text.
    pub content_type: Option<&'a str>,
    /// The attached files, as JSON.
    pub attachments: Option<&'a str>,
    /// The mentioned users, as JSON.
    pub mentions: Option<&'a str>,
}

/// The seqs of a batch's events, computed from the rooms' heads.
pub(super) struct Places {
    /// In the order of the entries.
    pub seqs: Vec<i64>,
    /// Indices of the entries that are not stored yet.
    pub fresh: Vec<usize>,
    /// The rooms' new heads, in the order of [`Batch::rooms`].
    pub heads: Vec<i64>,
}

impl Batch {
    pub fn new(appends: &[Append]) -> Result<Batch, StoreError> {
        let mut rooms: Vec<Id> = appends.iter().map(|append| Id(append.room.0)).collect();
        rooms.sort_unstable();
        rooms.dedup();
        let index: HashMap<Id, usize> = rooms.iter().enumerate().map(|(index, room)| (*room, index)).collect();
        let entries = appends.iter().map(|append| {
            // Every append's room has just been added to the index.
            let room = index.get(&Id(append.room.0)).copied().unwrap_or_default();
            Entry::new(room, append)
        });
        Ok(Batch { entries: entries.collect::<Result<_, _>>()?, rooms })
    }

    /// Whether it consists of messages for which the database need not be read first: no cell updates, no effects and no
    /// possible repetitions.
    pub fn is_plain(&self) -> bool {
        self.entries.iter().all(|entry| entry.is_message() && entry.key.is_none())
    }

    /// Whether old events of a room may be removed. Those of a document are removed when its state is stored.
    pub fn is_trimmed(&self, room: Id) -> bool {
        let of_room = |entry: &&Entry| self.rooms.get(entry.room) == Some(&room);
        self.entries.iter().filter(of_room).all(|entry| match &*entry.what {
            Durable::Document(_) => false,
            Durable::Chat(_) | Durable::Sheet(_) | Durable::Canvas(_) | Durable::Space(_) => true,
        })
    }

    /// The entries that are not refused.
    pub fn open(&self) -> impl Iterator<Item = &Entry> {
        self.entries.iter().filter(|entry| entry.refused.is_none())
    }

    /// Skips the entries of rooms that another session keeps locked; `heads` has no head for these.
    pub fn leave_out_locked(&mut self, heads: &[Option<i64>]) {
        for entry in &mut self.entries {
            if heads.get(entry.room).is_none_or(Option::is_none) {
                entry.refused = Some(NotAppended::Locked);
            }
        }
    }

    /// Applies the seqs that the database returned. An entry without one was skipped because its room was locked.
    pub fn placed(&mut self, rows: Vec<(Id, i64)>) -> Vec<i64> {
        let seqs: HashMap<Id, i64> = rows.into_iter().collect();
        let seq = |entry: &mut Entry| {
            let seq = seqs.get(&entry.id).copied();
            if seq.is_none() && entry.refused.is_none() {
                entry.refused = Some(NotAppended::Locked);
            }
            seq.unwrap_or_default()
        };
        self.entries.iter_mut().map(seq).collect()
    }

    /// The users in whose queues a stored entry is put, ascending: the order in which queues are locked.
    pub fn queue_users(&self) -> BTreeSet<&str> {
        self.open().flat_map(|entry| &entry.queue_for).map(UserId::as_str).collect()
    }

    /// The rooms of events that are queued for those who take part.
    pub fn rooms_with_queues(&self) -> BTreeSet<Id> {
        let wanted = self.entries.iter().filter(|entry| entry.participants_except.is_some());
        wanted.filter_map(|entry| self.rooms.get(entry.room).copied()).collect()
    }

    /// Adds the participants of the rooms to those in whose queues the events are put.
    pub fn queue_for_participants(&mut self, participants: &HashMap<Id, Vec<UserId>>) {
        let Batch { rooms, entries } = self;
        for entry in entries {
            let Some(except) = entry.participants_except.take() else { continue };
            let all = rooms.get(entry.room).and_then(|room| participants.get(room));
            let author = &entry.what.author().id;
            let left_out: HashSet<&UserId> = except.iter().chain([author]).chain(&entry.queue_for).collect();
            let added = all.into_iter().flatten().filter(|user| !left_out.contains(user));
            let added: Vec<UserId> = added.cloned().collect();
            entry.queue_for.extend(added);
        }
    }

    /// Assigns a seq to every event after its room's head, except to those that are already stored or refused.
    pub fn place(&self, heads: &[i64], earlier: &Earlier) -> Places {
        let mut heads = heads.to_vec();
        let mut seqs = Vec::with_capacity(self.entries.len());
        let mut fresh = Vec::with_capacity(self.entries.len());
        for (index, entry) in self.entries.iter().enumerate() {
            match (earlier.get(&entry.id.0), &entry.refused, heads.get_mut(entry.room)) {
                (Some(kept), _, _) => seqs.push(kept.seq),
                (None, Some(_), _) => seqs.push(0),
                (None, None, Some(head)) => {
                    *head += 1;
                    seqs.push(*head);
                    fresh.push(index);
                }
                // There is one head per room.
                (None, None, None) => unreachable!("a batch entry without a room"),
            }
        }
        Places { seqs, fresh, heads }
    }

    /// The result for the caller.
    pub fn into_outcomes(self, seqs: Vec<i64>, mut earlier: Earlier) -> Vec<Result<Appended, NotAppended>> {
        let outcome = |(entry, seq): (Entry, i64)| match (entry.refused, earlier.remove(&entry.id.0)) {
            (Some(why), _) => Err(why),
            (None, Some(Kept { what, first, .. })) => {
                let what = what.map_or(entry.what, Arc::new);
                Ok(Appended { seq: Seq(seq), what, queued_for: entry.queue_for, repeats: first })
            }
            (None, None) => {
                Ok(Appended { seq: Seq(seq), what: entry.what, queued_for: entry.queue_for, repeats: None })
            }
        };
        self.entries.into_iter().zip(seqs).map(outcome).collect()
    }
}

impl Entry {
    fn new(room: usize, append: &Append) -> Result<Entry, StoreError> {
        let what = made_storable(&append.what).map_or_else(|| append.what.clone(), Arc::new);
        let (payload, attachments, mentions) = match &*what {
            // their payloads are made when they are decided
            Durable::Sheet(_)
            | Durable::Canvas(
                CanvasDurable::TileCreated { .. }
                | CanvasDurable::TileUpdated { .. }
                | CanvasDurable::TileDeleted { .. }
                | CanvasDurable::TileLiked { .. }
                | CanvasDurable::TileCommented { .. }
                | CanvasDurable::TileCommentDeleted { .. },
            ) => (String::new(), None, None),
            Durable::Document(_) | Durable::Space(_) | Durable::Canvas(CanvasDurable::Acted { .. }) => {
                (payload(&what)?, None, None)
            }
            Durable::Chat(ChatDurable::MessageSent { attachments, mentions, .. }) => {
                (payload(&what)?, json_list(attachments)?, json_list(mentions)?)
            }
            Durable::Chat(
                ChatDurable::MessageEdited { .. }
                | ChatDurable::MessageDeleted { .. }
                | ChatDurable::MessageErased { .. }
                | ChatDurable::ReadMarked { .. }
                | ChatDurable::Reacted { .. },
            ) => (payload(&what)?, None, None),
        };
        let key = append.client_message_id.as_ref().map(|id| ClientKey::new(&what, id));
        Ok(Entry {
            room,
            id: Id(append.id.0),
            key,
            at: Moment(append.at),
            kind: what.kind(),
            what,
            payload,
            attachments,
            mentions,
            queue_for: append.queue_for.users.clone(),
            participants_except: append.queue_for.participants_except.clone(),
            refused: None,
        })
    }

    /// Whether it is a message, which goes into the history as well as into the log.
    pub fn is_message(&self) -> bool {
        self.message().is_some()
    }

    /// The parts that go into the message history.
    pub fn message(&self) -> Option<MessageText<'_>> {
        match &*self.what {
            Durable::Sheet(_) | Durable::Canvas(_) | Durable::Document(_) | Durable::Space(_) => None,
            Durable::Chat(
                ChatDurable::MessageEdited { .. }
                | ChatDurable::MessageDeleted { .. }
                | ChatDurable::MessageErased { .. }
                | ChatDurable::ReadMarked { .. }
                | ChatDurable::Reacted { .. },
            ) => None,
            Durable::Chat(ChatDurable::MessageSent { sender, content, content_type, .. }) => Some(MessageText {
                sender_id: sender.id.as_str(),
                sender_username: sender.username(),
                content,
                content_type: (!content_type.is_text()).then(|| content_type.name()),
                attachments: self.attachments.as_deref(),
                mentions: self.mentions.as_deref(),
            }),
        }
    }

    /// The attached files, which the room's members may download.
    pub fn files(&self) -> impl Iterator<Item = Id> + '_ {
        let files: &[Attachment] = match &*self.what {
            Durable::Sheet(_) | Durable::Canvas(_) | Durable::Document(_) | Durable::Space(_) => &[],
            Durable::Chat(
                ChatDurable::MessageEdited { .. }
                | ChatDurable::MessageDeleted { .. }
                | ChatDurable::MessageErased { .. }
                | ChatDurable::ReadMarked { .. }
                | ChatDurable::Reacted { .. },
            ) => &[],
            Durable::Chat(ChatDurable::MessageSent { attachments, .. }) => attachments,
        };
        files.iter().map(|attachment| Id(attachment.file.0))
    }

    /// The mentioned users except the sender, who is not notified.
    pub fn mentioned(&self) -> impl Iterator<Item = &UserId> {
        let (mentions, sender): (&[UserId], _) = match &*self.what {
            Durable::Chat(ChatDurable::MessageSent { mentions, sender, .. }) => (mentions, Some(&sender.id)),
            Durable::Chat(
                ChatDurable::MessageEdited { .. }
                | ChatDurable::MessageDeleted { .. }
                | ChatDurable::MessageErased { .. }
                | ChatDurable::ReadMarked { .. }
                | ChatDurable::Reacted { .. },
            )
            | Durable::Sheet(_)
            | Durable::Canvas(_)
            | Durable::Document(_)
            | Durable::Space(_) => (&[], None),
        };
        mentions.iter().filter(move |user| Some(*user) != sender)
    }
}

/// The event as stored in the log.
pub(super) fn payload(what: &Durable) -> Result<String, StoreError> {
    serde_json::to_string(what)
        .map_err(|error| StoreError::Fault(format!("an event can't be encoded as JSON: {error}")))
}

/// A list as JSON. None if it is empty.
fn json_list<T: Serialize>(list: &[T]) -> Result<Option<String>, StoreError> {
    if list.is_empty() {
        return Ok(None);
    }
    let text = serde_json::to_string(list);
    text.map(Some).map_err(|error| StoreError::Fault(format!("a message's list can't be written as JSON: {error}")))
}

/// The event without characters that cannot be stored. None if it is storable unchanged, as nearly all are.
fn made_storable(what: &Durable) -> Option<Durable> {
    match what {
        Durable::Sheet(SheetDurable::CellsUpdated { sheet, author, cells }) => {
            let is_fine = |text: &str| matches!(storable(text), Cow::Borrowed(_));
            let mut texts =
                cells.iter().flat_map(|cell| [Some(cell.value.as_str()), cell.formula.as_deref()]).flatten();
            let renamed = author.with_names(storable);
            if renamed.is_none() && texts.all(is_fine) {
                return None;
            }
            let author = renamed.unwrap_or_else(|| author.clone());
            let cells = cells.iter().map(|cell| Cell {
                value: RawJson::from_parsed(&storable(cell.value.as_str())),
                formula: cell.formula.as_deref().map(|formula| storable(formula).into()),
                ..cell.clone()
            });
            Some(Durable::Sheet(SheetDurable::CellsUpdated { sheet: sheet.clone(), author, cells: cells.collect() }))
        }
        Durable::Chat(ChatDurable::MessageSent { sender, content, content_type, attachments, mentions }) => {
            let (renamed, text) = (sender.with_names(storable), storable(content));
            if let (None, Cow::Borrowed(_)) = (&renamed, &text) {
                return None;
            }
            let (sender, content) = (renamed.unwrap_or_else(|| sender.clone()), text.into());
            let (content_type, attachments, mentions) = (content_type.clone(), attachments.clone(), mentions.clone());
            Some(Durable::Chat(ChatDurable::MessageSent { sender, content, content_type, attachments, mentions }))
        }
        Durable::Chat(ChatDurable::MessageEdited { message, editor, content, secrecy }) => {
            let Cow::Owned(content) = storable(content) else { return None };
            let (message, editor, content, secrecy) = (*message, editor.clone(), content.into(), *secrecy);
            Some(Durable::Chat(ChatDurable::MessageEdited { message, editor, content, secrecy }))
        }
        Durable::Chat(
            ChatDurable::MessageDeleted { .. }
            | ChatDurable::MessageErased { .. }
            | ChatDurable::ReadMarked { .. }
            | ChatDurable::Reacted { .. },
        )
        | Durable::Document(_) => None,
        Durable::Canvas(what) => canvas_made_storable(what).map(Durable::Canvas),
        Durable::Space(what) => space_made_storable(what).map(Durable::Space),
    }
}

fn space_made_storable(what: &SpaceDurable) -> Option<SpaceDurable> {
    let mut storable_what = what.clone();
    // the data is JSON, in which the character is escaped
    let (text, by) = match &mut storable_what {
        SpaceDurable::Acted { by, action, .. } => (action, by),
        SpaceDurable::StateChanged(StateChange { by, key, .. }) => (key, by),
    };
    let (renamed, changed) = (by.with_names(storable), storable(text));
    if let (None, Cow::Borrowed(_)) = (&renamed, &changed) {
        return None;
    }
    let (renamed, changed) = (renamed.unwrap_or_else(|| by.clone()), changed.into());
    (*text, *by) = (changed, renamed);
    Some(storable_what)
}

fn canvas_made_storable(what: &CanvasDurable) -> Option<CanvasDurable> {
    let mut storable_what = what.clone();
    let (text, by) = match &mut storable_what {
        CanvasDurable::TileCreated { tile, by }
        | CanvasDurable::TileUpdated { tile, by }
        | CanvasDurable::TileDeleted { tile, by }
        | CanvasDurable::TileLiked { tile, by, .. } => (&mut tile.content, by),
        CanvasDurable::TileCommented { text, by, .. } => (text, by),
        CanvasDurable::TileCommentDeleted { tile, by, .. } => (&mut tile.content, by),
        // the data is JSON, in which the character is escaped
        CanvasDurable::Acted { by, activity, .. } => (activity, by),
    };
    let (renamed, changed) = (by.with_names(storable), storable(text));
    if let (None, Cow::Borrowed(_)) = (&renamed, &changed) {
        return None;
    }
    let (renamed, changed) = (renamed.unwrap_or_else(|| by.clone()), changed.into());
    (*text, *by) = (changed, renamed);
    Some(storable_what)
}
