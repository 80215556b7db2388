//! Administration of the running cluster from any node: statistics of all nodes, connections, messages to rooms and
//! users, and shutdown. Every route must check that the user is an administrator.

use actix_web::{HttpResponse, http::Method, web};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    ApiError, AppState,
    extract::{Administrator, AuthUser, ClientAddress, JsonObject, user_id},
    openapi::bodies,
    resource,
};
use crate::{
    actors::{gateway::NodeReport, messages::Ended, node::StopCall},
    auth::policy::Action,
    core::event::RoomIdentity,
    error::{ErrorCode, Refusal},
    ids::{RoomId, RoomName},
    limits,
    logged::logged,
    store::{AuditAction, NewAudit},
};

pub(super) fn configure(config: &mut web::ServiceConfig) {
    config
        .service(resource("/api/v1/ws/connections/{connection_id}", [(Method::DELETE, web::to(disconnect))]))
        .service(resource("/api/v1/ws/stats", [(Method::GET, web::to(stats))]))
        .service(resource("/api/v1/ws/stats/detailed", [(Method::GET, web::to(stats_detailed))]))
        .service(resource("/api/v1/ws/rooms", [(Method::GET, web::to(rooms))]))
        .service(resource("/api/v1/ws/rooms/{room_id}/broadcast", [(Method::POST, web::to(broadcast))]))
        .service(resource("/api/v1/ws/announcements", [(Method::POST, web::to(announce))]))
        .service(resource("/api/v1/ws/users/{user_id}/notify", [(Method::POST, web::to(notify))]))
        .service(resource("/api/v1/ws/shutdown", [(Method::POST, web::to(shutdown))]));
}

#[utoipa::path(delete, path = "/api/v1/ws/connections/{connection_id}", tag = "administration", summary = "Close a connection with code 4403",
    params(bodies::ConnectionPath),
    responses(
        (status = 204, description = "Closed"),
        (status = 403, description = "For administrators only"),
        (status = 404, description = "The connection does not exist"),
    ))]
pub(super) async fn disconnect(
    site: web::Data<AppState>,
    user: AuthUser,
    path: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    user.may(Action::Administer)?;
    let refused = match site.gateway.disconnect(&path).await {
        Ended::Yes => None,
        Ended::NotThere => Some((ErrorCode::NotFound, "The connection does not exist; it may already be closed")),
        Ended::Unanswered => Some((
            ErrorCode::ServiceUnavailable,
            "The node of this connection does not respond; try again in a few seconds",
        )),
    };
    if let Some((code, sentence)) = refused {
        return Err(ApiError::new(code, sentence));
    }
    log::info!("event=disconnected_by_admin connection={} by={}", logged(path.as_str()), logged(user.id()));
    Ok(HttpResponse::NoContent().finish())
}

// ---- statistics ----

/// Statistics of all nodes combined. `uptime_seconds` is that of the node that answers.
#[derive(Serialize, ToSchema)]
#[schema(as = Stats)]
pub(super) struct StatsJson {
    total_connections: u64,
    authenticated_connections: u64,
    users_online: usize,
    rooms_active: usize,
    messages_per_second: f64,
    uptime_seconds: u64,
}

#[derive(Serialize, ToSchema)]
#[schema(as = DetailedStats)]
pub(super) struct DetailedStatsJson {
    #[serde(flatten)]
    totals: StatsJson,
    nodes: Vec<NodeJson>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = Node)]
pub(super) struct NodeJson {
    id: String,
    name: String,
    connections: u64,
    users: u64,
    rooms: u64,
    messages_per_second: f64,
    uptime_seconds: u64,
    draining: bool,
    last_beat_seconds: u32,
}

impl From<NodeReport> for NodeJson {
    fn from(node: NodeReport) -> NodeJson {
        NodeJson {
            id: node.id.to_string(),
            name: node.name,
            connections: node.statistics.connections,
            users: node.statistics.users,
            rooms: node.statistics.rooms,
            messages_per_second: tenths(node.messages_per_second),
            uptime_seconds: node.uptime_seconds,
            draining: node.draining,
            last_beat_seconds: node.silent_seconds,
        }
    }
}

fn tenths(number: f64) -> f64 {
    (number * 10.0).round() / 10.0
}

async fn totals(site: &AppState, nodes: &[NodeReport]) -> Result<StatsJson, ApiError> {
    let connections = nodes.iter().map(|node| node.statistics.connections).sum();
    Ok(StatsJson {
        total_connections: connections,
        // All connections are authenticated, because that happens before the upgrade.
        authenticated_connections: connections,
        users_online: site.gateway.users_online().await,
        rooms_active: site.gateway.rooms().await.ok_or_else(Refusal::unavailable)?.len(),
        messages_per_second: tenths(nodes.iter().map(|node| node.messages_per_second).sum()),
        uptime_seconds: nodes.first().map_or(0, |own| own.uptime_seconds),
    })
}

