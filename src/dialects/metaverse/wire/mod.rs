//! The messages of the metaverse dialect: a variant per `type` or `requestType`, whose doc comment is the description in the
//! AsyncAPI document. Fields are camelCase.

pub mod invites;
pub mod spaces;
pub mod state;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use self::{
    invites::{
        Answered, Candidates, FailedInvite, GetInvites, GetUsers, InviteNotice, Invites, NamedInvite, OfUser,
        SendInvite, Sent,
    },
    spaces::{
        Act, AvatarMoved, AvatarsMoved, ChatMessage, JoinSpace, Joined, MoveAvatar, NamedSpace, Say, SpaceChanged,
        UserAction, UserJoined, UserLeft,
    },
    state::{Entry, SetState, StateChanged, StateStored},
};
use crate::{
    core::{command::Tag, notification},
    dialects::{
        common::AuthRefresh,
        output::{Code, Echo, Moment, Relayed, RelayedObject},
        schema::schema,
    },
    error::Refusal,
    ids::{EventId, NotificationId, RoomId, Seq},
};

/// The fields of a request.
#[derive(Deserialize, JsonSchema)]
pub struct Payload<T> {
    pub payload: T,
}

/// The fields of a request that may be left out as a whole.
#[derive(Deserialize, JsonSchema)]
pub struct MayHave<T> {
    pub payload: Option<T>,
}

