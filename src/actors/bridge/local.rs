//! The bridge without Redis, for nodes in one process, usually a single one. It has the same interface as the Redis
//! bridge and must never behave differently towards the other actors.

use actix::prelude::*;
use rustc_hash::{FxHashMap, FxHashSet};

use super::{
    CloseBridge, Destination, LinkEvent, NodeMessageReceived, PublishNode, PublishRoom, RegisterNode,
    RoomMessageReceived, RoomSubscribed, SubscribeRoom, SubscribeUser, UnsubscribeRoom, UnsubscribeUser,
};
use crate::{
    ids::{NodeId, RoomId, UserId},
    limits,
};

/// The actor.
#[derive(Default)]
pub struct LocalBridge {
    nodes: FxHashMap<NodeId, Recipient<NodeMessageReceived>>,
    rooms: FxHashMap<RoomId, Vec<Attached>>,
    users: FxHashMap<UserId, FxHashSet<NodeId>>,
}

/// A room in use on a node.
struct Attached {
    node: NodeId,
    incarnation: u64,
    to: Recipient<RoomMessageReceived>,
}

impl Actor for LocalBridge {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(limits::BRIDGE_MAILBOX_MAX);
        ctx.run_interval(limits::DETACH_SWEEP, |bridge, _| bridge.forget_gone());
    }
}

impl LocalBridge {
    /// Removes rooms whose [`UnsubscribeRoom`] was lost, or that ended without one.
    fn forget_gone(&mut self) {
        self.rooms.retain(|_, nodes| {
            nodes.retain(|attached| attached.to.connected());
            !nodes.is_empty()
        });
    }
}

impl Handler<RegisterNode> for LocalBridge {
    type Result = ();

    fn handle(&mut self, message: RegisterNode, _: &mut Self::Context) {
        self.nodes.insert(message.node, message.heard);
        if message.link.try_send(LinkEvent::Up).is_err() {
            log::warn!("event=link_not_sent node={}", message.node);
        }
    }
}

impl Handler<SubscribeRoom> for LocalBridge {
    type Result = ();

    fn handle(&mut self, message: SubscribeRoom, _: &mut Self::Context) {
        let nodes = self.rooms.entry(message.room).or_default();
        nodes.retain(|attached| attached.node != message.node);
        let others = Some(nodes.len());
        nodes.push(Attached { node: message.node, incarnation: message.incarnation, to: message.to });
        if message.listening.try_send(RoomSubscribed { others }).is_err() {
            log::warn!("event=subscription_not_confirmed room={}", message.room);
        }
    }
}

impl Handler<UnsubscribeRoom> for LocalBridge {
    type Result = ();

    fn handle(&mut self, message: UnsubscribeRoom, _: &mut Self::Context) {
        if let Some(nodes) = self.rooms.get_mut(&message.room) {
            nodes.retain(|attached| (attached.node, attached.incarnation) != (message.node, message.incarnation));
            if nodes.is_empty() {
                self.rooms.remove(&message.room);
            }
        }
    }
}

impl Handler<SubscribeUser> for LocalBridge {
    type Result = ();

    fn handle(&mut self, message: SubscribeUser, _: &mut Self::Context) {
        self.users.entry(message.user).or_default().insert(message.node);
    }
}

impl Handler<UnsubscribeUser> for LocalBridge {
    type Result = ();

    fn handle(&mut self, message: UnsubscribeUser, _: &mut Self::Context) {
        if let Some(nodes) = self.users.get_mut(&message.user) {
            nodes.remove(&message.node);
            if nodes.is_empty() {
                self.users.remove(&message.user);
            }
        }
    }
}

impl Handler<PublishRoom> for LocalBridge {
    type Result = ();

    fn handle(&mut self, message: PublishRoom, _: &mut Self::Context) {
        for Attached { node, to, .. } in self.rooms.get(&message.room).into_iter().flatten() {
            let carried = RoomMessageReceived { from: message.node, message: message.message.clone() };
            if *node != message.node && to.try_send(carried).is_err() {
                log::warn!("event=carry_lost room={} node={node}", message.room);
            }
        }
    }
}

impl Handler<PublishNode> for LocalBridge {
    type Result = ();

    fn handle(&mut self, message: PublishNode, _: &mut Self::Context) {
        let follow = |user, node| self.users.get(user).is_some_and(|nodes| nodes.contains(node));
        for (node, heard) in &self.nodes {
            let meant = match &message.to {
                Destination::User(user) => follow(user, node),
                Destination::Node(only) => only == node,
                Destination::Everyone => true,
            };
            if meant && *node != message.node {
                let message = NodeMessageReceived { from: message.node, message: message.message.clone() };
                if heard.try_send(message).is_err() {
                    log::warn!("event=word_lost node={node}");
                }
            }
        }
    }
}

impl Handler<CloseBridge> for LocalBridge {
    type Result = ();

    /// Earlier messages are already in the mailboxes of the other nodes.
    fn handle(&mut self, _: CloseBridge, _: &mut Self::Context) {}
}
