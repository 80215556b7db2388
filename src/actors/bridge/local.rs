//! The bridge without Redis: nodes of one process, usually one. With one node nothing is ever carried; with several
//! (tests, embedding) it is the same seam that the Redis bridge fills.

use actix::prelude::*;
use rustc_hash::FxHashMap;

use super::{Attach, BridgeLink, Carry, Detach, Reach};
use crate::{actors::messages::Carried, ids::RoomId, limits};

/// The actor.
#[derive(Default)]
pub struct LocalBridge {
    rooms: FxHashMap<RoomId, Vec<(u64, Recipient<Carried>)>>,
}

impl LocalBridge {
    /// A node's line to this bridge.
    pub fn link(address: &Addr<LocalBridge>, node: u64, reach: Reach) -> BridgeLink {
        BridgeLink {
            node,
            reach,
            attach: address.clone().recipient(),
            detach: address.clone().recipient(),
            carry: address.clone().recipient(),
        }
    }
}

impl Actor for LocalBridge {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(limits::REGISTRY_MAILBOX_MAX);
    }
}

impl Handler<Attach> for LocalBridge {
    type Result = ();

    fn handle(&mut self, message: Attach, _: &mut Self::Context) {
        let nodes = self.rooms.entry(message.room).or_default();
        nodes.retain(|(node, _)| *node != message.node);
        nodes.push((message.node, message.to));
    }
}

impl Handler<Detach> for LocalBridge {
    type Result = ();

    fn handle(&mut self, message: Detach, _: &mut Self::Context) {
        if let Some(nodes) = self.rooms.get_mut(&message.room) {
            nodes.retain(|(node, _)| *node != message.node);
            if nodes.is_empty() {
                self.rooms.remove(&message.room);
            }
        }
    }
}

impl Handler<Carry> for LocalBridge {
    type Result = ();

    fn handle(&mut self, message: Carry, _: &mut Self::Context) {
        for (node, to) in self.rooms.get(&message.room).into_iter().flatten() {
            if *node != message.node && to.try_send(Carried(message.broadcast.clone())).is_err() {
                log::warn!("event=carry_lost room={} node={node}", message.room);
            }
        }
    }
}
