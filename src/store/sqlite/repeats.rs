//! Repeated messages on SQLite, within the transaction of an append.

use diesel::{SqliteConnection, prelude::*};

use super::schema::{client_messages, room_events};
use crate::store::{
    StoreError,
    batch::{Batch, Earlier, Entry},
    repeats::{ClientKey, FirstStored},
    values::{Id, Moment, Payload},
};

/// Determines which entries are repetitions.
pub fn recognise(
    connection: &mut SqliteConnection,
    batch: &mut Batch,
    earlier: &mut Earlier,
) -> Result<(), StoreError> {
    let mut found = Vec::new();
    let candidates = batch.candidates(earlier);
    if candidates.is_empty() {
        return Ok(());
    }
    for candidate in candidates {
        let (user, client_id) = (candidate.key.user.as_str(), candidate.key.client_id.as_str());
        let first = client_messages::table
            .find((candidate.room, user, client_id))
            .select((
                client_messages::event_id,
                client_messages::seq,
                client_messages::created_at,
                client_messages::digest,
            ))
            .get_result::<(Id, i64, Moment, Id)>(connection)
            .optional()?;
        if let Some((event, seq, at, digest)) = first {
            found.push((candidate.entry, FirstStored { event, seq, at, digest }));
        }
    }
    for repetition in batch.recognise(earlier, found) {
        let logged = room_events::table
            .find((repetition.room, repetition.seq))
            .filter(room_events::event_id.eq(repetition.event))
            .select(room_events::payload)
            .get_result::<Payload>(connection)
            .optional()?;
        if let (Some(kept), Some(payload)) = (earlier.get_mut(&repetition.entry), logged) {
            kept.what = Some(payload.0);
        }
    }
    Ok(())
}

/// Stores the id of the event that was just stored.
pub fn remember(
    connection: &mut SqliteConnection,
    room: Id,
    seq: i64,
    entry: &Entry,
    key: &ClientKey,
) -> Result<(), StoreError> {
    diesel::insert_into(client_messages::table)
        .values((
            client_messages::room_id.eq(room),
            client_messages::user_id.eq(key.user.as_str()),
            client_messages::client_id.eq(key.client_id.as_str()),
            client_messages::event_id.eq(entry.id),
            client_messages::seq.eq(seq),
            client_messages::created_at.eq(entry.at),
            client_messages::digest.eq(key.digest),
        ))
        .execute(connection)?;
    Ok(())
}
