//! Repeated messages. A client that received no acknowledgement sends its message again under the same id; the repetition is
//! recognised by the id and not stored. The rules are the same for both databases and pure. They run under the locks of the
//! rooms, so that two nodes never store the same message; the primary key of the ids would prevent it too.
//!
//! Each event defines its own content ([`Durable::content`]), so that every kind of event can be repeated. The content must
//! never include what the store fills in.

use std::collections::HashSet;

use sha1::{Digest, Sha1};
use uuid::Uuid;

use super::{
    FirstSending, NotAppended,
    batch::{Batch, Earlier, Kept},
    values::{Id, Moment},
};
use crate::{
    core::event::Durable,
    ids::{ClientMessageId, EventId, UserId},
};

/// Identifies the repetitions of an entry, and distinguishes them from other messages under the same id.
pub(super) struct ClientKey {
    pub user: UserId,
    pub client_id: ClientMessageId,
    pub digest: Id,
}

/// The event that is stored under an id.
#[derive(Clone, Copy)]
pub(super) struct FirstStored {
    pub event: Id,
    pub seq: i64,
    pub at: Moment,
    pub digest: Id,
}

/// An entry that may be a repetition.
pub(super) struct Candidate<'a> {
    /// Its place in the batch.
    pub entry: usize,
    pub room: Id,
    pub key: &'a ClientKey,
}

/// An entry that repeats an event other than a message. The log may still have the event.
pub(super) struct Repetition {
    /// The entry's id.
    pub entry: Uuid,
    pub room: Id,
    pub seq: i64,
    pub event: Id,
}

impl ClientKey {
    pub fn new(what: &Durable, client_id: &ClientMessageId) -> ClientKey {
        ClientKey { user: what.author().id.clone(), client_id: client_id.clone(), digest: digest(what) }
    }
}

/// 128 bits of a digest of the event's content.
fn digest(what: &Durable) -> Id {
    let mut hasher = Sha1::new();
    what.content(&mut |piece| {
        // with its length, so that different lists of pieces never produce the same bytes
        hasher.update((piece.len() as u64).to_be_bytes());
        hasher.update(piece);
    });
    let mut bits = [0; 16];
    for (to, from) in bits.iter_mut().zip(hasher.finalize()) {
        *to = from;
    }
    Id(Uuid::from_bytes(bits))
}

impl Batch {
    /// The entries that may be repetitions. Empty for most batches.
    pub fn candidates(&self, earlier: &Earlier) -> Vec<Candidate<'_>> {
        let open = |entry: &&super::batch::Entry| entry.refused.is_none() && !earlier.contains_key(&entry.id.0);
        let candidate = |(at, entry)| {
            let entry = Some(entry).filter(open)?;
            Some(Candidate { entry: at, room: *self.rooms.get(entry.room)?, key: entry.key.as_ref()? })
        };
        self.entries.iter().enumerate().filter_map(candidate).collect()
    }

    /// Accepts the events that were found under the ids of the candidates, with the candidates' places in the batch. Repetitions
    /// count as stored; other messages under the same id are refused. Returns the repetitions to be read from the log.
    pub fn recognise(&mut self, earlier: &mut Earlier, found: Vec<(usize, FirstStored)>) -> Vec<Repetition> {
        let mut repetitions = Vec::new();
        for (at, first) in found {
            let Some(entry) = self.entries.get_mut(at) else { continue };
            if entry.key.as_ref().is_some_and(|key| key.digest != first.digest) {
                entry.refused = Some(NotAppended::OtherContent);
                continue;
            }
            // an earlier attempt of the same entry is not a repetition
            let is_other = first.event != entry.id;
            let repeated = is_other.then_some(FirstSending { id: EventId(first.event.0), at: first.at.0 });
            earlier.insert(entry.id.0, Kept { seq: first.seq, what: None, first: repeated });
            if !entry.is_message()
                && let Some(room) = self.rooms.get(entry.room)
            {
                let (entry, room) = (entry.id.0, *room);
                repetitions.push(Repetition { entry, room, seq: first.seq, event: first.event });
            }
        }
        self.put_off_doubles(earlier);
        repetitions
    }

    /// If two entries have the same id, the second one is left to the next attempt, when the result of the first one is
    /// known. Later entries of its room stay behind it.
    fn put_off_doubles(&mut self, earlier: &Earlier) {
        let (mut seen, mut put_off) = (HashSet::new(), HashSet::new());
        for entry in &mut self.entries {
            if entry.refused.is_some() || earlier.contains_key(&entry.id.0) {
                continue;
            }
            let is_double = entry
                .key
                .as_ref()
                .is_some_and(|key| !seen.insert((entry.room, key.user.clone(), key.client_id.clone())));
            if is_double {
                put_off.insert(entry.room);
            }
            if put_off.contains(&entry.room) {
                entry.refused = Some(NotAppended::Locked);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        core::{
            command::RawJson,
            event::{ChatDurable, SheetDurable},
            profile::Author,
            sheet::Cell,
        },
        ids::SheetId,
    };

    fn author(name: &str) -> Author {
        Author::new(UserId::new(name).unwrap(), name)
    }

    fn message(sender: &str, content: &str) -> Durable {
        let sender = author(sender);
        Durable::Chat(ChatDurable::text(sender, content.into(), Vec::new()))
    }

    fn cells(value: &str, formula: Option<&str>, version: i64) -> Durable {
        let cell = Cell {
            at: "B2".parse().unwrap(),
            value: RawJson::from_parsed(value),
            formula: formula.map(Into::into),
            version,
        };
        let sheet = SheetId::new("s").unwrap();
        Durable::Sheet(SheetDurable::CellsUpdated { sheet, author: author("ada"), cells: vec![cell] })
    }

    #[test]
    fn the_digest_covers_the_content_and_not_the_author() {
        assert_eq!(digest(&message("ada", "hi")), digest(&message("bob", "hi")));
        let different = [
            message("ada", "hi"),
            message("ada", "hi "),
            cells("1", None, 0),
            cells("2", None, 0),
            cells("1", Some(""), 0),
            cells("1", Some("=A1"), 0),
            cells("1", None, 3),
        ];
        let digests: HashSet<_> = different.iter().map(digest).collect();
        assert_eq!(digests.len(), different.len());
    }

    #[test]
    fn the_digest_never_changes() {
        // nodes of two releases compare their digests
        assert_eq!(digest(&message("ada", "hi")).0.to_string(), "1c08de81-0b97-6793-68e4-2a0e8ffbf97e");
    }
}
