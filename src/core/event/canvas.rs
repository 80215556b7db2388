//! Events of a canvas.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Audience, Weight};
use crate::core::{
    canvas::{LikeChange, Tile},
    command::RawJson,
    profile::Author,
};

/// A stored event of a canvas. The serde form is that of the log: fields may be added but not renamed. The user who caused it is
/// not sent it.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum CanvasDurable {
    /// A tile was created.
    TileCreated {
        /// The new tile.
        tile: Tile,
        /// The user who created it.
        by: Author,
    },
    /// The content of a tile was changed.
    TileUpdated {
        /// The tile after the change.
        tile: Tile,
        /// The user who changed it.
        by: Author,
    },
    /// A tile was deleted.
    TileDeleted {
        /// The tile before it was deleted.
        tile: Tile,
        /// The user who deleted it.
        by: Author,
    },
    /// A user likes a tile, or does not like it any more.
    TileLiked {
        /// The tile with the new number of likes.
        tile: Tile,
        /// The user.
        by: Author,
        /// Whether the like is given or taken back.
        change: LikeChange,
    },
    /// A user did something that clients give a name to.
    Acted {
        /// The user.
        by: Author,
        /// The clients' name for it.
        activity: Arc<str>,
        /// Further data, relayed unchanged.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        data: Option<RawJson>,
    },
}

impl CanvasDurable {
    /// The kinds in the log that belong to canvases, which are also the kinds of entries in the activity feed.
    pub const KINDS: [&'static str; 5] = ["tile_created", "tile_updated", "tile_deleted", "tile_liked", "acted"];

    /// The kind in the log.
    pub const fn kind(&self) -> &'static str {
        match self {
            CanvasDurable::TileCreated { .. } => "tile_created",
            CanvasDurable::TileUpdated { .. } => "tile_updated",
            CanvasDurable::TileDeleted { .. } => "tile_deleted",
            CanvasDurable::TileLiked { .. } => "tile_liked",
            CanvasDurable::Acted { .. } => "acted",
        }
    }

    /// The user who caused it.
    pub const fn author(&self) -> &Author {
        match self {
            CanvasDurable::TileCreated { by, .. }
            | CanvasDurable::TileUpdated { by, .. }
            | CanvasDurable::TileDeleted { by, .. }
            | CanvasDurable::TileLiked { by, .. }
            | CanvasDurable::Acted { by, .. } => by,
        }
    }

    /// The tile that it concerns.
    pub const fn tile(&self) -> Option<&Tile> {
        match self {
            CanvasDurable::TileCreated { tile, .. }
            | CanvasDurable::TileUpdated { tile, .. }
            | CanvasDurable::TileDeleted { tile, .. }
            | CanvasDurable::TileLiked { tile, .. } => Some(tile),
            CanvasDurable::Acted { .. } => None,
        }
    }

    /// The same event with another state of its tile.
    #[must_use]
    pub fn with_tile(&self, tile: Tile) -> CanvasDurable {
        let by = self.author().clone();
        match self {
            CanvasDurable::TileCreated { .. } => CanvasDurable::TileCreated { tile, by },
            CanvasDurable::TileUpdated { .. } => CanvasDurable::TileUpdated { tile, by },
            CanvasDurable::TileDeleted { .. } => CanvasDurable::TileDeleted { tile, by },
            CanvasDurable::TileLiked { change, .. } => CanvasDurable::TileLiked { tile, by, change: *change },
            CanvasDurable::Acted { .. } => self.clone(),
        }
    }

    /// The members who receive it: the doer learns of it by the answer (PROTOCOL 5, 8.3).
    pub fn audience(&self) -> Audience {
        Audience::EveryoneBut(self.author().id.clone())
    }

    /// Passes the content to `feed`: see [`super::Durable::content`].
    pub fn content(&self, feed: &mut dyn FnMut(&[u8])) {
        match self {
            CanvasDurable::TileCreated { tile, .. } => {
                feed(&tile.at.x.to_be_bytes());
                feed(&tile.at.y.to_be_bytes());
                feed(tile.content.as_bytes());
            }
            CanvasDurable::TileUpdated { tile, .. } => {
                feed(&tile.id.0.to_be_bytes());
                feed(tile.content.as_bytes());
                feed(&tile.version.to_be_bytes());
            }
            CanvasDurable::TileDeleted { tile, .. } => {
                feed(&tile.id.0.to_be_bytes());
                feed(&tile.version.to_be_bytes());
            }
            CanvasDurable::TileLiked { tile, change, .. } => {
                feed(&tile.id.0.to_be_bytes());
                feed(match change {
                    LikeChange::Given => b"given",
                    LikeChange::TakenBack => b"taken_back",
                });
            }
            CanvasDurable::Acted { activity, data, .. } => {
                feed(activity.as_bytes());
                feed(data.as_ref().map_or(&[0xff], |data| data.as_str().as_bytes()));
            }
        }
    }

    /// What storing it costs: the tile or the like, and the entry of the feed.
    pub fn weight(&self) -> Weight {
        match self {
            CanvasDurable::TileCreated { tile, .. }
            | CanvasDurable::TileUpdated { tile, .. }
            | CanvasDurable::TileDeleted { tile, .. } => Weight { bytes: tile.content.len(), rows: 2 },
            CanvasDurable::TileLiked { tile, .. } => Weight { bytes: tile.content.len(), rows: 3 },
            CanvasDurable::Acted { activity, data, .. } => {
                let bytes = activity.len() + data.as_ref().map_or(0, |data| data.as_str().len());
                Weight { bytes, rows: 1 }
            }
        }
    }

    /// Whether it is queued for a participant without a socket.
    pub const fn is_queued_for_absent(&self) -> bool {
        match self {
            CanvasDurable::TileCreated { .. }
            | CanvasDurable::TileUpdated { .. }
            | CanvasDurable::TileDeleted { .. }
            | CanvasDurable::TileLiked { .. }
            | CanvasDurable::Acted { .. } => false,
        }
    }
}
