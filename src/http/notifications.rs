//! `/api/v1/notifications`: a user's own notifications; and `/api/v1/ws/broadcast/notification`, with which
//! administrators send them.

use std::{collections::BTreeMap, sync::Arc};

use actix_web::{HttpRequest, HttpResponse, http::Method, web};
use futures_util::future::join_all;
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{RefOr, Schema, schema::AnyOfBuilder},
};

use super::{
    ApiError, AppState,
    extract::{Administrator, AuthUser, Body, user_id},
    fields::{Fields, Page},
    resource, to_the_end,
};
use crate::{
    actors::node::Clock,
    auth::tokens::query_value,
    core::{notification::Priority, user_event::UserEvent},
    error::ErrorCode,
    ids::{NotificationId, Timestamp, UserId},
    limits,
    logged::logged,
    store::{NewNotification, NotificationQuery, NotificationStatus, ReadMark, StoreError, StoredNotification},
};

pub(super) fn configure(config: &mut web::ServiceConfig) {
    config
        .service(resource("/api/v1/ws/broadcast/notification", [(Method::POST, web::to(send))]))
        .service(resource("/api/v1/notifications", [(Method::GET, web::to(list))]))
        .service(resource("/api/v1/notifications/unread", [(Method::GET, web::to(unread))]))
        .service(resource("/api/v1/notifications/read-all", [(Method::POST, web::to(read_all))]))
        .service(resource("/api/v1/notifications/{notification_id}", [(Method::DELETE, web::to(dismiss))]))
        .service(resource("/api/v1/notifications/{notification_id}/read", [(Method::POST, web::to(read))]));
}

/// A notification as shown to its user. `updated_at` is the last change of its status or content.
#[derive(Serialize, utoipa::ToSchema)]
pub(super) struct NotificationJson {
    id: String,
    user_id: String,
    r#type: String,
    title: String,
    message: String,
    category: String,
    priority: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    module_name: Option<String>,
    /// Additional data from the sender.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    data: Option<Box<RawValue>>,
    status: &'static str,
    created_at: String,
    updated_at: String,
    expires_at: Option<String>,
}

impl From<StoredNotification> for NotificationJson {
    fn from(stored: StoredNotification) -> NotificationJson {
        let notification = stored.notification;
        let data = notification.data.as_ref().and_then(|data| RawValue::from_string(data.as_str().to_owned()).ok());
        NotificationJson {
            id: notification.id.to_string(),
            user_id: stored.user.to_string(),
            r#type: stored.kind,
            title: notification.title.to_string(),
            message: notification.message.to_string(),
            category: notification.category.to_string(),
            priority: notification.priority.name(),
            module_name: notification.module.as_deref().map(str::to_owned),
            data,
            status: stored.status.name(),
            created_at: notification.created_at.to_string(),
            updated_at: stored.updated_at.to_string(),
            expires_at: stored.expires_at.map(|at| at.to_string()),
        }
    }
}

// ---- the user's own notifications ----

#[derive(Serialize, utoipa::ToSchema)]
pub(super) struct NotificationPageJson {
    notifications: Vec<NotificationJson>,
    has_more: bool,
    unread_count: i64,
}

