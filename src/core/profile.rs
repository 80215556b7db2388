//! Who somebody is, as far as others see it.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::ids::{Timestamp, UserId};

/// What a user may do on the server as a whole.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// Everybody.
    User,
    /// Runs the server.
    Admin,
}

impl Role {
    /// As in tokens, in REST and in the database.
    pub const fn name(self) -> &'static str {
        match self {
            Role::User => "user",
            Role::Admin => "admin",
        }
    }

    /// The role of that name.
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
    /// What people see.
    pub display_name: String,
    /// What the user may do.
    pub role: Role,
    /// When first seen.
    pub created_at: Timestamp,
    /// Tokens issued before this second are void (revocation).
    pub tokens_not_before: Timestamp,
    /// When the user's own issuer said what is stored; zero for users who registered here.
    pub said_at: Timestamp,
    /// Shut out until then for going on after refusals.
    pub blocked_until: Timestamp,
}

/// The part of a profile that events carry.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Author {
    /// Who.
    pub id: UserId,
    /// Under which name at that moment.
    pub username: Arc<str>,
    /// The address, where members of an open room are told of each other; nowhere else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<Arc<str>>,
}

impl Author {
    /// Without an address.
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
