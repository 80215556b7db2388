//! Notifications that no socket of their user has heard yet.

use std::collections::HashSet;

use diesel::prelude::*;
use diesel_async::RunQueryDsl;

use super::{
    Connection,
    notifications::{COLUMNS, NotificationRow, alive, category, module_name, priority},
    schema::{notification_queue, notifications},
};
use crate::{
    core::notification::{Notification, NotificationFilter, Priority},
    ids::{NotificationId, Timestamp, UserId},
    limits,
    store::{
        StoreError, StoredNotification,
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

pub async fn enqueue(
    connection: &mut Connection,
    user: &UserId,
    notification: &Notification,
) -> Result<(), StoreError> {
    diesel::insert_into(notification_queue::table)
        .values((
            notification_queue::notification_id.eq(Id(notification.id.0)),
            notification_queue::user_id.eq(user.as_str()),
            notification_queue::rank.eq(rank(notification.priority)),
            notification_queue::leased_until.eq(FREE),
        ))
        .execute(connection)
        .await?;
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
    filter: NotificationFilter,
    until: Timestamp,
) -> Result<Vec<StoredNotification>, StoreError> {
    let at = now();
    write_transaction!(connection, async |connection| {
        let mut free = notification_queue::table
            .inner_join(notifications::table)
            .filter(notification_queue::user_id.eq(user.as_str()))
            .filter(notification_queue::leased_until.le(Moment(at)))
            .filter(alive!(at))
            .order((notification_queue::rank, notification_queue::notification_id))
            .limit(limits::NOTIFICATIONS_IN_HAND_MAX as i64)
            .select(COLUMNS)
            .into_boxed();
        if let Some(names) = &filter.categories {
            free = free.filter(category().eq_any(names.iter().map(|name| name.to_string())));
        }
        if let Some(names) = &filter.modules {
            let wanted = module_name().eq_any(names.iter().map(|name| name.to_string()));
            free = free.filter(module_name().is_null().or(wanted));
        }
        if let Some(levels) = &filter.priorities {
            free = free.filter(priority().eq_any(levels.iter().map(|level| level.name())));
        }
        let found: Vec<StoredNotification> = free
            .load::<NotificationRow>(connection)
            .await?
            .into_iter()
            .map(StoredNotification::try_from)
            .collect::<Result<_, _>>()?;
        // another node may have taken some in the meantime
        let ids = found.iter().map(|one| Id(one.notification.id.0));
        let still_free = notification_queue::table
            .filter(notification_queue::notification_id.eq_any(ids))
            .filter(notification_queue::leased_until.le(Moment(at)));
        let taken = diesel::update(still_free)
            .set(notification_queue::leased_until.eq(Moment(until)))
            .returning(notification_queue::notification_id)
            .get_results::<Id>(connection)
            .await?;
        Ok(found.into_iter().filter(|one| taken.contains(&Id(one.notification.id.0))).collect())
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
