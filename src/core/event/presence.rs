//! Events of presence: members of a room, cursors, status.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{
    core::{
        conflation::Moved,
        cursor::{Cursor, CursorUpdate},
        presence::{Status, StatusDetails},
        profile::Author,
        space::Place,
    },
    ids::{SheetId, Timestamp},
    limits,
};

/// An event of presence. None is stored.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PresenceEphemeral {
    /// A user's first socket joined the room.
    UserJoined {
        /// The user.
        user: Author,
        /// Whether the whole state of the room follows, which says the same.
        #[serde(default)]
        state_follows: bool,
        /// The number of users who are in the room now.
        #[serde(default)]
        users: usize,
        /// Where the user is, in a space. Each node knows it itself.
        #[serde(skip)]
        place: Option<Place>,
    },
    /// A user's last socket left the room.
    UserLeft {
        /// The user.
        user: Author,
        /// Whether the whole state of the room follows, which says the same.
        #[serde(default)]
        state_follows: bool,
        /// The number of users who are in the room now.
        #[serde(default)]
        users: usize,
    },
    /// Cursors moved. Each node makes these for its own members.
    #[serde(skip)]
    CursorsMoved(Arc<CursorsMoved>),
    /// A user's status changed.
    StatusChanged {
        /// The user.
        user: Author,
        /// The new status.
        status: Status,
        /// What the user adds to it.
        #[serde(default, skip_serializing_if = "StatusDetails::is_empty")]
        details: StatusDetails,
    },
    /// The members of the room, after a join or leave.
    #[serde(skip)]
    Attended(Arc<RoomPresence>),
}

/// Users who moved the cursor since the last such event, each with the newest position.
pub type CursorsMoved = Moved<CursorUpdate>;

/// The presence state of an open room.
#[derive(Clone, PartialEq, Debug)]
pub struct RoomPresence {
    /// The members, each user once; truncated at `ONLINE_USERS_LISTED_MAX`.
    pub users: Vec<MemberPresence>,
    /// The number of members.
    pub total: usize,
    /// Recently changed sheets, the most recent first.
    pub active_sheets: Vec<SheetId>,
}

impl RoomPresence {
    /// Whether there are more members than listed.
    pub const fn is_cut(&self) -> bool {
        self.total > limits::ONLINE_USERS_LISTED_MAX
    }
}

/// A member of an open room.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct MemberPresence {
    /// The user.
    pub user: Author,
    /// The user's status.
    pub status: Status,
    /// The user's last cursor position.
    pub cursor: Option<Cursor>,
    /// The user's last activity in the room.
    pub last_seen: Timestamp,
}
