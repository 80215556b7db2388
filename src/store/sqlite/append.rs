//! Appending on SQLite: the whole batch in one call on the writer's thread, with single-row statements that are
//! prepared once. Nothing waits in between, so the cost is that of the rows and of one disk sync.

use std::collections::{BTreeSet, HashMap};

use diesel::{SqliteConnection, prelude::*};

use super::{
    Connection, cells,
    queries::{
        conversations, effects, moderation,
        user_queue::{FREE, USUAL},
    },
    repeats,
    schema::{canvas_activity, file_rooms, message_mentions, messages, room_events, rooms, sanctions, user_queue},
    tiles,
};
use crate::{
    ids::UserId,
    limits,
    store::{
        Appended, Attempt, NotAppended, StoreError, StoreOptions,
        batch::{Batch, Earlier, Entry, Kept, Places},
        silence::SanctionRow,
        values::{Id, JsonText, Moment, Payload},
    },
};

/// The result of each entry of a batch.
type Outcomes = Vec<Result<Appended, NotAppended>>;

/// Stores the batch in one transaction. A batch with effects runs the shared queries in between.
pub async fn append(
    connection: &mut Connection,
    mut batch: Batch,
    attempt: Attempt,
    options: StoreOptions,
) -> Result<Outcomes, StoreError> {
    conversations::queue_for_participants(connection, &mut batch).await?;
    if batch.has_effects() {
        return connection
            .immediate_transaction(async |connection| {
                // The outer result is the connection's; the store's own errors pass through it unchanged.
                let begin = move |connection: &mut SqliteConnection| Ok(begin(connection, batch, attempt));
                let mut begun = connection.spawn_blocking(begin).await??;
                effects::apply(connection, &mut begun.batch, &begun.earlier, &begun.before).await?;
                connection.spawn_blocking(move |connection| Ok(finish(connection, begun, options))).await?
            })
            .await;
    }
    let write = move |connection: &mut SqliteConnection| {
        Ok(connection.immediate_transaction(|connection| {
            let begun = begin(connection, batch, attempt)?;
            finish(connection, begun, options)
        }))
    };
    connection.spawn_blocking(write).await?
}

/// A batch whose rooms' heads are known, and that no other writer changes any more.
struct Begun {
    batch: Batch,
    before: Vec<i64>,
    earlier: Earlier,
}

fn begin(connection: &mut SqliteConnection, mut batch: Batch, attempt: Attempt) -> Result<Begun, StoreError> {
    let before = heads(connection, &batch.rooms)?;
    let mut earlier = match attempt {
        Attempt::First => Earlier::new(),
        Attempt::Again => stored(connection, &batch)?,
    };
    repeats::recognise(connection, &mut batch, &mut earlier)?;
    silence(connection, &mut batch, &earlier)?;
    Ok(Begun { batch, before, earlier })
}

fn finish(connection: &mut SqliteConnection, begun: Begun, options: StoreOptions) -> Result<Outcomes, StoreError> {
    let Begun { mut batch, before, earlier } = begun;
    cells::write(connection, &mut batch, &earlier)?;
    tiles::write(connection, &mut batch, &earlier)?;
    let places = batch.place(&before, &earlier);
    let (mut queued_for, mut last_messages) = (BTreeSet::new(), HashMap::new());
    for index in &places.fresh {
        let (Some(entry), Some(seq)) = (batch.entries.get_mut(*index), places.seqs.get(*index)) else { continue };
        let Some(room) = batch.rooms.get(entry.room) else { continue };
        if entry.is_message() {
            last_messages.insert(*room, (*seq, entry.at));
        }
        insert(connection, *room, *seq, &mut queued_for, entry)?;
    }
    move_on(connection, &batch, &before, &places, &last_messages, options.recovery_events_max)?;
    for user in queued_for {
        trim_queue(connection, user.as_str(), options.offline_queue_max)?;
    }
    Ok(batch.into_outcomes(places.seqs, earlier))
}

/// Refuses the entries of authors who are muted or banned.
fn silence(connection: &mut SqliteConnection, batch: &mut Batch, earlier: &Earlier) -> Result<(), StoreError> {
    let Some(speakers) = batch.speakers(earlier) else { return Ok(()) };
    let found = sanctions::table
        .filter(sanctions::user_id.eq_any(&speakers.users))
        .filter(sanctions::ends_at.gt(speakers.since))
        .select(moderation::SANCTION)
        .load::<SanctionRow>(connection)?;
    batch.silence(earlier, found)
}

fn heads(connection: &mut SqliteConnection, ids: &[Id]) -> Result<Vec<i64>, StoreError> {
    // Not found means Missing.
    ids.iter().map(|id| Ok(rooms::table.find(id).select(rooms::seq).get_result::<i64>(connection)?)).collect()
}

/// The events of the batch that are already stored.
fn stored(connection: &mut SqliteConnection, batch: &Batch) -> Result<Earlier, StoreError> {
    let mut stored = Earlier::new();
    for entry in &batch.entries {
        if let Some(seq) =
            messages::table.find(entry.id).select(messages::seq).get_result::<i64>(connection).optional()?
        {
            stored.insert(entry.id.0, Kept { seq, what: None, first: None });
            continue;
        }
        // A stored message is in the history. Only other events can be in the log alone, which has no index on event
        // ids.
        if entry.is_message() {
            continue;
        }
        let Some(room) = batch.rooms.get(entry.room) else { continue };
        let logged = room_events::table
            .filter(room_events::room_id.eq(room))
            .filter(room_events::event_id.eq(entry.id))
            .select((room_events::seq, room_events::payload))
            .get_result::<(i64, Payload)>(connection)
            .optional()?;
        if let Some((seq, payload)) = logged {
            stored.insert(entry.id.0, Kept { seq, what: Some(payload.0), first: None });
        }
    }
    Ok(stored)
}

