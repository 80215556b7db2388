//! Requests of a client about shared sheets.

use super::{Charge, RoomAddress, Target};
use crate::{
    core::sheet::Cell,
    ids::{RoomName, SheetId},
};

/// A command of a sheet.
#[derive(Clone, PartialEq, Debug)]
pub enum SheetCommand {
    /// Write cells: all of them, or none.
    UpdateCells {
        /// The sheet.
        sheet: SheetId,
        /// The room of the sheet; if absent, the one in which it was first written, otherwise the one joined last.
        room: Option<RoomName>,
        /// The cells, each once, with the version that the client saw last.
        cells: Vec<Cell>,
    },
}

impl SheetCommand {
    /// Who executes it.
    pub fn target(&self) -> Target {
        match self {
            SheetCommand::UpdateCells { room, .. } => Target::Room(room.clone().map(RoomAddress::Open)),
        }
    }

    /// Whether it creates a stored event.
    pub const fn is_durable(&self) -> bool {
        match self {
            SheetCommand::UpdateCells { .. } => true,
        }
    }

    /// How it is counted.
    pub const fn charge(&self) -> Charge {
        match self {
            SheetCommand::UpdateCells { .. } => Charge::Edit,
        }
    }
}
