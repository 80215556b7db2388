//! Writes the full-text index, a bounded number of messages per transaction: the queue of new and changed messages first, then
//! those from before search existed. Indexing a message again is harmless: it keeps its number and gets its new keys.

use std::collections::{BTreeSet, HashMap, HashSet};

use diesel::prelude::*;
use diesel_async::RunQueryDsl;

use super::{
    Connection,
    full_text::{self, Entry, State},
    rooms::room_scope,
    schema::{message_search, messages, rooms, search_buckets, search_queue, search_state},
    search::STATE,
    user_id,
};
use crate::{
    core::{
        event::{ContentType, RoomScope},
        search::{Audience, Key, keys_of, number_of},
    },
    ids::{RoomId, Seq},
    limits,
    store::{
        Indexed, StoreError,
        values::{Id, Moment},
    },
};

/// Whether there is nothing to index.
pub async fn is_idle(connection: &mut Connection) -> Result<bool, StoreError> {
    let old = search_state::table.find(STATE).select(search_state::old_before);
    if old.get_result::<Option<Id>>(connection).await?.is_some() {
        return Ok(false);
    }
    let queued = search_queue::table.select(search_queue::position).limit(1).load::<i64>(connection).await?;
    Ok(queued.is_empty())
}

/// Indexes up to `INDEXED_PER_COMMIT` messages.
pub async fn index(connection: &mut Connection) -> Result<Indexed, StoreError> {
    write_transaction!(connection, async |connection| {
        match full_text::lock_state(connection).await? {
            Some(state) => step(connection, state).await,
            None => Ok(Indexed::default()),
        }
    })
    .await
}

async fn step(connection: &mut Connection, mut state: State) -> Result<Indexed, StoreError> {
    let most = limits::INDEXED_PER_COMMIT;
    let queued = search_queue::table
        .order(search_queue::position)
        .limit(most)
        .select((search_queue::position, search_queue::message_id))
        .load::<(i64, Id)>(connection)
        .await?;
    let new: BTreeSet<Id> = queued.iter().map(|(_, message)| *message).collect();
    let mut done = Indexed { new: new.len(), has_more: as_i64(queued.len()) == most, ..Indexed::default() };
    state.bucket = write(connection, &new, state.bucket).await?.or(state.bucket);
    let positions: Vec<i64> = queued.into_iter().map(|(position, _)| position).collect();
    if !positions.is_empty() {
        diesel::delete(search_queue::table.filter(search_queue::position.eq_any(positions)))
            .execute(connection)
            .await?;
    }
    if let Some(before) = state.old_before
        && !done.has_more
    {
        let found = messages::table
            .filter(messages::id.lt(before))
            .order(messages::id.desc())
            .limit(most)
            .select((messages::id, messages::created_at))
            .load::<(Id, Moment)>(connection)
            .await?;
        let old: BTreeSet<Id> = found.iter().map(|(message, _)| *message).collect();
        state.old_bucket = write(connection, &old, state.old_bucket).await?.or(state.old_bucket);
        state.old_before = found.last().map(|(message, _)| *message);
        done.old = old.len();
        done.old_back_to = found.last().map(|(_, at)| at.0);
        done.is_old_done = state.old_before.is_none();
        done.has_more = !done.is_old_done;
    }
    let saved = (
        search_state::bucket.eq(state.bucket),
        search_state::old_bucket.eq(state.old_bucket),
        search_state::old_before.eq(state.old_before),
    );
    diesel::update(search_state::table.find(STATE)).set(saved).execute(connection).await?;
    Ok(done)
}

/// A message to index.
struct Text {
    message: Id,
    room: Id,
    number: i64,
    keys: BTreeSet<Key>,
}

/// Indexes these messages as they are now. New ones go into the bucket, or into a new one if there is none or it is full;
/// returns it.
async fn write(
    connection: &mut Connection,
    ids: &BTreeSet<Id>,
    bucket: Option<i64>,
) -> Result<Option<i64>, StoreError> {
    if ids.is_empty() {
        return Ok(None);
    }
    let texts = texts(connection, ids).await?;
    let known = message_search::table
        .filter(message_search::message_id.eq_any(ids.iter().copied()))
        .select((message_search::message_id, message_search::number, message_search::bucket))
        .load::<(Id, i64, i64)>(connection)
        .await?;
    let known: HashMap<Id, (i64, i64)> =
        known.into_iter().map(|(message, number, bucket)| (message, (number, bucket))).collect();
    let with_text: HashSet<Id> = texts.iter().map(|text| text.message).collect();
    let gone: Vec<i64> =
        known.iter().filter(|(message, _)| !with_text.contains(message)).map(|(_, (number, _))| *number).collect();
    full_text::remove(connection, gone).await?;
    let (changed, fresh): (Vec<Text>, Vec<Text>) =
        texts.into_iter().partition(|text| known.contains_key(&text.message));
    let changed: Vec<Entry> = changed
        .into_iter()
        .filter_map(|text| known.get(&text.message).map(|(number, bucket)| entry(&text, *number, *bucket)))
        .collect();
    full_text::replace(connection, changed).await?;
    if fresh.is_empty() {
        return Ok(None);
    }
    let numbers = free_numbers(connection, &fresh).await?;
    let bucket = fill(connection, bucket, &numbers).await?;
    let mut entries: Vec<Entry> =
        fresh.iter().zip(&numbers).map(|(text, number)| entry(text, *number, bucket)).collect();
    // Both databases write ascending numbers faster.
    entries.sort_unstable_by_key(|entry| entry.number);
    full_text::insert(connection, entries).await?;
    Ok(Some(bucket))
}

