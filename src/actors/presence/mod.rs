//! Tracks who is online on this node and the others: users with a socket, and those whose last socket closed less than
//! a grace period ago. It publishes local changes to the other nodes, answers queries, and enforces the limit of
//! sockets per user. It must never decide what a user may do.

mod announcements;

use std::{collections::BTreeSet, sync::Arc};

use actix::prelude::*;
use rustc_hash::{FxHashMap, FxHashSet};

use self::announcements::{Announcement, Announcements};
use super::{
    bridge::{ClusterMode, Destination, NodeMessage},
    messages::{
        AnnounceStatus, CloseUser, CountOnline, FilterConnected, FilterOnline, HoldPresence, ListOnline, LocalSocket,
        LocalSockets, PeerEvent, PeerRosterVersion, RemoteSocketCounts, RosterMessageReceived, RosterVersion,
        SetStatus, Shared, SocketClosed, SocketOpened, SocketsOf, StatusOf, StatusesOf, UserOnOtherNodes, UsersOnPeer,
    },
    node::{Clock, Node},
    outbox::{ConnKey, seats_of},
};
use crate::{
    core::{
        presence::{NoticedChange, PresenceChange, PresenceCore, SocketLocation, UserStatus},
        roster::{OwnRoster, Roster, RosterChange, RosterMessage, RosterUpdate, SocketEntry},
        user_event::UserEvent,
    },
    dialects::options::Seats,
    disconnect::Disconnect,
    ids::{NodeId, UserId},
    limits,
    logged::logged,
};

/// The actor. One per node.
pub struct PresenceTracker {
    /// Set by [`Join`], which is the first message.
    node: Option<Arc<Node>>,
    here: NodeId,
    core: PresenceCore<SocketLocation>,
    own: OwnRoster,
    others: Roster,
    /// Users with sockets on this node and on others.
    shared: FxHashSet<UserId>,
    clock: Clock,
    graces: Timer,
    gathering: Timer,
    announcements: Announcements,
}

/// Whether a timer is running.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
enum Timer {
    #[default]
    Off,
    Set,
}

/// Sets the node. A message of its own, because each needs the other's address.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Join(pub Arc<Node>);

fn socket_location(node: NodeId, entry: &SocketEntry) -> SocketLocation {
    SocketLocation {
        opened_at: entry.opened_at,
        node,
        worker: entry.worker,
        generation: entry.generation,
        follows_presence: entry.follows_presence,
    }
}

impl PresenceTracker {
    /// Creates a tracker without users.
    pub fn new(here: NodeId, clock: Clock) -> PresenceTracker {
        PresenceTracker {
            node: None,
            here,
            core: PresenceCore::new(here, clock.now()),
            own: OwnRoster::default(),
            others: Roster::default(),
            shared: FxHashSet::default(),
            clock,
            graces: Timer::Off,
            gathering: Timer::Off,
            announcements: Announcements::default(),
        }
    }

    /// The node, if there may be other nodes.
    fn among_others(&self) -> Option<&Arc<Node>> {
        self.node.as_ref().filter(|node| node.bridge.cluster_mode == ClusterMode::MultiNode)
    }

    fn tell(&mut self, changes: impl IntoIterator<Item = PresenceChange>, ctx: &mut Context<Self>) {
        for change in changes {
            match change {
                PresenceChange::Online(user) => log::debug!("event=online user={user}", user = logged(&user)),
                PresenceChange::Offline(user) => {
                    log::debug!("event=offline user={user}", user = logged(&user));
                    if self.is_first_node() {
                        let change = NoticedChange::Status;
                        self.announce(user, Announcement { status: None, change, but: None }, ctx);
                    }
                }
            }
        }
        // all grace periods have the same length, so a running timer never fires too late
        if self.graces == Timer::Set {
            return;
        }
        if let Some(at) = self.core.next_deadline() {
            let left_ms = at.unix_ms.saturating_sub(self.clock.now().unix_ms).max(1) as u64;
            self.graces = Timer::Set;
            ctx.run_later(std::time::Duration::from_millis(left_ms), |tracker, ctx| {
                tracker.graces = Timer::Off;
                let changes = tracker.core.tick(tracker.clock.now());
                tracker.tell(changes, ctx);
            });
        }
    }

    // ---- to other nodes ----

