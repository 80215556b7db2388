//! Appending on PostgreSQL: a handful of round trips per batch, whatever its size. Rows travel as arrays, so that the
//! SQL never changes and its plan is kept.

use std::collections::BTreeSet;

use diesel::{
    prelude::*,
    sql_types::{Array, BigInt, Nullable, Text, Timestamptz, Uuid as UuidType},
};
use diesel_async::{AsyncConnection, RunQueryDsl};

use super::{
    Connection, cells,
    schema::{file_rooms, messages, room_events, rooms},
    statement::constant_statement,
};
use crate::{
    limits,
    store::{
        Appended, Attempt, NotAppended, StoreError, StoreOptions,
        batch::{Batch, Earlier, Entry, Kept, Places},
        values::{Id, Moment, Payload},
    },
};

/// Stores the batch in one transaction.
pub async fn append(
    connection: &mut Connection,
    batch: Batch,
    attempt: Attempt,
    options: StoreOptions,
) -> Result<Vec<Result<Appended, NotAppended>>, StoreError> {
    connection.transaction(async |connection| write(connection, batch, attempt, options).await).await
}

async fn write(
    connection: &mut Connection,
    mut batch: Batch,
    attempt: Attempt,
    options: StoreOptions,
) -> Result<Vec<Result<Appended, NotAppended>>, StoreError> {
    let before = lock(connection, &batch.rooms).await?;
    // Only now, under the locks: an earlier attempt may have been at work until a moment ago.
    let earlier = match attempt {
        Attempt::First => Earlier::new(),
        Attempt::Again => stored(connection, &batch).await?,
    };
    cells::write(connection, &mut batch, &earlier).await?;
    let places = batch.place(&before, &earlier);
    if !places.fresh.is_empty() {
        InsertEvents::new(&batch, &places).execute(connection).await?;
        share(connection, &batch, &places).await?;
        queue(connection, &batch, &places, options.offline_queue_max).await?;
        trim(connection, &batch, &before, &places, options.recovery_events_max).await?;
    }
    Ok(batch.into_outcomes(places, earlier))
}

/// Locks the rooms in ascending order and answers their sequences. The weaker lock lets others refer to the rows.
async fn lock(connection: &mut Connection, ids: &[Id]) -> Result<Vec<i64>, StoreError> {
    let heads = rooms::table
        .filter(rooms::id.eq_any(ids))
        .order(rooms::id)
        .select(rooms::seq)
        .for_no_key_update()
        .load::<i64>(connection)
        .await?;
    if heads.len() == ids.len() { Ok(heads) } else { Err(StoreError::Missing) }
}

/// Those events of the batch that are stored already.
async fn stored(connection: &mut Connection, batch: &Batch) -> Result<Earlier, StoreError> {
    let ids = batch.ids();
    let sent = messages::table
        .filter(messages::id.eq_any(&ids))
        .select((messages::id, messages::seq))
        .load::<(Id, i64)>(connection)
        .await?;
    let logged = room_events::table
        .filter(room_events::room_id.eq_any(&batch.rooms))
        .filter(room_events::event_id.eq_any(&ids))
        .select((room_events::event_id, room_events::seq, room_events::payload))
        .load::<(Id, i64, Payload)>(connection)
        .await?;
    let mut stored: Earlier = sent.into_iter().map(|(Id(id), seq)| (id, Kept { seq, what: None })).collect();
    stored.extend(logged.into_iter().map(|(Id(id), seq, payload)| (id, Kept { seq, what: Some(payload.0) })));
    Ok(stored)
}

/// Lets those who may enter the rooms have the files that were brought there.
async fn share(connection: &mut Connection, batch: &Batch, places: &Places) -> Result<(), StoreError> {
    let shared: Vec<_> = fresh(batch, places)
        .filter_map(|(entry, room, _)| entry.message.as_ref().map(|message| (room, &message.files)))
        .flat_map(|(room, files)| files.iter().map(move |file| (*file, room)))
        .map(|(file, room)| (file_rooms::file_id.eq(file), file_rooms::room_id.eq(room)))
        .collect();
    if !shared.is_empty() {
        diesel::insert_into(file_rooms::table).values(shared).on_conflict_do_nothing().execute(connection).await?;
    }
    Ok(())
}

