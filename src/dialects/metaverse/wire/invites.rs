//! Invites to spaces, in the forms of REST (docs/metaverse.md).

use std::borrow::Cow;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::spaces::SpaceName;
use crate::{
    core::{
        invite::{Invite, InviteState, InviteTemplate},
        profile::{Author, Profile, Role},
        space::SpaceLabel,
    },
    dialects::{
        input::{Count, Finite, Name, Names, Prose},
        output::{Code, Each, Moment},
        schema::schema,
    },
    error::Refusal,
    ids::{NotificationId, RoomId, UserId},
    limits,
};

// ---- from clients ----

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SendInvite {
    /// The user to invite.
    #[schemars(example = &"01932c07-209c-7000-8000-000000000b0b")]
    pub to_user_id: Option<Prose<{ limits::CLIENT_NAME_CHARS_MAX }>>,
    /// Several users to invite, instead.
    pub to_user_ids: Option<Names<{ limits::INVITED_PER_REQUEST_MAX }, { limits::USER_ID_CHARS_MAX }>>,
    #[schemars(example = &"01932c0a-77f1-7d3e-9c55-1b2a3c4d5e6f")]
    pub space_id: SpaceName,
    /// The text for the invited user.
    #[schemars(example = &"Come and see")]
    pub message: Option<Prose<{ limits::INVITE_MESSAGE_CHARS_MAX }>>,
    /// The name of a text, instead.
    #[schemars(example = &"welcome")]
    pub template: Option<Name<{ limits::CLIENT_NAME_CHARS_MAX }>>,
    /// Hours until it expires, above 0 and at most 720. Fractions are allowed.
    #[schemars(example = 1.5)]
    pub expires_in_hours: Option<Finite>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NamedInvite {
    /// The invite, which is also the invited user's notification.
    #[schemars(example = &"01932c0d-0000-7000-8000-0000000000aa")]
    pub notification_id: Name<{ limits::CLIENT_NAME_CHARS_MAX }>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GetUsers {
    #[schemars(example = &"01932c0a-77f1-7d3e-9c55-1b2a3c4d5e6f")]
    pub space_id: SpaceName,
    /// The start of the username or the display name.
    #[schemars(example = &"jo")]
    pub search: Option<Prose<{ limits::DISPLAY_NAME_CHARS_MAX }>>,
    /// Which page, from 1.
    pub page: Option<Count>,
    /// Users on a page; 50 if absent, at most 100.
    pub limit: Option<Count>,
}

#[derive(Default, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GetInvites {
    /// Also those that have expired.
    pub include_expired: Option<bool>,
    /// Which page, from 1.
    pub page: Option<Count>,
    /// Invites on a page; 50 if absent, at most 100.
    pub limit: Option<Count>,
}

// ---- from the server ----

/// A user.
#[derive(Serialize, JsonSchema)]
pub struct Person<'a> {
    pub id: &'a UserId,
    #[schemars(example = &"john_doe")]
    pub username: &'a str,
}

impl<'a> From<&'a Author> for Person<'a> {
    fn from(author: &'a Author) -> Person<'a> {
        Person { id: &author.id, username: author.username() }
    }
}

/// A space as invites refer to it.
#[derive(Serialize, JsonSchema)]
pub struct Label<'a> {
    pub id: RoomId,
    #[schemars(example = &"Atrium")]
    pub name: &'a str,
}

impl<'a> From<&'a SpaceLabel> for Label<'a> {
    fn from(space: &'a SpaceLabel) -> Label<'a> {
        Label { id: space.id, name: &space.name }
    }
}