/// Lists your notifications, newest first.
#[utoipa::path(
    get,
    path = "/api/v1/notifications",
    tag = "notifications",
    params(
        ("status" = Option<String>, Query, pattern = "^(unread|read|dismissed)?$", description = "`unread`, `read` or `dismissed`; by default unread and read ones"),
        ("unread" = Option<bool>, Query, description = "`true` is the same as `status=unread`"),
        ("category" = Option<String>, Query, max_length = 64, description = "Only notifications of this category"),
        ("priority" = Option<String>, Query, pattern = "^(low|normal|high|critical)?$", description = "`low`, `normal`, `high` or `critical`"),
        ("before" = Option<String>, Query, pattern = "^([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})?$", description = "The id of a notification; only older ones are returned"),
        ("limit" = Option<i64>, Query, minimum = 1, description = "The page size, up to 100; 50 by default"),
    ),
    responses(
        (status = 200, description = "The page", body = NotificationPageJson),
        (status = 400, description = "A parameter is invalid; the error names it"),
    )
)]
pub(super) async fn list(
    site: web::Data<AppState>,
    user: AuthUser,
    request: HttpRequest,
) -> Result<web::Json<NotificationPageJson>, ApiError> {
    let query = request.query_string();
    let page = Page::asked(query, limits::PAGE_NOTIFICATIONS_DEFAULT, limits::PAGE_NOTIFICATIONS_MAX)?;
    let wanted = wanted(query)?;
    let mut found = site.store.notifications(user.id(), &wanted, page.to_read()).await?;
    let counts = site.store.unread_notifications(user.id()).await?;
    let has_more = page.cut(&mut found);
    Ok(web::Json(NotificationPageJson {
        notifications: found.into_iter().map(NotificationJson::from).collect(),
        has_more,
        unread_count: counts.iter().map(|count| count.count).sum(),
    }))
}

fn wanted(query: &str) -> Result<NotificationQuery, ApiError> {
    let present = |name| query_value(query, name).filter(|text| !text.is_empty());
    let status = present("status").map(|name| {
        let wrong = || ApiError::field("status", "must be unread, read or dismissed");
        NotificationStatus::from_name(&name).ok_or_else(wrong)
    });
    let unread = match present("unread").as_deref() {
        None | Some("false") => None,
        Some("true") => Some(NotificationStatus::Unread),
        Some(_) => return Err(ApiError::field("unread", "must be true or false")),
    };
    let category = present("category").map(|name| {
        let most = limits::FILTER_NAME_CHARS_MAX;
        let short = name.chars().count() <= most && !name.contains('\0');
        if short {
            Ok(name.into_owned())
        } else {
            Err(ApiError::field("category", format!("must have 1 to {most} characters")))
        }
    });
    let before = present("before")
        .map(|text| text.parse().map_err(|_| ApiError::field("before", "must be the id of a notification")));
    Ok(NotificationQuery {
        status: status.transpose()?.or(unread),
        category: category.transpose()?,
        priority: present("priority").map(|name| priority(&name)).transpose()?,
        before: before.transpose()?,
    })
}

fn priority(name: &str) -> Result<Priority, ApiError> {
    Priority::from_name(name).ok_or_else(|| ApiError::field("priority", "must be low, normal, high or critical"))
}

#[derive(Serialize, utoipa::ToSchema)]
pub(super) struct UnreadJson {
    unread_count: i64,
    by_priority: BTreeMap<&'static str, i64>,
    by_category: BTreeMap<String, i64>,
}

/// Counts your unread notifications.
#[utoipa::path(
    get,
    path = "/api/v1/notifications/unread",
    tag = "notifications",
    responses(
        (status = 200, description = "The counts", body = UnreadJson),
    )
)]
pub(super) async fn unread(site: web::Data<AppState>, user: AuthUser) -> Result<web::Json<UnreadJson>, ApiError> {
    let counts = site.store.unread_notifications(user.id()).await?;
    let mut answer = UnreadJson { unread_count: 0, by_priority: BTreeMap::new(), by_category: BTreeMap::new() };
    for of in counts {
        answer.unread_count += of.count;
        *answer.by_priority.entry(of.priority.name()).or_default() += of.count;
        *answer.by_category.entry(of.category).or_default() += of.count;
    }
    Ok(web::Json(answer))
}

