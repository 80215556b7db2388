//! Mutes, kicks and bans, in a room or on the whole server.

use actix_web::{HttpRequest, HttpResponse, http::Method, web};
use serde::Serialize;
use serde_json::json;
use utoipa::{IntoParams, ToSchema};

use super::{act, check_subject, label_of, moderated, moderated_by_id, room_in, schemas, tell, text};
use crate::{
    auth::tokens::query_value,
    core::{
        event::RoomIdentity,
        moderation::{Sanction, SanctionKind},
    },
    error::ErrorCode,
    http::{
        ApiError, AppState,
        extract::{AuthUser, Body, ClientAddress, user_id},
        fields::{Fields, Page},
        resource, to_the_end,
    },
    ids::{SanctionId, Timestamp, UserId},
    limits,
    logged::logged,
    store::{AuditAction, NewSanction, SanctionFilter, StoreError},
};

pub(super) fn configure(config: &mut web::ServiceConfig) {
    config
        .service(resource(
            "/api/moderation/sanctions",
            [(Method::GET, web::to(sanctions)), (Method::POST, web::to(impose))],
        ))
        .service(resource("/api/moderation/sanctions/{sanction_id}", [(Method::DELETE, web::to(lift))]));
}

/// A mute or a ban; or a kick, which has no `id` and no end, because it is over at once.
#[derive(Serialize, ToSchema)]
#[schema(as = Sanction)]
pub(in crate::http) struct SanctionJson {
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = schemas::uuid)]
    id: Option<String>,
    user_id: String,
    #[schema(schema_with = schemas::sanction_kind)]
    kind: &'static str,
    /// Absent: the whole server.
    #[serde(skip_serializing_if = "Option::is_none")]
    room_id: Option<String>,
    reason: String,
    /// The moderator.
    by: String,
    #[schema(schema_with = schemas::timestamp)]
    created_at: String,
    /// Absent: it has no end.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = schemas::timestamp)]
    ends_at: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub(in crate::http) struct SanctionsJson {
    sanctions: Vec<SanctionJson>,
    has_more: bool,
}

/// A mute, kick or ban.
#[derive(ToSchema)]
#[allow(dead_code, reason = "it is read field by field, so that every refusal names the field; this documents it")]
pub(in crate::http) struct NewSanctionBody {
    #[schema(schema_with = schemas::user_id_in_body)]
    user_id: String,
    #[schema(schema_with = schemas::sanction_kind)]
    kind: String,
    /// The room: its id, the name of an open room, or `canvas/<id>`. Without it: the whole server, for administrators.
    #[schema(schema_with = schemas::optional_room, required = false)]
    room_id: Option<String>,
    /// Why. The user is told.
    #[schema(schema_with = schemas::optional_moderation_text, required = false)]
    reason: Option<String>,
    /// When it ends, in seconds from now. Without it, it has no end. Not for a kick.
    #[schema(schema_with = schemas::sanction_seconds, required = false)]
    seconds: Option<i64>,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code, reason = "it is read value by value, so that every refusal names its parameter; this documents it")]
pub(in crate::http) struct SanctionsQuery {
    /// Only those in this room. Without it, all, for administrators.
    #[param(schema_with = schemas::room_in_query, required = false)]
    room_id: Option<String>,
    /// Only those of this user.
    #[param(schema_with = schemas::user_id_in_query, required = false)]
    user_id: Option<String>,
    /// The id of the last one of the page before.
    #[param(schema_with = schemas::last_id_in_query, required = false)]
    before: Option<String>,
    /// How many; 50 without it.
    #[param(schema_with = schemas::page_limit, required = false)]
    limit: Option<i64>,
}

/// What a moderator asks for.
#[derive(Clone, Copy)]
enum Wanted {
    Kept(SanctionKind),
    Kick,
}

impl Wanted {
    const fn name(self) -> &'static str {
        match self {
            Wanted::Kept(kind) => kind.name(),
            Wanted::Kick => "kick",
        }
    }

    const fn action(self) -> AuditAction {
        match self {
            Wanted::Kept(SanctionKind::Mute) => AuditAction::Muted,
            Wanted::Kept(SanctionKind::Ban) => AuditAction::Banned,
            Wanted::Kick => AuditAction::Kicked,
        }
    }
}

