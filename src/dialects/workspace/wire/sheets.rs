//! Shared sheets: updates by clients, updates sent to everybody, and conflicts.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{
    core::sheet::{self, CellConflict, CellRef},
    dialects::{
        common::{ErrorMessage, User},
        input::{Count, Id, Objects, Prose, Scalar, UnlessAbsent},
        output::{Each, Moment, RelayedScalar},
    },
    ids::{ClientMessageId, EventId, RoomName, Seq, SheetId, UserId},
    limits,
};

/// Any JSON scalar.
pub type CellValue = Scalar<{ limits::CELL_TEXT_CHARS_MAX }>;
type Formula = Prose<{ limits::FORMULA_CHARS_MAX }>;

// ---- from clients ----

/// A client's update of a cell: a value, a formula, or both.
#[derive(Deserialize, JsonSchema)]
#[schemars(extend("anyOf" = json!([
    {"required": ["value"]},
    {"required": ["formula"], "properties": {"formula": {"type": "string"}}},
])))]
pub struct CellWrite {
    pub cell_id: Id<CellRef>,
    /// Any JSON scalar; null clears the cell.
    #[serde(default)]
    pub value: UnlessAbsent<CellValue>,
    /// Stored unchanged, never evaluated.
    #[schemars(example = &"=SUM(A1:A3)")]
    pub formula: Option<Formula>,
    /// The version that the client saw last; absent or 0 overwrites any version.
    pub version: Option<Count>,
}

#[derive(Deserialize, JsonSchema)]
#[schemars(extend("anyOf" = json!([
    {"required": ["value"]},
    {"required": ["formula"], "properties": {"formula": {"type": "string"}}},
])))]
pub struct CellUpdate {
    pub sheet_id: Id<SheetId>,
    /// The room; if absent, the one joined last. The names `room_id` and `conversation_id` are accepted as well.
    #[serde(rename = "room|room_id|conversation_id")]
    #[schemars(rename = "room")]
    pub room: Option<Id<RoomName>>,
    pub cell_id: Id<CellRef>,
    /// Any JSON scalar; null clears the cell.
    #[serde(default)]
    pub value: UnlessAbsent<CellValue>,
    /// Stored unchanged, never evaluated.
    #[schemars(example = &"=SUM(A1:A3)")]
    pub formula: Option<Formula>,
    /// The version that the client saw last; absent or 0 overwrites any version.
    pub version: Option<Count>,
}

#[derive(Deserialize, JsonSchema)]
pub struct CellsUpdate {
    pub sheet_id: Id<SheetId>,
    /// The room; if absent, the one joined last. The names `room_id` and `conversation_id` are accepted as well.
    #[serde(rename = "room|room_id|conversation_id")]
    #[schemars(rename = "room")]
    pub room: Option<Id<RoomName>>,
    /// Each cell once.
    pub cells: Objects<CellWrite, 1, { limits::CELLS_PER_UPDATE_MAX }>,
}

// ---- from the server ----

/// The state of a cell.
#[derive(Serialize, JsonSchema)]
pub struct Cell<'a> {
    pub cell_id: CellRef,
    #[serde(flatten)]
    pub held: Held<'a>,
}

impl<'a> From<&'a sheet::Cell> for Cell<'a> {
    fn from(cell: &'a sheet::Cell) -> Cell<'a> {
        Cell { cell_id: cell.at, held: cell.into() }
    }
}

/// The content of a cell.
#[derive(Serialize, JsonSchema)]
pub struct Held<'a> {
    /// Any JSON scalar; null for an empty cell.
    pub value: RelayedScalar<'a>,
    /// Stored unchanged, never evaluated.
    #[schemars(length(max = limits::FORMULA_CHARS_MAX), example = &"=SUM(A1:A3)")]
    pub formula: Option<&'a str>,
    #[schemars(range(min = 0))]
    pub version: i64,
}

