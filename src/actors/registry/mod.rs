//! Finds, creates and retires rooms, and knows the sessions of each user. No message of a room may pass through here
//! (direct messages excepted), and nothing here may wait.

mod exclusions;
mod moderation;
mod peer_events;
mod presence_sync;
mod remote_users;
mod resync;
mod user_events;

use std::{sync::Arc, time::Instant};

use actix::{ArbiterHandle, prelude::*};
use rustc_hash::{FxHashMap, FxHasher};

use self::{
    exclusions::Exclusions, peer_events::PeerEventRound, presence_sync::PresenceBacklog, remote_users::SharedLimits,
    resync::Resync,
};
use super::{
    hub::Hub,
    messages::{
        Admission, Admit, AdmitWithProfile, CloseSession, CloseUser, CountAll, DeliverDirect, DeliverRestRequest,
        Everyone, IsRevoked, JoinRoom, LivenessProbe, LocalLimitsOf, Placement, Retire, RoomsInMemory, SessionDown,
        SessionUp, SocketClosed, SocketOpened, StartDraining, Statistics, WorkerUp,
    },
    node::Node,
    outbox::ConnKey,
    quota::UserQuota,
    room::Room,
    session::Session,
    start_in,
};
use crate::{
    actors::fanout::Broadcast,
    core::{event::RoomIdentity, presence::UserStatus, profile::Profile, usage::Usage},
    disconnect::Disconnect,
    error::Refusal,
    ids::{GroupId, RoomId, Timestamp, UserId},
    limits,
    logged::logged,
};

/// The actor. One per node.
#[derive(Default)]
pub struct Registry {
    /// Set by [`SetNode`], which is the first message.
    node: Option<Arc<Node>>,
    rooms: FxHashMap<RoomId, RoomEntry>,
    /// The usage of rooms that are currently not in memory.
    rested: FxHashMap<RoomId, Usage>,
    users: FxHashMap<UserId, User>,
    /// How many of them the last sweep kept.
    users_kept: usize,
    /// For sockets that are being opened.
    exclusions: Exclusions,
    workers: Vec<(u16, ArbiterHandle, Addr<Hub>)>,
    connections: usize,
    online: u64,
    shared: SharedLimits,
    resync: Resync,
    presence: PresenceBacklog,
    news: PeerEventRound,
}

/// A room in memory.
struct RoomEntry {
    room: Addr<Room>,
    /// Joins sent to it.
    joins: u64,
}

/// A user who has a socket or had one recently.
struct User {
    profile: Option<(Arc<Profile>, Timestamp)>,
    quota: Arc<UserQuota>,
    tokens_not_before: Timestamp,
    /// When tokens were last revoked, kept as long as sockets may be opening that were admitted before.
    revoked_at: Option<Instant>,
    /// When the user's block ends. In the past: when the last one ended.
    blocked_until: Timestamp,
    /// When the user last set a status, on any node.
    status_said_at: Timestamp,
    /// That status.
    status: UserStatus,
    /// Oldest first.
    sessions: Vec<UserSocket>,
}

/// A user's socket.
struct UserSocket {
    conn: ConnKey,
    /// The registry sends all messages through this one address, so that the bound of the mailbox holds: each new
    /// address would have a guaranteed slot in addition. It does not keep the session alive, because a session ends
    /// itself.
    session: Addr<Session>,
    /// Whether it receives the presence of other users.
    follows_presence: bool,
    closing: Closing,
    /// The rooms that the socket has joined or is joining; a channel with its group, whose members may enter.
    rooms: Vec<(RoomId, Option<GroupId>)>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Closing {
    No,
    Yes,
}

/// Sets the node. A message of its own, because each needs the other's address.
#[derive(Message)]
#[rtype(result = "()")]
pub struct SetNode(pub Arc<Node>);

impl Registry {
    fn now(&self) -> Timestamp {
        self.node.as_ref().map_or_else(Timestamp::default, |node| node.clock.now())
    }

