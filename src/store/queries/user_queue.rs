//! The queue of each user: notifications and messages that were not written to any socket of the user yet. A socket
//! leases a row to deliver it, and deletes it when it is written. `append` queues messages in the transaction that
//! stores them.

use std::collections::{BTreeSet, HashMap, HashSet};

use diesel::{
    dsl::{count_star, sql},
    prelude::*,
    sql_types::BigInt,
};
use diesel_async::RunQueryDsl;

use super::{
    Connection, PAYLOAD_BYTES,
    notifications::{COLUMNS, NotificationRow, alive, category, module_name, priority},
    schema::{notifications, rooms, user_queue},
    user_id,
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
struct Candidate<T> {
    rank: i32,
    position: i64,
    leased_until: Timestamp,
    item: T,
}

/// What is leased: a notification as read, or a message of so many bytes that is read when it is leased.
enum Leasable {
    Notification(Box<StoredNotification>),
    Message { bytes: usize },
}

/// A request to lease rows of a user's queue until that time.
type LeaseRequest = (UserId, QueueQuery, Timestamp);

/// A row of a user's queue, as far as it decides what is leased.
struct QueuedRow {
    rank: i32,
    position: i64,
    leased_until: Timestamp,
    /// Of a message.
    place: Option<(RoomId, Seq)>,
    bytes: usize,
}

/// Leases rows for several sockets: the rows of all of them are read and leased together.
pub async fn lease_each(connection: &mut Connection, asked: &[LeaseRequest]) -> Result<Vec<Leased>, StoreError> {
    let at = now();
    let until = asked.iter().map(|(.., until)| *until).max().unwrap_or(at);
    write_transaction!(connection, async |connection| {
        let rows = rows_of(connection, asked).await?;
        let (mut chosen, mut leased) = (Vec::with_capacity(asked.len()), HashSet::new());
        for (user, wanted, _) in asked {
            let queued = rows.get(user).map(Vec::as_slice).unwrap_or_default();
            let mut found = match &wanted.notifications {
                Some(filter) if queued.iter().any(|row| row.place.is_none()) => {
                    queued_notifications(connection, user, filter, wanted.since, at).await?
                }
                Some(_) | None => Vec::new(),
            };
            found.extend(messages_among(queued, wanted.messages));
            let is_free = |one: &Candidate<_>| one.leased_until <= at && !leased.contains(&one.position);
            let (free, held): (Vec<_>, Vec<_>) = found.into_iter().partition(is_free);
            let free = first_to_lease(free);
            leased.extend(free.iter().map(|one| one.position));
            // a row that is leased for an earlier request of this batch is still free in the database
            let held_until = |one: &Candidate<_>| if one.leased_until <= at { until } else { one.leased_until };
            chosen.push((free, held.iter().map(held_until).min()));
        }
        let mut taken = take(connection, leased.into_iter().collect(), at, until).await?;
        let leased = chosen.into_iter().zip([1].into_iter().chain(std::iter::repeat(0)));
        let leased = leased.map(|((free, held_until), reads)| {
            let items = free.into_iter().filter_map(|one| match (one.item, taken.remove(&one.position)?) {
                (Leasable::Notification(stored), _) => Some(Queued::Notification(*stored)),
                (Leasable::Message { .. }, message) => message,
            });
            Leased { items: items.collect(), held_until, reads }
        });
        Ok(leased.collect())
    })
    .await
}

/// The queued rows of all users who are named.
async fn rows_of(
    connection: &mut Connection,
    asked: &[LeaseRequest],
) -> Result<HashMap<UserId, Vec<QueuedRow>>, StoreError> {
    let users: HashSet<&str> = asked.iter().map(|(user, ..)| user.as_str()).collect();
    let found = user_queue::table
        .filter(user_queue::user_id.eq_any(users))
        .select((
            user_queue::user_id,
            user_queue::rank,
            user_queue::position,
            user_queue::leased_until,
            user_queue::room_id,
            user_queue::seq,
            sql::<BigInt>(PAYLOAD_BYTES),
        ))
        .load::<(String, i32, i64, Moment, Option<Id>, Option<i64>, i64)>(connection)
        .await?;
    let mut rows: HashMap<UserId, Vec<QueuedRow>> = HashMap::new();
    for (user, rank, position, Moment(leased_until), room, seq, bytes) in found {
        let place = room.zip(seq).map(|(Id(room), seq)| (RoomId(room), Seq(seq)));
        let bytes = usize::try_from(bytes).unwrap_or_default();
        let row = QueuedRow { rank, position, leased_until, place, bytes };
        rows.entry(user_id(user)?).or_default().push(row);
    }
    Ok(rows)
}

/// The messages that a socket can show.
fn messages_among(rows: &[QueuedRow], messages: QueuedMessages) -> impl Iterator<Item = Candidate<Leasable>> {
    let is_shown = move |row: &&QueuedRow| match (messages, row.place) {
        (QueuedMessages::None, _) | (_, None) => false,
        (QueuedMessages::All, Some(_)) => true,
        (QueuedMessages::InRoom { room, up_to }, Some((of, seq))) => room == of && seq <= up_to,
    };
    rows.iter().filter(is_shown).map(|row| Candidate {
        rank: row.rank,
        position: row.position,
        leased_until: row.leased_until,
        item: Leasable::Message { bytes: row.bytes },
    })
}

/// Those that are delivered first, within the bounds of a lease.
fn first_to_lease(mut free: Vec<Candidate<Leasable>>) -> Vec<Candidate<Leasable>> {
    free.sort_unstable_by_key(|one| (one.rank, one.position));
    let (mut notifications, mut messages, mut bytes_in_all) = (0, 0, 0);
    let mut fits = |one: &Candidate<Leasable>| {
        match &one.item {
            Leasable::Notification(_) => notifications += 1,
            Leasable::Message { bytes } => (messages, bytes_in_all) = (messages + 1, bytes_in_all + bytes),
        }
        notifications <= limits::QUEUE_LEASED_MAX
            && messages <= limits::QUEUE_LEASED_MESSAGES_MAX
            && bytes_in_all <= limits::QUEUE_LEASED_BYTES_MAX
    };
    let count = free.iter().take_while(|one| fits(one)).count();
    free.truncate(count.max(1));
    free
}

async fn queued_notifications(
    connection: &mut Connection,
    user: &UserId,
    filter: &NotificationFilter,
    since: Option<Timestamp>,
    at: Timestamp,
) -> Result<Vec<Candidate<Leasable>>, StoreError> {
    let mut queued = user_queue::table
        .inner_join(notifications::table)
        .filter(user_queue::user_id.eq(user.as_str()))
        .filter(alive!(at))
        // Unleased rows first.
        .order((user_queue::leased_until.gt(Moment(at)), user_queue::rank, user_queue::position))
        // one more than is leased, so that nothing behind it is leased before it
        .limit(limits::QUEUE_LEASED_MAX as i64 + 1)
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
        let item = Leasable::Notification(Box::new(StoredNotification::try_from(row)?));
        Ok(Candidate { rank, position, leased_until, item })
    };
    rows.into_iter().map(candidate).collect()
}

