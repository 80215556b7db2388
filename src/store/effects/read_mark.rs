//! Read marks: how far a user has read a room, shared by all of the user's devices and dialects. A mark must only
//! advance, and only an advance is an event.

use super::Known;
use crate::{
    core::event::{ChatDurable, ReadMark},
    ids::{EventId, Seq, UserId},
    store::values::Id,
};

/// Why a read mark is not stored.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ReadRefused {
    /// There is no such message in the room.
    #[error("the message does not exist in this room")]
    Unknown,
    /// The user has already read this far: nothing changes.
    #[error("the user has already read this far")]
    NotAdvanced {
        /// The current mark.
        up_to: Seq,
    },
}

/// The key of a read mark.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct MarkOf {
    pub room: Id,
    pub user: UserId,
}

/// Moves the mark to the message if that is an advance. Returns the message's seq.
pub(super) fn advance(known: &mut Known, mark: MarkOf, message: EventId) -> Result<Seq, ReadRefused> {
    let found = known.messages.get(&message.0).filter(|found| found.room == mark.room);
    let seq = found.ok_or(ReadRefused::Unknown)?.seq;
    let stored = known.marks.entry(mark).or_default();
    if seq <= stored.seq {
        return Err(ReadRefused::NotAdvanced { up_to: Seq(stored.seq) });
    }
    *stored = KnownMark { seq, has_advanced: true };
    Ok(Seq(seq))
}

/// What is left of an event with the marks of one or more users: those that advance. Refused for the reason of the last
/// mark if none does.
pub(super) fn read(known: &mut Known, room: Id, asked: &ChatDurable) -> Result<ChatDurable, ReadRefused> {
    let (mut listed, mut unlisted) = (Vec::new(), Vec::new());
    let mut refused = ReadRefused::Unknown;
    for (mark, is_listed) in marks(asked) {
        match advance(known, MarkOf { room, user: mark.reader.id.clone() }, mark.message) {
            Ok(up_to) if is_listed => listed.push(ReadMark { up_to, ..mark }),
            Ok(up_to) => unlisted.push(ReadMark { up_to, ..mark }),
            Err(why) => refused = why,
        }
    }
    ChatDurable::read_by(listed, unlisted).ok_or(refused)
}

/// The marks of an event, each with whether the event lists it.
pub(super) fn marks(event: &ChatDurable) -> Vec<(ReadMark, bool)> {
    let ChatDurable::ReadMarked { reader, message, up_to, others, unlisted, .. } = event else { return Vec::new() };
    let first = ReadMark { reader: reader.clone(), message: *message, up_to: *up_to };
    let listed = [first].into_iter().chain(others.iter().cloned()).map(|mark| (mark, true));
    listed.chain(unlisted.iter().cloned().map(|mark| (mark, false))).collect()
}

/// A mark as stored, with the changes by previous effects in the batch.
#[derive(Clone, Copy, Default)]
pub struct KnownMark {
    pub seq: i64,
    pub has_advanced: bool,
}

/// The marks that have advanced, in order.
pub(super) fn advanced(known: &Known) -> Vec<(MarkOf, i64)> {
    let moved = known.marks.iter().filter(|(_, mark)| mark.has_advanced);
    let mut moved: Vec<_> = moved.map(|(of, mark)| (of.clone(), mark.seq)).collect();
    moved.sort_unstable();
    moved
}
