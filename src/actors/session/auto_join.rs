//! Commands that name a room which their socket has not joined. If the room exists, the command is refused: it must be
//! joined first. If it does not exist, it is created and joined.

use actix::prelude::*;

use super::{
    Charged, Session,
    rooms::{not_in, not_in_room},
};
use crate::{
    auth::policy::{Action, Subject, may},
    core::{
        command::{Charge, Request, RoomAddress, Tag},
        profile::Role,
        space::PlaceChange,
    },
    ids::RoomName,
};

/// Why a room is joined.
pub(super) enum JoinPurpose {
    /// The client asked to join; the room answers with this tag.
    Join {
        /// The tag of the request.
        tag: Tag,
        /// Whether the user takes part in the room from then on, also while away.
        takes_part: bool,
        /// Where the avatar appears, in a space.
        place: Option<PlaceChange>,
    },
    /// The client sent a command to a room that the socket has not joined.
    Do(Box<Request>, FirstFrame),
}

/// Whether a socket that joins a room is sent the room's first frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FirstFrame {
    Sent,
    Omitted,
}

impl JoinPurpose {
    /// Of the room to which a socket is bound.
    pub fn bound() -> JoinPurpose {
        JoinPurpose::Join { tag: Tag::default(), takes_part: false, place: None }
    }

    /// The tag of the request.
    pub fn tag(&self) -> Tag {
        match self {
            JoinPurpose::Join { tag, .. } => tag.clone(),
            JoinPurpose::Do(request, _) => request.tag.clone(),
        }
    }

    /// The tag with which the room answers the join.
    pub fn of_the_join(&self) -> Tag {
        match self {
            JoinPurpose::Join { tag, .. } => tag.clone(),
            JoinPurpose::Do(..) => Tag::default(),
        }
    }

    /// Where the avatar appears, in a space.
    pub fn place(&self) -> Option<PlaceChange> {
        match self {
            JoinPurpose::Join { place, .. } => place.clone(),
            JoinPurpose::Do(..) => None,
        }
    }

    /// Whether the user takes part in the room from then on.
    pub fn takes_part(&self) -> bool {
        match self {
            JoinPurpose::Join { takes_part, .. } => *takes_part,
            JoinPurpose::Do(request, _) => request.command.takes_part(),
        }
    }

    /// Whether the socket is sent the room's first frame.
    pub const fn first_frame(&self) -> FirstFrame {
        match self {
            JoinPurpose::Join { .. } => FirstFrame::Sent,
            JoinPurpose::Do(_, first_frame) => *first_frame,
        }
    }
}

impl Session {
    /// Executes a command for a room that this socket has not joined.
    pub(super) fn act_in_unjoined_room(&mut self, room: RoomAddress, request: Request, ctx: &mut Context<Self>) {
        // only open rooms are created by being named
        let name = match room {
            RoomAddress::Open(name) => name,
            other => return self.refuse(request.tag, not_in(&other)),
        };
        let subject = Subject { user: &self.user.id, role: Role::User, rooms: self.confined.as_deref() };
        if let Err(denied) = may(subject, Action::NameRoom { name: &name }) {
            return self.refuse(request.tag, denied.into());
        }
        if self.rooms.has_seen(&name) {
            return self.refuse(request.tag, not_in_room());
        }
        let (node, user, asked) = (self.worker.node.clone(), self.user.id.clone(), name.clone());
        let found = async move { node.store.open_room(&asked, &user).await };
        self.hold(found, ctx, move |found, session, ctx| match found {
            Ok(Some(_)) => {
                session.rooms.remember_seen(name);
                session.refuse(request.tag, not_in_room());
            }
            Ok(None) => session.create_and_join(name, request, ctx),
            Err(error) => session.refuse(request.tag, error.into()),
        });
    }

    /// Charged like a join, if rooms are created in this way.
    fn create_and_join(&mut self, name: RoomName, request: Request, ctx: &mut Context<Self>) {
        let makes = self.worker.node.config.rooms.auto_create;
        if makes && self.charge(Charge::Request, &request.tag) == Charged::No {
            return;
        }
        self.join_named(JoinPurpose::Do(Box::new(request), FirstFrame::Sent), RoomAddress::Open(name), None, ctx);
    }
}
