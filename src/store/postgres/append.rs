//! Appending on PostgreSQL. Most batches are one statement, which commits by itself, so a node that stops in between
//! holds no room's lock. Batches that must read under the locks (cell updates, effects, repeated attempts) are a
//! transaction of several statements. Rows are passed as arrays, so that the SQL never changes and its plan is reused.
//!
//! An append must never wait for a room that another session keeps locked for longer than `lock_timeout`: the entries
//! of such rooms result in [`NotAppended::Locked`], and the others are stored.

use std::{collections::BTreeSet, time::Instant};

use diesel::prelude::*;
use diesel_async::{AsyncConnection, RunQueryDsl};

use super::{
    Connection, Pools, cells, comments,
    queries::{conversations, effects, moderation},
    repeats,
    schema::{file_rooms, message_mentions, messages, room_events, rooms},
    settle,
    statements::{AppendEvents, InsertEvents, QueueEvents, TrimActivity, TrimEvents, TrimQueues},
    tiles,
};
use crate::{
    limits,
    store::{
        Append, Appended, Attempt, NotAppended, StoreError, StoreOptions, WaitFor,
        batch::{Batch, Earlier, Entry, Kept, Places},
        values::{Id, Payload},
    },
};

/// The result of each entry of a batch.
type Outcomes = Vec<Result<Appended, NotAppended>>;

/// Which rooms' locks an append waits for, at most `lock_timeout` each. Other rooms are skipped if they are locked.
pub struct Locking {
    /// Waited for, in ascending order, before all others, so that no other lock is held while waiting.
    pub waited: Vec<Id>,
    /// Skipped if another session has locked them.
    pub skipped: Vec<Id>,
}

/// Stores the events that are not refused in one commit. If waiting for a lock takes too long, it is retried without
/// locked rooms.
pub async fn append(
    pools: &Pools,
    appends: &[Append],
    attempt: Attempt,
    wait_for: WaitFor,
    options: StoreOptions,
) -> Result<Outcomes, StoreError> {
    let began = Instant::now();
    match append_once(pools, appends, attempt, Some(wait_for), options).await {
        Err(error) if is_lock_wait(&error, began) => append_once(pools, appends, attempt, None, options).await,
        done => done,
    }
}

/// Whether an append failed because of a lock. If PostgreSQL's messages are translated, the elapsed time shows it.
fn is_lock_wait(error: &StoreError, began: Instant) -> bool {
    match error {
        StoreError::Unavailable(outage) => outage.is_lock_wait(),
        StoreError::Fault(_) => began.elapsed() >= limits::STORE_ROW_LOCK_WAIT,
        StoreError::Missing | StoreError::Taken(_) => false,
    }
}

async fn append_once(
    pools: &Pools,
    appends: &[Append],
    attempt: Attempt,
    wait_for: Option<WaitFor>,
    options: StoreOptions,
) -> Result<Outcomes, StoreError> {
    let batch = Batch::new(appends)?;
    let locking = Locking::new(&batch, wait_for);
    let mut connection = pools.log().await?;
    let work = store(&mut connection, batch, attempt, &locking, options);
    let outcome = tokio::time::timeout(limits::STORE_COMMIT_MAX, work).await;
    settle(connection, outcome)
}

async fn store(
    connection: &mut Connection,
    mut batch: Batch,
    attempt: Attempt,
    locking: &Locking,
    options: StoreOptions,
) -> Result<Outcomes, StoreError> {
    conversations::queue_for_participants(connection, &mut batch).await?;
    match attempt {
        Attempt::First if batch.is_plain() => at_once(connection, batch, locking, options).await,
        Attempt::First | Attempt::Again => {
            let work = async |connection: &mut Connection| write(connection, batch, attempt, locking, options).await;
            connection.transaction(work).await
        }
    }
}

impl Locking {
    /// `None` waits for no room.
    fn new(batch: &Batch, wait_for: Option<WaitFor>) -> Locking {
        let first = batch.entries.as_slice().first().map(|entry| entry.room);
        match (wait_for, first) {
            (None, _) | (Some(WaitFor::FirstRoom), None) => {
                Locking { waited: Vec::new(), skipped: batch.rooms.clone() }
            }
            (Some(WaitFor::AllRooms), _) => Locking { waited: batch.rooms.clone(), skipped: Vec::new() },
            (Some(WaitFor::FirstRoom), Some(first)) => {
                let mut skipped = batch.rooms.clone();
                let waited = vec![skipped.remove(first)];
                Locking { waited, skipped }
            }
        }
    }
}

