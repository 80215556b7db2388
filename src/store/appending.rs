//! What an append to the log takes and answers. It must name no database.

use std::sync::Arc;

use super::effects::EffectRefused;
use crate::{
    core::{
        event::Durable,
        sheet::{BadUpdate, CellConflict},
    },
    ids::{EventId, RoomId, Seq, Timestamp, UserId},
};

/// One durable event to store. The store gives it its place.
#[derive(Clone, Debug)]
pub struct Append {
    /// In which room.
    pub room: RoomId,
    /// Its id, made by the caller, so that a repeated attempt is recognised.
    pub id: EventId,
    /// When it happened.
    pub at: Timestamp,
    /// What happened.
    pub what: Arc<Durable>,
    /// Users in whose queue it is put, until a socket of theirs has written it.
    pub queue_for: Vec<UserId>,
}

/// An event that was appended.
#[derive(Clone, PartialEq, Debug)]
pub struct Appended {
    /// Its place.
    pub seq: Seq,
    /// The event as it was stored: cells have their new versions.
    pub what: Arc<Durable>,
}

/// Why an event was not appended although the rest of its batch was.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NotAppended {
    /// Somebody else had changed these cells before.
    #[error("somebody else had changed {} of the cells before", .0.len())]
    Conflicts(Vec<CellConflict>),
    /// The sheet was first written in another room.
    #[error("the sheet belongs to another room")]
    SheetElsewhere,
    /// No such update can be.
    #[error(transparent)]
    BadUpdate(#[from] BadUpdate),
    /// Another session keeps the room locked, so this attempt stored nothing of it: worth another one, behind which the
    /// room's later events must stay.
    #[error("another session keeps the room locked in the database")]
    Locked,
    /// What the event was to change could not be changed.
    #[error(transparent)]
    Effect(#[from] EffectRefused),
}

/// Which rooms' locks an append waits for. Rooms that stay locked are left out: see [`NotAppended::Locked`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum WaitFor {
    /// All rooms, each for a moment.
    AllRooms,
    /// The first event's room, for a moment: for rooms that were locked before.
    FirstRoom,
}

/// Whether a batch may have been stored by an earlier attempt whose outcome is unknown.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Attempt {
    /// Nobody has tried it yet.
    First,
    /// An earlier attempt ended in [`StoreError::Unavailable`](super::StoreError::Unavailable): what it stored keeps
    /// its place and is not stored twice.
    Again,
}
