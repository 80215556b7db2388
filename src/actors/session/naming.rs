//! Rooms that a command names before its socket has joined them: one that is there has to be joined first, one that is not
//! is made by being named, and joined.

use actix::prelude::*;

use super::{
    Charged, Session,
    rooms::{not_in_room, store_refusal},
};
use crate::{
    auth::policy::{Action, Subject, may},
    core::{
        command::{Charge, Request, Tag},
        profile::Role,
    },
    ids::RoomName,
};

/// What a room is entered for.
pub(super) enum Errand {
    /// To be in it, which the room answers under this name.
    Join(Tag),
    /// To do this there.
    Do(Box<Request>),
}

impl Errand {
    /// Of the request that asks for it.
    pub fn tag(&self) -> Tag {
        match self {
            Errand::Join(tag) => tag.clone(),
            Errand::Do(request) => request.tag.clone(),
        }
    }

    /// Under which the room answers the join.
    pub fn of_the_join(&self) -> Tag {
        match self {
            Errand::Join(tag) => tag.clone(),
            Errand::Do(_) => Tag::default(),
        }
    }
}

impl Session {
    /// Does something in a room that this socket has not joined.
    pub(super) fn do_in_stranger(&mut self, name: RoomName, request: Request, ctx: &mut Context<Self>) {
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
            Ok(None) => session.make_by_naming(name, request, ctx),
            Err(error) => session.refuse(request.tag, store_refusal(&error)),
        });
    }

    /// It costs what a join costs, where rooms are made so.
    fn make_by_naming(&mut self, name: RoomName, request: Request, ctx: &mut Context<Self>) {
        let makes = self.worker.node.config.rooms.auto_create;
        if makes && self.charge(Charge::Request, &request.tag) == Charged::No {
            return;
        }
        self.join_open(Errand::Do(Box::new(request)), name, None, ctx);
    }
}
