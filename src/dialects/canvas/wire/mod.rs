//! The messages of the canvas dialect: a variant per `type`, whose doc comment is the description in the AsyncAPI document.
//! Users, canvases and tiles are integers.

pub mod chat;
pub mod presence;
pub mod tiles;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use self::{
    chat::{CanvasChat, CanvasChatMessage},
    presence::{Act, ActiveUsers, PresenceUpdate, UserActivity, UserJoined, UserLeft, UserPresence, UserTyping},
    tiles::{
        CommentTile, Holder, LikeTile, MentionTile, NamedTile, NewTile, Tile, TileChanged, TileCommentDeleted,
        TileCommented, TileHighlight, TileLiked, UpdateTile,
    },
};
use crate::{
    core::profile::Author,
    dialects::{
        common::{Ack, AuthRefresh, Broadcast, ErrorMessage, Notice, Notified, Pong, Recovered, Restarting},
        schema::schema,
    },
};

/// Messages of clients.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(tag = "type")]
pub enum FromClient<'a> {
    /// Say something to everybody on the canvas
    #[schemars(extend("x-stored" = true))]
    CanvasChat(#[serde(borrow)] CanvasChat<'a>),
    /// Report that the user types, edits a tile, or has another status
    UserPresence(UserPresence),
    /// Report something that the user does; it is added to the activity feed
    #[schemars(extend("x-stored" = true))]
    UserActivity(#[serde(borrow)] Act<'a>),
    /// Highlight a tile for the others
    TileMention(MentionTile),
    /// Put a tile where none is
    #[schemars(extend("x-stored" = true))]
    TileCreate(#[serde(borrow)] NewTile<'a>),
    /// Change what is on a tile
    #[schemars(extend("x-stored" = true))]
    TileUpdate(#[serde(borrow)] UpdateTile<'a>),
    /// Delete a tile
    #[schemars(extend("x-stored" = true))]
    TileDelete(NamedTile),
    /// Like a tile, or take the like back
    #[schemars(extend("x-stored" = true))]
    TileLike(LikeTile),
    /// Say something about a tile
    #[schemars(extend("x-stored" = true))]
    TileComment(#[serde(borrow)] CommentTile<'a>),
    /// Check the connection
    Ping,
    /// Provide a fresh token of the same user before the old one expires
    AuthRefresh(AuthRefresh),
}

/// Messages of the server.
#[derive(Serialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum FromServer<'a> {
    /// The reply to a ping
    Pong(Pong<'a>),
    /// The request was stored or executed; of a change of a tile with the tile
    Ack(TileAck<'a>),
    /// A message was refused and had no effect
    Error(CanvasError<'a>),
    /// The server is shutting down; reconnect after this delay, and resume
    ServerRestarting(Restarting),
    /// An administrator's announcement on the canvas
    Broadcast(Broadcast<'a, CanvasNumber>),
    /// The replay of missed events is complete
    Recovered(Recovered<CanvasNumber>),
    /// A stored notification, or an administrator's message, for a user
    Notification(Notice<Notified<'a>>),
    /// A user's first socket on the canvas opened; the first frame of every socket, then with `seq` and `epoch`
    UserJoined(UserJoined<'a>),
    /// The second frame: the users on the canvas
    ActiveUsers(ActiveUsers<'a>),
    /// A user's last socket on the canvas closed
    UserLeft(UserLeft<'a>),
    /// A stored message; also sent to the sender
    CanvasChatMessage(CanvasChatMessage<'a>),
    /// A user started or stopped typing
    UserTyping(UserTyping<'a>),
    /// A user edits a tile or has stopped, or has set a status
    UserPresenceUpdate(PresenceUpdate<'a>),
    /// A user did something
    UserActivity(UserActivity<'a>),
    /// A user highlights a tile
    TileHighlight(TileHighlight<'a>),
    /// A tile was created
    TileCreated(TileChanged<'a>),
    /// The content of a tile was changed
    TileUpdated(TileChanged<'a>),
    /// A tile was liked, or a like was taken back
    TileLiked(TileLiked<'a>),
    /// A tile was deleted
    TileDeleted(TileChanged<'a>),
    /// A user says something about a tile
    TileCommented(TileCommented<'a>),
    /// A comment on a tile was deleted
    TileCommentDeleted(TileCommentDeleted<'a>),
}

/// An acknowledgement.
#[derive(Serialize, JsonSchema)]
pub struct TileAck<'a> {
    #[serde(flatten)]
    pub ack: Ack<'a>,
    /// Of a change of a tile.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tile_id: Option<TileNumber>,
    /// Its version after the change.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = 1)]
    pub version: Option<i64>,
    /// Its likes after the change.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = 5)]
    pub like_count: Option<i64>,
}

impl<'a> From<Ack<'a>> for TileAck<'a> {
    fn from(ack: Ack<'a>) -> TileAck<'a> {
        TileAck { ack, tile_id: None, version: None, like_count: None }
    }
}

/// A refusal.
#[derive(Serialize, JsonSchema)]
pub struct CanvasError<'a> {
    #[serde(flatten)]
    pub error: ErrorMessage<'a>,
    /// With `CONFLICT`: the tile that is at the place. With `VERSION_CONFLICT`: the tile as it is now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tile: Option<ConflictingTile<'a>>,
    /// With `CONFLICT`: who edits the tile.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub holder: Option<Holder<'a>>,
}

/// A tile without its canvas, which is that of the socket.
#[derive(Serialize, JsonSchema)]
pub struct ConflictingTile<'a> {
    pub tile_id: TileNumber,
    /// Who created it.
    pub creator_id: UserNumber,
    #[schemars(example = 15)]
    pub x: i32,
    #[schemars(example = 10)]
    pub y: i32,
    #[schemars(example = 5)]
    pub like_count: i64,
    #[schemars(example = &"Hello")]
    pub content: &'a str,
    #[schemars(example = 1)]
    pub version: i64,
}

impl<'a> From<Tile<'a>> for ConflictingTile<'a> {
    fn from(tile: Tile<'a>) -> ConflictingTile<'a> {
        let Tile { tile_id, canvas_id: _, creator_id, x, y, like_count, content, version } = tile;
        ConflictingTile { tile_id, creator_id, x, y, like_count, content, version }
    }
}

/// The user that a message is about.
#[derive(Serialize, JsonSchema)]
pub struct Doer<'a> {
    pub user_id: UserNumber,
    #[schemars(example = &"stellarsarah")]
    pub username: &'a str,
}

impl<'a> From<&'a Author> for Doer<'a> {
    fn from(author: &'a Author) -> Doer<'a> {
        Doer { user_id: author.into(), username: author.username() }
    }
}

/// A user's stable number.
#[derive(Clone, Copy, Serialize)]
pub struct UserNumber(pub i64);

schema!(UserNumber: {"type": "integer", "minimum": 0, "examples": [123], "description": "A user's stable number"});

impl From<&Author> for UserNumber {
    fn from(author: &Author) -> UserNumber {
        // known of all who act since there are canvases
        UserNumber(author.number().unwrap_or_default())
    }
}

/// The id of a canvas.
#[derive(Clone, Copy, Serialize)]
pub struct CanvasNumber(pub i64);

schema!(CanvasNumber: {"type": "integer", "minimum": 1, "examples": [1], "description": "The id of the canvas"});

/// The id of a tile.
#[derive(Clone, Copy, Serialize)]
pub struct TileNumber(pub i64);

schema!(TileNumber: {"type": "integer", "minimum": 1, "examples": [456], "description": "The id of the tile"});