/// Marks one of your notifications as read.
#[utoipa::path(
    post,
    path = "/api/v1/notifications/{notification_id}/read",
    tag = "notifications",
    params(("notification_id" = String, Path, description = "The notification's id")),
    responses(
        (status = 204, description = "It is marked as read"),
        (status = 404, description = "You have no notification with this id"),
    )
)]
pub(super) async fn read(
    site: web::Data<AppState>,
    user: AuthUser,
    path: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    let id = notification_id(&path)?;
    to_the_end(async move {
        let mark = site.store.read_notification(user.id(), id).await?.ok_or_else(no_such_notification)?;
        if mark == ReadMark::New {
            let owner = user.id().clone();
            site.gateway.tell(UserEvent::NotificationRead { user: owner.clone(), id }, owner).await;
        }
        Ok(HttpResponse::NoContent().finish())
    })
    .await
}

#[derive(Serialize, utoipa::ToSchema)]
pub(super) struct ReadAllJson {
    /// The number that were unread.
    read: usize,
}

/// Marks all your notifications as read.
#[utoipa::path(
    post,
    path = "/api/v1/notifications/read-all",
    tag = "notifications",
    responses(
        (status = 200, description = "The number that were unread", body = ReadAllJson),
    )
)]
pub(super) async fn read_all(site: web::Data<AppState>, user: AuthUser) -> Result<web::Json<ReadAllJson>, ApiError> {
    to_the_end(async move {
        let read = site.store.read_all_notifications(user.id()).await?;
        if read > 0 {
            let owner = user.id().clone();
            site.gateway.tell(UserEvent::AllNotificationsRead { user: owner.clone() }, owner).await;
        }
        Ok(web::Json(ReadAllJson { read }))
    })
    .await
}

/// Dismisses one of your notifications.
#[utoipa::path(
    delete,
    path = "/api/v1/notifications/{notification_id}",
    tag = "notifications",
    params(("notification_id" = String, Path, description = "The notification's id")),
    responses(
        (status = 204, description = "It is dismissed, and only listed with `status=dismissed`"),
        (status = 404, description = "You have no notification with this id"),
    )
)]
pub(super) async fn dismiss(
    site: web::Data<AppState>,
    user: AuthUser,
    path: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    let id = notification_id(&path)?;
    to_the_end(async move {
        if !site.store.dismiss_notification(user.id(), id).await? {
            return Err(no_such_notification());
        }
        let owner = user.id().clone();
        site.gateway.tell(UserEvent::NotificationDeleted { user: owner.clone(), id }, owner).await;
        Ok(HttpResponse::NoContent().finish())
    })
    .await
}

fn notification_id(text: &str) -> Result<NotificationId, ApiError> {
    text.parse().map_err(|_| no_such_notification())
}

fn no_such_notification() -> ApiError {
    ApiError::new(ErrorCode::NotFound, "The notification does not exist; use an id from the list")
}

// ---- sending by administrators ----

/// What happened to a notification.
#[derive(Clone, Copy)]
enum Happening {
    Created,
    Updated,
    Deleted,
}

impl Happening {
    fn from_query(query: &str) -> Result<Happening, ApiError> {
        match query_value(query, "event_type").as_deref() {
            None | Some("" | "notification_created") => Ok(Happening::Created),
            Some("notification_updated") => Ok(Happening::Updated),
            Some("notification_deleted") => Ok(Happening::Deleted),
            Some(_) => {
                let problem = "must be notification_created, notification_updated or notification_deleted";
                Err(ApiError::field("event_type", problem))
            }
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Happening::Created => "notification_created",
            Happening::Updated => "notification_updated",
            Happening::Deleted => "notification_deleted",
        }
    }
}

/// The body that an administrator sends, depending on `event_type`.
pub(super) struct NotificationBody;

impl PartialSchema for NotificationBody {
    fn schema() -> RefOr<Schema> {
        let either = AnyOfBuilder::new().item(NotificationSaid::schema()).item(NotificationNamed::schema());
        Schema::AnyOf(either.build()).into()
    }
}

impl ToSchema for NotificationBody {}

