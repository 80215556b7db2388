//! The list of members that newcomers of a large room share, and what the members of such a room are told instead of the
//! whole state: who came and who went, as far as they are listed.

use std::{sync::Arc, time::Instant};

use actix::prelude::*;

use super::Room;
use crate::{
    actors::{
        fanout::{Crowd, Opening, SharedMembers},
        messages::Join,
    },
    core::{
        event::{Attendance, Attendee, Entered, Ephemeral, PresenceEphemeral, Reply, RoomScope},
        listing::Listing,
        presence::Status,
        profile::Author,
    },
    ids::{Timestamp, UserId},
    limits,
};

/// The list of a room that is large enough to need it.
pub(super) struct SharedListing {
    list: Listing<Arc<SharedMembers>>,
    began: Instant,
}

/// Whether clients may know a member by the list.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Listed {
    Yes,
    No,
}

impl Room {
    fn is_large(&self) -> bool {
        self.core.as_ref().is_some_and(|core| core.users() > limits::ATTENDANCE_AT_ONCE_USERS_MAX)
    }

    /// What a newcomer learns first. In a large room it costs as little as in a small one: the list is shared.
    pub(super) fn first_word(&mut self, join: &Join) -> Opening {
        if !self.is_large() {
            self.listing = None;
            return Opening::Reply(Box::new(Reply::Entered(Box::new(self.snapshot(join)))));
        }
        let listing = match &mut self.listing {
            Some(listing) => listing,
            None => {
                let mut list = Listing::default();
                self.core.iter().flat_map(|core| core.online()).for_each(|user| list.insert(user));
                self.listing.insert(Box::new(SharedListing { list, began: Instant::now() }))
            }
        };
        let unlisted = !listing.list.contains(&join.user.id);
        let (now, began) = (self.node.clock.now(), listing.began);
        let mut list = std::mem::take(&mut listing.list);
        let members = list
            .segments(began.elapsed(), |users| SharedMembers::new(self.identity.clone(), self.attendees(users, now)));
        let unlisted = if unlisted { self.attendees(std::slice::from_ref(&join.user), now).pop() } else { None };
        let entered = self.entered(join, Vec::new(), self.activity().map(Arc::new));
        if let Some(listing) = &mut self.listing {
            listing.list = list;
        }
        Opening::Crowd(Box::new(Crowd { entered, unlisted, members }))
    }

    /// What is known of these members.
    fn attendees(&self, users: &[Author], now: Timestamp) -> Vec<Attendee> {
        match &self.open {
            Some(goings) => goings.attendees(users, now),
            None => {
                let named = |user: &Author| Attendee {
                    user: user.clone(),
                    status: Status::default(),
                    cursor: None,
                    last_seen: now,
                };
                users.iter().map(named).collect()
            }
        }
    }

    /// What goes on in an open room, without who is there.
    fn activity(&self) -> Option<Attendance> {
        let (goings, core) = (self.open.as_ref()?, self.core.as_ref()?);
        Some(goings.attendance([].into_iter(), core.users(), self.node.clock.now()))
    }

    /// A member came: the list names it, if it is kept and not full.
    pub(super) fn list(&mut self, user: &Author) {
        if let Some(listing) = &mut self.listing {
            listing.list.insert(user);
        }
    }

    /// What is told of a member has changed.
    pub(super) fn listed_anew(&mut self, user: &UserId) {
        if let Some(listing) = &mut self.listing {
            listing.list.change(user);
        }
    }

    /// A member left; somebody else takes the place in the list.
    fn unlist(&mut self, user: &UserId) -> Listed {
        let Some(listing) = &mut self.listing else { return Listed::Yes };
        let was_listed = listing.list.remove(user);
        if was_listed
            && let Some(core) = self.core.as_ref().filter(|core| core.users() >= limits::ONLINE_USERS_LISTED_MAX)
        {
            let next = core.online().find(|other| !listing.list.contains(&other.id));
            next.into_iter().for_each(|other| listing.list.insert(other));
        }
        if was_listed { Listed::Yes } else { Listed::No }
    }

    /// Tells the members here that somebody came whom nobody had before.
    pub(super) fn tell_joined(&mut self, user: &Author, ctx: &mut Context<Self>) {
        self.list(user);
        let listed = match &self.listing {
            Some(listing) if !listing.list.contains(&user.id) => Listed::No,
            Some(_) | None => Listed::Yes,
        };
        if self.tells_changes(listed) {
            self.announce_here(Ephemeral::Presence(PresenceEphemeral::UserJoined { user: user.clone() }), ctx);
        }
        self.attendance_changed(ctx);
    }

    /// Tells the members here that somebody is gone from all nodes.
    pub(super) fn tell_left(&mut self, user: Author, ctx: &mut Context<Self>) {
        self.forget(&user.id);
        let listed = self.unlist(&user.id);
        if self.tells_changes(listed) {
            self.announce_here(Ephemeral::Presence(PresenceEphemeral::UserLeft { user }), ctx);
        }
        self.attendance_changed(ctx);
    }

    /// In a small open room the whole state says it; in a large one the change does, of whoever clients know by the list.
    fn tells_changes(&self, listed: Listed) -> bool {
        match self.identity.scope {
            RoomScope::Channel { .. } | RoomScope::Direct { .. } => true,
            RoomScope::Open { .. } => listed == Listed::Yes && self.is_large(),
        }
    }

    pub(super) fn entered(&self, join: &Join, online: Vec<Author>, attendance: Option<Arc<Attendance>>) -> Entered {
        let core = self.core.as_ref();
        Entered {
            tag: join.tag.clone(),
            attendance,
            room: self.identity.clone(),
            user: join.user.id.clone(),
            connection: join.connection.clone(),
            online,
            online_total: core.map_or(0, |c| c.users()),
            seq: self.head(),
            epoch: core.map_or(crate::ids::Epoch(0), |c| c.epoch()),
        }
    }
}
