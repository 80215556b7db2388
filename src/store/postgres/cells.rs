//! Cell updates on PostgreSQL, within the transaction of an append: three additional round trips for a batch with cell
//! updates, regardless of their number.

use std::collections::{BTreeMap, HashMap};

use diesel::{
    prelude::*,
    query_builder::Query,
    sql_types::{Array, BigInt, Integer, Nullable, Text, Timestamptz, Uuid as UuidType},
};
use diesel_async::{RunQueryDsl, SimpleAsyncConnection};

use super::{Connection, schema::sheets};
use crate::{
    core::{
        command::RawJson,
        sheet::{Cell, StoredCell, Versions},
    },
    ids::{SheetId, UserId},
    limits,
    store::{
        StoreError,
        batch::{Batch, Earlier},
        cell_updates::{Decided, Homes, Place, Wanted, indices},
        statement::constant_statement,
        values::{Id, Moment},
    },
};

/// Decides the batch's cell updates and writes the accepted ones.
pub async fn write(connection: &mut Connection, batch: &mut Batch, earlier: &Earlier) -> Result<(), StoreError> {
    let wanted = batch.sheets(earlier);
    if wanted.is_empty() {
        return Ok(());
    }
    let homes = homes(connection, wanted).await?;
    let touched: Vec<Place> = batch.touched(earlier, &homes).into_iter().collect();
    let versions = versions(connection, &touched).await?;
    let mut decided = batch.decide(earlier, versions)?;
    let contested = stored(connection, &decided).await?;
    batch.explain(&mut decided, &contested);
    let writes = WriteCells::new(batch, &decided);
    if !writes.sheets.is_empty() {
        writes.execute(connection).await?;
    }
    Ok(())
}

/// The sheets' rooms; creates missing sheets.
async fn homes(connection: &mut Connection, wanted: Wanted) -> Result<Homes, StoreError> {
    let found = find_homes(connection, &wanted).await?;
    let absent = wanted.iter().filter(|(sheet, _)| !found.contains_key(*sheet));
    let new: Vec<_> = absent.filter_map(|(sheet, new)| Some((sheet, new.as_ref()?))).collect();
    if new.is_empty() {
        return Ok(found);
    }
    let made = MakeSheets {
        ids: new.iter().map(|(sheet, _)| sheet.as_str()).collect(),
        rooms: new.iter().map(|(_, new)| new.room).collect(),
        times: new.iter().map(|(_, new)| new.at).collect(),
    };
    // Another session that creates one of them at the same time, in another room, is waited for longer than a locked
    // room.
    let wait_ms = limits::STORE_NEW_SHEET_WAIT.as_millis();
    connection.batch_execute(&format!("SET LOCAL lock_timeout = {wait_ms}")).await?;
    made.execute(connection).await?;
    // Another node may have created one of them at the same time, in another room; its transaction has ended by now.
    find_homes(connection, &wanted).await
}

async fn find_homes(connection: &mut Connection, wanted: &Wanted) -> Result<Homes, StoreError> {
    let rows = sheets::table
        .filter(sheets::id.eq_any(wanted.keys().map(SheetId::as_str).collect::<Vec<_>>()))
        .select((sheets::id, sheets::room_id))
        .load::<(String, Id)>(connection)
        .await?;
    let found: HashMap<String, Id> = rows.into_iter().collect();
    let homes = wanted.keys().filter_map(|sheet| Some((sheet.clone(), *found.get(sheet.as_str())?)));
    Ok(homes.collect())
}

async fn versions(connection: &mut Connection, touched: &[Place]) -> Result<Versions, StoreError> {
    let (sheets, rows, columns) = keys(touched);
    let rows = FindVersions { sheets, rows, columns }.load::<(i64, i64)>(connection).await?;
    let mut versions = Versions::default();
    for (place, version) in rows {
        if let Some((sheet, at)) = nth(touched, place) {
            versions.know(sheet, *at, version);
        }
    }
    Ok(versions)
}

/// The contents of the conflicting cells: for each update as many as the limit allows.
async fn stored(connection: &mut Connection, decided: &Decided) -> Result<HashMap<Place, StoredCell>, StoreError> {
    type Row = (i64, String, Option<String>, i64, String, Moment);
    let unknown = (0..).zip(decided.unknown()).flat_map(|(update, places)| places.map(move |place| (update, place)));
    let (updates, contested): (Vec<i64>, Vec<Place>) = unknown.map(|(update, place)| (update, place.clone())).unzip();
    let mut stored = HashMap::new();
    if contested.is_empty() {
        return Ok(stored);
    }
    let bytes_full = i64::try_from(limits::CONFLICT_BYTES_FULL).unwrap_or(i64::MAX);
    let (sheets, rows, columns) = keys(&contested);
    let rows = FindCells { sheets, rows, columns, updates, bytes_full }.load::<Row>(connection).await?;
    for (place, value, formula, version, user, updated_at) in rows {
        let Some(place) = nth(&contested, place) else { continue };
        let user = UserId::new(user).map_err(|_| StoreError::Fault("the database holds an invalid user id".into()))?;
        let cell = Cell { at: place.1, value: RawJson::from_parsed(&value), formula: formula.map(Into::into), version };
        stored.insert(place.clone(), StoredCell { cell, user, at: updated_at.0 });
    }
    Ok(stored)
}

/// SQL counts from 1.
fn nth(places: &[Place], ordinal: i64) -> Option<&Place> {
    places.get(usize::try_from(ordinal).ok()?.checked_sub(1)?)
}

/// Creates sheets, in ascending order like on every node, to avoid deadlocks.
struct MakeSheets<'a> {
    ids: Vec<&'a str>,
    rooms: Vec<Id>,
    times: Vec<Moment>,
}

