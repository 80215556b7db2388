//! Large rooms: the list of members shared by all newcomers, and the joins and leaves that members are sent instead of
//! the complete state. The cost of a join must not depend on the size of the room.

use std::{sync::Arc, time::Instant};

use actix::prelude::*;

use super::Room;
use crate::{
    actors::{
        fanout::{LargeRoomOpening, Opening, SharedMembers},
        messages::Join,
    },
    core::{
        event::{Entered, Ephemeral, PresenceEphemeral, Reply, RoomPresence},
        member_list::Listing,
        profile::Author,
    },
    ids::UserId,
    limits,
};

/// The list of a large room.
pub(super) struct SharedListing {
    list: Listing<Arc<SharedMembers>>,
    began: Instant,
}

/// Whether clients may know a member from the list.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Listed {
    Yes,
    No,
}

impl Room {
    fn is_large(&self) -> bool {
        self.core.as_ref().is_some_and(|core| core.users() > limits::ATTENDANCE_AT_ONCE_USERS_MAX)
    }

    /// The first message to a newcomer. In a large room it is as cheap as in a small one, because the list is shared.
    pub(super) fn opening_for(&mut self, join: &Join) -> Opening {
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
        let members = list.segments(began.elapsed(), |users| {
            SharedMembers::new(self.identity.clone(), self.kind.presence_of(users, now))
        });
        let unlisted = match unlisted {
            true => self.kind.presence_of(std::slice::from_ref(&join.user), now).pop(),
            false => None,
        };
        let activity = self.view().and_then(|room| self.kind.activity(&room)).map(Arc::new);
        let entered = self.entered(join, Vec::new(), activity);
        if let Some(listing) = &mut self.listing {
            listing.list = list;
        }
        Opening::LargeRoom(Box::new(LargeRoomOpening { entered, unlisted, members }))
    }

    /// Adds a member to the list, if there is one and it is not full.
    pub(super) fn list(&mut self, user: &Author) {
        if let Some(listing) = &mut self.listing {
            listing.list.insert(user);
        }
    }

    /// The listed data of a member has changed.
    pub(super) fn listed_anew(&mut self, user: &UserId) {
        if let Some(listing) = &mut self.listing {
            listing.list.change(user);
        }
    }

    /// Removes a member from the list; another member takes the place.
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

    /// Announces to the members here that a user has joined who was in the room on no node.
    pub(super) fn announce_joined(&mut self, user: &Author, ctx: &mut Context<Self>) {
        self.list(user);
        let listed = match &self.listing {
            Some(listing) if !listing.list.contains(&user.id) => Listed::No,
            Some(_) | None => Listed::Yes,
        };
        if self.tells_changes(listed) {
            let (user, state_follows, place) = (user.clone(), self.tells_state(), self.kind.place_of(&user.id));
            let users = self.core.as_ref().map_or(0, |core| core.users());
            let what = self
                .kind
                .announcement_of_join(&user)
                .unwrap_or(Ephemeral::Presence(PresenceEphemeral::UserJoined { user, state_follows, users, place }));
            self.announce_local(what, ctx);
        }
        self.with_kind(ctx, |kind, room| kind.members_changed(room));
    }

    /// Announces to the members here that a user has left on all nodes.
    pub(super) fn announce_left(&mut self, user: Author, ctx: &mut Context<Self>) {
        let announcement = self.kind.announcement_of_leave(&user);
        self.kind.left(&user.id);
        let listed = self.unlist(&user.id);
        if self.tells_changes(listed) {
            let state_follows = self.tells_state();
            let users = self.core.as_ref().map_or(0, |core| core.users());
            let usual = || Ephemeral::Presence(PresenceEphemeral::UserLeft { user, state_follows, users });
            self.announce_local(announcement.unwrap_or_else(usual), ctx);
        }
        self.with_kind(ctx, |kind, room| kind.members_changed(room));
    }

    /// Whether single joins and leaves are announced: always, except in large rooms that send the presence of all members.
    /// There they are announced for members whom clients know from the list.
    fn tells_changes(&self, listed: Listed) -> bool {
        !self.kind.sends_presence() || listed == Listed::Yes || !self.is_large()
    }

    /// Whether the complete state is sent after each join and leave, as in a small open room.
    fn tells_state(&self) -> bool {
        self.kind.sends_presence() && !self.is_large()
    }

    pub(super) fn entered(&self, join: &Join, online: Vec<Author>, attendance: Option<Arc<RoomPresence>>) -> Entered {
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
