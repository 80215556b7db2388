//! Notifications that no socket of their user has heard yet.

use std::collections::HashSet;

use diesel::{dsl::count_star, prelude::*};
use diesel_async::RunQueryDsl;

use super::{
    Connection,
    notifications::{COLUMNS, NotificationRow, alive, category, module_name, priority},
    schema::{notification_queue, notifications},
};
use crate::{
    core::notification::Priority,
    ids::{NotificationId, Timestamp, UserId},
    limits,
    store::{
        Leased, StoreError, StoredNotification, WaitingQuery,
        values::{Id, Moment, now},
    },
};

/// In nobody's hand.
const FREE: Moment = Moment(Timestamp { unix_ms: 0 });

/// Which go first.
const fn rank(priority: Priority) -> i32 {
    match priority {
        Priority::High | Priority::Critical => 0,
        Priority::Low | Priority::Normal => 1,
    }
}

/// A notification that is to be queued.
#[derive(Insertable)]
#[diesel(table_name = notification_queue)]
struct NewRow {
    notification_id: Id,
    user_id: String,
    rank: i32,
    leased_until: Moment,
}

/// Queues notifications. Of what waits for a user, the oldest beyond `queue_max` is not told any more; it stays in the
/// user's list.
pub async fn enqueue(
    connection: &mut Connection,
    new: &[StoredNotification],
    queue_max: usize,
) -> Result<(), StoreError> {
    let row = |new: &StoredNotification| NewRow {
        notification_id: Id(new.notification.id.0),
        user_id: new.user.to_string(),
        rank: rank(new.notification.priority),
        leased_until: FREE,
    };
    let rows: Vec<NewRow> = new.iter().map(row).collect();
    insert_rows!(connection, notification_queue::table, rows);
    let queue_max = i64::try_from(queue_max).unwrap_or(i64::MAX);
    let crowded = notification_queue::table
        .filter(notification_queue::user_id.eq_any(new.iter().map(|new| new.user.as_str())))
        .group_by(notification_queue::user_id)
        .having(count_star().gt(queue_max))
        .select((notification_queue::user_id, count_star()))
        .load::<(String, i64)>(connection)
        .await?;
    for (user, waiting) in crowded {
        let oldest = notification_queue::table
            .filter(notification_queue::user_id.eq(user))
            .order(notification_queue::notification_id)
            .limit(waiting - queue_max)
            .select(notification_queue::notification_id)
            .load::<Id>(connection)
            .await?;
        diesel::delete(notification_queue::table.filter(notification_queue::notification_id.eq_any(oldest)))
            .execute(connection)
            .await?;
    }
    Ok(())
}

/// For each of them, in their order, whether anything waits.
pub async fn waiting(connection: &mut Connection, users: &[UserId]) -> Result<Vec<bool>, StoreError> {
    let ids: HashSet<&str> = users.iter().map(UserId::as_str).collect();
    let found = notification_queue::table
        .filter(notification_queue::user_id.eq_any(ids))
        .select(notification_queue::user_id)
        .distinct()
        .load::<String>(connection)
        .await?;
    Ok(users.iter().map(|user| found.iter().any(|id| id == user.as_str())).collect())
}

pub async fn lease(
    connection: &mut Connection,
    user: &UserId,
    wanted: WaitingQuery,
    until: Timestamp,
) -> Result<Leased, StoreError> {
    let at = now();
    write_transaction!(connection, async |connection| {
        let mut waiting = notification_queue::table
            .inner_join(notifications::table)
            .filter(notification_queue::user_id.eq(user.as_str()))
            .filter(alive!(at))
            // what is in nobody's hand goes first
            .order((
                notification_queue::leased_until.gt(Moment(at)),
                notification_queue::rank,
                notification_queue::notification_id,
            ))
            .limit(limits::NOTIFICATIONS_IN_HAND_MAX as i64)
            .select((notification_queue::leased_until, COLUMNS))
            .into_boxed();
        if let Some(since) = wanted.since {
            waiting = waiting.filter(notifications::created_at.ge(Moment(since)));
        }
        if let Some(names) = &wanted.filter.categories {
            waiting = waiting.filter(category().eq_any(names.iter().map(|name| name.to_string())));
        }
        if let Some(names) = &wanted.filter.modules {
            let modules = module_name().eq_any(names.iter().map(|name| name.to_string()));
            waiting = waiting.filter(module_name().is_null().or(modules));
        }
        if let Some(levels) = &wanted.filter.priorities {
            waiting = waiting.filter(priority().eq_any(levels.iter().map(|level| level.name())));
        }
        let found = waiting.load::<(Moment, NotificationRow)>(connection).await?;
        let (free, held): (Vec<_>, Vec<_>) = found.into_iter().partition(|(Moment(held), _)| *held <= at);
        let free: Vec<StoredNotification> =
            free.into_iter().map(|(_, row)| StoredNotification::try_from(row)).collect::<Result<_, _>>()?;
        // another node may have taken some in the meantime
        let ids = free.iter().map(|one| Id(one.notification.id.0));
        let still_free = notification_queue::table
            .filter(notification_queue::notification_id.eq_any(ids))
            .filter(notification_queue::leased_until.le(Moment(at)));
        let taken = diesel::update(still_free)
            .set(notification_queue::leased_until.eq(Moment(until)))
            .returning(notification_queue::notification_id)
            .get_results::<Id>(connection)
            .await?;
        Ok(Leased {
            notifications: free.into_iter().filter(|one| taken.contains(&Id(one.notification.id.0))).collect(),
            held_until: held.iter().map(|(Moment(held), _)| *held).min(),
        })
    })
    .await
}

/// Forgets that they wait.
pub async fn told(connection: &mut Connection, ids: &[NotificationId]) -> Result<Vec<()>, StoreError> {
    let heard: HashSet<NotificationId> = ids.iter().copied().collect();
    let heard = notification_queue::notification_id.eq_any(heard.into_iter().map(|id| Id(id.0)));
    diesel::delete(notification_queue::table.filter(heard)).execute(connection).await?;
    Ok(vec![(); ids.len()])
}

pub async fn give_back(connection: &mut Connection, ids: &[NotificationId]) -> Result<(), StoreError> {
    let ours = notification_queue::notification_id.eq_any(ids.iter().map(|id| Id(id.0)));
    diesel::update(notification_queue::table.filter(ours))
        .set(notification_queue::leased_until.eq(FREE))
        .execute(connection)
        .await?;
    Ok(())
}
