//! Requests of a client about invites to spaces. The same commands come from sockets and from REST.

use std::{borrow::Cow, sync::Arc};

use super::{Charge, Target};
use crate::{
    core::{invite::InviteTemplate, space::SpaceRefused},
    ids::{BadUserId, NotificationId, RoomId, UserId},
    limits,
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

/// A request to invite users, as a client has made it. Sockets and REST read the fields; [`SendInvites::new`] validates them.
#[derive(Clone, PartialEq, Debug)]
pub struct AskedInvites<'a> {
    /// One user.
    pub user: Option<&'a str>,
    /// Several users, instead.
    pub users: Option<Vec<&'a str>>,
    /// The space.
    pub space: &'a str,
    /// The sender's own text.
    pub message: Option<&'a str>,
    /// The name of a template, instead.
    pub template: Option<&'a str>,
    /// Hours until the invites expire.
    pub hours: Option<f64>,
}

/// The fields of a request to invite users that can be wrong. Each protocol has its own names for them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum InviteField {
    /// The user.
    User,
    /// The users.
    Users,
    /// The sender's own text.
    Message,
    /// The template.
    Template,
    /// The time until it expires.
    Lifetime,
}

/// What is wrong with a request to invite users.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum BadInvites {
    /// A field; the problem is worded to follow its name.
    Field(InviteField, Cow<'static, str>),
    /// The space or the user can't exist, and is answered like one that does not.
    Refused(SpaceRefused),
}

impl SendInvites {
    /// Validates a request.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn new(asked: AskedInvites<'_>) -> Result<SendInvites, BadInvites> {
        let AskedInvites { user, users, space, message, template, hours } = asked;
        let wrong = |field, problem: &'static str| BadInvites::Field(field, problem.into());
        let to = match (users, user) {
            (Some(ids), None) => Invited::Several(several(ids)?),
            (None, Some(id)) => {
                let user = UserId::new(id).map_err(|_| BadInvites::Refused(SpaceRefused::NoSuchUser))?;
                Invited::One(user)
            }
            (Some(_), Some(_)) => {
                return Err(wrong(InviteField::Users, "can't be combined with the id of one user; send one of them"));
            }
            (None, None) => return Err(wrong(InviteField::User, "is missing: send the id of the user to invite")),
        };
        let template = match template {
            None => None,
            Some(name) => Some(InviteTemplate::from_name(name).ok_or_else(|| {
                wrong(InviteField::Template, "is unknown; GET /metaverse/invites/templates lists those that there are")
            })?),
        };
        let message = message.map(text).transpose()?.flatten();
        if message.is_some() && template.is_some() {
            return Err(wrong(InviteField::Template, "can't be combined with a text of your own; send one of them"));
        }
        let lifetime_ms = match hours {
            None => None,
            Some(hours) if hours > 0.0 && hours <= limits::INVITE_HOURS_MAX => {
                Some((hours * 3_600_000.0).ceil() as i64)
            }
            Some(_) => {
                let problem = format!("must be above 0 and at most {}", limits::INVITE_HOURS_MAX);
                return Err(BadInvites::Field(InviteField::Lifetime, problem.into()));
            }
        };
        let space = space.parse().map_err(|_| BadInvites::Refused(SpaceRefused::NoSuchSpace))?;
        Ok(SendInvites { to, space, message, template, lifetime_ms })
    }
}

/// The users, each once.
fn several(ids: Vec<&str>) -> Result<Vec<UserId>, BadInvites> {
    let mut users = Vec::with_capacity(ids.len().min(limits::INVITED_PER_REQUEST_MAX));
    for id in ids {
        let bad = |bad: BadUserId| BadInvites::Field(InviteField::Users, bad.to_string().into());
        let user = UserId::new(id).map_err(bad)?;
        if !users.contains(&user) {
            users.push(user);
        }
        if users.len() > limits::INVITED_PER_REQUEST_MAX {
            break;
        }
    }
    if users.is_empty() || users.len() > limits::INVITED_PER_REQUEST_MAX {
        let problem = format!("must name 1 to {} users", limits::INVITED_PER_REQUEST_MAX);
        return Err(BadInvites::Field(InviteField::Users, problem.into()));
    }
    Ok(users)
}

/// The sender's own text, unless it is empty.
fn text(text: &str) -> Result<Option<Arc<str>>, BadInvites> {
    let (text, most) = (text.trim(), limits::INVITE_MESSAGE_CHARS_MAX);
    let wrong = |problem| Err(BadInvites::Field(InviteField::Message, problem));
    if text.chars().count() > most {
        return wrong(format!("must have at most {most} characters").into());
    }
    if text.chars().any(|c| c.is_control() && !"\n\r\t".contains(c)) {
        return wrong("must have no control characters except line breaks and tabs".into());
    }
    Ok(Some(text).filter(|text| !text.is_empty()).map(Into::into))
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
