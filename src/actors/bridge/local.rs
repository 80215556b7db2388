//! The bridge without Redis, for nodes in one process, usually a single one. It has the same interface as the Redis
//! bridge and must never behave differently towards the other actors.

use actix::prelude::*;
use rustc_hash::{FxHashMap, FxHashSet};

use super::{Attach, Carried, Carry, Detach, Enlist, Follow, Heard, Hush, LinkIs, Listening, Say, To, Unfollow};
use crate::{
    ids::{NodeId, RoomId, UserId},
    limits,
};

/// The actor.
#[derive(Default)]
pub struct LocalBridge {
    nodes: FxHashMap<NodeId, Recipient<Heard>>,
    rooms: FxHashMap<RoomId, Vec<Attached>>,
    users: FxHashMap<UserId, FxHashSet<NodeId>>,
}

/// A room in use on a node.
struct Attached {
    node: NodeId,
    life: u64,
    to: Recipient<Carried>,
}

impl Actor for LocalBridge {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(limits::BRIDGE_MAILBOX_MAX);
        ctx.run_interval(limits::DETACH_SWEEP, |bridge, _| bridge.forget_gone());
    }
}

impl LocalBridge {
    /// Removes rooms whose [`Detach`] was lost, or that ended without one.
    fn forget_gone(&mut self) {
        self.rooms.retain(|_, nodes| {
            nodes.retain(|attached| attached.to.connected());
            !nodes.is_empty()
        });
    }
}

impl Handler<Enlist> for LocalBridge {
    type Result = ();

    fn handle(&mut self, message: Enlist, _: &mut Self::Context) {
        self.nodes.insert(message.node, message.heard);
        if message.link.try_send(LinkIs::Up).is_err() {
            log::warn!("event=link_not_told node={}", message.node);
        }
    }
}

impl Handler<Attach> for LocalBridge {
    type Result = ();

    fn handle(&mut self, message: Attach, _: &mut Self::Context) {
        let nodes = self.rooms.entry(message.room).or_default();
        nodes.retain(|attached| attached.node != message.node);
        let others = Some(nodes.len());
        nodes.push(Attached { node: message.node, life: message.life, to: message.to });
        if message.listening.try_send(Listening { others }).is_err() {
            log::warn!("event=listening_not_told room={}", message.room);
        }
    }
}

impl Handler<Detach> for LocalBridge {
    type Result = ();

    fn handle(&mut self, message: Detach, _: &mut Self::Context) {
        if let Some(nodes) = self.rooms.get_mut(&message.room) {
            nodes.retain(|attached| (attached.node, attached.life) != (message.node, message.life));
            if nodes.is_empty() {
                self.rooms.remove(&message.room);
            }
        }
    }
}

impl Handler<Follow> for LocalBridge {
    type Result = ();

    fn handle(&mut self, message: Follow, _: &mut Self::Context) {
        self.users.entry(message.user).or_default().insert(message.node);
    }
}

impl Handler<Unfollow> for LocalBridge {
    type Result = ();

    fn handle(&mut self, message: Unfollow, _: &mut Self::Context) {
        if let Some(nodes) = self.users.get_mut(&message.user) {
            nodes.remove(&message.node);
            if nodes.is_empty() {
                self.users.remove(&message.user);
            }
        }
    }
}

impl Handler<Carry> for LocalBridge {
    type Result = ();

    fn handle(&mut self, message: Carry, _: &mut Self::Context) {
        for Attached { node, to, .. } in self.rooms.get(&message.room).into_iter().flatten() {
            let carried = Carried { from: message.node, word: message.word.clone() };
            if *node != message.node && to.try_send(carried).is_err() {
                log::warn!("event=carry_lost room={} node={node}", message.room);
            }
        }
    }
}

impl Handler<Say> for LocalBridge {
    type Result = ();

    fn handle(&mut self, message: Say, _: &mut Self::Context) {
        let follow = |user, node| self.users.get(user).is_some_and(|nodes| nodes.contains(node));
        for (node, heard) in &self.nodes {
            let meant = match &message.to {
                To::User(user) => follow(user, node),
                To::Node(only) => only == node,
                To::Everyone => true,
            };
            if meant && *node != message.node {
                let word = Heard { from: message.node, word: message.word.clone() };
                if heard.try_send(word).is_err() {
                    log::warn!("event=word_lost node={node}");
                }
            }
        }
    }
}

impl Handler<Hush> for LocalBridge {
    type Result = ();

    /// Earlier messages are already in the mailboxes of the other nodes.
    fn handle(&mut self, _: Hush, _: &mut Self::Context) {}
}