fn insert(
    connection: &mut SqliteConnection,
    room: Id,
    seq: i64,
    queued_for: &mut BTreeSet<UserId>,
    entry: &mut Entry,
) -> Result<(), StoreError> {
    if let Some(message) = entry.message() {
        diesel::insert_into(messages::table)
            .values((
                messages::id.eq(entry.id),
                messages::room_id.eq(room),
                messages::seq.eq(seq),
                messages::sender_id.eq(message.sender_id),
                messages::sender_username.eq(message.sender_username),
                messages::content.eq(message.content),
                messages::created_at.eq(entry.at),
                messages::content_type.eq(message.content_type),
                messages::attachments.eq(message.attachments.map(|text| JsonText(text.to_owned()))),
                messages::mentions.eq(message.mentions.map(|text| JsonText(text.to_owned()))),
            ))
            .execute(connection)?;
        for file in entry.files() {
            diesel::insert_into(file_rooms::table)
                .values((file_rooms::file_id.eq(file), file_rooms::room_id.eq(room)))
                .on_conflict_do_nothing()
                .execute(connection)?;
        }
    }
    insert_mentions(connection, room, seq, entry)?;
    tiles::record_activity(connection, room, seq, entry)?;
    tiles::write_comment(connection, room, seq, entry)?;
    let payload = JsonText(std::mem::take(&mut entry.payload));
    diesel::insert_into(room_events::table)
        .values((
            room_events::room_id.eq(room),
            room_events::seq.eq(seq),
            room_events::event_id.eq(entry.id),
            room_events::kind.eq(entry.kind),
            room_events::payload.eq(&payload),
            room_events::created_at.eq(entry.at),
            room_events::client_id.eq(entry.key.as_ref().map(|key| key.client_id.as_str())),
        ))
        .execute(connection)?;
    if let Some(key) = &entry.key {
        repeats::remember(connection, room, seq, entry, key)?;
    }
    for user in &entry.queue_for {
        diesel::insert_into(user_queue::table)
            .values((
                user_queue::user_id.eq(user.as_str()),
                user_queue::rank.eq(USUAL),
                user_queue::leased_until.eq(FREE),
                user_queue::created_at.eq(entry.at),
                user_queue::room_id.eq(Some(room)),
                user_queue::seq.eq(Some(seq)),
                user_queue::event_id.eq(Some(entry.id)),
                user_queue::payload.eq(Some(&payload)),
            ))
            .on_conflict_do_nothing()
            .execute(connection)?;
        queued_for.insert(user.clone());
    }
    Ok(())
}

fn insert_mentions(connection: &mut SqliteConnection, room: Id, seq: i64, entry: &Entry) -> Result<(), StoreError> {
    for user in entry.mentioned() {
        diesel::insert_into(message_mentions::table)
            .values((
                message_mentions::user_id.eq(user.as_str()),
                message_mentions::room_id.eq(room),
                message_mentions::seq.eq(seq),
            ))
            .on_conflict_do_nothing()
            .execute(connection)?;
    }
    Ok(())
}

/// Moves the rooms' heads, and removes events that are too old for recovery where a sequence passed the next milestone.
fn move_on(
    connection: &mut SqliteConnection,
    batch: &Batch,
    before: &[i64],
    places: &Places,
    last_messages: &HashMap<Id, (i64, Moment)>,
    events_max: usize,
) -> Result<(), StoreError> {
    let events_max = i64::try_from(events_max).unwrap_or(i64::MAX);
    for ((id, before), after) in batch.rooms.iter().zip(before).zip(&places.heads) {
        if before == after {
            continue;
        }
        let room = rooms::table.find(id);
        match last_messages.get(id) {
            Some((seq, at)) => {
                let moved = (rooms::seq.eq(after), rooms::message_seq.eq(seq), rooms::active_at.eq(at));
                diesel::update(room).set(moved).execute(connection)?;
            }
            None => {
                diesel::update(room).set(rooms::seq.eq(after)).execute(connection)?;
            }
        }
        let milestone = before / limits::TRIM_EVERY_EVENTS != after / limits::TRIM_EVERY_EVENTS;
        if milestone && *after > events_max && batch.is_trimmed(*id) {
            let old =
                room_events::table.filter(room_events::room_id.eq(id)).filter(room_events::seq.le(after - events_max));
            diesel::delete(old).execute(connection)?;
        }
        if milestone && *after > limits::CANVAS_ACTIVITY_MAX {
            let last_dropped = after - limits::CANVAS_ACTIVITY_MAX;
            let old = canvas_activity::table
                .filter(canvas_activity::room_id.eq(id))
                .filter(canvas_activity::seq.le(last_dropped));
            diesel::delete(old).execute(connection)?;
        }
    }
    Ok(())
}

/// Drops the user's oldest messages beyond the limit.
fn trim_queue(connection: &mut SqliteConnection, user: &str, queue_max: usize) -> Result<(), StoreError> {
    let of_user = user_queue::table.filter(user_queue::user_id.eq(user)).filter(user_queue::event_id.is_not_null());
    let last_dropped = of_user
        .order(user_queue::position.desc())
        .offset(i64::try_from(queue_max).unwrap_or(i64::MAX))
        .limit(1)
        .select(user_queue::position)
        .first::<i64>(connection)
        .optional()?;
    if let Some(position) = last_dropped {
        diesel::delete(of_user.filter(user_queue::position.le(position))).execute(connection)?;
    }
    Ok(())
}
