//! Canvases and their tiles. [`Store::append`] changes tiles.

use super::{RoomRole, Store, StoreError, StoredEvent, Visibility, run};
use crate::{
    core::{
        canvas::{CanvasSize, Region, Tile, TilePlace},
        event::RoomIdentity,
        profile::Profile,
    },
    ids::{CanvasId, EventId, RoomId, Seq, TileId, Timestamp, UserId},
};

/// A canvas that is in use, and the requesting user's role on it.
#[derive(Clone, PartialEq, Debug)]
pub struct Canvas {
    /// Its id.
    pub id: CanvasId,
    /// Its room.
    pub identity: RoomIdentity,
    /// The displayed name.
    pub name: String,
    /// Its size.
    pub size: CanvasSize,
    /// Who may enter.
    pub visibility: Visibility,
    /// The number of the user who created it.
    pub owner: Option<i64>,
    /// The requesting user's role.
    pub membership: Option<RoomRole>,
    /// When it was created.
    pub created_at: Timestamp,
}

/// A canvas to create.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewCanvas {
    /// The displayed name.
    pub name: String,
    /// Its size.
    pub size: CanvasSize,
    /// Who may enter.
    pub visibility: Visibility,
}

/// The canvas behind which the next page of a list begins.
pub type CanvasCursor = CanvasId;

/// A stored tile, as a user sees it.
#[derive(Clone, PartialEq, Debug)]
pub struct PlacedTile {
    /// The tile.
    pub tile: Tile,
    /// When it was created.
    pub created_at: Timestamp,
    /// When its content changed last.
    pub updated_at: Timestamp,
    /// Whether the user likes it.
    pub is_liked: bool,
}

/// Which entries of an activity feed are read.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ActivityFilter {
    /// Only these kinds of events; all if empty.
    pub kinds: Vec<&'static str>,
    /// Only what this user did, by the user's number.
    pub user: Option<i64>,
    /// Only older entries.
    pub before: Option<Seq>,
}

/// A comment on a tile.
#[derive(Clone, PartialEq, Debug)]
pub struct TileComment {
    /// Its id, which is that of the event that stored it.
    pub id: EventId,
    /// The tile.
    pub tile: TileId,
    /// Who said it.
    pub user: UserId,
    /// The user's number.
    pub number: i64,
    /// The user's name.
    pub username: String,
    /// What was said.
    pub text: String,
    /// When.
    pub created_at: Timestamp,
}

impl Store {
    /// A page of the comments on a tile, the newest first.
    pub async fn tile_comments(
        &self,
        tile: TileId,
        before: Option<EventId>,
        limit: i64,
    ) -> Result<Vec<TileComment>, StoreError> {
        run!(self, read, tile_comments::page(tile, before, limit))
    }

    /// A comment.
    pub async fn tile_comment(&self, id: EventId) -> Result<Option<TileComment>, StoreError> {
        run!(self, read, tile_comments::one(id))
    }

    /// Creates a canvas.
    pub async fn create_canvas(&self, owner: &UserId, new: &NewCanvas) -> Result<Canvas, StoreError> {
        let (owner, new) = (owner.clone(), new.clone());
        run!(self, write, canvases::create(&owner, &new))
    }

    /// A canvas that is in use.
    pub async fn canvas(&self, id: CanvasId, user: &UserId) -> Result<Option<Canvas>, StoreError> {
        let user = user.clone();
        run!(self, read, canvases::one(id, &user))
    }

    /// A page of the canvases that the user may enter, the newest first.
    pub async fn canvases(
        &self,
        user: &UserId,
        after: Option<CanvasCursor>,
        limit: i64,
    ) -> Result<Vec<Canvas>, StoreError> {
        let user = user.clone();
        run!(self, read, canvases::page(&user, after, limit))
    }

    /// Deactivates a canvas. Nothing is stored on it afterwards. Returns false if it was not in use.
    pub async fn close_canvas(&self, id: CanvasId) -> Result<bool, StoreError> {
        run!(self, write, canvases::close(id))
    }

    /// The id of the user with that number.
    pub async fn user_by_number(&self, number: i64) -> Result<Option<UserId>, StoreError> {
        run!(self, read, canvases::user_by_number(number))
    }

    /// The owner and the members of a canvas, the owner first, then by name.
    pub async fn canvas_members(&self, room: RoomId) -> Result<Vec<(Profile, RoomRole)>, StoreError> {
        run!(self, read, room_members::members(room))
    }

    /// Adds a member to a canvas. Returns false if the user already is one; [`StoreError::Taken`] if the list is full.
    pub async fn add_canvas_member(&self, room: RoomId, user: &UserId) -> Result<bool, StoreError> {
        let user = user.clone();
        run!(self, write, canvases::add_member(room, &user))
    }

    /// Removes a member of a canvas. Returns false if the user was not one.
    pub async fn remove_canvas_member(&self, room: RoomId, user: &UserId) -> Result<bool, StoreError> {
        let user = user.clone();
        run!(self, write, canvases::remove_member(room, &user))
    }

    /// The tiles in a region, column by column, at most `limit`, after `after`.
    pub async fn tiles(
        &self,
        canvas: CanvasId,
        user: &UserId,
        region: Region,
        after: Option<TilePlace>,
        limit: i64,
    ) -> Result<Vec<PlacedTile>, StoreError> {
        let user = user.clone();
        run!(self, read, canvases::tiles(canvas, &user, region, after, limit))
    }

    /// A tile, with its canvas.
    pub async fn tile(&self, id: TileId, user: &UserId) -> Result<Option<(CanvasId, PlacedTile)>, StoreError> {
        let user = user.clone();
        run!(self, read, canvases::tile(id, &user))
    }

    /// A page of the activity feed of a canvas, newest first. Tiles have no contents.
    pub async fn canvas_activity(
        &self,
        room: RoomId,
        filter: &ActivityFilter,
        limit: i64,
    ) -> Result<Vec<StoredEvent>, StoreError> {
        let filter = filter.clone();
        run!(self, read, canvases::activity(room, &filter, limit))
    }
}
