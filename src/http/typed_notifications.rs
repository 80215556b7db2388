//! The seed's routes of the nexus dialect with which administrators send notifications. Their `notification_type` is stored
//! in the additional data of the notification. They must store and deliver notifications only by the functions of
//! `notifications`.

use actix_web::{http::Method, web};

use super::{
    ApiError, AppState,
    extract::{Administrator, AuthUser, Body},
    fields::Fields,
    notifications::{SentJson, create, known_user, new_notification},
    resource, to_the_end,
};
use crate::{ids::UserId, limits, logged::logged, store::NewNotification};

/// The category of notifications that are sent without one.
const GENERAL: &str = "general";

pub(super) fn configure(config: &mut web::ServiceConfig) {
    config
        .service(resource("/api/notifications/send", [(Method::POST, web::to(send_to_user))]))
        .service(resource("/api/notifications/broadcast", [(Method::POST, web::to(broadcast))]));
}

/// A notification in the form of the nexus dialect.
#[derive(utoipa::ToSchema)]
#[allow(dead_code, reason = "it is read field by field, so that every refusal names the field; this documents it")]
pub(super) struct TypedNotificationBody {
    user_id: String,
    #[schema(inline)]
    #[serde(flatten)]
    notification: TypedNotification,
}

/// A notification in the form of the nexus dialect, for all users who are online.
#[derive(utoipa::ToSchema)]
#[allow(dead_code, reason = "it is read field by field, so that every refusal names the field; this documents it")]
pub(super) struct TypedNotification {
    title: String,
    message: String,
    /// `info`, `success`, `warning`, `error`, `alert` or another word; `info` by default. It is stored in `data`.
    #[schema(min_length = 1, max_length = 64)]
    notification_type: Option<String>,
    /// `general` by default.
    category: Option<String>,
    priority: Option<String>,
    module_name: Option<String>,
    #[schema(value_type = Option<Object>)]
    data: Option<()>,
    expires_at: Option<String>,
}

/// Sends a notification to one user.
#[utoipa::path(
    post,
    path = "/api/notifications/send",
    tag = "administration",
    operation_id = "send_notification",
    request_body = TypedNotificationBody,
    responses(
        (status = 200, description = "It is stored and was sent to the user's open sockets", body = SentJson),
        (status = 400, description = "A field is missing or invalid; the error names it"),
        (status = 403, description = "Not an administrator"),
        (status = 404, description = "The user does not exist"),
    )
)]
pub(super) async fn send_to_user(
    site: web::Data<AppState>,
    Administrator { user, body: Body(fields) }: Administrator<Body>,
) -> Result<web::Json<SentJson>, ApiError> {
    let new = typed_notification(&fields)?;
    let to = fields.line("user_id", 1..=limits::USER_ID_CHARS_MAX)?;
    let to = vec![known_user(&site, &to).await?];
    send_typed(site, user, new, to).await
}

/// Sends a notification to all users who are online.
#[utoipa::path(
    post,
    path = "/api/notifications/broadcast",
    tag = "administration",
    operation_id = "broadcast_notification",
    request_body = TypedNotification,
    responses(
        (status = 200, description = "It is stored and was sent to the users' open sockets", body = SentJson),
        (status = 400, description = "A field is missing or invalid; the error names it"),
        (status = 403, description = "Not an administrator"),
    )
)]
pub(super) async fn broadcast(
    site: web::Data<AppState>,
    Administrator { user, body: Body(fields) }: Administrator<Body>,
) -> Result<web::Json<SentJson>, ApiError> {
    let new = typed_notification(&fields)?;
    let to = site.gateway.everyone_online(limits::NOTIFIED_USERS_MAX).await;
    send_typed(site, user, new, to).await
}

async fn send_typed(
    site: web::Data<AppState>,
    by: AuthUser,
    new: NewNotification,
    to: Vec<UserId>,
) -> Result<web::Json<SentJson>, ApiError> {
    to_the_end(async move {
        let sent = create(&site, &new, &to).await?;
        let SentJson { users, sockets, failed, .. } = &sent;
        log::info!(
            "event=notification_created users={users} sockets={sockets} failed={failed} by={by}",
            by = logged(by.id())
        );
        Ok(web::Json(sent))
    })
    .await
}

/// Reads a notification whose type is stored in its additional data.
fn typed_notification(fields: &Fields) -> Result<NewNotification, ApiError> {
    let mut fields = fields.clone();
    if let Some(kind) = fields.optional_line("notification_type", 1..=limits::FILTER_NAME_CHARS_MAX)? {
        fields.add_to_object("data", "notification_type", kind);
    }
    if !fields.has("category") {
        fields.set("category", GENERAL);
    }
    new_notification(&fields)
}