    /// The entry of a user, which is created if necessary. Between two sweeps at most `USERS_REMEMBERED_MAX` entries are added.
    fn user(&mut self, id: &UserId) -> &mut User {
        if self.users.len() >= self.users_kept + limits::USERS_REMEMBERED_MAX && !self.users.contains_key(id) {
            self.forget_idle();
        }
        let now = self.now();
        self.users.entry(id.clone()).or_insert_with(|| User {
            profile: None,
            quota: Arc::new(UserQuota::new(now)),
            tokens_not_before: Timestamp::default(),
            revoked_at: None,
            blocked_until: Timestamp::default(),
            status_said_at: Timestamp::default(),
            status: UserStatus::default(),
            sessions: Vec::new(),
        })
    }

    /// Applies what the store says about the user's rights. If a revocation or block is new here, it was missed, and
    /// sockets opened before are closed. A block that is known here but not in the store was either lifted or is not
    /// stored yet; it was lifted if the end of the stored block is after the start of the block known here.
    fn learn(&mut self, id: &UserId, tokens_not_before: Timestamp, blocked_until: Timestamp) {
        let (now, block_ms) = (self.now(), self.node.as_ref().map_or(0, |node| node.rates.block_ms));
        let user = self.user(id);
        if user.blocked_until > now
            && blocked_until < user.blocked_until
            && blocked_until >= user.blocked_until.plus_ms(-block_ms)
        {
            user.blocked_until = blocked_until;
            if blocked_until <= now {
                user.quota.lift();
            }
        }
        if tokens_not_before > user.tokens_not_before {
            user.revoke(id, tokens_not_before);
        }
        if blocked_until > user.blocked_until {
            user.blocked_until = blocked_until;
            user.quota.block_until(blocked_until, now);
            if blocked_until > now {
                user.close(id, Disconnect::RateLimited);
            }
        }
    }

    /// The arbiter of a room is selected by the hash of its id, so that busy rooms are distributed over the cores.
    fn arbiter_of(&self, room: RoomId) -> Option<&ArbiterHandle> {
        use std::hash::{Hash, Hasher};
        let mut hasher = FxHasher::default();
        room.hash(&mut hasher);
        let at = (hasher.finish() >> 32) as usize % self.workers.len().max(1);
        self.workers.get(at).map(|(_, arbiter, _)| arbiter)
    }

    /// Removes users who have no socket and nothing to remember, and the usage of rooms that were empty for a day. Of too many
    /// users without a socket those are removed who are neither blocked nor revoked; their rate limits start anew.
    fn forget_idle(&mut self) {
        let now = self.now();
        self.exclusions.forget_old(Instant::now());
        self.rested.retain(|_, usage| !usage.is_over(now));
        let crowded = self.users.len() > limits::USERS_REMEMBERED_MAX;
        self.users.retain(|_, user| {
            let fresh = user.profile.as_ref().is_some_and(|(_, until)| *until > now);
            !user.sessions.is_empty() || user.was_revoked_lately() || !user.quota.is_idle(now) || (fresh && !crowded)
        });
        let without_socket = self.users.values().filter(|user| user.sessions.is_empty()).count();
        let mut surplus = without_socket.saturating_sub(limits::USERS_REMEMBERED_MAX);
        if surplus > 0 {
            log::warn!("event=users_forgotten count={surplus} why=too_many_without_socket");
            self.users.retain(|_, user| {
                let is_kept = surplus == 0 || !user.is_forgettable(now);
                surplus -= usize::from(!is_kept);
                is_kept
            });
        }
        self.users_kept = self.users.len();
    }
}

impl Registry {
    /// Whether the socket is being closed, or the right to a channel may have been lost since it was read. Open rooms
    /// read the right again themselves.
    fn has_lost_access(&self, ask: &JoinRoom) -> bool {
        let mut sockets = self.users.get(&ask.join.user.id).into_iter().flat_map(|user| &user.sessions);
        if sockets.any(|socket| socket.conn == ask.join.conn && socket.closing == Closing::Yes) {
            return true;
        }
        let in_doubt = |read_at| self.exclusions.is_in_doubt(ask.room.id, &ask.join.user.id, read_at, Instant::now());
        ask.room.scope.is_channel() && ask.join.access_read_at.is_some_and(in_doubt)
    }
}

impl User {
    /// Closes all sockets of the user.
    fn close(&mut self, id: &UserId, why: Disconnect) -> usize {
        let staying = self.sessions.iter_mut().filter(|socket| socket.closing == Closing::No);
        staying.map(|socket| close_session(id, socket, why)).count()
    }

