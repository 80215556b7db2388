//! The full-text index on PostgreSQL: one `tsvector` of keys per message, and a GIN index over them.

use diesel::{
    prelude::*,
    query_builder::Query,
    sql_types::{Array, BigInt, Text, Uuid as UuidType},
};
use diesel_async::RunQueryDsl;

use super::{
    Connection,
    queries::search::STATE,
    schema::{message_search, search_state},
};
use crate::{
    core::search::{Candidate, Expression, Key, KeyEnd, Read},
    ids::{EventId, RoomId},
    store::{StoreError, statement::constant_statement, values::Id},
};

/// Candidates in some buckets. The number is computed, so that the planner uses the index of the keys and never that of the
/// numbers, which would read all messages to find a rare word.
struct FindCandidates {
    expressions: Vec<String>,
    before: i64,
    from: i64,
    limit: i64,
}

constant_statement!(
    FindCandidates,
    FindCandidates,
    "SELECT number, message_id, room_id FROM message_search WHERE words @@ ANY (" expressions: Array<Text>,
    "::tsquery[]) AND number + 0 < " before: BigInt,
    " AND number + 0 >= " from: BigInt,
    " ORDER BY number + 0 DESC LIMIT " limit: BigInt,
);

impl Query for FindCandidates {
    type SqlType = (BigInt, UuidType, UuidType);
}

/// Reads candidates.
pub async fn candidates(
    connection: &mut Connection,
    expression: &Expression,
    from: i64,
    wanted: &Read,
) -> Result<Vec<Candidate>, StoreError> {
    let find = FindCandidates {
        expressions: wanted.buckets.iter().map(|bucket| tsquery(expression, bucket.id)).collect(),
        before: wanted.before,
        from,
        limit: i64::try_from(wanted.limit).unwrap_or(i64::MAX),
    };
    let rows = find.load::<(i64, Id, Id)>(connection).await?;
    let candidate = |(number, message, room): (i64, Id, Id)| Candidate {
        number,
        message: EventId(message.0),
        room: RoomId(room.0),
    };
    Ok(rows.into_iter().map(candidate).collect())
}

/// The expression in the syntax of `tsquery`. Keys have no punctuation, which is escaped all the same.
fn tsquery(expression: &Expression, bucket: i64) -> String {
    let key = |key: &Key| format!("'{}'", key.in_bucket(bucket).replace('\\', "\\\\").replace('\'', "''"));
    let one = |(of, end): &(Key, KeyEnd)| match end {
        KeyEnd::Whole => key(of),
        KeyEnd::Prefix => format!("{}:*", key(of)),
    };
    let all = expression.all.iter().map(one);
    let any = expression.any.iter().map(|any| format!("({})", any.iter().map(key).collect::<Vec<_>>().join("|")));
    let none = expression.none.iter().map(|excluded| format!("!{}", one(excluded)));
    all.chain(any).chain(none).collect::<Vec<_>>().join("&")
}

/// Who indexes what.
#[derive(Queryable)]
pub struct State {
    pub bucket: Option<i64>,
    pub old_bucket: Option<i64>,
    pub old_before: Option<Id>,
}

/// Locks the state. None if another node has locked it.
pub async fn lock_state(connection: &mut Connection) -> Result<Option<State>, StoreError> {
    let columns = (search_state::bucket, search_state::old_bucket, search_state::old_before);
    let row = search_state::table.find(STATE).select(columns).for_no_key_update().skip_locked();
    Ok(row.get_result::<State>(connection).await.optional()?)
}

/// A message in the index.
pub struct Entry {
    pub number: i64,
    pub message: Id,
    pub room: Id,
    pub bucket: i64,
    /// Separated by spaces.
    pub keys: String,
}

struct InsertEntries {
    numbers: Vec<i64>,
    messages: Vec<Id>,
    rooms: Vec<Id>,
    buckets: Vec<i64>,
    keys: Vec<String>,
}

constant_statement!(
    InsertEntries,
    InsertEntries,
    "INSERT INTO message_search (number, message_id, room_id, bucket, words) \
     SELECT number, message_id, room_id, bucket, array_to_tsvector(string_to_array(keys, ' ')) FROM unnest(" numbers: Array<BigInt>,
    ", " messages: Array<UuidType>,
    ", " rooms: Array<UuidType>,
    ", " buckets: Array<BigInt>,
    ", " keys: Array<Text>,
    ") AS entry (number, message_id, room_id, bucket, keys) \
     ON CONFLICT (number) DO UPDATE SET words = EXCLUDED.words",
);

/// Adds messages.
pub async fn insert(connection: &mut Connection, entries: Vec<Entry>) -> Result<(), StoreError> {
    if entries.is_empty() {
        return Ok(());
    }
    let mut rows = InsertEntries { numbers: vec![], messages: vec![], rooms: vec![], buckets: vec![], keys: vec![] };
    for entry in entries {
        rows.numbers.push(entry.number);
        rows.messages.push(entry.message);
        rows.rooms.push(entry.room);
        rows.buckets.push(entry.bucket);
        rows.keys.push(entry.keys);
    }
    rows.execute(connection).await?;
    Ok(())
}

/// Gives messages that are indexed other keys.
pub async fn replace(connection: &mut Connection, entries: Vec<Entry>) -> Result<(), StoreError> {
    insert(connection, entries).await
}

/// Removes messages.
pub async fn remove(connection: &mut Connection, numbers: Vec<i64>) -> Result<(), StoreError> {
    if numbers.is_empty() {
        return Ok(());
    }
    let rows = message_search::table.filter(message_search::number.eq_any(numbers));
    diesel::delete(rows).execute(connection).await?;
    Ok(())
}
