//! Notifications. Fields without a column are in `data`, which both databases query with `->>`.

use std::{collections::HashMap, sync::Arc};

use diesel::{
    dsl::{count_star, sql},
    expression::SqlLiteral,
    prelude::*,
    sql_types,
};
use diesel_async::RunQueryDsl;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::{
    Connection,
    arrivals::own,
    schema::notifications,
    user_id,
    user_queue::{enqueue_notifications, forget_notifications},
};
use crate::{
    core::{
        command::RawJson,
        invite::{Invite, InviteHappening, InviteNews, InviteState},
        notification::{INVITES, Notification, Priority},
    },
    ids::{NotificationId, UserId},
    limits,
    store::{
        NewNotification, NotificationQuery, NotificationStatus, ReadMark, StoreError, StoredNotification, UnreadCount,
        invite_data,
        values::{Id, JsonText, Moment, now, storable, storable_json},
    },
};

/// `notifications.type` of the rows written here.
const UPDATES: &str = "updates";

type Columns = (
    notifications::id,
    notifications::user_id,
    notifications::kind,
    notifications::title,
    notifications::message,
    notifications::data,
    notifications::status,
    notifications::created_at,
    notifications::updated_at,
    notifications::expires_at,
);

/// The columns of a [`NotificationRow`].
pub const COLUMNS: Columns = (
    notifications::id,
    notifications::user_id,
    notifications::kind,
    notifications::title,
    notifications::message,
    notifications::data,
    notifications::status,
    notifications::created_at,
    notifications::updated_at,
    notifications::expires_at,
);

/// A stored notification.
#[derive(Queryable)]
pub struct NotificationRow {
    id: Id,
    user_id: String,
    kind: String,
    title: String,
    message: String,
    data: JsonText,
    status: String,
    created_at: Moment,
    updated_at: Moment,
    expires_at: Option<Moment>,
}

/// The contents of `data`. Rows of other programs have other fields.
#[derive(Serialize, Deserialize)]
struct Details<'a> {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    category: Option<String>,
    #[serde(default)]
    priority: Priority,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    module_name: Option<String>,
    #[serde(borrow, default, skip_serializing_if = "Option::is_none")]
    data: Option<&'a RawValue>,
}

/// What is read from `data`.
struct Content {
    category: String,
    priority: Priority,
    module: Option<String>,
    data: Option<RawJson>,
    invite: Option<InviteNews>,
}

impl Content {
    /// Reads `data` of a row of that type; `received` reads that of an invite. Other programs may have written anything: what
    /// is not understood is passed on unchanged if it is an object.
    fn read(kind: &str, json: &str, received: impl FnOnce(&str) -> Option<InviteNews>) -> Content {
        let whole = || json.trim_start().starts_with('{').then(|| RawJson::from_parsed(json));
        let plain = Content {
            category: kind.to_owned(),
            priority: Priority::default(),
            module: None,
            data: whole(),
            invite: None,
        };
        if kind == INVITES {
            return Content { invite: received(json), ..plain };
        }
        let Ok(details) = serde_json::from_str::<Details<'_>>(json) else { return plain };
        let data = details.data.map(|data| RawJson::from_parsed(data.get()));
        let category = details.category.unwrap_or_else(|| kind.to_owned());
        let is_about_invite = category == INVITES;
        Content {
            invite: data.as_ref().filter(|_| is_about_invite).and_then(|data| invite_data::news(data.as_str())),
            category,
            priority: details.priority,
            module: details.module_name,
            data,
        }
    }
}

impl TryFrom<NotificationRow> for StoredNotification {
    type Error = StoreError;

    fn try_from(row: NotificationRow) -> Result<StoredNotification, StoreError> {
        let (id, user) = (NotificationId(row.id.0), user_id(row.user_id)?);
        let times = (row.created_at.0, row.expires_at.map(|moment| moment.0));
        let content = Content::read(&row.kind, &row.data.0, |text| invite_data::received(text, id, &user, times));
        let notification = Notification {
            id,
            title: row.title.into(),
            message: row.message.into(),
            category: content.category.into(),
            priority: content.priority,
            module: content.module.map(Into::into),
            data: content.data,
            created_at: row.created_at.0,
            invite: content.invite.map(Arc::new),
        };
        Ok(StoredNotification {
            user,
            kind: row.kind,
            notification: Arc::new(notification),
            // other programs may use other words
            status: NotificationStatus::from_name(&row.status).unwrap_or(NotificationStatus::Unread),
            updated_at: row.updated_at.0,
            expires_at: row.expires_at.map(|moment| moment.0),
        })
    }
}

