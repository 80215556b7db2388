//! Users with sockets on several nodes: publishes what concerns a user to the other nodes, and applies what they
//! publish. A message received from another node must never be published again.

use std::{sync::Arc, time::Instant};

use actix::prelude::*;
use rustc_hash::FxHashSet;

use super::Registry;
use crate::{
    actors::{
        bridge::{
            ClusterMode, Destination, NodeMessage, NodeMessageReceived, RoomMessage, SubscribeUser, UnsubscribeUser,
        },
        messages::{
            Announce, BlockUser, CloseUser, Expel, ExpelFrom, FromOtherNode, KeepOnly, LiftBlock, Notice, Notify,
            PublishDirect, RemoteUsage, Revoke, Shared, UserOnOtherNodes, UsersOnPeer,
        },
        node::Node,
    },
    core::{command::RawJson, event::Reply, presence::UserStatus, roster::RosterMessage},
    disconnect::Disconnect,
    ids::{RoomId, Timestamp, UserId},
    limits,
    logged::logged,
};

/// Users whose limits are shared with other nodes, because they also have sockets there.
#[derive(Default)]
pub(super) struct SharedLimits {
    users: FxHashSet<UserId>,
    telling: Publishing,
}

/// Whether publication of recent requests is scheduled.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
enum Publishing {
    #[default]
    No,
    Yes,
}

/// Whether a block was already known here.
#[derive(Clone, Copy, PartialEq, Eq)]
enum BlockIs {
    News,
    Known,
}

impl Registry {
    fn among_others(&self) -> Option<Arc<Node>> {
        self.node.clone().filter(|node| node.bridge.cluster_mode == ClusterMode::MultiNode)
    }

    /// The user's first socket here opened: subscribe to the user's messages. Retried if the bridge is full.
    pub(super) fn subscribe_user(&self, user: UserId, ctx: &mut Context<Self>) {
        let Some(node) = self.among_others() else { return };
        if self.users.get(&user).is_none_or(|known| known.sessions.is_empty()) {
            return;
        }
        if node.bridge.subscribe_user.try_send(SubscribeUser { user: user.clone(), node: node.id }).is_err() {
            ctx.run_later(limits::OVERFLOW_RETRY, move |registry, ctx| registry.subscribe_user(user, ctx));
        }
    }

    /// The user's last socket here closed.
    pub(super) fn unsubscribe_user(&self, user: UserId, ctx: &mut Context<Self>) {
        let Some(node) = self.among_others() else { return };
        if self.users.get(&user).is_some_and(|known| !known.sessions.is_empty()) {
            return;
        }
        if node.bridge.unsubscribe_user.try_send(UnsubscribeUser { user: user.clone(), node: node.id }).is_err() {
            ctx.run_later(limits::OVERFLOW_RETRY, move |registry, ctx| registry.unsubscribe_user(user, ctx));
        }
    }

    pub(super) fn publish_to_nodes(&self, to: Destination, message: NodeMessage) {
        if let Some(node) = &self.node {
            node.bridge.publish_node(to, message);
        }
    }

    fn block(&mut self, id: &UserId, until: Timestamp) -> BlockIs {
        let now = self.now();
        let user = self.user(id);
        user.close(id, Disconnect::RateLimited);
        // sockets that are being closed report the block again, in whole seconds; this must not extend it
        if until <= user.blocked_until.plus_ms(1_000) {
            return BlockIs::Known;
        }
        user.blocked_until = until;
        user.quota.block_until(until, now);
        BlockIs::News
    }

    fn lift(&mut self, id: &UserId, at: Timestamp) {
        if let Some(user) = self.users.get_mut(id) {
            user.blocked_until = at;
            user.quota.lift();
        }
    }

    /// Returns the number of sockets that it was sent to.
    fn notify(&self, user: &UserId, data: RawJson, at: Timestamp) -> usize {
        let Some(user) = self.users.get(user) else { return 0 };
        let notice = Notice(Arc::new(Reply::Notice { data, at }));
        user.sessions.iter().filter(|socket| socket.session.try_send(notice.clone()).is_ok()).count()
    }

    pub(super) fn expel(&self, room: RoomId, user: &UserId) {
        if let Some(placed) = self.rooms.get(&room)
            && placed.room.try_send(Expel { user: user.clone() }).is_err()
        {
            log::error!("event=expel_lost room={room} user={user} why=room_full", user = logged(&user));
        }
    }

