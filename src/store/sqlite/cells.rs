//! Cell updates on SQLite, within the transaction of an append.

use std::collections::{BTreeMap, HashMap, hash_map::Entry};

use diesel::{SqliteConnection, prelude::*, upsert::excluded};

use super::schema::{sheet_cells, sheets};
use crate::{
    core::{
        command::RawJson,
        sheet::{Cell, StoredCell, Versions},
    },
    ids::UserId,
    store::{
        StoreError,
        batch::{Batch, Earlier},
        cell_updates::{Allowance, CellWrite, Homes, Place, Wanted, indices},
        values::{Id, Moment},
    },
};

/// Decides the batch's cell updates and writes the accepted ones.
pub fn write(connection: &mut SqliteConnection, batch: &mut Batch, earlier: &Earlier) -> Result<(), StoreError> {
    let wanted = batch.sheets(earlier);
    if wanted.is_empty() {
        return Ok(());
    }
    let homes = homes(connection, wanted)?;
    let mut versions = Versions::default();
    for (sheet, at) in batch.touched(earlier, &homes) {
        let version = sheet_cells::table
            .find((sheet.as_str(), indices(at).0, indices(at).1))
            .select(sheet_cells::version)
            .get_result::<i64>(connection)
            .optional()?;
        versions.know(&sheet, at, version.unwrap_or_default());
    }
    let mut decided = batch.decide(earlier, versions)?;
    let mut contested = HashMap::new();
    for places in decided.unknown() {
        let mut allowance = Allowance::default();
        for place in places {
            if !allowance.is_left() {
                break;
            }
            let kept = match contested.entry(place.clone()) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(unknown) => unknown.insert(stored(connection, place)?),
            };
            allowance.spend(&kept.cell);
        }
    }
    batch.explain(&mut decided, &contested);
    let mut changed: BTreeMap<&str, Moment> = BTreeMap::new();
    for write in batch.writes(&decided) {
        changed.entry(write.sheet).and_modify(|at| *at = write.at.max(*at)).or_insert(write.at);
        upsert(connection, &write)?;
    }
    for (sheet, at) in changed {
        diesel::update(sheets::table.find(sheet)).set(sheets::updated_at.eq(at)).execute(connection)?;
    }
    Ok(())
}

/// The sheets' rooms; creates missing sheets.
fn homes(connection: &mut SqliteConnection, wanted: Wanted) -> Result<Homes, StoreError> {
    let mut homes = Homes::new();
    for (sheet, new) in wanted {
        let found =
            sheets::table.find(sheet.as_str()).select(sheets::room_id).get_result::<Id>(connection).optional()?;
        if let (None, Some(new)) = (found, new) {
            diesel::insert_into(sheets::table)
                .values((sheets::id.eq(sheet.as_str()), sheets::room_id.eq(new.room), sheets::updated_at.eq(new.at)))
                .execute(connection)?;
        }
        homes.extend(found.or(new.map(|new| new.room)).map(|room| (sheet, room)));
    }
    Ok(homes)
}

fn stored(connection: &mut SqliteConnection, (sheet, at): &Place) -> Result<StoredCell, StoreError> {
    let (value, formula, version, user, updated_at) = sheet_cells::table
        .find((sheet.as_str(), indices(*at).0, indices(*at).1))
        .select((
            sheet_cells::value,
            sheet_cells::formula,
            sheet_cells::version,
            sheet_cells::user_id,
            sheet_cells::updated_at,
        ))
        .get_result::<(String, Option<String>, i64, String, Moment)>(connection)?;
    let user = UserId::new(user).map_err(|_| StoreError::Fault("the database holds an invalid user id".into()))?;
    let cell = Cell { at: *at, value: RawJson::from_parsed(&value), formula: formula.map(Into::into), version };
    Ok(StoredCell { cell, user, at: updated_at.0 })
}

fn upsert(connection: &mut SqliteConnection, write: &CellWrite<'_>) -> Result<(), StoreError> {
    diesel::insert_into(sheet_cells::table)
        .values((
            sheet_cells::sheet_id.eq(write.sheet),
            sheet_cells::row_index.eq(write.row),
            sheet_cells::column_index.eq(write.column),
            sheet_cells::value.eq(write.value),
            sheet_cells::formula.eq(write.formula),
            sheet_cells::version.eq(write.version),
            sheet_cells::user_id.eq(write.user),
            sheet_cells::updated_at.eq(write.at),
        ))
        .on_conflict((sheet_cells::sheet_id, sheet_cells::row_index, sheet_cells::column_index))
        .do_update()
        .set((
            sheet_cells::value.eq(excluded(sheet_cells::value)),
            sheet_cells::formula.eq(excluded(sheet_cells::formula)),
            sheet_cells::version.eq(excluded(sheet_cells::version)),
            sheet_cells::user_id.eq(excluded(sheet_cells::user_id)),
            sheet_cells::updated_at.eq(excluded(sheet_cells::updated_at)),
        ))
        .execute(connection)?;
    Ok(())
}
