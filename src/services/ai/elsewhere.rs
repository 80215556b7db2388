//! Cancelling from anywhere: a question that does not run on this node may run on another one where its user has a socket.
//! Those are asked, and the one that has it answers; silence means that none has.

use std::collections::BTreeMap;

use actix::prelude::*;
use tokio::sync::oneshot;

use super::Assistant;
use crate::{
    actors::{
        bridge::{NodeWord, Reach, To},
        messages::{AssistantHeard, CancelAsk},
    },
    limits,
};

/// Cancellations that other nodes were asked for.
#[derive(Default)]
pub(super) struct Elsewhere {
    asked: u64,
    open: BTreeMap<u64, oneshot::Sender<()>>,
}

impl Handler<CancelAsk> for Assistant {
    type Result = ResponseFuture<bool>;

    fn handle(&mut self, CancelAsk { user, request }: CancelAsk, ctx: &mut Self::Context) -> Self::Result {
        let is_here = self.cancel(&(user.clone(), request.clone()), ctx);
        self.begin_next(ctx);
        let full = self.elsewhere.open.len() >= limits::GATHERS_WAITING_MAX;
        if is_here || self.node.bridge.reach == Reach::ThisNode || full {
            return Box::pin(std::future::ready(is_here));
        }
        self.elsewhere.asked += 1;
        let question = self.elsewhere.asked;
        let (done, answer) = oneshot::channel();
        self.elsewhere.open.insert(question, done);
        self.node.bridge.say(To::User(user.clone()), NodeWord::CancelAsk { user, request, question });
        ctx.run_later(limits::CANCEL_ELSEWHERE_WAIT, move |assistant, _| {
            drop(assistant.elsewhere.open.remove(&question));
        });
        Box::pin(async move { answer.await.is_ok() })
    }
}

impl Handler<AssistantHeard> for Assistant {
    type Result = ();

    fn handle(&mut self, heard: AssistantHeard, ctx: &mut Self::Context) {
        match heard {
            AssistantHeard::Cancel { from, user, request, question } => {
                if self.cancel(&(user, request), ctx) {
                    self.node.bridge.say(To::Node(from), NodeWord::AskCancelled { question });
                }
                self.begin_next(ctx);
            }
            AssistantHeard::Cancelled { question } => {
                if let Some(waiting) = self.elsewhere.open.remove(&question) {
                    // whoever asked may have stopped waiting
                    let _ = waiting.send(());
                }
            }
        }
    }
}
