//! Wraps all responses: the access log, the security headers, and the rules for pages of other origins. The log must
//! never contain a query, because it may hold a token.

use std::time::Instant;

use actix_cors::Cors;
use actix_http::Request;
use actix_service::{ServiceFactory, map_config};
use actix_web::{
    App, Error, ResponseError,
    body::{EitherBody, MessageBody},
    dev::{AppConfig, ServiceRequest, ServiceResponse},
    http::{
        Method, StatusCode,
        header::{
            ACCEPT_RANGES, ACCESS_CONTROL_REQUEST_METHOD, AUTHORIZATION, CACHE_CONTROL, CONTENT_DISPOSITION,
            CONTENT_RANGE, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, HOST, HeaderName, IF_NONE_MATCH, IF_RANGE,
            LAST_MODIFIED, LOCATION, ORIGIN, RANGE, REFERRER_POLICY, RETRY_AFTER, STRICT_TRANSPORT_SECURITY,
            X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
        },
    },
    middleware::{DefaultHeaders, Next, from_fn},
    web,
};
use log::Level;

use super::{ApiError, AppState, Listener, configure, errors, extract::client_address, paths::without_slash};
use crate::{
    config::{Listen, Origins},
    error::ErrorCode,
};

/// How long a browser may cache the response to a preflight.
const PREFLIGHT_SECONDS: usize = 600;
/// Request headers that an upload may use (tus 1.0).
const UPLOAD_HEADERS_TAKEN: [&str; 8] = [
    "tus-resumable",
    "upload-length",
    "upload-metadata",
    "upload-offset",
    "upload-checksum",
    "x-http-method-override",
    "x-request-id",
    "x-requested-with",
];
/// Response headers that a page may read.
const UPLOAD_HEADERS_SHOWN: [&str; 9] = [
    "tus-resumable",
    "tus-version",
    "tus-extension",
    "tus-max-size",
    "tus-checksum-algorithm",
    "upload-offset",
    "upload-length",
    "upload-metadata",
    "upload-expires",
];
/// One year in seconds.
const TLS_ONLY: &str = "max-age=31536000";

/// The App of one worker at one of the addresses: the REST routes, the routes that `routes` adds, and the middleware around them.
pub fn app(
    site: web::Data<AppState>,
    listener: Listener,
    routes: impl FnOnce(&mut web::ServiceConfig),
) -> impl ServiceFactory<Request, Config = (), Response = ServiceResponse<impl MessageBody>, Error = Error, InitError = ()>
{
    let listen = &site.config.listen;
    let (cors, headers) = (cors(&listen.origins), headers(listen));
    let app = App::new()
        .app_data(site)
        .app_data(listener)
        .configure(configure)
        .configure(routes)
        .default_service(web::to(errors::not_found))
        .wrap(from_fn(without_slash))
        .wrap(cors)
        .wrap(from_fn(foreign_page))
        .wrap(headers)
        .wrap(from_fn(log_request));
    map_config(app, |_| AppConfig::default())
}

/// Default headers. A route that sets one of these keeps its own value.
fn headers(listen: &Listen) -> DefaultHeaders {
    let headers = DefaultHeaders::new()
        .add((X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .add((REFERRER_POLICY, "no-referrer"))
        .add((X_FRAME_OPTIONS, "DENY"))
        .add((CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"))
        .add((CACHE_CONTROL, "no-store"));
    match &listen.tls {
        Some(_) => headers.add((STRICT_TRANSPORT_SECURITY, TLS_ONLY)),
        None => headers,
    }
}

/// CORS rules. Tokens are sent in a header and never as cookies, so a page can't use another page's token.
fn cors(origins: &Origins) -> Cors {
    let cors = Cors::default()
        .allowed_methods([Method::GET, Method::HEAD, Method::POST, Method::PUT, Method::PATCH, Method::DELETE])
        .allowed_headers([AUTHORIZATION, CONTENT_TYPE, IF_NONE_MATCH, IF_RANGE, RANGE])
        .allowed_headers(UPLOAD_HEADERS_TAKEN)
        .expose_headers([RETRY_AFTER, LOCATION, ACCEPT_RANGES, CONTENT_DISPOSITION, CONTENT_RANGE, ETAG, LAST_MODIFIED])
        .expose_headers(UPLOAD_HEADERS_SHOWN)
        .max_age(PREFLIGHT_SECONDS);
    match origins {
        Origins::SameHost => cors,
        Origins::Any => cors.allow_any_origin().send_wildcard(),
        Origins::Listed(list) => list.iter().fold(cors, |cors, origin| cors.allowed_origin(origin)),
    }
}

/// Refuses a page of an origin that is not allowed, with the usual error body. The browser hides the sentence from the
/// page but shows it to its developer.
async fn foreign_page(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<EitherBody<impl MessageBody>>, Error> {
    let text = |name: HeaderName| request.headers().get(name).and_then(|value| value.to_str().ok());
    let (origin, host) = (text(ORIGIN), text(HOST).unwrap_or_default());
    let origins = request.app_data::<web::Data<AppState>>().map(|site| &site.config.listen.origins);
    let is_preflight = request.method() == Method::OPTIONS && text(ACCESS_CONTROL_REQUEST_METHOD).is_some();
    let refused = match (origin, origins) {
        (Some(origin), Some(origins)) if is_preflight && !origins.allow(origin, host) => Some(not_allowed(origin)),
        _allowed => None,
    };
    match refused {
        None => next.call(request).await.map(ServiceResponse::map_into_left_body),
        Some(error) => Ok(request.into_response(error.error_response()).map_into_right_body()),
    }
}

/// Like the error that sockets get.
fn not_allowed(origin: &str) -> ApiError {
    let sentence = format!("Pages of {origin} may not use this server; add {origin} to ALLOWED_ORIGINS");
    ApiError::new(ErrorCode::PermissionDenied, sentence)
}

/// Logs one line per request: the path without its query, which may hold a token.
async fn log_request(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let began = Instant::now();
    let site = request.app_data::<web::Data<AppState>>().cloned();
    let peer = request.peer_addr().map(|peer| peer.ip());
    let address = site.map(|site| client_address(&site.config.listen.proxies, peer, request.headers()));
    let (method, path) = (request.method().clone(), request.path().to_owned());
    let answered = next.call(request).await;
    let status = match &answered {
        Ok(response) => response.status(),
        Err(error) => error.as_response_error().status_code(),
    };
    let address = address.map(|address| address.to_string()).unwrap_or_default();
    let ms = began.elapsed().as_millis();
    log::log!(
        level(&path, status),
        "event=request method={method} path={path} status={} ms={ms} address={address}",
        status.as_u16()
    );
    answered
}

/// The log level. Frequent probes and the files of the pages are not logged by default.
fn level(path: &str, status: StatusCode) -> Level {
    match path {
        "/healthz" | "/readyz" | "/metrics" | "/api/v1/ws/health" => Level::Debug,
        _route if status.is_server_error() => Level::Warn,
        _asset if path.starts_with("/assets/") => Level::Debug,
        _route => Level::Info,
    }
}
