//! Questions to the assistant: passes them on and reports the end of the socket. It must never answer a question about
//! a sheet from a state older than the client's own earlier writes.

use std::sync::Arc;

use actix::prelude::*;
use futures_util::future::join_all;
use tokio::time::timeout;

use super::{AskedAssistant, Session};
use crate::{
    actors::messages::{AskAssistant, AskerClosed, CancelAsk, SocketBarrier},
    core::{assistant::Question, command::Tag},
    error::{ErrorCode, Refusal},
    limits,
    logged::logged,
};

impl Session {
    /// Sends a question to the assistant, whose answer is delivered to all sockets of the user. A question about a
    /// sheet waits until all earlier commands of this socket are stored or refused.
    pub(super) fn ask_assistant(&mut self, tag: Tag, question: Question, ctx: &mut Context<Self>) {
        let Some(assistant) = self.worker.node.assistant.get() else {
            return self.refuse(tag, away());
        };
        self.asked = AskedAssistant::Once;
        let conn = self.outbox.key;
        let settled = question.sheet.is_some().then(|| {
            let heard: Vec<_> = self.rooms.all().map(|room| room.send(SocketBarrier { conn })).collect();
            let journal = self.worker.node.journal.clone();
            async move {
                // a room or journal that is gone has nothing left to store
                let _ = join_all(heard).await;
                let _ = journal.settled().await;
            }
        });
        let ask = AskAssistant { user: self.user.clone(), conn, confined: self.confined.clone(), question };
        let line = assistant.ask.clone();
        let asked = async move {
            if let Some(settled) = settled
                && timeout(limits::ASK_TIMEOUT, settled).await.is_err()
            {
                log::warn!("event=asked_unsettled conn={conn:?}");
            }
            line.send(ask).timeout(limits::ASK_TIMEOUT).await
        };
        self.hold(asked, ctx, move |answer, session, _| match answer {
            Ok(Ok(())) => session.done(tag),
            Ok(Err(refusal)) => session.refuse(tag, refusal),
            Err(_) => session.refuse(tag, away()),
        });
    }

    /// Cancels an answer.
    pub(super) fn cancel_ask(&mut self, tag: Tag, request: Arc<str>, ctx: &mut Context<Self>) {
        let Some(assistant) = self.worker.node.assistant.get() else {
            return self.refuse(tag, away());
        };
        let cancel = CancelAsk { user: self.user.id.clone(), request };
        let cancelled = assistant.cancel.send(cancel).timeout(limits::ASK_TIMEOUT);
        self.hold(cancelled, ctx, move |answer, session, _| match answer {
            Ok(true) => session.done(tag),
            Ok(false) => {
                let sentence = "No request with this `request_id` is running; it may have finished already";
                session.refuse(tag, Refusal::new(ErrorCode::NotFound, sentence));
            }
            Err(_) => session.refuse(tag, away()),
        });
    }

    pub(super) fn notify_assistant(&self, gone: AskerClosed) {
        if let Some(assistant) = self.worker.node.assistant.get()
            && assistant.gone.try_send(gone).is_err()
        {
            log::warn!("event=asker_not_sent user={} why=assistant_full", logged(&self.user.id));
        }
    }
}

fn away() -> Refusal {
    Refusal::new(
        ErrorCode::AiUnavailable,
        "The assistant accepts no questions at the moment; try again in a few seconds",
    )
}