impl<'a> From<&'a sheet::Cell> for Held<'a> {
    fn from(cell: &'a sheet::Cell) -> Held<'a> {
        Held { value: (&cell.value).into(), formula: cell.formula.as_deref(), version: cell.version }
    }
}

/// The author of a change, and its place in the room.
#[derive(Serialize, JsonSchema)]
pub struct Change<'a> {
    #[serde(flatten)]
    pub user: User<'a>,
    pub room_id: &'a RoomName,
    pub id: EventId,
    pub seq: Seq,
    pub timestamp: Moment,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_message_id: Option<&'a ClientMessageId>,
}

#[derive(Serialize, JsonSchema)]
pub struct CellUpdated<'a> {
    pub sheet_id: &'a SheetId,
    #[serde(flatten)]
    pub cell: Cell<'a>,
    #[serde(flatten)]
    pub change: Change<'a>,
}

#[derive(Serialize, JsonSchema)]
pub struct CellsUpdated<'a> {
    pub sheet_id: &'a SheetId,
    #[schemars(length(max = limits::CELLS_PER_UPDATE_MAX))]
    pub cells: Each<'a, sheet::Cell, Cell<'a>>,
    #[serde(flatten)]
    pub change: Change<'a>,
}

// ---- errors ----

/// A refusal, with details of a version conflict, or of a question to the assistant.
#[derive(Serialize, JsonSchema)]
pub struct WorkspaceError<'a> {
    #[serde(flatten)]
    pub error: ErrorMessage<'a>,
    /// With VERSION_CONFLICT.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sheet_id: Option<&'a SheetId>,
    /// With VERSION_CONFLICT: the first conflicting cell.
    #[serde(flatten)]
    pub first: Option<FirstConflict<'a>>,
    /// With VERSION_CONFLICT: all conflicting cells, if there are several.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = limits::CELLS_PER_UPDATE_MAX))]
    pub conflicts: Option<Each<'a, CellConflict, Conflict<'a>>>,
    /// The id of the `ai_request` or `ai_cancel` that was refused.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = limits::CLIENT_NAME_CHARS_MAX), example = &"req_123")]
    pub request_id: Option<&'a str>,
}

impl<'a> From<ErrorMessage<'a>> for WorkspaceError<'a> {
    fn from(error: ErrorMessage<'a>) -> WorkspaceError<'a> {
        WorkspaceError { error, sheet_id: None, first: None, conflicts: None, request_id: None }
    }
}

/// The first cell that was changed by somebody else; always with its content.
#[derive(Serialize, JsonSchema)]
pub struct FirstConflict<'a> {
    pub cell_id: CellRef,
    /// The current state of the cell.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub current: Option<Current<'a>>,
}

impl<'a> From<&'a CellConflict> for FirstConflict<'a> {
    fn from(conflict: &'a CellConflict) -> FirstConflict<'a> {
        let Conflict { cell_id, current, .. } = conflict.into();
        FirstConflict { cell_id, current }
    }
}

/// A cell that was changed by somebody else in the meantime.
#[derive(Serialize, JsonSchema)]
pub struct Conflict<'a> {
    pub cell_id: CellRef,
    /// The current state of the cell.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub current: Option<Current<'a>>,
    /// Instead of `current`, if there are too many conflicts to show.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0))]
    pub version: Option<i64>,
}

#[derive(Serialize, JsonSchema)]
pub struct Current<'a> {
    #[serde(flatten)]
    pub held: Held<'a>,
    pub user_id: &'a UserId,
}

impl<'a> From<&'a CellConflict> for Conflict<'a> {
    fn from(conflict: &'a CellConflict) -> Conflict<'a> {
        match conflict {
            CellConflict::Shown { current, user } => {
                let shown = Current { held: current.into(), user_id: user };
                Conflict { cell_id: current.at, current: Some(shown), version: None }
            }
            CellConflict::Named { at, version } => Conflict { cell_id: *at, current: None, version: Some(*version) },
        }
    }
}
