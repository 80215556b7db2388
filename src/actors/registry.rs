//! Finds, creates and retires rooms, and knows which sessions a user has. Nothing that happens per message passes
//! here, and nothing here waits for anybody.

use std::sync::Arc;

use actix::{ArbiterHandle, WeakAddr, prelude::*};
use rustc_hash::{FxHashMap, FxHasher};

use super::{
    hub::Hub,
    messages::{
        Admission, Admit, CloseUser, CountAll, Everyone, Expel, ExpelFrom, Introduce, JoinRoom, Kick, Overhear, Retire,
        Revoke, SessionDown, SessionUp, SocketClosed, SocketOpened, StartDraining, Statistics, ToUsers, WorkerUp,
    },
    node::Node,
    outbox::ConnKey,
    quota::UserQuota,
    room::Room,
    session::Session,
    start_in,
};
use crate::{
    core::profile::Profile,
    disconnect::Disconnect,
    error::Refusal,
    ids::{RoomId, Timestamp, UserId},
    limits,
};

/// The actor. One per node.
#[derive(Default)]
pub struct Registry {
    /// Given by [`Wire`] before anything else comes.
    node: Option<Arc<Node>>,
    rooms: FxHashMap<RoomId, Placed>,
    users: FxHashMap<UserId, User>,
    workers: Vec<(u16, ArbiterHandle, Addr<Hub>)>,
    connections: usize,
    online: u64,
}

/// A room in use.
struct Placed {
    room: Addr<Room>,
    /// Joins brought to it.
    joins: u64,
}

/// A user who has a socket, or had one a moment ago.
struct User {
    profile: Option<(Arc<Profile>, Timestamp)>,
    quota: Arc<UserQuota>,
    tokens_not_before: Timestamp,
    /// Oldest first.
    sessions: Vec<Seat>,
}

/// A user's socket.
struct Seat {
    conn: ConnKey,
    session: WeakAddr<Session>,
    told_to_go: ToldToGo,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum ToldToGo {
    No,
    Yes,
}

/// The node that this registry belongs to; the two need each other's address.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Wire(pub Arc<Node>);

impl Registry {
    fn now(&self) -> Timestamp {
        self.node.as_ref().map_or_else(Timestamp::default, |node| node.clock.now())
    }

    fn user(&mut self, id: &UserId) -> &mut User {
        let now = self.now();
        self.users.entry(id.clone()).or_insert_with(|| User {
            profile: None,
            quota: Arc::new(UserQuota::new(now)),
            tokens_not_before: Timestamp::default(),
            sessions: Vec::new(),
        })
    }

    /// A room's arbiter is chosen by the hash of its id, so that hot rooms spread over the cores.
    fn arbiter_of(&self, room: RoomId) -> Option<&ArbiterHandle> {
        use std::hash::{Hash, Hasher};
        let mut hasher = FxHasher::default();
        room.hash(&mut hasher);
        let at = (hasher.finish() >> 32) as usize % self.workers.len().max(1);
        self.workers.get(at).map(|(_, arbiter, _)| arbiter)
    }

    /// Forgets users who have no socket and nothing to remember.
    fn forget_idle(&mut self) {
        let now = self.now();
        let crowded = self.users.len() > limits::USERS_REMEMBERED_MAX;
        self.users.retain(|_, user| {
            let fresh = user.profile.as_ref().is_some_and(|(_, until)| *until > now);
            !user.sessions.is_empty() || !user.quota.is_idle(now) || (fresh && !crowded)
        });
    }
}

impl Actor for Registry {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(limits::REGISTRY_MAILBOX_MAX);
        ctx.run_interval(limits::PROFILE_FRESH, |registry, _| registry.forget_idle());
    }
}

impl Handler<Wire> for Registry {
    type Result = ();

    fn handle(&mut self, message: Wire, _: &mut Self::Context) {
        self.node = Some(message.0);
    }
}

impl Handler<WorkerUp> for Registry {
    type Result = ();

