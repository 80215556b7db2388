//! `/api/v1/canvases`: canvases and their members. Canvases are addressed by integer ids. A canvas that was deactivated is not
//! found any more.

pub(super) mod chat;
pub(super) mod comments;
pub(super) mod tiles;

use std::collections::HashSet;

use actix_web::{HttpRequest, HttpResponse, http::Method, web};
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use super::{
    ApiError, AppState,
    extract::{AuthUser, Body, user_id},
    fields::{Fields, Page, query_number},
    openapi::schemas,
    resource, to_the_end,
};
use crate::{
    auth::{policy::Action, tokens::query_value},
    core::{
        canvas::CanvasSize,
        profile::{Profile, Role},
    },
    error::ErrorCode,
    ids::{CanvasId, UserId},
    limits,
    logged::logged,
    store::{Canvas, NewCanvas, RoomRole, StoreError, Visibility},
};

pub(super) fn configure(config: &mut web::ServiceConfig) {
    config
        .service(resource("/api/v1/canvases", [(Method::GET, web::to(list)), (Method::POST, web::to(create))]))
        .service(resource(
            "/api/v1/canvases/{canvas_id}",
            [(Method::GET, web::to(one)), (Method::DELETE, web::to(close))],
        ))
        .service(resource(
            "/api/v1/canvases/{canvas_id}/members",
            [(Method::GET, web::to(members)), (Method::POST, web::to(add_member))],
        ))
        .service(resource(
            "/api/v1/canvases/{canvas_id}/members/{user_id}",
            [(Method::DELETE, web::to(remove_member))],
        ));
    chat::configure(config);
    comments::configure(config);
    tiles::configure(config);
}

/// A canvas. `role` is your role on it.
#[derive(Serialize, ToSchema)]
#[schema(as = Canvas)]
pub(super) struct CanvasJson {
    id: i64,
    name: String,
    width: i32,
    height: i32,
    visibility: &'static str,
    /// The number of the user who created it.
    owner_id: Option<i64>,
    role: Option<&'static str>,
    #[schema(schema_with = schemas::timestamp)]
    created_at: String,
}

impl From<Canvas> for CanvasJson {
    fn from(canvas: Canvas) -> CanvasJson {
        CanvasJson {
            id: canvas.id.0,
            name: canvas.name,
            width: canvas.size.width,
            height: canvas.size.height,
            visibility: canvas.visibility.name(),
            owner_id: canvas.owner,
            role: canvas.membership.map(RoomRole::name),
            created_at: canvas.created_at.to_string(),
        }
    }
}

#[derive(Serialize, ToSchema)]
pub(super) struct CanvasesJson {
    canvases: Vec<CanvasJson>,
    has_more: bool,
}

#[derive(Serialize, ToSchema)]
pub(super) struct CanvasMemberJson {
    user_id: String,
    number: i64,
    username: String,
    display_name: String,
    role: &'static str,
    online: bool,
}

/// A new canvas.
#[derive(ToSchema)]
#[allow(dead_code, reason = "it is read field by field, so that every refusal names the field; this documents it")]
pub(super) struct NewCanvasBody {
    #[schema(schema_with = schemas::room_name)]
    name: String,
    #[schema(schema_with = schemas::canvas_side)]
    width: i32,
    #[schema(schema_with = schemas::canvas_side)]
    height: i32,
    /// `open` or `private`; `open` by default.
    #[schema(schema_with = schemas::visibility, required = false)]
    visibility: Option<String>,
}

/// The user to add: the id, or the number.
#[derive(ToSchema)]
#[allow(dead_code, reason = "it is read field by field, so that every refusal names the field; this documents it")]
pub(super) struct CanvasMemberBody {
    #[schema(schema_with = schemas::user_id_in_body)]
    user_id: String,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code, reason = "it is read value by value, so that every refusal names its parameter; this documents it")]
