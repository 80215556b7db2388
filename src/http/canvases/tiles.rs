//! Tiles of a canvas, likes, and the activity feed. Changes go through the room of the canvas, so that the same rules and the
//! same broadcasts apply as for sockets.

use actix_web::{
    HttpRequest, HttpResponse,
    http::{Method, StatusCode},
    web,
};
use serde::Serialize;
use serde_json::{json, value::RawValue};
use utoipa::{IntoParams, ToSchema};

use super::{ApiError, AppState, entered, no_such_canvas};
use crate::{
    auth::tokens::query_value,
    core::{
        canvas::{LikeChange, Region, Tile, TilePlace},
        command::{CanvasCommand, Command},
        event::{CanvasDurable, Durable, EventBody},
    },
    error::{ErrorCode, Refusal},
    http::{
        extract::{AuthUser, Body},
        fields::{Fields, Page, query_number},
        openapi::schemas,
        resource,
    },
    ids::{CanvasId, ClientMessageId, Epoch, Seq, TileId},
    limits,
    store::{ActivityFilter, Canvas, PlacedTile, StoredEvent},
};

pub(super) fn configure(config: &mut web::ServiceConfig) {
    config
        .service(resource(
            "/api/v1/canvases/{canvas_id}/tiles",
            [(Method::GET, web::to(tiles)), (Method::POST, web::to(create_tile))],
        ))
        .service(resource("/api/v1/canvases/{canvas_id}/activity", [(Method::GET, web::to(activity))]))
        .service(resource(
            "/api/v1/tiles/{tile_id}",
            [
                (Method::GET, web::to(tile)),
                (Method::PATCH, web::to(update_tile)),
                (Method::DELETE, web::to(delete_tile)),
            ],
        ))
        .service(resource(
            "/api/v1/tiles/{tile_id}/like",
            [(Method::POST, web::to(like)), (Method::DELETE, web::to(unlike))],
        ));
}

/// A tile.
#[derive(Serialize, ToSchema)]
#[schema(as = Tile)]
pub(in crate::http) struct TileJson {
    tile_id: i64,
    canvas_id: i64,
    /// The number of the user who created it.
    creator_id: i64,
    x: i32,
    y: i32,
    content: String,
    /// Grows by one with each change of the content.
    version: i64,
    like_count: i64,
    /// Whether you like it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    liked: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = schemas::timestamp)]
    created_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = schemas::timestamp)]
    updated_at: Option<String>,
    /// Of a change: its place in the sequence of the canvas.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    seq: Option<i64>,
}

impl TileJson {
    fn new(canvas: CanvasId, tile: Tile) -> TileJson {
        TileJson {
            tile_id: tile.id.0,
            canvas_id: canvas.0,
            creator_id: tile.creator,
            x: tile.at.x,
            y: tile.at.y,
            content: tile.content.to_string(),
            version: tile.version,
            like_count: tile.likes,
            liked: None,
            created_at: None,
            updated_at: None,
            seq: None,
        }
    }

    fn placed(canvas: CanvasId, placed: PlacedTile) -> TileJson {
        TileJson {
            liked: Some(placed.is_liked),
            created_at: Some(placed.created_at.to_string()),
            updated_at: Some(placed.updated_at.to_string()),
            ..TileJson::new(canvas, placed.tile)
        }
    }
}

#[derive(Serialize, ToSchema)]
pub(in crate::http) struct TilesJson {
    tiles: Vec<TileJson>,
    has_more: bool,
    /// If there are more: the `after` of the next page.
    next: Option<String>,
    /// The position of the canvas when the page was read. A socket that opens with it as `since` misses nothing.
    seq: i64,
    epoch: i64,
}

/// The visible region, with both corners included.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code, reason = "it is read value by value, so that every refusal names its parameter; this documents it")]
pub(in crate::http) struct RegionQuery {
    #[param(schema_with = schemas::coordinate, required = false)]
    x0: Option<i32>,
    #[param(schema_with = schemas::coordinate, required = false)]
    y0: Option<i32>,
    #[param(schema_with = schemas::coordinate, required = false)]
    x1: Option<i32>,
    #[param(schema_with = schemas::coordinate, required = false)]
    y1: Option<i32>,
    /// `next` of the page before.
    #[param(schema_with = schemas::tile_cursor, required = false)]
    after: Option<String>,
    /// How many tiles; 10000 without it.
    #[param(schema_with = schemas::tiles_limit, required = false)]
    limit: Option<i64>,
}