    fn handle(&mut self, message: WorkerUp, _: &mut Self::Context) {
        self.workers.push((message.index, message.arbiter, message.hub));
        self.workers.sort_by_key(|(index, _, _)| *index);
    }
}

impl Handler<Admit> for Registry {
    type Result = Admission;

    fn handle(&mut self, ask: Admit, _: &mut Self::Context) -> Admission {
        let Some(node) = self.node.clone() else { return Admission::Draining };
        if node.is_draining() {
            return Admission::Draining;
        }
        let most = node.config.sockets.connections_max;
        if most > 0 && self.connections >= most {
            return Admission::Full;
        }
        let now = node.clock.now();
        let user = self.user(&ask.user);
        if let Some(retry_after_seconds) = user.quota.blocked_for(now) {
            return Admission::Blocked { retry_after_seconds };
        }
        let Some((profile, _)) = user.profile.as_ref().filter(|(_, until)| *until > now) else {
            return Admission::Unknown;
        };
        let revoked = user.tokens_not_before > Timestamp::default();
        if revoked && ask.issued_at.is_none_or(|issued| issued < user.tokens_not_before) {
            return Admission::Revoked;
        }
        Admission::Welcome { profile: profile.clone(), quota: user.quota.clone() }
    }
}

impl Handler<Introduce> for Registry {
    type Result = Admission;

    fn handle(&mut self, Introduce { profile, admit }: Introduce, ctx: &mut Self::Context) -> Admission {
        let until = self.now().plus_ms(limits::PROFILE_FRESH.as_millis() as i64);
        let user = self.user(&profile.id);
        user.tokens_not_before = user.tokens_not_before.max(profile.tokens_not_before);
        user.profile = Some((Arc::new(profile), until));
        self.handle(admit, ctx)
    }
}

impl Handler<SessionUp> for Registry {
    type Result = ();

    fn handle(&mut self, up: SessionUp, _: &mut Self::Context) {
        let Some(node) = self.node.clone() else { return };
        let most = node.config.sockets.per_user_max;
        self.connections += 1;
        let user = self.user(&up.user);
        user.sessions.push(Seat { conn: up.conn, session: up.session, told_to_go: ToldToGo::No });
        let first = user.sessions.len() == 1;
        if most > 0 {
            let staying = user.sessions.iter_mut().filter(|seat| seat.told_to_go == ToldToGo::No);
            let staying: Vec<_> = staying.collect();
            let excess = staying.len().saturating_sub(most);
            for seat in staying.into_iter().take(excess) {
                kick(&up.user, seat, Disconnect::TooManyConnections);
            }
        }
        self.online += u64::from(first);
        if node.presence.try_send(SocketOpened { user: up.user, conn: up.conn }).is_err() {
            log::warn!("event=presence_full");
        }
    }
}

impl Handler<SessionDown> for Registry {
    type Result = ();

    fn handle(&mut self, down: SessionDown, _: &mut Self::Context) {
        if let Some(user) = self.users.get_mut(&down.user) {
            let before = user.sessions.len();
            user.sessions.retain(|seat| seat.conn != down.conn);
            self.connections = self.connections.saturating_sub(before - user.sessions.len());
            if before > 0 && user.sessions.is_empty() {
                self.online = self.online.saturating_sub(1);
            }
        }
        if let Some(node) = &self.node
            && node.presence.try_send(SocketClosed { user: down.user, conn: down.conn }).is_err()
        {
            log::warn!("event=presence_full");
        }
    }
}

impl Handler<JoinRoom> for Registry {
    type Result = Result<Addr<Room>, Refusal>;

    fn handle(&mut self, ask: JoinRoom, _: &mut Self::Context) -> Self::Result {
        let id = ask.room.id;
        if !self.rooms.contains_key(&id) {
            let (Some(arbiter), Some(node)) = (self.arbiter_of(id), self.node.clone()) else {
                return Err(Refusal::unavailable());
            };
            let identity = ask.room;
            let room = start_in(arbiter, limits::ROOM_MAILBOX_MAX, move || Room::new(identity, node));
            self.rooms.insert(id, Placed { room, joins: 0 });
        }
        let Some(placed) = self.rooms.get_mut(&id) else { return Err(Refusal::internal()) };
        match placed.room.try_send(ask.join) {
            Ok(()) => {
                placed.joins += 1;
                Ok(placed.room.clone())
            }
            Err(SendError::Full(_)) => Err(Refusal::unavailable()),
            Err(SendError::Closed(_)) => {
                // its arbiter is gone; the next join makes it anew
                self.rooms.remove(&id);
                Err(Refusal::unavailable())
            }
        }
    }
}