/// Lists the mutes and bans in force, the newest first.
#[utoipa::path(get, path = "/api/moderation/sanctions", tag = "moderation", params(SanctionsQuery),
    responses(
        (status = 200, description = "A page", body = SanctionsJson),
        (status = 400, description = "A parameter is invalid; the error names it"),
        (status = 403, description = "You do not moderate the room, or it is for administrators only"),
        (status = 404, description = "The room does not exist"),
    ))]
pub(in crate::http) async fn sanctions(
    site: web::Data<AppState>,
    user: AuthUser,
    request: HttpRequest,
) -> Result<web::Json<SanctionsJson>, ApiError> {
    let query = request.query_string();
    let page = Page::asked(query, limits::PAGE_MODERATION_DEFAULT, limits::PAGE_MODERATION_MAX)?;
    let named = |name: &str| query_value(query, name).filter(|text| !text.is_empty());
    let room = moderated(&site, &user, named("room_id").as_deref()).await?;
    let before = named("before").map(|text| text.parse().map_err(|_| ApiError::field("before", "must be a UUID")));
    let of_user = named("user_id").map(|text| user_id(&text)).transpose()?;
    let filter = SanctionFilter { room: room.map(|room| room.id), user: of_user, before: before.transpose()? };
    let mut found = site.store.sanctions(&filter, page.to_read()).await?;
    let has_more = page.cut(&mut found);
    let mut listed = Vec::with_capacity(found.len());
    for sanction in found {
        let room = label_of(&site, sanction.room).await?;
        listed.push(described(&sanction, room));
    }
    Ok(web::Json(SanctionsJson { sanctions: listed, has_more }))
}

/// Mutes, kicks or bans a user. It holds on all nodes when this is answered; a mute or ban replaces an earlier one of the same
/// kind.
#[utoipa::path(post, path = "/api/moderation/sanctions", tag = "moderation", request_body = NewSanctionBody,
    responses(
        (status = 201, description = "It holds", body = SanctionJson),
        (status = 400, description = "A field is missing or invalid; the error names it"),
        (status = 403, description = "You do not moderate the room, the user does so too, or it is for administrators only"),
        (status = 404, description = "The room or the user does not exist"),
        (status = 409, description = "There are too many mutes and bans"),
    ))]
pub(in crate::http) async fn impose(
    site: web::Data<AppState>,
    user: AuthUser,
    address: ClientAddress,
    Body(fields): Body,
) -> Result<HttpResponse, ApiError> {
    let wanted = match fields.line("kind", 1..=16)?.as_str() {
        "kick" => Wanted::Kick,
        name => Wanted::Kept(
            SanctionKind::from_name(name).ok_or_else(|| ApiError::field("kind", "must be mute, kick or ban"))?,
        ),
    };
    let subject = user_id(&fields.line("user_id", 1..=limits::USER_ID_CHARS_MAX)?)?;
    let reason = text(&fields, "reason")?.unwrap_or_default();
    let ends_at = end(&site, &fields)?;
    let room = moderated(&site, &user, room_in(&fields)?.as_deref()).await?;
    let profile = site.store.user(&subject).await?.ok_or_else(ApiError::no_such_user)?;
    check_subject(&site, &user, room.as_ref(), &profile).await?;
    let details = json!({"reason": reason, "ends_at": ends_at.map(|at| at.to_string())});
    let audit = act(&user, &address, wanted.action(), Some(&subject), room.as_ref().map(|room| room.id), &details);
    to_the_end(async move {
        let done = match wanted {
            Wanted::Kick => {
                site.store.audit(&audit).await?;
                tell(&site, &subject, "kick", room.as_ref(), json!({"reason": reason})).await;
                kick(&site, subject, room.as_ref(), reason, user.id()).await?
            }
            Wanted::Kept(kind) => {
                let (of, ends_at) = (room.as_ref().map(|room| room.id), ends_at.unwrap_or(Sanction::NEVER));
                let new = NewSanction { room: of, user: subject, kind, reason, by: user.id().clone(), ends_at };
                let changed = site.store.add_sanction(&new, &audit).await.map_err(too_many)?;
                enforce(&site, room.as_ref(), changed).await?
            }
        };
        log::info!(
            "event=moderated action={} user={} room={} by={}",
            wanted.name(),
            logged(&done.user_id),
            logged(done.room_id.as_deref().unwrap_or("all")),
            logged(user.id())
        );
        Ok(HttpResponse::Created().json(done))
    })
    .await
}

