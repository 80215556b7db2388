//! Cancels a question that may run on another node. It asks the nodes where the user has a socket, and the one that
//! runs the question answers. No answer within the deadline means that no node runs it.

use actix::prelude::*;

use super::Assistant;
use crate::{
    actors::{
        bridge::{NodeWord, Reach, To},
        gather::Answer,
        messages::{AssistantHeard, CancelAsk},
    },
    limits,
};

/// Whether another node has cancelled the question.
#[derive(Default)]
pub(super) struct IsCancelled(bool);

impl Answer for IsCancelled {
    fn merge(&mut self, other: IsCancelled) {
        self.0 |= other.0;
    }
}

impl Handler<CancelAsk> for Assistant {
    type Result = ResponseFuture<bool>;

    fn handle(&mut self, CancelAsk { user, request }: CancelAsk, ctx: &mut Self::Context) -> Self::Result {
        let is_here = self.cancel(&(user.clone(), request.clone()), ctx);
        self.begin_next(ctx);
        if self.node.bridge.reach == Reach::ThisNode {
            return Box::pin(std::future::ready(is_here));
        }
        // The client chooses the request's name, so another node may run a question of the same name. The other nodes
        // are therefore asked even if a question was cancelled here, or if too many such requests are pending to await
        // the answer.
        let asked = if is_here { None } else { self.elsewhere.ask_any() };
        let question = asked.as_ref().map_or(0, |(question, _)| *question);
        self.node.bridge.say(To::User(user.clone()), NodeWord::CancelAsk { user, request, question });
        let Some((question, answer)) = asked else { return Box::pin(std::future::ready(is_here)) };
        ctx.run_later(limits::CANCEL_ELSEWHERE_WAIT, move |assistant, _| {
            assistant.elsewhere.expire(question);
        });
        Box::pin(async move { answer.await.unwrap_or_default().0 })
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
            AssistantHeard::Cancelled { from, question } => {
                self.elsewhere.answer(from, question, 1, IsCancelled(true));
            }
        }
    }
}
