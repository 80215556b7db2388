//! What other users and other sockets are told of a user's presence. A change is announced once in the cluster: by the node
//! on which it was made, and the end of a grace period by the first node. Each socket gets it once, however many
//! conversations its user shares with the other.

use std::{
    collections::{BTreeMap, VecDeque, hash_map::Entry},
    sync::Arc,
};

use actix::prelude::*;
use rustc_hash::FxHashMap;

use super::{PresenceTracker, Timer};
use crate::{
    actors::{
        bridge::{Destination, NodeMessage},
        messages::{DeliverToUsers, PublishToUser, TellUsers},
        outbox::ConnKey,
    },
    core::{
        presence::{NoticedChange, PresenceNotice, SocketLocation, UserStatus},
        user_event::UserEvent,
    },
    ids::{NodeId, UserId},
    limits,
    logged::logged,
    store::Contacts,
};

/// Changes that are to be announced, in order.
#[derive(Default)]
pub(super) struct Announcements {
    order: VecDeque<UserId>,
    /// The last change of each user in `order`.
    pending: FxHashMap<UserId, Announcement>,
    /// The number of users whose contacts are being read.
    in_progress: usize,
    /// The delay before the next ones are announced.
    delay: Timer,
}

/// A change of a user's presence.
pub(super) struct Announcement {
    /// The status; `None` if the user is offline.
    pub(super) status: Option<UserStatus>,
    /// What changed.
    pub(super) change: NoticedChange,
    /// The socket on which it was made.
    pub(super) but: Option<ConnKey>,
}

impl PresenceTracker {
    /// Whether this is the first of the nodes by id, which announces what all nodes find out for themselves.
    pub(super) fn is_first_node(&self) -> bool {
        self.others.nodes().all(|node| self.here < node)
    }

    /// Announces a change to the users who share a conversation with the user, and to the user's own sockets but the one
    /// that knows.
    pub(super) fn announce(&mut self, user: UserId, announcement: Announcement, ctx: &mut Context<Self>) {
        let queue = &mut self.announcements;
        let is_full = queue.order.len() >= limits::ANNOUNCEMENTS_MAX;
        match queue.pending.entry(user) {
            // a later change replaces an earlier one that was not announced yet
            Entry::Occupied(mut earlier) => {
                let change = match earlier.get().change {
                    NoticedChange::Status => NoticedChange::Status,
                    NoticedChange::Details => announcement.change,
                };
                earlier.insert(Announcement { change, ..announcement });
            }
            Entry::Vacant(vacant) if is_full => {
                log::warn!("event=presence_not_announced user={} why=too_many", logged(vacant.key()));
            }
            Entry::Vacant(vacant) => {
                queue.order.push_back(vacant.key().clone());
                vacant.insert(announcement);
            }
        }
        if self.among_others().is_none() {
            return self.announce_next(ctx);
        }
        // the sockets that other nodes opened before this moment are known a little later
        if self.announcements.delay == Timer::Off {
            self.announcements.delay = Timer::Set;
            ctx.run_later(limits::ANNOUNCEMENT_DELAY, |tracker, ctx| {
                tracker.announcements.delay = Timer::Off;
                tracker.announce_next(ctx);
            });
        }
    }

    /// Announces pending changes. The number of concurrent questions to the store is limited.
    fn announce_next(&mut self, ctx: &mut Context<Self>) {
        // reading the contacts of a user costs several queries
        if self.core.followers() == 0 {
            self.announcements.order.clear();
            self.announcements.pending.clear();
        }
        while self.announcements.in_progress < limits::ANNOUNCEMENTS_IN_PROGRESS_MAX {
            let Some(node) = self.node.clone() else { return };
            let Some(user) = self.announcements.order.pop_front() else { return };
            let Some(announcement) = self.announcements.pending.remove(&user) else { continue };
            self.announcements.in_progress += 1;
            let asked = user.clone();
            let contacts = async move { node.store.contacts(&asked).await };
            ctx.spawn(contacts.into_actor(self).map(move |contacts, tracker, ctx| {
                tracker.announcements.in_progress -= 1;
                match contacts {
                    Ok(Some(contacts)) => tracker.announce_to(contacts, user, announcement),
                    Ok(None) => {}
                    Err(error) => {
                        log::warn!("event=presence_not_announced user={} why={}", logged(&user), logged(&error));
                    }
                }
                tracker.announce_next(ctx);
            }));
        }
    }

    fn announce_to(&self, contacts: Contacts, user: UserId, announcement: Announcement) {
        let Announcement { status, change, but } = announcement;
        let details = status.as_ref().map(|status| status.details.clone()).unwrap_or_default();
        let status = status.map(|status| status.status);
        let notice = PresenceNotice { user: user.clone(), username: contacts.username, change, status, details };
        let what = Arc::new(UserEvent::Presence(notice));
        self.deliver(contacts.users.into_iter().chain([user]), &what, but);
    }

    /// Delivers an event to those of the users who are online, with one message per node.
    fn deliver(&self, users: impl Iterator<Item = UserId>, what: &Arc<UserEvent>, but: Option<ConnKey>) {
        let Some(node) = &self.node else { return };
        let mut by_node: BTreeMap<NodeId, Vec<UserId>> = BTreeMap::new();
        for user in users {
            let mut nodes: Vec<NodeId> = self.core.sockets_of(&user).iter().map(|socket| socket.node).collect();
            nodes.sort_unstable();
            nodes.dedup();
            for on in nodes {
                by_node.entry(on).or_default().push(user.clone());
            }
        }
        for (on, users) in by_node {
            let what = what.clone();
            if on != self.here {
                node.bridge.publish_node(Destination::Node(on), NodeMessage::UserEvents { users, what });
            } else if node.registry.try_send(DeliverToUsers { users, what, but }).is_err() {
                log::warn!("event=news_not_delivered why=registry_full");
            }
        }
    }

    /// Informs the user's other sockets that one opened or closed.
    pub(super) fn notify_other_sockets(&self, user: &UserId, conn: ConnKey, what: UserEvent) {
        let Some(node) = &self.node else { return };
        let is_other = |socket: &SocketLocation| {
            socket.node != self.here || (socket.worker, socket.generation) != (conn.worker, conn.generation)
        };
        if !self.core.sockets_of(user).iter().any(is_other) {
            return;
        }
        let publish = PublishToUser { user: user.clone(), what: Arc::new(what), but: Some(conn) };
        if node.registry.try_send(publish).is_err() {
            log::warn!("event=socket_not_announced user={} why=registry_full", logged(user));
        }
    }
}

impl Handler<TellUsers> for PresenceTracker {
    type Result = ();

    fn handle(&mut self, TellUsers { users, what }: TellUsers, _: &mut Self::Context) {
        self.deliver(users.into_iter(), &what, None);
    }
}
