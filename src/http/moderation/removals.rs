//! Removal of messages and tiles by moderators. The room itself deletes them, so that everybody is told as usual.

use actix_web::{HttpResponse, http::Method, web};
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::{act, check_moderator, schemas, tell, text};
use crate::{
    core::{
        command::{CanvasCommand, ChatCommand, Command, MessageAddress},
        event::RoomIdentity,
    },
    error::ErrorCode,
    http::{
        ApiError, AppState,
        extract::{AuthUser, Body, ClientAddress},
        fields::Fields,
        resource, to_the_end,
    },
    ids::{TileId, UserId},
    limits,
    store::AuditAction,
};

pub(super) fn configure(config: &mut web::ServiceConfig) {
    config.service(resource("/api/moderation/removals", [(Method::POST, web::to(remove))]));
}

/// What is removed: a message or a tile.
#[derive(ToSchema)]
#[allow(dead_code, reason = "it is read field by field, so that every refusal names the field; this documents it")]
pub(in crate::http) struct RemovalBody {
    #[schema(schema_with = schemas::optional_message_id, required = false)]
    message_id: Option<String>,
    #[schema(schema_with = schemas::optional_tile_id, required = false)]
    tile_id: Option<i64>,
    /// Why. The author is told.
    #[schema(schema_with = schemas::optional_moderation_text, required = false)]
    reason: Option<String>,
}

/// What is to be removed, and where.
struct Found {
    room: RoomIdentity,
    author: Option<UserId>,
    command: Command,
    what: Value,
}

/// Removes a message or a tile of a room that you moderate.
#[utoipa::path(post, path = "/api/moderation/removals", tag = "moderation", request_body = RemovalBody,
    responses(
        (status = 204, description = "It was removed, which the room's sockets are told as usual"),
        (status = 400, description = "Neither a message nor a tile is named, or both, or a field is invalid"),
        (status = 403, description = "You do not moderate the room"),
        (status = 404, description = "There is no such message or tile, or it was deleted"),
    ))]
pub(in crate::http) async fn remove(
    site: web::Data<AppState>,
    user: AuthUser,
    address: ClientAddress,
    Body(fields): Body,
) -> Result<HttpResponse, ApiError> {
    let reason = text(&fields, "reason")?.unwrap_or_default();
    let Found { room, author, command, what } = find(&site, &user, &fields).await?;
    check_moderator(&site, &user, Some(&room)).await?;
    let mut details = json!({"reason": reason});
    if let (Value::Object(details), Value::Object(what)) = (&mut details, &what) {
        details.extend(what.clone());
    }
    let audit = act(&user, &address, AuditAction::Removed, author.as_ref(), Some(room.id), &details);
    to_the_end(async move {
        // before it happens, so that no removal is missing in the log
        site.store.audit(&audit).await?;
        site.gateway.ask(room.clone(), user.profile.author(), None, command, Vec::new()).await?;
        if let Some(author) = author.filter(|author| author != user.id()) {
            tell(&site, &author, "remove", Some(&room), details).await;
        }
        Ok(HttpResponse::NoContent().finish())
    })
    .await
}

async fn find(site: &AppState, user: &AuthUser, fields: &Fields) -> Result<Found, ApiError> {
    let missing = || ApiError::new(ErrorCode::NotFound, "There is no such message or tile, or it was deleted");
    let tile = fields.optional_number("tile_id", 1..=limits::COUNT_MAX.unsigned_abs())?;
    match (fields.message_id("message_id")?, tile) {
        (Some(message), None) => {
            let place = site.store.message_place(message).await?.filter(|place| !place.is_deleted);
            let place = place.ok_or_else(missing)?;
            let command = Command::Chat(ChatCommand::Delete { at: MessageAddress { room: None, message } });
            let what = json!({"message_id": message.to_string()});
            Ok(Found { room: place.room, author: Some(place.sender), command, what })
        }
        (None, Some(tile)) => {
            let id = TileId(i64::try_from(tile).unwrap_or(i64::MAX));
            let (canvas, placed) = site.store.tile(id, user.id()).await?.ok_or_else(missing)?;
            let canvas = site.store.canvas(canvas, user.id()).await?.ok_or_else(missing)?;
            let author = site.store.user_by_number(placed.tile.creator).await?;
            let command = Command::Canvas(CanvasCommand::DeleteTile { tile: id, seen: 0 });
            Ok(Found { room: canvas.identity, author, command, what: json!({"tile_id": id.0}) })
        }
        (Some(_), Some(_)) | (None, None) => {
            Err(ApiError::field("message_id", "name either a message (`message_id`) or a tile (`tile_id`)"))
        }
    }
}
