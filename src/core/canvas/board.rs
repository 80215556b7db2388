//! Decides the changes of tiles in one batch, in order, each as if those before it were already stored. It is given what the
//! database has of the tiles concerned, and says what has to be written. A refused change must never leave a trace.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use super::{CanvasSize, LikeChange, Tile, TilePlace};
use crate::ids::{RoomId, TileId, UserId};

/// A change of a tile.
#[derive(Clone, Debug)]
pub enum TileChange {
    /// Put a tile where none is.
    Create {
        /// Where.
        at: TilePlace,
        /// What is on it.
        content: Arc<str>,
        /// The number of the user.
        creator: i64,
    },
    /// Change what is on a tile.
    Update {
        /// Which.
        tile: TileId,
        /// What is on it from now on.
        content: Arc<str>,
        /// The version that the client saw; 0: it does not matter.
        seen: i64,
    },
    /// Delete a tile.
    Delete {
        /// Which.
        tile: TileId,
        /// The version that the client saw; 0: it does not matter.
        seen: i64,
    },
    /// Give a like or take it back.
    Like {
        /// To which.
        tile: TileId,
        /// Who.
        user: UserId,
        /// Whether it is given or taken back.
        change: LikeChange,
    },
    /// Comment on a tile, or delete a comment on it, which changes nothing of the tile itself.
    Comment {
        /// Which.
        tile: TileId,
    },
}

/// Why a tile is not changed.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum TileRefused {
    /// There is no such canvas, or it was deactivated.
    #[error("the canvas does not exist any more")]
    Closed,
    /// The place is not on the canvas, which has this size.
    #[error("the place is outside of the canvas")]
    Outside(CanvasSize),
    /// This tile is at the place.
    #[error("another tile is at the place")]
    Taken(Box<Tile>),
    /// The tile has another version than the client saw: its current state.
    #[error("the tile was changed by another user")]
    Stale(Box<Tile>),
    /// The canvas has no such tile.
    #[error("the tile does not exist on this canvas")]
    Unknown,
    /// The like is already as it was asked for.
    #[error("the like does not change anything")]
    Unchanged(Box<Tile>),
}

/// A canvas, as the database has it.
#[derive(Clone, Copy, Debug)]
pub struct KnownCanvas {
    /// Its size.
    pub size: CanvasSize,
    /// Whether it is in use.
    pub is_active: bool,
}

/// The known tiles, with the changes of the batch so far. Tiles that the batch creates have negative ids until the database
/// has numbered them.
#[derive(Default, Debug)]
pub struct Board {
    canvases: HashMap<RoomId, KnownCanvas>,
    tiles: BTreeMap<TileId, OnBoard>,
    places: HashMap<(RoomId, TilePlace), TileId>,
    likes: BTreeMap<(TileId, UserId), Like>,
    created: i64,
}

#[derive(Debug)]
struct OnBoard {
    canvas: RoomId,
    tile: Tile,
    fate: Fate,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Fate {
    Unchanged,
    Created,
    Changed,
    Deleted,
}

/// Whether a like is stored, and whether it is to be.
#[derive(Clone, Copy, Debug)]
struct Like {
    was: bool,
    is: bool,
}

/// What has to be written, in this order.
#[derive(Default, Debug)]
pub struct BoardChanges {
    /// Tiles to delete, with their likes.
    pub deleted: Vec<TileId>,
    /// New tiles with their canvases' rooms, in the order of their provisional ids -1, -2 ….
    pub created: Vec<(RoomId, Tile)>,
    /// Tiles with another content or another number of likes.
    pub changed: Vec<Tile>,
    /// Likes to add.
    pub liked: Vec<(TileId, UserId)>,
    /// Likes to remove.
    pub unliked: Vec<(TileId, UserId)>,
}

impl Board {
    /// Records a canvas.
    pub fn know_canvas(&mut self, room: RoomId, canvas: KnownCanvas) {
        self.canvases.insert(room, canvas);
    }

    /// Records a tile of a canvas.
    pub fn know_tile(&mut self, canvas: RoomId, tile: Tile) {
        self.places.insert((canvas, tile.at), tile.id);
        self.tiles.insert(tile.id, OnBoard { canvas, tile, fate: Fate::Unchanged });
    }

    /// Records a stored like. Likes that are not recorded do not exist.
    pub fn know_like(&mut self, tile: TileId, user: UserId) {
        self.likes.insert((tile, user), Like { was: true, is: true });
    }

