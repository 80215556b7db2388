//! `/api/v1/rooms`: open rooms and their members, managed by their owners. A room is identified by its `room_id`, the
//! string by which clients join it, percent-encoded in paths.

use std::collections::HashSet;

use actix_web::{HttpResponse, http::Method, web};
use serde::Serialize;

use super::{
    ApiError, AppState,
    extract::{AuthUser, Body, user_id},
    fields::Fields,
    openapi::schemas,
    resource, to_the_end,
};
use crate::{
    auth::policy::Action,
    core::profile::{Profile, Role},
    error::ErrorCode,
    ids::{RoomName, UserId},
    limits,
    logged::logged,
    store::{NewRoom, OpenRoom, RoomChange, RoomRole, StoreError, Visibility},
};

pub(super) fn configure(config: &mut web::ServiceConfig) {
    config
        .service(resource("/api/v1/rooms", [(Method::POST, web::to(create))]))
        .service(resource("/api/v1/rooms/{room_id}", [(Method::GET, web::to(one)), (Method::PATCH, web::to(change))]))
        .service(resource(
            "/api/v1/rooms/{room_id}/members",
            [(Method::GET, web::to(members)), (Method::POST, web::to(add_member))],
        ))
        .service(resource("/api/v1/rooms/{room_id}/members/{user_id}", [(Method::DELETE, web::to(remove_member))]));
}

/// A room. `role` is your role in it.
#[derive(Serialize, utoipa::ToSchema)]
pub(super) struct OpenRoomJson {
    room_id: String,
    name: String,
    visibility: &'static str,
    /// The maximum number of members. Null: unlimited.
    capacity: Option<u32>,
    owner_id: Option<String>,
    role: Option<&'static str>,
    created_at: String,
}

impl From<OpenRoom> for OpenRoomJson {
    fn from(room: OpenRoom) -> OpenRoomJson {
        OpenRoomJson {
            room_id: room.identity.scope.name().map(ToString::to_string).unwrap_or_default(),
            name: room.title,
            visibility: room.visibility.name(),
            capacity: room.capacity,
            owner_id: room.owner.map(|owner| owner.to_string()),
            role: room.membership.map(RoomRole::name),
            created_at: room.created_at.to_string(),
        }
    }
}

#[derive(Serialize, utoipa::ToSchema)]
pub(super) struct RoomMemberJson {
    user_id: String,
    username: String,
    display_name: String,
    role: &'static str,
    online: bool,
}

/// A new room.
#[derive(utoipa::ToSchema)]
#[allow(dead_code, reason = "it is read field by field, so that every refusal names the field; this documents it")]
pub(super) struct NewRoomBody {
    #[schema(schema_with = schemas::room_name)]
    room_id: String,
    /// `open` or `private`; `open` by default.
    #[schema(schema_with = schemas::visibility, required = false)]
    visibility: Option<String>,
    #[schema(schema_with = schemas::optional_room_name, required = false)]
    name: Option<String>,
    #[schema(schema_with = schemas::capacity, required = false)]
    capacity: Option<u32>,
}

/// The changes. Absent fields stay unchanged.
#[derive(utoipa::ToSchema)]
#[allow(dead_code, reason = "it is read field by field, so that every refusal names the field; this documents it")]
pub(super) struct RoomChangeBody {
    #[schema(schema_with = schemas::visibility, required = false)]
    visibility: Option<String>,
    #[schema(schema_with = schemas::optional_room_name, required = false)]
    name: Option<String>,
    /// Null: unlimited.
    #[schema(schema_with = schemas::capacity, required = false)]
    capacity: Option<u32>,
}

/// The user to add.
#[derive(utoipa::ToSchema)]
#[allow(dead_code, reason = "it is read field by field, so that every refusal names the field; this documents it")]
pub(super) struct RoomMemberBody {
    #[schema(schema_with = schemas::user_id_in_body)]
    user_id: String,
}

/// Creates a room before anybody joins it. You become its owner.
#[utoipa::path(
    post,
    path = "/api/v1/rooms",
    tag = "rooms",
    request_body = NewRoomBody,
    responses(
        (status = 201, description = "It is there", body = OpenRoomJson),
        (status = 400, description = "A field is missing or invalid; the error names it"),
        (status = 403, description = "The token is restricted to other rooms"),
        (status = 409, description = "A room with this name exists"),
    )
)]
pub(super) async fn create(
    site: web::Data<AppState>,
    user: AuthUser,
    Body(fields): Body,
) -> Result<HttpResponse, ApiError> {
    let name = fields.line("room_id", 1..=limits::ROOM_NAME_CHARS_MAX)?;
    let name = RoomName::new(name).map_err(|bad| ApiError::field("room_id", bad))?;
    user.may(Action::NameRoom { name: &name })?;
    let new = NewRoom {
        title: title(&fields)?,
        visibility: visibility(&fields)?.unwrap_or(Visibility::Open),
        capacity: capacity(&fields)?,
    };
    let room = match site.store.make_room(&name, user.id(), &new).await {
        Err(StoreError::Taken(_)) => {
            return Err(ApiError::new(
                ErrorCode::Conflict,
                "A room with this room_id already exists; choose another one",
            ));
        }
        other => other?,
    };
    log::info!("event=room_made room={} by={}", room.identity.id, logged(user.id()));
    Ok(HttpResponse::Created().json(OpenRoomJson::from(room)))
}

