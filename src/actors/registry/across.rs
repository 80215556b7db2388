//! Users with sockets on several nodes: publishes what concerns a user to the other nodes, and applies what they
//! publish. A message received from another node must never be published again.

use std::{sync::Arc, time::Instant};

use actix::prelude::*;
use rustc_hash::FxHashSet;

use super::Registry;
use crate::{
    actors::{
        bridge::{Follow, Heard, NodeWord, Reach, RoomWord, To, Unfollow},
        messages::{
            Announce, BlockUser, CameElsewhere, CloseUser, Expel, ExpelFrom, FromElsewhere, KeepOnly, LiftBlock,
            Notice, Notify, Revoke, Shared, SharedWithOthers, ToUsers, UsedElsewhere,
        },
        node::Node,
    },
    core::{command::RawJson, event::Reply, roster::RosterWord},
    disconnect::Disconnect,
    ids::{RoomId, Timestamp, UserId},
    limits,
    logged::logged,
};

/// Users whose limits are shared with other nodes, because they also have sockets there.
#[derive(Default)]
pub(super) struct SharedLimits {
    users: FxHashSet<UserId>,
    telling: Telling,
}

/// Whether publication of recent requests is scheduled.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
enum Telling {
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
        self.node.clone().filter(|node| node.bridge.reach == Reach::Cluster)
    }

    /// The user's first socket here opened: subscribe to the user's messages. Retried if the bridge is full.
    pub(super) fn follow(&self, user: UserId, ctx: &mut Context<Self>) {
        let Some(node) = self.among_others() else { return };
        if self.users.get(&user).is_none_or(|known| known.sessions.is_empty()) {
            return;
        }
        if node.bridge.follow.try_send(Follow { user: user.clone(), node: node.id }).is_err() {
            ctx.run_later(limits::SPILL_RETRY, move |registry, ctx| registry.follow(user, ctx));
        }
    }

    /// The user's last socket here closed.
    pub(super) fn unfollow(&self, user: UserId, ctx: &mut Context<Self>) {
        let Some(node) = self.among_others() else { return };
        if self.users.get(&user).is_some_and(|known| !known.sessions.is_empty()) {
            return;
        }
        if node.bridge.unfollow.try_send(Unfollow { user: user.clone(), node: node.id }).is_err() {
            ctx.run_later(limits::SPILL_RETRY, move |registry, ctx| registry.unfollow(user, ctx));
        }
    }

    pub(super) fn tell_others(&self, to: To, word: NodeWord) {
        if let Some(node) = &self.node {
            node.bridge.say(to, word);
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
        user.sessions.iter().filter(|seat| seat.session.try_send(notice.clone()).is_ok()).count()
    }

    pub(super) fn expel(&self, room: RoomId, user: &UserId) {
        if let Some(placed) = self.rooms.get(&room)
            && placed.room.try_send(Expel { user: user.clone() }).is_err()
        {
            log::error!("event=expel_lost room={room} user={user} why=room_full", user = logged(&user));
        }
    }

    /// The user loses access to the rooms: closes sockets that are in them and refuses those that are joining them.
    fn exclude(&mut self, user: &UserId, rooms: &[RoomId]) {
        let now = Instant::now();
        for room in rooms {
            self.exclusions.add(*room, user, now);
            self.expel(*room, user);
        }
    }

    // ---- limits shared with other nodes ----

    fn tell_untold(&mut self, ctx: &mut Context<Self>) {
        for id in &self.shared.users {
            if let Some(asked_for) = self.users.get(id).and_then(|user| user.quota.take_untold()) {
                self.tell_others(To::User(id.clone()), NodeWord::Spent { user: id.clone(), asked_for });
            }
        }
        self.shared.telling = Telling::No;
        self.keep_telling(ctx);
    }

    fn keep_telling(&mut self, ctx: &mut Context<Self>) {
        if self.shared.telling == Telling::No && !self.shared.users.is_empty() {
            self.shared.telling = Telling::Yes;
            ctx.run_later(limits::SPENT_GATHER, Self::tell_untold);
        }
    }
}

impl Handler<FromElsewhere> for Registry {
    type Result = ();

    fn handle(&mut self, FromElsewhere(Heard { from, word }): FromElsewhere, ctx: &mut Self::Context) {
        match word {
            NodeWord::Direct { user, broadcast } => {
                if let Some(user) = self.users.get(&user) {
                    user.overhear(&broadcast);
                }
            }
            NodeWord::Notice { user, data, at } => {
                self.notify(&user, data, at);
            }
            NodeWord::Personal { user, what } => {
                self.tell_user(&user, &what, None);
            }
            NodeWord::Upload { user, upload } => self.tell_upload(&user, &upload, None),
            NodeWord::Status { user, status, at } => self.adopt_status(&user, status, at, ctx),
            NodeWord::Close { user, conn, question } => {
                log::info!("event=disconnected_from_elsewhere user={user} node={from}", user = logged(&user));
                let closed = self.handle(CloseUser { user, conn: Some(conn), why: Disconnect::Revoked }, ctx);
                let sockets = u32::try_from(closed).unwrap_or(u32::MAX);
                self.tell_others(To::Node(from), NodeWord::Closed { question, sockets });
            }
            NodeWord::Exclude { user, rooms } => self.exclude(&user, &rooms),
            NodeWord::Revoke { user, before } => self.user(&user).revoke(&user, before),
            NodeWord::Block { user, until } => {
                self.block(&user, until);
            }
            NodeWord::Lift { user, at } => self.lift(&user, at),
            NodeWord::Spent { user, asked_for } => {
                let now = self.now();
                if let Some(user) = self.users.get(&user) {
                    user.quota.charge_elsewhere(asked_for, now);
                }
            }
            // handled by the cluster and the assistant
            NodeWord::CancelAsk { .. }
            | NodeWord::AskCancelled { .. }
            | NodeWord::Beat(_)
            | NodeWord::Roster(_)
            | NodeWord::Closed { .. } => {}
        }
    }
}

