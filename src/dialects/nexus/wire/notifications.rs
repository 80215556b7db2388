//! Notifications, and events about them.

use std::borrow::Cow;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    core::notification::{self, Priority},
    dialects::{
        input::Name,
        output::{Moment, Relayed, RelayedObject},
    },
    ids::{NotificationId, UserId},
    limits,
};

// ---- from clients ----

#[derive(Deserialize, JsonSchema)]
pub struct ReadNotification {
    #[schemars(example = &"01932c0d-0000-7000-8000-000000000001")]
    pub notification_id: Name<{ limits::CLIENT_NAME_CHARS_MAX }>,
}

#[derive(Deserialize, JsonSchema)]
pub struct ClearNotifications {
    /// The notification; all that are read if it is absent.
    #[schemars(example = &"01932c0d-0000-7000-8000-000000000001")]
    pub notification_id: Option<Name<{ limits::CLIENT_NAME_CHARS_MAX }>>,
}

// ---- from the server ----

#[derive(Serialize, JsonSchema)]
pub struct Notification<'a> {
    pub notification_id: NotificationId,
    /// The recipient.
    pub user_id: &'a UserId,
    #[schemars(example = &"New Message")]
    pub title: &'a str,
    #[schemars(example = &"You have a new message")]
    pub message: &'a str,
    /// The type given by the sender: `info`, `success`, `warning`, `error`, `alert` or another word.
    #[schemars(example = &"info")]
    pub notification_type: Cow<'a, str>,
    pub priority: Priority,
    /// The subject.
    #[schemars(example = &"workspace")]
    pub category: &'a str,
    /// The part of the client's product that it comes from.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"tables")]
    pub module_name: Option<&'a str>,
    /// Additional data of the sender.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data: Option<RelayedObject<'a>>,
    pub created_at: Moment,
    /// True if a notification that was sent before has changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub updated: Option<bool>,
}

/// The type of a notification whose sender gave none.
const USUAL_TYPE: &str = "info";

impl<'a> Notification<'a> {
    pub fn new(user_id: &'a UserId, stored: &'a notification::Notification) -> Notification<'a> {
        Notification {
            notification_id: stored.id,
            user_id,
            title: &stored.title,
            message: &stored.message,
            notification_type: type_of(stored).unwrap_or(Cow::Borrowed(USUAL_TYPE)),
            priority: stored.priority,
            category: &stored.category,
            module_name: stored.module.as_deref(),
            data: stored.data.as_ref().map(|data| RelayedObject(Relayed(data))),
            created_at: Moment(stored.created_at),
            updated: None,
        }
    }
}

/// The type is stored in the additional data of the sender.
fn type_of(stored: &notification::Notification) -> Option<Cow<'_, str>> {
    #[derive(Deserialize)]
    struct Typed<'a> {
        #[serde(borrow)]
        notification_type: Cow<'a, str>,
    }
    let data = stored.data.as_ref()?;
    serde_json::from_str::<Typed<'_>>(data.as_str()).ok().map(|typed| typed.notification_type)
}

#[derive(Serialize, JsonSchema)]
pub struct NotificationRead<'a> {
    /// The notification; absent for all of them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub notification_id: Option<NotificationId>,
    /// The user who read it.
    pub user_id: &'a UserId,
}

#[derive(Serialize, JsonSchema)]
pub struct NotificationCleared<'a> {
    /// The notification; absent for all that were read.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub notification_id: Option<NotificationId>,
    /// The recipient.
    pub user_id: &'a UserId,
}
