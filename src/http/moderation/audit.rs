//! The audit log: what moderators and administrators did. It is read in pages or exported as JSON lines, and never changed.

use std::collections::HashMap;

use actix_web::{HttpRequest, HttpResponse, http::Method, web};
use futures_util::stream;
use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::{IntoParams, ToSchema};

use super::{label_of, moderated, schemas};
use crate::{
    auth::tokens::query_value,
    error::Refusal,
    http::{
        ApiError, AppState,
        extract::{AuthUser, user_id},
        fields::{Page, query_number},
        resource,
    },
    ids::RoomId,
    limits,
    store::{AuditAction, AuditEntry, AuditFilter},
};

pub(super) fn configure(config: &mut web::ServiceConfig) {
    config
        .service(resource("/api/moderation/audit", [(Method::GET, web::to(entries))]))
        .service(resource("/api/moderation/audit/export", [(Method::GET, web::to(export))]));
}

/// Something that a moderator or an administrator did.
#[derive(Serialize, ToSchema)]
#[schema(as = AuditEntry)]
pub(in crate::http) struct AuditJson {
    /// Its place in the log.
    position: i64,
    #[schema(schema_with = schemas::timestamp)]
    at: String,
    actor_id: String,
    action: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    room_id: Option<String>,
    /// Further facts.
    #[schema(value_type = Object)]
    details: Box<RawValue>,
    /// From which address it was asked.
    address: String,
}

#[derive(Serialize, ToSchema)]
pub(in crate::http) struct AuditPageJson {
    entries: Vec<AuditJson>,
    has_more: bool,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code, reason = "it is read value by value, so that every refusal names its parameter; this documents it")]
pub(in crate::http) struct AuditQuery {
    /// Only what was done in this room. Without it, everything, for administrators.
    #[param(schema_with = schemas::room_in_query, required = false)]
    room_id: Option<String>,
    /// Only what this user did.
    #[param(schema_with = schemas::user_id_in_query, required = false)]
    actor_id: Option<String>,
    /// Only what was done to this user.
    #[param(schema_with = schemas::user_id_in_query, required = false)]
    subject_id: Option<String>,
    /// Only this action.
    #[param(schema_with = schemas::audit_action, required = false)]
    action: Option<String>,
    /// The `position` of the last entry of the page before.
    #[param(schema_with = schemas::seq_in_query, required = false)]
    before: Option<i64>,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code, reason = "it is read value by value, so that every refusal names its parameter; this documents it")]
pub(in crate::http) struct AuditLimit {
    /// How many; 50 without it.
    #[param(schema_with = schemas::page_limit, required = false)]
    limit: Option<i64>,
}

/// Reads the audit log, the newest first.
#[utoipa::path(get, path = "/api/moderation/audit", tag = "moderation", params(AuditQuery, AuditLimit),
    responses(
        (status = 200, description = "A page", body = AuditPageJson),
        (status = 400, description = "A parameter is invalid; the error names it"),
        (status = 403, description = "You do not moderate the room, or it is for administrators only"),
        (status = 404, description = "The room or a user does not exist"),
    ))]
pub(in crate::http) async fn entries(
    site: web::Data<AppState>,
    user: AuthUser,
    request: HttpRequest,
) -> Result<web::Json<AuditPageJson>, ApiError> {
    let query = request.query_string();
    let page = Page::asked(query, limits::PAGE_MODERATION_DEFAULT, limits::PAGE_MODERATION_MAX)?;
    let filter = asked(&site, &user, query).await?;
    let mut found = site.store.audit_log(&filter, page.to_read()).await?;
    let has_more = page.cut(&mut found);
    let mut labels = Labels::default();
    let mut listed = Vec::with_capacity(found.len());
    for entry in found {
        listed.push(labels.describe(&site, entry).await?);
    }
    Ok(web::Json(AuditPageJson { entries: listed, has_more }))
}

/// Exports the audit log as JSON lines, the newest first: one object a line, as in a page.
#[utoipa::path(get, path = "/api/moderation/audit/export", tag = "moderation", params(AuditQuery),
    responses(
        (status = 200, description = "All entries", content_type = "application/x-ndjson", body = String),
        (status = 400, description = "A parameter is invalid; the error names it"),
        (status = 403, description = "You do not moderate the room, or it is for administrators only"),
        (status = 404, description = "The room or a user does not exist"),
    ))]
pub(in crate::http) async fn export(
    site: web::Data<AppState>,
    user: AuthUser,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let filter = asked(&site, &user, request.query_string()).await?;
    let lines = stream::try_unfold((filter, Labels::default()), move |(filter, labels)| {
        let site = site.clone();
        async move { lines_before(&site, filter, labels).await.map_err(actix_web::Error::from) }
    });
    Ok(HttpResponse::Ok().content_type("application/x-ndjson").streaming(Box::pin(lines)))
}

/// The next lines of an export, with the state for those after them. `None` at the end.
async fn lines_before(
    site: &AppState,
    mut filter: AuditFilter,
    mut labels: Labels,
) -> Result<Option<(web::Bytes, (AuditFilter, Labels))>, ApiError> {
    let found = site.store.audit_log(&filter, limits::AUDIT_EXPORT_ROWS).await?;
    let Some(last) = found.last() else { return Ok(None) };
    filter.before = Some(last.position);
    let mut lines = String::new();
    for entry in found {
        let entry = labels.describe(site, entry).await?;
        lines.push_str(&serde_json::to_string(&entry).map_err(|_| Refusal::internal())?);
        lines.push('\n');
    }
    Ok(Some((lines.into(), (filter, labels))))
}

/// Which entries are asked for, which the user must be allowed to read.
async fn asked(site: &AppState, user: &AuthUser, query: &str) -> Result<AuditFilter, ApiError> {
    let named = |name: &str| query_value(query, name).filter(|text| !text.is_empty());
    let room = moderated(site, user, named("room_id").as_deref()).await?;
    let unknown = || ApiError::field("action", "is not an action of the audit log; see the API reference");
    let action = named("action").map(|name| AuditAction::from_name(&name).ok_or_else(unknown)).transpose()?;
    let before = named("before").map(|text| query_number(&text, "before", 0..=limits::COUNT_MAX)).transpose()?;
    let user_named = |name: &str| named(name).map(|id| user_id(&id)).transpose();
    let (actor, subject) = (user_named("actor_id")?, user_named("subject_id")?);
    Ok(AuditFilter { actor, subject, room: room.map(|room| room.id), action, before })
}

/// What clients call the rooms of the entries, each looked up once.
#[derive(Default)]
struct Labels(HashMap<RoomId, String>);

impl Labels {
    async fn describe(&mut self, site: &AppState, entry: AuditEntry) -> Result<AuditJson, ApiError> {
        let AuditEntry { position, at, actor, action, subject, room, details, address } = entry;
        if let Some(room) = room
            && !self.0.contains_key(&room)
            && let Some(label) = label_of(site, Some(room)).await?
        {
            self.0.insert(room, label);
        }
        Ok(AuditJson {
            position,
            at: at.to_string(),
            actor_id: actor.to_string(),
            action,
            subject_id: subject.map(|subject| subject.to_string()),
            room_id: room.and_then(|room| self.0.get(&room).cloned()),
            // stored by this server
            details: RawValue::from_string(details.as_str().to_owned()).map_err(|_| Refusal::internal())?,
            address,
        })
    }
}
