//! Events of shared sheets.

use serde::{Deserialize, Serialize};

use super::{Audience, Weight};
use crate::{
    core::{profile::Author, sheet::Cell},
    ids::SheetId,
};

/// A stored event of a sheet. The serde form is that of the log: fields may be added but not renamed.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum SheetDurable {
    /// Cells changed, all at once.
    CellsUpdated {
        /// The sheet.
        sheet: SheetId,
        /// The user who changed them.
        author: Author,
        /// The new state of each cell.
        cells: Vec<Cell>,
    },
}

impl SheetDurable {
    /// The kinds in the log that belong to sheets.
    pub(super) const KINDS: &[&str] = &["cells_updated"];

    /// The kind in the log.
    pub const fn kind(&self) -> &'static str {
        match self {
            SheetDurable::CellsUpdated { .. } => "cells_updated",
        }
    }

    /// The user who caused it.
    pub const fn author(&self) -> &Author {
        match self {
            SheetDurable::CellsUpdated { author, .. } => author,
        }
    }

    /// The members who receive it.
    pub const fn audience(&self) -> Audience {
        match self {
            SheetDurable::CellsUpdated { .. } => Audience::Everyone,
        }
    }

    /// Passes the content to `feed`: see [`super::Durable::content`]. The versions are those that the client sent.
    pub fn content(&self, feed: &mut dyn FnMut(&[u8])) {
        match self {
            SheetDurable::CellsUpdated { sheet, cells, .. } => {
                feed(sheet.as_str().as_bytes());
                for cell in cells {
                    feed(&cell.at.row.to_be_bytes());
                    feed(&cell.at.column.to_be_bytes());
                    feed(cell.value.as_str().as_bytes());
                    match &cell.formula {
                        Some(formula) => feed(formula.as_bytes()),
                        // an absent formula differs from an empty one
                        None => feed(&[0xff]),
                    }
                    feed(&cell.version.to_be_bytes());
                }
            }
        }
    }

    /// What storing it costs.
    pub fn weight(&self) -> Weight {
        match self {
            SheetDurable::CellsUpdated { cells, .. } => {
                let bytes = cells.iter().map(|cell| size_of::<Cell>() + cell.text_bytes()).sum();
                Weight { bytes, rows: cells.len() }
            }
        }
    }

    /// Whether it is queued for a participant without a socket.
    pub const fn is_queued_for_absent(&self) -> bool {
        match self {
            SheetDurable::CellsUpdated { .. } => false,
        }
    }
}
