//! Reports of messages, tiles and persons, and the queue in which moderators decide about them.

use actix_web::{HttpRequest, HttpResponse, http::Method, web};
use serde::Serialize;
use serde_json::json;
use utoipa::{IntoParams, ToSchema};

use super::{act, label_of, moderated, moderated_by_id, room_in, room_named, schemas, text};
use crate::{
    actors::access::IfMissing,
    auth::{policy::Action, tokens::query_value},
    core::event::RoomIdentity,
    error::ErrorCode,
    http::{
        ApiError, AppState,
        extract::{AuthUser, Body, ClientAddress, user_id},
        fields::{Fields, Page},
        resource,
    },
    ids::{ReportId, TileId},
    limits,
    store::{
        AuditAction, Decision, NewReport, Report, ReportChange, ReportFilter, ReportState, ReportTarget, Reported,
        RoomRef,
    },
};

pub(super) fn configure(config: &mut web::ServiceConfig) {
    config
        .service(resource(
            "/api/moderation/reports",
            [(Method::GET, web::to(reports)), (Method::POST, web::to(report))],
        ))
        .service(resource("/api/moderation/reports/{report_id}", [(Method::GET, web::to(one_report))]))
        .service(resource("/api/moderation/reports/{report_id}/claim", [(Method::POST, web::to(claim))]))
        .service(resource("/api/moderation/reports/{report_id}/resolve", [(Method::POST, web::to(resolve))]));
}

/// A report.
#[derive(Serialize, ToSchema)]
#[schema(as = Report)]
pub(in crate::http) struct ReportJson {
    #[schema(schema_with = schemas::uuid)]
    id: String,
    #[schema(schema_with = schemas::report_state)]
    state: &'static str,
    /// The room, whose moderators see it. Absent: only administrators do.
    #[serde(skip_serializing_if = "Option::is_none")]
    room_id: Option<String>,
    /// Who reported it.
    reporter_id: String,
    /// The reported person, or the author of what was reported.
    subject_id: String,
    #[schema(schema_with = schemas::report_target)]
    target: &'static str,
    /// The id of the message or the user, or of the tile.
    target_id: String,
    reason: String,
    /// The content as it was when it was reported.
    excerpt: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    claimed_by: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = schemas::decision)]
    decision: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    note: Option<String>,
    #[schema(schema_with = schemas::timestamp)]
    created_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = schemas::timestamp)]
    resolved_at: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub(in crate::http) struct ReportsJson {
    reports: Vec<ReportJson>,
    has_more: bool,
}

/// What is reported: a message, a tile or a person.
#[derive(ToSchema)]
#[allow(dead_code, reason = "it is read field by field, so that every refusal names the field; this documents it")]
pub(in crate::http) struct ReportBody {
    #[schema(schema_with = schemas::optional_message_id, required = false)]
    message_id: Option<String>,
    #[schema(schema_with = schemas::optional_tile_id, required = false)]
    tile_id: Option<i64>,
    #[schema(schema_with = schemas::optional_user_id, required = false)]
    user_id: Option<String>,
    /// Of a person: the room in which it happened. Without it, only administrators see the report.
    #[schema(schema_with = schemas::optional_room, required = false)]
    room_id: Option<String>,
    /// Why.
    #[schema(schema_with = schemas::moderation_text)]
    reason: String,
}

/// A decision.
#[derive(ToSchema)]
#[allow(dead_code, reason = "it is read field by field, so that every refusal names the field; this documents it")]
pub(in crate::http) struct DecisionBody {
    #[schema(schema_with = schemas::decision)]
    decision: String,
    /// For other moderators.
    #[schema(schema_with = schemas::optional_moderation_text, required = false)]
    note: Option<String>,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code, reason = "it is read value by value, so that every refusal names its parameter; this documents it")]
