//! Who is in a room, with which cursor and status.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{
    core::{
        cursor::{Cursor, Pointed},
        presence::Status,
        profile::Author,
    },
    ids::{SheetId, Timestamp},
    limits,
};

/// An event about who is in a room. None is stored.
#[derive(Clone, PartialEq, Debug)]
pub enum PresenceEphemeral {
    /// A user's first socket entered the room.
    UserJoined {
        /// Who.
        user: Author,
    },
    /// A user's last socket left it.
    UserLeft {
        /// Who.
        user: Author,
    },
    /// Cursors moved.
    CursorsMoved(Arc<CursorsMoved>),
    /// A user's status changed.
    StatusChanged {
        /// Whose.
        user: Author,
        /// To what.
        status: Status,
    },
    /// Who is in the room, after somebody came or went.
    Attended(Arc<Attendance>),
}

/// Who moved the cursor since the last such word, each at the newest place.
#[derive(Clone, PartialEq, Debug)]
pub struct CursorsMoved {
    /// Who has waited longest to be named first: clients that know of one cursor a frame see all in turn.
    pub first: Pointed,
    /// Everybody who moved, if that is anybody else.
    pub moved: Vec<Pointed>,
}

/// Who is in an open room, and what goes on there.
#[derive(Clone, PartialEq, Debug)]
pub struct Attendance {
    /// Each user once; cut at `ONLINE_USERS_LISTED_MAX`.
    pub users: Vec<Attendee>,
    /// How many there are.
    pub total: usize,
    /// Sheets changed lately, the latest first.
    pub active_sheets: Vec<SheetId>,
}

impl Attendance {
    /// Whether there are more users than are listed.
    pub const fn is_cut(&self) -> bool {
        self.total > limits::ONLINE_USERS_LISTED_MAX
    }
}

/// A user in an open room.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Attendee {
    /// Who.
    pub user: Author,
    /// What the user says about being there.
    pub status: Status,
    /// Where the user pointed last.
    pub cursor: Option<Cursor>,
    /// When the user did something there last.
    pub last_seen: Timestamp,
}