    /// Revokes tokens issued before that time and closes the sockets.
    fn revoke(&mut self, id: &UserId, before: Timestamp) {
        self.tokens_not_before = self.tokens_not_before.max(before);
        self.revoked_at = Some(Instant::now());
        self.profile = None;
        self.close(id, Disconnect::Revoked);
    }

    /// Whether nothing would be permitted that is forbidden now, except by the rate limits, if the user was forgotten.
    fn is_forgettable(&self, now: Timestamp) -> bool {
        self.sessions.is_empty() && !self.was_revoked_lately() && self.quota.blocked_for(now).is_none()
    }

    /// Whether a socket may be opening that was admitted before the revocation.
    fn was_revoked_lately(&self) -> bool {
        self.revoked_at.is_some_and(|at| at.elapsed() <= limits::ADMISSION_MAX)
    }

    /// Why a socket must be closed whose rights were checked from `checked_from` on, with a token issued at
    /// `issued_at`.
    fn has_lost(&self, issued_at: Option<Timestamp>, checked_from: Instant, now: Timestamp) -> Option<Disconnect> {
        if self.has_revoked(issued_at) {
            Some(Disconnect::Revoked)
        } else if self.quota.blocked_for(now).is_some() {
            Some(Disconnect::RateLimited)
        } else if checked_from.elapsed() > limits::ADMISSION_MAX {
            // a later revocation may have been forgotten
            Some(Disconnect::TryAgainLater)
        } else {
            None
        }
    }

    /// Whether a token issued at that time is revoked.
    fn has_revoked(&self, issued_at: Option<Timestamp>) -> bool {
        let some = self.tokens_not_before > Timestamp::default();
        some && issued_at.is_none_or(|issued| issued < self.tokens_not_before)
    }

    fn deliver_direct(&self, broadcast: &Arc<Broadcast>) {
        for socket in &self.sessions {
            if let Err(SendError::Full(_)) = socket.session.try_send(DeliverDirect(broadcast.clone())) {
                log::warn!("event=direct_not_heard conn={:?} why=session_full", socket.conn);
            }
        }
    }
}

impl Actor for Registry {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(limits::REGISTRY_MAILBOX_MAX);
        ctx.run_interval(limits::PROFILE_FRESH, |registry, _| registry.forget_idle());
    }
}

impl Handler<SetNode> for Registry {
    type Result = ();

    fn handle(&mut self, message: SetNode, _: &mut Self::Context) {
        self.node = Some(message.0);
    }
}

impl Handler<LivenessProbe> for Registry {
    type Result = ();

    fn handle(&mut self, _: LivenessProbe, _: &mut Self::Context) {}
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
        // expires for blocked users, too: the message that a block was lifted may have been lost
        let Some((profile, _)) = user.profile.as_ref().filter(|(_, until)| *until > now) else {
            return Admission::Unknown;
        };
        if let Some(retry_after_seconds) = user.quota.blocked_for(now) {
            return Admission::Blocked { retry_after_seconds };
        }
        if user.has_revoked(ask.issued_at) {
            return Admission::Revoked;
        }
        if user.sessions.is_empty() {
            user.quota.come(now);
        }
        Admission::Welcome { profile: profile.clone(), quota: user.quota.clone() }
    }
}

impl Handler<IsRevoked> for Registry {
    type Result = bool;

