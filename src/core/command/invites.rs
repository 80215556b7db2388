//! Requests of a client about invites to spaces. The same commands come from sockets and from REST.

use std::sync::Arc;

use super::{Charge, Target};
use crate::{
    core::invite::InviteTemplate,
    ids::{NotificationId, RoomId, UserId},
};

/// A command about invites.
#[derive(Clone, PartialEq, Debug)]
pub enum InviteCommand {
    /// Invite users.
    Send(SendInvites),
    /// Become a member.
    Accept {
        /// The invite.
        id: NotificationId,
    },
    /// Decline an invite.
    Decline {
        /// The invite.
        id: NotificationId,
    },
    /// List the user's own pending invites.
    List {
        /// Also those that have expired.
        include_expired: bool,
        /// Which part of the list.
        page: ListPage,
    },
    /// List the users who can be invited.
    Candidates {
        /// To which space.
        space: RoomId,
        /// The start of their name.
        search: String,
        /// Which part of the list.
        page: ListPage,
    },
}

/// The users to invite to a space, and with which text.
#[derive(Clone, PartialEq, Debug)]
pub struct SendInvites {
    /// The users, each once.
    pub to: Invited,
    /// The space.
    pub space: RoomId,
    /// The sender's own text.
    pub message: Option<Arc<str>>,
    /// A template instead.
    pub template: Option<InviteTemplate>,
    /// Milliseconds until the invites expire; None: as configured.
    pub lifetime_ms: Option<i64>,
}

/// Who is invited.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Invited {
    /// One user: the invite is answered, or its refusal.
    One(UserId),
    /// Several users: the answer lists invites and refusals.
    Several(Vec<UserId>),
}

/// A page of a list, counted from 1.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ListPage {
    /// Its number.
    pub number: i64,
    /// The size of pages.
    pub limit: i64,
}

impl ListPage {
    /// The number of items on the pages before it.
    pub const fn offset(self) -> i64 {
        (self.number - 1).saturating_mul(self.limit)
    }
}

impl InviteCommand {
    /// Who executes it.
    pub const fn target(&self) -> Target {
        Target::Session
    }

    /// How it is charged: sending is limited by a rate of its own.
    pub const fn charge(&self) -> Charge {
        match self {
            InviteCommand::Send(_) => Charge::Free,
            InviteCommand::Accept { .. }
            | InviteCommand::Decline { .. }
            | InviteCommand::List { .. }
            | InviteCommand::Candidates { .. } => Charge::Request,
        }
    }
}