    /// The user loses access to the rooms: closes sockets that are in them and refuses those that are joining them.
    pub(super) fn exclude(&mut self, user: &UserId, rooms: &[RoomId]) {
        let now = Instant::now();
        for room in rooms {
            self.exclusions.add(*room, user, now);
            self.expel(*room, user);
        }
    }

    // ---- limits shared with other nodes ----

    fn publish_usage(&mut self, ctx: &mut Context<Self>) {
        for id in &self.shared.users {
            if let Some(counts) = self.users.get(id).and_then(|user| user.quota.take_unpublished()) {
                self.publish_to_nodes(
                    Destination::User(id.clone()),
                    NodeMessage::RateUsage { user: id.clone(), counts },
                );
            }
        }
        self.shared.telling = Publishing::No;
        self.publish_usage_later(ctx);
    }

    fn publish_usage_later(&mut self, ctx: &mut Context<Self>) {
        if self.shared.telling == Publishing::No && !self.shared.users.is_empty() {
            self.shared.telling = Publishing::Yes;
            ctx.run_later(limits::SPENT_GATHER, Self::publish_usage);
        }
    }
}

impl Handler<FromOtherNode> for Registry {
    type Result = ();

    fn handle(&mut self, FromOtherNode(NodeMessageReceived { from, message }): FromOtherNode, ctx: &mut Self::Context) {
        match message {
            NodeMessage::Direct { user, broadcast } => {
                if let Some(user) = self.users.get(&user) {
                    user.deliver_direct(&broadcast);
                }
            }
            NodeMessage::Notice { user, data, at } => {
                self.notify(&user, data, at);
            }
            NodeMessage::UserEvents { users, what } => {
                for user in &users {
                    self.deliver_to_user(user, &what, None);
                }
            }
            NodeMessage::UserEvent { user, what } => {
                self.deliver_to_user(&user, &what, None);
            }
            NodeMessage::Upload { user, upload } => self.publish_upload(&user, &upload, None),
            NodeMessage::Status { user, status, details, at } => {
                self.adopt_status(&user, UserStatus { status, details }, at, ctx);
            }
            NodeMessage::Close { user, conn, question } => {
                log::info!("event=disconnected_from_elsewhere user={user} node={from}", user = logged(&user));
                let closed = self.handle(CloseUser { user, conn: Some(conn), why: Disconnect::Revoked }, ctx);
                let sockets = u32::try_from(closed).unwrap_or(u32::MAX);
                self.publish_to_nodes(Destination::Node(from), NodeMessage::Closed { question, sockets });
            }
            NodeMessage::Exclude { user, rooms } => self.exclude(&user, &rooms),
            NodeMessage::Revoke { user, before } => self.user(&user).revoke(&user, before),
            NodeMessage::Block { user, until } => {
                self.block(&user, until);
            }
            NodeMessage::Lift { user, at } => self.lift(&user, at),
            NodeMessage::RateUsage { user, counts } => {
                let now = self.now();
                if let Some(user) = self.users.get(&user) {
                    user.quota.charge_remote(counts, now);
                }
            }
            NodeMessage::Sanction(sanction) => self.apply_sanction(&sanction),
            NodeMessage::NoticeToAll { data, at } => self.notify_all(data, at),
            // handled by the cluster and the assistant
            NodeMessage::CancelAsk { .. }
            | NodeMessage::AskCancelled { .. }
            | NodeMessage::Heartbeat(_)
            | NodeMessage::Roster(_)
            | NodeMessage::Closed { .. } => {}
        }
    }
}

/// Direct messages, the only messages of a room that pass through the registry: they concern users, and only the
/// registry knows the sockets of those.
impl Handler<PublishDirect> for Registry {
    type Result = ();

    fn handle(&mut self, message: PublishDirect, _: &mut Self::Context) {
        for id in &message.users {
            if let Some(user) = self.users.get(id) {
                user.deliver_direct(&message.broadcast);
            }
            let message = NodeMessage::Direct { user: id.clone(), broadcast: message.broadcast.clone() };
            self.publish_to_nodes(Destination::User(id.clone()), message);
        }
    }
}

impl Handler<Revoke> for Registry {
    type Result = ();

    fn handle(&mut self, Revoke { user, before }: Revoke, _: &mut Self::Context) {
        self.user(&user).revoke(&user, before);
        self.publish_to_nodes(Destination::Everyone, NodeMessage::Revoke { user, before });
    }
}

impl Handler<ExpelFrom> for Registry {
    type Result = ();

