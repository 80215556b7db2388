//! Ending a connection on another node: the node that has it is asked, and its answer is awaited, but not for long.

use std::collections::BTreeMap;

use actix::prelude::*;
use tokio::sync::oneshot;

use super::Cluster;
use crate::{
    actors::{
        bridge::{NodeWord, To},
        messages::{CloseElsewhere, Ended},
    },
    limits,
};

/// The questions that are open.
#[derive(Default)]
pub(super) struct Closings {
    asked: u64,
    open: BTreeMap<u64, oneshot::Sender<Ended>>,
}

impl Closings {
    /// A node's answer.
    pub fn hear(&mut self, question: u64, sockets: u32) {
        if let Some(waiting) = self.open.remove(&question) {
            // whoever asked may have stopped waiting
            let _ = waiting.send(if sockets > 0 { Ended::Yes } else { Ended::NotThere });
        }
    }
}

impl Handler<CloseElsewhere> for Cluster {
    type Result = ResponseFuture<Ended>;

    fn handle(&mut self, ask: CloseElsewhere, ctx: &mut Self::Context) -> Self::Result {
        let lives = self.peers.iter().any(|(peer, _)| peer == ask.on);
        let Some(node) = self.node.as_ref().filter(|_| lives) else {
            return Box::pin(std::future::ready(Ended::NotThere));
        };
        if self.closings.open.len() >= limits::GATHERS_WAITING_MAX {
            return Box::pin(std::future::ready(Ended::Unanswered));
        }
        self.closings.asked += 1;
        let question = self.closings.asked;
        let (done, answer) = oneshot::channel();
        self.closings.open.insert(question, done);
        node.bridge.say(To::Node(ask.on), NodeWord::Close { user: ask.user, conn: ask.conn, question });
        ctx.run_later(limits::GATHER_WAIT, move |cluster, _| drop(cluster.closings.open.remove(&question)));
        Box::pin(async move { answer.await.unwrap_or(Ended::Unanswered) })
    }
}