    /// Decides a change on the canvas of a room. Returns the tile as it is afterwards, or as it was before its deletion.
    ///
    /// # Errors
    /// The reason why nothing is changed.
    pub fn change(&mut self, canvas: RoomId, change: TileChange) -> Result<Tile, TileRefused> {
        let known = self.canvases.get(&canvas).copied().filter(|known| known.is_active).ok_or(TileRefused::Closed)?;
        match change {
            TileChange::Create { at, content, creator } => {
                if !known.size.contains(at) {
                    return Err(TileRefused::Outside(known.size));
                }
                self.create(canvas, Tile { version: 1, ..Tile::new(at, content, creator) })
            }
            TileChange::Update { tile, content, seen } => {
                let found = self.seen(canvas, tile, seen)?;
                found.tile.content = content;
                // cannot overflow: a version grows by one per stored event
                found.tile.version = found.tile.version.saturating_add(1);
                found.fate = Fate::Changed;
                Ok(found.tile.clone())
            }
            TileChange::Delete { tile, seen } => {
                let found = self.seen(canvas, tile, seen)?;
                found.fate = Fate::Deleted;
                let deleted = found.tile.clone();
                self.places.remove(&(canvas, deleted.at));
                Ok(deleted)
            }
            TileChange::Like { tile, user, change } => self.like(canvas, tile, user, change),
            TileChange::Comment { tile } => Ok(self.seen(canvas, tile, 0)?.tile.clone()),
        }
    }

    fn create(&mut self, canvas: RoomId, tile: Tile) -> Result<Tile, TileRefused> {
        if let Some(there) = self.places.get(&(canvas, tile.at)).and_then(|id| self.tiles.get(id)) {
            return Err(TileRefused::Taken(Box::new(there.tile.clone())));
        }
        self.created += 1;
        let tile = Tile { id: TileId(-self.created), ..tile };
        self.places.insert((canvas, tile.at), tile.id);
        self.tiles.insert(tile.id, OnBoard { canvas, tile: tile.clone(), fate: Fate::Created });
        Ok(tile)
    }

    fn like(&mut self, canvas: RoomId, tile: TileId, user: UserId, change: LikeChange) -> Result<Tile, TileRefused> {
        self.seen(canvas, tile, 0)?;
        let like = self.likes.entry((tile, user)).or_insert(Like { was: false, is: false });
        let (wanted, by) = match change {
            LikeChange::Given => (true, 1),
            LikeChange::TakenBack => (false, -1),
        };
        let changes = like.is != wanted;
        like.is = wanted;
        let found = self.seen(canvas, tile, 0)?;
        if !changes {
            return Err(TileRefused::Unchanged(Box::new(found.tile.clone())));
        }
        found.tile.likes += by;
        found.fate = Fate::Changed;
        Ok(found.tile.clone())
    }

    /// A tile of that canvas, if it has the version that the client saw.
    fn seen(&mut self, canvas: RoomId, tile: TileId, seen: i64) -> Result<&mut OnBoard, TileRefused> {
        let found = self.tiles.get_mut(&tile);
        let found = found.filter(|found| found.canvas == canvas && found.fate != Fate::Deleted);
        let found = found.ok_or(TileRefused::Unknown)?;
        match seen == 0 || seen == found.tile.version {
            true => Ok(found),
            false => Err(TileRefused::Stale(Box::new(found.tile.clone()))),
        }
    }

    /// What has to be written.
    pub fn into_changes(self) -> BoardChanges {
        let mut changes = BoardChanges::default();
        // ascending, so that the provisional ids come in reverse
        for (id, OnBoard { canvas, tile, fate }) in self.tiles {
            match fate {
                Fate::Unchanged => {}
                Fate::Created => changes.created.push((canvas, tile)),
                Fate::Changed => changes.changed.push(tile),
                Fate::Deleted => changes.deleted.push(id),
            }
        }
        changes.created.reverse();
        for ((tile, user), like) in self.likes {
            match (like.was, like.is, changes.deleted.binary_search(&tile).is_ok()) {
                (false, true, false) => changes.liked.push((tile, user)),
                (true, false, false) => changes.unliked.push((tile, user)),
                (_, _, true) | (false, false, _) | (true, true, _) => {}
            }
        }
        changes
    }
}

impl BoardChanges {
    /// Whether nothing has to be written.
    pub fn is_empty(&self) -> bool {
        let BoardChanges { deleted, created, changed, liked, unliked } = self;
        deleted.is_empty() && created.is_empty() && changed.is_empty() && liked.is_empty() && unliked.is_empty()
    }
}

#[cfg(test)]
#[path = "board_tests.rs"]
mod tests;