pub(super) struct CanvasesQuery {
    /// The id of the last canvas of the page before.
    #[param(schema_with = schemas::canvas_id, required = false)]
    after: Option<i64>,
    /// How many; 50 without it.
    #[param(schema_with = schemas::page_limit, required = false)]
    limit: Option<i64>,
}

/// Lists the canvases that you may enter, the newest first.
#[utoipa::path(get, path = "/api/v1/canvases", tag = "canvases", params(CanvasesQuery),
    responses(
        (status = 200, description = "A page", body = CanvasesJson),
        (status = 400, description = "after or limit is invalid"),
    ))]
pub(super) async fn list(
    site: web::Data<AppState>,
    user: AuthUser,
    request: HttpRequest,
) -> Result<web::Json<CanvasesJson>, ApiError> {
    let query = request.query_string();
    let page = Page::asked(query, limits::PAGE_CANVASES_DEFAULT, limits::PAGE_CANVASES_MAX)?;
    let after = query_value(query, "after").filter(|text| !text.is_empty());
    let after = after.map(|text| query_number(&text, "after", 1..=limits::COUNT_MAX)).transpose()?.map(CanvasId);
    let mut found = site.store.canvases(user.id(), after, page.to_read()).await?;
    let has_more = page.cut(&mut found);
    // of a confined token's page only the canvases that it reaches are shown
    found.retain(|canvas| user.may(Action::Stay { room: &canvas.identity }).is_ok());
    Ok(web::Json(CanvasesJson { canvases: found.into_iter().map(CanvasJson::from).collect(), has_more }))
}

/// Creates a canvas. You become its owner.
#[utoipa::path(post, path = "/api/v1/canvases", tag = "canvases", request_body = NewCanvasBody,
    responses(
        (status = 201, description = "It is there", body = CanvasJson),
        (status = 400, description = "A field is missing or invalid; the error names it"),
        (status = 403, description = "The token is restricted to other rooms"),
    ))]
pub(super) async fn create(
    site: web::Data<AppState>,
    user: AuthUser,
    Body(fields): Body,
) -> Result<HttpResponse, ApiError> {
    user.may(Action::CreateConversation)?;
    let visibility = match fields.optional_line("visibility", 1..=16)? {
        None => Visibility::Open,
        Some(name) => {
            Visibility::from_name(&name).ok_or_else(|| ApiError::field("visibility", "must be open or private"))?
        }
    };
    let new = NewCanvas {
        name: fields.line("name", 1..=limits::ROOM_NAME_CHARS_MAX)?,
        size: CanvasSize { width: side(&fields, "width")?, height: side(&fields, "height")? },
        visibility,
    };
    let canvas = site.store.create_canvas(user.id(), &new).await?;
    log::info!("event=canvas_made canvas={} by={}", canvas.id, logged(user.id()));
    Ok(HttpResponse::Created().json(CanvasJson::from(canvas)))
}

fn side(fields: &Fields, name: &str) -> Result<i32, ApiError> {
    let most = limits::CANVAS_SIDE_MAX;
    let tiles = fields.optional_number(name, 1..=most.unsigned_abs().into())?;
    let missing = || ApiError::field(name, format!("is missing; send a whole number from 1 to {most}"));
    tiles.and_then(|tiles| i32::try_from(tiles).ok()).ok_or_else(missing)
}

/// Gets a canvas that you may enter.
#[utoipa::path(get, path = "/api/v1/canvases/{canvas_id}", tag = "canvases",
    params(("canvas_id" = i64, Path, description = "The canvas' id")),
    responses(
        (status = 200, description = "The canvas", body = CanvasJson),
        (status = 403, description = "The canvas is private and you are not a member"),
        (status = 404, description = "The canvas does not exist or was deactivated"),
    ))]
pub(super) async fn one(
    site: web::Data<AppState>,
    user: AuthUser,
    path: web::Path<String>,
) -> Result<web::Json<CanvasJson>, ApiError> {
    Ok(web::Json(visible(&site, &user, &path).await?.into()))
}

