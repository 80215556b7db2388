//! Whether the node works, for load balancers, dashboards and people. The answers are read from a board that a probe
//! keeps, so that asking for health costs nothing and never waits for the database.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Instant,
};

use actix_web::{HttpResponse, http::Method, rt, web};
use serde::Serialize;
use tokio::time::{MissedTickBehavior, interval, timeout};
use utoipa::ToSchema;

use super::{Site, resource};
use crate::{
    actors::bridge::{LinkBoard, LinkState},
    limits,
    metrics::{CONTENT_TYPE, Metrics, StoreState},
    store::Store,
};

pub(super) fn configure(config: &mut web::ServiceConfig) {
    config
        .service(resource("/healthz", [(Method::GET, web::to(alive)), (Method::HEAD, web::to(alive))]))
        .service(resource("/readyz", [(Method::GET, web::to(ready)), (Method::HEAD, web::to(ready))]))
        .service(resource("/api/v1/ws/health", [(Method::GET, web::to(health)), (Method::HEAD, web::to(health))]))
        .service(resource("/metrics", [(Method::GET, web::to(metrics))]));
}

/// What is known of the database and of the line to other nodes.
pub struct HealthBoard {
    store_up: AtomicBool,
    link: Arc<LinkBoard>,
    started: Instant,
}

impl HealthBoard {
    /// Starts the probe on this thread; it ends with the board.
    pub fn watch(store: Store, link: Arc<LinkBoard>, metrics: Arc<Metrics>) -> Arc<HealthBoard> {
        let board = Arc::new(HealthBoard { store_up: AtomicBool::new(true), link, started: Instant::now() });
        metrics.store(StoreState::Up);
        rt::spawn(probe(Arc::downgrade(&board), store, metrics));
        board
    }

    fn store_is_up(&self) -> bool {
        self.store_up.load(Ordering::Relaxed)
    }
}

async fn probe(board: std::sync::Weak<HealthBoard>, store: Store, metrics: Arc<Metrics>) {
    let mut tick = interval(limits::HEALTH_PROBE);
    tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tick.tick().await;
        // A ping without an answer within one interval is a "down"; together that is less than five seconds.
        let up = timeout(limits::HEALTH_PROBE, store.ping()).await.is_ok_and(|pinged| pinged.is_ok());
        let Some(board) = board.upgrade() else { return };
        let was_up = board.store_up.swap(up, Ordering::Relaxed);
        metrics.store(if up { StoreState::Up } else { StoreState::Down });
        match (was_up, up) {
            (true, false) => log::error!("event=store_down"),
            (false, true) => log::info!("event=store_up"),
            (true, true) | (false, false) => {}
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

#[utoipa::path(get, path = "/healthz", tag = "health", summary = "Whether the process works", security(()),
    responses(
        (status = 200, description = "It does", body = StatusJson),
    ))]
pub(super) async fn alive() -> web::Json<StatusJson> {
    web::Json(status("ok"))
}

#[utoipa::path(get, path = "/readyz", tag = "health", summary = "Whether the node should be sent clients", security(()),
    responses(
        (status = 200, description = "It should", body = StatusJson),
        (status = 503, description = "It should not, with the reason", body = StatusJson),
    ))]
pub(super) async fn ready(site: web::Data<Site>) -> HttpResponse {
    let reason = if site.gateway.is_leaving() {
        "the node is stopping"
    } else if !site.health.store_is_up() {
        "the database does not answer"
    } else if site.health.link.state() == LinkState::Down {
        "other nodes are not heard through Redis"
    } else {
        return HttpResponse::Ok().json(status("ready"));
    };
    HttpResponse::ServiceUnavailable().json(StatusJson { status: "unavailable", reason: Some(reason) })
}

#[utoipa::path(get, path = "/api/v1/ws/health", tag = "health", summary = "What the node knows of itself, true within 5 s of a change", security(()),
    responses(
        (status = 200, description = "Whether it lacks something or not", body = HealthJson),
    ))]
pub(super) async fn health(site: web::Data<Site>) -> HttpResponse {
    let store_up = site.health.store_is_up();
    let (redis, link_up) = match site.health.link.state() {
        LinkState::Disabled => ("disabled", true),
        LinkState::Up => ("ok", true),
        LinkState::Down => ("down", false),
    };
    let statistics = site.gateway.statistics().await;
    HttpResponse::Ok().json(HealthJson {
        status: if store_up && link_up { "healthy" } else { "degraded" },
        node: &site.config.node.name,
        connections: statistics.connections,
        database: status(if store_up { "ok" } else { "down" }),
        redis: status(redis),
        uptime_seconds: site.health.started.elapsed().as_secs(),
    })
}

#[utoipa::path(get, path = "/metrics", tag = "health", summary = "Metrics for Prometheus", security(()),
    responses(
        (status = 200, description = "OpenMetrics text", content_type = CONTENT_TYPE, body = String),
    ))]
pub(super) async fn metrics(site: web::Data<Site>) -> HttpResponse {
    HttpResponse::Ok().content_type(CONTENT_TYPE).body(site.metrics.render())
}

fn status(status: &'static str) -> StatusJson {
    StatusJson { status, reason: None }
}
