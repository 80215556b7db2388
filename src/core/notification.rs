//! Notifications to a user, and the filter with which a socket selects some of them.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{
    core::{command::RawJson, invite::InviteNews},
    ids::{NotificationId, Timestamp},
};

/// The priority of a notification.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Priority {
    /// Can be read at any time.
    Low,
    /// The default.
    #[default]
    Normal,
    /// Delivered before lower priorities.
    High,
    /// Delivered before all others.
    Critical,
}

impl Priority {
    /// All priorities, the lowest first.
    pub const ALL: [Priority; 4] = [Priority::Low, Priority::Normal, Priority::High, Priority::Critical];

    /// The name on the wire and in the database.
    pub const fn name(self) -> &'static str {
        match self {
            Priority::Low => "low",
            Priority::Normal => "normal",
            Priority::High => "high",
            Priority::Critical => "critical",
        }
    }

    /// The priority with this name.
    pub fn from_name(name: &str) -> Option<Priority> {
        Priority::ALL.into_iter().find(|p| p.name() == name)
    }
}

/// A stored notification.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Notification {
    /// Its id.
    pub id: NotificationId,
    /// The title.
    pub title: Arc<str>,
    /// The text.
    pub message: Arc<str>,
    /// The subject, such as `workspace`.
    pub category: Arc<str>,
    /// The priority.
    pub priority: Priority,
    /// The part of the client's product that it comes from, such as `tables`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub module: Option<Arc<str>>,
    /// Additional data of the sender, a JSON object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<RawJson>,
    /// When it was created.
    pub created_at: Timestamp,
    /// What happened to an invite, if it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invite: Option<Arc<InviteNews>>,
}

/// The category of notifications about invites, and the type of their rows.
pub const INVITES: &str = "invites";

/// The notifications that a socket subscribes to. An absent list matches all.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct NotificationFilter {
    /// Accepted categories.
    pub categories: Option<Vec<Arc<str>>>,
    /// Accepted modules.
    pub modules: Option<Vec<Arc<str>>>,
    /// Accepted priorities.
    pub priorities: Option<Vec<Priority>>,
}

impl NotificationFilter {
    /// Whether the notification matches.
    pub fn takes(&self, notification: &Notification) -> bool {
        let category = self.categories.as_ref().is_none_or(|wanted| wanted.contains(&notification.category));
        let module = self.modules.as_ref().is_none_or(|wanted| match &notification.module {
            Some(module) => wanted.contains(module),
            // a notification without a module matches every list of modules
            None => true,
        });
        let priority = self.priorities.as_ref().is_none_or(|wanted| wanted.contains(&notification.priority));
        category && module && priority
    }
}
