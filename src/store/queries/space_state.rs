//! The keyed state of spaces. It is changed by the appends of its events (`effects`), under the locks of the rooms.

use std::collections::BTreeSet;

use diesel::{dsl::count_star, prelude::*};
use diesel_async::RunQueryDsl;

use super::{
    Connection,
    schema::{space_state, users},
    strange, user_id,
};
use crate::{
    core::{command::RawJson, profile::Author, space::StateEntry},
    ids::{ConnKey, RoomId, Seq, SocketId},
    limits,
    store::{
        StoreError,
        effects::{KnownStates, StateOf},
        values::{Id, Moment},
    },
};

#[derive(Queryable)]
struct Row {
    room: Id,
    key: String,
    value: String,
    seq: i64,
    user: String,
    expires_at: Option<Moment>,
    holder: (Option<String>, Option<i32>, Option<i64>),
    /// Missing if the user was deleted.
    names: Option<(String, String, i64)>,
}

impl TryFrom<Row> for StateEntry {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<StateEntry, StoreError> {
        let holder = match row.holder {
            (Some(node), Some(worker), Some(generation)) => Some(SocketId {
                node: node.parse().map_err(|_| strange("node", &node))?,
                conn: ConnKey {
                    worker: u16::try_from(worker).unwrap_or_default(),
                    generation: u32::try_from(generation).unwrap_or_default(),
                },
            }),
            _no_holder => None,
        };
        let id = user_id(row.user)?;
        let by = match row.names {
            Some((username, display_name, number)) => {
                Author::known(id, username, Some(display_name.into()), Some(number))
            }
            None => Author::new(id.clone(), id.as_str()),
        };
        Ok(StateEntry {
            key: row.key.into(),
            value: RawJson::from_parsed(&row.value),
            seq: Seq(row.seq),
            by,
            expires_at: row.expires_at.map(|at| at.0),
            holder,
        })
    }
}

macro_rules! rows {
    () => {
        space_state::table.left_join(users::table.on(users::id.eq(space_state::user_id))).select((
            space_state::room_id,
            space_state::key,
            space_state::value,
            space_state::seq,
            space_state::user_id,
            space_state::expires_at,
            (space_state::holder_node, space_state::holder_worker, space_state::holder_generation),
            (users::username, users::display_name, users::number).nullable(),
        ))
    };
}

/// All entries of a space.
pub async fn all(connection: &mut Connection, room: RoomId) -> Result<Vec<StateEntry>, StoreError> {
    let of_room = rows!().filter(space_state::room_id.eq(Id(room.0)));
    let rows = of_room.order(space_state::key).limit(limits::STATE_KEYS_MAX as i64).load::<Row>(connection).await?;
    rows.into_iter().map(StateEntry::try_from).collect()
}

/// These entries, and the number of all in each of their rooms.
pub async fn known(connection: &mut Connection, wanted: BTreeSet<StateOf>) -> Result<KnownStates, StoreError> {
    let rooms: BTreeSet<Id> = wanted.iter().map(|of| of.room).collect();
    let keys: BTreeSet<&str> = wanted.iter().map(|of| &*of.key).collect();
    let mut known = KnownStates::default();
    let counts = space_state::table
        .filter(space_state::room_id.eq_any(rooms.iter().copied()))
        .group_by(space_state::room_id)
        .select((space_state::room_id, count_star()))
        .load::<(Id, i64)>(connection)
        .await?;
    for (room, count) in counts {
        known.counts.insert(room, usize::try_from(count).unwrap_or_default());
    }
    let rows = rows!()
        .filter(space_state::room_id.eq_any(rooms))
        .filter(space_state::key.eq_any(keys))
        .load::<Row>(connection)
        .await?;
    for row in rows {
        let of = StateOf { room: row.room, key: row.key.as_str().into() };
        known.entries.insert(of, row.try_into()?);
    }
    Ok(known)
}

/// Sets an entry, or deletes it.
pub async fn write(connection: &mut Connection, of: &StateOf, entry: Option<&StateEntry>) -> Result<(), StoreError> {
    let row = space_state::table.find((of.room, &*of.key));
    diesel::delete(row).execute(connection).await?;
    let Some(entry) = entry else { return Ok(()) };
    let conn = entry.holder.map(|holder| holder.conn);
    diesel::insert_into(space_state::table)
        .values((
            space_state::room_id.eq(of.room),
            space_state::key.eq(&*of.key),
            space_state::value.eq(entry.value.as_str()),
            space_state::seq.eq(entry.seq.0),
            space_state::user_id.eq(entry.by.id.as_str()),
            space_state::expires_at.eq(entry.expires_at.map(Moment)),
            space_state::holder_node.eq(entry.holder.map(|holder| holder.node.to_string())),
            space_state::holder_worker.eq(conn.map(|conn| i32::from(conn.worker))),
            space_state::holder_generation.eq(conn.map(|conn| i64::from(conn.generation))),
        ))
        .execute(connection)
        .await?;
    Ok(())
}
