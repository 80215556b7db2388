//! Reads shared sheets. `append`, one per database, writes them.

use std::collections::{HashMap, HashSet};

use diesel::{dsl::max, prelude::*};
use diesel_async::RunQueryDsl;

use super::{
    Connection,
    rooms::OPEN,
    schema::{rooms, sheet_cells, sheets},
    strange, user_id,
};
use crate::{
    core::{
        command::RawJson,
        sheet::{Cell, CellRange, CellRef, StoredCell},
    },
    ids::{RoomId, RoomName, SheetId, Timestamp},
    limits,
    store::{
        StoreError,
        cell_updates::indices,
        values::{Id, Moment},
    },
};

/// The rooms of the sheets, in order.
pub async fn rooms(connection: &mut Connection, ids: &[SheetId]) -> Result<Vec<Option<RoomName>>, StoreError> {
    let distinct: HashSet<&str> = ids.iter().map(SheetId::as_str).collect();
    let rows = sheets::table
        .inner_join(rooms::table)
        .filter(sheets::id.eq_any(distinct))
        .filter(rooms::kind.eq(OPEN))
        .select((sheets::id, rooms::key))
        .load::<(String, String)>(connection)
        .await?;
    let found: HashMap<String, String> = rows.into_iter().collect();
    let name = |key: &String| RoomName::stored(key.as_str()).map_err(|_| strange("room", "one without a name"));
    ids.iter().map(|id| found.get(id.as_str()).map(name).transpose()).collect()
}

pub async fn active(
    connection: &mut Connection,
    room: RoomId,
    since: Timestamp,
) -> Result<Vec<(SheetId, Timestamp)>, StoreError> {
    let ids = sheets::table
        .filter(sheets::room_id.eq(Id(room.0)))
        .filter(sheets::updated_at.ge(Moment(since)))
        .order((sheets::updated_at.desc(), sheets::id))
        .limit(i64::try_from(limits::ACTIVE_SHEETS_MAX).unwrap_or(i64::MAX))
        .select((sheets::id, sheets::updated_at))
        .load::<(String, Moment)>(connection)
        .await?;
    let named = |(id, at): (String, Moment)| match SheetId::new(id) {
        Ok(id) => Ok((id, at.0)),
        Err(_) => Err(strange("sheet", "one without a name")),
    };
    ids.into_iter().map(named).collect()
}

#[derive(Queryable)]
struct Row {
    row_index: i32,
    column_index: i32,
    value: String,
    formula: Option<String>,
    version: i64,
    user_id: String,
    updated_at: Moment,
}

impl TryFrom<Row> for StoredCell {
    type Error = StoreError;

    fn try_from(row: Row) -> Result<StoredCell, StoreError> {
        let index = |index: i32| u32::try_from(index).map_err(|_| strange("cell", "one outside of any sheet"));
        let at = CellRef { row: index(row.row_index)?, column: index(row.column_index)? };
        let (value, formula) = (RawJson::from_parsed(&row.value), row.formula.map(Into::into));
        let cell = Cell { at, value, formula, version: row.version };
        Ok(StoredCell { cell, user: user_id(row.user_id)?, at: row.updated_at.0 })
    }
}

pub async fn cells(
    connection: &mut Connection,
    sheet: &SheetId,
    range: CellRange,
    after: Option<CellRef>,
    limit: usize,
) -> Result<Vec<StoredCell>, StoreError> {
    let ((first_row, first_column), (last_row, last_column)) = (indices(range.first()), indices(range.last()));
    let (after_row, after_column) = after.map_or((-1, -1), indices);
    let rows = sheet_cells::table
        .filter(sheet_cells::sheet_id.eq(sheet.as_str()))
        // From the start of the page, so that the index is used.
        .filter(sheet_cells::row_index.between(first_row.max(after_row), last_row))
        .filter(sheet_cells::column_index.between(first_column, last_column))
        .filter(sheet_cells::row_index.gt(after_row).or(sheet_cells::column_index.gt(after_column)))
        .order((sheet_cells::row_index, sheet_cells::column_index))
        .limit(i64::try_from(limit).unwrap_or(i64::MAX))
        .select((
            sheet_cells::row_index,
            sheet_cells::column_index,
            sheet_cells::value,
            sheet_cells::formula,
            sheet_cells::version,
            sheet_cells::user_id,
            sheet_cells::updated_at,
        ))
        .load::<Row>(connection)
        .await?;
    rows.into_iter().map(StoredCell::try_from).collect()
}

pub async fn used_extent(
    connection: &mut Connection,
    sheet: &SheetId,
    range: CellRange,
) -> Result<Option<CellRef>, StoreError> {
    let ((first_row, first_column), (last_row, last_column)) = (indices(range.first()), indices(range.last()));
    let (row, column) = sheet_cells::table
        .filter(sheet_cells::sheet_id.eq(sheet.as_str()))
        .filter(sheet_cells::row_index.between(first_row, last_row))
        .filter(sheet_cells::column_index.between(first_column, last_column))
        .filter(sheet_cells::value.ne("null"))
        .select((max(sheet_cells::row_index), max(sheet_cells::column_index)))
        .get_result::<(Option<i32>, Option<i32>)>(connection)
        .await?;
    let (Some(row), Some(column)) = (row, column) else { return Ok(None) };
    let index = |index: i32| u32::try_from(index).map_err(|_| strange("cell", "one outside of any sheet"));
    Ok(Some(CellRef { row: index(row)?, column: index(column)? }))
}