/// When it ends, by `seconds`.
fn end(site: &AppState, fields: &Fields) -> Result<Option<Timestamp>, ApiError> {
    let seconds = fields.optional_number("seconds", 1..=limits::SANCTION_SECONDS_MAX)?;
    let ms = seconds.map(|seconds| i64::try_from(seconds).unwrap_or(i64::MAX).saturating_mul(1_000));
    Ok(ms.map(|ms| site.clock.now().plus_ms(ms)))
}

/// Makes every node apply what was stored, and informs the user first, while there are sockets.
async fn enforce(
    site: &AppState,
    room: Option<&RoomIdentity>,
    changed: Vec<Sanction>,
) -> Result<SanctionJson, ApiError> {
    let Some(new) = changed.last().cloned() else { return Err(crate::error::Refusal::internal().into()) };
    let done = described(&new, room.map(RoomIdentity::label));
    let more = json!({"reason": &*new.reason, "ends_at": done.ends_at});
    tell(site, &new.user, new.kind.name(), room, more).await;
    for sanction in changed {
        site.gateway.apply_sanction(sanction).await?;
    }
    Ok(done)
}

async fn kick(
    site: &AppState,
    subject: UserId,
    room: Option<&RoomIdentity>,
    reason: String,
    by: &UserId,
) -> Result<SanctionJson, ApiError> {
    match room {
        Some(room) => site.gateway.leave_group(vec![room.id], subject.clone()).await?,
        None => {
            site.gateway.kick(subject.clone()).await;
        }
    }
    Ok(SanctionJson {
        id: None,
        user_id: subject.to_string(),
        kind: "kick",
        room_id: room.map(RoomIdentity::label),
        reason,
        by: by.to_string(),
        created_at: site.clock.now().to_string(),
        ends_at: None,
    })
}

/// Ends a mute or a ban early.
#[utoipa::path(delete, path = "/api/moderation/sanctions/{sanction_id}", tag = "moderation",
    params(("sanction_id" = String, Path, description = "The id of the mute or ban")),
    responses(
        (status = 204, description = "It has ended on all nodes"),
        (status = 403, description = "You do not moderate the room, or it is for administrators only"),
        (status = 404, description = "There is no such mute or ban in force"),
    ))]
pub(in crate::http) async fn lift(
    site: web::Data<AppState>,
    user: AuthUser,
    address: ClientAddress,
    path: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    let id: SanctionId = path.parse().map_err(|_| no_such_sanction())?;
    let known = site.store.sanction(id).await?.ok_or_else(no_such_sanction)?;
    moderated_by_id(&site, &user, known.room).await?;
    let details = json!({"sanction_id": id.to_string(), "kind": known.kind.name()});
    let audit = act(&user, &address, AuditAction::Lifted, Some(&known.user), known.room, &details);
    to_the_end(async move {
        let lifted = site.store.lift_sanction(id, &audit).await?.ok_or_else(no_such_sanction)?;
        log::info!("event=sanction_lifted user={} by={}", logged(&lifted.user), logged(user.id()));
        let (subject, kind) = (lifted.user.clone(), lifted.kind);
        let room = match lifted.room {
            Some(room) => site.store.room(room).await?,
            None => None,
        };
        site.gateway.apply_sanction(lifted).await?;
        tell(&site, &subject, "lift", room.as_ref(), json!({"lifted": kind.name()})).await;
        Ok(HttpResponse::NoContent().finish())
    })
    .await
}

fn described(sanction: &Sanction, room_id: Option<String>) -> SanctionJson {
    SanctionJson {
        id: Some(sanction.id.to_string()),
        user_id: sanction.user.to_string(),
        kind: sanction.kind.name(),
        room_id,
        reason: sanction.reason.to_string(),
        by: sanction.by.to_string(),
        created_at: sanction.created_at.to_string(),
        ends_at: (sanction.ends_at < Sanction::NEVER).then(|| sanction.ends_at.to_string()),
    }
}

fn too_many(error: StoreError) -> ApiError {
    match error {
        StoreError::Taken(_) => {
            let most = limits::SANCTIONS_ACTIVE_MAX;
            let sentence = format!("There are {most} mutes and bans in force; lift some that are not needed first");
            ApiError::new(ErrorCode::Conflict, sentence)
        }
        StoreError::Unavailable(_) | StoreError::Missing | StoreError::Fault(_) => error.into(),
    }
}

fn no_such_sanction() -> ApiError {
    ApiError::new(ErrorCode::NotFound, "There is no such mute or ban in force; it may have ended")
}
