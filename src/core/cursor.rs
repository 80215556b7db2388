//! Where somebody points in a room.

use std::{fmt, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::core::profile::Author;

/// A finite coordinate. Whole ones are shown without a point, as clients send them.
#[derive(Clone, Copy, PartialEq, PartialOrd, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Coordinate(f64);

impl Coordinate {
    /// None for what is no number, or endless.
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
    /// From the left.
    pub x: Coordinate,
    /// From the top.
    pub y: Coordinate,
    /// The cell that it is at, by the client's own name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cell: Option<Arc<str>>,
}

/// Whose cursor is where.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Pointed {
    /// Whose.
    pub user: Author,
    /// Where.
    pub cursor: Cursor,
}
