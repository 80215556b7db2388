//! What was said while this node heard nobody is made up for from the database: users with sockets here are read
//! again, and whoever was revoked, blocked or taken out of a group meanwhile is closed, or of a room that is private; who
//! was blocked is read again, too, and let in if the block was lifted.

use std::collections::{HashMap, HashSet, VecDeque};

use actix::prelude::*;
use rustc_hash::FxHashMap;

use super::{Registry, ToldToGo, User};
use crate::{
    actors::{bridge::LinkIs, messages::NewsMissed, outbox::ConnKey},
    ids::{GroupId, RoomId, UserId},
    limits,
    logged::logged,
    store::{Standing, StoreError},
};

/// Where the healing stands.
#[derive(Default)]
pub(super) struct Healing {
    /// None until the bridge said how the line is.
    link: Option<LinkIs>,
    state: State,
    next: Option<SpawnHandle>,
}

#[derive(Clone, Copy, PartialEq, Eq, Default)]
enum State {
    #[default]
    Idle,
    Reading,
    /// Once more after the present reading: the line came up in between.
    Again,
}

/// A socket in a room, in a channel with its group, as it was before the store was asked: one that comes later was checked
/// later.
type InRoom = (ConnKey, RoomId, Option<GroupId>);

/// The members of private open rooms.
type Private = HashMap<RoomId, HashSet<UserId>>;

impl Registry {
    fn heal(&mut self, ctx: &mut Context<Self>) {
        match self.healing.state {
            State::Idle => {}
            State::Reading | State::Again => {
                self.healing.state = State::Again;
                return;
            }
        }
        self.tell_missed();
        let now = self.now();
        let concerned = |user: &User| !user.sessions.is_empty() || user.blocked_until > now;
        let here = self.users.iter().filter(|(_, user)| concerned(user));
        let ids: Vec<UserId> = here.map(|(id, _)| id.clone()).collect();
        let chunks = ids.chunks(limits::STORE_IDS_PER_QUERY).map(<[UserId]>::to_vec).collect();
        self.healing.state = State::Reading;
        self.heal_next(chunks, ctx);
    }

    fn heal_next(&mut self, mut chunks: VecDeque<Vec<UserId>>, ctx: &mut Context<Self>) {
        let (Some(ids), Some(node)) = (chunks.pop_front(), self.node.clone()) else {
            if std::mem::take(&mut self.healing.state) == State::Again {
                self.heal(ctx);
            }
            return;
        };
        let seats: Vec<(UserId, Vec<InRoom>)> = ids.iter().map(|id| (id.clone(), self.seats_of(id))).collect();
        let in_rooms = seats.iter().flat_map(|(_, rooms)| rooms);
        let by_name: HashSet<RoomId> =
            in_rooms.filter(|(_, _, group)| group.is_none()).map(|(_, room, _)| *room).collect();
        let by_name: Vec<RoomId> = by_name.into_iter().collect();
        let read = async move { Ok((node.store.standings(&ids).await?, node.store.private_members(&by_name).await?)) };
        ctx.spawn(read.into_actor(self).map(move |read: Result<_, StoreError>, registry, ctx| match read {
            Ok((standings, private)) => {
                let standings: FxHashMap<_, _> = standings.iter().map(|standing| (&standing.user, standing)).collect();
                for (id, rooms) in seats {
                    if let Some(standing) = standings.get(&id) {
                        registry.apply(standing, &rooms, &private);
                    }
                }
                registry.heal_next(chunks, ctx);
            }
            Err(error) => {
                log::warn!("event=healing_put_off why=\"{error}\"");
                registry.healing.state = State::Idle;
                ctx.run_later(limits::HEALING_PERIOD, Self::heal);
            }
        }));
    }

    /// Notifications that were told meanwhile wait in the store.
    fn tell_missed(&self) {
        for session in self.users.values().flat_map(|user| &user.sessions).filter_map(|seat| seat.session.upgrade()) {
            if session.try_send(NewsMissed).is_err() {
                log::debug!("event=missed_not_told");
            }
        }
    }

    fn heal_while_blind(&mut self, ctx: &mut Context<Self>) {
        let next = ctx.run_later(limits::HEALING_PERIOD, |registry, ctx| {
            if registry.healing.link == Some(LinkIs::Down) {
                registry.heal(ctx);
                registry.heal_while_blind(ctx);
            }
        });
        if let Some(before) = self.healing.next.replace(next) {
            ctx.cancel_future(before);
        }
    }

    fn seats_of(&self, id: &UserId) -> Vec<InRoom> {
        let seats = self.users.get(id).into_iter().flat_map(|user| &user.sessions);
        let staying = seats.filter(|seat| seat.told_to_go == ToldToGo::No);
        staying.flat_map(|seat| seat.rooms.iter().map(|(room, group)| (seat.conn, *room, *group))).collect()
    }

    fn apply(&mut self, standing: &Standing, rooms: &[InRoom], private: &Private) {
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

impl Handler<LinkIs> for Registry {
    type Result = ();

    fn handle(&mut self, link: LinkIs, ctx: &mut Self::Context) {
        let before = self.healing.link.replace(link);
        match (before, link) {
            (Some(LinkIs::Down), LinkIs::Up) => {
                self.heal(ctx);
                // sockets that are being opened have read their rights before this, and are not among those read now
                ctx.run_later(limits::ADMISSION_MAX, Self::heal);
            }
            (Some(LinkIs::Up) | None, LinkIs::Down) => self.heal_while_blind(ctx),
            (Some(LinkIs::Up) | None, LinkIs::Up) | (Some(LinkIs::Down), LinkIs::Down) => {}
        }
    }
}
