//! Reading shared sheets. [`Store::append`] writes them.

use super::{Store, StoreError, run};
use crate::{
    core::sheet::{CellRange, CellRef, StoredCell},
    ids::{RoomId, RoomName, SheetId, Timestamp},
};

impl Store {
    /// The open room in which a sheet was first written. It never changes.
    pub async fn sheet_room(&self, sheet: &SheetId) -> Result<Option<RoomName>, StoreError> {
        self.shared.loaders.sheets.get(sheet.clone()).await
    }

    /// The sheets of a room that were changed since then, with their last change, latest first, bounded.
    pub async fn active_sheets(&self, room: RoomId, since: Timestamp) -> Result<Vec<(SheetId, Timestamp)>, StoreError> {
        run!(self, read, sheets::active(room, since))
    }

    /// The cells in the range that were ever written, row by row, at most `limit`, after `after`.
    pub async fn cells(
        &self,
        sheet: &SheetId,
        range: CellRange,
        after: Option<CellRef>,
        limit: usize,
    ) -> Result<Vec<StoredCell>, StoreError> {
        let sheet = sheet.clone();
        run!(self, read, sheets::cells(&sheet, range, after, limit))
    }

    /// The last row and the last column in the range with a non-empty cell, as one position. None if all are empty.
    pub async fn used_extent(&self, sheet: &SheetId, range: CellRange) -> Result<Option<CellRef>, StoreError> {
        let sheet = sheet.clone();
        run!(self, read, sheets::used_extent(&sheet, range))
    }
}
