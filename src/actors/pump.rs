//! Reads the socket and flushes the outbox, as a future in the session's own context: one task per connection, with
//! access to the actor's state without a lock. The context polls it after the mailbox, at the end of a turn. It must
//! never block.

use std::{pin::Pin, task};

use actix::{fut::ActorFuture, prelude::*};

use super::{outbox::CloseMode, session::Session};
use crate::{
    limits,
    transport::frame::{Decoder, MessageBounds},
};

pub(super) struct Pump {
    decoder: Decoder,
    early: Option<Box<[u8]>>,
}

/// The result of reading in one turn.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Read {
    /// The stream is open.
    Open,
    /// The stream has ended.
    Ended,
}

impl Pump {
    /// `early` are the bytes that were received together with the handshake.
    pub fn new(early: &[u8]) -> Pump {
        Pump { decoder: Decoder::default(), early: (!early.is_empty()).then(|| early.into()) }
    }

    fn read(
        &mut self,
        session: &mut Session,
        ctx: &mut Context<Session>,
        cx: &mut task::Context<'_>,
        buffer: &mut [u8],
    ) -> Read {
        if session.worker.is_quiet() && session.outbox.is_open() {
            return Read::Open; // the node drains: unread messages are not lost, since their sender gets no acknowledgement
        }
        if let Some(mut early) = self.early.take() {
            self.feed(&mut early, session, ctx);
        }
        for _ in 0..limits::READS_PER_TURN_MAX {
            if session.is_full() {
                return Read::Open; // the task is woken when the pending commands are done
            }
            let read = session.outbox.socket().poll_read(cx, buffer);
            match read {
                task::Poll::Pending => return Read::Open,
                task::Poll::Ready(Ok(0) | Err(_)) => return Read::Ended,
                task::Poll::Ready(Ok(n)) => match buffer.get_mut(..n) {
                    Some(bytes) => self.feed(bytes, session, ctx),
                    None => return Read::Ended,
                },
            }
        }
        cx.waker().wake_by_ref();
        Read::Open
    }

    fn feed(&mut self, bytes: &mut [u8], session: &mut Session, ctx: &mut Context<Session>) {
        let now = session.worker.now();
        session.outbox.heard.set(now);
        let options = session.outbox.dialect.options();
        let bounds =
            MessageBounds { bytes_max: options.message_bytes_max, characters_max: options.message_characters_max };
        let fed = self.decoder.feed(bytes, bounds, |frame| session.inbound(frame, ctx));
        if let Err(breach) = fed {
            session.outbox.close(breach, CloseMode::AfterQueued, now);
        }
    }
}

impl ActorFuture<Session> for Pump {
    type Output = ();

    fn poll(
        self: Pin<&mut Self>,
        session: &mut Session,
        ctx: &mut Context<Session>,
        cx: &mut task::Context<'_>,
    ) -> task::Poll<()> {
        session.outbox.attend(cx.waker());
        let worker = session.worker.clone();
        let mut buffer = worker.buffer.take();
        let read = self.get_mut().read(session, ctx, cx, &mut buffer);
        worker.buffer.replace(buffer);
        session.outbox.flush(worker.now());
        session.note_sent(ctx);
        if session.outbox.take_fell_behind() {
            session.resync(ctx);
        }
        if session.outbox.is_finished() {
            session.outbox.socket().finish();
        } else if read == Read::Open && !session.outbox.is_dead() {
            return task::Poll::Pending;
        }
        ctx.stop();
        task::Poll::Ready(())
    }
}