/// Deactivates a canvas. Its sockets are closed, and nothing on it is found any more.
#[utoipa::path(delete, path = "/api/v1/canvases/{canvas_id}", tag = "canvases",
    params(("canvas_id" = i64, Path, description = "The canvas' id")),
    responses(
        (status = 204, description = "It was deactivated"),
        (status = 403, description = "You are neither the owner nor an administrator"),
        (status = 404, description = "The canvas does not exist or was deactivated"),
    ))]
pub(super) async fn close(
    site: web::Data<AppState>,
    user: AuthUser,
    path: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    let canvas = managed(&site, &user, &path).await?;
    to_the_end(async move {
        if !site.store.close_canvas(canvas.id).await? {
            return Err(no_such_canvas());
        }
        log::info!("event=canvas_closed canvas={} by={}", canvas.id, logged(user.id()));
        site.gateway.keep_only(canvas.identity.id, Vec::new()).await?;
        Ok(HttpResponse::NoContent().finish())
    })
    .await
}

/// Lists the members of a canvas that you may enter, the owner first.
#[utoipa::path(get, path = "/api/v1/canvases/{canvas_id}/members", tag = "canvases",
    params(("canvas_id" = i64, Path, description = "The canvas' id")),
    responses(
        (status = 200, description = "The members", body = Vec<CanvasMemberJson>),
        (status = 403, description = "The canvas is private and you are not a member"),
        (status = 404, description = "The canvas does not exist or was deactivated"),
    ))]
pub(super) async fn members(
    site: web::Data<AppState>,
    user: AuthUser,
    path: web::Path<String>,
) -> Result<web::Json<Vec<CanvasMemberJson>>, ApiError> {
    let canvas = visible(&site, &user, &path).await?;
    let members = site.store.canvas_members(canvas.identity.id).await?;
    let ids = members.iter().map(|(profile, _)| profile.id.clone()).collect();
    let online: HashSet<UserId> = site.gateway.online(ids).await.into_iter().collect();
    let member = |(profile, role): (Profile, RoomRole)| member_json(&online, profile, role);
    Ok(web::Json(members.into_iter().map(member).collect()))
}

fn member_json(online: &HashSet<UserId>, profile: Profile, role: RoomRole) -> CanvasMemberJson {
    CanvasMemberJson {
        online: online.contains(&profile.id),
        user_id: profile.id.to_string(),
        number: profile.number,
        username: profile.username.to_string(),
        display_name: profile.display_name,
        role: role.name(),
    }
}

/// Adds a member. Instead of `user_id`, `number` is accepted: the user's number.
#[utoipa::path(post, path = "/api/v1/canvases/{canvas_id}/members", tag = "canvases",
    params(("canvas_id" = i64, Path, description = "The canvas' id")), request_body = CanvasMemberBody,
    responses(
        (status = 201, description = "The member", body = CanvasMemberJson),
        (status = 400, description = "A field is missing or invalid; the error names it"),
        (status = 403, description = "You are neither the owner nor an administrator"),
        (status = 404, description = "The canvas or the user does not exist"),
        (status = 409, description = "A member already"),
    ))]