/// Gets a room that you may enter.
#[utoipa::path(
    get,
    path = "/api/v1/rooms/{room_id}",
    tag = "rooms",
    params(("room_id" = String, Path, description = "The room's name, percent-encoded")),
    responses(
        (status = 200, description = "The room", body = OpenRoomJson),
        (status = 403, description = "The room is private and you are not a member"),
        (status = 404, description = "The room does not exist"),
    )
)]
pub(super) async fn one(
    site: web::Data<AppState>,
    user: AuthUser,
    path: web::Path<String>,
) -> Result<web::Json<OpenRoomJson>, ApiError> {
    Ok(web::Json(visible(&site, &user, &path).await?.into()))
}

/// Changes a room. Making it private removes users who are not members.
#[utoipa::path(
    patch,
    path = "/api/v1/rooms/{room_id}",
    tag = "rooms",
    params(("room_id" = String, Path, description = "The room's name, percent-encoded")),
    request_body = RoomChangeBody,
    responses(
        (status = 200, description = "The changed room", body = OpenRoomJson),
        (status = 400, description = "A field is invalid; the error names it"),
        (status = 403, description = "You are neither the owner nor an administrator"),
        (status = 404, description = "The room does not exist"),
    )
)]
pub(super) async fn change(
    site: web::Data<AppState>,
    user: AuthUser,
    path: web::Path<String>,
    Body(fields): Body,
) -> Result<web::Json<OpenRoomJson>, ApiError> {
    let room = managed(&site, &user, &path).await?;
    let change = RoomChange {
        title: title(&fields)?,
        visibility: visibility(&fields)?,
        capacity: if fields.has("capacity") { Some(capacity(&fields)?) } else { None },
    };
    to_the_end(async move {
        site.store.change_room(room.identity.id, &change).await?;
        log::info!("event=room_changed room={} by={}", room.identity.id, logged(user.id()));
        if change.visibility == Some(Visibility::Private) {
            let members = site.store.room_members(room.identity.id).await?;
            let staying = members.into_iter().map(|(member, _)| member.id).collect();
            site.gateway.keep_only(room.identity.id, staying).await?;
        }
        let OpenRoom { title, visibility, capacity, .. } = room;
        let changed = OpenRoom {
            title: change.title.unwrap_or(title),
            visibility: change.visibility.unwrap_or(visibility),
            capacity: change.capacity.unwrap_or(capacity),
            ..room
        };
        Ok(web::Json(changed.into()))
    })
    .await
}

/// Lists the members of a room that you may enter, the owner first.
#[utoipa::path(
    get,
    path = "/api/v1/rooms/{room_id}/members",
    tag = "rooms",
    params(("room_id" = String, Path, description = "The room's name, percent-encoded")),
    responses(
        (status = 200, description = "The members", body = Vec<RoomMemberJson>),
        (status = 403, description = "The room is private and you are not a member"),
        (status = 404, description = "The room does not exist"),
    )
)]
pub(super) async fn members(
    site: web::Data<AppState>,
    user: AuthUser,
    path: web::Path<String>,
) -> Result<web::Json<Vec<RoomMemberJson>>, ApiError> {
    let room = visible(&site, &user, &path).await?;
    let members = site.store.room_members(room.identity.id).await?;
    let ids = members.iter().map(|(profile, _)| profile.id.clone()).collect();
    let online: HashSet<UserId> = site.gateway.online(ids).await.into_iter().collect();
    let member = |(profile, role): (Profile, RoomRole)| member_json(&online, profile, role);
    Ok(web::Json(members.into_iter().map(member).collect()))
}

fn member_json(online: &HashSet<UserId>, profile: Profile, role: RoomRole) -> RoomMemberJson {
    RoomMemberJson {
        online: online.contains(&profile.id),
        user_id: profile.id.to_string(),
        username: profile.username.to_string(),
        display_name: profile.display_name,
        role: role.name(),
    }
}