    fn handle(&mut self, ask: IsRevoked, _: &mut Self::Context) -> bool {
        self.users.get(&ask.user).is_some_and(|user| user.has_revoked(ask.issued_at))
    }
}

impl Handler<AdmitWithProfile> for Registry {
    type Result = Admission;

    fn handle(&mut self, AdmitWithProfile { profile, admit }: AdmitWithProfile, ctx: &mut Self::Context) -> Admission {
        let until = self.now().plus_ms(limits::PROFILE_FRESH.as_millis() as i64);
        self.learn(&profile.id, profile.tokens_not_before, profile.blocked_until);
        let user = self.user(&profile.id);
        user.profile = Some((Arc::new(profile), until));
        self.handle(admit, ctx)
    }
}

impl Handler<SessionUp> for Registry {
    type Result = ();

    fn handle(&mut self, up: SessionUp, ctx: &mut Self::Context) {
        let Some(node) = self.node.clone() else { return };
        self.connections += 1;
        let now = node.clock.now();
        let user = self.user(&up.user);
        let SessionUp { conn, session, follows_presence, .. } = up;
        let mut socket = UserSocket { conn, session, follows_presence, closing: Closing::No, rooms: Vec::new() };
        let is_banned = node.moderation.ban(&up.user, None, now).is_some();
        let banned = is_banned.then_some(Disconnect::Revoked);
        if let Some(why) = banned.or_else(|| user.has_lost(up.issued_at, up.checked_from, now)) {
            close_session(&up.user, &mut socket, why);
        }
        user.sessions.push(socket);
        if user.sessions.len() == 1 {
            self.online += 1;
            node.metrics.users_online(self.online as usize);
            self.subscribe_user(up.user.clone(), ctx);
        }
        let opened = SocketOpened { user: up.user, conn, follows_presence, connection: Some(up.connection) };
        self.notify_presence(opened, ctx);
    }
}

impl Handler<SessionDown> for Registry {
    type Result = ();

    fn handle(&mut self, down: SessionDown, ctx: &mut Self::Context) {
        let Some(node) = self.node.clone() else { return };
        if let Some(user) = self.users.get_mut(&down.user) {
            let before = user.sessions.len();
            user.sessions.retain(|socket| socket.conn != down.conn);
            self.connections = self.connections.saturating_sub(before - user.sessions.len());
            if before > 0 && user.sessions.is_empty() {
                self.online = self.online.saturating_sub(1);
                node.metrics.users_online(self.online as usize);
                self.unsubscribe_user(down.user.clone(), ctx);
            }
        }
        self.notify_presence(SocketClosed { user: down.user, conn: down.conn, connection: Some(down.connection) }, ctx);
    }
}

impl Handler<JoinRoom> for Registry {
    type Result = Result<Addr<Room>, Refusal>;

    fn handle(&mut self, ask: JoinRoom, _: &mut Self::Context) -> Self::Result {
        let id = ask.room.id;
        if self.has_lost_access(&ask) {
            log::info!("event=join_too_late room={id} conn={:?} user={}", ask.join.conn, logged(&ask.join.user.id));
            return Err(Refusal::unavailable());
        }
        self.refuse_banned(&ask.join.user.id, id)?;
        let group = ask.room.scope.group();
        if let Some(user) = self.users.get_mut(&ask.join.user.id)
            && let Some(socket) = user.sessions.iter_mut().find(|socket| socket.conn == ask.join.conn)
        {
            socket.rooms.retain(|(room, _)| *room != id);
            socket.rooms.push((id, group));
        }
        self.send_to_room(ask.room, ask.join)
    }
}

impl Handler<DeliverRestRequest> for Registry {
    type Result = Result<(), Refusal>;

    fn handle(&mut self, ask: DeliverRestRequest, _: &mut Self::Context) -> Self::Result {
        self.refuse_banned(&ask.request.user.id, ask.room.id)?;
        self.send_to_room(ask.room, ask.request).map(|_| ())
    }
}

