//! The queue of each user: notifications and messages that were not written to any socket of the user yet. A socket
//! leases a row to deliver it, and deletes it when it is written. `append` queues messages in the transaction that
//! stores them.

use std::collections::{BTreeSet, HashSet};

use diesel::{dsl::count_star, prelude::*};
use diesel_async::RunQueryDsl;

use super::{
    Connection,
    notifications::{COLUMNS, NotificationRow, alive, category, module_name, priority},
    schema::{notifications, rooms, user_queue},
};
use crate::{
    core::notification::{NotificationFilter, Priority},
    ids::{EventId, NotificationId, RoomId, Seq, Timestamp, UserId},
    limits,
    store::{
        Conversation, Leased, QueueQuery, Queued, QueuedId, QueuedMessages, StoreError, StoredEvent,
        StoredNotification,
        values::{Id, Moment, Payload, now},
    },
};

/// Not leased.
pub const FREE: Moment = Moment(Timestamp { unix_ms: 0 });
/// The rank of high and critical notifications, which are delivered first.
const URGENT: i32 = 0;
/// The rank of everything else.
pub const USUAL: i32 = 1;

const fn rank(priority: Priority) -> i32 {
    match priority {
        Priority::High | Priority::Critical => URGENT,
        Priority::Low | Priority::Normal => USUAL,
    }
}

/// A notification to queue.
#[derive(Insertable)]
#[diesel(table_name = user_queue)]
struct NewRow {
    user_id: String,
    rank: i32,
    leased_until: Moment,
    created_at: Moment,
    notification_id: Id,
}

/// Queues notifications. A user's oldest queued notifications beyond `queue_max` are removed from the queue; they stay
/// in the user's list.
pub async fn enqueue_notifications(
    connection: &mut Connection,
    new: &[StoredNotification],
    queue_max: usize,
) -> Result<(), StoreError> {
    let row = |new: &StoredNotification| NewRow {
        user_id: new.user.to_string(),
        rank: rank(new.notification.priority),
        leased_until: FREE,
        created_at: Moment(new.notification.created_at),
        notification_id: Id(new.notification.id.0),
    };
    let rows: Vec<NewRow> = new.iter().map(row).collect();
    insert_rows!(connection, user_queue::table, rows);
    let queue_max = i64::try_from(queue_max).unwrap_or(i64::MAX);
    let crowded = user_queue::table
        .filter(user_queue::user_id.eq_any(new.iter().map(|new| new.user.as_str())))
        .filter(user_queue::notification_id.is_not_null())
        .group_by(user_queue::user_id)
        .having(count_star().gt(queue_max))
        .select((user_queue::user_id, count_star()))
        .load::<(String, i64)>(connection)
        .await?;
    for (user, queued) in crowded {
        let oldest = user_queue::table
            .filter(user_queue::user_id.eq(user))
            .filter(user_queue::notification_id.is_not_null())
            .order(user_queue::position)
            .limit(queued - queue_max)
            .select(user_queue::position)
            .load::<i64>(connection)
            .await?;
        diesel::delete(user_queue::table.filter(user_queue::position.eq_any(oldest))).execute(connection).await?;
    }
    Ok(())
}

/// Whether anything is queued for each of these users, in order.
pub async fn waits(connection: &mut Connection, users: &[UserId]) -> Result<Vec<bool>, StoreError> {
    let ids: HashSet<&str> = users.iter().map(UserId::as_str).collect();
    let found = user_queue::table
        .filter(user_queue::user_id.eq_any(ids))
        .select(user_queue::user_id)
        .distinct()
        .load::<String>(connection)
        .await?;
    Ok(users.iter().map(|user| found.iter().any(|id| id == user.as_str())).collect())
}

/// A queued row, with the fields that decide whether and when it is delivered.
struct Candidate {
    rank: i32,
    position: i64,
    leased_until: Timestamp,
    item: Queued,
}

pub async fn lease(
    connection: &mut Connection,
    user: &UserId,
    wanted: QueueQuery,
    until: Timestamp,
) -> Result<Leased, StoreError> {
    let at = now();
    write_transaction!(connection, async |connection| {
        let mut found = match &wanted.notifications {
            Some(filter) => queued_notifications(connection, user, filter, wanted.since, at).await?,
            None => Vec::new(),
        };
        found.append(&mut queued_messages(connection, user, wanted.messages, limits::QUEUE_LEASED_MAX, at).await?);
        let (mut free, held): (Vec<_>, Vec<_>) = found.into_iter().partition(|one| one.leased_until <= at);
        free.sort_unstable_by_key(|one| (one.rank, one.position));
        let mut bytes = 0;
        let mut fits = |one: &Candidate| {
            bytes += message_bytes(one);
            bytes <= limits::QUEUE_LEASED_BYTES_MAX
        };
        let count = free.iter().take(limits::QUEUE_LEASED_MAX).take_while(|one| fits(one)).count();
        free.truncate(count.max(1));
        let items = take(connection, free, at, until).await?;
        Ok(Leased { items, held_until: held.iter().map(|one| one.leased_until).min() })
    })
    .await
}

