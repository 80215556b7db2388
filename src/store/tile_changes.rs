//! The tile changes of a batch, the same for both databases: what must be read under the rooms' locks, and what is written.
//! `core::canvas::Board` decides. Pure; the callers run the SQL.

use std::collections::{BTreeSet, HashMap};

use super::{
    NotAppended, StoreError,
    batch::{Batch, Earlier, Entry, payload},
    values::{Id, Moment, now},
};
use crate::{
    core::{
        canvas::{Board, BoardChanges, Tile, TileChange, TilePlace, TileRefused},
        event::{CanvasDurable, Durable},
    },
    ids::{RoomId, TileId, UserId},
};

/// What must be read before the tile changes of a batch can be decided.
#[derive(Default)]
pub(super) struct TileReads {
    /// The rooms of the canvases.
    pub rooms: BTreeSet<Id>,
    /// Tiles, by id.
    pub tiles: BTreeSet<TileId>,
    /// Tiles, by place.
    pub places: BTreeSet<(Id, TilePlace)>,
    /// Likes.
    pub likes: BTreeSet<(TileId, UserId)>,
}

/// What an event changes of the comments.
pub(super) enum CommentChange<'a> {
    /// The event is a comment.
    Add {
        /// On this tile.
        tile: TileId,
        /// The text.
        text: &'a str,
    },
    /// This comment is deleted.
    Delete(Id),
}

/// The event of a comment without its text.
pub(super) fn silenced(comment: &Durable) -> Result<Option<String>, StoreError> {
    match comment {
        Durable::Canvas(what) => payload(&Durable::Canvas(what.without_text())).map(Some),
        Durable::Chat(_) | Durable::Sheet(_) | Durable::Document(_) | Durable::Space(_) => Ok(None),
    }
}

/// The decided changes.
pub(super) struct DecidedTiles {
    /// What has to be written.
    pub changes: BoardChanges,
    /// When each tile was created or its content changed last, for those of the batch.
    pub times: HashMap<TileId, Moment>,
    /// When each like was given.
    liked_at: HashMap<(TileId, UserId), Moment>,
    /// The entries that name tiles without an id yet.
    unnumbered: Vec<usize>,
}

impl Batch {
    /// What must be read. None for a batch without tile changes, as most are.
    pub fn tile_reads(&self, earlier: &Earlier) -> Option<TileReads> {
        let mut reads = TileReads::default();
        for entry in &self.entries {
            let (Some(change), Some(room)) = (open_change(entry, earlier), self.rooms.get(entry.room)) else {
                continue;
            };
            reads.rooms.insert(*room);
            match change {
                TileChange::Create { at, .. } => {
                    reads.places.insert((*room, at));
                }
                TileChange::Update { tile, .. } | TileChange::Delete { tile, .. } | TileChange::Comment { tile } => {
                    reads.tiles.insert(tile);
                }
                TileChange::Like { tile, user, .. } => {
                    reads.tiles.insert(tile);
                    reads.likes.insert((tile, user));
                }
            }
        }
        (!reads.rooms.is_empty()).then_some(reads)
    }

    /// Decides the changes in the order of the batch. Refused ones get no seq; the others are written.
    pub fn decide_tiles(&mut self, earlier: &Earlier, mut board: Board) -> DecidedTiles {
        let (mut times, mut liked_at, mut unnumbered) = (HashMap::new(), HashMap::new(), Vec::new());
        let Batch { rooms, entries } = self;
        for (index, entry) in entries.iter_mut().enumerate() {
            let (Some(change), Some(room)) = (open_change(entry, earlier), rooms.get(entry.room)) else { continue };
            let Durable::Canvas(what) = &*entry.what else { continue };
            let is_comment = matches!(change, TileChange::Comment { .. });
            let like = match &change {
                TileChange::Like { tile, user, .. } => Some((*tile, user.clone())),
                TileChange::Create { .. }
                | TileChange::Update { .. }
                | TileChange::Delete { .. }
                | TileChange::Comment { .. } => None,
            };
            let named = match board.change(RoomId(room.0), change) {
                Ok(tile) => {
                    let id = tile.id;
                    match like {
                        Some(like) => drop(liked_at.insert(like, entry.at)),
                        // a comment is no change of the tile
                        None if is_comment => {}
                        None => drop(times.insert(id, entry.at)),
                    }
                    entry.what = Durable::Canvas(what.with_tile(tile)).into();
                    Some(id)
                }
                Err(refused) => {
                    let named = current(&refused).map(|tile| tile.id);
                    entry.refused = Some(NotAppended::Tile(refused));
                    named
                }
            };
            if named.is_some_and(|id| id.0 <= 0) {
                unnumbered.push(index);
            }
        }
        DecidedTiles { changes: board.into_changes(), times, liked_at, unnumbered }
    }