fn details(new: &NewNotification) -> Result<JsonText, StoreError> {
    let fault = |error: serde_json::Error| StoreError::Fault(error.to_string());
    let data = new.data.as_ref().map(|data| storable_json(data.as_str()));
    let data = data.as_deref().map(serde_json::from_str).transpose().map_err(fault)?;
    let details = Details {
        category: Some(storable(&new.category).into_owned()),
        priority: new.priority,
        module_name: new.module.as_deref().map(|module| storable(module).into_owned()),
        data,
    };
    serde_json::to_string(&details).map(JsonText).map_err(fault)
}

/// The category in `data`.
pub fn category() -> SqlLiteral<sql_types::Nullable<sql_types::Text>> {
    sql("(data ->> 'category')")
}

/// The module in `data`.
pub fn module_name() -> SqlLiteral<sql_types::Nullable<sql_types::Text>> {
    sql("(data ->> 'module_name')")
}

/// The priority in `data`.
pub fn priority() -> SqlLiteral<sql_types::Nullable<sql_types::Text>> {
    sql("(data ->> 'priority')")
}

/// Condition: not expired at that time.
macro_rules! alive {
    ($at:expr) => {
        notifications::expires_at.is_null().or(notifications::expires_at.gt(Moment($at)))
    };
}
pub(super) use alive;

/// A notification to store.
#[derive(Insertable, Clone)]
#[diesel(table_name = notifications)]
struct NewRow {
    id: Id,
    user_id: String,
    kind: &'static str,
    title: String,
    message: String,
    data: JsonText,
    status: &'static str,
    created_at: Moment,
    updated_at: Moment,
    expires_at: Option<Moment>,
}

impl From<NewRow> for NotificationRow {
    fn from(row: NewRow) -> NotificationRow {
        NotificationRow {
            id: row.id,
            user_id: row.user_id,
            kind: row.kind.into(),
            title: row.title,
            message: row.message,
            data: row.data,
            status: row.status.into(),
            created_at: row.created_at,
            updated_at: row.updated_at,
            expires_at: row.expires_at,
        }
    }
}

/// Stores one for each of the users, with a few statements for all of them.
pub async fn create(
    connection: &mut Connection,
    users: &[UserId],
    new: &NewNotification,
    queue_max: usize,
) -> Result<Vec<StoredNotification>, StoreError> {
    write_transaction!(connection, async |connection| add(connection, users, new, queue_max).await).await
}

/// The same within a transaction.
pub async fn add(
    connection: &mut Connection,
    users: &[UserId],
    new: &NewNotification,
    queue_max: usize,
) -> Result<Vec<StoredNotification>, StoreError> {
    let (data, created_at) = (details(new)?, Moment(now()));
    let row = |user: &UserId| NewRow {
        id: Id(NotificationId::generate().0),
        user_id: user.to_string(),
        kind: UPDATES,
        title: storable(&new.title).into_owned(),
        message: storable(&new.message).into_owned(),
        data: data.clone(),
        status: NotificationStatus::Unread.name(),
        created_at,
        updated_at: created_at,
        expires_at: new.expires_at.map(Moment),
    };
    let rows: Vec<NewRow> = users.iter().map(row).collect();
    let stored: Result<Vec<StoredNotification>, StoreError> =
        rows.iter().cloned().map(|row| NotificationRow::from(row).try_into()).collect();
    let stored = stored?;
    let ids: Vec<Id> = rows.iter().map(|row| row.id).collect();
    insert_rows!(connection, notifications::table, rows);
    own(connection, &ids).await?;
    enqueue_notifications(connection, &stored, queue_max).await?;
    trim(connection, users).await?;
    Ok(stored)
}

/// Stores the notification of an invite, which has its id and expires with it, within a transaction.
pub async fn add_invite(
    connection: &mut Connection,
    invite: &Invite,
    queue_max: usize,
) -> Result<StoredNotification, StoreError> {
    let news = InviteNews { happening: InviteHappening::Received, invite: invite.clone() };
    let row = NewRow {
        id: Id(invite.id.0),
        user_id: invite.to.id.to_string(),
        kind: INVITES,
        title: storable(&news.title()).into_owned(),
        message: storable(&news.text()).into_owned(),
        data: JsonText(storable_json(&invite_data::of_received(invite)?).into_owned()),
        status: NotificationStatus::Unread.name(),
        created_at: Moment(invite.created_at),
        updated_at: Moment(invite.created_at),
        expires_at: Some(Moment(invite.expires_at)),
    };
    let stored = StoredNotification::try_from(NotificationRow::from(row.clone()))?;
    insert_rows!(connection, notifications::table, vec![row]);
    own(connection, &[Id(invite.id.0)]).await?;
    enqueue_notifications(connection, std::slice::from_ref(&stored), queue_max).await?;
    Ok(stored)
}