/// A new tile.
#[derive(ToSchema)]
#[allow(dead_code, reason = "it is read field by field, so that every refusal names the field; this documents it")]
pub(in crate::http) struct NewTileBody {
    #[schema(schema_with = schemas::coordinate)]
    x: i32,
    #[schema(schema_with = schemas::coordinate)]
    y: i32,
    #[schema(schema_with = schemas::tile_content)]
    content: String,
    #[schema(schema_with = schemas::idempotency_key, required = false)]
    idempotency_key: Option<String>,
}

/// A change of a tile.
#[derive(ToSchema)]
#[allow(dead_code, reason = "it is read field by field, so that every refusal names the field; this documents it")]
pub(in crate::http) struct TileChangeBody {
    #[schema(schema_with = schemas::tile_content)]
    content: String,
    /// The version that you saw last. Without it the change is made in any case.
    #[schema(schema_with = schemas::tile_version, required = false)]
    version: Option<i64>,
    #[schema(schema_with = schemas::idempotency_key, required = false)]
    idempotency_key: Option<String>,
}

/// Lists the tiles in a region, column by column.
#[utoipa::path(get, path = "/api/v1/canvases/{canvas_id}/tiles", tag = "canvases",
    params(("canvas_id" = i64, Path, description = "The canvas' id"), RegionQuery),
    responses(
        (status = 200, description = "The tiles", body = TilesJson),
        (status = 400, description = "A parameter is invalid; the error names it"),
        (status = 403, description = "The canvas is private and you are not a member"),
        (status = 404, description = "The canvas does not exist or was deactivated"),
    ))]
pub(in crate::http) async fn tiles(
    site: web::Data<AppState>,
    user: AuthUser,
    path: web::Path<String>,
    request: HttpRequest,
) -> Result<web::Json<TilesJson>, ApiError> {
    let canvas = entered(&site, &user, &path).await?;
    let query = request.query_string();
    let page = Page::asked(query, limits::PAGE_TILES_MAX, limits::PAGE_TILES_MAX)?;
    let region = region(query, &canvas)?;
    let after = query_value(query, "after").filter(|text| !text.is_empty());
    let after = after.map(|text| cursor(&text)).transpose()?;
    let head = site.store.room_head(canvas.identity.id).await?.ok_or_else(no_such_canvas)?;
    let mut tiles = site.store.tiles(canvas.id, user.id(), region, after, page.to_read()).await?;
    let has_more = page.cut(&mut tiles);
    let next = tiles.last().filter(|_| has_more).map(|last| format!("{}_{}", last.tile.at.x, last.tile.at.y));
    let tiles = tiles.into_iter().map(|placed| TileJson::placed(canvas.id, placed)).collect();
    let (Seq(seq), Epoch(epoch)) = (head.seq, head.epoch);
    Ok(web::Json(TilesJson { tiles, has_more, next, seq, epoch }))
}

fn region(query: &str, canvas: &Canvas) -> Result<Region, ApiError> {
    let side = |name: &str, otherwise: i32| match query_value(query, name).filter(|text| !text.is_empty()) {
        None => Ok(otherwise),
        Some(text) => query_number(&text, name, 0..=limits::CANVAS_SIDE_MAX - 1),
    };
    let (width, height) = (canvas.size.width, canvas.size.height);
    let first = TilePlace { x: side("x0", 0)?, y: side("y0", 0)? };
    let last = TilePlace { x: side("x1", width - 1)?, y: side("y1", height - 1)? };
    match (first.x <= last.x, first.y <= last.y) {
        (true, true) => Ok(Region { first, last }),
        (false, _) => Err(ApiError::field("x1", "must not be less than x0")),
        (true, false) => Err(ApiError::field("y1", "must not be less than y0")),
    }
}