/// Bytes of a message; notifications have their own limits.
fn message_bytes(one: &Candidate) -> usize {
    match &one.item {
        Queued::Notification(_) => 0,
        Queued::Message { event, .. } => event.what.size_bytes(),
    }
}

async fn queued_notifications(
    connection: &mut Connection,
    user: &UserId,
    filter: &NotificationFilter,
    since: Option<Timestamp>,
    at: Timestamp,
) -> Result<Vec<Candidate>, StoreError> {
    let mut queued = user_queue::table
        .inner_join(notifications::table)
        .filter(user_queue::user_id.eq(user.as_str()))
        .filter(alive!(at))
        // Unleased rows first.
        .order((user_queue::leased_until.gt(Moment(at)), user_queue::rank, user_queue::position))
        .limit(limits::QUEUE_LEASED_MAX as i64)
        .select((user_queue::rank, user_queue::position, user_queue::leased_until, COLUMNS))
        .into_boxed();
    if let Some(since) = since {
        queued = queued.filter(notifications::created_at.ge(Moment(since)));
    }
    if let Some(names) = &filter.categories {
        queued = queued.filter(category().eq_any(names.iter().map(|name| name.to_string())));
    }
    if let Some(names) = &filter.modules {
        let modules = module_name().eq_any(names.iter().map(|name| name.to_string()));
        queued = queued.filter(module_name().is_null().or(modules));
    }
    if let Some(levels) = &filter.priorities {
        queued = queued.filter(priority().eq_any(levels.iter().map(|level| level.name())));
    }
    let rows = queued.load::<(i32, i64, Moment, NotificationRow)>(connection).await?;
    let candidate = |(rank, position, Moment(leased_until), row)| {
        let item = Queued::Notification(StoredNotification::try_from(row)?);
        Ok(Candidate { rank, position, leased_until, item })
    };
    rows.into_iter().map(candidate).collect()
}

async fn queued_messages(
    connection: &mut Connection,
    user: &UserId,
    messages: QueuedMessages,
    limit: usize,
    at: Timestamp,
) -> Result<Vec<Candidate>, StoreError> {
    let mut queued = user_queue::table
        .filter(user_queue::user_id.eq(user.as_str()))
        .filter(user_queue::event_id.is_not_null())
        .order((user_queue::leased_until.gt(Moment(at)), user_queue::position))
        .limit(i64::try_from(limit).unwrap_or(i64::MAX))
        .select((
            user_queue::rank,
            user_queue::position,
            user_queue::leased_until,
            user_queue::room_id.assume_not_null(),
            user_queue::seq.assume_not_null(),
            user_queue::event_id.assume_not_null(),
            user_queue::payload.assume_not_null(),
            user_queue::created_at,
        ))
        .into_boxed();
    match messages {
        QueuedMessages::None => return Ok(Vec::new()),
        QueuedMessages::InRoom { room, up_to } => {
            queued = queued.filter(user_queue::room_id.eq(Id(room.0))).filter(user_queue::seq.le(up_to.0));
        }
        QueuedMessages::All => {}
    }
    let rows = queued.load::<(i32, i64, Moment, Id, i64, Id, Payload, Moment)>(connection).await?;
    let candidate = |(rank, position, held, room, seq, id, what, at): (_, _, Moment, Id, _, Id, Payload, Moment)| {
        // events are never queued for their own author
        let client_message_id = None;
        let event = StoredEvent { seq: Seq(seq), id: EventId(id.0), at: at.0, what: what.0, client_message_id };
        Candidate {
            rank,
            position,
            leased_until: held.0,
            item: Queued::Message { room: RoomId(room.0), event: Box::new(event) },
        }
    };
    Ok(rows.into_iter().map(candidate).collect())
}

/// Leases those that no other node has leased in the meantime.
async fn take(
    connection: &mut Connection,
    free: Vec<Candidate>,
    at: Timestamp,
    until: Timestamp,
) -> Result<Vec<Queued>, StoreError> {
    if free.is_empty() {
        return Ok(Vec::new());
    }
    // In the same order on all nodes, to avoid deadlocks.
    let positions: BTreeSet<i64> = free.iter().map(|one| one.position).collect();
    let still_free = user_queue::table
        .filter(user_queue::position.eq_any(positions))
        .filter(user_queue::leased_until.le(Moment(at)));
    let taken: HashSet<i64> = diesel::update(still_free)
        .set(user_queue::leased_until.eq(Moment(until)))
        .returning(user_queue::position)
        .get_results::<i64>(connection)
        .await?
        .into_iter()
        .collect();
    Ok(free.into_iter().filter(|one| taken.contains(&one.position)).map(|one| one.item).collect())
}

