//! Spaces on one socket: entering them, and invites. The rules for invites are those of REST (`actors/invites.rs`); none may be
//! decided here.

use actix::prelude::*;

use super::{Session, auto_join::JoinPurpose};
use crate::{
    actors::{invites::SentInvites, messages::Resume},
    auth::policy::Subject,
    core::{
        command::{InviteCommand, Invited, ListPage, RoomAddress, SendInvites, Tag},
        event::{Reply, SpaceReply},
        space::PlaceChange,
    },
    error::{ErrorCode, Refusal},
    ids::{NotificationId, RoomId, UserId},
    store::{InviteAnswer, InviteList},
};

impl Session {
    /// Enters a space.
    pub(super) fn join_space(
        &mut self,
        tag: Tag,
        space: RoomId,
        (named, place): (Option<UserId>, Option<PlaceChange>),
        resume: Option<Resume>,
        ctx: &mut Context<Self>,
    ) {
        if named.is_some_and(|named| named != self.user.id) {
            let sentence = "`userId` is not the user of the token; leave it out, or send a token of that user";
            return self.refuse(tag, Refusal::new(ErrorCode::PermissionDenied, sentence));
        }
        let purpose = JoinPurpose::Join { tag, takes_part: false, place };
        self.join_named(purpose, RoomAddress::Space(space), resume, ctx);
    }

    /// Executes a command about invites.
    pub(super) fn execute_invites(&mut self, tag: Tag, command: InviteCommand, ctx: &mut Context<Self>) {
        match command {
            InviteCommand::Send(asked) => self.send_invites(tag, asked, ctx),
            InviteCommand::Accept { id } => self.answer_invite(tag, id, InviteAnswer::Accept, ctx),
            InviteCommand::Decline { id } => self.answer_invite(tag, id, InviteAnswer::Decline, ctx),
            InviteCommand::List { include_expired, page } => {
                let list = if include_expired { InviteList::PendingAndExpired } else { InviteList::Pending };
                self.list_invites(tag, list, page, ctx);
            }
            InviteCommand::Candidates { space, search, page } => {
                self.list_candidates(tag, space, (search, page), ctx);
            }
        }
    }

    /// Runs an operation with the user's rights, and answers with its result.
    fn answer_with(
        &mut self,
        tag: Tag,
        work: impl Future<Output = Result<SpaceReply, Refusal>> + 'static,
        ctx: &mut Context<Self>,
    ) {
        self.hold(work, ctx, |answer, session, _| match answer {
            Ok(reply) => session.reply(&Reply::Space(Box::new(reply))),
            Err(refusal) => session.refuse(tag, refusal),
        });
    }

    fn send_invites(&mut self, tag: Tag, asked: SendInvites, ctx: &mut Context<Self>) {
        let (node, user, confined) = (self.worker.node.clone(), self.user.id.clone(), self.confined.clone());
        let (role, answer) = (self.role, tag.clone());
        let sent = async move {
            let subject = Subject { user: &user, role, rooms: confined.as_deref() };
            let SentInvites { mut invites, mut failed } = node.send_invites(subject, &asked).await?;
            match asked.to {
                Invited::One(_) => match (invites.pop(), failed.pop()) {
                    (Some(invite), _) => Ok(SpaceReply::Invited { tag: answer, invite }),
                    (None, Some((_, refusal))) => Err(refusal),
                    (None, None) => Err(Refusal::internal()),
                },
                Invited::Several(_) => Ok(SpaceReply::InvitedSeveral { tag: answer, invites, failed }),
            }
        };
        self.answer_with(tag, sent, ctx);
    }

    fn answer_invite(&mut self, tag: Tag, id: NotificationId, answer: InviteAnswer, ctx: &mut Context<Self>) {
        let (node, user, confined) = (self.worker.node.clone(), self.user.id.clone(), self.confined.clone());
        let (role, reply_tag) = (self.role, tag.clone());
        let answered = async move {
            let subject = Subject { user: &user, role, rooms: confined.as_deref() };
            let space = node.answer_invite(subject, id, answer).await?;
            Ok(SpaceReply::InviteAnswered { tag: reply_tag, space })
        };
        self.answer_with(tag, answered, ctx);
    }

    fn list_invites(&mut self, tag: Tag, list: InviteList, page: ListPage, ctx: &mut Context<Self>) {
        let (node, user, confined) = (self.worker.node.clone(), self.user.id.clone(), self.confined.clone());
        let (role, answer) = (self.role, tag.clone());
        let listed = async move {
            let subject = Subject { user: &user, role, rooms: confined.as_deref() };
            let found = node.invites(subject, list, page).await?;
            Ok(SpaceReply::Invites { tag: answer, invites: found.items, total: found.total })
        };
        self.answer_with(tag, listed, ctx);
    }

    fn list_candidates(
        &mut self,
        tag: Tag,
        space: RoomId,
        (search, page): (String, ListPage),
        ctx: &mut Context<Self>,
    ) {
        let (node, user, confined) = (self.worker.node.clone(), self.user.id.clone(), self.confined.clone());
        let (role, answer) = (self.role, tag.clone());
        let listed = async move {
            let subject = Subject { user: &user, role, rooms: confined.as_deref() };
            let found = node.invitable_users(subject, space, &search, page).await?;
            Ok(SpaceReply::Candidates { tag: answer, users: found.items, total: found.total })
        };
        self.answer_with(tag, listed, ctx);
    }
}