pub(in crate::http) struct ReportsQuery {
    /// Only those of this room. Without it, all, for administrators.
    #[param(schema_with = schemas::room_in_query, required = false)]
    room_id: Option<String>,
    /// `open`, `claimed` or `resolved`, or several of them, separated by commas. Without it, all.
    #[param(schema_with = schemas::report_states, required = false)]
    state: Option<String>,
    /// The id of the last report of the page before.
    #[param(schema_with = schemas::last_id_in_query, required = false)]
    before: Option<String>,
    /// How many; 50 without it.
    #[param(schema_with = schemas::page_limit, required = false)]
    limit: Option<i64>,
}

/// Reports a message, a tile or a person to the moderators of the room and to administrators.
#[utoipa::path(post, path = "/api/moderation/reports", tag = "moderation", request_body = ReportBody,
    responses(
        (status = 200, description = "You have reported this before, and it is not decided yet", body = ReportJson),
        (status = 201, description = "The report", body = ReportJson),
        (status = 400, description = "Nothing or several things are named, or a field is invalid"),
        (status = 403, description = "You may not enter the room"),
        (status = 404, description = "There is no such message, tile, user or room"),
        (status = 409, description = "Too many of your reports are not decided yet"),
    ))]
pub(in crate::http) async fn report(
    site: web::Data<AppState>,
    user: AuthUser,
    Body(fields): Body,
) -> Result<HttpResponse, ApiError> {
    let reason = text(&fields, "reason")?.ok_or_else(|| ApiError::field("reason", "is missing; say what is wrong"))?;
    let new = NewReport { reason, ..reported(&site, &user, &fields).await? };
    match site.store.add_report(&new).await? {
        Reported::New(report) => {
            log::info!("event=reported report={} target={}", report.id, report.new.target.name());
            Ok(HttpResponse::Created().json(described(&site, report).await?))
        }
        Reported::Pending(report) => Ok(HttpResponse::Ok().json(described(&site, report).await?)),
        Reported::TooMany => {
            let most = limits::REPORTS_PENDING_PER_USER_MAX;
            let sentence = format!("{most} of your reports are not decided yet; wait for the moderators");
            Err(ApiError::new(ErrorCode::Conflict, sentence))
        }
    }
}

/// What is reported, which the user must be able to see.
async fn reported(site: &AppState, user: &AuthUser, fields: &Fields) -> Result<NewReport, ApiError> {
    let tile = fields.optional_number("tile_id", 1..=limits::COUNT_MAX.unsigned_abs())?;
    let person = fields.optional_line("user_id", 0..=limits::USER_ID_CHARS_MAX)?.filter(|id| !id.is_empty());
    let new = |room: Option<RoomIdentity>, subject, target, target_id| NewReport {
        room: room.map(|room| room.id),
        reporter: user.id().clone(),
        subject,
        target,
        target_id,
        reason: String::new(),
        excerpt: String::new(),
    };
    match (fields.message_id("message_id")?, tile, person) {
        (Some(message), None, None) => {
            let missing = || ApiError::new(ErrorCode::NotFound, "There is no such message in a room of yours");
            let place = site.store.message_place(message).await?.ok_or_else(missing)?;
            if see(site, user, &place.room).await.is_err() {
                return Err(missing());
            }
            let content = site.store.message(message).await?.map(|message| message.content).unwrap_or_default();
            let report = new(Some(place.room), place.sender, ReportTarget::Message, message.to_string());
            Ok(NewReport { excerpt: excerpt(&content), ..report })
        }
        (None, Some(tile), None) => {
            let missing = || ApiError::new(ErrorCode::NotFound, "The tile does not exist; read the tiles again");
            let id = TileId(i64::try_from(tile).unwrap_or(i64::MAX));
            let (canvas, placed) = site.store.tile(id, user.id()).await?.ok_or_else(missing)?;
            let canvas = site.store.canvas(canvas, user.id()).await?.ok_or_else(missing)?;
            see(site, user, &canvas.identity).await?;
            let creator = site.store.user_by_number(placed.tile.creator).await?.ok_or_else(missing)?;
            let report = new(Some(canvas.identity), creator, ReportTarget::Tile, id.to_string());
            Ok(NewReport { excerpt: excerpt(&placed.tile.content), ..report })
        }
        (None, None, Some(person)) => {
            let subject = user_id(&person)?;
            site.store.user(&subject).await?.ok_or_else(ApiError::no_such_user)?;
            let room = match room_in(fields)? {
                Some(name) => {
                    let room = room_named(site, user, &name).await?;
                    see(site, user, &room).await?;
                    Some(room)
                }
                None => None,
            };
            Ok(new(room, subject.clone(), ReportTarget::User, subject.to_string()))
        }
        (Some(_) | None, Some(_) | None, Some(_) | None) => {
            let problem = "name one of them: a message (`message_id`), a tile (`tile_id`) or a person (`user_id`)";
            Err(ApiError::field("message_id", problem))
        }
    }
}

