//! Answers plain HTTP requests to WebSocket addresses. Usually a proxy has removed the upgrade headers, and the answer
//! must say so.

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

/// Adds the answers for all WebSocket addresses.
pub fn configure(config: &mut web::ServiceConfig) {
    for path in ["/ws/{room:.*}", "/api/v1/ws"] {
        config.service(web::resource(path).default_service(web::to(answer)));
    }
}

async fn answer(request: HttpRequest) -> HttpResponse {
    let (refusal, mut response) = match Endpoint::of_path(request.path()) {
        Ok(_) => {
            let sentence = "This is a WebSocket endpoint; connect with ws:// or wss://. If you did, a proxy removes the headers \
                            Upgrade and Connection; configure it to pass them on";
            (Refusal::new(ErrorCode::InvalidMessage, sentence), HttpResponse::UpgradeRequired())
        }
        Err(NoEndpoint::NoSuchRoom) => {
            let sentence = "There is no such room; check the id in the address";
            (Refusal::new(ErrorCode::RoomNotFound, sentence), HttpResponse::NotFound())
        }
        Err(NoEndpoint::Unknown) => {
            let sentence = "There is no resource at this address; check the path";
            (Refusal::new(ErrorCode::NotFound, sentence), HttpResponse::NotFound())
        }
    };
    if refusal.code == ErrorCode::InvalidMessage {
        response.insert_header((UPGRADE, "websocket")).insert_header((CONNECTION, "Upgrade"));
    }
    response.insert_header((CONTENT_TYPE, "application/json")).body(refusal_in_json(&refusal, Clock.now()))
}