async fn queue(
    connection: &mut Connection,
    batch: &Batch,
    places: &Places,
    queue_max: usize,
) -> Result<(), StoreError> {
    let waiting = QueueEvents::new(batch, places);
    if waiting.users.is_empty() {
        return Ok(());
    }
    // In ascending order, as on every node, for the sake of the rows' locks.
    let users = waiting.users.iter().copied().collect::<BTreeSet<_>>().into_iter().collect();
    waiting.execute(connection).await?;
    let queue_max = i64::try_from(queue_max).unwrap_or(i64::MAX);
    TrimQueues { users, queue_max }.execute(connection).await?;
    Ok(())
}

/// Forgets what is too old for recovery, in those rooms whose sequence passed the next milestone.
async fn trim(
    connection: &mut Connection,
    batch: &Batch,
    before: &[i64],
    places: &Places,
    events_max: usize,
) -> Result<(), StoreError> {
    let events_max = i64::try_from(events_max).unwrap_or(i64::MAX);
    let mut due = TrimEvents { rooms: Vec::new(), last_dropped: Vec::new() };
    for ((room, before), after) in batch.rooms.iter().zip(before).zip(&places.heads) {
        let milestone = before / limits::TRIM_EVERY_EVENTS != after / limits::TRIM_EVERY_EVENTS;
        if milestone && *after > events_max {
            due.rooms.push(*room);
            due.last_dropped.push(after - events_max);
        }
    }
    if !due.rooms.is_empty() {
        due.execute(connection).await?;
    }
    Ok(())
}

/// Moves the rooms' sequences on and writes the events and messages, all at once.
#[derive(Default)]
struct InsertEvents<'a> {
    rooms: Vec<Id>,
    seqs: Vec<i64>,
    ids: Vec<Id>,
    times: Vec<Moment>,
    kinds: Vec<&'a str>,
    payloads: Vec<&'a str>,
    sender_ids: Vec<Option<&'a str>>,
    sender_usernames: Vec<Option<&'a str>>,
    contents: Vec<Option<&'a str>>,
    attachments: Vec<Option<&'a str>>,
    heads_of: Vec<Id>,
    heads: Vec<i64>,
}

constant_statement!(
    InsertEvents<'_>,
    InsertEvents<'static>,
    "WITH event AS (SELECT * FROM unnest(" rooms: Array<UuidType>,
    ", " seqs: Array<BigInt>,
    ", " ids: Array<UuidType>,
    ", " times: Array<Timestamptz>,
    ", " kinds: Array<Text>,
    ", " payloads: Array<Text>,
    ", " sender_ids: Array<Nullable<Text>>,
    ", " sender_usernames: Array<Nullable<Text>>,
    ", " contents: Array<Nullable<Text>>,
    ", " attachments: Array<Nullable<Text>>,
    ") AS event (room_id, seq, id, created_at, kind, payload, sender_id, sender_username, content, attachments)), \
     moved AS (UPDATE rooms SET seq = head.seq FROM unnest(" heads_of: Array<UuidType>,
    ", " heads: Array<BigInt>,
    ") AS head (id, seq) WHERE rooms.id = head.id), \
     sent AS (INSERT INTO messages \
     (id, room_id, seq, sender_id, sender_username, content, created_at, attachments) \
     SELECT id, room_id, seq, sender_id, sender_username, content, created_at, attachments::json FROM event WHERE content IS NOT NULL) \
     INSERT INTO room_events (room_id, seq, event_id, kind, payload, created_at) \
     SELECT room_id, seq, id, kind, payload::json, created_at FROM event",
);