/// The head of the room's log, and whether any of its messages are queued for the user.
pub async fn conversation(connection: &mut Connection, user: &UserId, room: RoomId) -> Result<(Seq, bool), StoreError> {
    // In this order: everything queued up to that head is visible to the second query.
    let head = rooms::table.find(Id(room.0)).select(rooms::seq).get_result::<i64>(connection).await?;
    let queued = user_queue::table
        .filter(user_queue::user_id.eq(user.as_str()))
        .filter(user_queue::room_id.eq(Id(room.0)))
        .select(count_star())
        .get_result::<i64>(connection)
        .await?;
    Ok((Seq(head), queued > 0))
}

pub async fn lease_conversation(
    connection: &mut Connection,
    user: &UserId,
    room: RoomId,
    head: Seq,
    until: Timestamp,
) -> Result<Conversation, StoreError> {
    let at = now();
    write_transaction!(connection, async |connection| {
        let all = QueuedMessages::InRoom { room, up_to: Seq(i64::MAX) };
        let found = queued_messages(connection, user, all, usize::MAX, at).await?;
        let (free, held): (Vec<_>, Vec<_>) = found.into_iter().partition(|one| one.leased_until <= at);
        let items = take(connection, free, at, until).await?;
        let mut events: Vec<StoredEvent> = items
            .into_iter()
            .filter_map(|item| match item {
                Queued::Message { event, .. } => Some(*event),
                Queued::Notification(_) => None,
            })
            .collect();
        events.sort_unstable_by_key(|event| event.seq);
        Ok(Conversation { head, events, held_until: held.iter().map(|one| one.leased_until).min() })
    })
    .await
}

/// The positions of these rows, in order.
async fn positions(connection: &mut Connection, rows: &[(UserId, QueuedId)]) -> Result<BTreeSet<i64>, StoreError> {
    let wanted: HashSet<(&str, QueuedId)> = rows.iter().map(|(user, id)| (user.as_str(), *id)).collect();
    let users: HashSet<&str> = rows.iter().map(|(user, _)| user.as_str()).collect();
    let (mut told, mut sent) = (Vec::new(), Vec::new());
    for (_, id) in rows {
        match id {
            QueuedId::Notification(id) => told.push(Some(Id(id.0))),
            QueuedId::Message(id) => sent.push(Some(Id(id.0))),
        }
    }
    let found = user_queue::table
        .filter(user_queue::user_id.eq_any(users))
        .filter(user_queue::notification_id.eq_any(told).or(user_queue::event_id.eq_any(sent)))
        .select((user_queue::position, user_queue::user_id, user_queue::notification_id, user_queue::event_id))
        .load::<(i64, String, Option<Id>, Option<Id>)>(connection)
        .await?;
    let is_wanted = |user: &str, told: Option<Id>, sent: Option<Id>| {
        let told = told.map(|id| QueuedId::Notification(NotificationId(id.0)));
        let id = told.or(sent.map(|id| QueuedId::Message(EventId(id.0))));
        id.is_some_and(|id| wanted.contains(&(user, id)))
    };
    let found = found.into_iter().filter(|(_, user, told, sent)| is_wanted(user, *told, *sent));
    Ok(found.map(|(position, ..)| position).collect())
}

/// Deletes rows that were written to a socket of their user.
pub async fn delivered(connection: &mut Connection, rows: &[(UserId, QueuedId)]) -> Result<Vec<()>, StoreError> {
    let positions = positions(connection, rows).await?;
    if !positions.is_empty() {
        let written = user_queue::table.filter(user_queue::position.eq_any(positions));
        diesel::delete(written).execute(connection).await?;
    }
    Ok(vec![(); rows.len()])
}

/// Ends the leases of these rows, so that the next socket can lease them.
pub async fn give_back(connection: &mut Connection, rows: &[(UserId, QueuedId)]) -> Result<(), StoreError> {
    let positions = positions(connection, rows).await?;
    if !positions.is_empty() {
        let ours = user_queue::table.filter(user_queue::position.eq_any(positions));
        diesel::update(ours).set(user_queue::leased_until.eq(FREE)).execute(connection).await?;
    }
    Ok(())
}

/// Removes notifications that need not be delivered any more, because they were read or dismissed.
pub async fn forget_notifications(connection: &mut Connection, ids: &[Id]) -> Result<(), StoreError> {
    let settled = user_queue::notification_id.eq_any(ids.iter().map(|id| Some(*id)));
    diesel::delete(user_queue::table.filter(settled)).execute(connection).await?;
    Ok(())
}