/// An invite was answered: its notification has the status, and is not listed or delivered any more.
pub async fn close_invite(
    connection: &mut Connection,
    id: NotificationId,
    status: NotificationStatus,
    state: InviteState,
) -> Result<(), StoreError> {
    let there = notifications::table.find(Id(id.0));
    let JsonText(data) = there.select(notifications::data).get_result::<JsonText>(connection).await?;
    diesel::update(there)
        .set((
            notifications::status.eq(status.name()),
            notifications::is_active.eq(false),
            notifications::data.eq(JsonText(invite_data::with_state(&data, state))),
            notifications::updated_at.eq(Moment(now())),
        ))
        .execute(connection)
        .await?;
    forget_notifications(connection, &[Id(id.0)]).await
}

/// Drops each user's oldest ones beyond the limit, read ones before unread ones.
async fn trim(connection: &mut Connection, users: &[UserId]) -> Result<(), StoreError> {
    // Rows of other types belong to other programs.
    let of_users = notifications::table
        .filter(notifications::user_id.eq_any(users.iter().map(UserId::as_str)))
        .filter(notifications::kind.eq(UPDATES));
    let crowded = of_users
        .group_by(notifications::user_id)
        .having(count_star().gt(limits::NOTIFICATIONS_PER_USER_MAX as i64))
        .select((notifications::user_id, count_star()))
        .load::<(String, i64)>(connection)
        .await?;
    for (user, kept) in crowded {
        let oldest = notifications::table
            .filter(notifications::user_id.eq(user))
            .filter(notifications::kind.eq(UPDATES))
            .order((notifications::status.eq(NotificationStatus::Unread.name()), notifications::id))
            .limit(kept - limits::NOTIFICATIONS_PER_USER_MAX as i64)
            .select(notifications::id)
            .load::<Id>(connection)
            .await?;
        diesel::delete(notifications::table.filter(notifications::id.eq_any(oldest))).execute(connection).await?;
    }
    Ok(())
}

pub async fn update(
    connection: &mut Connection,
    id: NotificationId,
    new: &NewNotification,
) -> Result<Option<StoredNotification>, StoreError> {
    let there = notifications::table.find(Id(id.0)).filter(notifications::is_active);
    let row = diesel::update(there)
        .set((
            notifications::title.eq(storable(&new.title).as_ref()),
            notifications::message.eq(storable(&new.message).as_ref()),
            notifications::data.eq(details(new)?),
            notifications::updated_at.eq(Moment(now())),
            notifications::expires_at.eq(new.expires_at.map(Moment)),
        ))
        .returning(COLUMNS)
        .get_result::<NotificationRow>(connection)
        .await
        .optional()?;
    row.map(StoredNotification::try_from).transpose()
}

pub async fn by_id(connection: &mut Connection, id: NotificationId) -> Result<Option<StoredNotification>, StoreError> {
    let found = notifications::table.find(Id(id.0)).filter(notifications::is_active);
    let row = found.select(COLUMNS).get_result::<NotificationRow>(connection).await.optional()?;
    row.map(StoredNotification::try_from).transpose()
}

pub async fn page(
    connection: &mut Connection,
    user: &UserId,
    query: NotificationQuery,
    limit: i64,
) -> Result<Vec<StoredNotification>, StoreError> {
    let of_user = notifications::table.filter(notifications::user_id.eq(user.as_str())).filter(alive!(now()));
    let mut wanted = of_user.order(notifications::id.desc()).limit(limit).select(COLUMNS).into_boxed();
    wanted = match query.status {
        None => wanted.filter(notifications::is_active),
        Some(status) => wanted.filter(notifications::status.eq(status.name())),
    };
    if let Some(before) = query.before {
        wanted = wanted.filter(notifications::id.lt(Id(before.0)));
    }
    if let Some(text) = query.category {
        wanted = wanted.filter(category().eq(text));
    }
    if let Some(level) = query.priority {
        wanted = wanted.filter(priority().eq(level.name()));
    }
    let rows = wanted.load::<NotificationRow>(connection).await?;
    rows.into_iter().map(StoredNotification::try_from).collect()
}

