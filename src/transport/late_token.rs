//! Sockets that are opened without a token: the client must send one in its first messages. Until then nothing is known of the
//! socket and no session exists, so what it may send and how long it may take are bounded. The session then reads everything
//! again from the beginning.

use std::{future::poll_fn, ops::ControlFlow, rc::Rc, sync::Arc, task::Waker};

use bytes::Bytes;

use super::{
    admission::admit_with_token,
    frame::{self, Decoder, Inbound},
    socket::Socket,
};
use crate::{
    actors::{session::Session, worker::Worker},
    core::{command::Tag, event::Reply},
    dialects::{ClientMessage, DialectKind, Stamp, endpoints::Endpoint},
    disconnect::Disconnect,
    error::{ErrorCode, Refusal},
    limits,
};

/// A token, and for what it was sent.
struct Found {
    token: String,
    about: Option<Arc<str>>,
}

/// Waits for the token, and starts the session. `early` are the bytes that came with the handshake.
pub(super) async fn receive(worker: Rc<Worker>, mut socket: Socket, endpoint: Endpoint, early: &[u8]) {
    let mut bytes = early.to_vec();
    let waited = tokio::time::timeout(limits::LATE_TOKEN_MAX, first_token(&mut socket, endpoint.dialect(), &mut bytes));
    let (refusal, about) = match waited.await {
        Ok(Some(Found { token, about })) => match admit_with_token(&worker, &endpoint, &token).await {
            Ok(params) => {
                let ids = worker.connection_ids(&params.profile.id, params.dialect.options().seats);
                worker.node.metrics.upgraded();
                return Session::open(worker, socket, params, ids, &bytes);
            }
            Err(refusal) => (refusal, about),
        },
        // it has ended, or is not a client of this protocol
        Ok(None) => return socket.abort(),
        Err(_) => {
            let sentence = "No token was sent in time; send one for the first document";
            (Refusal::new(ErrorCode::AuthenticationFailed, sentence), None)
        }
    };
    worker.node.metrics.upgrade_refused(refusal.code);
    log::info!("event=socket_refused dialect={} code={}", endpoint.dialect().name(), refusal.code.row().name);
    refuse(&worker, &mut socket, endpoint.dialect(), refusal, about);
}

/// Reads until a token comes. `bytes` are all that were read. `None` if the socket has ended or sends something else.
async fn first_token(socket: &mut Socket, dialect: DialectKind, bytes: &mut Vec<u8>) -> Option<Found> {
    let mut decoder = Decoder::default();
    let mut fed = 0;
    let mut buffer = vec![0; limits::LATE_TOKEN_READ_BYTES];
    loop {
        // decoding unmasks in place, but the session must be able to read them again
        let mut copy = bytes.get(fed..).unwrap_or_default().to_vec();
        fed = bytes.len();
        let (mut found, mut has_ended) = (None, false);
        let look = |inbound: Inbound<'_>| match inbound {
            Inbound::Binary(message) => {
                let message = ClientMessage::Binary(message);
                found = dialect
                    .dialect()
                    .token(message)
                    .map(|(token, about)| Found { token: token.to_owned(), about: Some(about.into()) });
                if found.is_some() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
            }
            Inbound::Ping(_) | Inbound::Pong => ControlFlow::Continue(()),
            Inbound::Text(_) | Inbound::Close(_) => {
                has_ended = true;
                ControlFlow::Break(())
            }
        };
        decoder.feed(&mut copy, limits::LATE_TOKEN_BYTES_MAX, look).ok()?;
        if found.is_some() || has_ended {
            return found;
        }
        if bytes.len() > limits::LATE_TOKEN_BYTES_MAX {
            return None;
        }
        let read = poll_fn(|cx| socket.poll_read(cx, &mut buffer)).await.ok().filter(|read| *read > 0)?;
        bytes.extend_from_slice(buffer.get(..read)?);
    }
}

/// Says why, and closes. The socket has been sent nothing yet, so it accepts these few bytes at once.
fn refuse(worker: &Worker, socket: &mut Socket, dialect: DialectKind, refusal: Refusal, about: Option<Arc<str>>) {
    let why = match refusal.code == ErrorCode::AuthenticationFailed {
        true => Disconnect::TokenExpired,
        false => Disconnect::TryAgainLater,
    };
    let close = frame::close(why.code(), &refusal.sentence);
    let reply = Reply::Error { tag: Tag { about, ..Tag::default() }, refusal };
    let stamp = Stamp::new(worker.node.clock.now());
    let said = frame::build(|out| dialect.dialect().encode_reply(&reply, stamp, out));
    let all: Vec<Bytes> = said.into_iter().chain([close]).collect();
    // a client that does not accept them learns of the end without them
    let _ = socket.write(Waker::noop(), &all.concat());
    let _ = socket.flush(Waker::noop());
    socket.finish();
}
