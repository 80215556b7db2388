//! Resynchronises after this node was cut off from the others. Re-reads all users with sockets here and closes the
//! sockets of those who were revoked, blocked, or removed from a group or private room in the meantime. Also re-reads
//! blocked users, whose block may have been lifted. It must never rely on messages of other nodes, only on the
//! database.

use std::collections::{HashMap, HashSet, VecDeque};

use actix::prelude::*;
use futures_util::future::join_all;
use rustc_hash::FxHashMap;

use super::{Closing, Registry, User};
use crate::{
    actors::{bridge::LinkEvent, messages::ResyncUserEvents, outbox::ConnKey},
    ids::{GroupId, RoomId, UserId},
    limits,
    logged::logged,
    store::{SocketRights, StoreError},
};

/// State of the resynchronisation.
#[derive(Default)]
pub(super) struct Resync {
    /// `None` until the bridge has reported the state of the link.
    link: Option<LinkEvent>,
    state: State,
    next: Option<SpawnHandle>,
    missed: Missed,
}

/// Users whose notifications may have been lost on the way here. Bounded by the users with a socket here.
#[derive(Default)]
struct Missed {
    users: VecDeque<UserId>,
    is_asking: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Default)]
enum State {
    #[default]
    Idle,
    Reading,
    /// Read once more after the current run: the link came up in the meantime.
    Again,
}

/// A socket in a room, with the group of a channel, as it was before the store was read. Sockets that join later are
/// checked later.
type InRoom = (ConnKey, RoomId, Option<GroupId>);

/// The members of private open rooms.
type Private = HashMap<RoomId, HashSet<UserId>>;

impl Registry {
    fn heal(&mut self, ctx: &mut Context<Self>) {
        match self.resync.state {
            State::Idle => {}
            State::Reading | State::Again => {
                self.resync.state = State::Again;
                return;
            }
        }
        self.look_for_missed(ctx);
        let now = self.now();
        let concerned = |user: &User| !user.sessions.is_empty() || user.blocked_until > now;
        let here = self.users.iter().filter(|(_, user)| concerned(user));
        let ids: Vec<UserId> = here.map(|(id, _)| id.clone()).collect();
        let chunks = ids.chunks(limits::STORE_IDS_PER_QUERY).map(<[UserId]>::to_vec).collect();
        self.resync.state = State::Reading;
        self.heal_next(chunks, ctx);
    }

    fn heal_next(&mut self, mut chunks: VecDeque<Vec<UserId>>, ctx: &mut Context<Self>) {
        let (Some(ids), Some(node)) = (chunks.pop_front(), self.node.clone()) else {
            if std::mem::take(&mut self.resync.state) == State::Again {
                self.heal(ctx);
            }
            return;
        };
        let sockets: Vec<(UserId, Vec<InRoom>)> = ids.iter().map(|id| (id.clone(), self.sockets_of(id))).collect();
        let in_rooms = sockets.iter().flat_map(|(_, rooms)| rooms);
        let by_name: HashSet<RoomId> =
            in_rooms.filter(|(_, _, group)| group.is_none()).map(|(_, room, _)| *room).collect();
        let by_name: Vec<RoomId> = by_name.into_iter().collect();
        let read = async move { Ok((node.store.standings(&ids).await?, node.store.private_members(&by_name).await?)) };
        ctx.spawn(read.into_actor(self).map(move |read: Result<_, StoreError>, registry, ctx| match read {
            Ok((standings, private)) => {
                let standings: FxHashMap<_, _> = standings.iter().map(|standing| (&standing.user, standing)).collect();
                for (id, rooms) in sockets {
                    if let Some(standing) = standings.get(&id) {
                        registry.apply(standing, &rooms, &private);
                    }
                }
                registry.heal_next(chunks, ctx);
            }
            Err(error) => {
                log::warn!("event=resync_postponed why=\"{error}\"");
                registry.resync.state = State::Idle;
                ctx.run_later(limits::HEALING_PERIOD, Self::heal);
            }
        }));
    }