    /// Publishes local changes after a short delay, together with other changes.
    fn gather(&mut self, ctx: &mut Context<Self>) {
        if self.gathering == Timer::Off && self.own.is_dirty() {
            self.gathering = Timer::Set;
            ctx.run_later(limits::ROSTER_GATHER, |tracker, _| {
                tracker.gathering = Timer::Off;
                tracker.flush();
            });
        }
    }

    fn flush(&mut self) {
        let messages = self.own.flush();
        let Some(node) = self.among_others() else { return };
        for message in messages {
            node.bridge.publish_node(Destination::Everyone, NodeMessage::Roster(message));
        }
    }

    fn answer(&mut self, asker: NodeId) {
        self.flush();
        let Some(node) = self.among_others() else { return };
        for message in self.own.part() {
            node.bridge.publish_node(Destination::Node(asker), NodeMessage::Roster(message));
        }
    }

    // ---- from other nodes ----

    fn settle(&mut self, about: NodeId, news: RosterUpdate, ctx: &mut Context<Self>) {
        if let (Some(of), Some(node)) = (news.ask, self.among_others()) {
            node.bridge.publish_node(Destination::Node(of), NodeMessage::Roster(RosterMessage::Ask { of }));
        }
        let (now, mut came, mut touched) = (self.clock.now(), Vec::new(), BTreeSet::new());
        let mut online = Vec::new();
        for change in news.changes {
            match change {
                RosterChange::Opened(node, entry) => {
                    if self.core.sockets_of(&entry.user).iter().all(|socket| socket.node != node) {
                        came.push(entry.user.clone());
                    }
                    online.extend(self.core.connect(&entry.user, socket_location(node, &entry), now));
                    touched.insert(entry.user);
                }
                RosterChange::Closed(node, entry) => {
                    self.core.disconnect(&entry.user, socket_location(node, &entry), now);
                    touched.insert(entry.user);
                }
                RosterChange::Status(node, user, status) => {
                    self.core.set_status(&user, node, status);
                }
            }
        }
        if let Some(node) = self.among_others()
            && !came.is_empty()
            && node.registry.try_send(UsersOnPeer { node: about, users: came }).is_err()
        {
            log::warn!("event=limits_not_sent node={about} why=registry_full");
        }
        touched.iter().for_each(|user| self.review(user));
        self.tell(online, ctx);
    }

    /// Enforces the limit after a change of the user's sockets: the oldest are closed, by each node its own. Also
    /// informs the registry whether the user's limits are shared with other nodes.
    fn review(&mut self, user: &UserId) {
        let Some(node) = self.node.clone() else { return };
        let mut sockets = self.core.sockets_of(user).to_vec();
        sockets.sort_unstable();
        for seats in [Seats::Usual, Seats::Documents] {
            let most = match seats {
                Seats::Usual => node.config.sockets.per_user_max,
                Seats::Documents => node.config.sockets.documents_per_user_max,
            };
            let key = |socket: &SocketLocation| ConnKey { worker: socket.worker, generation: socket.generation };
            let counted: Vec<_> = sockets.iter().filter(|socket| seats_of(key(socket)) == seats).collect();
            let excess = if most > 0 { counted.len().saturating_sub(most) } else { 0 };
            for socket in counted.into_iter().take(excess).filter(|socket| socket.node == self.here) {
                let conn = key(socket);
                let close = CloseUser { user: user.clone(), conn: Some(conn), why: Disconnect::TooManyConnections };
                if node.registry.try_send(close).is_err() {
                    log::warn!(
                        "event=excess_not_closed user={user} conn={conn:?} why=registry_full",
                        user = logged(&user)
                    );
                }
            }
        }
        let is_here = sockets.iter().any(|socket| socket.node == self.here);
        let is_shared = is_here && sockets.iter().any(|socket| socket.node != self.here);
        let changed = match is_shared {
            true => self.shared.insert(user.clone()).then_some(Shared::Yes),
            false => self.shared.remove(user).then_some(Shared::No),
        };
        if let Some(shared) = changed
            && node.registry.try_send(UserOnOtherNodes { user: user.clone(), shared }).is_err()
        {
            log::warn!("event=limits_not_shared user={user} why=registry_full", user = logged(&user));
        }
    }
}

impl Actor for PresenceTracker {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(limits::PRESENCE_MAILBOX_MAX);
    }
}

impl Handler<Join> for PresenceTracker {
    type Result = ();