/// What has become of an invite.
#[derive(Serialize)]
pub struct State(&'static str);

schema!(State: {"type": "string", "enum": ["pending", "accepted", "declined", "expired"]});

impl From<InviteState> for State {
    fn from(state: InviteState) -> State {
        State(state.name())
    }
}

/// The name of a template.
#[derive(Serialize)]
pub struct Template(&'static str);

schema!(Template: {"type": "string", "enum": (InviteTemplate::ALL.map(InviteTemplate::name))});

/// An invite.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WireInvite<'a> {
    /// Its id, which is also that of the invited user's notification.
    pub id: NotificationId,
    pub to_user: Person<'a>,
    pub from_user: Person<'a>,
    pub space: Label<'a>,
    pub state: State,
    /// The text for the invited user.
    #[schemars(example = &"alice invites you to Atrium")]
    pub message: Cow<'a, str>,
    /// The template that the sender has chosen.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub template: Option<Template>,
    pub created_at: Moment,
    pub expires_at: Moment,
    /// When it was accepted or declined.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub decided_at: Option<Moment>,
}

impl<'a> From<&'a Invite> for WireInvite<'a> {
    fn from(invite: &'a Invite) -> WireInvite<'a> {
        WireInvite {
            id: invite.id,
            to_user: (&invite.to).into(),
            from_user: (&invite.from).into(),
            space: (&invite.space).into(),
            state: invite.state.into(),
            message: invite.text().into(),
            template: invite.template.map(|template| Template(template.name())),
            created_at: Moment(invite.created_at),
            expires_at: Moment(invite.expires_at),
            decided_at: invite.decided_at.map(Moment),
        }
    }
}

/// What became of a request to invite: of one user `invite`, of several `invites` and `failed`.
#[derive(Serialize, JsonSchema)]
#[serde(untagged)]
pub enum Sent<'a> {
    One { invite: Box<WireInvite<'a>> },
    Several { invites: Each<'a, Invite, WireInvite<'a>>, failed: Vec<FailedInvite<'a>> },
}

/// A user who could not be invited.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct FailedInvite<'a> {
    pub user_id: &'a UserId,
    #[schemars(example = &"User is already a member of this space")]
    pub error: &'a str,
    pub code: Code,
    /// Seconds until a retry can succeed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<u32>,
}

impl<'a> From<&'a (UserId, Refusal)> for FailedInvite<'a> {
    fn from((user, refusal): &'a (UserId, Refusal)) -> FailedInvite<'a> {
        FailedInvite {
            user_id: user,
            error: &refusal.sentence,
            code: Code(refusal.code),
            retry_after: refusal.retry_after_seconds,
        }
    }
}

#[derive(Serialize, JsonSchema)]
pub struct Answered<'a> {
    pub space: Label<'a>,
}

#[derive(Serialize, JsonSchema)]
pub struct Invites<'a> {
    pub invites: Each<'a, Invite, WireInvite<'a>>,
    /// The number on this page.
    #[schemars(example = 1)]
    pub count: usize,
    /// The number of all.
    #[schemars(example = 1)]
    pub total: i64,
}

#[derive(Serialize, JsonSchema)]
pub struct Candidates<'a> {
    pub users: Each<'a, Profile, Candidate<'a>>,
    /// The number on this page.
    #[schemars(example = 1)]
    pub count: usize,
    /// The number of all.
    #[schemars(example = 1)]
    pub total: i64,
}

/// A user who can be invited.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Candidate<'a> {
    pub id: &'a UserId,
    #[schemars(example = &"john_doe")]
    pub username: &'a str,
    /// Null if the server does not know it.
    #[schemars(example = &"john@example.com")]
    pub email: Option<&'a str>,
    /// The role on the server.
    pub role: CandidateRole,
    #[schemars(example = &"John Doe")]
    pub display_name: &'a str,
    /// The server keeps no pictures yet.
    pub avatar_url: (),
}

impl<'a> From<&'a Profile> for Candidate<'a> {
    fn from(profile: &'a Profile) -> Candidate<'a> {
        Candidate {
            id: &profile.id,
            username: &profile.username,
            email: profile.email.as_deref(),
            role: CandidateRole(match profile.role {
                Role::User => "participant",
                Role::Admin => "admin",
            }),
            display_name: &profile.display_name,
            avatar_url: (),
        }
    }
}

/// The role of a user on the server.
#[derive(Serialize)]
pub struct CandidateRole(&'static str);

schema!(CandidateRole: {"type": "string", "enum": ["participant", "admin"]});

#[derive(Serialize, JsonSchema)]
pub struct InviteNotice<'a> {
    pub invite: WireInvite<'a>,
}

#[derive(Serialize, JsonSchema)]
pub struct OfUser<'a> {
    pub invite: WireInvite<'a>,
    /// The user who was invited.
    pub user: Person<'a>,
}
