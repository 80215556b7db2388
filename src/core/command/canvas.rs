//! Requests of a client on a canvas.

use std::sync::Arc;

use super::{Charge, RawJson, Target};
use crate::{
    core::canvas::{Editing, Highlight, LikeChange, TilePlace},
    error::{ErrorCode, Refusal},
    ids::{EventId, TileId},
    limits, names,
};

/// A command on a canvas.
#[derive(Clone, PartialEq, Debug)]
pub enum CanvasCommand {
    /// Put a tile where none is.
    CreateTile {
        /// Where.
        at: TilePlace,
        /// What is on it, within limits.
        content: Arc<str>,
    },
    /// Change what is on a tile.
    UpdateTile {
        /// Which.
        tile: TileId,
        /// What is on it from now on, within limits.
        content: Arc<str>,
        /// The version that the client saw; 0: it does not matter.
        seen: i64,
    },
    /// Delete a tile.
    DeleteTile {
        /// Which.
        tile: TileId,
        /// The version that the client saw; 0: it does not matter.
        seen: i64,
    },
    /// Give a like to a tile, or take it back.
    LikeTile {
        /// Which.
        tile: TileId,
        /// Whether it is given or taken back.
        change: LikeChange,
    },
    /// Say something about a tile.
    CommentTile {
        /// Which.
        tile: TileId,
        /// What, within limits.
        text: Arc<str>,
    },
    /// Delete a comment.
    DeleteComment {
        /// The tile that it is about.
        tile: TileId,
        /// Which comment.
        comment: EventId,
    },
    /// Do something that clients give a name to.
    Act {
        /// The clients' name for it.
        activity: Arc<str>,
        /// Further data, within limits.
        data: Option<RawJson>,
    },
    /// Begin or end to edit the tile at a place, which holds or releases its lock.
    EditTile {
        /// Where.
        at: TilePlace,
        /// Whether it begins or ends.
        editing: Editing,
    },
    /// Highlight the tile at a place for the others.
    Highlight(Highlight),
}

impl CanvasCommand {
    /// Validates a new tile, by the same rules for sockets and REST.
    ///
    /// # Errors
    /// `MESSAGE_TOO_LONG`; `INVALID_MESSAGE` if the content has a NUL character.
    pub fn create(at: TilePlace, content: Arc<str>) -> Result<CanvasCommand, Refusal> {
        check_content(&content)?;
        Ok(CanvasCommand::CreateTile { at, content })
    }

    /// Validates a change of a tile.
    ///
    /// # Errors
    /// As for a new tile.
    pub fn update(tile: TileId, content: Arc<str>, seen: i64) -> Result<CanvasCommand, Refusal> {
        check_content(&content)?;
        Ok(CanvasCommand::UpdateTile { tile, content, seen })
    }

    /// Validates a comment.
    ///
    /// # Errors
    /// `MESSAGE_TOO_LONG`; `INVALID_MESSAGE` if it is empty or has a NUL character.
    pub fn comment(tile: TileId, text: Arc<str>) -> Result<CanvasCommand, Refusal> {
        if text.contains('\0') || !names::is_visible(&text) {
            let sentence = "`text` must have visible characters, and no NUL characters; write what you have to say";
            return Err(Refusal::new(ErrorCode::InvalidMessage, sentence));
        }
        let (count, most) = (text.chars().count(), limits::CANVAS_CHAT_CHARS_MAX);
        if count > most {
            let sentence = format!("`text` has {count} characters; at most {most} are allowed in a comment");
            return Err(Refusal::new(ErrorCode::MessageTooLong, sentence));
        }
        Ok(CanvasCommand::CommentTile { tile, text })
    }

    /// Validates an activity.
    ///
    /// # Errors
    /// `MESSAGE_TOO_LONG` if its data has too many bytes.
    pub fn act(activity: Arc<str>, data: Option<RawJson>) -> Result<CanvasCommand, Refusal> {
        let (bytes, most) = (data.as_ref().map_or(0, |data| data.as_str().len()), limits::ACTIVITY_DATA_BYTES_MAX);
        if bytes > most {
            let sentence = format!("`data` has {bytes} bytes; at most {most} are allowed");
            return Err(Refusal::new(ErrorCode::MessageTooLong, sentence));
        }
        Ok(CanvasCommand::Act { activity, data })
    }

    /// Who executes it: the canvas to which the socket is bound.
    pub const fn target(&self) -> Target {
        Target::Room(None)
    }

    /// Whether it creates a stored event.
    pub const fn is_durable(&self) -> bool {
        match self {
            CanvasCommand::CreateTile { .. }
            | CanvasCommand::UpdateTile { .. }
            | CanvasCommand::DeleteTile { .. }
            | CanvasCommand::LikeTile { .. }
            | CanvasCommand::CommentTile { .. }
            | CanvasCommand::DeleteComment { .. }
            | CanvasCommand::Act { .. } => true,
            CanvasCommand::EditTile { .. } | CanvasCommand::Highlight(_) => false,
        }
    }

    /// How it is counted: changes of tiles are edits, as those of cells are (PROTOCOL 9a).
    pub const fn charge(&self) -> Charge {
        match self {
            CanvasCommand::CreateTile { .. }
            | CanvasCommand::UpdateTile { .. }
            | CanvasCommand::DeleteTile { .. }
            | CanvasCommand::LikeTile { .. } => Charge::Edit,
            CanvasCommand::CommentTile { .. } | CanvasCommand::DeleteComment { .. } | CanvasCommand::Act { .. } => {
                Charge::Request
            }
            CanvasCommand::EditTile { .. } | CanvasCommand::Highlight(_) => Charge::Ephemeral,
        }
    }
}

fn check_content(content: &str) -> Result<(), Refusal> {
    if content.contains('\0') {
        let sentence = "`content` must not have NUL characters (\\u0000); leave them out";
        return Err(Refusal::new(ErrorCode::InvalidMessage, sentence));
    }
    let most = limits::TILE_CONTENT_CHARS_MAX;
    // characters are only counted if there are enough bytes for too many
    if content.len() > most && content.chars().count() > most {
        let count = content.chars().count();
        let sentence = format!("`content` has {count} characters; at most {most} are allowed on a tile");
        return Err(Refusal::new(ErrorCode::MessageTooLong, sentence));
    }
    Ok(())
}