fn cursor(text: &str) -> Result<TilePlace, ApiError> {
    let parts = text.split_once('_').and_then(|(x, y)| TilePlace::of(x.parse().ok()?, y.parse().ok()?));
    parts.ok_or_else(|| ApiError::field("after", "must be the `next` of a page; leave it out for the first page"))
}

/// Puts a tile where none is.
#[utoipa::path(post, path = "/api/v1/canvases/{canvas_id}/tiles", tag = "canvases",
    params(("canvas_id" = i64, Path, description = "The canvas' id")), request_body = NewTileBody,
    responses(
        (status = 201, description = "The stored tile, which is also sent to the sockets of the others", body = TileJson),
        (status = 400, description = "A field is missing or invalid, or the place is outside of the canvas"),
        (status = 403, description = "The canvas is private and you are not a member"),
        (status = 404, description = "The canvas does not exist or was deactivated"),
        (status = 409, description = "There is a tile at this place, which the error contains as `tile`; or you have sent something else under the same idempotency_key"),
        (status = 413, description = "The content is too long"),
        (status = 503, description = "The server can't store this at the moment"),
    ))]
pub(in crate::http) async fn create_tile(
    site: web::Data<AppState>,
    user: AuthUser,
    path: web::Path<String>,
    Body(fields): Body,
) -> Result<HttpResponse, ApiError> {
    let canvas = entered(&site, &user, &path).await?;
    let at = TilePlace { x: coordinate(&fields, "x")?, y: coordinate(&fields, "y")? };
    let command = CanvasCommand::create(at, content(&fields)?.into())?;
    let key = fields.client_message_id("idempotency_key")?;
    match changed(&site, &user, &canvas, command, key).await {
        Ok(Some(tile)) => Ok(HttpResponse::Created().json(tile)),
        Ok(None) => Err(Refusal::internal().into()),
        Err(refusal) => {
            let place = Region { first: at, last: at };
            let there = site.store.tiles(canvas.id, user.id(), place, None, 1).await?.pop();
            refused(refusal, &canvas, there)
        }
    }
}

fn coordinate(fields: &Fields, name: &str) -> Result<i32, ApiError> {
    let most = limits::CANVAS_SIDE_MAX - 1;
    let number = fields.optional_number(name, 0..=most.unsigned_abs().into())?;
    let missing = || ApiError::field(name, format!("is missing; send a whole number from 0 to {most}"));
    number.and_then(|number| i32::try_from(number).ok()).ok_or_else(missing)
}

fn content(fields: &Fields) -> Result<String, ApiError> {
    fields.optional_raw_text("content")?.ok_or_else(|| ApiError::field("content", "is missing; send it as a string"))
}

/// Gets a tile.
#[utoipa::path(get, path = "/api/v1/tiles/{tile_id}", tag = "canvases",
    params(("tile_id" = i64, Path, description = "The tile's id")),
    responses(
        (status = 200, description = "The tile", body = TileJson),
        (status = 403, description = "The canvas is private and you are not a member"),
        (status = 404, description = "The tile does not exist"),
    ))]
pub(in crate::http) async fn tile(
    site: web::Data<AppState>,
    user: AuthUser,
    path: web::Path<String>,
) -> Result<web::Json<TileJson>, ApiError> {
    let (canvas, placed) = found(&site, &user, &path).await?;
    Ok(web::Json(TileJson::placed(canvas.id, placed)))
}

/// Changes what is on a tile.
#[utoipa::path(patch, path = "/api/v1/tiles/{tile_id}", tag = "canvases",
    params(("tile_id" = i64, Path, description = "The tile's id")), request_body = TileChangeBody,
    responses(
        (status = 200, description = "The changed tile, which is also sent to the sockets of the others", body = TileJson),
        (status = 400, description = "A field is missing or invalid; the error names it"),
        (status = 403, description = "The canvas is private and you are not a member"),
        (status = 404, description = "The tile does not exist"),
        (status = 409, description = "Somebody else changed it first; the error contains it as `tile`"),
        (status = 413, description = "The content is too long"),
        (status = 503, description = "The server can't store this at the moment"),
    ))]