constant_statement!(
    MakeSheets<'_>,
    MakeSheets<'static>,
    "INSERT INTO sheets (id, room_id, updated_at) SELECT id, room_id, updated_at FROM unnest(" ids: Array<Text>,
    ", " rooms: Array<UuidType>,
    ", " times: Array<Timestamptz>,
    ") WITH ORDINALITY AS new (id, room_id, updated_at, place) ORDER BY place ON CONFLICT DO NOTHING",
);

/// The keys of cells, as columns.
fn keys(places: &[Place]) -> (Vec<&str>, Vec<i32>, Vec<i32>) {
    let (rows, columns) = places.iter().map(|(_, at)| indices(*at)).unzip();
    (places.iter().map(|(sheet, _)| sheet.as_str()).collect(), rows, columns)
}

/// The versions of the existing ones of these cells. The inner limit enforces one index lookup per cell, whatever the
/// planner assumes about the table's size.
struct FindVersions<'a> {
    sheets: Vec<&'a str>,
    rows: Vec<i32>,
    columns: Vec<i32>,
}

constant_statement!(
    FindVersions<'_>,
    FindVersions<'static>,
    "SELECT touched.place, cell.version FROM unnest(" sheets: Array<Text>,
    ", " rows: Array<Integer>,
    ", " columns: Array<Integer>,
    ") WITH ORDINALITY AS touched (sheet_id, row_index, column_index, place) CROSS JOIN LATERAL \
     (SELECT version FROM sheet_cells WHERE sheet_cells.sheet_id = touched.sheet_id \
     AND sheet_cells.row_index = touched.row_index AND sheet_cells.column_index = touched.column_index \
     LIMIT 1) AS cell",
);

impl Query for FindVersions<'_> {
    type SqlType = (BigInt, BigInt);
}

/// The same with the full contents: for each update the first cells, up to this many bytes.
struct FindCells<'a> {
    sheets: Vec<&'a str>,
    rows: Vec<i32>,
    columns: Vec<i32>,
    updates: Vec<i64>,
    bytes_full: i64,
}

constant_statement!(
    FindCells<'_>,
    FindCells<'static>,
    "SELECT place, value, formula, version, user_id, updated_at FROM ( \
     SELECT touched.place, cell.value, cell.formula, cell.version, cell.user_id, cell.updated_at, \
     coalesce(sum(octet_length(cell.value) + coalesce(octet_length(cell.formula), 0)) \
     OVER (PARTITION BY touched.sent_back ORDER BY touched.place ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0) \
     AS bytes_before FROM unnest(" sheets: Array<Text>,
    ", " rows: Array<Integer>,
    ", " columns: Array<Integer>,
    ", " updates: Array<BigInt>,
    ") WITH ORDINALITY AS touched (sheet_id, row_index, column_index, sent_back, place) CROSS JOIN LATERAL \
     (SELECT value, formula, version, user_id, updated_at FROM sheet_cells \
     WHERE sheet_cells.sheet_id = touched.sheet_id \
     AND sheet_cells.row_index = touched.row_index AND sheet_cells.column_index = touched.column_index \
     LIMIT 1) AS cell) AS contested WHERE bytes_before < " bytes_full: BigInt,
);

impl Query for FindCells<'_> {
    type SqlType = (BigInt, Text, Nullable<Text>, BigInt, Text, Timestamptz);
}

/// Writes cells and the change times of their sheets.
#[derive(Default)]
struct WriteCells<'a> {
    changed: Vec<&'a str>,
    changed_at: Vec<Moment>,
    sheets: Vec<&'a str>,
    rows: Vec<i32>,
    columns: Vec<i32>,
    values: Vec<&'a str>,
    formulas: Vec<Option<&'a str>>,
    versions: Vec<i64>,
    users: Vec<&'a str>,
    times: Vec<Moment>,
}

constant_statement!(
    WriteCells<'_>,
    WriteCells<'static>,
    "WITH changed AS (UPDATE sheets SET updated_at = sheet.updated_at FROM unnest(" changed: Array<Text>,
    ", " changed_at: Array<Timestamptz>,
    ") AS sheet (id, updated_at) WHERE sheets.id = sheet.id) \
     INSERT INTO sheet_cells (sheet_id, row_index, column_index, value, formula, version, user_id, updated_at) \
     SELECT * FROM unnest(" sheets: Array<Text>,
    ", " rows: Array<Integer>,
    ", " columns: Array<Integer>,
    ", " values: Array<Text>,
    ", " formulas: Array<Nullable<Text>>,
    ", " versions: Array<BigInt>,
    ", " users: Array<Text>,
    ", " times: Array<Timestamptz>,
    ") ON CONFLICT (sheet_id, row_index, column_index) DO UPDATE SET value = excluded.value, \
     formula = excluded.formula, version = excluded.version, user_id = excluded.user_id, \
     updated_at = excluded.updated_at",
);

impl<'a> WriteCells<'a> {
    fn new(batch: &'a Batch, decided: &'a Decided) -> WriteCells<'a> {
        let mut cells = WriteCells::default();
        let mut changed: BTreeMap<&str, Moment> = BTreeMap::new();
        for write in batch.writes(decided) {
            changed.entry(write.sheet).and_modify(|at| *at = write.at.max(*at)).or_insert(write.at);
            cells.sheets.push(write.sheet);
            cells.rows.push(write.row);
            cells.columns.push(write.column);
            cells.values.push(write.value);
            cells.formulas.push(write.formula);
            cells.versions.push(write.version);
            cells.users.push(write.user);
            cells.times.push(write.at);
        }
        (cells.changed, cells.changed_at) = changed.into_iter().unzip();
        cells
    }
}
