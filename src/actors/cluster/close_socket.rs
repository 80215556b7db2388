//! Closes a connection on another node: asks the node that has it and waits for the answer for a bounded time.

use actix::prelude::*;

use super::Cluster;
use crate::{
    actors::{
        bridge::{Destination, NodeMessage},
        messages::{CloseRemoteSocket, Ended},
        scatter_gather::Answer,
    },
    limits,
};

/// The number of sockets that the node has closed; `None` until it has answered.
#[derive(Default)]
pub(super) struct SocketsClosed(Option<u32>);

impl SocketsClosed {
    /// The answer of the node.
    pub fn new(sockets: u32) -> SocketsClosed {
        SocketsClosed(Some(sockets))
    }
}

impl Answer for SocketsClosed {
    fn merge(&mut self, other: SocketsClosed) {
        self.0 = other.0.or(self.0);
    }
}

impl Handler<CloseRemoteSocket> for Cluster {
    type Result = ResponseFuture<Ended>;

    fn handle(&mut self, ask: CloseRemoteSocket, ctx: &mut Self::Context) -> Self::Result {
        let lives = self.peers.iter().any(|(peer, _)| peer == ask.on);
        let Some(node) = self.node.as_ref().filter(|_| lives) else {
            return Box::pin(std::future::ready(Ended::NotThere));
        };
        let Some((question, answer)) = self.closings.ask_all([ask.on]) else {
            return Box::pin(std::future::ready(Ended::Unanswered));
        };
        node.bridge
            .publish_node(Destination::Node(ask.on), NodeMessage::Close { user: ask.user, conn: ask.conn, question });
        ctx.run_later(limits::GATHER_WAIT, move |cluster, _| {
            cluster.closings.expire(question);
        });
        Box::pin(async move {
            match answer.await.unwrap_or_default() {
                SocketsClosed(None) => Ended::Unanswered,
                SocketsClosed(Some(0)) => Ended::NotThere,
                SocketsClosed(Some(_)) => Ended::Yes,
            }
        })
    }
}
