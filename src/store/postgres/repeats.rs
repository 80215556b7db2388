//! Repeated messages on PostgreSQL, within the transaction of an append. A batch with ids of clients costs one more round
//! trip, and another one if it stores any of these messages.

use diesel::{
    prelude::*,
    query_builder::Query,
    sql_types::{Array, BigInt, Text, Timestamptz, Uuid as UuidType},
};
use diesel_async::RunQueryDsl;

use super::{Connection, append::fresh, schema::room_events};
use crate::store::{
    StoreError,
    batch::{Batch, Earlier, Places},
    repeats::{FirstStored, Repetition},
    statement::constant_statement,
    values::{Id, Moment, Payload},
};

/// Determines which entries are repetitions. The caller holds the locks of the batch's rooms.
pub async fn recognise(
    connection: &mut Connection,
    batch: &mut Batch,
    earlier: &mut Earlier,
) -> Result<(), StoreError> {
    let candidates = batch.candidates(earlier);
    if candidates.is_empty() {
        return Ok(());
    }
    let places: Vec<usize> = candidates.iter().map(|candidate| candidate.entry).collect();
    let find = FindKeys {
        rooms: candidates.iter().map(|candidate| candidate.room).collect(),
        users: candidates.iter().map(|candidate| candidate.key.user.as_str()).collect(),
        client_ids: candidates.iter().map(|candidate| candidate.key.client_id.as_str()).collect(),
    };
    let rows = find.load::<(i64, Id, i64, Moment, Id)>(connection).await?;
    let found = rows.into_iter().filter_map(|(place, event, seq, at, digest)| {
        // SQL counts from 1
        let entry = places.get(usize::try_from(place).ok()?.checked_sub(1)?)?;
        Some((*entry, FirstStored { event, seq, at, digest }))
    });
    let found = found.collect();
    let repetitions = batch.recognise(earlier, found);
    recall(connection, &repetitions, earlier).await
}

/// Reads repeated events from the log, if it still has them.
async fn recall(
    connection: &mut Connection,
    repetitions: &[Repetition],
    earlier: &mut Earlier,
) -> Result<(), StoreError> {
    if repetitions.is_empty() {
        return Ok(());
    }
    let logged = room_events::table
        .filter(room_events::room_id.eq_any(repetitions.iter().map(|repetition| repetition.room).collect::<Vec<_>>()))
        .filter(room_events::seq.eq_any(repetitions.iter().map(|repetition| repetition.seq).collect::<Vec<_>>()))
        .filter(room_events::event_id.eq_any(repetitions.iter().map(|repetition| repetition.event).collect::<Vec<_>>()))
        .select((room_events::event_id, room_events::payload))
        .load::<(Id, Payload)>(connection)
        .await?;
    for (event, payload) in logged {
        let of_event = repetitions.iter().filter(|repetition| repetition.event == event);
        for repetition in of_event {
            if let Some(kept) = earlier.get_mut(&repetition.entry) {
                kept.what = Some(payload.0.clone());
            }
        }
    }
    Ok(())
}

/// Stores the ids of the events that were just stored.
pub async fn remember(connection: &mut Connection, batch: &Batch, places: &Places) -> Result<(), StoreError> {
    let mut rows = InsertKeys::default();
    for (entry, room, seq) in fresh(batch, places) {
        let Some(key) = &entry.key else { continue };
        rows.rooms.push(room);
        rows.users.push(key.user.as_str());
        rows.client_ids.push(key.client_id.as_str());
        rows.events.push(entry.id);
        rows.seqs.push(seq);
        rows.times.push(entry.at);
        rows.digests.push(key.digest);
    }
    if !rows.rooms.is_empty() {
        rows.execute(connection).await?;
    }
    Ok(())
}

/// Finds the events that are stored under these ids. The inner limit makes it one index lookup for each.
struct FindKeys<'a> {
    rooms: Vec<Id>,
    users: Vec<&'a str>,
    client_ids: Vec<&'a str>,
}

constant_statement!(
    FindKeys<'_>,
    FindKeys<'static>,
    "SELECT wanted.place, known.event_id, known.seq, known.created_at, known.digest FROM unnest(" rooms: Array<UuidType>,
    ", " users: Array<Text>,
    ", " client_ids: Array<Text>,
    ") WITH ORDINALITY AS wanted (room_id, user_id, client_id, place) CROSS JOIN LATERAL \
     (SELECT event_id, seq, created_at, digest FROM client_messages WHERE client_messages.room_id = wanted.room_id \
     AND client_messages.user_id = wanted.user_id AND client_messages.client_id = wanted.client_id LIMIT 1) AS known",
);

impl Query for FindKeys<'_> {
    type SqlType = (BigInt, UuidType, BigInt, Timestamptz, UuidType);
}

/// Inserts the ids of stored events.
#[derive(Default)]
struct InsertKeys<'a> {
    rooms: Vec<Id>,
    users: Vec<&'a str>,
    client_ids: Vec<&'a str>,
    events: Vec<Id>,
    seqs: Vec<i64>,
    times: Vec<Moment>,
    digests: Vec<Id>,
}

constant_statement!(
    InsertKeys<'_>,
    InsertKeys<'static>,
    "INSERT INTO client_messages (room_id, user_id, client_id, event_id, seq, created_at, digest) \
     SELECT * FROM unnest(" rooms: Array<UuidType>,
    ", " users: Array<Text>,
    ", " client_ids: Array<Text>,
    ", " events: Array<UuidType>,
    ", " seqs: Array<BigInt>,
    ", " times: Array<Timestamptz>,
    ", " digests: Array<UuidType>,
    ")",
);