/// Checks that the user may enter the room.
async fn see(site: &AppState, user: &AuthUser, room: &RoomIdentity) -> Result<(), ApiError> {
    user.may(Action::Stay { room })?;
    if !room.scope.is_direct() {
        site.gateway.enter(user.subject(), &RoomRef::of(room, user.id()), IfMissing::Refuse).await?;
    }
    Ok(())
}

fn excerpt(content: &str) -> String {
    content.chars().take(limits::REPORT_EXCERPT_CHARS_MAX).collect()
}

/// Lists reports, the newest first.
#[utoipa::path(get, path = "/api/moderation/reports", tag = "moderation", params(ReportsQuery),
    responses(
        (status = 200, description = "A page", body = ReportsJson),
        (status = 400, description = "A parameter is invalid; the error names it"),
        (status = 403, description = "You do not moderate the room, or it is for administrators only"),
        (status = 404, description = "The room does not exist"),
    ))]
pub(in crate::http) async fn reports(
    site: web::Data<AppState>,
    user: AuthUser,
    request: HttpRequest,
) -> Result<web::Json<ReportsJson>, ApiError> {
    let query = request.query_string();
    let page = Page::asked(query, limits::PAGE_MODERATION_DEFAULT, limits::PAGE_MODERATION_MAX)?;
    let named = |name: &str| query_value(query, name).filter(|text| !text.is_empty());
    let before = named("before").map(|text| text.parse().map_err(|_| ApiError::field("before", "must be a UUID")));
    let wrong = || ApiError::field("state", "must be open, claimed or resolved, or several of them with commas");
    let states = named("state").map(|names| names.split(',').map(ReportState::from_name).collect::<Option<Vec<_>>>());
    let states = states.map(|states| states.ok_or_else(wrong)).transpose()?.unwrap_or_default();
    let room = moderated(&site, &user, named("room_id").as_deref()).await?;
    let filter = ReportFilter { room: room.map(|room| room.id), states, before: before.transpose()? };
    let mut found = site.store.reports(&filter, page.to_read()).await?;
    let has_more = page.cut(&mut found);
    let mut listed = Vec::with_capacity(found.len());
    for report in found {
        listed.push(described(&site, report).await?);
    }
    Ok(web::Json(ReportsJson { reports: listed, has_more }))
}

/// Gets a report of a room that you moderate.
#[utoipa::path(get, path = "/api/moderation/reports/{report_id}", tag = "moderation",
    params(("report_id" = String, Path, description = "The report's id")),
    responses(
        (status = 200, description = "The report", body = ReportJson),
        (status = 403, description = "You do not moderate the room, or it is for administrators only"),
        (status = 404, description = "There is no such report"),
    ))]
pub(in crate::http) async fn one_report(
    site: web::Data<AppState>,
    user: AuthUser,
    path: web::Path<String>,
) -> Result<web::Json<ReportJson>, ApiError> {
    let report = found(&site, &user, &path).await?;
    Ok(web::Json(described(&site, report).await?))
}

/// Takes a report, so that no other moderator decides about it at the same time.
#[utoipa::path(post, path = "/api/moderation/reports/{report_id}/claim", tag = "moderation",
    params(("report_id" = String, Path, description = "The report's id")),
    responses(
        (status = 200, description = "It is yours", body = ReportJson),
        (status = 403, description = "You do not moderate the room, or it is for administrators only"),
        (status = 404, description = "There is no such report"),
        (status = 409, description = "Another moderator has taken it, or it was decided"),
    ))]
