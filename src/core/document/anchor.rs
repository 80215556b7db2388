//! Places in the text that move with it: they name a character, as Yjs does, and not an offset.

use serde::{Deserialize, Serialize};

/// The side of a character.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// Before it.
    Before,
    /// Behind it.
    Behind,
}

/// A place that moves with the text.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Anchor {
    /// At the beginning of the text.
    Start,
    /// At its end.
    End,
    /// Next to a character, which is named by the client that inserted it, and by that client's clock.
    Next {
        /// The client; below 2^53.
        client: u64,
        /// The clock.
        clock: u32,
        /// The side.
        side: Side,
    },
}

/// A cursor, or a selection with its two ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct AnchorRange {
    /// Where the selection was begun.
    pub from: Anchor,
    /// Where the cursor is.
    pub to: Anchor,
}
