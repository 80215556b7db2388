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
        if self.node.bridge.reach == Reach::ThisNode {
            return Box::pin(std::future::ready(is_here));
        }
        // the same name may be running elsewhere as well: it is the client's own
        self.elsewhere.asked += 1;
        let question = self.elsewhere.asked;
        self.node.bridge.say(To::User(user.clone()), NodeWord::CancelAsk { user, request, question });
        if is_here || self.elsewhere.open.len() >= limits::GATHERS_WAITING_MAX {
            return Box::pin(std::future::ready(is_here));
        }
        let (done, answer) = oneshot::channel();
        self.elsewhere.open.insert(question, done);
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