    fn handle(&mut self, Join(node): Join, ctx: &mut Self::Context) {
        self.node = Some(node);
        if self.among_others().is_some() {
            ctx.run_interval(limits::NODE_HEARTBEAT_PERIOD, |tracker, _| tracker.others.tick());
        }
    }
}

impl Handler<SocketOpened> for PresenceTracker {
    type Result = ();

    fn handle(&mut self, opened: SocketOpened, ctx: &mut Self::Context) {
        let SocketOpened { user, conn, follows_presence, connection } = opened;
        let now = self.clock.now();
        if let Some(connection) = connection {
            self.notify_other_sockets(&user, conn, UserEvent::SocketOpened { user: user.clone(), connection });
        }
        // newer than all that are known, whatever the clocks of other nodes show: the socket just opened must not be
        // the oldest
        let newest = self.core.sockets_of(&user).iter().map(|socket| socket.opened_at).max();
        let opened_at = newest.map_or(now, |newest| newest.plus_ms(1).max(now));
        let ConnKey { worker, generation } = conn;
        let entry = SocketEntry { user, worker, generation, opened_at, follows_presence };
        let first_here = self.core.sockets_of(&entry.user).iter().all(|socket| socket.node != self.here);
        let change = self.core.connect(&entry.user, socket_location(self.here, &entry), now);
        if self.among_others().is_some() {
            let status = self.core.status_at(&entry.user, self.here);
            if first_here && status != UserStatus::default() {
                self.own.status(&entry.user, status);
            }
            self.own.opened(entry.clone());
            self.gather(ctx);
        }
        self.review(&entry.user);
        if change.is_some() {
            // the other nodes learn it from the roster, and leave the announcement to this one
            let status = self.core.status(&entry.user);
            let opened = Announcement { status, change: NoticedChange::Status, but: Some(conn) };
            self.announce(entry.user.clone(), opened, ctx);
        }
        self.tell(change, ctx);
    }
}

impl Handler<SocketClosed> for PresenceTracker {
    type Result = ();

    fn handle(&mut self, SocketClosed { user, conn, connection }: SocketClosed, ctx: &mut Self::Context) {
        let mine = |socket: &&SocketLocation| {
            socket.node == self.here && (socket.worker, socket.generation) == (conn.worker, conn.generation)
        };
        let Some(socket) = self.core.sockets_of(&user).iter().find(mine).copied() else { return };
        self.core.disconnect(&user, socket, self.clock.now());
        if let Some(connection) = connection {
            self.notify_other_sockets(&user, conn, UserEvent::SocketClosed { user: user.clone(), connection });
        }
        if self.among_others().is_some() {
            self.own.closed(conn.worker, conn.generation);
            if self.core.sockets_of(&user).iter().all(|socket| socket.node != self.here) {
                self.own.forget_status(&user);
            }
            self.gather(ctx);
            self.review(&user);
        }
        self.tell(None, ctx);
    }
}

/// Applies the difference between the reported changes, some of which were lost, and the actual sockets.
impl Handler<LocalSockets> for PresenceTracker {
    type Result = ();

    fn handle(&mut self, here: LocalSockets, ctx: &mut Self::Context) {
        let mut known: FxHashMap<ConnKey, UserId> = FxHashMap::default();
        for user in self.core.everyone() {
            let sockets = self.core.sockets_of(user).iter().filter(|socket| socket.node == self.here);
            let key = |socket: &SocketLocation| ConnKey { worker: socket.worker, generation: socket.generation };
            known.extend(sockets.map(|socket| (key(socket), user.clone())));
        }
        let opened: Vec<_> = here.sockets.into_iter().filter(|socket| known.remove(&socket.conn).is_none()).collect();
        log::info!("event=presence_caught_up opened={} closed={}", opened.len(), known.len());
        for (conn, user) in known {
            self.handle(SocketClosed { user, conn, connection: None }, ctx);
        }
        for LocalSocket { user, conn, follows_presence } in opened {
            self.handle(SocketOpened { user, conn, follows_presence, connection: None }, ctx);
        }
        for (user, status) in here.statuses {
            self.handle(SetStatus { user, status, announce: AnnounceStatus::No }, ctx);
        }
    }
}

impl Handler<RosterMessageReceived> for PresenceTracker {
    type Result = ();

    fn handle(&mut self, RosterMessageReceived { from, message }: RosterMessageReceived, ctx: &mut Self::Context) {
        match message {
            RosterMessage::Ask { of } if of == self.here => self.answer(from),
            message => {
                let news = self.others.receive(from, message);
                self.settle(from, news, ctx);
            }
        }
    }
}

