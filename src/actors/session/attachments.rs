//! Commands that are passed on to a room. If a command names files or users, these are looked up first: a room must never
//! see a file that the user may not share, nor notify somebody who may not be in it.

use actix::prelude::*;

use super::Session;
use crate::{
    auth::policy::Subject,
    core::{
        command::{ChatCommand, Command, Request},
        profile::Role,
    },
    ids::UserId,
};

impl Session {
    /// Sends a command to its room, with the files and users that it names.
    pub(super) fn pass_to_room(&mut self, request: Request, ctx: &mut Context<Self>) {
        let address = request.command.target().room();
        let (files, mentioned) = (request.command.files().to_vec(), mentions(&request.command).to_vec());
        if files.is_empty() && mentioned.is_empty() {
            return self.ask_room(address.as_ref(), request);
        }
        let room = self.rooms.identity(address.as_ref());
        let (node, user, confined) = (self.worker.node.clone(), self.user.id.clone(), self.confined.clone());
        let found = async move {
            let subject = Subject { user: &user, role: Role::User, rooms: confined.as_deref() };
            let attachments = if files.is_empty() { Vec::new() } else { node.attachments(subject, &files).await? };
            let mentioned = match room {
                Some(room) => node.may_be_mentioned(&room, mentioned).await?,
                None => Vec::new(),
            };
            Ok((attachments, mentioned))
        };
        self.hold(found, ctx, move |found, session, _| match found {
            Ok((attachments, mentioned)) => {
                let Request { tag, client_message_id, command } = request;
                let request = Request { tag, client_message_id, command: with_mentions(command, mentioned) };
                session.ask_room_with(address.as_ref(), request, attachments);
            }
            Err(refusal) => session.refuse(request.tag, refusal),
        });
    }
}

fn mentions(command: &Command) -> &[UserId] {
    match command {
        Command::Chat(ChatCommand::Send { draft, .. }) => &draft.mentions,
        Command::Ping
        | Command::AuthRefresh { .. }
        | Command::Room(_)
        | Command::Chat(_)
        | Command::Call(_)
        | Command::Presence(_)
        | Command::Sheet(_)
        | Command::Assistant(_)
        | Command::Notices(_)
        | Command::Upload(_) => &[],
    }
}

fn with_mentions(mut command: Command, mentions: Vec<UserId>) -> Command {
    if let Command::Chat(ChatCommand::Send { draft, .. }) = &mut command {
        draft.mentions = mentions;
    }
    command
}
