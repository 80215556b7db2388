//! A user's rate limit status over all nodes. Each node counts its own requests and receives the counts of the others,
//! so the largest view is that of the cluster. Nodes that do not answer in time are ignored.

use actix::prelude::*;
use futures_util::FutureExt;

use super::Cluster;
use crate::{
    actors::{
        bridge::{Destination, NodeMessage},
        messages::{LimitsOf, LocalLimitsOf},
        scatter_gather::Answer,
    },
    core::{rate::LimitStatus, roster::RosterMessage},
    ids::{NodeId, UserId},
    limits,
};

impl Answer for LimitStatus {
    fn merge(&mut self, other: LimitStatus) {
        *self = self.max(other);
    }
}

impl Cluster {
    /// Answers another node's question.
    pub(super) fn answer_limits(&self, asker: NodeId, question: u64, user: UserId, ctx: &mut Context<Self>) {
        let Some(node) = self.node.clone() else { return };
        let tell = async move {
            let asked = node.registry.send(LocalLimitsOf(user)).timeout(limits::ASK_TIMEOUT).await;
            if let Ok(reckoning) = asked {
                let message = RosterMessage::Limits { question, reckoning };
                node.bridge.publish_node(Destination::Node(asker), NodeMessage::Roster(message));
            }
        };
        ctx.spawn(tell.into_actor(self));
    }
}

impl Handler<LimitsOf> for Cluster {
    type Result = ResponseFuture<LimitStatus>;

    fn handle(&mut self, LimitsOf(user): LimitsOf, ctx: &mut Self::Context) -> Self::Result {
        let Some(node) = self.node.clone() else { return std::future::ready(LimitStatus::default()).boxed_local() };
        let here = node.registry.send(LocalLimitsOf(user.clone())).timeout(limits::ASK_TIMEOUT);
        let peers = self.peers.iter().map(|(peer, _)| peer);
        let Some((question, elsewhere)) = self.reckonings.ask_all(peers) else {
            return async move { here.await.unwrap_or_default() }.boxed_local();
        };
        node.bridge
            .publish_node(Destination::Everyone, NodeMessage::Roster(RosterMessage::AskLimits { question, user }));
        ctx.run_later(limits::GATHER_WAIT, move |cluster, _| {
            cluster.reckonings.expire(question);
        });
        async move { here.await.unwrap_or_default().max(elsewhere.await.unwrap_or_default()) }.boxed_local()
    }
}
