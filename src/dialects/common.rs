//! The messages shared by dialects of flat JSON objects (docs/protocol.md, Common). Each dialect's own enum of messages
//! names those that it uses. A field that only one dialect has must never be added here.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    input::{Count, Json, Token},
    output::{Code, Echo, Moment, Relayed, RelayedObject},
};
use crate::{
    core::{
        command::{Resume, Tag},
        event,
        notification::{self, Priority},
        profile::Author,
        upload::content_url,
    },
    error::Refusal,
    ids::{Epoch, EventId, FileId, NotificationId, Seq, Timestamp, UserId},
};

// ---- from clients ----

/// A fresh token.
#[derive(Deserialize, JsonSchema)]
pub struct AuthRefresh {
    /// An access token of the same user.
    pub token: Token,
}

/// The position from which a client resumes, if any. An epoch is opaque to clients: one that we cannot parse counts as
/// another epoch, not as an error.
pub fn resume(since: Option<Count>, epoch: Option<Json<'_>>) -> Option<Resume> {
    let since = since?;
    let epoch = epoch.map(|epoch| epoch.0.trim_matches('"').parse().map_or(Epoch::NONE, Epoch));
    Some(Resume { since: Seq(since.0), epoch })
}

// ---- from the server ----

/// The user that a message is about.
#[derive(Serialize, JsonSchema)]
pub struct User<'a> {
    pub user_id: &'a UserId,
    #[schemars(example = &"alice")]
    pub username: &'a str,
}

impl<'a> From<&'a Author> for User<'a> {
    fn from(author: &'a Author) -> User<'a> {
        User { user_id: &author.id, username: author.username() }
    }
}

/// The position of a client after joining.
#[derive(Serialize, JsonSchema)]
pub struct Position<'a> {
    pub seq: Seq,
    pub epoch: Epoch,
    /// The name of this connection.
    #[schemars(example = &"ws_alice_1761566400_7f3a")]
    pub connection_id: &'a str,
}

/// The reply to a ping.
#[derive(Serialize, JsonSchema)]
pub struct Pong<'a> {
    #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
    pub reference: Option<Echo<'a>>,
    pub timestamp: Moment,
}

impl<'a> Pong<'a> {
    pub fn new(tag: &'a Tag, at: Timestamp) -> Pong<'a> {
        Pong { reference: Echo::of(tag), timestamp: Moment(at) }
    }
}

/// An acknowledgement.
#[derive(Serialize, JsonSchema)]
pub struct Ack<'a> {
    #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
    pub reference: Option<Echo<'a>>,
    /// The id of what was stored.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<EventId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seq: Option<Seq>,
    /// When the fresh token expires.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Moment>,
}

impl<'a> Ack<'a> {
    /// A change was stored.
    pub fn stored(tag: &'a Tag, id: EventId, seq: Seq) -> Ack<'a> {
        Ack { id: Some(id), seq: Some(seq), ..Ack::done(tag) }
    }

    /// The request was executed; nothing was stored.
    pub fn done(tag: &'a Tag) -> Ack<'a> {
        Ack { reference: Echo::of(tag), id: None, seq: None, expires_at: None }
    }

    /// A fresh token was accepted.
    pub fn refreshed(tag: &'a Tag, expires_at: Timestamp) -> Ack<'a> {
        Ack { expires_at: Some(Moment(expires_at)), ..Ack::done(tag) }
    }
}

/// A refusal.
#[derive(Serialize, JsonSchema)]
pub struct ErrorMessage<'a> {
    #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
    pub reference: Option<Echo<'a>>,
    /// One sentence for people.
    #[schemars(example = &"`content` must not be empty")]
    pub error: &'a str,
    /// For programs; it does not change.
    pub code: Code,
    /// Seconds until a retry can succeed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<u32>,
    pub timestamp: Moment,
}

impl<'a> ErrorMessage<'a> {
    pub fn new(tag: &'a Tag, refusal: &'a Refusal, at: Timestamp) -> ErrorMessage<'a> {
        ErrorMessage {
            reference: Echo::of(tag),
            error: &refusal.sentence,
            code: Code(refusal.code),
            retry_after: refusal.retry_after_seconds,
            timestamp: Moment(at),
        }
    }
}

/// The node is shutting down.
#[derive(Serialize, JsonSchema)]
pub struct Restarting {
    /// Milliseconds to wait before reconnecting.
    #[schemars(example = 2_350)]
    pub reconnect_in_ms: u64,
    pub timestamp: Moment,
}

impl Restarting {
    pub fn new(reconnect_in_ms: u64, at: Timestamp) -> Restarting {
        Restarting { reconnect_in_ms: reconnect_in_ms.min(i64::MAX.unsigned_abs()), timestamp: Moment(at) }
    }
}

/// An administrator's announcement in a room. `R` is the dialect's way to name rooms.
#[derive(Serialize, JsonSchema)]
pub struct Broadcast<'a, R> {
    pub room_id: R,
    /// As the administrator wrote it.
    pub data: RelayedObject<'a>,
    pub timestamp: Moment,
}

/// The end of a replay. `R` is the dialect's way to name rooms.
#[derive(Serialize, JsonSchema)]
pub struct Recovered<R> {
    pub room_id: R,
    pub seq: Seq,
    /// False if the gap is too old; read the history over REST instead.
    pub complete: bool,
}

/// A message for one user, independent of rooms.
#[derive(Serialize, JsonSchema)]
pub struct Notice<T> {
    pub data: T,
    pub timestamp: Moment,
}

/// A complete stored notification.
#[derive(Serialize, JsonSchema)]
pub struct Notification<'a> {
    pub id: NotificationId,
    #[schemars(example = &"New Comment")]
    pub title: &'a str,
    #[schemars(example = &"John commented on your sheet")]
    pub message: &'a str,
    /// The subject.
    #[schemars(example = &"workspace")]
    pub category: &'a str,
    pub priority: Priority,
    /// The part of the client's product that it comes from.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"tables")]
    pub module_name: Option<&'a str>,
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
            category: &stored.category,
            priority: stored.priority,
            module_name: stored.module.as_deref(),
            data: stored.data.as_ref().map(|data| RelayedObject(Relayed(data))),
            created_at: Moment(stored.created_at),
        }
    }
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

/// A file attached to a message.
#[derive(Serialize, JsonSchema)]
pub struct Attachment<'a> {
    pub id: FileId,
    #[schemars(example = &"october.csv")]
    pub filename: &'a str,
    /// In bytes.
    #[schemars(example = 20_480)]
    pub size: u64,
    #[schemars(example = &"text/csv")]
    pub mime_type: &'a str,
    #[schemars(example = &"/api/v1/files/…/content")]
    pub url: String,
}

impl<'a> From<&'a event::Attachment> for Attachment<'a> {
    fn from(file: &'a event::Attachment) -> Attachment<'a> {
        Attachment {
            id: file.file,
            filename: &file.filename,
            size: file.size_bytes,
            mime_type: &file.mime_type,
            url: content_url(file.file),
        }
    }
}