/// Direct messages, the only messages of a room that pass through the registry: they concern users, and only the
/// registry knows the sockets of those.
impl Handler<ToUsers> for Registry {
    type Result = ();

    fn handle(&mut self, message: ToUsers, _: &mut Self::Context) {
        let [first, second] = &message.users;
        let users = if first == second { vec![first] } else { vec![first, second] };
        for id in users {
            if let Some(user) = self.users.get(id) {
                user.overhear(&message.broadcast);
            }
            let word = NodeWord::Direct { user: id.clone(), broadcast: message.broadcast.clone() };
            self.tell_others(To::User(id.clone()), word);
        }
    }
}

impl Handler<Revoke> for Registry {
    type Result = ();

    fn handle(&mut self, Revoke { user, before }: Revoke, _: &mut Self::Context) {
        self.user(&user).revoke(&user, before);
        self.tell_others(To::Everyone, NodeWord::Revoke { user, before });
    }
}

impl Handler<ExpelFrom> for Registry {
    type Result = ();

    fn handle(&mut self, ExpelFrom { user, rooms }: ExpelFrom, _: &mut Self::Context) {
        self.exclude(&user, &rooms);
        let Some(node) = &self.node else { return };
        for room in &rooms {
            node.bridge.carry(*room, RoomWord::Expel { user: user.clone() });
        }
        for rooms in rooms.chunks(limits::ROOMS_PER_EXCLUSION_MAX) {
            node.bridge.say(To::Everyone, NodeWord::Exclude { user: user.clone(), rooms: rooms.to_vec() });
        }
    }
}

impl Handler<KeepOnly> for Registry {
    type Result = ();

    fn handle(&mut self, keep: KeepOnly, _: &mut Self::Context) {
        let room = keep.room;
        if let Some(node) = &self.node {
            node.bridge.carry(room, RoomWord::KeepOnly { users: keep.users.clone() });
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
            node.bridge.say(To::Everyone, NodeWord::Block { user, until });
        };
        ctx.spawn(stored.into_actor(self));
    }
}

impl Handler<LiftBlock> for Registry {
    type Result = ();

    fn handle(&mut self, LiftBlock { user, at }: LiftBlock, _: &mut Self::Context) {
        self.lift(&user, at);
        self.tell_others(To::Everyone, NodeWord::Lift { user, at });
    }
}

impl Handler<Notify> for Registry {
    type Result = usize;

    fn handle(&mut self, Notify { user, data, at }: Notify, _: &mut Self::Context) -> usize {
        let told = self.notify(&user, data.clone(), at);
        self.tell_others(To::User(user.clone()), NodeWord::Notice { user, data, at });
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
            node.bridge.carry(room, RoomWord::Event(broadcast));
        }
    }
}

impl Handler<SharedWithOthers> for Registry {
    type Result = ();

    fn handle(&mut self, message: SharedWithOthers, ctx: &mut Self::Context) {
        if let Some(user) = self.users.get(&message.user) {
            user.quota.share(message.shared);
        }
        match message.shared {
            Shared::Yes => {
                self.shared.users.insert(message.user);
                self.keep_telling(ctx);
            }
            Shared::No => {
                self.shared.users.remove(&message.user);
            }
        }
    }
}

impl Handler<CameElsewhere> for Registry {
    type Result = ();

    fn handle(&mut self, CameElsewhere { node, users }: CameElsewhere, _: &mut Self::Context) {
        let now = self.now();
        let used = users.iter().filter_map(|id| self.users.get(id)?.quota.tell_all(id, now));
        let used: Vec<_> = used.collect();
        for some in used.chunks(limits::ROSTER_ENTRIES_PER_WORD_MAX) {
            self.tell_others(To::Node(node), NodeWord::Roster(RosterWord::Used { users: some.to_vec() }));
        }
    }
}

impl Handler<UsedElsewhere> for Registry {
    type Result = ();

    fn handle(&mut self, UsedElsewhere(users): UsedElsewhere, _: &mut Self::Context) {
        let now = self.now();
        for used in &users {
            if let Some(user) = self.users.get(&used.user) {
                user.quota.adopt(used, now);
            }
        }
    }
}
