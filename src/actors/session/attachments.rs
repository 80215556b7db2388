//! Commands that are passed on to a room. If a command names files or users, these are looked up first: a room must never
//! see a file that the user may not share, nor notify somebody who may not be in it.

use actix::prelude::*;

use super::Session;
use crate::{
    auth::policy::Subject,
    core::{command::Request, profile::Role},
};

impl Session {
    /// Sends a command to its room, with the files and users that it names.
    pub(super) fn pass_to_room(&mut self, request: Request, ctx: &mut Context<Self>) {
        let address = request.command.target().room();
        if request.command.files().is_empty() && request.command.mentions().is_empty() {
            return self.ask_room(address.as_ref(), request);
        }
        let room = self.rooms.identity(address.as_ref());
        let (node, user, confined) = (self.worker.node.clone(), self.user.id.clone(), self.confined.clone());
        let Request { tag, client_message_id, command } = request;
        let found = async move {
            let subject = Subject { user: &user, role: Role::User, rooms: confined.as_deref() };
            node.look_up_named(subject, room.as_deref(), command).await
        };
        self.hold(found, ctx, move |found, session, _| match found {
            Ok((command, attachments)) => {
                let request = Request { tag, client_message_id, command };
                session.ask_room_with(address.as_ref(), request, attachments);
            }
            Err(refusal) => session.refuse(tag, refusal),
        });
    }
}
