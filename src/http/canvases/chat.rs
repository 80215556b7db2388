//! The chat of a canvas over REST: its history, and sending.

use actix_web::{HttpRequest, HttpResponse, http::Method, web};

use super::entered;
use crate::{
    core::command::Addressed,
    http::{
        ApiError, AppState,
        extract::{AuthUser, Body},
        messages::{MessageJson, PageJson, Place, page, send},
        openapi::bodies,
        resource,
    },
};

pub(super) fn configure(config: &mut web::ServiceConfig) {
    config.service(resource(
        "/api/v1/canvases/{canvas_id}/messages",
        [(Method::GET, web::to(history)), (Method::POST, web::to(send_message))],
    ));
}

/// Lists the messages on a canvas, the newest first.
#[utoipa::path(get, path = "/api/v1/canvases/{canvas_id}/messages", tag = "canvases",
    params(("canvas_id" = i64, Path, description = "The canvas' id"), bodies::PageQuery),
    responses(
        (status = 200, description = "A page, newest first", body = PageJson),
        (status = 400, description = "`before` or `limit` is invalid"),
        (status = 403, description = "The canvas is private and you are not a member, or you are banned"),
        (status = 404, description = "The canvas does not exist or was deactivated, or the message is not on it"),
    ))]
pub(in crate::http) async fn history(
    site: web::Data<AppState>,
    user: AuthUser,
    path: web::Path<String>,
    request: HttpRequest,
) -> Result<web::Json<PageJson>, ApiError> {
    let canvas = entered(&site, &user, &path).await?;
    page(&site, &user, &canvas.identity, request.query_string()).await
}

/// Sends a message to a canvas.
#[utoipa::path(post, path = "/api/v1/canvases/{canvas_id}/messages", tag = "canvases",
    params(("canvas_id" = i64, Path, description = "The canvas' id")), request_body = bodies::NewMessage,
    responses(
        (status = 201, description = "The stored message, which is also delivered to the sockets of the canvas. A repetition with the same idempotency_key is answered with the first message", body = MessageJson),
        (status = 400, description = "The message is empty or a field is invalid"),
        (status = 403, description = "The canvas is private and you are not a member, or you are muted or banned"),
        (status = 404, description = "The canvas or a file does not exist"),
        (status = 409, description = "You have sent something else to the canvas under the same idempotency_key"),
        (status = 413, description = "The text is too long"),
        (status = 503, description = "The server can't store this at the moment"),
    ))]
pub(in crate::http) async fn send_message(
    site: web::Data<AppState>,
    user: AuthUser,
    path: web::Path<String>,
    Body(fields): Body,
) -> Result<HttpResponse, ApiError> {
    let room = entered(&site, &user, &path).await?.identity;
    let place = Place::new(&room, user.id());
    send(&site, &user, room, Addressed::Canvas { canvas: None }, place, &fields).await
}