#[utoipa::path(get, path = "/api/v1/ws/stats", tag = "administration", summary = "Get statistics of all nodes combined",
    responses(
        (status = 200, description = "The current statistics", body = StatsJson),
        (status = 403, description = "For administrators only"),
    ))]
pub(super) async fn stats(site: web::Data<AppState>, user: AuthUser) -> Result<web::Json<StatsJson>, ApiError> {
    user.may(Action::Administer)?;
    statistics(&site).await
}

/// Statistics of all nodes combined. The caller must have checked the right.
pub(super) async fn statistics(site: &AppState) -> Result<web::Json<StatsJson>, ApiError> {
    let nodes = site.gateway.nodes().await;
    Ok(web::Json(totals(site, &nodes).await?))
}

#[utoipa::path(get, path = "/api/v1/ws/stats/detailed", tag = "administration", summary = "Get statistics per node",
    responses(
        (status = 200, description = "The current statistics", body = DetailedStatsJson),
        (status = 403, description = "For administrators only"),
    ))]
pub(super) async fn stats_detailed(
    site: web::Data<AppState>,
    user: AuthUser,
) -> Result<web::Json<DetailedStatsJson>, ApiError> {
    user.may(Action::Administer)?;
    let nodes = site.gateway.nodes().await;
    let totals = totals(&site, &nodes).await?;
    Ok(web::Json(DetailedStatsJson { totals, nodes: nodes.into_iter().map(NodeJson::from).collect() }))
}

// ---- rooms ----

/// A room with users. `room_id` is the name for an open room. `active_sheets_count` counts recently changed sheets.
#[derive(Serialize, ToSchema)]
#[schema(as = ActiveRoom)]
pub(super) struct RoomJson {
    room_id: String,
    name: String,
    user_count: u64,
    active_sheets_count: i64,
    /// The latest of: the last event, the last activity of a user in an open room, and the creation of the room.
    last_activity: String,
    messages_sent: i64,
    avg_users_per_hour: f64,
}

/// Lists the rooms in use, largest first.
#[utoipa::path(get, path = "/api/v1/ws/rooms", tag = "administration", summary = "List the rooms in use",
    responses(
        (status = 200, description = "Up to 1,000 rooms, largest first", body = Vec<RoomJson>),
        (status = 403, description = "For administrators only"),
    ))]
pub(super) async fn rooms(site: web::Data<AppState>, user: AuthUser) -> Result<web::Json<Vec<RoomJson>>, ApiError> {
    user.may(Action::Administer)?;
    let mut in_use = site.gateway.rooms().await.ok_or_else(Refusal::unavailable)?.to_vec();
    in_use.sort_unstable_by_key(|room| (std::cmp::Reverse(room.users), room.room));
    in_use.truncate(limits::LIST_MAX as usize);
    let ids: Vec<RoomId> = in_use.iter().map(|room| room.room).collect();
    let activity = site.store.room_activity(&ids).await?;
    let listed = in_use.iter().filter_map(|room| {
        let known = activity.iter().find(|known| known.room == room.room)?;
        Some(RoomJson {
            room_id: known.open.as_ref().map_or_else(|| room.room.to_string(), ToString::to_string),
            name: known.name.clone(),
            user_count: room.users,
            active_sheets_count: known.active_sheets,
            last_activity: known.created_at.max(known.last_at.max(room.last_sign).unwrap_or_default()).to_string(),
            messages_sent: known.events,
            avg_users_per_hour: tenths(room.users_per_hour_milli as f64 / 1_000.0),
        })
    });
    Ok(web::Json(listed.collect()))
}

#[derive(Serialize, ToSchema)]
#[schema(as = Broadcast)]
pub(super) struct BroadcastJson {
    room_id: String,
    status: &'static str,
}

#[derive(Serialize, ToSchema)]
#[schema(as = Announced)]
pub(super) struct AnnouncedJson {
    status: &'static str,
}

#[utoipa::path(post, path = "/api/v1/ws/rooms/{room_id}/broadcast", tag = "administration", summary = "Send a message to everybody in a room",
    params(bodies::RoomPath),
    request_body = bodies::Anything,
    responses(
        (status = 200, description = "Sent", body = BroadcastJson),
        (status = 403, description = "For administrators only"),
        (status = 404, description = "The room does not exist"),
    ))]
