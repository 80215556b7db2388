//! The full-text index on SQLite: an FTS5 table of keys. It has neither the texts nor the positions of words, since every
//! candidate is checked against its text.

use diesel::{
    RunQueryDsl, SqliteConnection,
    prelude::*,
    query_builder::Query,
    sql_types::{BigInt, Binary, Text},
};

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

diesel::table! {
    message_words (rowid) {
        rowid -> BigInt,
        words -> Text,
    }
}

/// Candidates in one bucket.
struct FindCandidates {
    expression: String,
    before: i64,
    from: i64,
    limit: i64,
}

constant_statement!(
    for diesel::sqlite::Sqlite: FindCandidates,
    FindCandidates,
    "SELECT entry.number, entry.message_id, entry.room_id FROM message_words \
     JOIN message_search AS entry ON entry.number = message_words.rowid WHERE message_words MATCH " expression: Text,
    " AND message_words.rowid < " before: BigInt,
    " AND message_words.rowid >= " from: BigInt,
    " ORDER BY message_words.rowid DESC LIMIT " limit: BigInt,
);

impl Query for FindCandidates {
    type SqlType = (BigInt, Binary, Binary);
}

impl RunQueryDsl<SqliteConnection> for FindCandidates {}

/// Reads candidates, bucket by bucket until there are enough.
pub async fn candidates(
    connection: &mut Connection,
    expression: &Expression,
    from: i64,
    wanted: &Read,
) -> Result<Vec<Candidate>, StoreError> {
    let (expression, wanted) = (expression.clone(), wanted.clone());
    let read = move |connection: &mut SqliteConnection| Ok(read(connection, &expression, from, &wanted));
    connection.spawn_blocking(read).await?
}

fn read(
    connection: &mut SqliteConnection,
    expression: &Expression,
    from: i64,
    wanted: &Read,
) -> Result<Vec<Candidate>, StoreError> {
    let mut found: Vec<Candidate> = Vec::new();
    for bucket in &wanted.buckets {
        let is_full = found.len() >= wanted.limit;
        if is_full && found.last().is_some_and(|last| last.number > bucket.highest) {
            break;
        }
        let find = FindCandidates {
            expression: match_of(expression, bucket.id),
            before: wanted.before,
            from,
            limit: i64::try_from(wanted.limit).unwrap_or(i64::MAX),
        };
        let rows = find.load::<(i64, Id, Id)>(connection)?;
        found.extend(rows.into_iter().map(|(number, message, room)| Candidate {
            number,
            message: EventId(message.0),
            room: RoomId(room.0),
        }));
        found.sort_unstable_by_key(|one| std::cmp::Reverse(one.number));
        found.truncate(wanted.limit);
    }
    Ok(found)
}

/// The expression in the syntax of FTS5. Keys have no punctuation, which is escaped all the same.
fn match_of(expression: &Expression, bucket: i64) -> String {
    let key = |key: &Key| format!("\"{}\"", key.in_bucket(bucket).replace('"', "\"\""));
    let one = |(of, end): &(Key, KeyEnd)| match end {
        KeyEnd::Whole => key(of),
        KeyEnd::Prefix => format!("{} *", key(of)),
    };
    let all = expression.all.iter().map(one);
    let any = expression.any.iter().map(|any| format!("({})", any.iter().map(key).collect::<Vec<_>>().join(" OR ")));
    let wanted = all.chain(any).collect::<Vec<_>>().join(" AND ");
    let excluded: Vec<String> = expression.none.iter().map(one).collect();
    if excluded.is_empty() { wanted } else { format!("({wanted}) NOT ({})", excluded.join(" OR ")) }
}

/// Who indexes what.
#[derive(Queryable)]
pub struct State {
    pub bucket: Option<i64>,
    pub old_bucket: Option<i64>,
    pub old_before: Option<Id>,
}

/// The state. The transaction has locked the database.
pub async fn lock_state(connection: &mut Connection) -> Result<Option<State>, StoreError> {
    let columns = (search_state::bucket, search_state::old_bucket, search_state::old_before);
    let row = search_state::table.find(STATE).select(columns);
    Ok(diesel_async::RunQueryDsl::get_result::<State>(row, connection).await.optional()?)
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

/// Adds messages.
pub async fn insert(connection: &mut Connection, entries: Vec<Entry>) -> Result<(), StoreError> {
    let write = move |connection: &mut SqliteConnection| {
        for entry in entries {
            diesel::insert_into(message_search::table)
                .values((
                    message_search::number.eq(entry.number),
                    message_search::message_id.eq(entry.message),
                    message_search::room_id.eq(entry.room),
                    message_search::bucket.eq(entry.bucket),
                ))
                .execute(connection)?;
            insert_words(connection, &entry)?;
        }
        Ok(())
    };
    Ok(connection.spawn_blocking(write).await?)
}

fn insert_words(connection: &mut SqliteConnection, entry: &Entry) -> QueryResult<usize> {
    let row = (message_words::rowid.eq(entry.number), message_words::words.eq(&entry.keys));
    diesel::insert_into(message_words::table).values(row).execute(connection)
}

/// Gives messages that are indexed other keys.
pub async fn replace(connection: &mut Connection, mut entries: Vec<Entry>) -> Result<(), StoreError> {
    entries.sort_unstable_by_key(|entry| entry.number);
    let write = move |connection: &mut SqliteConnection| {
        for entry in &entries {
            diesel::delete(message_words::table.find(entry.number)).execute(connection)?;
        }
        for entry in &entries {
            insert_words(connection, entry)?;
        }
        Ok(())
    };
    Ok(connection.spawn_blocking(write).await?)
}

/// Removes messages.
pub async fn remove(connection: &mut Connection, numbers: Vec<i64>) -> Result<(), StoreError> {
    let write = move |connection: &mut SqliteConnection| {
        for number in numbers {
            diesel::delete(message_words::table.find(number)).execute(connection)?;
            diesel::delete(message_search::table.find(number)).execute(connection)?;
        }
        Ok(())
    };
    Ok(connection.spawn_blocking(write).await?)
}