pub(super) async fn add_member(
    site: web::Data<AppState>,
    user: AuthUser,
    path: web::Path<String>,
    Body(fields): Body,
) -> Result<HttpResponse, ApiError> {
    let canvas = managed(&site, &user, &path).await?;
    let member = match fields.optional_number("number", 1..=limits::COUNT_MAX.unsigned_abs())? {
        Some(number) if !fields.has("user_id") => {
            let number = i64::try_from(number).unwrap_or(i64::MAX);
            site.store.user_by_number(number).await?.ok_or_else(ApiError::no_such_user)?
        }
        Some(_) | None => user_id(&fields.line("user_id", 1..=limits::USER_ID_CHARS_MAX)?)?,
    };
    let profile = site.store.user(&member).await?.ok_or_else(ApiError::no_such_user)?;
    let already = || ApiError::new(ErrorCode::AlreadyMember, "This user is already a member; there is nothing to do");
    if canvas.owner == Some(profile.number) {
        return Err(already());
    }
    match site.store.add_canvas_member(canvas.identity.id, &member).await {
        Ok(true) => {}
        Ok(false) => return Err(already()),
        Err(StoreError::Taken(_)) => {
            let sentence = format!("A canvas has at most {} members; remove a member first", limits::ROOM_MEMBERS_MAX);
            return Err(ApiError::new(ErrorCode::Conflict, sentence));
        }
        Err(error) => return Err(error.into()),
    }
    log::info!("event=canvas_member_added canvas={} user={} by={}", canvas.id, logged(&member), logged(user.id()));
    let online = site.gateway.online(vec![member]).await.into_iter().collect();
    Ok(HttpResponse::Created().json(member_json(&online, profile, RoomRole::Member)))
}

/// Removes a member, or leaves the canvas. From a private canvas the user's sockets are removed at once.
#[utoipa::path(delete, path = "/api/v1/canvases/{canvas_id}/members/{user_id}", tag = "canvases",
    params(
        ("canvas_id" = i64, Path, description = "The canvas' id"),
        ("user_id" = String, Path, description = "The member's id"),
    ),
    responses(
        (status = 204, description = "The member was removed"),
        (status = 403, description = "You are neither the owner nor an administrator"),
        (status = 404, description = "The canvas or the member does not exist"),
    ))]
pub(super) async fn remove_member(
    site: web::Data<AppState>,
    user: AuthUser,
    path: web::Path<(String, String)>,
) -> Result<HttpResponse, ApiError> {
    let (id, member) = path.into_inner();
    let member = user_id(&member)?;
    let canvas =
        if member == *user.id() { visible(&site, &user, &id).await? } else { managed(&site, &user, &id).await? };
    to_the_end(async move {
        if !site.store.remove_canvas_member(canvas.identity.id, &member).await? {
            return Err(ApiError::new(ErrorCode::NotFound, "This user is not a member of the canvas; check the id"));
        }
        log::info!(
            "event=canvas_member_removed canvas={} user={} by={}",
            canvas.id,
            logged(&member),
            logged(user.id())
        );
        if canvas.visibility == Visibility::Private {
            site.gateway.leave_group(vec![canvas.identity.id], member).await?;
        }
        Ok(HttpResponse::NoContent().finish())
    })
    .await
}

/// The canvas, if it exists and the user may enter it. Administrators see all canvases.
async fn visible(site: &AppState, user: &AuthUser, id: &str) -> Result<Canvas, ApiError> {
    let canvas = found(site, user, id).await?;
    if user.role != Role::Admin {
        user.may_enter(&canvas.clone().into())?;
    }
    Ok(canvas)
}

/// The canvas, if it exists and the user may enter it.
pub(super) async fn entered(site: &AppState, user: &AuthUser, id: &str) -> Result<Canvas, ApiError> {
    let canvas = found(site, user, id).await?;
    user.may_enter(&canvas.clone().into())?;
    Ok(canvas)
}

/// The canvas, if it exists and the user may change it.
async fn managed(site: &AppState, user: &AuthUser, id: &str) -> Result<Canvas, ApiError> {
    let canvas = found(site, user, id).await?;
    user.may(Action::ManageRoom { membership: canvas.membership })?;
    Ok(canvas)
}

async fn found(site: &AppState, user: &AuthUser, id: &str) -> Result<Canvas, ApiError> {
    let id = id.parse().map_err(|_| no_such_canvas())?;
    site.store.canvas(id, user.id()).await?.ok_or_else(no_such_canvas)
}

pub(super) fn no_such_canvas() -> ApiError {
    ApiError::new(ErrorCode::RoomNotFound, "The canvas does not exist or was deactivated; check its id")
}