pub(in crate::http) async fn claim(
    site: web::Data<AppState>,
    user: AuthUser,
    address: ClientAddress,
    path: web::Path<String>,
) -> Result<web::Json<ReportJson>, ApiError> {
    let report = found(&site, &user, &path).await?;
    let details = json!({"report_id": report.id.to_string()});
    let audit = act(&user, &address, AuditAction::ReportClaimed, Some(&report.new.subject), report.new.room, &details);
    changed(&site, site.store.claim_report(report.id, &audit).await?).await
}

/// Decides about a report. What the decision says must be done with the other routes; this is the record of it.
#[utoipa::path(post, path = "/api/moderation/reports/{report_id}/resolve", tag = "moderation",
    params(("report_id" = String, Path, description = "The report's id")), request_body = DecisionBody,
    responses(
        (status = 200, description = "It is decided", body = ReportJson),
        (status = 400, description = "A field is missing or invalid; the error names it"),
        (status = 403, description = "You do not moderate the room, or it is for administrators only"),
        (status = 404, description = "There is no such report"),
        (status = 409, description = "Another moderator has taken it, or it was decided"),
    ))]
pub(in crate::http) async fn resolve(
    site: web::Data<AppState>,
    user: AuthUser,
    address: ClientAddress,
    path: web::Path<String>,
    Body(fields): Body,
) -> Result<web::Json<ReportJson>, ApiError> {
    let report = found(&site, &user, &path).await?;
    let wrong = || ApiError::field("decision", "must be dismissed, warned, removed, muted, kicked or banned");
    let decision = Decision::from_name(&fields.line("decision", 1..=16)?).ok_or_else(wrong)?;
    let note = text(&fields, "note")?;
    let details = json!({"report_id": report.id.to_string(), "decision": decision.name(), "note": note});
    let audit = act(&user, &address, AuditAction::ReportResolved, Some(&report.new.subject), report.new.room, &details);
    let change = site.store.resolve_report(report.id, decision, note.as_deref(), &audit).await?;
    changed(&site, change).await
}

async fn changed(site: &AppState, change: ReportChange) -> Result<web::Json<ReportJson>, ApiError> {
    match change {
        ReportChange::Done(report) => Ok(web::Json(described(site, report).await?)),
        ReportChange::Missing => Err(no_such_report()),
        ReportChange::Refused(report) => {
            let sentence = match report.state {
                ReportState::Resolved => "The report is decided already; read it to see how",
                ReportState::Open | ReportState::Claimed => {
                    "Another moderator has taken this report; choose another one, or ask that moderator"
                }
            };
            Err(ApiError::new(ErrorCode::Conflict, sentence))
        }
    }
}

/// The report, if the user may see it.
async fn found(site: &AppState, user: &AuthUser, id: &str) -> Result<Report, ApiError> {
    let id: ReportId = id.parse().map_err(|_| no_such_report())?;
    let report = site.store.report(id).await?.ok_or_else(no_such_report)?;
    moderated_by_id(site, user, report.new.room).await?;
    Ok(report)
}

async fn described(site: &AppState, report: Report) -> Result<ReportJson, ApiError> {
    let Report { id, new, state, claimed_by, decision, note, created_at, resolved_at } = report;
    Ok(ReportJson {
        id: id.to_string(),
        state: state.name(),
        room_id: label_of(site, new.room).await?,
        reporter_id: new.reporter.to_string(),
        subject_id: new.subject.to_string(),
        target: new.target.name(),
        target_id: new.target_id,
        reason: new.reason,
        excerpt: new.excerpt,
        claimed_by: claimed_by.map(|by| by.to_string()),
        decision: decision.map(Decision::name),
        note,
        created_at: created_at.to_string(),
        resolved_at: resolved_at.map(|at| at.to_string()),
    })
}

fn no_such_report() -> ApiError {
    ApiError::new(ErrorCode::NotFound, "There is no such report; list the reports again")
}
