//! Where avatars are.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::core::cursor::Coordinate;

/// Where an avatar appears that names no direction.
const DIRECTION: &str = "down";

/// Where an avatar is.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Place {
    /// Horizontal.
    pub x: Coordinate,
    /// Vertical.
    pub y: Coordinate,
    /// Where it looks, in the clients' words.
    pub direction: Arc<str>,
}

impl Default for Place {
    fn default() -> Place {
        Place { x: Coordinate::default(), y: Coordinate::default(), direction: DIRECTION.into() }
    }
}

/// Where an avatar is from now on.
#[derive(Clone, PartialEq, Debug)]
pub struct PlaceChange {
    /// Horizontal.
    pub x: Coordinate,
    /// Vertical.
    pub y: Coordinate,
    /// Where it looks; None: as before.
    pub direction: Option<Arc<str>>,
}

impl Place {
    /// The place after a change.
    #[must_use]
    pub fn changed(&self, change: PlaceChange) -> Place {
        let PlaceChange { x, y, direction } = change;
        Place { x, y, direction: direction.unwrap_or_else(|| self.direction.clone()) }
    }

    /// An order of places that is the same on all nodes.
    pub(super) fn rank(&self) -> (u64, u64, &str) {
        (self.x.get().to_bits(), self.y.get().to_bits(), &self.direction)
    }
}
