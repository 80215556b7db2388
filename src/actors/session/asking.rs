//! What a session has to do with the assistant: it passes questions on, and says when its socket has ended.

use std::sync::Arc;

use actix::prelude::*;

use super::{AskedAssistant, Session};
use crate::{
    actors::messages::{AskAssistant, AskerGone, CancelAsk},
    core::{assistant::Question, command::ClientRef},
    error::{ErrorCode, Refusal},
    limits,
    logged::logged,
};

impl Session {
    /// Asks the assistant, whose answer reaches all sockets of the user.
    pub(super) fn ask_assistant(&mut self, reference: Option<ClientRef>, question: Question, ctx: &mut Context<Self>) {
        let Some(assistant) = self.worker.node.assistant.get() else {
            return self.refuse(reference, away());
        };
        self.asked = AskedAssistant::Once;
        let (user, confined) = (self.user.clone(), self.confined.clone());
        let ask = AskAssistant { user, conn: self.outbox.key, confined, question };
        let asked = assistant.ask.send(ask).timeout(limits::ASK_TIMEOUT);
        self.hold(asked, ctx, move |answer, session, _| match answer {
            Ok(Ok(())) => session.done(reference),
            Ok(Err(refusal)) => session.refuse(reference, refusal),
            Err(_) => session.refuse(reference, away()),
        });
    }

    /// Stops an answer.
    pub(super) fn cancel_ask(&mut self, reference: Option<ClientRef>, request: Arc<str>, ctx: &mut Context<Self>) {
        let Some(assistant) = self.worker.node.assistant.get() else {
            return self.refuse(reference, away());
        };
        let cancel = CancelAsk { user: self.user.id.clone(), request };
        let cancelled = assistant.cancel.send(cancel).timeout(limits::ASK_TIMEOUT);
        self.hold(cancelled, ctx, move |answer, session, _| match answer {
            Ok(true) => session.done(reference),
            Ok(false) => {
                let sentence = "There is no running request of that `request_id`; it may have ended by itself";
                session.refuse(reference, Refusal::new(ErrorCode::NotFound, sentence));
            }
            Err(_) => session.refuse(reference, away()),
        });
    }

    pub(super) fn tell_assistant(&self, gone: AskerGone) {
        if let Some(assistant) = self.worker.node.assistant.get()
            && assistant.gone.try_send(gone).is_err()
        {
            log::warn!("event=asker_not_told user={} why=assistant_full", logged(&self.user.id));
        }
    }
}

fn away() -> Refusal {
    Refusal::new(
        ErrorCode::AiUnavailable,
        "The assistant takes no more questions for the moment; try again in a few seconds",
    )
}
