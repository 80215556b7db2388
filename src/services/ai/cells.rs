//! The cells that a question is about: whether there is such a sheet, whether the user may read it, and what it holds.

use std::sync::Arc;

use super::provider::{Cells, Fault};
use crate::{
    actors::{messages::AskAssistant, node::Node},
    auth::policy::{Action, Subject, may},
    core::{
        analysis::{Datum, Extent, Value},
        command::RawJson,
        profile::Role,
        sheet::CellRange,
    },
    ids::SheetId,
    limits,
    store::StoreError,
};

/// What the question is about; none if it names no sheet.
pub(super) async fn asked_about(node: &Node, ask: &AskAssistant) -> Result<Option<Cells>, Fault> {
    let Some(sheet) = &ask.question.sheet else { return Ok(None) };
    may_read(node, ask, sheet).await?;
    cells(node, sheet, ask.question.table_range.as_ref()).await.map(Some)
}

/// A sheet is read by whoever may enter the room that it belongs to. Nobody is told that one exists elsewhere.
async fn may_read(node: &Node, ask: &AskAssistant, sheet: &SheetId) -> Result<(), Fault> {
    let hidden = || {
        Fault::no_such_data(
            "There is no sheet of that `sheet_id` that you may read; check the id, or ask for access to its room",
        )
    };
    let room = node.store.sheet_room(sheet).await.map_err(away)?.ok_or_else(hidden)?;
    let open = node.store.open_room(&room, &ask.user.id).await.map_err(away)?.ok_or_else(hidden)?;
    let subject = Subject { user: &ask.user.id, role: Role::User, rooms: ask.confined.as_deref() };
    may(subject, Action::NameRoom { name: &room }).map_err(|_| hidden())?;
    let entry = Action::EnterOpen { visibility: open.visibility, membership: open.membership };
    may(subject, entry).map_err(|_| hidden())
}

fn away(error: StoreError) -> Fault {
    match error {
        StoreError::Unavailable(_) => {
            Fault::unavailable("The database does not answer for the moment; ask again in a few seconds")
        }
        StoreError::Missing | StoreError::Taken(_) | StoreError::Fault(_) => {
            log::error!("event=ai_sheet_unreadable why=\"{error}\"");
            Fault::unavailable("The sheet can't be read, which is a fault of the server; ask again later")
        }
    }
}

async fn cells(node: &Node, sheet: &SheetId, range: Option<&Arc<str>>) -> Result<Cells, Fault> {
    let (range, label) = match range {
        None => (CellRange::WHOLE, "the whole sheet".to_owned()),
        Some(text) => {
            let range: CellRange = text.parse().map_err(|error| {
                Fault::no_such_data(format!(
                    "`context.table_range` says no range: {error}; or leave it out for all cells"
                ))
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

/// What a stored value means; none if the cell is empty.
fn value_of(value: &RawJson) -> Option<Value> {
    match serde_json::from_str(value.as_str()).ok()? {
        serde_json::Value::Null => None,
        serde_json::Value::Bool(value) => Some(Value::Boolean(value)),
        serde_json::Value::Number(number) => number.as_f64().map(Value::Number),
        serde_json::Value::String(text) => (!text.trim().is_empty()).then(|| Value::Text(text.into())),
        // no cell holds one
        serde_json::Value::Array(_) | serde_json::Value::Object(_) => None,
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
        assert_eq!(value("1e999"), None, "too large for a number");
    }
}