pub async fn unread(connection: &mut Connection, user: &UserId) -> Result<Vec<UnreadCount>, StoreError> {
    let rows = notifications::table
        .filter(notifications::user_id.eq(user.as_str()))
        .filter(notifications::status.eq(NotificationStatus::Unread.name()))
        .filter(alive!(now()))
        .select((notifications::kind, category(), priority()))
        .load::<(String, Option<String>, Option<String>)>(connection)
        .await?;
    let mut counts: HashMap<(String, Priority), i64> = HashMap::new();
    for (kind, category, priority) in rows {
        let priority = priority.as_deref().and_then(Priority::from_name).unwrap_or_default();
        *counts.entry((category.unwrap_or(kind), priority)).or_default() += 1;
    }
    let count = |((category, priority), count)| UnreadCount { category, priority, count };
    Ok(counts.into_iter().map(count).collect())
}

pub async fn mark_read(
    connection: &mut Connection,
    user: &UserId,
    id: NotificationId,
) -> Result<Option<ReadMark>, StoreError> {
    write_transaction!(connection, async |connection| {
        let there = notifications::table
            .find(Id(id.0))
            .filter(notifications::user_id.eq(user.as_str()))
            .filter(notifications::is_active);
        let unread = there.filter(notifications::status.eq(NotificationStatus::Unread.name()));
        let changed = diesel::update(unread)
            .set((
                notifications::status.eq(NotificationStatus::Read.name()),
                notifications::updated_at.eq(Moment(now())),
            ))
            .execute(connection)
            .await?;
        if changed > 0 {
            forget_notifications(connection, &[Id(id.0)]).await?;
            return Ok(Some(ReadMark::New));
        }
        let known = there.select(notifications::id).get_result::<Id>(connection).await.optional()?;
        Ok(known.map(|_| ReadMark::Already))
    })
    .await
}

pub async fn mark_all_read(connection: &mut Connection, user: &UserId) -> Result<usize, StoreError> {
    write_transaction!(connection, async |connection| {
        // Expired ones are not counted, as in the counts and lists.
        let unread = notifications::table
            .filter(notifications::user_id.eq(user.as_str()))
            .filter(notifications::status.eq(NotificationStatus::Unread.name()))
            .filter(alive!(now()));
        let read = diesel::update(unread)
            .set((
                notifications::status.eq(NotificationStatus::Read.name()),
                notifications::updated_at.eq(Moment(now())),
            ))
            .returning(notifications::id)
            .get_results::<Id>(connection)
            .await?;
        forget_notifications(connection, &read).await?;
        Ok(read.len())
    })
    .await
}

pub async fn dismiss(connection: &mut Connection, user: &UserId, id: NotificationId) -> Result<bool, StoreError> {
    write_transaction!(connection, async |connection| {
        let there = notifications::table
            .find(Id(id.0))
            .filter(notifications::user_id.eq(user.as_str()))
            .filter(notifications::is_active);
        let changed = diesel::update(there)
            .set((
                notifications::status.eq(NotificationStatus::Dismissed.name()),
                notifications::is_active.eq(false),
                notifications::updated_at.eq(Moment(now())),
            ))
            .execute(connection)
            .await?;
        if changed > 0 {
            forget_notifications(connection, &[Id(id.0)]).await?;
        }
        Ok(changed > 0)
    })
    .await
}

/// What is read is no longer queued.
pub async fn dismiss_read(connection: &mut Connection, user: &UserId) -> Result<usize, StoreError> {
    let read = notifications::table
        .filter(notifications::user_id.eq(user.as_str()))
        .filter(notifications::kind.eq(UPDATES))
        .filter(notifications::status.eq(NotificationStatus::Read.name()))
        .filter(notifications::is_active);
    let dismissed = (
        notifications::status.eq(NotificationStatus::Dismissed.name()),
        notifications::is_active.eq(false),
        notifications::updated_at.eq(Moment(now())),
    );
    Ok(diesel::update(read).set(dismissed).execute(connection).await?)
}

pub async fn sweep(connection: &mut Connection) -> Result<usize, StoreError> {
    // Rows of other types belong to other programs.
    let expired = notifications::table
        .filter(notifications::kind.eq(UPDATES))
        .filter(notifications::expires_at.le(Moment(now())))
        .limit(limits::NOTIFICATIONS_SWEPT_MAX)
        .select(notifications::id)
        .load::<Id>(connection)
        .await?;
    if expired.is_empty() {
        return Ok(0);
    }
    Ok(diesel::delete(notifications::table.filter(notifications::id.eq_any(expired))).execute(connection).await?)
}
