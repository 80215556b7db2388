//! Where users are in a document: what editors by line and column show of themselves.

use serde::{Deserialize, Serialize};

use super::{AnchorRange, ClientState, Colour, Position};
use crate::{core::profile::Author, ids::Seq};

/// A range of a text.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Range {
    /// Where it begins.
    pub start: Position,
    /// Where it ends.
    pub end: Position,
}

impl Range {
    /// The same range, with both positions changed.
    #[must_use]
    pub fn map(self, change: impl Fn(Position) -> Position) -> Range {
        Range { start: change(self.start), end: change(self.end) }
    }
}

/// Where a client says that its user is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Pointer {
    /// The version that the positions refer to; the current one if absent.
    pub base: Option<Seq>,
    /// The cursor. Absent if only the selection is told.
    pub position: Option<Position>,
    /// What is selected.
    pub selection: Option<Range>,
}

/// Where a user is.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Pointing {
    /// The user.
    pub user: Author,
    /// The user's colour.
    pub colour: Colour,
    /// The cursor, if it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<Position>,
    /// What is selected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selection: Option<Range>,
    /// The version that the positions refer to.
    pub version: Seq,
    /// How Yjs editors are shown the user; `None` if the user is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shown_as: Option<Box<ShownAs>>,
}

/// A client by which Yjs editors are shown a user who edits by line and column.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ShownAs {
    /// Its id in the document.
    pub client: u64,
    /// Grows with each state of the client.
    pub clock: u32,
    /// The cursor or the selection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cursor: Option<AnchorRange>,
}

impl Pointing {
    /// What Yjs editors are told when the user has gone.
    pub fn gone(&self) -> Option<ClientState> {
        let shown = self.shown_as.as_deref()?;
        Some(ClientState { client: shown.client, clock: shown.clock.saturating_add(1), state: None, cursor: None })
    }
}
