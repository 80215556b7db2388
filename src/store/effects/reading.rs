//! Read marks: how far a user has read a room, one for all of the user's devices and dialects. A mark only advances, and
//! only an advance is an event.

use super::Known;
use crate::{
    ids::{EventId, Seq, UserId},
    store::values::Id,
};

/// Why a read mark is not stored.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ReadRefused {
    /// There is no such message in the room.
    #[error("there is no such message in this room")]
    Unknown,
    /// The user has read so far already: nothing changes.
    #[error("the user has read so far already")]
    NotAdvanced {
        /// How far.
        up_to: Seq,
    },
}

/// Whose mark in which room.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct MarkOf {
    pub room: Id,
    pub user: UserId,
}

/// Moves the mark to the message, if that is an advance, and answers the message's place.
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

/// A mark as stored, or as the effects before in the batch have moved it.
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