    /// Notifications published in the meantime are queued in the store. It is asked once per user, a few users at a
    /// time, and only the sockets of users with queued notifications fetch them.
    fn look_for_missed(&mut self, ctx: &mut Context<Self>) {
        let here = self.users.iter().filter(|(_, user)| !user.sessions.is_empty());
        self.resync.missed.users = here.map(|(id, _)| id.clone()).collect();
        if !std::mem::replace(&mut self.resync.missed.is_asking, true) {
            self.ask_for_missed(ctx);
        }
    }

    fn ask_for_missed(&mut self, ctx: &mut Context<Self>) {
        let missed = &mut self.resync.missed.users;
        let some: Vec<UserId> = missed.drain(..missed.len().min(limits::STORE_GATHER_MAX)).collect();
        let Some(node) = self.node.clone().filter(|_| !some.is_empty()) else {
            self.resync.missed.is_asking = false;
            return;
        };
        let asked = async move {
            let waits = join_all(some.iter().map(|user| node.store.queue_waits(user))).await;
            some.into_iter().zip(waits).collect::<Vec<_>>()
        };
        ctx.spawn(asked.into_actor(self).map(|answers, registry, ctx| {
            let mut is_away = false;
            for (user, waits) in answers {
                match waits {
                    Ok(true) => registry.request_resync(&user),
                    Ok(false) => {}
                    Err(StoreError::Unavailable(_)) => {
                        is_away = true;
                        registry.resync.missed.users.push_back(user);
                    }
                    Err(error) => {
                        log::warn!("event=missed_not_read user={} why={}", logged(&user), logged(&error));
                    }
                }
            }
            if is_away {
                ctx.run_later(limits::STORE_RETRY, Self::ask_for_missed);
            } else {
                registry.ask_for_missed(ctx);
            }
        }));
    }

    /// Makes the user's sockets fetch queued notifications.
    pub(super) fn request_resync(&self, user: &UserId) {
        let sockets = self.users.get(user).into_iter().flat_map(|user| &user.sessions);
        for socket in sockets {
            if socket.session.try_send(ResyncUserEvents).is_err() {
                log::debug!("event=missed_not_sent");
            }
        }
    }

    fn heal_while_blind(&mut self, ctx: &mut Context<Self>) {
        let next = ctx.run_later(limits::HEALING_PERIOD, |registry, ctx| {
            if registry.resync.link == Some(LinkEvent::Down) {
                registry.heal(ctx);
                registry.heal_while_blind(ctx);
            }
        });
        if let Some(before) = self.resync.next.replace(next) {
            ctx.cancel_future(before);
        }
    }

    fn sockets_of(&self, id: &UserId) -> Vec<InRoom> {
        let sockets = self.users.get(id).into_iter().flat_map(|user| &user.sessions);
        let staying = sockets.filter(|socket| socket.closing == Closing::No);
        staying.flat_map(|socket| socket.rooms.iter().map(|(room, group)| (socket.conn, *room, *group))).collect()
    }

    fn apply(&mut self, standing: &SocketRights, rooms: &[InRoom], private: &Private) {
        self.learn(&standing.user, standing.tokens_not_before, standing.blocked_until);
        let lost = rooms.iter().filter(|(_, room, group)| match group {
            Some(group) => !standing.groups.contains(group),
            None => private.get(room).is_some_and(|members| !members.contains(&standing.user)),
        });
        for (conn, room, _) in lost {
            log::info!("event=membership_missed user={} room={room} conn={conn:?}", logged(&standing.user));
            self.expel(*room, &standing.user);
        }
    }
}

impl Handler<LinkEvent> for Registry {
    type Result = ();

    fn handle(&mut self, link: LinkEvent, ctx: &mut Self::Context) {
        let before = self.resync.link.replace(link);
        match (before, link) {
            (Some(LinkEvent::Down), LinkEvent::Up) => {
                self.heal(ctx);
                // sockets that are being opened may have read their rights before this point and are not among the
                // users read now
                ctx.run_later(limits::ADMISSION_MAX, Self::heal);
            }
            (Some(LinkEvent::Up) | None, LinkEvent::Down) => self.heal_while_blind(ctx),
            (Some(LinkEvent::Up) | None, LinkEvent::Up) | (Some(LinkEvent::Down), LinkEvent::Down) => {}
        }
    }
}
