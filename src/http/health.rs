//! Health of the node, for load balancers, dashboards and operators. A background probe updates a board, and the routes
//! only read it, so that a health check costs nothing and never waits for the database.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    time::Instant,
};

use actix_web::{HttpRequest, HttpResponse, http::Method, rt, web};
use serde::Serialize;
use tokio::time::{MissedTickBehavior, interval, timeout};
use utoipa::ToSchema;

use super::{ApiError, AppState, resource};
use crate::{
    actors::{
        bridge::{LinkState, LinkStatus},
        node::Node,
        watchdog::{self, LifeSigns},
    },
    limits,
    metrics::{CONTENT_TYPE, Metrics, StoreState},
    store::{Store, is_read_only},
};

use StoreState::{Down, ReadOnly, Up};

pub(super) fn configure(config: &mut web::ServiceConfig) {
    config
        .service(resource("/healthz", [(Method::GET, web::to(alive)), (Method::HEAD, web::to(alive))]))
        .service(resource("/readyz", [(Method::GET, web::to(ready)), (Method::HEAD, web::to(ready))]))
        .service(resource("/api/v1/ws/health", [(Method::GET, web::to(health)), (Method::HEAD, web::to(health))]))
        .service(resource("/metrics", [(Method::GET, web::to(metrics))]));
}

/// The state of the database, the link to other nodes, and the essential actors.
pub struct HealthBoard {
    /// A [`StoreState`].
    store: AtomicU8,
    link: Arc<LinkStatus>,
    actors: Arc<LifeSigns>,
    started: Instant,
}

impl HealthBoard {
    /// Starts the probe and the watchdog on this thread. Both end with the board.
    pub fn watch(node: &Arc<Node>) -> Arc<HealthBoard> {
        let board = Arc::new(HealthBoard {
            store: AtomicU8::new(Up as u8),
            link: node.bridge.board.clone(),
            actors: watchdog::watch(node),
            started: Instant::now(),
        });
        node.metrics.store(Up);
        rt::spawn(probe(Arc::downgrade(&board), node.store.clone(), node.metrics.clone()));
        board
    }

    fn store(&self) -> StoreState {
        let known = self.store.load(Ordering::Relaxed);
        [Up, ReadOnly].into_iter().find(|state| *state as u8 == known).unwrap_or(Down)
    }
}

/// Checks whether the database responds and is writable. No response within one interval counts as down, so a failure
/// is detected within five seconds.
async fn look(store: &Store) -> StoreState {
    let asked = async {
        store.ping().await?;
        store.check_writable().await
    };
    match timeout(limits::HEALTH_PROBE, asked).await {
        Ok(Ok(())) => Up,
        Ok(Err(error)) if is_read_only(&error) => ReadOnly,
        Ok(Err(_)) | Err(_) => Down,
    }
}

async fn probe(board: std::sync::Weak<HealthBoard>, store: Store, metrics: Arc<Metrics>) {
    let mut tick = interval(limits::HEALTH_PROBE);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        let state = look(&store).await;
        let Some(board) = board.upgrade() else { return };
        let before = board.store();
        board.store.store(state as u8, Ordering::Relaxed);
        metrics.store(state);
        match (before, state) {
            (Up, Up) | (Down, Down) | (ReadOnly, ReadOnly) => {}
            (_, Down) => log::error!("event=store_down"),
            (_, ReadOnly) => log::error!("event=store_down why=read_only"),
            (_, Up) => log::info!("event=store_up"),
        }
    }
}

#[derive(Serialize, ToSchema)]
#[schema(as = Status)]
pub(super) struct StatusJson {
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = Health)]
pub(super) struct HealthJson<'a> {
    status: &'static str,
    node: &'a str,
    connections: u64,
    database: StatusJson,
    redis: StatusJson,
    uptime_seconds: u64,
}

#[utoipa::path(get, path = "/healthz", tag = "health", summary = "Check whether the process is alive", security(()),
    responses(
        (status = 200, description = "It does", body = StatusJson),
        (status = 503, description = "It is not alive and must be restarted; with the reason", body = StatusJson),
    ))]
pub(super) async fn alive(site: web::Data<AppState>) -> HttpResponse {
    match site.health.actors.silent() {
        None => HttpResponse::Ok().json(status("ok")),
        Some(actor) => unavailable(actor.silence()),
    }
}

fn unavailable(reason: &'static str) -> HttpResponse {
    HttpResponse::ServiceUnavailable().json(StatusJson { status: "unavailable", reason: Some(reason) })
}

#[utoipa::path(get, path = "/readyz", tag = "health", summary = "Check whether the node should receive clients", security(()),
    responses(
        (status = 200, description = "It should", body = StatusJson),
        (status = 503, description = "It should not; with the reason", body = StatusJson),
    ))]
pub(super) async fn ready(site: web::Data<AppState>) -> HttpResponse {
    let reason = if site.gateway.is_leaving() {
        "the node is stopping"
    } else if let Some(actor) = site.health.actors.silent() {
        actor.silence()
    } else if site.health.store() == Down {
        "the database does not respond"
    } else if site.health.store() == ReadOnly {
        "the database is read-only"
    } else if site.health.link.state() == LinkState::Down {
        "no messages are received from Redis"
    } else {
        return HttpResponse::Ok().json(status("ready"));
    };
    unavailable(reason)
}

#[utoipa::path(get, path = "/api/v1/ws/health", tag = "health", summary = "Get the health of the node, at most 5 s old", security(()),
    responses(
        (status = 200, description = "The health of the node and its parts; at the public address of a server that has an `INTERNAL_ADDRESS`, `status` alone", body = HealthJson),
    ))]
pub(super) async fn health(site: web::Data<AppState>, request: HttpRequest) -> HttpResponse {
    let store = site.health.store();
    let (redis, link_up) = match site.health.link.state() {
        LinkState::Disabled => ("disabled", true),
        LinkState::Up => ("ok", true),
        LinkState::Down => ("down", false),
    };
    let actors_answer = site.health.actors.silent().is_none();
    let overall = if store == Up && link_up && actors_answer { "healthy" } else { "degraded" };
    if site.hides_operations(&request) {
        return HttpResponse::Ok().json(status(overall));
    }
    let statistics = site.gateway.statistics().await;
    HttpResponse::Ok().json(HealthJson {
        status: overall,
        node: &site.config.node.name,
        connections: statistics.connections,
        database: status(match store {
            Up => "ok",
            Down => "down",
            ReadOnly => "read_only",
        }),
        redis: status(redis),
        uptime_seconds: site.health.started.elapsed().as_secs(),
    })
}

#[utoipa::path(get, path = "/metrics", tag = "health", summary = "Get metrics for Prometheus", security(()),
    responses(
        (status = 200, description = "OpenMetrics text", content_type = CONTENT_TYPE, body = String),
        (status = 404, description = "The metrics are served at `INTERNAL_ADDRESS` only"),
    ))]
pub(super) async fn metrics(site: web::Data<AppState>, request: HttpRequest) -> Result<HttpResponse, ApiError> {
    if site.hides_operations(&request) {
        return Err(ApiError::nothing_here());
    }
    Ok(HttpResponse::Ok().content_type(CONTENT_TYPE).body(site.metrics.render()))
}

fn status(status: &'static str) -> StatusJson {
    StatusJson { status, reason: None }
}