pub(super) async fn broadcast(
    site: web::Data<AppState>,
    path: web::Path<String>,
    Administrator { user, body: JsonObject(data) }: Administrator<JsonObject>,
) -> Result<web::Json<BroadcastJson>, ApiError> {
    let room = addressed(&site, &user, &path).await?;
    let (id, room_id) = (room.id, room.label());
    if !site.gateway.announce(room, data).await {
        return Err(Refusal::unavailable().into());
    }
    log::info!("event=broadcast_by_admin room={id} by={}", logged(user.id()));
    Ok(web::Json(BroadcastJson { room_id, status: "sent" }))
}

#[utoipa::path(post, path = "/api/v1/ws/announcements", tag = "administration", summary = "Send a message to all sockets of all users",
    request_body = bodies::Anything,
    responses(
        (status = 202, description = "It was handed over to all nodes; each socket gets it as a notification of its dialect", body = AnnouncedJson),
        (status = 403, description = "For administrators only"),
    ))]
pub(super) async fn announce(
    site: web::Data<AppState>,
    address: ClientAddress,
    Administrator { user, body: JsonObject(data) }: Administrator<JsonObject>,
) -> Result<HttpResponse, ApiError> {
    let audit = NewAudit {
        actor: user.id().clone(),
        action: AuditAction::Announced,
        subject: None,
        room: None,
        details: data.clone(),
        address: address.0.to_string(),
    };
    site.store.audit(&audit).await?;
    site.gateway.notify_all(data).await?;
    log::info!("event=announced_by_admin by={}", logged(user.id()));
    Ok(HttpResponse::Accepted().json(AnnouncedJson { status: "sent" }))
}

/// The room with this id, or the open room with this name.
async fn addressed(site: &AppState, user: &AuthUser, path: &str) -> Result<RoomIdentity, ApiError> {
    if let Ok(id) = path.parse()
        && let Some(room) = site.store.room(id).await?
    {
        return Ok(room);
    }
    let no_such_room = || ApiError::new(ErrorCode::RoomNotFound, "The room does not exist; check its id or its name");
    let name = RoomName::new(path).map_err(|_| no_such_room())?;
    let room = site.store.open_room(&name, user.id()).await?.ok_or_else(no_such_room)?;
    Ok(room.identity)
}

// ---- users ----

#[derive(Serialize, ToSchema)]
#[schema(as = Notified)]
pub(super) struct NotifiedJson {
    user_id: String,
    sockets: usize,
}

#[utoipa::path(post, path = "/api/v1/ws/users/{user_id}/notify", tag = "administration", summary = "Send a message to all sockets of a user",
    params(bodies::UserPath),
    request_body = bodies::Anything,
    responses(
        (status = 200, description = "The number of sockets that received it", body = NotifiedJson),
        (status = 403, description = "For administrators only"),
        (status = 404, description = "The user does not exist"),
    ))]
pub(super) async fn notify(
    site: web::Data<AppState>,
    path: web::Path<String>,
    Administrator { user, body: JsonObject(data) }: Administrator<JsonObject>,
) -> Result<web::Json<NotifiedJson>, ApiError> {
    let to = user_id(&path)?;
    if site.store.user(&to).await?.is_none() {
        return Err(ApiError::no_such_user());
    }
    let sockets = site.gateway.notify(to.clone(), data).await;
    log::info!("event=notified_by_admin user={to} sockets={sockets} by={}", logged(user.id()), to = logged(&to));
    Ok(web::Json(NotifiedJson { user_id: to.to_string(), sockets }))
}

// ---- shutdown ----

#[derive(Serialize, ToSchema)]
#[schema(as = Stopping)]
pub(super) struct StoppingJson {
    status: &'static str,
    node: String,
}

#[utoipa::path(post, path = "/api/v1/ws/shutdown", tag = "administration", summary = "Stop the node that answers this request",
    responses(
        (status = 202, description = "The node notifies its clients and stops", body = StoppingJson),
        (status = 403, description = "For administrators only"),
        (status = 409, description = "The node is embedded in another program"),
    ))]
pub(super) async fn shutdown(site: web::Data<AppState>, user: AuthUser) -> Result<HttpResponse, ApiError> {
    user.may(Action::Administer)?;
    match site.gateway.stop() {
        StopCall::Heard => {
            log::info!("event=stopped_by_admin by={}", logged(user.id()));
            let node = site.config.node.name.clone();
            Ok(HttpResponse::Accepted().json(StoppingJson { status: "stopping", node }))
        }
        StopCall::NotOurs => {
            let sentence = "This node is embedded in another program; stop that program";
            Err(ApiError::new(ErrorCode::Conflict, sentence))
        }
    }
}
