//! Cursor positions of users in a room.

use std::{fmt, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::{
    core::{conflation::Movement, profile::Author},
    ids::UserId,
};

/// A finite coordinate. Whole numbers are shown without a decimal point, as clients send them.
#[derive(Clone, Copy, PartialEq, PartialOrd, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Coordinate(f64);

impl Coordinate {
    /// Returns `None` for NaN and infinity.
    pub fn new(number: f64) -> Option<Coordinate> {
        number.is_finite().then_some(Coordinate(number))
    }

    /// The number.
    pub const fn get(self) -> f64 {
        self.0
    }
}

impl fmt::Display for Coordinate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// A user's cursor.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Cursor {
    /// Horizontal, from the left.
    pub x: Coordinate,
    /// Vertical, from the top.
    pub y: Coordinate,
    /// The cell at the cursor, by the client's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cell: Option<Arc<str>>,
}

/// A user and the position of the user's cursor.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct CursorUpdate {
    /// The user.
    pub user: Author,
    /// The position.
    pub cursor: Cursor,
}

impl Movement for CursorUpdate {
    fn user(&self) -> &UserId {
        &self.user.id
    }
}