fn entry(text: &Text, number: i64, bucket: i64) -> Entry {
    let keys: Vec<String> = text.keys.iter().map(|key| key.in_bucket(bucket)).collect();
    Entry { number, message: text.message, room: text.room, bucket, keys: keys.join(" ") }
}

type TextColumns = (Id, Id, i64, String, String, Moment, (String, String, Option<Id>));

/// Those of the messages that are to be found, with their keys.
async fn texts(connection: &mut Connection, ids: &BTreeSet<Id>) -> Result<Vec<Text>, StoreError> {
    let rows = messages::table
        .inner_join(rooms::table.on(rooms::id.eq(messages::room_id)))
        .filter(messages::id.eq_any(ids.iter().copied()))
        .filter(messages::deleted_at.is_null())
        .filter(messages::content.ne(""))
        .filter(messages::content_type.is_null().or(messages::content_type.ne(ContentType::Encrypted.name())))
        .select((
            messages::id,
            messages::room_id,
            messages::seq,
            messages::sender_id,
            messages::content,
            messages::created_at,
            (rooms::kind, rooms::key, rooms::group_id),
        ))
        .load::<TextColumns>(connection)
        .await?;
    let text = |row: TextColumns| {
        let (message, room, seq, sender, content, at, (kind, key, group)) = row;
        let mut keys = keys_of(&content);
        keys.insert(Key::room(RoomId(room.0)));
        keys.insert(Key::sender(&user_id(sender)?));
        match room_scope(&kind, key, group)? {
            RoomScope::Channel { group } => {
                keys.insert(Audience::Group(group).key());
            }
            RoomScope::Direct { users } => keys.extend(users.map(|user| Audience::Side(user).key())),
            // its audience is the room
            RoomScope::Open { .. } | RoomScope::Space | RoomScope::Canvas { .. } | RoomScope::Document { .. } => {}
        }
        Ok(Text { message, room, number: number_of(RoomId(room.0), at.0, Seq(seq)), keys })
    };
    rows.into_iter().map(text).collect()
}

/// A number for each message that no other one has: its own, or a later one.
async fn free_numbers(connection: &mut Connection, texts: &[Text]) -> Result<Vec<i64>, StoreError> {
    let mut numbers: Vec<i64> = texts.iter().map(|text| text.number).collect();
    let mut taken: HashSet<i64> = HashSet::new();
    // Steps that double: thousands of messages may have the same time, for example if they were imported.
    for round in 0_u32.. {
        let step = 1_i64 << round.min(20);
        let mut own: HashSet<i64> = HashSet::with_capacity(numbers.len());
        for number in &mut numbers {
            while taken.contains(number) {
                *number = number.saturating_add(step);
            }
            while !own.insert(*number) {
                *number = number.saturating_add(1);
            }
        }
        let found = message_search::table
            .filter(message_search::number.eq_any(numbers.iter().copied()))
            .select(message_search::number)
            .load::<i64>(connection)
            .await?;
        if found.is_empty() {
            break;
        }
        taken.extend(found);
    }
    Ok(numbers)
}

/// Counts messages with these numbers into the bucket, or into a new one if there is none or it is full. Returns which.
async fn fill(connection: &mut Connection, bucket: Option<i64>, numbers: &[i64]) -> Result<i64, StoreError> {
    let lowest = numbers.iter().copied().min().unwrap_or(i64::MAX);
    let highest = numbers.iter().copied().max().unwrap_or(i64::MIN);
    let columns = (search_buckets::lowest, search_buckets::highest, search_buckets::messages);
    let open = match bucket {
        Some(id) => {
            let row = search_buckets::table.find(id).select(columns);
            row.get_result::<(i64, i64, i64)>(connection).await.optional()?.map(|row| (id, row))
        }
        None => None,
    };
    if let Some((id, (from, to, count))) = open.filter(|(_, (_, _, count))| *count < limits::SEARCH_BUCKET_MESSAGES) {
        let filled = (
            search_buckets::lowest.eq(from.min(lowest)),
            search_buckets::highest.eq(to.max(highest)),
            search_buckets::messages.eq(count.saturating_add(as_i64(numbers.len()))),
        );
        diesel::update(search_buckets::table.find(id)).set(filled).execute(connection).await?;
        return Ok(id);
    }
    let last = search_buckets::table.select(diesel::dsl::max(search_buckets::id));
    let id = last.get_result::<Option<i64>>(connection).await?.map_or(0, |last| last.saturating_add(1));
    diesel::insert_into(search_buckets::table)
        .values((
            search_buckets::id.eq(id),
            search_buckets::lowest.eq(lowest),
            search_buckets::highest.eq(highest),
            search_buckets::messages.eq(as_i64(numbers.len())),
        ))
        .execute(connection)
        .await?;
    Ok(id)
}

fn as_i64(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