/// Adds a member.
#[utoipa::path(
    post,
    path = "/api/v1/rooms/{room_id}/members",
    tag = "rooms",
    params(("room_id" = String, Path, description = "The room's name, percent-encoded")),
    request_body = RoomMemberBody,
    responses(
        (status = 201, description = "The member", body = RoomMemberJson),
        (status = 403, description = "You are neither the owner nor an administrator"),
        (status = 404, description = "The room or the user does not exist"),
        (status = 409, description = "A member already"),
    )
)]
pub(super) async fn add_member(
    site: web::Data<AppState>,
    user: AuthUser,
    path: web::Path<String>,
    Body(fields): Body,
) -> Result<HttpResponse, ApiError> {
    let room = managed(&site, &user, &path).await?;
    let member = user_id(&fields.line("user_id", 1..=limits::USER_ID_CHARS_MAX)?)?;
    let profile = site.store.user(&member).await?.ok_or_else(ApiError::no_such_user)?;
    let already = || ApiError::new(ErrorCode::AlreadyMember, "This user is already a member; there is nothing to do");
    if room.owner.as_ref() == Some(&member) {
        return Err(already());
    }
    match site.store.add_room_member(room.identity.id, &member).await {
        Ok(true) => {}
        Ok(false) => return Err(already()),
        Err(StoreError::Taken(_)) => {
            let sentence = format!("A room has at most {} members; remove a member first", limits::ROOM_MEMBERS_MAX);
            return Err(ApiError::new(ErrorCode::Conflict, sentence));
        }
        Err(error) => return Err(error.into()),
    }
    log::info!(
        "event=room_member_added room={} user={member} by={}",
        room.identity.id,
        logged(user.id()),
        member = logged(&member)
    );
    site.gateway.conversations_changed(vec![member.clone()]);
    let online = site.gateway.online(vec![member]).await.into_iter().collect();
    Ok(HttpResponse::Created().json(member_json(&online, profile, RoomRole::Member)))
}

/// Removes a member, or leaves the room. In a private room the user's sockets are removed at once.
#[utoipa::path(
    delete,
    path = "/api/v1/rooms/{room_id}/members/{user_id}",
    tag = "rooms",
    params(
        ("room_id" = String, Path, description = "The room's name, percent-encoded"),
        ("user_id" = String, Path, description = "The member's id"),
    ),
    responses(
        (status = 204, description = "The member was removed"),
        (status = 403, description = "You are neither the owner nor an administrator"),
        (status = 404, description = "The room or the member does not exist"),
        (status = 409, description = "The owner can't be removed"),
    )
)]
pub(super) async fn remove_member(
    site: web::Data<AppState>,
    user: AuthUser,
    path: web::Path<(String, String)>,
) -> Result<HttpResponse, ApiError> {
    let (name, member) = path.into_inner();
    let member = user_id(&member)?;
    let room =
        if member == *user.id() { visible(&site, &user, &name).await? } else { managed(&site, &user, &name).await? };
    if room.owner.as_ref() == Some(&member) {
        return Err(ApiError::new(
            ErrorCode::Conflict,
            "The owner can't be removed from the room; create another room instead",
        ));
    }
    to_the_end(async move {
        if !site.store.remove_room_member(room.identity.id, &member).await? {
            return Err(ApiError::new(ErrorCode::NotFound, "This user is not a member of the room; check the id"));
        }
        log::info!(
            "event=room_member_removed room={} user={member} by={}",
            room.identity.id,
            logged(user.id()),
            member = logged(&member)
        );
        if room.visibility == Visibility::Private {
            site.gateway.leave_group(vec![room.identity.id], member.clone()).await?;
        }
        site.gateway.conversations_changed(vec![member]);
        Ok(HttpResponse::NoContent().finish())
    })
    .await
}

/// The room, if it exists and the user may enter it. Administrators see all rooms.
async fn visible(site: &AppState, user: &AuthUser, name: &str) -> Result<OpenRoom, ApiError> {
    let room = named(site, user, name).await?;
    if user.role != Role::Admin {
        user.may_enter(&room.clone().into())?;
    }
    Ok(room)
}

/// The room, if it exists and the user may change it.
async fn managed(site: &AppState, user: &AuthUser, name: &str) -> Result<OpenRoom, ApiError> {
    let room = named(site, user, name).await?;
    user.may(Action::ManageRoom { membership: room.membership })?;
    Ok(room)
}

async fn named(site: &AppState, user: &AuthUser, name: &str) -> Result<OpenRoom, ApiError> {
    let name = RoomName::new(name).map_err(|_| no_such_room())?;
    user.may(Action::NameRoom { name: &name })?;
    site.store.open_room(&name, user.id()).await?.ok_or_else(no_such_room)
}

fn no_such_room() -> ApiError {
    ApiError::new(ErrorCode::RoomNotFound, "The room does not exist; check its room_id")
}

fn title(fields: &Fields) -> Result<Option<String>, ApiError> {
    fields.optional_line("name", 1..=limits::ROOM_NAME_CHARS_MAX)
}

fn visibility(fields: &Fields) -> Result<Option<Visibility>, ApiError> {
    let Some(name) = fields.optional_line("visibility", 1..=16)? else { return Ok(None) };
    let wrong = || ApiError::field("visibility", "must be open or private");
    Visibility::from_name(&name).map(Some).ok_or_else(wrong)
}

fn capacity(fields: &Fields) -> Result<Option<u32>, ApiError> {
    let most = fields.optional_number("capacity", 1..=u64::from(limits::ROOM_CAPACITY_MAX))?;
    Ok(most.and_then(|most| u32::try_from(most).ok()))
}
