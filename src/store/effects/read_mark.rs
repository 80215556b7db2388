//! Read marks: how far a user has read a room, shared by all of the user's devices and dialects. A mark must only
//! advance, and only an advance is an event.

use super::Known;
use crate::{
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