/// Stores a batch of messages with one statement.
async fn at_once(
    connection: &mut Connection,
    mut batch: Batch,
    locking: &Locking,
    options: StoreOptions,
) -> Result<Outcomes, StoreError> {
    let statement = AppendEvents::new(&batch, locking, options.recovery_events_max);
    let placed = statement.load::<(Id, i64)>(connection).await?;
    if placed.is_empty() && count_rooms(connection, &batch.rooms).await? < batch.rooms.len() {
        return Err(StoreError::Missing);
    }
    if placed.len() < batch.entries.len() {
        // some rooms are locked, or some authors may not speak
        let stored = placed.iter().map(|(Id(id), seq)| (*id, Kept { seq: *seq, what: None, first: None })).collect();
        moderation::silence(connection, &mut batch, &stored).await?;
    }
    let seqs = batch.placed(placed);
    let users = batch.queue_users();
    if !users.is_empty() {
        let users = users.into_iter().collect();
        let trim = TrimQueues { users, queue_max: as_i64(options.offline_queue_max) };
        // The events are already stored. The excess of a queue is removed with the next event.
        if let Err(error) = trim.execute(connection).await {
            log::warn!("event=queue_not_trimmed why=\"{error}\"");
        }
    }
    Ok(batch.into_outcomes(seqs, Earlier::new()))
}

async fn count_rooms(connection: &mut Connection, ids: &[Id]) -> Result<usize, StoreError> {
    let count = rooms::table.filter(rooms::id.eq_any(ids)).count().get_result::<i64>(connection).await?;
    Ok(usize::try_from(count).unwrap_or_default())
}

async fn write(
    connection: &mut Connection,
    mut batch: Batch,
    attempt: Attempt,
    locking: &Locking,
    options: StoreOptions,
) -> Result<Outcomes, StoreError> {
    let before = lock(connection, &batch.rooms, locking).await?;
    batch.leave_out_locked(&before);
    // Only now, under the locks, because an earlier attempt may have been running until a moment ago.
    let mut earlier = match attempt {
        Attempt::First => Earlier::new(),
        Attempt::Again => stored(connection, &batch).await?,
    };
    repeats::recognise(connection, &mut batch, &mut earlier).await?;
    moderation::silence(connection, &mut batch, &earlier).await?;
    cells::write(connection, &mut batch, &earlier).await?;
    tiles::write(connection, &mut batch, &earlier).await?;
    let before: Vec<i64> = before.into_iter().map(Option::unwrap_or_default).collect();
    effects::apply(connection, &mut batch, &earlier, &before).await?;
    let places = batch.place(&before, &earlier);
    if !places.fresh.is_empty() {
        InsertEvents::new(&batch, &before, &places).execute(connection).await?;
        repeats::remember(connection, &batch, &places).await?;
        share(connection, &batch, &places).await?;
        mention(connection, &batch, &places).await?;
        tiles::record_activity(connection, &batch, &places).await?;
        comments::write(connection, &batch, &places).await?;
        queue(connection, &batch, &places, options.offline_queue_max).await?;
        trim(connection, &batch, &before, &places, options.recovery_events_max).await?;
    }
    Ok(batch.into_outcomes(places.seqs, earlier))
}

/// Locks the rooms and returns their heads, in the order of `ids`; None for a skipped room. The weaker lock mode lets
/// others reference the rows.
async fn lock(connection: &mut Connection, ids: &[Id], locking: &Locking) -> Result<Vec<Option<i64>>, StoreError> {
    let mut heads: Vec<(Id, i64)> = Vec::with_capacity(ids.len());
    if !locking.waited.is_empty() {
        let rows = rooms::table
            .filter(rooms::id.eq_any(&locking.waited))
            .order(rooms::id)
            .select((rooms::id, rooms::seq))
            .for_no_key_update();
        heads.extend(rows.load::<(Id, i64)>(connection).await?);
    }
    if !locking.skipped.is_empty() {
        let rows = rooms::table
            .filter(rooms::id.eq_any(&locking.skipped))
            .order(rooms::id)
            .select((rooms::id, rooms::seq))
            .for_no_key_update()
            .skip_locked();
        heads.extend(rows.load::<(Id, i64)>(connection).await?);
    }
    if heads.len() < ids.len() && count_rooms(connection, ids).await? < ids.len() {
        return Err(StoreError::Missing);
    }
    heads.sort_unstable_by_key(|(id, _)| *id);
    let head = |id: &Id| heads.binary_search_by_key(id, |(id, _)| *id).ok().and_then(|at| heads.get(at));
    Ok(ids.iter().map(|id| head(id).map(|(_, seq)| *seq)).collect())
}

