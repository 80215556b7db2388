//! Reading shared sheets. Writing them is [`Store::append`].

use super::{Store, StoreError, run};
use crate::{
    core::sheet::{CellRange, CellRef, StoredCell},
    ids::{RoomId, RoomName, SheetId, Timestamp},
};

impl Store {
    /// The open room that a sheet was first written in: once there is one, it stays the same.
    pub async fn sheet_room(&self, sheet: &SheetId) -> Result<Option<RoomName>, StoreError> {
        self.shared.door.sheets.get(sheet.clone()).await
    }

    /// The sheets of a room that were changed since then, and when last, the latest first, bounded.
    pub async fn active_sheets(&self, room: RoomId, since: Timestamp) -> Result<Vec<(SheetId, Timestamp)>, StoreError> {
        run!(self, read, sheets::active(room, since))
    }

    /// The cells in the range that were ever written, row by row, at most `limit` of those that come after `after`.
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

    /// The last row and the last column in the range in which a cell holds anything, as one place; none if all are
    /// empty.
    pub async fn used_extent(&self, sheet: &SheetId, range: CellRange) -> Result<Option<CellRef>, StoreError> {
        let sheet = sheet.clone();
        run!(self, read, sheets::used_extent(&sheet, range))
    }
}
