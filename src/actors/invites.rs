//! Invites to spaces, with one set of rules for sockets and REST: permissions, rates, and who is notified. What is stored is
//! published to the sockets of its user on all nodes; sockets that miss it find it in the user's queue.

use std::sync::{Arc, PoisonError};

use super::{gateway::Gateway, messages::PublishToUser, node::Node};
use crate::{
    auth::policy::{Action, SpaceAction, Subject, may},
    core::{
        command::{Invited, ListPage, SendInvites},
        invite::Invite,
        profile::Profile,
        space::{SpaceLabel, SpaceRefused},
        user_event::UserEvent,
    },
    error::Refusal,
    ids::{NotificationId, RoomId, UserId},
    logged::logged,
    store::{InviteAnswer, InviteList, NewInvite, PageOf, Paged, SpaceAccess, StoredNotification},
};

impl From<ListPage> for PageOf {
    fn from(page: ListPage) -> PageOf {
        PageOf { offset: page.offset(), limit: page.limit }
    }
}

/// What became of the invites of one request.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct SentInvites {
    /// Those that are pending.
    pub invites: Vec<Invite>,
    /// The users who could not be invited.
    pub failed: Vec<(UserId, Refusal)>,
}

impl Node {
    /// The space, and the user's role in it.
    ///
    /// # Errors
    /// `ROOM_NOT_FOUND`, or the refusal of the action that `of` makes of the role.
    pub async fn space_for(
        &self,
        subject: Subject<'_>,
        space: RoomId,
        of: impl FnOnce(&SpaceAccess) -> SpaceAction,
    ) -> Result<SpaceAccess, Refusal> {
        may(subject, Action::Space(SpaceAction::Use))?;
        let found = self.store.space(space, subject.user).await.map_err(Refusal::from)?;
        let found = found.ok_or(SpaceRefused::NoSuchSpace)?;
        may(subject, Action::Space(of(&found)))?;
        Ok(found)
    }

    /// Invites one user or several. Each counts towards the sender's rate.
    ///
    /// # Errors
    /// If the token is confined. Other refusals are those of the single invites.
    pub async fn send_invites(&self, subject: Subject<'_>, asked: &SendInvites) -> Result<SentInvites, Refusal> {
        may(subject, Action::Space(SpaceAction::Use))?;
        let users = match &asked.to {
            Invited::One(user) => std::slice::from_ref(user),
            Invited::Several(users) => users.as_slice(),
        };
        let mut sent = SentInvites::default();
        for user in users {
            match self.send_invite(subject.user, user, asked).await {
                Ok(invite) => sent.invites.push(invite),
                Err(refusal) => sent.failed.push((user.clone(), refusal)),
            }
        }
        Ok(sent)
    }

    async fn send_invite(&self, from: &UserId, to: &UserId, asked: &SendInvites) -> Result<Invite, Refusal> {
        self.charge_invite(from)?;
        let settings = &self.config.spaces;
        let new = NewInvite {
            from: from.clone(),
            to: to.clone(),
            space: asked.space,
            message: asked.message.clone(),
            template: asked.template,
            lifetime_ms: asked.lifetime_ms.unwrap_or_else(|| settings.invite_lifetime_ms()),
        };
        let sent = self.store.send_invite(&new).await.map_err(Refusal::from)??;
        if let Some(news) = sent.news {
            log::info!("event=invite_sent space={} by={} to={}", asked.space, logged(from), logged(to));
            self.publish_notification(news);
        }
        Ok(sent.invite)
    }

    fn charge_invite(&self, from: &UserId) -> Result<(), Refusal> {
        let mut rates = self.invite_rates.lock().unwrap_or_else(PoisonError::into_inner);
        rates.take(from, self.config.spaces.invites_per_minute, self.clock.now()).map_err(|seconds| {
            Refusal::limited("Too many invites; send fewer per minute, and try again after `retry_after`", seconds)
        })
    }

    /// Accepts or declines an invite of the subject. The sender is notified.
    ///
    /// # Errors
    /// The refusals of PROTOCOL 8.40.
    pub async fn answer_invite(
        &self,
        subject: Subject<'_>,
        id: NotificationId,
        answer: InviteAnswer,
    ) -> Result<SpaceLabel, Refusal> {
        may(subject, Action::Space(SpaceAction::Use))?;
        let answered = self.store.answer_invite(subject.user, id, answer).await.map_err(Refusal::from)??;
        log::info!("event=invite_answered invite={id} state={}", answered.invite.state.name());
        self.publish_notification(answered.news);
        Ok(answered.invite.space)
    }

    /// The subject's own invites.
    ///
    /// # Errors
    /// If the token is confined, or the database can't be read.
    pub async fn invites(
        &self,
        subject: Subject<'_>,
        list: InviteList,
        page: ListPage,
    ) -> Result<Paged<Invite>, Refusal> {
        may(subject, Action::Space(SpaceAction::Use))?;
        self.store.invites(subject.user, list, page.into()).await.map_err(Refusal::from)
    }

    /// The users who can be invited to a space by the subject, who must be a member.
    ///
    /// # Errors
    /// `ROOM_NOT_FOUND`, `PERMISSION_DENIED`.
    pub async fn invitable_users(
        &self,
        subject: Subject<'_>,
        space: RoomId,
        search: &str,
        page: ListPage,
    ) -> Result<Paged<Profile>, Refusal> {
        self.space_for(subject, space, |found| SpaceAction::Invite { role: found.role }).await?;
        self.store.invitable_users(space, search, page.into()).await.map_err(Refusal::from)
    }

    /// Publishes a stored notification to its user's sockets on all nodes. If that fails, it stays in the user's queue.
    pub fn publish_notification(&self, stored: StoredNotification) {
        let StoredNotification { user, notification, .. } = stored;
        let what = Arc::new(UserEvent::Notified { user: user.clone(), notification });
        if self.registry.try_send(PublishToUser { user: user.clone(), what, but: None }).is_err() {
            log::warn!("event=news_lost user={} why=registry_full", logged(&user));
        }
    }
}

/// The same for REST; see the functions of [`Node`].
impl Gateway {
    /// See [`Node::space_for`].
    pub async fn space_for(
        &self,
        subject: Subject<'_>,
        space: RoomId,
        of: impl FnOnce(&SpaceAccess) -> SpaceAction,
    ) -> Result<SpaceAccess, Refusal> {
        self.node.space_for(subject, space, of).await
    }

    /// See [`Node::send_invites`].
    pub async fn send_invites(&self, subject: Subject<'_>, asked: &SendInvites) -> Result<SentInvites, Refusal> {
        self.node.send_invites(subject, asked).await
    }

    /// See [`Node::answer_invite`].
    pub async fn answer_invite(
        &self,
        subject: Subject<'_>,
        id: NotificationId,
        answer: InviteAnswer,
    ) -> Result<SpaceLabel, Refusal> {
        self.node.answer_invite(subject, id, answer).await
    }

    /// See [`Node::invites`].
    pub async fn invites(
        &self,
        subject: Subject<'_>,
        list: InviteList,
        page: ListPage,
    ) -> Result<Paged<Invite>, Refusal> {
        self.node.invites(subject, list, page).await
    }

    /// See [`Node::invitable_users`].
    pub async fn invitable_users(
        &self,
        subject: Subject<'_>,
        space: RoomId,
        search: &str,
        page: ListPage,
    ) -> Result<Paged<Profile>, Refusal> {
        self.node.invitable_users(subject, space, search, page).await
    }
}