impl Handler<PeerRosterVersion> for PresenceTracker {
    type Result = ();

    fn handle(&mut self, PeerRosterVersion { node, version }: PeerRosterVersion, ctx: &mut Self::Context) {
        let news = self.others.stands_at(node, version);
        self.settle(node, news, ctx);
    }
}

impl Handler<PeerEvent> for PresenceTracker {
    type Result = ();

    fn handle(&mut self, news: PeerEvent, ctx: &mut Self::Context) {
        let (node, news) = match news {
            PeerEvent::Up(node) => (node, self.others.up(node)),
            PeerEvent::Gone(node) => (node, self.others.gone(node)),
        };
        self.settle(node, news, ctx);
    }
}

impl Handler<RosterVersion> for PresenceTracker {
    type Result = u64;

    fn handle(&mut self, _: RosterVersion, _: &mut Self::Context) -> u64 {
        self.own.version()
    }
}

impl Handler<HoldPresence> for PresenceTracker {
    type Result = ();

    fn handle(&mut self, _: HoldPresence, _: &mut Self::Context) {
        self.own.keep_places();
    }
}

impl Handler<FilterOnline> for PresenceTracker {
    type Result = MessageResult<FilterOnline>;

    fn handle(&mut self, ask: FilterOnline, _: &mut Self::Context) -> Self::Result {
        let online: Vec<UserId> = self.core.online_among(&ask.0);
        MessageResult(online)
    }
}

impl Handler<FilterConnected> for PresenceTracker {
    type Result = MessageResult<FilterConnected>;

    fn handle(&mut self, FilterConnected(mut users): FilterConnected, _: &mut Self::Context) -> Self::Result {
        users.retain(|user| !self.core.sockets_of(user).is_empty());
        MessageResult(users)
    }
}

impl Handler<SocketsOf> for PresenceTracker {
    type Result = MessageResult<SocketsOf>;

    fn handle(&mut self, SocketsOf(user): SocketsOf, _: &mut Self::Context) -> Self::Result {
        MessageResult(self.core.sockets_of(&user).to_vec())
    }
}

impl Handler<RemoteSocketCounts> for PresenceTracker {
    type Result = MessageResult<RemoteSocketCounts>;

    fn handle(&mut self, _: RemoteSocketCounts, _: &mut Self::Context) -> Self::Result {
        MessageResult(self.others.sockets().map(|(node, sockets)| (node, sockets as u64)).collect())
    }
}

impl Handler<StatusOf> for PresenceTracker {
    type Result = MessageResult<StatusOf>;

    fn handle(&mut self, StatusOf(user): StatusOf, _: &mut Self::Context) -> Self::Result {
        MessageResult(self.core.status(&user).unwrap_or_default().status)
    }
}

impl Handler<SetStatus> for PresenceTracker {
    type Result = ();

    fn handle(&mut self, SetStatus { user, status, announce }: SetStatus, ctx: &mut Self::Context) {
        let before = self.core.set_status(&user, self.here, status.clone());
        if self.among_others().is_some() {
            self.own.status(&user, status.clone());
            self.gather(ctx);
        }
        let change = match before {
            Some(before) if before.status != status.status => NoticedChange::Status,
            Some(before) if before != status => NoticedChange::Details,
            Some(_) | None => return,
        };
        match announce {
            AnnounceStatus::Yes { by } => {
                self.announce(user, Announcement { status: Some(status), change, but: Some(by) }, ctx);
            }
            AnnounceStatus::No => {}
        }
    }
}

impl Handler<ListOnline> for PresenceTracker {
    type Result = MessageResult<ListOnline>;

    fn handle(&mut self, ListOnline(most): ListOnline, _: &mut Self::Context) -> Self::Result {
        MessageResult(self.core.everyone().take(most).cloned().collect())
    }
}

impl Handler<CountOnline> for PresenceTracker {
    type Result = usize;

    fn handle(&mut self, _: CountOnline, _: &mut Self::Context) -> usize {
        self.core.users()
    }
}

impl Handler<StatusesOf> for PresenceTracker {
    type Result = MessageResult<StatusesOf>;

    fn handle(&mut self, StatusesOf(users): StatusesOf, _: &mut Self::Context) -> Self::Result {
        MessageResult(users.iter().map(|user| self.core.status(user)).collect())
    }
}