/// Messages of clients.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[schemars(tag = "type")]
pub enum FromClient<'a> {
    /// Enter a space; answered with everybody's position
    JoinSpace(#[serde(borrow)] Payload<JoinSpace<'a>>),
    /// Leave a space
    LeaveSpace(Payload<NamedSpace>),
    /// Move the avatar; answered only if it is refused or has a `ref`
    Move(Payload<MoveAvatar>),
    /// Do something in a space; answered only if it is refused or has a `ref`
    Action(#[serde(borrow)] Payload<Act<'a>>),
    /// Set or delete an entry of a space's state
    StateSet(#[serde(borrow)] Payload<SetState<'a>>),
    /// Say something to everybody in a space
    Chat(#[serde(borrow)] Payload<Say<'a>>),
    /// Invite a user, or several, to a space
    SendInvite(Payload<SendInvite>),
    /// Accept an invite: become a member of the space
    AcceptInvite(Payload<NamedInvite>),
    /// Decline an invite
    DeclineInvite(Payload<NamedInvite>),
    /// List the users who can be invited to a space
    GetUsers(Payload<GetUsers>),
    /// List the invites that can be accepted
    GetInvites(MayHave<GetInvites>),
    /// Check the connection
    Ping,
    /// Provide a fresh token of the same user before the old one expires
    AuthRefresh(Payload<AuthRefresh>),
}

/// Messages of the server.
#[derive(Serialize)]
#[serde(untagged)]
pub enum FromServer<'a> {
    Broadcast(Broadcast<'a>),
    Answer(Answer<'a>),
    Refused(Refused<'a>),
}

/// What the server sends without having been asked, and pongs.
#[derive(Serialize, JsonSchema)]
#[serde(tag = "type", rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Broadcast<'a> {
    /// The reply to a ping
    Pong(Pong<'a>),
    /// The server is shutting down; reconnect after this delay, and resume
    ServerRestarting(Restarting),
    /// The replay of missed events is complete
    Recovered(Recovered),
    /// An administrator's announcement in a space
    #[serde(rename = "BROADCAST")]
    Announcement(Announced<'a>),
    /// A notification about an invite that has no form of its own here, or an administrator's message for the user
    Notification(Notice<'a>),
    /// A user's first socket entered the space
    UserJoined(UserJoined<'a>),
    /// A user's last socket left the space
    UserLeft(UserLeft<'a>),
    /// Avatars have moved: one of them in `userId` and `position`, all of them in `moves` if there are several
    UserMoved(AvatarMoved<'a>),
    /// Avatars that are near have moved or come near, in a space with an `interestRadius`
    UsersMoved(AvatarsMoved<'a>),
    /// The name or the `interestRadius` of the space has changed
    SpaceChanged(SpaceChanged<'a>),
    /// A user did something; not sent to that user
    UserAction(UserAction<'a>),
    /// An entry of the space's state was set, was deleted or has ended; also sent to the user who did it
    StateChanged(StateChanged<'a>),
    /// A stored message; also sent to the sender
    ChatMessage(ChatMessage<'a>),
    /// The user was invited to a space
    InviteReceived(InviteNotice<'a>),
    /// The user's invite was accepted
    InviteAccepted(OfUser<'a>),
    /// The user's invite was declined
    InviteDeclined(OfUser<'a>),
    /// An invite that the user has not answered expires soon
    InviteReminder(InviteNotice<'a>),
}

/// What requests are answered with that were executed.
#[derive(Serialize, JsonSchema)]
#[serde(tag = "requestType", rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Answer<'a> {
    /// The socket is in the space
    JoinSpace(Success<'a, Joined<'a>>),
    /// The socket has left the space
    LeaveSpace(Done<'a>),
    /// The move was applied
    Move(Done<'a>),
    /// The action was stored
    Action(Success<'a, Stored>),
    /// The change of the state was stored; without `data` there was nothing to delete
    StateSet(StateStored<'a>),
    /// The message was stored
    Chat(Success<'a, Stored>),
    /// An invite was sent, or is pending already; of several users those who were invited and those who could not be
    SendInvite(Said<'a, Sent<'a>>),
    /// The user is a member of the space
    AcceptInvite(Said<'a, Answered<'a>>),
    /// The invite is declined
    DeclineInvite(Said<'a, Answered<'a>>),
    /// The users who can be invited
    GetUsers(Success<'a, Candidates<'a>>),
    /// The user's invites
    GetInvites(Success<'a, Invites<'a>>),
    /// A fresh token was accepted
    AuthRefresh(Success<'a, Refreshed>),
}

/// What requests are answered with that were refused.
#[derive(Serialize, JsonSchema)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum Refused<'a> {
    /// A request was refused and had no effect
    Failed(Failed<'a>),
}

/// The word of answers to requests that were executed.
#[derive(Serialize)]
pub struct SuccessWord(&'static str);

schema!(SuccessWord: {"const": "success"});

const SUCCESS: SuccessWord = SuccessWord("success");

/// An answer without data.
#[derive(Serialize, JsonSchema)]
pub struct Done<'a> {
    pub status: SuccessWord,
    #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
    pub reference: Option<Echo<'a>>,
}

impl<'a> Done<'a> {
    pub fn new(tag: &'a Tag) -> Done<'a> {
        Done { status: SUCCESS, reference: Echo::of(tag) }
    }
}

/// An answer.
#[derive(Serialize, JsonSchema)]
pub struct Success<'a, T> {
    #[serde(flatten)]
    pub done: Done<'a>,
    pub data: T,
}

impl<'a, T> Success<'a, T> {
    pub fn of(tag: &'a Tag, data: T) -> Success<'a, T> {
        Success { done: Done::new(tag), data }
    }
}

/// An answer with a sentence.
#[derive(Serialize, JsonSchema)]
pub struct Said<'a, T> {
    #[serde(flatten)]
    pub done: Done<'a>,
    /// One sentence for people.
    #[schemars(example = &"Invite sent successfully")]
    pub message: &'static str,
    pub data: T,
}

impl<'a, T> Said<'a, T> {
    pub fn new(tag: &'a Tag, message: &'static str, data: T) -> Said<'a, T> {
        Said { done: Done::new(tag), message, data }
    }
}

/// A refusal.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Failed<'a> {
    /// One sentence for people.
    #[schemars(example = &"Space is full")]
    pub error: &'a str,
    /// For programs; it does not change.
    pub code: Code,
    /// The `type` of the request, if it could be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"JOIN_SPACE")]
    pub request_type: Option<&'a str>,
    #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
    pub reference: Option<Echo<'a>>,
    /// Seconds until a retry can succeed.
    #[serde(rename = "retry_after", skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<u32>,
    /// More about some refusals.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<Details<'a>>,
}

impl<'a> Failed<'a> {
    pub fn new(tag: &'a Tag, refusal: &'a Refusal) -> Failed<'a> {
        Failed {
            error: &refusal.sentence,
            code: Code(refusal.code),
            request_type: Some(tag.asked).filter(|asked| !asked.is_empty()),
            reference: Echo::of(tag),
            retry_after: refusal.retry_after_seconds,
            data: None,
        }
    }
}

/// More about a refusal.
#[derive(Serialize, JsonSchema)]
#[serde(untagged)]
pub enum Details<'a> {
    /// Of a request for several users that could not be fulfilled for any of them.
    Nobody(NobodyInvited<'a>),
    /// Of a change of the state: the entry as it is.
    Entry(CurrentEntry<'a>),
}

/// The entry of the state that a refused change would have replaced.
#[derive(Serialize, JsonSchema)]
pub struct CurrentEntry<'a> {
    /// `null` if there is none.
    pub entry: Option<Entry<'a>>,
}

/// What became of a request for several users of whom none could be invited.
#[derive(Serialize, JsonSchema)]
pub struct NobodyInvited<'a> {
    /// Always empty.
    #[schemars(length(max = 0))]
    pub invites: [u8; 0],
    pub failed: Vec<FailedInvite<'a>>,
}

/// The place of a stored event.
#[derive(Serialize, JsonSchema)]
pub struct Stored {
    /// The id of what was stored.
    pub id: EventId,
    pub seq: Seq,
}

/// A fresh token.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Refreshed {
    /// When it expires.
    pub expires_at: Moment,
}

#[derive(Serialize, JsonSchema)]
pub struct Pong<'a> {
    #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
    pub reference: Option<Echo<'a>>,
    pub timestamp: Moment,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Restarting {
    /// Milliseconds to wait before reconnecting.
    #[schemars(example = 2_350)]
    pub reconnect_in_ms: u64,
    pub timestamp: Moment,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Recovered {
    pub space_id: RoomId,
    pub seq: Seq,
    /// False if the gap is too old.
    pub complete: bool,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Announced<'a> {
    pub space_id: RoomId,
    /// As the administrator wrote it.
    pub data: RelayedObject<'a>,
    pub timestamp: Moment,
}

#[derive(Serialize, JsonSchema)]
pub struct Notice<'a> {
    pub data: Notified<'a>,
    pub timestamp: Moment,
}

/// The content of a notification.
#[derive(Serialize, JsonSchema)]
#[serde(untagged)]
pub enum Notified<'a> {
    /// A complete stored notification.
    Stored(Notification<'a>),
    /// As the administrator wrote it.
    Written(RelayedObject<'a>),
}

/// A stored notification.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Notification<'a> {
    pub id: NotificationId,
    #[schemars(example = &"Invitation to Atrium")]
    pub title: &'a str,
    #[schemars(example = &"alice invites you to Atrium")]
    pub message: &'a str,
    /// Additional data of the sender.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<RelayedObject<'a>>,
    pub created_at: Moment,
}

impl<'a> From<&'a notification::Notification> for Notification<'a> {
    fn from(stored: &'a notification::Notification) -> Notification<'a> {
        Notification {
            id: stored.id,
            title: &stored.title,
            message: &stored.message,
            data: stored.data.as_ref().map(|data| RelayedObject(Relayed(data))),
            created_at: Moment(stored.created_at),
        }
    }
}