/// The entries that are to be written, each with its room and its place.
fn fresh<'a>(batch: &'a Batch, places: &'a Places) -> impl Iterator<Item = (&'a Entry, Id, i64)> {
    places.fresh.iter().filter_map(|index| {
        let entry = batch.entries.get(*index)?;
        Some((entry, *batch.rooms.get(entry.room)?, *places.seqs.get(*index)?))
    })
}

impl<'a> InsertEvents<'a> {
    fn new(batch: &'a Batch, places: &'a Places) -> InsertEvents<'a> {
        let mut rows =
            InsertEvents { heads_of: batch.rooms.clone(), heads: places.heads.clone(), ..Default::default() };
        for (entry, room, seq) in fresh(batch, places) {
            rows.rooms.push(room);
            rows.seqs.push(seq);
            rows.ids.push(entry.id);
            rows.times.push(entry.at);
            rows.kinds.push(entry.kind);
            rows.payloads.push(&entry.payload);
            let message = entry.message.as_ref();
            rows.sender_ids.push(message.map(|message| message.sender_id.as_str()));
            rows.sender_usernames.push(message.map(|message| message.sender_username.as_str()));
            rows.contents.push(message.map(|message| message.content.as_str()));
            rows.attachments.push(message.and_then(|message| message.attachments.as_deref()));
        }
        rows
    }
}

/// Lets events wait for users without a socket.
#[derive(Default)]
struct QueueEvents<'a> {
    users: Vec<&'a str>,
    rooms: Vec<Id>,
    seqs: Vec<i64>,
    ids: Vec<Id>,
    payloads: Vec<&'a str>,
    times: Vec<Moment>,
}

constant_statement!(
    QueueEvents<'_>,
    QueueEvents<'static>,
    "INSERT INTO offline_queue (user_id, room_id, seq, event_id, payload, created_at) \
     SELECT user_id, room_id, seq, event_id, payload::json, created_at FROM unnest(" users: Array<Text>,
    ", " rooms: Array<UuidType>,
    ", " seqs: Array<BigInt>,
    ", " ids: Array<UuidType>,
    ", " payloads: Array<Text>,
    ", " times: Array<Timestamptz>,
    ") WITH ORDINALITY AS event (user_id, room_id, seq, event_id, payload, created_at, place) ORDER BY place \
     ON CONFLICT DO NOTHING",
);

impl<'a> QueueEvents<'a> {
    fn new(batch: &'a Batch, places: &'a Places) -> QueueEvents<'a> {
        let mut rows = QueueEvents::default();
        for (entry, room, seq) in fresh(batch, places) {
            for user in &entry.queue_for {
                rows.users.push(user);
                rows.rooms.push(room);
                rows.seqs.push(seq);
                rows.ids.push(entry.id);
                rows.payloads.push(&entry.payload);
                rows.times.push(entry.at);
            }
        }
        rows
    }
}

/// Drops each user's oldest beyond the bound.
struct TrimQueues<'a> {
    users: Vec<&'a str>,
    queue_max: i64,
}

constant_statement!(
    TrimQueues<'_>,
    TrimQueues<'static>,
    "DELETE FROM offline_queue USING (SELECT owner.id, (SELECT position FROM offline_queue AS queued \
     WHERE queued.user_id = owner.id ORDER BY position DESC OFFSET " queue_max: BigInt,
    " LIMIT 1) AS last_dropped FROM unnest(" users: Array<Text>,
    ") AS owner (id)) AS bound \
     WHERE offline_queue.user_id = bound.id AND offline_queue.position <= bound.last_dropped",
);

/// Drops the rooms' oldest events.
struct TrimEvents {
    rooms: Vec<Id>,
    last_dropped: Vec<i64>,
}

constant_statement!(
    TrimEvents,
    TrimEvents,
    "DELETE FROM room_events USING unnest(" rooms: Array<UuidType>,
    ", " last_dropped: Array<BigInt>,
    ") AS old (room_id, last_dropped) \
     WHERE room_events.room_id = old.room_id AND room_events.seq <= old.last_dropped",
);
