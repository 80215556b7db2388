//! Users: the stored profile, and the part of it that other users see.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::ids::{Timestamp, UserId};

/// A user's role on the server.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// An ordinary user.
    User,
    /// An administrator of the server.
    Admin,
}

impl Role {
    /// The name in tokens, in REST and in the database.
    pub const fn name(self) -> &'static str {
        match self {
            Role::User => "user",
            Role::Admin => "admin",
        }
    }

    /// The role with this name.
    pub fn from_name(name: &str) -> Option<Role> {
        match name {
            "user" => Some(Role::User),
            "admin" => Some(Role::Admin),
            _ => None,
        }
    }
}

/// A user as stored.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Profile {
    /// The opaque id.
    pub id: UserId,
    /// The stable integer that the canvas dialect uses.
    pub number: i64,
    /// Unique, 3–64 characters.
    pub username: Arc<str>,
    /// Unique if given.
    pub email: Option<String>,
    /// The name shown to others.
    pub display_name: String,
    /// The role.
    pub role: Role,
    /// When first seen.
    pub created_at: Timestamp,
    /// Tokens issued before this second are revoked.
    pub tokens_not_before: Timestamp,
    /// When the user's external issuer last supplied the stored values; zero for users who registered here.
    pub said_at: Timestamp,
    /// Blocked until then, for ignoring rate limits.
    pub blocked_until: Timestamp,
}

/// The part of a profile that events carry.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Author {
    /// The user's id.
    pub id: UserId,
    /// The username at the time of the event.
    pub username: Arc<str>,
    /// The e-mail address. Only set for members of an open room, who see each other's addresses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<Arc<str>>,
}

impl Author {
    /// Creates an author without an e-mail address.
    pub fn new(id: UserId, username: impl Into<Arc<str>>) -> Author {
        Author { id, username: username.into(), email: None }
    }
}

impl Profile {
    /// The part that events carry.
    pub fn author(&self) -> Author {
        Author::new(self.id.clone(), self.username.clone())
    }
}
