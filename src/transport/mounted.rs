//! Mounts sessions into another program's actix-web App. actix-web-actors does the handshake; frames are read from the
//! request body and written to the response body. Only this file may use that crate, because its authors have
//! deprecated it.

use std::{rc::Rc, sync::Arc};

use actix_web::{HttpRequest, HttpResponse, http::StatusCode, web};

use super::{
    admission::{Admitted, UpgradeRequest, admit},
    body::{self, Connection},
    upgrade::refusal_body,
};
use crate::{
    actors::{node::Node, session::Session, worker::Worker},
    auth::tokens::TokenPlace,
    error::Refusal,
};

/// Serves one WebSocket request of an App. Its path is interpreted as on Convene's own server.
#[allow(deprecated)] // the whole crate is deprecated; see the module's documentation
async fn serve(request: HttpRequest, payload: web::Payload, node: Arc<Node>) -> HttpResponse {
    let worker = Worker::here(&node);
    let upgrade_request =
        UpgradeRequest { path: request.path(), query: request.query_string(), headers: request.headers() };
    let Admitted { params, place } = match admit(&worker, upgrade_request).await {
        Ok(admitted) => admitted,
        Err(refusal) => return refuse(&worker, &refusal),
    };
    let protocols: &[&str] = if place == Some(TokenPlace::Subprotocol) { &["bearer"] } else { &[] };
    let mut response = match actix_web_actors::ws::handshake_with_protocols(&request, protocols) {
        Ok(response) => response,
        Err(error) => return HttpResponse::from_error(error),
    };
    let connection_ids = worker.connection_ids(&params.profile.id, params.dialect.options().seats);
    if let Ok(name) = actix_web::http::header::HeaderValue::from_str(&connection_ids.name) {
        response.insert_header(("x-connection-id", name));
    }
    let (socket, out) = body::mounted(payload, request.conn_data::<Connection>().cloned());
    worker.node.metrics.upgraded();
    Session::open(worker, socket, params, connection_ids, &[]);
    response.streaming(out)
}

fn refuse(worker: &Rc<Worker>, refusal: &Refusal) -> HttpResponse {
    let row = refusal.code.row();
    worker.node.metrics.upgrade_refused(refusal.code);
    let status = StatusCode::from_u16(row.http_status).unwrap_or(StatusCode::BAD_REQUEST);
    let mut answer = HttpResponse::build(status);
    if let Some(seconds) = refusal.retry_after_seconds {
        answer.insert_header(("retry-after", seconds.to_string()));
    }
    answer.content_type("application/json").body(refusal_body(worker, refusal))
}

/// Routes for Convene's WebSocket endpoints, for `App::configure` of an App that embeds a node. Pass
/// [`Connection::remember`] to `HttpServer::on_connect`, so that clients that stop reading can be disconnected.
pub fn mount(node: &Arc<Node>) -> impl FnOnce(&mut web::ServiceConfig) + use<> {
    let node = node.clone();
    move |app| {
        for path in ["/ws/channel/{tail:.*}", "/ws/dm/{tail:.*}", "/api/v1/ws"] {
            let node = node.clone();
            app.route(path, web::get().to(move |request, payload| serve(request, payload, node.clone())));
        }
    }
}
