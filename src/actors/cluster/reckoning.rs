//! How a user stands with the rate limits, by all nodes: each counts what is asked for on it and hears of the rest, so the
//! fullest of their views is the cluster's. A node that does not answer in time is left out.

use std::collections::{BTreeMap, BTreeSet};

use actix::prelude::*;
use futures_util::FutureExt;
use tokio::sync::oneshot;

use super::Cluster;
use crate::{
    actors::{
        bridge::{NodeWord, To},
        messages::{LimitsHere, LimitsOf},
    },
    core::{rate::Reckoning, roster::RosterWord},
    ids::{NodeId, UserId},
    limits,
};

/// The questions that are open.
#[derive(Default)]
pub(super) struct Reckonings {
    asked: u64,
    open: BTreeMap<u64, Open>,
}

struct Open {
    missing: BTreeSet<NodeId>,
    fullest: Reckoning,
    done: oneshot::Sender<Reckoning>,
}

impl Reckonings {
    /// A node's answer.
    pub fn hear(&mut self, from: NodeId, question: u64, reckoning: Reckoning) {
        if let Some(open) = self.open.get_mut(&question) {
            open.fullest = open.fullest.max(reckoning);
            open.missing.remove(&from);
        }
        self.settle();
    }

    /// Nobody waits for a node that is gone.
    pub fn without(&mut self, gone: NodeId) {
        for open in self.open.values_mut() {
            open.missing.remove(&gone);
        }
        self.settle();
    }

    fn settle(&mut self) {
        let done = self.open.extract_if(.., |_, open| open.missing.is_empty());
        done.for_each(|(_, open)| open.close());
    }
}

impl Open {
    fn close(self) {
        // whoever asked may have stopped waiting
        let _ = self.done.send(self.fullest);
    }
}

impl Cluster {
    /// Answers another node's question.
    pub(super) fn tell_limits(&self, asker: NodeId, question: u64, user: UserId, ctx: &mut Context<Self>) {
        let Some(node) = self.node.clone() else { return };
        let tell = async move {
            let asked = node.registry.send(LimitsHere(user)).timeout(limits::ASK_TIMEOUT).await;
            if let Ok(reckoning) = asked {
                let word = RosterWord::Limits { question, reckoning };
                node.bridge.say(To::Node(asker), NodeWord::Roster(word));
            }
        };
        ctx.spawn(tell.into_actor(self));
    }
}

impl Handler<LimitsOf> for Cluster {
    type Result = ResponseFuture<Reckoning>;

    fn handle(&mut self, LimitsOf(user): LimitsOf, ctx: &mut Self::Context) -> Self::Result {
        let Some(node) = self.node.clone() else { return std::future::ready(Reckoning::default()).boxed_local() };
        let here = node.registry.send(LimitsHere(user.clone())).timeout(limits::ASK_TIMEOUT);
        let missing: BTreeSet<NodeId> = self.peers.iter().map(|(peer, _)| peer).collect();
        let (done, elsewhere) = oneshot::channel();
        if !missing.is_empty() && self.reckonings.open.len() < limits::GATHERS_WAITING_MAX {
            self.reckonings.asked += 1;
            let question = self.reckonings.asked;
            self.reckonings.open.insert(question, Open { missing, fullest: Reckoning::default(), done });
            node.bridge.say(To::Everyone, NodeWord::Roster(RosterWord::AskLimits { question, user }));
            ctx.run_later(limits::GATHER_WAIT, move |cluster, _| {
                if let Some(open) = cluster.reckonings.open.remove(&question) {
                    open.close();
                }
            });
        }
        async move { here.await.unwrap_or_default().max(elsewhere.await.unwrap_or_default()) }.boxed_local()
    }
}
