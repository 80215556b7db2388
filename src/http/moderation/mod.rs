//! `/api/moderation`: reports, mutes, kicks and bans, word rules, removal of content, and the audit log. Each resource is a file;
//! here is what they share: which room is meant, who may moderate it, and how an act is written to the audit log.

pub(super) mod audit;
pub(super) mod removals;
pub(super) mod reports;
pub(super) mod sanctions;
pub(super) mod words;

use actix_web::web;
use serde_json::{Value, json};

use super::{
    ApiError, AppState,
    extract::{AuthUser, ClientAddress},
    fields::Fields,
    openapi::schemas,
};
use crate::{
    auth::policy::Action,
    core::{
        command::RawJson,
        event::RoomIdentity,
        profile::{Profile, Role},
    },
    error::ErrorCode,
    ids::{DocumentId, RoomId, RoomName, UserId},
    limits,
    store::{AuditAction, NewAudit, Right, RoomRef},
};

pub(super) fn configure(config: &mut web::ServiceConfig) {
    reports::configure(config);
    sanctions::configure(config);
    words::configure(config);
    removals::configure(config);
    audit::configure(config);
}

/// The room that a client names: by its id, by the name of an open room, as `canvas/<id>`, or by the id of a document.
async fn room_named(site: &AppState, user: &AuthUser, name: &str) -> Result<RoomIdentity, ApiError> {
    let unknown = || ApiError::new(ErrorCode::RoomNotFound, "The room does not exist; check its id or its name");
    if let Ok(id) = name.parse()
        && let Some(room) = site.store.room(id).await?
    {
        return Ok(room);
    }
    if let Some(id) = name.strip_prefix("canvas/") {
        let id = id.parse().map_err(|_| unknown())?;
        return Ok(site.store.canvas(id, user.id()).await?.ok_or_else(unknown)?.identity);
    }
    if let Ok(name) = RoomName::new(name)
        && let Some(room) = site.store.open_room(&name, user.id()).await?
    {
        return Ok(room.identity);
    }
    let document = DocumentId::new(name).map_err(|_| unknown())?;
    Ok(site.store.document(&document, user.id()).await?.ok_or_else(unknown)?.identity)
}

/// The user's relation to a room. Reading it never creates a direct conversation.
async fn right_to(site: &AppState, user: &UserId, room: &RoomIdentity) -> Result<Right, ApiError> {
    if room.scope.is_direct() {
        return Ok(Right::Side);
    }
    let gone = || ApiError::new(ErrorCode::RoomNotFound, "The room does not exist any more");
    Ok(site.store.access(&RoomRef::of(room, user), user).await?.ok_or_else(gone)?.right)
}

/// Checks that the user may moderate the room; without one, that the user is an administrator.
async fn check_moderator(site: &AppState, user: &AuthUser, room: Option<&RoomIdentity>) -> Result<(), ApiError> {
    match room {
        Some(room) => user.may(Action::Moderate { room, right: right_to(site, user.id(), room).await? }),
        None => user.may(Action::Administer),
    }
}

/// The room that is named, if any, and that the user may moderate.
async fn moderated(site: &AppState, user: &AuthUser, name: Option<&str>) -> Result<Option<RoomIdentity>, ApiError> {
    let room = match name {
        Some(name) => Some(room_named(site, user, name).await?),
        None => None,
    };
    check_moderator(site, user, room.as_ref()).await?;
    Ok(room)
}

/// The same for a stored room.
async fn moderated_by_id(site: &AppState, user: &AuthUser, room: Option<RoomId>) -> Result<(), ApiError> {
    let room = match room {
        Some(id) => {
            let gone = || ApiError::new(ErrorCode::RoomNotFound, "The room does not exist any more");
            Some(site.store.room(id).await?.ok_or_else(gone)?)
        }
        None => None,
    };
    check_moderator(site, user, room.as_ref()).await
}

/// Refuses acts against oneself, and of moderators of a room against each other or against administrators.
async fn check_subject(
    site: &AppState,
    user: &AuthUser,
    room: Option<&RoomIdentity>,
    subject: &Profile,
) -> Result<(), ApiError> {
    if subject.id == *user.id() {
        return Err(ApiError::field("user_id", "is you; choose another user"));
    }
    if user.role == Role::Admin {
        return Ok(());
    }
    let moderates = match room {
        Some(room) => right_to(site, &subject.id, room).await?.moderates(),
        None => false,
    };
    if moderates || subject.role == Role::Admin {
        let sentence = "This user moderates the room, too; ask an administrator";
        return Err(ApiError::new(ErrorCode::PermissionDenied, sentence));
    }
    Ok(())
}

/// An entry for the audit log.
fn act(
    user: &AuthUser,
    address: &ClientAddress,
    action: AuditAction,
    subject: Option<&UserId>,
    room: Option<RoomId>,
    details: &Value,
) -> NewAudit {
    NewAudit {
        actor: user.id().clone(),
        action,
        subject: subject.cloned(),
        room,
        details: RawJson::from_parsed(&details.to_string()),
        address: address.0.to_string(),
    }
}

/// Tells the user's sockets what a moderator did, as a notification in the form of their dialects.
async fn tell(site: &AppState, user: &UserId, action: &str, room: Option<&RoomIdentity>, more: Value) {
    let mut data = json!({"kind": "moderation", "action": action, "room_id": room.map(RoomIdentity::label)});
    if let (Value::Object(data), Value::Object(more)) = (&mut data, more) {
        data.extend(more);
    }
    site.gateway.notify(user.clone(), RawJson::from_parsed(&data.to_string())).await;
}

/// What clients call the room. A room that is gone is called by its id.
async fn label_of(site: &AppState, room: Option<RoomId>) -> Result<Option<String>, ApiError> {
    let Some(id) = room else { return Ok(None) };
    Ok(Some(site.store.room(id).await?.map_or_else(|| id.to_string(), |room| room.label())))
}

/// A reason or a note.
fn text(fields: &Fields, name: &str) -> Result<Option<String>, ApiError> {
    fields.optional_lines(name, limits::MODERATION_TEXT_CHARS_MAX)
}

/// The room in a body.
fn room_in(fields: &Fields) -> Result<Option<String>, ApiError> {
    let name = fields.optional_line("room_id", 0..=limits::ROOM_NAME_CHARS_MAX)?;
    Ok(name.filter(|name| !name.is_empty()))
}