/// The events of the batch that are already stored. The log is searched only for events that are not messages, because
/// it has no index on event ids.
async fn stored(connection: &mut Connection, batch: &Batch) -> Result<Earlier, StoreError> {
    let sent = messages::table
        .filter(messages::id.eq_any(batch.open().map(|entry| entry.id).collect::<Vec<_>>()))
        .select((messages::id, messages::seq))
        .load::<(Id, i64)>(connection)
        .await?;
    let mut stored: Earlier =
        sent.into_iter().map(|(Id(id), seq)| (id, Kept { seq, what: None, first: None })).collect();
    // A stored message is in the history, so only other events can be in the log alone.
    let logged_only = |entry: &&Entry| !entry.is_message() && !stored.contains_key(&entry.id.0);
    let unanswered: Vec<&Entry> = batch.open().filter(logged_only).collect();
    if unanswered.is_empty() {
        return Ok(stored);
    }
    let of: BTreeSet<Id> = unanswered.iter().filter_map(|entry| batch.rooms.get(entry.room).copied()).collect();
    let logged = room_events::table
        .filter(room_events::room_id.eq_any(of))
        .filter(room_events::event_id.eq_any(unanswered.iter().map(|entry| entry.id).collect::<Vec<_>>()))
        .select((room_events::event_id, room_events::seq, room_events::payload))
        .load::<(Id, i64, Payload)>(connection)
        .await?;
    let kept = |seq, payload: Payload| Kept { seq, what: Some(payload.0), first: None };
    stored.extend(logged.into_iter().map(|(Id(id), seq, payload)| (id, kept(seq, payload))));
    Ok(stored)
}

/// Gives the rooms' members access to the attached files.
async fn share(connection: &mut Connection, batch: &Batch, places: &Places) -> Result<(), StoreError> {
    let shared: Vec<_> = fresh(batch, places)
        .flat_map(|(entry, room, _)| entry.files().map(move |file| (file, room)))
        .map(|(file, room)| (file_rooms::file_id.eq(file), file_rooms::room_id.eq(room)))
        .collect();
    if !shared.is_empty() {
        diesel::insert_into(file_rooms::table).values(shared).on_conflict_do_nothing().execute(connection).await?;
    }
    Ok(())
}

/// Stores mentions, for counting unread ones.
async fn mention(connection: &mut Connection, batch: &Batch, places: &Places) -> Result<(), StoreError> {
    let mentioned: Vec<_> = fresh(batch, places)
        .flat_map(|(entry, room, seq)| entry.mentioned().map(move |user| (user, room, seq)))
        .map(|(user, room, seq)| {
            (
                message_mentions::user_id.eq(user.as_str()),
                message_mentions::room_id.eq(room),
                message_mentions::seq.eq(seq),
            )
        })
        .collect();
    if !mentioned.is_empty() {
        diesel::insert_into(message_mentions::table)
            .values(mentioned)
            .on_conflict_do_nothing()
            .execute(connection)
            .await?;
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
    // In ascending order like on every node, to avoid deadlocks.
    let users = waiting.users.iter().copied().collect::<BTreeSet<_>>().into_iter().collect();
    waiting.execute(connection).await?;
    TrimQueues { users, queue_max: as_i64(queue_max) }.execute(connection).await?;
    Ok(())
}

/// Removes events that are too old for recovery, in rooms whose sequence passed the next milestone.
async fn trim(
    connection: &mut Connection,
    batch: &Batch,
    before: &[i64],
    places: &Places,
    events_max: usize,
) -> Result<(), StoreError> {
    let events_max = as_i64(events_max);
    let mut due = TrimEvents { rooms: Vec::new(), last_dropped: Vec::new() };
    let mut long = TrimActivity { rooms: Vec::new(), last_dropped: Vec::new() };
    for ((room, before), after) in batch.rooms.iter().zip(before).zip(&places.heads) {
        let milestone = before / limits::TRIM_EVERY_EVENTS != after / limits::TRIM_EVERY_EVENTS;
        if milestone && *after > events_max && batch.is_trimmed(*room) {
            due.rooms.push(*room);
            due.last_dropped.push(after - events_max);
        }
        if milestone && *after > limits::CANVAS_ACTIVITY_MAX {
            long.rooms.push(*room);
            long.last_dropped.push(after - limits::CANVAS_ACTIVITY_MAX);
        }
    }
    if !long.rooms.is_empty() {
        long.execute(connection).await?;
    }
    if !due.rooms.is_empty() {
        due.execute(connection).await?;
    }
    Ok(())
}

/// The entries to write, each with its room and its seq.
pub(super) fn fresh<'a>(batch: &'a Batch, places: &'a Places) -> impl Iterator<Item = (&'a Entry, Id, i64)> {
    places.fresh.iter().filter_map(|index| {
        let entry = batch.entries.get(*index)?;
        Some((entry, *batch.rooms.get(entry.room)?, *places.seqs.get(*index)?))
    })
}

fn as_i64(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
