//! Invites to spaces: sent, accepted, declined and listed. An invite and its notification change in one transaction. What is
//! returned as news has been stored as a notification, and must be delivered to its user by the caller.

use std::sync::Arc;

use super::{PageOf, Paged, SpaceResult, Store, StoreError, StoredNotification, run, spaces::unless_full};
use crate::{
    core::invite::{Invite, InviteTemplate},
    ids::{NotificationId, RoomId, Timestamp, UserId},
};

/// An invite to send.
#[derive(Clone, PartialEq, Debug)]
pub struct NewInvite {
    /// Who invites.
    pub from: UserId,
    /// Who is invited.
    pub to: UserId,
    /// To which space.
    pub space: RoomId,
    /// The sender's own text.
    pub message: Option<Arc<str>>,
    /// The template that the sender has chosen.
    pub template: Option<InviteTemplate>,
    /// Milliseconds until it expires.
    pub lifetime_ms: i64,
}

/// An invite that was sent, now or earlier.
#[derive(Clone, PartialEq, Debug)]
pub struct SentInvite {
    /// The invite.
    pub invite: Invite,
    /// The notification of the invited user; None if the invite was pending already.
    pub news: Option<StoredNotification>,
}

/// An invite that was accepted or declined.
#[derive(Clone, PartialEq, Debug)]
pub struct AnsweredInvite {
    /// The invite.
    pub invite: Invite,
    /// The notification of the sender.
    pub news: StoredNotification,
}

/// How an invite is answered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum InviteAnswer {
    /// The user becomes a member.
    Accept,
    /// The user does not.
    Decline,
}

/// Which of a user's invites.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum InviteList {
    /// Those that the user can accept.
    Pending,
    /// The same, and those that have expired.
    PendingAndExpired,
    /// All that the user has received.
    Received,
    /// All that the user has sent.
    Sent,
}

impl Store {
    /// Invites a user to a space. If an invite of the user to the space is pending, it is returned instead.
    pub async fn send_invite(&self, new: &NewInvite) -> SpaceResult<SentInvite> {
        let (new, queue_max) = (new.clone(), self.shared.options.offline_queue_max);
        run!(self, write, invites::send(&new, queue_max))
    }

    /// Accepts or declines an invite of this user. Of several users who accept at the same moment, only as many become members
    /// as there are places.
    pub async fn answer_invite(
        &self,
        user: &UserId,
        id: NotificationId,
        answer: InviteAnswer,
    ) -> SpaceResult<AnsweredInvite> {
        let (user, queue_max) = (user.clone(), self.shared.options.offline_queue_max);
        unless_full(run!(self, write, invites::answer(&user, id, answer, queue_max)))
    }

    /// Invites of a user, the newest first.
    pub async fn invites(&self, user: &UserId, list: InviteList, page: PageOf) -> Result<Paged<Invite>, StoreError> {
        let user = user.clone();
        run!(self, read, invites::list(&user, list, page))
    }

    /// Stores reminders for invites that are about to expire, each once, whichever nodes ask. Returns at most
    /// `limits::REMINDERS_PER_COMMIT` of them.
    pub async fn remind_of_invites(&self, now: Timestamp) -> Result<Vec<StoredNotification>, StoreError> {
        let queue_max = self.shared.options.offline_queue_max;
        run!(self, write, invites::remind(now, queue_max))
    }
}
