//! Canvases: boards of tiles at integer places. At most one tile is at each place, and it has a version that grows with
//! each change of its content.

mod board;
mod locks;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub use self::{
    board::{Board, BoardChanges, KnownCanvas, TileChange, TileRefused},
    locks::{Held, TileEdit, TileLocks},
};
use crate::{ids::TileId, limits};

/// A place on a canvas, counted from 0.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct TilePlace {
    /// The column.
    pub x: i32,
    /// The row.
    pub y: i32,
}

/// The size of a canvas, in tiles. It never changes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct CanvasSize {
    /// The number of columns.
    pub width: i32,
    /// The number of rows.
    pub height: i32,
}

impl TilePlace {
    /// The place with these coordinates; `None` if it cannot be on any canvas.
    pub fn of(x: i64, y: i64) -> Option<TilePlace> {
        let on_any = |coordinate| i32::try_from(coordinate).ok().filter(|at| (0..limits::CANVAS_SIDE_MAX).contains(at));
        Some(TilePlace { x: on_any(x)?, y: on_any(y)? })
    }
}

impl CanvasSize {
    /// Whether a place is on the canvas.
    pub fn contains(self, at: TilePlace) -> bool {
        (0..self.width).contains(&at.x) && (0..self.height).contains(&at.y)
    }
}

/// A part of a canvas. Both corners are included.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Region {
    /// The corner with the lowest coordinates.
    pub first: TilePlace,
    /// The corner with the highest coordinates.
    pub last: TilePlace,
}

/// A tile. In a change that is not stored yet, `version` is the version that the client saw (0: it does not matter), and
/// the store fills in what the client does not know.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Tile {
    /// Its id. 0 until it is stored.
    pub id: TileId,
    /// Where it is.
    pub at: TilePlace,
    /// What is on it, in the clients' own form.
    pub content: Arc<str>,
    /// The number of its changes, including its creation.
    pub version: i64,
    /// The number of users who like it.
    pub likes: i64,
    /// The number of the user who created it.
    pub creator: i64,
}

impl Tile {
    /// A tile that a client wants to create.
    pub fn new(at: TilePlace, content: Arc<str>, creator: i64) -> Tile {
        Tile { id: TileId(0), at, content, version: 0, likes: 0, creator }
    }

    /// What a client says of an existing tile.
    pub fn named(id: TileId, content: Arc<str>, seen: i64) -> Tile {
        Tile { id, at: TilePlace { x: 0, y: 0 }, content, version: seen, likes: 0, creator: 0 }
    }

    /// The same without its content.
    #[must_use]
    pub fn without_content(&self) -> Tile {
        Tile { content: "".into(), ..self.clone() }
    }
}

/// What becomes of a like.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LikeChange {
    /// It is given.
    Given,
    /// It is taken back.
    TakenBack,
}

/// Whether somebody edits a tile.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Editing {
    /// The user begins or continues.
    Started,
    /// The user has stopped.
    Stopped,
}

/// A tile that is to be highlighted for a while.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Highlight {
    /// Where the tile is.
    pub at: TilePlace,
    /// The clients' name for the kind of highlight.
    pub kind: Arc<str>,
    /// What is said about it.
    pub message: Option<Arc<str>>,
    /// For how long, in milliseconds.
    pub duration_ms: i64,
}
