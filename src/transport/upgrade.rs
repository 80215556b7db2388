//! The upgrade hook: takes the socket from the HTTP dispatcher when a request asks for WebSocket. From then on the
//! dispatcher, its middleware and its timeouts are out of the way, so everything they do for REST must be done here as
//! well: limits on origins and users, and the log line.

use std::{convert::Infallible, rc::Rc};

use actix_codec::{AsyncRead, AsyncWrite, Framed};
use actix_http::{Request, Response, StatusCode, body::BodySize, h1, header, ws};
use bytes::Bytes;
use futures_util::SinkExt;

use super::{
    admission::{Admitted, UpgradeRequest, admit, check_origin},
    keep_alive, late_token,
    socket::Socket,
};
use crate::{
    actors::{
        session::{ConnectionIds, Session},
        worker::Worker,
    },
    auth::tokens::TokenPlace,
    core::{command::Tag, event::Reply},
    dialects::{DialectKind, Stamp, endpoints::Endpoint},
    error::{ErrorCode, Refusal},
    ids::Timestamp,
};

/// Called by the HTTP dispatcher, for any path, if a request has `Upgrade: websocket`.
pub async fn upgrade<T>(
    request: Request,
    mut framed: Framed<T, h1::Codec>,
    worker: Rc<Worker>,
) -> Result<(), Infallible>
where
    T: AsyncRead + AsyncWrite + Unpin + Into<Socket>,
{
    let upgrade_request = UpgradeRequest {
        path: request.path(),
        query: request.uri().query().unwrap_or_default(),
        headers: &request.head().headers,
    };
    if let Some(endpoint) = Endpoint::of_path(request.path()).ok().filter(Endpoint::has_late_token) {
        return upgrade_without_token(request, framed, worker, endpoint).await;
    }
    let Admitted { params, place } = match admit(&worker, upgrade_request).await {
        Ok(admitted) => admitted,
        Err(refusal) => return refuse(framed, &worker, request.path(), &refusal).await,
    };
    let connection_ids = worker.connection_ids(&params.profile.id, params.dialect.options().seats);
    let head = handshake(&request, place, &connection_ids).ok().and_then(|mut accepted| accepted.message_body(()).ok());
    let Some(head) = head else { return refuse(framed, &worker, request.path(), &not_a_handshake()).await };
    if framed.send((head, BodySize::None).into()).await.is_ok() {
        worker.node.metrics.upgraded();
        keep_alive::release(&request);
        let parts = framed.into_parts();
        // Copied, because even an empty buffer of the dispatcher holds 8 KiB.
        Session::open(worker, parts.io.into(), params, connection_ids, &parts.read_buf);
    }
    Ok(())
}

/// The same for an endpoint whose token comes in a message.
async fn upgrade_without_token<T>(
    request: Request,
    mut framed: Framed<T, h1::Codec>,
    worker: Rc<Worker>,
    endpoint: Endpoint,
) -> Result<(), Infallible>
where
    T: AsyncRead + AsyncWrite + Unpin + Into<Socket>,
{
    if let Err(refusal) = check_origin(&worker, &request.head().headers) {
        return refuse(framed, &worker, request.path(), &refusal).await;
    }
    let head = ws::handshake(request.head()).ok().and_then(|mut accepted| accepted.message_body(()).ok());
    let Some(head) = head else { return refuse(framed, &worker, request.path(), &not_a_handshake()).await };
    if framed.send((head, BodySize::None).into()).await.is_ok() {
        keep_alive::release(&request);
        let parts = framed.into_parts();
        late_token::receive(worker, parts.io.into(), endpoint, &parts.read_buf).await;
    }
    Ok(())
}

fn not_a_handshake() -> Refusal {
    let sentence = "This is not a valid WebSocket handshake; send version 13 with a key";
    Refusal::new(ErrorCode::InvalidMessage, sentence)
}

/// The response that accepts the handshake (RFC 6455 section 4.2.2), with the connection's ids.
fn handshake(
    request: &Request,
    place: Option<TokenPlace>,
    connection_ids: &ConnectionIds,
) -> Result<actix_http::ResponseBuilder, ws::HandshakeError> {
    let mut accepted = ws::handshake(request.head())?;
    if let Ok(name) = header::HeaderValue::from_str(&connection_ids.name) {
        accepted.insert_header((header::HeaderName::from_static("x-connection-id"), name));
    }
    if place == Some(TokenPlace::Subprotocol) {
        accepted.insert_header((header::SEC_WEBSOCKET_PROTOCOL, "bearer"));
    }
    Ok(accepted)
}

async fn refuse<T>(
    mut framed: Framed<T, h1::Codec>,
    worker: &Worker,
    path: &str,
    refusal: &Refusal,
) -> Result<(), Infallible>
where
    T: AsyncRead + AsyncWrite + Unpin,
{
    let row = refusal.code.row();
    worker.node.metrics.upgrade_refused(refusal.code);
    log::log!(row.level, "event=upgrade_refused path={path} code={}", row.name);
    let body = refusal_body(worker, refusal);
    let mut head = Response::build(StatusCode::from_u16(row.http_status).unwrap_or(StatusCode::BAD_REQUEST));
    head.insert_header((header::CONTENT_TYPE, "application/json"));
    head.insert_header((header::CONNECTION, "close"));
    // Whatever is wrong with the handshake, this is the supported version (RFC 6455 section 4.4).
    head.insert_header((header::SEC_WEBSOCKET_VERSION, "13"));
    if let Some(seconds) = refusal.retry_after_seconds {
        head.insert_header((header::RETRY_AFTER, seconds.to_string()));
    }
    let Ok(head) = head.message_body(()) else { return Ok(()) };
    let sent = async {
        framed.send((head, BodySize::Sized(body.len() as u64)).into()).await?;
        framed.send(h1::Message::Chunk(Some(body))).await?;
        framed.close().await
    };
    if let Err(error) = sent.await {
        log::debug!("event=refusal_not_sent why=\"{error}\"");
    }
    Ok(())
}

/// The refusal as JSON, in the form in which sockets receive it.
pub(super) fn refusal_body(worker: &Worker, refusal: &Refusal) -> Bytes {
    refusal_in_json(refusal, worker.node.clock.now())
}

/// Like [`refusal_body`], for a given time.
pub(super) fn refusal_in_json(refusal: &Refusal, at: Timestamp) -> Bytes {
    let mut body = Vec::new();
    let reply = Reply::Error { tag: Tag::default(), refusal: refusal.clone() };
    DialectKind::Channel.dialect().encode_reply(&reply, Stamp::new(at), &mut body);
    body.into()
}