    fn handle(&mut self, ExpelFrom { user, rooms }: ExpelFrom, _: &mut Self::Context) {
        self.exclude(&user, &rooms);
        let Some(node) = &self.node else { return };
        for room in &rooms {
            node.bridge.publish_room(*room, RoomMessage::Expel { user: user.clone() });
        }
        for rooms in rooms.chunks(limits::ROOMS_PER_EXCLUSION_MAX) {
            node.bridge.publish_node(
                Destination::Everyone,
                NodeMessage::Exclude { user: user.clone(), rooms: rooms.to_vec() },
            );
        }
    }
}

impl Handler<KeepOnly> for Registry {
    type Result = ();

    fn handle(&mut self, keep: KeepOnly, _: &mut Self::Context) {
        let room = keep.room;
        if let Some(node) = &self.node {
            node.bridge.publish_room(room, RoomMessage::KeepOnly { users: keep.users.clone() });
        }
        if let Some(placed) = self.rooms.get(&room)
            && placed.room.try_send(keep).is_err()
        {
            log::error!("event=expel_lost room={room} why=room_full");
        }
    }
}

/// Takes effect here at once. Other nodes are informed when it is stored, so that a block that anybody has seen
/// survives a restart; if it cannot be stored, they are informed nevertheless.
impl Handler<BlockUser> for Registry {
    type Result = ();

    fn handle(&mut self, BlockUser { user, until }: BlockUser, ctx: &mut Self::Context) {
        if self.block(&user, until) == BlockIs::Known {
            return;
        }
        let Some(node) = self.node.clone() else { return };
        let stored = async move {
            if let Err(error) = node.store.block_user(&user, until).await {
                log::error!(
                    "event=block_not_stored user={user} why={error}",
                    user = logged(&user),
                    error = logged(&error)
                );
            }
            node.bridge.publish_node(Destination::Everyone, NodeMessage::Block { user, until });
        };
        ctx.spawn(stored.into_actor(self));
    }
}

impl Handler<LiftBlock> for Registry {
    type Result = ();

    fn handle(&mut self, LiftBlock { user, at }: LiftBlock, _: &mut Self::Context) {
        self.lift(&user, at);
        self.publish_to_nodes(Destination::Everyone, NodeMessage::Lift { user, at });
    }
}

impl Handler<Notify> for Registry {
    type Result = usize;

    fn handle(&mut self, Notify { user, data, at }: Notify, _: &mut Self::Context) -> usize {
        let told = self.notify(&user, data.clone(), at);
        self.publish_to_nodes(Destination::User(user.clone()), NodeMessage::Notice { user, data, at });
        told
    }
}

impl Handler<Announce> for Registry {
    type Result = ();

    fn handle(&mut self, Announce(broadcast): Announce, _: &mut Self::Context) {
        let room = broadcast.event.room.id;
        if let Some(placed) = self.rooms.get(&room)
            && placed.room.try_send(Announce(broadcast.clone())).is_err()
        {
            log::warn!("event=announcement_lost room={room} why=room_full");
        }
        if let Some(node) = &self.node {
            node.bridge.publish_room(room, RoomMessage::Event(broadcast));
        }
    }
}

impl Handler<UserOnOtherNodes> for Registry {
    type Result = ();

    fn handle(&mut self, message: UserOnOtherNodes, ctx: &mut Self::Context) {
        if let Some(user) = self.users.get(&message.user) {
            user.quota.share(message.shared);
        }
        match message.shared {
            Shared::Yes => {
                self.shared.users.insert(message.user);
                self.publish_usage_later(ctx);
            }
            Shared::No => {
                self.shared.users.remove(&message.user);
            }
        }
    }
}

impl Handler<UsersOnPeer> for Registry {
    type Result = ();

    fn handle(&mut self, UsersOnPeer { node, users }: UsersOnPeer, _: &mut Self::Context) {
        let now = self.now();
        let used = users.iter().filter_map(|id| self.users.get(id)?.quota.export_usage(id, now));
        let used: Vec<_> = used.collect();
        for some in used.chunks(limits::ROSTER_ENTRIES_PER_MESSAGE_MAX) {
            self.publish_to_nodes(
                Destination::Node(node),
                NodeMessage::Roster(RosterMessage::Used { users: some.to_vec() }),
            );
        }
    }
}

impl Handler<RemoteUsage> for Registry {
    type Result = ();

    fn handle(&mut self, RemoteUsage(users): RemoteUsage, _: &mut Self::Context) {
        let now = self.now();
        for used in &users {
            if let Some(user) = self.users.get(&used.user) {
                user.quota.adopt(used, now);
            }
        }
    }
}
