//! Notifications: what a user is to know, and which of them a socket wants to hear.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{
    core::command::RawJson,
    ids::{NotificationId, Timestamp},
};

/// How much it matters.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Priority {
    /// Some time.
    Low,
    /// As usual.
    #[default]
    Normal,
    /// Soon; before lower ones.
    High,
    /// Now; before all others.
    Critical,
}

impl Priority {
    /// All of them, the lowest first.
    pub const ALL: [Priority; 4] = [Priority::Low, Priority::Normal, Priority::High, Priority::Critical];

    /// As on the wire and in the database.
    pub const fn name(self) -> &'static str {
        match self {
            Priority::Low => "low",
            Priority::Normal => "normal",
            Priority::High => "high",
            Priority::Critical => "critical",
        }
    }

    /// The priority of that name.
    pub fn from_name(name: &str) -> Option<Priority> {
        Priority::ALL.into_iter().find(|p| p.name() == name)
    }
}

/// A stored notification.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Notification {
    /// Its id.
    pub id: NotificationId,
    /// In a few words.
    pub title: Arc<str>,
    /// In a sentence.
    pub message: Arc<str>,
    /// What it is about, such as `workspace`.
    pub category: Arc<str>,
    /// How much it matters.
    pub priority: Priority,
    /// Which part of the client's product it comes from, such as `tables`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub module: Option<Arc<str>>,
    /// Whatever else its sender gave, a JSON object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data: Option<RawJson>,
    /// When it was made.
    pub created_at: Timestamp,
}

/// Which notifications a socket wants. An absent list means all.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct NotificationFilter {
    /// Of these categories.
    pub categories: Option<Vec<Arc<str>>>,
    /// From these modules.
    pub modules: Option<Vec<Arc<str>>>,
    /// Of these priorities.
    pub priorities: Option<Vec<Priority>>,
}

impl NotificationFilter {
    /// Whether the socket wants it.
    pub fn takes(&self, notification: &Notification) -> bool {
        let category = self.categories.as_ref().is_none_or(|wanted| wanted.contains(&notification.category));
        let module = self.modules.as_ref().is_none_or(|wanted| match &notification.module {
            Some(module) => wanted.contains(module),
            // it comes from no module in particular, so no choice of modules can mean to leave it out
            None => true,
        });
        let priority = self.priorities.as_ref().is_none_or(|wanted| wanted.contains(&notification.priority));
        category && module && priority
    }
}
