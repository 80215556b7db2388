//! `/api/calls`: what clients need to set up calls. Signals are relayed over sockets, and media must never pass through
//! this server.

use actix_web::{
    HttpResponse,
    http::{Method, header},
    web,
};
use serde::Serialize;
use utoipa::ToSchema;

use super::{AppState, extract::AuthUser, resource};
use crate::{
    auth::turn,
    config::{Turn, TurnCredentials},
};

pub(super) fn configure(config: &mut web::ServiceConfig) {
    config.service(resource("/api/calls/ice-servers", [(Method::GET, web::to(ice_servers))]));
}

/// The STUN and TURN servers for calls.
#[derive(Serialize, ToSchema)]
#[schema(as = IceServers)]
pub(super) struct IceServersJson {
    /// For `iceServers` of an `RTCPeerConnection`.
    ice_servers: Vec<IceServerJson>,
    /// Seconds for which the credentials are valid. Null if they do not expire.
    ttl: Option<u64>,
}

/// An `RTCIceServer`.
#[derive(Serialize, ToSchema)]
#[schema(as = IceServer)]
struct IceServerJson {
    urls: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    username: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    credential: Option<String>,
}

/// Returns the STUN and TURN servers for calls, with your credentials.
#[utoipa::path(get, path = "/api/calls/ice-servers", tag = "calls",
    responses((status = 200, description = "The servers; none if the operator has configured none", body = IceServersJson)))]
pub(super) async fn ice_servers(site: web::Data<AppState>, user: AuthUser) -> HttpResponse {
    let calls = &site.config.calls;
    let mut servers = Vec::new();
    if !calls.stun_urls.is_empty() {
        servers.push(IceServerJson { urls: calls.stun_urls.clone(), username: None, credential: None });
    }
    let mut seconds = None;
    if let Some(Turn { urls, credentials }) = &calls.turn {
        let (username, credential) = match credentials {
            TurnCredentials::Shared { secret, ttl } => {
                seconds = Some(ttl.as_secs());
                let ttl_ms = i64::try_from(ttl.as_millis()).unwrap_or(i64::MAX);
                let expires_at = site.clock.now().plus_ms(ttl_ms);
                let credential = turn::credential(secret, user.id(), expires_at);
                (credential.username, credential.password)
            }
            TurnCredentials::Static { username, password } => (username.clone(), password.expose().to_owned()),
        };
        servers.push(IceServerJson { urls: urls.clone(), username: Some(username), credential: Some(credential) });
    }
    let json = IceServersJson { ice_servers: servers, ttl: seconds };
    HttpResponse::Ok().insert_header((header::CACHE_CONTROL, "no-store")).json(json)
}