impl Handler<Retire> for Registry {
    type Result = bool;

    fn handle(&mut self, ask: Retire, _: &mut Self::Context) -> bool {
        let may = self.rooms.get(&ask.room).is_some_and(|placed| placed.joins == ask.joins);
        if may {
            self.rooms.remove(&ask.room);
        }
        may
    }
}

impl Handler<CloseUser> for Registry {
    type Result = usize;

    fn handle(&mut self, close: CloseUser, _: &mut Self::Context) -> usize {
        let Some(user) = self.users.get_mut(&close.user) else { return 0 };
        let staying = user.sessions.iter_mut().filter(|seat| seat.told_to_go == ToldToGo::No);
        let chosen = staying.filter(|seat| close.conn.is_none_or(|only| only == seat.conn));
        chosen.map(|seat| kick(&close.user, seat, close.why)).count()
    }
}

impl Handler<Revoke> for Registry {
    type Result = ();

    fn handle(&mut self, revoke: Revoke, ctx: &mut Self::Context) {
        let user = self.user(&revoke.user);
        user.tokens_not_before = user.tokens_not_before.max(revoke.before);
        user.profile = None;
        self.handle(CloseUser { user: revoke.user, conn: None, why: Disconnect::Revoked }, ctx);
    }
}

impl Handler<ExpelFrom> for Registry {
    type Result = ();

    fn handle(&mut self, expel: ExpelFrom, _: &mut Self::Context) {
        for placed in expel.rooms.iter().filter_map(|room| self.rooms.get(room)) {
            if placed.room.try_send(Expel { user: expel.user.clone() }).is_err() {
                log::error!("event=expel_lost user={} why=room_full", expel.user);
            }
        }
    }
}

/// The one kind of message that comes through here: it concerns users, and only the registry knows their sockets.
impl Handler<ToUsers> for Registry {
    type Result = ();

    fn handle(&mut self, message: ToUsers, _: &mut Self::Context) {
        let [first, second] = &message.users;
        let users = if first == second { vec![first] } else { vec![first, second] };
        for seat in users.into_iter().filter_map(|id| self.users.get(id)).flat_map(|user| &user.sessions) {
            let heard = seat.session.upgrade().map(|session| session.try_send(Overhear(message.broadcast.clone())));
            if let Some(Err(error)) = heard {
                log::warn!("event=direct_not_heard conn={:?} why=\"{error}\"", seat.conn);
            }
        }
    }
}

impl Handler<CountAll> for Registry {
    type Result = Statistics;

    fn handle(&mut self, _: CountAll, _: &mut Self::Context) -> Statistics {
        Statistics { connections: self.connections as u64, rooms: self.rooms.len() as u64, users: self.online }
    }
}

impl Handler<StartDraining> for Registry {
    type Result = Everyone;

    fn handle(&mut self, _: StartDraining, _: &mut Self::Context) -> Everyone {
        Everyone {
            rooms: self.rooms.values().map(|placed| placed.room.clone()).collect(),
            hubs: self.workers.iter().map(|(_, _, hub)| hub.clone()).collect(),
        }
    }
}

fn kick(user: &UserId, seat: &mut Seat, why: Disconnect) {
    let conn = seat.conn;
    log::info!("event=kick user={user} conn={conn:?} code={}", why.code());
    match seat.session.upgrade().map(|session| session.try_send(Kick(why))) {
        Some(Err(error)) => log::warn!("event=kick_lost user={user} conn={conn:?} why=\"{error}\""),
        Some(Ok(())) | None => seat.told_to_go = ToldToGo::Yes,
    }
}