impl Registry {
    /// Finds or creates a room and sends it a message that counts as a join: the room retires only if its own count
    /// agrees.
    fn send_to_room<M>(&mut self, identity: Arc<RoomIdentity>, brought: M) -> Result<Addr<Room>, Refusal>
    where
        M: Message<Result = ()> + Send + 'static,
        Room: Handler<M>,
    {
        let id = identity.id;
        // a room that has panicked is replaced
        if self.rooms.get(&id).is_none_or(|placed| !placed.room.connected()) {
            let usage = self.rested.remove(&id);
            let (Some(arbiter), Some(node)) = (self.arbiter_of(id), self.node.clone()) else {
                return Err(Refusal::unavailable());
            };
            let room = start_in(arbiter, limits::ROOM_MAILBOX_MAX, move || Room::new(identity, node, usage));
            self.rooms.insert(id, RoomEntry { room, joins: 0 });
        }
        let Some(placed) = self.rooms.get_mut(&id) else { return Err(Refusal::internal()) };
        match placed.room.try_send(brought) {
            Ok(()) => {
                placed.joins += 1;
                Ok(placed.room.clone())
            }
            Err(SendError::Full(_) | SendError::Closed(_)) => Err(Refusal::unavailable()),
        }
    }
}

impl Handler<Retire> for Registry {
    type Result = bool;

    fn handle(&mut self, ask: Retire, _: &mut Self::Context) -> bool {
        let Some(placed) = self.rooms.get(&ask.room).filter(|placed| placed.room == ask.actor) else {
            // it was retired before and did not receive the answer: no join can reach it any more
            return true;
        };
        let may = placed.joins == ask.joins;
        if may {
            self.rooms.remove(&ask.room);
            if self.rested.len() < limits::USAGES_REMEMBERED_MAX {
                self.rested.insert(ask.room, ask.usage);
            }
        }
        may
    }
}

impl Handler<CloseUser> for Registry {
    type Result = usize;

    fn handle(&mut self, close: CloseUser, _: &mut Self::Context) -> usize {
        let Some(user) = self.users.get_mut(&close.user) else { return 0 };
        let staying = user.sessions.iter_mut().filter(|socket| socket.closing == Closing::No);
        let chosen = staying.filter(|socket| close.conn.is_none_or(|only| only == socket.conn));
        chosen.map(|socket| close_session(&close.user, socket, close.why)).count()
    }
}

impl Handler<LocalLimitsOf> for Registry {
    type Result = MessageResult<LocalLimitsOf>;

    fn handle(&mut self, LocalLimitsOf(user): LocalLimitsOf, _: &mut Self::Context) -> Self::Result {
        let now = self.now();
        MessageResult(self.users.get(&user).map(|user| user.quota.limit_status(now)).unwrap_or_default())
    }
}

impl Handler<CountAll> for Registry {
    type Result = Statistics;

    fn handle(&mut self, _: CountAll, _: &mut Self::Context) -> Statistics {
        Statistics { connections: self.connections as u64, rooms: self.rooms.len() as u64, users: self.online }
    }
}

impl Handler<RoomsInMemory> for Registry {
    type Result = MessageResult<RoomsInMemory>;

    fn handle(&mut self, _: RoomsInMemory, _: &mut Self::Context) -> Self::Result {
        let placement = |(id, placed): (&RoomId, &RoomEntry)| Placement { id: *id, room: placed.room.clone() };
        MessageResult(self.rooms.iter().map(placement).collect())
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

fn close_session(user: &UserId, socket: &mut UserSocket, why: Disconnect) {
    let conn = socket.conn;
    log::info!("event=socket_closing user={user} conn={conn:?} code={}", why.code(), user = logged(&user));
    // sent once per socket through a new address, which has a guaranteed slot in the mailbox: this message must not be
    // lost
    match socket.session.clone().try_send(CloseSession(why)) {
        Err(SendError::Full(_)) => log::error!("event=kick_lost user={user} conn={conn:?}", user = logged(&user)),
        Ok(()) | Err(SendError::Closed(_)) => socket.closing = Closing::Yes,
    }
}
