//! What the sockets' addresses answer to a request that is no WebSocket handshake. Usually a proxy has dropped its headers.

use actix_web::{
    HttpRequest, HttpResponse,
    http::header::{CONNECTION, CONTENT_TYPE, UPGRADE},
    web,
};

use super::upgrade::refusal_in_json;
use crate::{
    actors::node::Clock,
    dialects::endpoints::{Endpoint, NoEndpoint},
    error::{ErrorCode, Refusal},
};

/// Answers at all addresses of sockets.
pub fn configure(config: &mut web::ServiceConfig) {
    for path in ["/ws/{room:.*}", "/api/v1/ws"] {
        config.service(web::resource(path).default_service(web::to(answer)));
    }
}

async fn answer(request: HttpRequest) -> HttpResponse {
    let (refusal, mut response) = match Endpoint::of_path(request.path()) {
        Ok(_) => {
            let sentence = "This address speaks WebSocket, and the request asks for none; connect with ws:// or wss://. If you did, \
                            a proxy in between must pass the headers Upgrade and Connection on";
            (Refusal::new(ErrorCode::InvalidMessage, sentence), HttpResponse::UpgradeRequired())
        }
        Err(NoEndpoint::NoSuchRoom) => {
            let sentence = "There is no such room; check the id in the address";
            (Refusal::new(ErrorCode::RoomNotFound, sentence), HttpResponse::NotFound())
        }
        Err(NoEndpoint::Unknown) => {
            let sentence = "There is nothing at this address; check the path";
            (Refusal::new(ErrorCode::NotFound, sentence), HttpResponse::NotFound())
        }
    };
    if refusal.code == ErrorCode::InvalidMessage {
        response.insert_header((UPGRADE, "websocket")).insert_header((CONNECTION, "Upgrade"));
    }
    response.insert_header((CONTENT_TYPE, "application/json")).body(refusal_in_json(&refusal, Clock.now()))
}
