//! Refuses the events of authors who are muted or banned, in the transaction that stores them: a sanction that is stored
//! counts for every later event, whichever node accepted it and whatever that node knows. Pure.

use std::collections::BTreeSet;

use super::{
    NotAppended, StoreError,
    batch::{Batch, Earlier, Entry},
    values::{Id, Moment},
};
use crate::{
    core::moderation::{Sanction, SanctionKind},
    ids::{RoomId, SanctionId, UserId},
};

/// The columns of a sanction, in the order of the queries.
pub(super) type SanctionRow = (Id, Option<Id>, String, String, String, String, Moment, Moment, i64);

/// The authors of a batch who say something.
pub(super) struct Speakers {
    /// Their ids.
    pub users: BTreeSet<String>,
    /// The time of the earliest event: sanctions that ended before it do not matter.
    pub since: Moment,
}

/// A stored sanction.
pub(super) fn sanction(row: SanctionRow) -> Result<Sanction, StoreError> {
    let (Id(id), room, user, kind, reason, by, created_at, ends_at, version) = row;
    let kind = SanctionKind::from_name(&kind)
        .ok_or_else(|| StoreError::Fault(format!("the database contains an unknown kind of sanction: {kind}")))?;
    Ok(Sanction {
        id: SanctionId(id),
        room: room.map(|Id(room)| RoomId(room)),
        user: user_id(user)?,
        kind,
        reason: reason.into(),
        by: user_id(by)?,
        created_at: created_at.0,
        ends_at: ends_at.0,
        version,
    })
}

pub(super) fn user_id(text: String) -> Result<UserId, StoreError> {
    UserId::new(text).map_err(|_| StoreError::Fault("the database holds an invalid user id".into()))
}

impl Batch {
    /// The authors whose sanctions must be read. `None` if nobody says anything.
    pub fn speakers(&self, earlier: &Earlier) -> Option<Speakers> {
        let speaking = || self.entries.iter().filter(|entry| speaks(entry, earlier));
        let since = speaking().map(|entry| entry.at).min()?;
        Some(Speakers { users: speaking().map(|entry| entry.what.author().id.to_string()).collect(), since })
    }

    /// Refuses the events whose authors may not speak.
    pub fn silence(&mut self, earlier: &Earlier, found: Vec<SanctionRow>) -> Result<(), StoreError> {
        if found.is_empty() {
            return Ok(());
        }
        let sanctions: Vec<Sanction> = found.into_iter().map(sanction).collect::<Result<_, _>>()?;
        let Batch { rooms, entries } = self;
        for entry in entries.iter_mut().filter(|entry| speaks(entry, earlier)) {
            let Some(room) = rooms.get(entry.room).map(|room| RoomId(room.0)) else { continue };
            let author = &entry.what.author().id;
            let concerns = |sanction: &&Sanction| {
                sanction.user == *author && sanction.room.is_none_or(|of| of == room) && sanction.is_active(entry.at.0)
            };
            if let Some(sanction) = sanctions.iter().filter(concerns).max_by_key(|sanction| sanction.ends_at) {
                entry.refused = Some(NotAppended::Silenced(Box::new(sanction.clone())));
            }
        }
        Ok(())
    }
}

/// Whether an entry is still to be stored, and says something.
fn speaks(entry: &Entry, earlier: &Earlier) -> bool {
    entry.refused.is_none() && !earlier.contains_key(&entry.id.0) && entry.what.needs_voice()
}
