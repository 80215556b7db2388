//! Who takes part in open rooms. Participation must never grant rights; `auth::policy` decides about these.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use diesel::{prelude::*, sql_types::BigInt};
use diesel_async::RunQueryDsl;

use super::{
    Connection,
    schema::{participants, rooms, users},
    types,
};
use crate::{
    ids::{RoomId, UserId},
    limits,
    store::{
        Participation, StoreError,
        values::{Id, Moment, now},
    },
};

/// Makes users participants of open rooms, in the order of the requests. Many that join at the same moment need one transaction.
pub async fn add_each(
    connection: &mut Connection,
    asked: &[(RoomId, UserId)],
) -> Result<Vec<Participation>, StoreError> {
    // Sorted, so that transactions of several nodes lock in the same order.
    let mut of_rooms: BTreeMap<RoomId, BTreeSet<&str>> = BTreeMap::new();
    for (room, user) in asked {
        of_rooms.entry(*room).or_default().insert(user.as_str());
    }
    let outcomes = write_transaction!(connection, async |connection| {
        let mut outcomes: BTreeMap<RoomId, Outcome> = BTreeMap::new();
        for (room, users) in of_rooms {
            outcomes.insert(room, add_to_room(connection, room, &users).await?);
        }
        Ok::<_, StoreError>(outcomes)
    })
    .await?;
    let of = |room, user: &UserId| outcomes.get(room).map_or(Participation::Missing, |found| found.of(user.as_str()));
    Ok(asked.iter().map(|(room, user)| of(room, user)).collect())
}

/// Makes the user a participant of an open room, from its current head on, within a transaction of the caller.
pub async fn add(connection: &mut Connection, room: RoomId, user: &UserId) -> Result<Participation, StoreError> {
    Ok(add_to_room(connection, room, &BTreeSet::from([user.as_str()])).await?.of(user.as_str()))
}

/// What became of the requests for one room.
#[derive(Default)]
struct Outcome {
    added: HashSet<String>,
    already: HashSet<String>,
    refused: HashSet<String>,
}

impl Outcome {
    fn of(&self, user: &str) -> Participation {
        if self.added.contains(user) {
            Participation::Added
        } else if self.already.contains(user) {
            Participation::Already
        } else if self.refused.contains(user) {
            Participation::Full
        } else {
            Participation::Missing
        }
    }
}

async fn add_to_room(connection: &mut Connection, room: RoomId, asked: &BTreeSet<&str>) -> Result<Outcome, StoreError> {
    // Messages sent in between correctly count as unread.
    let head = rooms::table.find(Id(room.0)).select(rooms::seq).get_result::<i64>(connection).await.optional()?;
    let Some(head) = head else { return Ok(Outcome::default()) };
    let already = present(connection, room, asked.iter().copied()).await?;
    let mut new: Vec<&str> = asked.iter().copied().filter(|user| !already.contains(*user)).collect();
    if new.is_empty() {
        return Ok(Outcome { already, ..Outcome::default() });
    }
    let of_room = participants::table.filter(participants::room_id.eq(Id(room.0)));
    let places = (limits::PARTICIPANTS_MAX - of_room.count().get_result::<i64>(connection).await?).max(0);
    let refused = new.split_off(new.len().min(usize::try_from(places).unwrap_or(usize::MAX)));
    let added = insert(connection, room, &new, head).await?;
    let mut outcome = Outcome { added, already, refused: refused.into_iter().map(str::to_owned).collect() };
    // Another node may have added some of them in the meantime.
    let missed: Vec<&str> = new.into_iter().filter(|user| !outcome.added.contains(*user)).collect();
    if !missed.is_empty() {
        outcome.already.extend(present(connection, room, missed.into_iter()).await?);
    }
    Ok(outcome)
}

/// Which of the users are participants.
async fn present(
    connection: &mut Connection,
    room: RoomId,
    of: impl Iterator<Item = &str>,
) -> Result<HashSet<String>, StoreError> {
    let found = participants::table
        .filter(participants::room_id.eq(Id(room.0)))
        .filter(participants::user_id.eq_any(of.map(str::to_owned).collect::<Vec<_>>()))
        .select(participants::user_id)
        .load::<String>(connection)
        .await?;
    Ok(found.into_iter().collect())
}

/// Inserts the users who exist and are not participants yet. Returns them.
async fn insert(
    connection: &mut Connection,
    room: RoomId,
    new: &[&str],
    head: i64,
) -> Result<HashSet<String>, StoreError> {
    let rows = users::table.filter(users::id.eq_any(new.iter().map(|user| (*user).to_owned()).collect::<Vec<_>>()));
    let rows = rows.order(users::id).select((
        users::id,
        Id(room.0).into_sql::<types::Id>(),
        Moment(now()).into_sql::<types::Moment>(),
        head.into_sql::<BigInt>(),
    ));
    let added = diesel::insert_into(participants::table)
        .values(rows)
        .into_columns((participants::user_id, participants::room_id, participants::joined_at, participants::joined_seq))
        .on_conflict_do_nothing()
        .returning(participants::user_id)
        .get_results::<String>(connection)
        .await?;
    Ok(added.into_iter().collect())
}
