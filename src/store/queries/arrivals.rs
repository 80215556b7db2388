//! Notifications that other programs have stored. A trigger notes every new row; the server's own are taken off the list in the
//! transaction that stores them, so what is left was stored by others.

use std::{collections::HashSet, sync::Arc};

use diesel::prelude::*;
use diesel_async::RunQueryDsl;

use super::{
    Connection,
    invites::adopt,
    notifications::{COLUMNS, NotificationRow, alive},
    schema::{notification_arrivals, notifications, user_queue},
    user_queue::enqueue_notifications,
};
use crate::{
    limits,
    store::{
        NotificationStatus, StoreError, StoredNotification,
        values::{Id, Moment, now},
    },
};

/// Takes the server's own new rows off the list.
pub async fn own(connection: &mut Connection, ids: &[Id]) -> Result<(), StoreError> {
    for some in ids.chunks(limits::STORE_IDS_PER_QUERY) {
        let ours = notification_arrivals::notification_id.eq_any(some.to_vec());
        diesel::delete(notification_arrivals::table.filter(ours)).execute(connection).await?;
    }
    Ok(())
}

/// Takes some of the others' off the list and queues them for their users. Invites among them can be answered from then on.
pub async fn take(connection: &mut Connection, queue_max: usize) -> Result<Vec<StoredNotification>, StoreError> {
    let listed = notification_arrivals::table
        .limit(limits::ARRIVALS_PER_COMMIT)
        .select(notification_arrivals::notification_id)
        .load::<Id>(connection)
        .await?;
    if listed.is_empty() {
        return Ok(Vec::new());
    }
    write_transaction!(connection, async |connection| {
        let of_these = notification_arrivals::notification_id.eq_any(listed.clone());
        // of several nodes that have found the same ones, the first takes them
        let taken = diesel::delete(notification_arrivals::table.filter(of_these))
            .returning(notification_arrivals::notification_id)
            .get_results::<Id>(connection)
            .await?;
        let rows = notifications::table
            .filter(notifications::id.eq_any(taken))
            .filter(notifications::is_active)
            .filter(notifications::status.ne(NotificationStatus::Read.name()))
            .filter(alive!(now()))
            .order(notifications::created_at)
            .select(COLUMNS)
            .load::<NotificationRow>(connection)
            .await?;
        let mut arrived = Vec::with_capacity(rows.len());
        for row in rows {
            arrived.push(with_invite(connection, row.try_into()?).await?);
        }
        // a node of an earlier release leaves its own rows on the list, and has queued them
        let ids = arrived.iter().map(|stored: &StoredNotification| Some(Id(stored.notification.id.0)));
        let queued = user_queue::table
            .filter(user_queue::notification_id.eq_any(ids))
            .select(user_queue::notification_id.assume_not_null())
            .load::<Id>(connection)
            .await?;
        let queued: HashSet<Id> = queued.into_iter().collect();
        arrived.retain(|stored| !queued.contains(&Id(stored.notification.id.0)));
        enqueue_notifications(connection, &arrived, queue_max).await?;
        Ok(arrived)
    })
    .await
}

/// The notification, with its invite if that can be answered.
async fn with_invite(
    connection: &mut Connection,
    mut stored: StoredNotification,
) -> Result<StoredNotification, StoreError> {
    let Some(news) = &stored.notification.invite else { return Ok(stored) };
    let adopted = adopt(connection, news).await?;
    let notification = Arc::make_mut(&mut stored.notification);
    notification.invite = adopted.map(Arc::new);
    Ok(stored)
}