/// The queued messages of a conversation, in order.
async fn queued_in(
    connection: &mut Connection,
    user: &UserId,
    room: RoomId,
) -> Result<Vec<(i64, Timestamp)>, StoreError> {
    let rows = user_queue::table
        .filter(user_queue::user_id.eq(user.as_str()))
        .filter(user_queue::room_id.eq(Id(room.0)))
        .order(user_queue::position)
        .select((user_queue::position, user_queue::leased_until))
        .load::<(i64, Moment)>(connection)
        .await?;
    Ok(rows.into_iter().map(|(position, Moment(leased_until))| (position, leased_until)).collect())
}

/// A leased row: a message, or `None` for a notification.
type TakenRow = Option<Queued>;

/// Leases those that no other node has leased in the meantime. Messages are read by the same statement.
async fn take(
    connection: &mut Connection,
    positions: BTreeSet<i64>,
    at: Timestamp,
    until: Timestamp,
) -> Result<HashMap<i64, TakenRow>, StoreError> {
    if positions.is_empty() {
        return Ok(HashMap::new());
    }
    // In the same order on all nodes, to avoid deadlocks.
    let still_free = user_queue::table
        .filter(user_queue::position.eq_any(positions))
        .filter(user_queue::leased_until.le(Moment(at)));
    let taken = diesel::update(still_free)
        .set(user_queue::leased_until.eq(Moment(until)))
        .returning((
            user_queue::position,
            user_queue::room_id,
            user_queue::seq,
            user_queue::event_id,
            user_queue::payload,
            user_queue::created_at,
        ))
        .get_results::<(i64, Option<Id>, Option<i64>, Option<Id>, Option<Payload>, Moment)>(connection)
        .await?;
    let row = |(position, room, seq, id, what, Moment(at)): (i64, Option<Id>, Option<i64>, Option<Id>, _, _)| {
        let what: Option<Payload> = what;
        let message = room.zip(seq).zip(id.zip(what)).map(|((room, seq), (id, what))| {
            // events are never queued for their own author
            let client_message_id = None;
            let event = StoredEvent { seq: Seq(seq), id: EventId(id.0), at, what: what.0, client_message_id };
            Queued::Message { room: RoomId(room.0), event: Box::new(event) }
        });
        (position, message)
    };
    Ok(taken.into_iter().map(row).collect())
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
        let found = queued_in(connection, user, room).await?;
        let (free, held): (Vec<_>, Vec<_>) = found.into_iter().partition(|(_, leased_until)| *leased_until <= at);
        let taken = take(connection, free.into_iter().map(|(position, _)| position).collect(), at, until).await?;
        let mut events: Vec<StoredEvent> = taken
            .into_values()
            .filter_map(|row| match row? {
                Queued::Message { event, .. } => Some(*event),
                Queued::Notification(_) => None,
            })
            .collect();
        events.sort_unstable_by_key(|event| event.seq);
        Ok(Conversation { head, events, held_until: held.iter().map(|(_, leased_until)| *leased_until).min() })
    })
    .await
}

/// The positions of these rows, in order. A user's queue is bounded, so it is read whole: with both users and ids given, a
/// database might look for each pair.
async fn positions(connection: &mut Connection, rows: &[(UserId, QueuedId)]) -> Result<BTreeSet<i64>, StoreError> {
    let wanted: HashSet<(&str, QueuedId)> = rows.iter().map(|(user, id)| (user.as_str(), *id)).collect();
    let users: HashSet<&str> = rows.iter().map(|(user, _)| user.as_str()).collect();
    let found = user_queue::table
        .filter(user_queue::user_id.eq_any(users))
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

/// Deletes rows that were written to a socket of their user, for several sockets.
pub async fn delivered(
    connection: &mut Connection,
    written: &[(UserId, Vec<QueuedId>)],
) -> Result<Vec<()>, StoreError> {
    let rows = written.iter().flat_map(|(user, ids)| ids.iter().map(|id| (user.clone(), *id)));
    let positions = positions(connection, &rows.collect::<Vec<_>>()).await?;
    if !positions.is_empty() {
        let written = user_queue::table.filter(user_queue::position.eq_any(positions));
        diesel::delete(written).execute(connection).await?;
    }
    Ok(vec![(); written.len()])
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