pub(in crate::http) async fn update_tile(
    site: web::Data<AppState>,
    user: AuthUser,
    path: web::Path<String>,
    Body(fields): Body,
) -> Result<HttpResponse, ApiError> {
    let (canvas, placed) = found(&site, &user, &path).await?;
    let seen = fields.optional_number("version", 0..=limits::COUNT_MAX.unsigned_abs())?;
    let seen = seen.and_then(|seen| i64::try_from(seen).ok()).unwrap_or_default();
    let command = CanvasCommand::update(placed.tile.id, content(&fields)?.into(), seen)?;
    let key = fields.client_message_id("idempotency_key")?;
    match changed(&site, &user, &canvas, command, key).await {
        Ok(Some(tile)) => Ok(HttpResponse::Ok().json(tile)),
        Ok(None) => Err(Refusal::internal().into()),
        Err(refusal) => {
            let current = site.store.tile(placed.tile.id, user.id()).await?;
            refused(refusal, &canvas, current.map(|(_, placed)| placed))
        }
    }
}

/// Deletes a tile, with its likes.
#[utoipa::path(delete, path = "/api/v1/tiles/{tile_id}", tag = "canvases",
    params(("tile_id" = i64, Path, description = "The tile's id")),
    responses(
        (status = 204, description = "It is deleted"),
        (status = 403, description = "The canvas is private and you are not a member"),
        (status = 404, description = "The tile does not exist"),
        (status = 503, description = "The server can't store this at the moment"),
    ))]
pub(in crate::http) async fn delete_tile(
    site: web::Data<AppState>,
    user: AuthUser,
    path: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    let (canvas, placed) = found(&site, &user, &path).await?;
    changed(&site, &user, &canvas, CanvasCommand::DeleteTile { tile: placed.tile.id, seen: 0 }, None).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Likes a tile. If you like it already, nothing changes.
#[utoipa::path(post, path = "/api/v1/tiles/{tile_id}/like", tag = "canvases",
    params(("tile_id" = i64, Path, description = "The tile's id")),
    responses(
        (status = 200, description = "The tile", body = TileJson),
        (status = 403, description = "The canvas is private and you are not a member"),
        (status = 404, description = "The tile does not exist"),
        (status = 503, description = "The server can't store this at the moment"),
    ))]
pub(in crate::http) async fn like(
    site: web::Data<AppState>,
    user: AuthUser,
    path: web::Path<String>,
) -> Result<web::Json<TileJson>, ApiError> {
    set_like(&site, &user, &path, LikeChange::Given).await
}

/// Takes a like back. If you do not like the tile, nothing changes.
#[utoipa::path(delete, path = "/api/v1/tiles/{tile_id}/like", tag = "canvases",
    params(("tile_id" = i64, Path, description = "The tile's id")),
    responses(
        (status = 200, description = "The tile", body = TileJson),
        (status = 403, description = "The canvas is private and you are not a member"),
        (status = 404, description = "The tile does not exist"),
        (status = 503, description = "The server can't store this at the moment"),
    ))]
pub(in crate::http) async fn unlike(
    site: web::Data<AppState>,
    user: AuthUser,
    path: web::Path<String>,
) -> Result<web::Json<TileJson>, ApiError> {
    set_like(&site, &user, &path, LikeChange::TakenBack).await
}

async fn set_like(
    site: &AppState,
    user: &AuthUser,
    id: &str,
    change: LikeChange,
) -> Result<web::Json<TileJson>, ApiError> {
    let (canvas, placed) = found(site, user, id).await?;
    let command = CanvasCommand::LikeTile { tile: placed.tile.id, change };
    let liked = Some(match change {
        LikeChange::Given => true,
        LikeChange::TakenBack => false,
    });
    match changed(site, user, &canvas, command, None).await? {
        Some(tile) => Ok(web::Json(TileJson { liked, ..tile })),
        None => {
            let current = site.store.tile(placed.tile.id, user.id()).await?;
            current.map(|(_, placed)| web::Json(TileJson::placed(canvas.id, placed))).ok_or_else(no_such_tile)
        }
    }
}

