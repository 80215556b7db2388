//! The seed's routes of the nexus dialect about presence: statistics, who is online, and who takes part in a room. They must
//! never show anything to a token that is confined to rooms outside of these rooms.

use std::collections::{HashMap, HashSet};

use actix_web::{http::Method, web};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    ApiError, AppState, admin,
    extract::{AuthUser, user_id},
    openapi::bodies,
    resource,
};
use crate::{
    auth::policy::Action,
    core::{presence::UserStatus, profile::Role},
    error::ErrorCode,
    ids::{RoomName, UserId},
    limits,
    store::RoomRef,
};

pub(super) fn configure(config: &mut web::ServiceConfig) {
    config
        .service(resource("/api/ws/stats", [(Method::GET, web::to(stats))]))
        .service(resource("/api/ws/online", [(Method::GET, web::to(online))]))
        .service(resource("/api/ws/rooms/{room_id}", [(Method::GET, web::to(room))]))
        .service(resource("/api/presence/{user_id}", [(Method::GET, web::to(presence))]));
}

/// The presence of a user.
#[derive(Serialize, ToSchema)]
#[schema(as = Presence)]
pub(super) struct PresenceJson {
    user_id: String,
    username: String,
    /// `online`, `away`, `busy` or `offline`.
    status: &'static str,
    /// The message that the user has set; null for none.
    status_message: Option<String>,
    /// The location that the user has set; null for none.
    location: Option<String>,
}

impl PresenceJson {
    fn new(user: &UserId, username: &str, status: Option<UserStatus>) -> PresenceJson {
        let name = status.as_ref().map_or("offline", |status| status.status.name());
        let details = status.unwrap_or_default().details;
        PresenceJson {
            user_id: user.to_string(),
            username: username.to_owned(),
            status: name,
            status_message: details.message.as_deref().map(str::to_owned),
            location: details.location.as_deref().map(str::to_owned),
        }
    }
}

#[utoipa::path(get, path = "/api/ws/stats", tag = "presence", summary = "Get statistics of all nodes combined",
    responses(
        (status = 200, description = "The current statistics", body = admin::StatsJson),
        (status = 403, description = "The token is restricted to rooms"),
    ))]
pub(super) async fn stats(site: web::Data<AppState>, user: AuthUser) -> Result<web::Json<admin::StatsJson>, ApiError> {
    user.may(Action::ViewPresence)?;
    admin::statistics(&site).await
}

/// The users who are online.
#[derive(Serialize, ToSchema)]
#[schema(as = OnlineUsers)]
pub(super) struct OnlineJson {
    /// The first 1,000 of them by id.
    online_users: Vec<PresenceJson>,
    /// The number of all.
    count: usize,
}

#[utoipa::path(get, path = "/api/ws/online", tag = "presence", summary = "List the users who are online on any node",
    responses(
        (status = 200, description = "Up to 1,000 users", body = OnlineJson),
        (status = 403, description = "The token is restricted to rooms"),
    ))]
pub(super) async fn online(site: web::Data<AppState>, user: AuthUser) -> Result<web::Json<OnlineJson>, ApiError> {
    user.may(Action::ViewPresence)?;
    let mut users = site.gateway.everyone_online(usize::MAX).await;
    let count = users.len();
    users.sort_unstable();
    users.truncate(limits::LIST_MAX as usize);
    let statuses = site.gateway.statuses(users.clone()).await;
    let profiles = site.store.users_by_ids(&users).await?;
    let names: HashMap<&UserId, &str> = profiles.iter().map(|profile| (&profile.id, &*profile.username)).collect();
    let online_users = users.iter().zip(statuses).filter_map(|(user, status)| {
        let name = names.get(user)?;
        // The user may have gone offline between the two questions.
        status.map(|status| PresenceJson::new(user, name, Some(status)))
    });
    Ok(web::Json(OnlineJson { online_users: online_users.collect(), count }))
}

/// A user who takes part in a room.
#[derive(Serialize, ToSchema)]
#[schema(as = RoomParticipant)]
pub(super) struct ParticipantJson {
    user_id: String,
    username: String,
    online: bool,
}

/// The users who take part in a room.
#[derive(Serialize, ToSchema)]
#[schema(as = RoomParticipants)]
pub(super) struct ParticipantsJson {
    /// As in the request.
    room_id: String,
    /// By id.
    members: Vec<ParticipantJson>,
    count: usize,
}

#[utoipa::path(get, path = "/api/ws/rooms/{room_id}", tag = "presence", summary = "List the users who take part in a room",
    params(bodies::RoomPath),
    responses(
        (status = 200, description = "Members of the channel, the two users of a direct conversation, or those who joined an open room or wrote in it", body = ParticipantsJson),
        (status = 403, description = "You may not enter the room"),
        (status = 404, description = "The room does not exist"),
    ))]
pub(super) async fn room(
    site: web::Data<AppState>,
    user: AuthUser,
    path: web::Path<String>,
) -> Result<web::Json<ParticipantsJson>, ApiError> {
    let no_such_room = || ApiError::new(ErrorCode::RoomNotFound, "The room does not exist; check its id or its name");
    let name = RoomName::new(path.as_str()).map_err(|_| no_such_room())?;
    let found = site.store.access(&RoomRef::Conversation(name), user.id()).await?;
    let access = found.ok_or_else(no_such_room)?;
    if user.role == Role::Admin {
        user.may(Action::Reach { room: &access.identity })?;
    } else {
        user.may_enter(&access)?;
    }
    let participants = site.store.participants(&access.identity).await?;
    let ids = participants.iter().map(|author| author.id.clone()).collect();
    let online: HashSet<UserId> = site.gateway.online(ids).await.into_iter().collect();
    let members: Vec<ParticipantJson> = participants
        .iter()
        .map(|author| ParticipantJson {
            user_id: author.id.to_string(),
            username: author.username().to_owned(),
            online: online.contains(&author.id),
        })
        .collect();
    Ok(web::Json(ParticipantsJson { room_id: path.into_inner(), count: members.len(), members }))
}

#[utoipa::path(get, path = "/api/presence/{user_id}", tag = "presence", summary = "Get the presence of a user",
    params(bodies::UserPath),
    responses(
        (status = 200, description = "The user's status", body = PresenceJson),
        (status = 403, description = "The token is restricted to rooms"),
        (status = 404, description = "The user does not exist"),
    ))]
pub(super) async fn presence(
    site: web::Data<AppState>,
    user: AuthUser,
    path: web::Path<String>,
) -> Result<web::Json<PresenceJson>, ApiError> {
    user.may(Action::ViewPresence)?;
    let of = site.store.user(&user_id(&path)?).await?.ok_or_else(ApiError::no_such_user)?;
    let status = site.gateway.statuses(vec![of.id.clone()]).await.into_iter().next().flatten();
    Ok(web::Json(PresenceJson::new(&of.id, &of.username, status)))
}