/// For `notification_created`: `user_id` is the recipient; without it, all users who are online. For
/// `notification_updated`: `notification_id` is the notification to replace.
#[derive(utoipa::ToSchema)]
#[allow(dead_code, reason = "it is read field by field, so that every refusal names the field; this documents it")]
struct NotificationSaid {
    user_id: Option<String>,
    notification_id: Option<String>,
    title: String,
    message: String,
    category: String,
    priority: Option<String>,
    module_name: Option<String>,
    #[schema(value_type = Option<Object>)]
    data: Option<()>,
    expires_at: Option<String>,
}

/// For `notification_deleted`. A `user_id` must be that of the notification's user.
#[derive(utoipa::ToSchema)]
#[allow(dead_code, reason = "as above")]
struct NotificationNamed {
    notification_id: String,
    user_id: Option<String>,
}

#[derive(Serialize, utoipa::ToSchema)]
pub(super) struct SentJson {
    event_type: &'static str,
    /// The stored notification; with several recipients, that of the first one.
    notification: Option<NotificationJson>,
    /// The number of recipients.
    pub(super) users: usize,
    /// The number of their sockets that this node knows of.
    pub(super) sockets: usize,
    /// The number of users for whom it could not be stored.
    pub(super) failed: usize,
}

/// Sends a notification to one user or to all users who are online.
#[utoipa::path(
    post,
    path = "/api/v1/ws/broadcast/notification",
    tag = "administration",
    params(("event_type" = Option<String>, Query, pattern = "^(notification_created|notification_updated|notification_deleted)?$",
        description = "`notification_created` (the default), `notification_updated` or `notification_deleted`")),
    request_body = NotificationBody,
    responses(
        (status = 200, description = "It is stored and was sent to the users' open sockets", body = SentJson),
        (status = 400, description = "A field is missing or invalid; the error names it"),
        (status = 403, description = "Not an administrator"),
        (status = 404, description = "The user or the notification does not exist"),
    )
)]
pub(super) async fn send(
    site: web::Data<AppState>,
    request: HttpRequest,
    Administrator { user, body: Body(fields) }: Administrator<Body>,
) -> Result<web::Json<SentJson>, ApiError> {
    let happening = Happening::from_query(request.query_string())?;
    let by = user.id().clone();
    to_the_end(async move {
        let sent = match happening {
            Happening::Created => {
                let new = new_notification(&fields)?;
                let users = match fields.optional_line("user_id", 1..=limits::USER_ID_CHARS_MAX)? {
                    Some(id) => vec![known_user(&site, &id).await?],
                    None => site.gateway.everyone_online(limits::NOTIFIED_USERS_MAX).await,
                };
                create(&site, &new, &users).await?
            }
            Happening::Updated => update(&site, &fields).await?,
            Happening::Deleted => delete(&site, &fields).await?,
        };
        let SentJson { users, sockets, failed, .. } = &sent;
        log::info!(
            "event={} users={users} sockets={sockets} failed={failed} by={by}",
            happening.name(),
            by = logged(&by)
        );
        Ok(web::Json(sent))
    })
    .await
}

pub(super) async fn create(site: &AppState, new: &NewNotification, users: &[UserId]) -> Result<SentJson, ApiError> {
    let event_type = Happening::Created.name();
    let mut sent = SentJson { event_type, notification: None, users: 0, sockets: 0, failed: 0 };
    // Stored notifications are delivered at once, even if a later batch fails.
    for some in users.chunks(limits::NOTIFIED_PER_COMMIT) {
        let stored = match site.store.create_notifications(some, new).await {
            Ok(stored) => stored,
            Err(StoreError::Missing) if users.len() == 1 => return Err(ApiError::no_such_user()),
            Err(error) if sent.users == 0 => return Err(error.into()),
            Err(error) => {
                log::error!(
                    "event=notification_not_stored users={} why={error}",
                    users.len() - sent.users,
                    error = logged(&error)
                );
                sent.failed = users.len() - sent.users;
                return Ok(sent);
            }
        };
        let told = stored.iter().map(|one| {
            let news = UserEvent::Notified { user: one.user.clone(), notification: Arc::clone(&one.notification) };
            site.gateway.tell(news, one.user.clone())
        });
        // In parallel, because each delivery takes a round trip to the registry.
        sent.sockets += join_all(told).await.into_iter().sum::<usize>();
        sent.users += stored.len();
        sent.notification = sent.notification.take().or_else(|| stored.into_iter().next().map(Into::into));
    }
    Ok(sent)
}

