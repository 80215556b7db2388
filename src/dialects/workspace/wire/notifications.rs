//! Notifications: the filter of a socket, and events.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    core::notification::Priority,
    dialects::{
        common::Notification,
        input::{Name, Names},
    },
    ids::{NotificationId, UserId},
    limits,
};

/// Names by which notifications are filtered.
type Chosen = Names<{ limits::FILTER_NAMES_MAX }, { limits::FILTER_NAME_CHARS_MAX }>;

// ---- from clients ----

#[derive(Deserialize, JsonSchema)]
pub struct SubscribeNotifications {
    /// All if absent.
    #[schemars(example = ["workspace"])]
    pub categories: Option<Chosen>,
    /// All if absent.
    #[schemars(example = ["tables"])]
    pub modules: Option<Chosen>,
    /// All if absent.
    #[schemars(with = "Option<Vec<Priority>>", length(max = limits::FILTER_NAMES_MAX))]
    pub priorities: Option<Chosen>,
}

#[derive(Deserialize, JsonSchema)]
pub struct NotificationRead {
    #[schemars(example = &"01932c0d-0000-7000-8000-000000000001")]
    pub notification_id: Name<{ limits::CLIENT_NAME_CHARS_MAX }>,
}

// ---- from the server ----

#[derive(Serialize, JsonSchema)]
pub struct NotificationEvent<'a> {
    pub event_type: NotificationEventType,
    /// The notification; only its id if it was read or deleted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub notification: Option<Subject<'a>>,
    /// The notification that was read or deleted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub notification_id: Option<NotificationId>,
    /// The recipient.
    pub user_id: &'a UserId,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum NotificationEventType {
    NotificationCreated,
    NotificationUpdated,
    NotificationRead,
    NotificationDeleted,
    AllNotificationsRead,
    ReadNotificationsDeleted,
}

/// The notification that an event is about.
#[derive(Serialize, JsonSchema)]
#[serde(untagged)]
pub enum Subject<'a> {
    Whole(Notification<'a>),
    Named { id: NotificationId },
}
