//! Commands that are passed on to a room. If a command names files, these are looked up first: a room must never see a
//! file that the user may not share.

use actix::prelude::*;

use super::Session;
use crate::{
    auth::policy::Subject,
    core::{
        command::{Command, Tag},
        profile::Role,
    },
};

impl Session {
    /// Sends a command to its room, with the files that it names.
    pub(super) fn pass_to_room(&mut self, tag: Tag, command: Command, ctx: &mut Context<Self>) {
        let room = command.target().room();
        let files = command.files().to_vec();
        if files.is_empty() {
            return self.ask_room(room.as_ref(), tag, command);
        }
        let (node, user, confined) = (self.worker.node.clone(), self.user.id.clone(), self.confined.clone());
        let found = async move {
            let subject = Subject { user: &user, role: Role::User, rooms: confined.as_deref() };
            node.attachments(subject, &files).await
        };
        self.hold(found, ctx, move |found, session, _| match found {
            Ok(attachments) => session.ask_room_with(room.as_ref(), tag, command, attachments),
            Err(refusal) => session.refuse(tag, refusal),
        });
    }
}