async fn update(site: &AppState, fields: &Fields) -> Result<SentJson, ApiError> {
    let id = named(site, fields).await?.notification.id;
    let new = new_notification(fields)?;
    let stored = site.store.update_notification(id, &new).await?.ok_or_else(no_such_notification)?;
    let news = UserEvent::NotificationUpdated { user: stored.user.clone(), notification: stored.notification.clone() };
    let sockets = site.gateway.tell(news, stored.user.clone()).await;
    Ok(SentJson {
        event_type: Happening::Updated.name(),
        notification: Some(stored.into()),
        users: 1,
        sockets,
        failed: 0,
    })
}

async fn delete(site: &AppState, fields: &Fields) -> Result<SentJson, ApiError> {
    let mut stored = named(site, fields).await?;
    let (user, id) = (stored.user.clone(), stored.notification.id);
    if !site.store.dismiss_notification(&user, id).await? {
        return Err(no_such_notification());
    }
    stored.status = NotificationStatus::Dismissed;
    let sockets = site.gateway.tell(UserEvent::NotificationDeleted { user: user.clone(), id }, user).await;
    Ok(SentJson {
        event_type: Happening::Deleted.name(),
        notification: Some(stored.into()),
        users: 1,
        sockets,
        failed: 0,
    })
}

/// The notification that `notification_id` names. If `user_id` is present, it must be its user.
async fn named(site: &AppState, fields: &Fields) -> Result<StoredNotification, ApiError> {
    let id = notification_id(&fields.line("notification_id", 1..=limits::CLIENT_NAME_CHARS_MAX)?)?;
    let of = fields.optional_line("user_id", 1..=limits::USER_ID_CHARS_MAX)?;
    let stored = site.store.notification(id).await?;
    let theirs = stored.filter(|stored| of.is_none_or(|of| of == stored.user.as_str()));
    theirs.ok_or_else(no_such_notification)
}

pub(super) async fn known_user(site: &AppState, id: &str) -> Result<UserId, ApiError> {
    let id = user_id(id)?;
    site.store.user(&id).await?.map(|profile| profile.id).ok_or_else(ApiError::no_such_user)
}

pub(super) fn new_notification(fields: &Fields) -> Result<NewNotification, ApiError> {
    let name = 1..=limits::FILTER_NAME_CHARS_MAX;
    let message = fields.optional_lines("message", limits::NOTIFICATION_MESSAGE_CHARS_MAX)?;
    Ok(NewNotification {
        title: fields.line("title", 1..=limits::NOTIFICATION_TITLE_CHARS_MAX)?.into(),
        message: message.ok_or_else(|| ApiError::field("message", "is missing; send it as a string"))?.into(),
        category: fields.line("category", name.clone())?.into(),
        priority: match fields.optional_line("priority", 1..=16)? {
            None => Priority::default(),
            Some(name) => priority(&name)?,
        },
        module: fields.optional_line("module_name", name)?.map(Into::into),
        data: fields.optional_object("data", limits::NOTIFICATION_DATA_BYTES_MAX)?,
        expires_at: future(fields.optional_moment("expires_at")?)?,
    })
}

/// Rejects a time in the past, because such a notification would never be shown.
fn future(expires_at: Option<Timestamp>) -> Result<Option<Timestamp>, ApiError> {
    match expires_at {
        Some(at) if at <= Clock.now() => {
            Err(ApiError::field("expires_at", "is in the past; send a later time, or omit it"))
        }
        other => Ok(other),
    }
}
