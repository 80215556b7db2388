//! Comments on tiles. The sockets of the canvas are told of them, and the creator of the tile gets a notification.

use actix_web::{HttpRequest, HttpResponse, http::Method, web};
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use super::tiles::found;
use crate::{
    auth::{policy::Action, tokens::query_value},
    core::{
        command::{CanvasCommand, Command},
        event::EventBody,
    },
    error::{ErrorCode, Refusal},
    http::{
        ApiError, AppState,
        extract::{AuthUser, Body},
        fields::Page,
        openapi::schemas,
        resource,
    },
    ids::EventId,
    limits,
    store::{Access, TileComment},
};

pub(super) fn configure(config: &mut web::ServiceConfig) {
    config
        .service(resource(
            "/api/v1/tiles/{tile_id}/comments",
            [(Method::GET, web::to(tile_comments)), (Method::POST, web::to(add_tile_comment))],
        ))
        .service(resource("/api/v1/comments/{comment_id}", [(Method::DELETE, web::to(remove_tile_comment))]));
}

/// A comment on a tile.
#[derive(Serialize, ToSchema)]
#[schema(as = TileComment)]
pub(in crate::http) struct CommentJson {
    #[schema(schema_with = schemas::uuid)]
    comment_id: String,
    tile_id: i64,
    /// The user's number.
    user_id: i64,
    username: String,
    text: String,
    #[schema(schema_with = schemas::timestamp)]
    created_at: String,
    /// Of a new comment: its `seq` on the canvas.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    seq: Option<i64>,
}

#[derive(Serialize, ToSchema)]
pub(in crate::http) struct CommentsJson {
    comments: Vec<CommentJson>,
    has_more: bool,
}

/// A new comment.
#[derive(ToSchema)]
#[allow(dead_code, reason = "it is read field by field, so that every refusal names the field; this documents it")]
pub(in crate::http) struct NewCommentBody {
    #[schema(schema_with = schemas::comment_text)]
    text: String,
    /// Chosen by you: the same request sent again with it within 24 hours is answered like the first one.
    #[schema(schema_with = schemas::idempotency_key, required = false)]
    idempotency_key: Option<String>,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code, reason = "it is read value by value, so that every refusal names its parameter; this documents it")]
pub(in crate::http) struct CommentsQuery {
    /// The id of the last comment of the page before.
    #[param(schema_with = schemas::last_id_in_query, required = false)]
    before: Option<String>,
    /// How many; 50 without it.
    #[param(schema_with = schemas::page_limit, required = false)]
    limit: Option<i64>,
}

/// Lists the comments on a tile, the newest first.
#[utoipa::path(get, path = "/api/v1/tiles/{tile_id}/comments", tag = "canvases",
    params(("tile_id" = i64, Path, description = "The tile's id"), CommentsQuery),
    responses(
        (status = 200, description = "A page", body = CommentsJson),
        (status = 400, description = "A parameter is invalid; the error names it"),
        (status = 403, description = "You may not enter the canvas"),
        (status = 404, description = "The tile does not exist"),
    ))]
pub(in crate::http) async fn tile_comments(
    site: web::Data<AppState>,
    user: AuthUser,
    path: web::Path<String>,
    request: HttpRequest,
) -> Result<web::Json<CommentsJson>, ApiError> {
    let query = request.query_string();
    let page = Page::asked(query, limits::PAGE_COMMENTS_DEFAULT, limits::PAGE_COMMENTS_MAX)?;
    let before = query_value(query, "before").filter(|text| !text.is_empty());
    let before =
        before.map(|text| text.parse().map_err(|_| ApiError::field("before", "must be a comment's id, a UUID")));
    let (_, placed) = found(&site, &user, &path).await?;
    let mut comments = site.store.tile_comments(placed.tile.id, before.transpose()?, page.to_read()).await?;
    let has_more = page.cut(&mut comments);
    Ok(web::Json(CommentsJson { comments: comments.into_iter().map(|one| described(one, None)).collect(), has_more }))
}

/// Comments on a tile.
#[utoipa::path(post, path = "/api/v1/tiles/{tile_id}/comments", tag = "canvases",
    params(("tile_id" = i64, Path, description = "The tile's id")), request_body = NewCommentBody,
    responses(
        (status = 201, description = "The comment", body = CommentJson),
        (status = 400, description = "The text is missing, or a field is invalid"),
        (status = 403, description = "You may not enter the canvas, or are muted"),
        (status = 404, description = "The tile does not exist"),
        (status = 409, description = "You have done something else on the canvas under the same idempotency_key"),
        (status = 413, description = "The text is too long"),
        (status = 503, description = "The server can't store this at the moment"),
    ))]
pub(in crate::http) async fn add_tile_comment(
    site: web::Data<AppState>,
    user: AuthUser,
    path: web::Path<String>,
    Body(fields): Body,
) -> Result<HttpResponse, ApiError> {
    let text = fields.optional_raw_text("text")?;
    let text = text.ok_or_else(|| ApiError::field("text", "is missing; send what you have to say, a string"))?;
    let key = fields.client_message_id("idempotency_key")?;
    let (canvas, placed) = found(&site, &user, &path).await?;
    let command = Command::Canvas(CanvasCommand::comment(placed.tile.id, text.into())?);
    let stored = site.gateway.ask(canvas.identity, user.profile.author(), key, command, Vec::new()).await?;
    let Some(EventBody::Durable { id, seq, .. }) = stored.map(|event| event.body) else {
        return Err(Refusal::internal().into());
    };
    // it may have been deleted at once
    let comment = site.store.tile_comment(id).await?.ok_or_else(no_such_comment)?;
    Ok(HttpResponse::Created().json(described(comment, Some(seq.0))))
}

/// Deletes a comment of yours. Moderators of the canvas may delete all comments.
#[utoipa::path(delete, path = "/api/v1/comments/{comment_id}", tag = "canvases",
    params(("comment_id" = String, Path, description = "The comment's id")),
    responses(
        (status = 204, description = "It was deleted, which the sockets of the canvas are told"),
        (status = 403, description = "It is somebody else's comment"),
        (status = 404, description = "There is no such comment, or you may not enter its canvas"),
        (status = 503, description = "The server can't store this at the moment"),
    ))]
pub(in crate::http) async fn remove_tile_comment(
    site: web::Data<AppState>,
    user: AuthUser,
    path: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    let id: EventId = path.parse().map_err(|_| no_such_comment())?;
    let comment = site.store.tile_comment(id).await?.ok_or_else(no_such_comment)?;
    let (canvas, _) = found(&site, &user, &comment.tile.to_string()).await?;
    if comment.user != *user.id() {
        let Access { identity, right, .. } = canvas.clone().into();
        user.may(Action::Moderate { room: &identity, right })?;
    }
    let command = Command::Canvas(CanvasCommand::DeleteComment { tile: comment.tile, comment: id });
    site.gateway.ask(canvas.identity, user.profile.author(), None, command, Vec::new()).await?;
    Ok(HttpResponse::NoContent().finish())
}

fn described(comment: TileComment, seq: Option<i64>) -> CommentJson {
    CommentJson {
        comment_id: comment.id.to_string(),
        tile_id: comment.tile.0,
        user_id: comment.number,
        username: comment.username,
        text: comment.text,
        created_at: comment.created_at.to_string(),
        seq,
    }
}

fn no_such_comment() -> ApiError {
    ApiError::new(ErrorCode::NotFound, "There is no such comment, or it was deleted; list the comments again")
}
