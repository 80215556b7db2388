//! Mutes and bans.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{
    error::{ErrorCode, Refusal},
    ids::{RoomId, SanctionId, Timestamp, UserId},
};

/// What a sanction forbids.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SanctionKind {
    /// To say or change anything.
    Mute,
    /// To enter.
    Ban,
}

impl SanctionKind {
    /// The name in REST and in the database.
    pub const fn name(self) -> &'static str {
        match self {
            SanctionKind::Mute => "mute",
            SanctionKind::Ban => "ban",
        }
    }

    /// The kind with that name.
    pub fn from_name(name: &str) -> Option<SanctionKind> {
        [SanctionKind::Mute, SanctionKind::Ban].into_iter().find(|kind| kind.name() == name)
    }
}

/// A mute or a ban. The serde form is that between nodes: fields may be added but not renamed.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Sanction {
    /// Its id.
    pub id: SanctionId,
    /// The room. `None`: the whole server.
    pub room: Option<RoomId>,
    /// The user whom it concerns.
    pub user: UserId,
    /// What it forbids.
    pub kind: SanctionKind,
    /// Why, for the user to read. May be empty.
    pub reason: Arc<str>,
    /// The moderator.
    pub by: UserId,
    /// When it began.
    pub created_at: Timestamp,
    /// When it ends or ended. A sanction that was lifted ended at that moment.
    pub ends_at: Timestamp,
    /// The version of the moderation data at which it was changed last.
    pub version: i64,
}

impl Sanction {
    /// The end of a sanction without an end: the last moment of the year 9999.
    pub const NEVER: Timestamp = Timestamp { unix_ms: 253_402_300_799_999 };

    /// Whether it is in force.
    pub fn is_active(&self, now: Timestamp) -> bool {
        self.ends_at > now
    }

    /// The refusal of what it forbids, which says why, until when, and what to do.
    pub fn refusal(&self) -> Refusal {
        let act = match self.kind {
            SanctionKind::Mute => "muted",
            SanctionKind::Ban => "banned",
        };
        let place = match self.room {
            Some(_) => "in this room",
            None => "on this server",
        };
        let until = if self.ends_at >= Sanction::NEVER { String::new() } else { format!(" until {}", self.ends_at) };
        let reason = if self.reason.is_empty() { String::new() } else { format!(" ({})", self.reason) };
        let advice = match self.room {
            Some(_) => "ask its moderators",
            None => "ask an administrator",
        };
        Refusal::new(ErrorCode::PermissionDenied, format!("You are {act} {place}{until}{reason}; {advice}"))
    }
}
