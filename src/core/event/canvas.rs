//! Events of a canvas.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Audience, Weight};
use crate::{
    core::{
        canvas::{Editing, Highlight, LikeChange, Tile, TilePlace},
        command::{RawJson, Tag},
        presence::{Status, UserStatus},
        profile::Author,
    },
    error::Refusal,
    ids::{CanvasId, Epoch, EventId, Seq},
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
    /// A user says something about a tile. The id of the event is that of the comment.
    TileCommented {
        /// The tile.
        tile: Tile,
        /// The user.
        by: Author,
        /// What the user says. Empty once the comment was deleted.
        text: Arc<str>,
    },
    /// A comment on a tile was deleted.
    TileCommentDeleted {
        /// The tile.
        tile: Tile,
        /// The user who deleted it.
        by: Author,
        /// The comment.
        comment: EventId,
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
    pub const KINDS: [&'static str; 7] = [
        "tile_created",
        "tile_updated",
        "tile_deleted",
        "tile_liked",
        "tile_commented",
        "tile_comment_deleted",
        "acted",
    ];

    /// What the deletion of a comment leaves of this event, which has that id; `None` if it does not change it.
    pub fn changed_by(&self, id: EventId, change: &CanvasDurable) -> Option<CanvasDurable> {
        match (self, change) {
            (CanvasDurable::TileCommented { .. }, CanvasDurable::TileCommentDeleted { comment, .. })
                if *comment == id =>
            {
                Some(self.without_text())
            }
            (_, _) => None,
        }
    }

    /// The same without the text of a comment.
    #[must_use]
    pub fn without_text(&self) -> CanvasDurable {
        let mut silent = self.clone();
        if let CanvasDurable::TileCommented { text, .. } = &mut silent {
            *text = "".into();
        }
        silent
    }

    /// The kind in the log.
    pub const fn kind(&self) -> &'static str {
        match self {
            CanvasDurable::TileCreated { .. } => "tile_created",
            CanvasDurable::TileUpdated { .. } => "tile_updated",
            CanvasDurable::TileDeleted { .. } => "tile_deleted",
            CanvasDurable::TileLiked { .. } => "tile_liked",
            CanvasDurable::TileCommented { .. } => "tile_commented",
            CanvasDurable::TileCommentDeleted { .. } => "tile_comment_deleted",
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
            | CanvasDurable::TileCommented { by, .. }
            | CanvasDurable::TileCommentDeleted { by, .. }
            | CanvasDurable::Acted { by, .. } => by,
        }
    }

    /// The tile that it concerns.
    pub const fn tile(&self) -> Option<&Tile> {
        match self {
            CanvasDurable::TileCreated { tile, .. }
            | CanvasDurable::TileUpdated { tile, .. }
            | CanvasDurable::TileDeleted { tile, .. }
            | CanvasDurable::TileLiked { tile, .. }
            | CanvasDurable::TileCommented { tile, .. }
            | CanvasDurable::TileCommentDeleted { tile, .. } => Some(tile),
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
            CanvasDurable::TileCommented { text, .. } => CanvasDurable::TileCommented { tile, by, text: text.clone() },
            CanvasDurable::TileCommentDeleted { comment, .. } => {
                CanvasDurable::TileCommentDeleted { tile, by, comment: *comment }
            }
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
            CanvasDurable::TileCommented { tile, text, .. } => {
                feed(&tile.id.0.to_be_bytes());
                feed(text.as_bytes());
            }
            CanvasDurable::TileCommentDeleted { comment, .. } => feed(comment.0.as_bytes()),
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
            CanvasDurable::TileLiked { tile, .. } | CanvasDurable::TileCommentDeleted { tile, .. } => {
                Weight { bytes: tile.content.len(), rows: 3 }
            }
            CanvasDurable::TileCommented { tile, text, .. } => {
                Weight { bytes: tile.content.len() + text.len(), rows: 2 }
            }
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
            | CanvasDurable::TileCommented { .. }
            | CanvasDurable::TileCommentDeleted { .. }
            | CanvasDurable::Acted { .. } => false,
        }
    }
}

/// An event of a canvas that is not stored. The user who caused it is not sent it.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CanvasEphemeral {
    /// A user begins, continues or has stopped to edit the tile at a place.
    TileEditing {
        /// The user.
        user: Author,
        /// The user's status.
        status: Status,
        /// Where.
        at: TilePlace,
        /// Whether it begins or ends.
        editing: Editing,
    },
    /// A user highlights a tile.
    Highlighted {
        /// The user.
        user: Author,
        /// The tile, and what is said about it.
        highlight: Highlight,
    },
}

/// A reply to one socket on a canvas.
#[derive(Clone, PartialEq, Debug)]
pub enum CanvasReply {
    /// The first message: the newcomer has joined.
    Joined {
        /// The canvas.
        canvas: CanvasId,
        /// The newcomer.
        user: Author,
        /// The newcomer's socket.
        connection: Arc<str>,
        /// The number of users on the canvas.
        users: usize,
        /// The canvas' current sequence number.
        seq: Seq,
        /// Its epoch.
        epoch: Epoch,
    },
    /// The second message: the users on the canvas.
    Users {
        /// The canvas.
        canvas: CanvasId,
        /// The users, each once; truncated at `ONLINE_USERS_LISTED_MAX`.
        users: Vec<CanvasUser>,
        /// The number of users.
        total: usize,
    },
    /// A change of a tile was stored, or changes nothing.
    TileStored {
        /// The request's tag.
        tag: Tag,
        /// The stored event; `None` if nothing had to be stored.
        stored: Option<(EventId, Seq)>,
        /// The tile after the change.
        tile: Tile,
    },
    /// The request conflicts with what others have done.
    Conflict {
        /// The request's tag.
        tag: Tag,
        /// The reason.
        refusal: Refusal,
        /// With what it conflicts.
        with: Conflicting,
    },
}

/// With what a request conflicts.
#[derive(Clone, PartialEq, Debug)]
pub enum Conflicting {
    /// With this tile, as it is now.
    Tile(Tile),
    /// With the lock of this user.
    Lock {
        /// The user.
        holder: Author,
        /// The place of the tile.
        at: TilePlace,
    },
}

/// A user on a canvas.
#[derive(Clone, PartialEq, Debug)]
pub struct CanvasUser {
    /// The user.
    pub user: Author,
    /// The user's status.
    pub status: UserStatus,
    /// The place of the tile that the user edits.
    pub editing: Option<TilePlace>,
}
