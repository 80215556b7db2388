//! Who is online, and with which status; the other sockets of the user.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    core::presence::{self, Status},
    dialects::input::{Prose, UnlessAbsent},
    ids::UserId,
    limits,
};

/// A text that a user adds to the status.
type StatusText = Prose<{ limits::STATUS_TEXT_CHARS_MAX }>;

// ---- from clients ----

/// What is absent stays as it is.
#[derive(Deserialize, JsonSchema)]
pub struct UpdatePresence {
    pub status: Option<Status>,
    /// In the user's own words; null or empty: none.
    #[serde(default)]
    #[schemars(example = &"In a meeting")]
    pub status_message: UnlessAbsent<Option<StatusText>>,
    /// Where the user is; null or empty: nowhere in particular.
    #[serde(default)]
    #[schemars(example = &"Meeting Room")]
    pub location: UnlessAbsent<Option<StatusText>>,
}

// ---- from the server ----

#[derive(Serialize, JsonSchema)]
pub struct Presence<'a> {
    pub user_id: &'a UserId,
    #[schemars(example = &"alice")]
    pub username: &'a str,
    pub status: PresenceStatus,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = limits::STATUS_TEXT_CHARS_MAX), example = &"In a meeting")]
    pub status_message: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = limits::STATUS_TEXT_CHARS_MAX), example = &"Meeting Room")]
    pub location: Option<&'a str>,
}

impl<'a> From<&'a presence::PresenceNotice> for Presence<'a> {
    fn from(notice: &'a presence::PresenceNotice) -> Presence<'a> {
        Presence {
            user_id: &notice.user,
            username: &notice.username,
            status: notice.status.into(),
            status_message: notice.details.message.as_deref(),
            location: notice.details.location.as_deref(),
        }
    }
}

#[derive(Serialize, JsonSchema)]
pub struct Offline<'a> {
    pub user_id: &'a UserId,
    #[schemars(example = &"alice")]
    pub username: &'a str,
    pub status: PresenceStatus,
}

impl<'a> From<&'a presence::PresenceNotice> for Offline<'a> {
    fn from(notice: &'a presence::PresenceNotice) -> Offline<'a> {
        Offline { user_id: &notice.user, username: &notice.username, status: PresenceStatus::Offline }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PresenceStatus {
    Online,
    Away,
    Busy,
    Offline,
}

impl From<Option<Status>> for PresenceStatus {
    fn from(status: Option<Status>) -> PresenceStatus {
        match status {
            Some(Status::Online) => PresenceStatus::Online,
            Some(Status::Away) => PresenceStatus::Away,
            Some(Status::Busy) => PresenceStatus::Busy,
            None => PresenceStatus::Offline,
        }
    }
}

#[derive(Serialize, JsonSchema)]
pub struct Connection<'a> {
    pub user_id: &'a UserId,
    /// The name of the socket.
    #[schemars(example = &"ws_alice_1761566400_7f3a")]
    pub connection_id: &'a str,
}
