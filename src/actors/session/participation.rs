//! Taking part in conversations: whoever joins one by its name or sends to it takes part in it, also while away, until
//! leaving it. The rooms know only who is there; who takes part is stored.

use actix::prelude::*;

use super::{Session, rooms::not_in_room};
use crate::{
    core::{
        command::{Request, RoomAddress, Tag},
        event::RoomIdentity,
    },
    store::StoreError,
};

impl Session {
    /// Sends a message to a conversation that the socket has joined, of which the user becomes a participant.
    pub(super) fn take_part_and_send(&mut self, request: Request, ctx: &mut Context<Self>) {
        let room = request.command.target().room().and_then(|address| self.rooms.without_part(&address));
        let Some(room) = room else { return self.pass_to_room(request, ctx) };
        let (node, user) = (self.worker.node.clone(), self.user.id.clone());
        let taken = async move { node.take_part(&room, &user).await.map(|()| room.id) };
        self.hold(taken, ctx, move |taken, session, ctx| match taken {
            Ok(room) => {
                session.rooms.note_part(room);
                session.pass_to_room(request, ctx);
            }
            Err(refusal) => session.refuse(request.tag, refusal),
        });
    }

    /// Leaves a room. A conversation is left also by a user who takes part in it without being in the room.
    pub(super) fn leave(&mut self, tag: Tag, address: RoomAddress, ctx: &mut Context<Self>) {
        let RoomAddress::Conversation(name) = &address else { return self.leave_named(tag, &address, ctx) };
        let (store, user) = (self.worker.node.store.clone(), self.user.id.clone());
        let (joined, name) = (self.rooms.identity(Some(&address)), name.clone());
        let left = async move {
            let room = match joined {
                Some(joined) => Some(RoomIdentity::clone(&joined)),
                None => store.conversation_access(name.as_str(), &user).await?.map(|access| access.identity),
            };
            match room {
                Some(room) if room.scope.name().is_some() => store.remove_participant(room.id, &user).await,
                Some(_) | None => Ok(false),
            }
        };
        self.hold(left, ctx, move |left: Result<bool, StoreError>, session, ctx| match left {
            Ok(_) if session.rooms.is_in(&address) => session.leave_named(tag, &address, ctx),
            Ok(true) => session.done(tag),
            Ok(false) => session.refuse(tag, not_in_room()),
            Err(error) => session.refuse(tag, error.into()),
        });
    }
}
