//! This node among the others: it beats, hears the others' beats, says who has gone, and brings what nodes say to each
//! other to the actor that it concerns. It decides nothing about rooms or users itself.

use std::sync::Arc;

use actix::prelude::*;

use super::{
    bridge::{Enlist, Heard, LinkIs, NodeWord},
    node::Node,
};
use crate::limits;

/// The actor. One per node.
#[derive(Default)]
pub struct Cluster {
    /// Given by [`Join`] before anything else comes.
    node: Option<Arc<Node>>,
}

/// The node that takes part; the two need each other's address.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Join(pub Arc<Node>);

impl Actor for Cluster {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(limits::CLUSTER_MAILBOX_MAX);
    }
}

impl Handler<Join> for Cluster {
    type Result = ();

    fn handle(&mut self, message: Join, ctx: &mut Self::Context) {
        let node = message.0;
        let enlist = Enlist { node: node.id, heard: ctx.address().recipient(), link: ctx.address().recipient() };
        if node.bridge.enlist.try_send(enlist).is_err() {
            log::error!("event=not_enlisted node={}", node.id);
        }
        self.node = Some(node);
    }
}

impl Handler<Heard> for Cluster {
    type Result = ();

    fn handle(&mut self, heard: Heard, _: &mut Self::Context) {
        match heard.word {
            NodeWord::Beat(_)
            | NodeWord::Roster(_)
            | NodeWord::Direct { .. }
            | NodeWord::Notice { .. }
            | NodeWord::Close { .. }
            | NodeWord::Revoke { .. }
            | NodeWord::Block { .. }
            | NodeWord::Spent { .. } => {}
        }
    }
}

impl Handler<LinkIs> for Cluster {
    type Result = ();

    fn handle(&mut self, _: LinkIs, _: &mut Self::Context) {}
}
