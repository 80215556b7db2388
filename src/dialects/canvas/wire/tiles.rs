//! Tiles: their changes, and highlights.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{CanvasNumber, Doer, TileNumber, UserNumber};
use crate::{
    core::{canvas, profile::Author},
    dialects::{
        input::{ChatText, Count, Name, Prose},
        output::Moment,
    },
    ids::{CanvasId, EventId, Seq},
    limits,
};

/// What is on a tile.
type Content<'a> = ChatText<'a, { limits::TILE_CONTENT_CHARS_MAX }>;

// ---- from clients ----

#[derive(Deserialize, JsonSchema)]
pub struct NewTile<'a> {
    #[schemars(example = 15)]
    pub x: Count,
    #[schemars(example = 10)]
    pub y: Count,
    #[serde(borrow)]
    pub content: Content<'a>,
}

#[derive(Deserialize, JsonSchema)]
pub struct UpdateTile<'a> {
    #[schemars(example = 456)]
    pub tile_id: Count,
    #[serde(borrow)]
    pub content: Content<'a>,
    /// The version that the client saw last; if it is not the current one, the change is refused. Without it, or with 0, the
    /// change is made in any case.
    pub version: Option<Count>,
}

#[derive(Deserialize, JsonSchema)]
pub struct NamedTile {
    #[schemars(example = 456)]
    pub tile_id: Count,
    /// As in `tile_update`.
    pub version: Option<Count>,
}

#[derive(Deserialize, JsonSchema)]
pub struct LikeTile {
    #[schemars(example = 456)]
    pub tile_id: Count,
    /// False: the like is taken back. True if absent.
    pub liked: Option<bool>,
}

#[derive(Deserialize, JsonSchema)]
pub struct CommentTile<'a> {
    #[schemars(example = 456)]
    pub tile_id: Count,
    #[serde(borrow)]
    pub text: ChatText<'a, { limits::CANVAS_CHAT_CHARS_MAX }>,
}

#[derive(Deserialize, JsonSchema)]
pub struct MentionTile {
    #[schemars(example = 20)]
    pub tile_x: Count,
    #[schemars(example = 15)]
    pub tile_y: Count,
    /// `mention` if absent.
    #[schemars(example = &"mention")]
    pub highlight_type: Option<Name<{ limits::ACTIVITY_NAME_CHARS_MAX }>>,
    #[schemars(example = &"Check out this tile!")]
    pub message: Option<Prose<{ limits::CANVAS_CHAT_CHARS_MAX }>>,
    /// In milliseconds; 3000 if absent, at most 600000.
    #[schemars(example = 3_000)]
    pub duration: Option<Count>,
}

// ---- from the server ----

/// A tile as it is now.
#[derive(Serialize, JsonSchema)]
pub struct Tile<'a> {
    pub tile_id: TileNumber,
    pub canvas_id: CanvasNumber,
    /// Who created it.
    pub creator_id: UserNumber,
    #[schemars(example = 15)]
    pub x: i32,
    #[schemars(example = 10)]
    pub y: i32,
    #[schemars(example = 5)]
    pub like_count: i64,
    #[schemars(length(max = limits::TILE_CONTENT_CHARS_MAX), example = &"Hello")]
    pub content: &'a str,
    /// Grows by one with each change of the content.
    #[schemars(example = 1)]
    pub version: i64,
}

impl<'a> Tile<'a> {
    pub fn new(canvas: CanvasId, tile: &'a canvas::Tile) -> Tile<'a> {
        Tile {
            tile_id: TileNumber(tile.id.0),
            canvas_id: CanvasNumber(canvas.0),
            creator_id: UserNumber(tile.creator),
            x: tile.at.x,
            y: tile.at.y,
            like_count: tile.likes,
            content: &tile.content,
            version: tile.version,
        }
    }
}

/// A change of a tile by the user with `user_id`.
#[derive(Serialize, JsonSchema)]
pub struct TileChanged<'a> {
    #[serde(flatten)]
    pub tile: Tile<'a>,
    #[serde(flatten)]
    pub who: Doer<'a>,
    pub timestamp: Moment,
    pub seq: Seq,
}

/// A like of the user with `user_id`.
#[derive(Serialize, JsonSchema)]
pub struct TileLiked<'a> {
    #[serde(flatten)]
    pub change: TileChanged<'a>,
    /// False if the like was taken back.
    pub liked: bool,
}

/// A comment of the user with `user_id`.
#[derive(Serialize, JsonSchema)]
pub struct TileCommented<'a> {
    pub tile_id: TileNumber,
    pub canvas_id: CanvasNumber,
    pub comment_id: EventId,
    /// Empty if the comment was deleted since.
    #[schemars(length(max = limits::CANVAS_CHAT_CHARS_MAX), example = &"Nice!")]
    pub text: &'a str,
    #[serde(flatten)]
    pub who: Doer<'a>,
    pub timestamp: Moment,
    pub seq: Seq,
}

/// The user with `user_id` has deleted a comment.
#[derive(Serialize, JsonSchema)]
pub struct TileCommentDeleted<'a> {
    pub tile_id: TileNumber,
    pub canvas_id: CanvasNumber,
    pub comment_id: EventId,
    #[serde(flatten)]
    pub who: Doer<'a>,
    pub timestamp: Moment,
    pub seq: Seq,
}

#[derive(Serialize, JsonSchema)]
pub struct TileHighlight<'a> {
    #[schemars(example = 20)]
    pub tile_x: i32,
    #[schemars(example = 15)]
    pub tile_y: i32,
    #[schemars(example = &"mention")]
    pub highlight_type: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = limits::CANVAS_CHAT_CHARS_MAX), example = &"Check out this tile!")]
    pub message: Option<&'a str>,
    /// In milliseconds.
    #[schemars(example = 3_000)]
    pub duration: i64,
    #[serde(flatten)]
    pub who: Doer<'a>,
    pub canvas_id: CanvasNumber,
    pub timestamp: Moment,
}

/// Who edits the tile that somebody else wants to edit.
#[derive(Serialize, JsonSchema)]
pub struct Holder<'a> {
    #[serde(flatten)]
    pub who: Doer<'a>,
    #[schemars(example = 15)]
    pub tile_x: i32,
    #[schemars(example = 10)]
    pub tile_y: i32,
}

impl<'a> Holder<'a> {
    pub fn new(holder: &'a Author, at: canvas::TilePlace) -> Holder<'a> {
        Holder { who: holder.into(), tile_x: at.x, tile_y: at.y }
    }
}