/// Executes a command on the canvas. `None` if nothing had to be stored.
async fn changed(
    site: &AppState,
    user: &AuthUser,
    canvas: &Canvas,
    command: CanvasCommand,
    key: Option<ClientMessageId>,
) -> Result<Option<TileJson>, Refusal> {
    let (room, author) = (canvas.identity.clone(), user.profile.author());
    let stored = site.gateway.ask(room, author, key, Command::Canvas(command), Vec::new()).await?;
    let Some(event) = stored else { return Ok(None) };
    let EventBody::Durable { seq, what: Durable::Canvas(what), .. } = event.body else { return Ok(None) };
    Ok(what.tile().map(|tile| TileJson { seq: Some(seq.0), ..TileJson::new(canvas.id, tile.clone()) }))
}

/// The refusal of a change, with the tile that it conflicts with.
fn refused(refusal: Refusal, canvas: &Canvas, tile: Option<PlacedTile>) -> Result<HttpResponse, ApiError> {
    match (refusal.code, tile) {
        (ErrorCode::Conflict | ErrorCode::VersionConflict, Some(tile)) => {
            let status = StatusCode::from_u16(refusal.code.row().http_status).unwrap_or(StatusCode::CONFLICT);
            Ok(HttpResponse::build(status).json(json!({
                "type": "error",
                "error": refusal.sentence,
                "code": refusal.code.name(),
                "timestamp": crate::actors::node::Clock.now().to_string(),
                "tile": TileJson::placed(canvas.id, tile),
            })))
        }
        (_, _) => Err(refusal.into()),
    }
}

/// The tile and its canvas, if the user may enter it.
pub(super) async fn found(site: &AppState, user: &AuthUser, id: &str) -> Result<(Canvas, PlacedTile), ApiError> {
    let id: TileId = id.parse().map_err(|_| no_such_tile())?;
    let (canvas, placed) = site.store.tile(id, user.id()).await?.ok_or_else(no_such_tile)?;
    let canvas = site.store.canvas(canvas, user.id()).await?.ok_or_else(no_such_tile)?;
    user.may_enter(&canvas.clone().into())?;
    Ok((canvas, placed))
}

fn no_such_tile() -> ApiError {
    ApiError::new(ErrorCode::NotFound, "The tile does not exist; read the tiles of the canvas again")
}

// ---- the activity feed ----

#[derive(Serialize, ToSchema)]
pub(in crate::http) struct ActivityPageJson {
    activities: Vec<ActivityJson>,
    has_more: bool,
}

/// An entry of the activity feed: what a user did.
#[derive(Serialize, ToSchema)]
#[schema(as = Activity)]
pub(in crate::http) struct ActivityJson {
    #[schema(schema_with = schemas::uuid)]
    id: String,
    seq: i64,
    /// `tile_created`, `tile_updated`, `tile_deleted`, `tile_liked`, `tile_commented`, `tile_comment_deleted` or
    /// `user_activity`.
    r#type: &'static str,
    /// The user's number.
    user_id: i64,
    username: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    tile_id: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    x: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    y: Option<i32>,
    /// Of `tile_liked`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    liked: Option<bool>,
    /// Of `user_activity`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    activity_type: Option<String>,
    /// Of `user_activity`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = schemas::any_object)]
    data: Option<Box<RawValue>>,
    #[schema(schema_with = schemas::timestamp)]
    created_at: String,
}

/// The name of an activity on the wire, and in the log.
const ACTED: (&str, &str) = ("user_activity", "acted");

