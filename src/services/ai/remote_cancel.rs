//! Cancels a question that may run on another node. It asks the nodes where the user has a socket, and the one that
//! runs the question answers. No answer within the deadline means that no node runs it.

use actix::prelude::*;

use super::Assistant;
use crate::{
    actors::{
        bridge::{ClusterMode, Destination, NodeMessage},
        messages::{AssistantPeerMessage, CancelAsk},
        scatter_gather::Answer,
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
        if self.node.bridge.cluster_mode == ClusterMode::SingleNode {
            return Box::pin(std::future::ready(is_here));
        }
        // The client chooses the request's name, so another node may run a question of the same name. The other nodes
        // are therefore asked even if a question was cancelled here, or if too many such requests are pending to await
        // the answer.
        let asked = if is_here { None } else { self.elsewhere.ask_any() };
        let question = asked.as_ref().map_or(0, |(question, _)| *question);
        self.node
            .bridge
            .publish_node(Destination::User(user.clone()), NodeMessage::CancelAsk { user, request, question });
        let Some((question, answer)) = asked else { return Box::pin(std::future::ready(is_here)) };
        ctx.run_later(limits::CANCEL_ELSEWHERE_WAIT, move |assistant, _| {
            assistant.elsewhere.expire(question);
        });
        Box::pin(async move { answer.await.unwrap_or_default().0 })
    }
}

impl Handler<AssistantPeerMessage> for Assistant {
    type Result = ();

    fn handle(&mut self, heard: AssistantPeerMessage, ctx: &mut Self::Context) {
        match heard {
            AssistantPeerMessage::Cancel { from, user, request, question } => {
                if self.cancel(&(user, request), ctx) {
                    self.node.bridge.publish_node(Destination::Node(from), NodeMessage::AskCancelled { question });
                }
                self.begin_next(ctx);
            }
            AssistantPeerMessage::Cancelled { from, question } => {
                self.elsewhere.answer(from, question, 1, IsCancelled(true));
            }
        }
    }
}
