//! Loads the cells that a question is about. Checks that the sheet exists and that the user may read it; the error must
//! be the same in both cases, so that it does not reveal sheets of other rooms.

use std::sync::Arc;

use super::provider::{Cells, Fault};
use crate::{
    actors::{messages::AskAssistant, node::Node},
    auth::policy::{Action, Subject, may},
    core::{
        analysis::{Datum, Extent, Value, finite},
        command::RawJson,
        profile::Role,
        sheet::CellRange,
    },
    ids::SheetId,
    limits,
    store::{RoomRef, StoreError},
};

/// The cells that the question is about. None if it names no sheet.
pub(super) async fn asked_about(node: &Node, ask: &AskAssistant) -> Result<Option<Cells>, Fault> {
    let Some(sheet) = &ask.question.sheet else { return Ok(None) };
    may_read(node, ask, sheet).await?;
    cells(node, sheet, ask.question.table_range.as_ref()).await.map(Some)
}

/// A user may read a sheet if they may enter its room. Otherwise the error does not reveal whether the sheet exists.
async fn may_read(node: &Node, ask: &AskAssistant, sheet: &SheetId) -> Result<(), Fault> {
    let hidden = || {
        Fault::no_such_data(
            "There is no sheet with this `sheet_id` that you may read; check the id, or ask for access to its room",
        )
    };
    let room = node.store.sheet_room(sheet).await.map_err(away)?.ok_or_else(hidden)?;
    let at = RoomRef::Open(room);
    let access = node.store.access(&at, &ask.user.id).await.map_err(away)?.ok_or_else(hidden)?;
    let subject = Subject { user: &ask.user.id, role: Role::User, rooms: ask.confined.as_deref() };
    node.refuse_banned(subject.user, access.identity.id).map_err(|_| hidden())?;
    may(subject, Action::Enter { room: &access.identity, right: access.right }).map_err(|_| hidden())
}

fn away(error: StoreError) -> Fault {
    match error {
        StoreError::Unavailable(_) => {
            Fault::unavailable("The database does not respond at the moment; ask again in a few seconds")
        }
        StoreError::Missing | StoreError::Taken(_) | StoreError::Fault(_) => {
            log::error!("event=ai_sheet_unreadable why=\"{error}\"");
            Fault::unavailable("The sheet can't be read because of a server error; ask again later")
        }
    }
}

async fn cells(node: &Node, sheet: &SheetId, range: Option<&Arc<str>>) -> Result<Cells, Fault> {
    let (range, label) = match range {
        None => (CellRange::WHOLE, "the whole sheet".to_owned()),
        Some(text) => {
            let range: CellRange = text.parse().map_err(|error| {
                Fault::no_such_data(format!("`context.table_range` is not a range: {error}; or omit it for all cells"))
            })?;
            (range, range.to_string())
        }
    };
    let (mut data, mut after) = (Vec::new(), None);
    loop {
        let page = node.store.cells(sheet, range, after, limits::CELLS_AT_ONCE).await.map_err(away)?;
        let is_last = page.len() < limits::CELLS_AT_ONCE;
        after = page.last().map(|stored| stored.cell.at);
        for stored in page {
            let Some(value) = value_of(&stored.cell.value) else { continue };
            if data.len() == limits::ASSISTANT_CELLS_MAX {
                return Ok(Cells { range: label, data, extent: Extent::CutOff });
            }
            data.push(Datum { at: stored.cell.at, value });
        }
        if is_last {
            return Ok(Cells { range: label, data, extent: Extent::Whole });
        }
    }
}

/// The value of a stored cell. None if the cell is empty. Numbers are parsed from their text, because whether the JSON
/// parser rounds them correctly depends on its build features.
fn value_of(value: &RawJson) -> Option<Value> {
    let text = value.as_str().trim();
    match text.as_bytes().first()? {
        b'n' => None,
        b't' => Some(Value::Boolean(true)),
        b'f' => Some(Value::Boolean(false)),
        b'"' => {
            let text: String = serde_json::from_str(text).ok()?;
            (!text.trim().is_empty()).then(|| Value::Text(text.into()))
        }
        // No cell contains an array or an object.
        b'[' | b'{' => None,
        _digit => {
            let number = text.parse().ok().and_then(finite);
            Some(number.map_or_else(|| Value::Text(text.into()), Value::Number))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stored_scalars_are_understood() {
        let value = |text| value_of(&RawJson::from_parsed(text));
        assert_eq!(value("null"), None);
        assert_eq!(value("\" \""), None);
        assert_eq!(value("1.50"), Some(Value::Number(1.5)));
        assert_eq!(value("12345678901234567890"), Some(Value::Number(1.234_567_890_123_456_8e19)));
        assert_eq!(value("true"), Some(Value::Boolean(true)));
        assert_eq!(value("\"a\\nb\""), Some(Value::Text("a\nb".into())));
        assert_eq!(value("1e999"), Some(Value::Text("1e999".into())), "too large for a number");
        assert_eq!(value("false"), Some(Value::Boolean(false)));
        assert_eq!(value("[1]"), None);
        // A JSON parser without exact rounding would be off by one unit in the last place here.
        for text in ["-0.35000000000000003", "1.7976931348623157e308", "6.0221407600000001e23", "5e-324", "-0"] {
            assert_eq!(value(text), Some(Value::Number(text.parse().unwrap())), "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn numbers_are_read_as_they_are_written(number in proptest::num::f64::NORMAL) {
            let text = RawJson::from_parsed(&serde_json::to_string(&number).unwrap());
            proptest::prop_assert_eq!(value_of(&text), Some(Value::Number(number)));
        }
    }
}