    /// Completes the entries: tiles that the database has numbered get their ids, given in the order of
    /// [`BoardChanges::created`], and accepted events their payloads.
    pub fn number_tiles(
        &mut self,
        earlier: &Earlier,
        decided: &DecidedTiles,
        ids: &[TileId],
    ) -> Result<(), StoreError> {
        // provisional ids are -1, -2 …
        let numbered = |id: TileId| match usize::try_from(-(id.0 + 1)) {
            Ok(nth) => ids.get(nth).copied().ok_or_else(|| StoreError::Fault("a new tile got no number".into())),
            Err(_stored) => Ok(id),
        };
        for index in &decided.unnumbered {
            let Some(entry) = self.entries.get_mut(*index) else { continue };
            if let Some(NotAppended::Tile(TileRefused::Taken(tile))) = &mut entry.refused {
                tile.id = numbered(tile.id)?;
            }
            let Durable::Canvas(what) = &*entry.what else { continue };
            let Some(tile) = what.tile() else { continue };
            let tile = Tile { id: numbered(tile.id)?, ..tile.clone() };
            entry.what = Durable::Canvas(what.with_tile(tile)).into();
        }
        for entry in &mut self.entries {
            if open_change(entry, earlier).is_some() {
                entry.payload = payload(&entry.what)?;
            }
        }
        Ok(())
    }
}

/// The tile that a refusal shows.
fn current(refused: &TileRefused) -> Option<&Tile> {
    match refused {
        TileRefused::Taken(tile) | TileRefused::Stale(tile) | TileRefused::Unchanged(tile) => Some(tile),
        TileRefused::Closed | TileRefused::Outside(_) | TileRefused::Unknown => None,
    }
}

/// The change of a tile that an entry asks for, if it is neither stored nor refused.
fn open_change(entry: &Entry, earlier: &Earlier) -> Option<TileChange> {
    let Durable::Canvas(what) = &*entry.what else { return None };
    if entry.refused.is_some() || earlier.contains_key(&entry.id.0) {
        return None;
    }
    match what {
        CanvasDurable::TileCreated { tile, .. } => {
            Some(TileChange::Create { at: tile.at, content: tile.content.clone(), creator: tile.creator })
        }
        CanvasDurable::TileUpdated { tile, .. } => {
            Some(TileChange::Update { tile: tile.id, content: tile.content.clone(), seen: tile.version })
        }
        CanvasDurable::TileDeleted { tile, .. } => Some(TileChange::Delete { tile: tile.id, seen: tile.version }),
        CanvasDurable::TileLiked { tile, by, change } => {
            Some(TileChange::Like { tile: tile.id, user: by.id.clone(), change: *change })
        }
        CanvasDurable::TileCommented { tile, .. } | CanvasDurable::TileCommentDeleted { tile, .. } => {
            Some(TileChange::Comment { tile: tile.id })
        }
        CanvasDurable::Acted { .. } => None,
    }
}

impl DecidedTiles {
    /// When a tile of the batch was created.
    pub fn time_of(&self, tile: TileId) -> Moment {
        self.times.get(&tile).copied().unwrap_or_else(|| Moment(now()))
    }

    /// The likes to add, each with its time.
    pub fn likes(&self) -> impl Iterator<Item = (TileId, &UserId, Moment)> {
        self.changes.liked.iter().map(|like| {
            let at = self.liked_at.get(like).copied();
            (like.0, &like.1, at.unwrap_or_else(|| Moment(now())))
        })
    }
}

impl Entry {
    /// What it changes of the comments.
    pub fn comment(&self) -> Option<CommentChange<'_>> {
        match &*self.what {
            Durable::Canvas(CanvasDurable::TileCommented { tile, text, .. }) => {
                Some(CommentChange::Add { tile: tile.id, text })
            }
            Durable::Canvas(CanvasDurable::TileCommentDeleted { comment, .. }) => {
                Some(CommentChange::Delete(Id(comment.0)))
            }
            Durable::Canvas(
                CanvasDurable::TileCreated { .. }
                | CanvasDurable::TileUpdated { .. }
                | CanvasDurable::TileDeleted { .. }
                | CanvasDurable::TileLiked { .. }
                | CanvasDurable::Acted { .. },
            )
            | Durable::Chat(_)
            | Durable::Sheet(_)
            | Durable::Document(_)
            | Durable::Space(_) => None,
        }
    }

    /// What is added to the activity feed, if it is an event of a canvas: the event without the texts of its tile and of a
    /// comment.
    pub fn activity(&self) -> Result<Option<String>, StoreError> {
        let what = match &*self.what {
            Durable::Canvas(what) => what,
            Durable::Chat(_) | Durable::Sheet(_) | Durable::Document(_) | Durable::Space(_) => return Ok(None),
        };
        let shown =
            what.tile().map_or_else(|| what.clone(), |tile| what.with_tile(tile.without_content())).without_text();
        payload(&Durable::Canvas(shown)).map(Some)
    }
}
