//! What a client may ask of shared sheets.

use super::{Charge, Target};
use crate::{
    core::sheet::Cell,
    ids::{RoomName, SheetId},
};

/// A command of a sheet.
#[derive(Clone, PartialEq, Debug)]
pub enum SheetCommand {
    /// Change cells: all of them, or none.
    UpdateCells {
        /// Which sheet.
        sheet: SheetId,
        /// Which room it belongs to; absent: the one that it was first written in, or else the one joined last.
        room: Option<RoomName>,
        /// Each cell once, with the version that the client saw last.
        cells: Vec<Cell>,
    },
}

impl SheetCommand {
    /// Who carries it out.
    pub const fn target(&self) -> Target<'_> {
        match self {
            SheetCommand::UpdateCells { room, .. } => Target::Room(room.as_ref()),
        }
    }

    /// How it is counted.
    pub const fn charge(&self) -> Charge {
        match self {
            SheetCommand::UpdateCells { .. } => Charge::Edit,
        }
    }
}