impl ActivityJson {
    fn new(event: StoredEvent) -> Option<ActivityJson> {
        let Durable::Canvas(what) = event.what else { return None };
        let (by, tile) = (what.author(), what.tile());
        let (liked, acted) = match &what {
            CanvasDurable::TileLiked { change, .. } => (Some(*change == LikeChange::Given), None),
            CanvasDurable::Acted { activity, data, .. } => (None, Some((activity, data))),
            CanvasDurable::TileCreated { .. }
            | CanvasDurable::TileUpdated { .. }
            | CanvasDurable::TileDeleted { .. }
            | CanvasDurable::TileCommented { .. }
            | CanvasDurable::TileCommentDeleted { .. } => (None, None),
        };
        let data = acted.and_then(|(_, data)| data.as_ref());
        Some(ActivityJson {
            id: event.id.to_string(),
            seq: event.seq.0,
            r#type: if what.kind() == ACTED.1 { ACTED.0 } else { what.kind() },
            user_id: by.number().unwrap_or_default(),
            username: by.username().to_owned(),
            tile_id: tile.map(|tile| tile.id.0),
            x: tile.map(|tile| tile.at.x),
            y: tile.map(|tile| tile.at.y),
            liked,
            activity_type: acted.map(|(activity, _)| activity.to_string()),
            data: data.and_then(|data| RawValue::from_string(data.as_str().to_owned()).ok()),
            created_at: event.at.to_string(),
        })
    }
}

/// Which entries of the feed.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code, reason = "it is read value by value, so that every refusal names its parameter; this documents it")]
pub(in crate::http) struct ActivityQuery {
    /// Only these types, separated by commas.
    #[param(schema_with = schemas::activity_types, required = false)]
    r#type: Option<String>,
    /// Only what the user with this number did.
    #[param(schema_with = schemas::canvas_id, required = false)]
    user_id: Option<i64>,
    /// Only entries with a lower `seq`.
    #[param(schema_with = schemas::seq_in_query, required = false)]
    before: Option<i64>,
    /// How many; 50 without it.
    #[param(schema_with = schemas::page_limit, required = false)]
    limit: Option<i64>,
}

/// Lists what users did on a canvas, newest first. The same events are sent to the sockets when they happen.
#[utoipa::path(get, path = "/api/v1/canvases/{canvas_id}/activity", tag = "canvases",
    params(("canvas_id" = i64, Path, description = "The canvas' id"), ActivityQuery),
    responses(
        (status = 200, description = "A page", body = ActivityPageJson),
        (status = 400, description = "A parameter is invalid; the error names it"),
        (status = 403, description = "The canvas is private and you are not a member"),
        (status = 404, description = "The canvas does not exist or was deactivated"),
    ))]
pub(in crate::http) async fn activity(
    site: web::Data<AppState>,
    user: AuthUser,
    path: web::Path<String>,
    request: HttpRequest,
) -> Result<web::Json<ActivityPageJson>, ApiError> {
    let canvas = entered(&site, &user, &path).await?;
    let query = request.query_string();
    let page = Page::asked(query, limits::PAGE_ACTIVITY_DEFAULT, limits::PAGE_ACTIVITY_MAX)?;
    let number = |name: &str, least: i64| {
        let text = query_value(query, name).filter(|text| !text.is_empty());
        text.map(|text| query_number(&text, name, least..=limits::COUNT_MAX)).transpose()
    };
    let kinds = query_value(query, "type").map(|text| kinds(&text)).transpose()?.unwrap_or_default();
    let filter = ActivityFilter { kinds, user: number("user_id", 1)?, before: number("before", 0)?.map(Seq) };
    let mut found = site.store.canvas_activity(canvas.identity.id, &filter, page.to_read()).await?;
    let has_more = page.cut(&mut found);
    let activities = found.into_iter().filter_map(ActivityJson::new).collect();
    Ok(web::Json(ActivityPageJson { activities, has_more }))
}

fn kinds(text: &str) -> Result<Vec<&'static str>, ApiError> {
    let kind = |name: &str| {
        let name = if name == ACTED.0 { ACTED.1 } else { name };
        CanvasDurable::KINDS.iter().copied().find(|kind| *kind == name)
    };
    let kinds: Option<Vec<_>> = text.split(',').filter(|name| !name.is_empty()).map(kind).collect();
    let wrong = "must be some of tile_created, tile_updated, tile_deleted, tile_liked, tile_commented, tile_comment_deleted and user_activity";
    kinds.ok_or_else(|| ApiError::field("type", wrong))
}
