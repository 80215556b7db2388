//! What waits for users without a socket.

use diesel::prelude::*;
use diesel_async::RunQueryDsl;

use super::{
    Connection,
    log::EventRow,
    schema::{offline_queue, room_events},
};
use crate::{
    ids::{EventId, RoomId, Seq, UserId},
    store::{StoreError, StoredEvent, values::Id},
};

pub async fn queued(connection: &mut Connection, user: &UserId, room: RoomId) -> Result<Vec<StoredEvent>, StoreError> {
    let rows = offline_queue::table
        .filter(offline_queue::user_id.eq(user.as_str()))
        .filter(offline_queue::room_id.eq(Id(room.0)))
        .order(offline_queue::seq)
        .select((offline_queue::seq, offline_queue::event_id, offline_queue::payload, offline_queue::created_at))
        .load::<EventRow>(connection)
        .await?;
    Ok(rows.into_iter().map(StoredEvent::from).collect())
}

pub async fn dequeue(connection: &mut Connection, user: &UserId, room: RoomId, up_to: Seq) -> Result<(), StoreError> {
    let read = offline_queue::table
        .filter(offline_queue::user_id.eq(user.as_str()))
        .filter(offline_queue::room_id.eq(Id(room.0)))
        .filter(offline_queue::seq.le(up_to.0));
    diesel::delete(read).execute(connection).await?;
    Ok(())
}

pub async fn enqueue(
    connection: &mut Connection,
    user: &UserId,
    room: RoomId,
    seq: Seq,
    event: EventId,
    queue_max: usize,
) -> Result<(), StoreError> {
    write_transaction!(connection, async |connection| {
        let stored = room_events::table.find((Id(room.0), seq.0)).filter(room_events::event_id.eq(Id(event.0)));
        let copied = diesel::insert_into(offline_queue::table)
            .values(stored.select((
                user.as_str().into_sql::<diesel::sql_types::Text>(),
                room_events::room_id,
                room_events::seq,
                room_events::event_id,
                room_events::payload,
                room_events::created_at,
            )))
            .into_columns((
                offline_queue::user_id,
                offline_queue::room_id,
                offline_queue::seq,
                offline_queue::event_id,
                offline_queue::payload,
                offline_queue::created_at,
            ))
            .on_conflict_do_nothing()
            .execute(connection)
            .await?;
        if copied == 0 {
            let known = stored.select(room_events::seq).get_result::<i64>(connection).await.optional()?;
            return known.map(|_| ()).ok_or(StoreError::Missing);
        }
        trim(connection, user, queue_max).await
    })
    .await
}

/// Drops the user's oldest beyond the bound.
async fn trim(connection: &mut Connection, user: &UserId, queue_max: usize) -> Result<(), StoreError> {
    let of_user = offline_queue::table.filter(offline_queue::user_id.eq(user.as_str()));
    let last_dropped = of_user
        .order(offline_queue::position.desc())
        .offset(i64::try_from(queue_max).unwrap_or(i64::MAX))
        .limit(1)
        .select(offline_queue::position)
        .first::<i64>(connection)
        .await
        .optional()?;
    if let Some(position) = last_dropped {
        diesel::delete(of_user.filter(offline_queue::position.le(position))).execute(connection).await?;
    }
    Ok(())
}
