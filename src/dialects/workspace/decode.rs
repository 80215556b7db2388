//! Converts the dialect's messages into commands. `wire` declares the messages; this module gives them their meaning
//! and validates what concerns several fields at once. It must never panic, whatever the bytes are.

use std::sync::Arc;

use super::wire::{
    FromClient,
    assistant::{AboutQuestion, AiRequest},
    notifications::SubscribeNotifications,
    rooms::{CursorMove, Typing as WireTyping},
    sheets::{CellUpdate, CellValue, CellWrite, CellsUpdate},
    uploads::{UploadProgress, UploadStart},
};
use crate::{
    core::{
        assistant::Question,
        command::{
            Addressed, AssistantCommand, ChatCommand, Command, NoticeCommand, PresenceCommand, RawJson, Request,
            RoomAddress, RoomCommand, SheetCommand, Tag, Typing, UploadCommand,
        },
        cursor::Cursor,
        notification::{NotificationFilter, Priority},
        sheet::{Cell, check},
        upload::UploadPhase,
    },
    dialects::{
        ClientMessage, Rejection, common,
        input::{Id, NameOrEmpty},
        read::{Message, expected, invalid},
    },
    error::Refusal,
    ids::RoomName,
    limits,
};

/// The section of the protocol reference that lists the messages.
const SECTION: &str = "The workspace dialect";

/// Decodes one message.
pub fn decode(message: ClientMessage<'_>) -> Result<Request, Rejection> {
    let unread = |refusal| Rejection { tag: Tag::default(), refusal };
    let message = Message::parse(message, "type").map_err(unread)?;
    let mut tag = Tag { reference: message.reference().map_err(unread)?, ..Tag::default() };
    let read = message.read("type", SECTION, &mut tag.asked);
    tag.about = question_named(&message, tag.asked);
    message.request(tag, read.and_then(command))
}

/// The client's id for the question to the assistant that a message is about, even if the rest is invalid.
fn question_named(message: &Message<'_>, asked: &str) -> Option<Arc<str>> {
    let about: AboutQuestion = match asked {
        "ai_request" | "ai_cancel" => message.read_fields().ok()?,
        _other => return None,
    };
    Some(about.request_id.0)
}

fn command(message: FromClient<'_>) -> Result<Command, Refusal> {
    match message {
        FromClient::Ping => Ok(Command::Ping),
        FromClient::AuthRefresh(fresh) => Ok(Command::AuthRefresh { token: fresh.token.0 }),
        FromClient::JoinRoom(join) => {
            let resume = common::resume(join.since, join.epoch);
            Ok(Command::Room(RoomCommand::Join { resume, room: RoomAddress::Open(join.room.0) }))
        }
        FromClient::LeaveRoom(leave) => Ok(Command::Room(RoomCommand::Leave { room: RoomAddress::Open(leave.room.0) })),
        FromClient::CursorMove(moved) => Ok(cursor_move(moved)),
        FromClient::TypingStart(typing) => Ok(set_typing(typing, Typing::Started)),
        FromClient::TypingStop(typing) => Ok(set_typing(typing, Typing::Stopped)),
        FromClient::StatusUpdate(update) => {
            Ok(Command::Presence(PresenceCommand::SetStatus { update: update.status.into() }))
        }
        FromClient::CellUpdate(update) => update_cell(update),
        FromClient::CellsUpdate(update) => update_cells(update),
        FromClient::AiRequest(request) => Ok(Command::Assistant(AssistantCommand::Ask(question(request)?))),
        FromClient::AiCancel(cancel) => {
            Ok(Command::Assistant(AssistantCommand::Cancel { request: cancel.request_id.0 }))
        }
        FromClient::SubscribeNotifications(filter) => {
            Ok(Command::Notices(NoticeCommand::Filter(self::filter(filter)?)))
        }
        FromClient::NotificationRead(read) => Ok(Command::Notices(NoticeCommand::Read { id: read.notification_id.0 })),
        FromClient::FileUploadStart(start) => Ok(upload_started(start)),
        FromClient::FileUploadProgress(progress) => upload_progress(progress),
    }
}

// ---- rooms ----

fn named(room: Option<Id<RoomName>>) -> Option<RoomName> {
    room.map(|room| room.0)
}

fn name<const MAX: usize>(name: Option<NameOrEmpty<MAX>>) -> Option<Arc<str>> {
    name.and_then(NameOrEmpty::name)
}

fn cursor_move(moved: CursorMove) -> Command {
    let cursor = Cursor { x: moved.x.0, y: moved.y.0, cell: name(moved.cell) };
    Command::Presence(PresenceCommand::MoveCursor { room: named(moved.room), cursor })
}

fn set_typing(typed: WireTyping, typing: Typing) -> Command {
    let addressed = Addressed::Room { room: named(typed.room) };
    Command::Chat(ChatCommand::SetTyping { addressed, typing, cell: name(typed.cell_id) })
}

// ---- sheets ----

fn update_cell(update: CellUpdate) -> Result<Command, Refusal> {
    let CellUpdate { sheet_id, room, cell_id, value, formula, version } = update;
    let cells = vec![cell(CellWrite { cell_id, value, formula, version })?];
    Ok(Command::Sheet(SheetCommand::UpdateCells { sheet: sheet_id.0, room: named(room), cells }))
}

fn update_cells(update: CellsUpdate) -> Result<Command, Refusal> {
    let cells: Vec<Cell> = update.cells.0.into_iter().map(cell).collect::<Result<_, _>>()?;
    check(&cells).map_err(|bad| invalid(bad.to_string()))?;
    Ok(Command::Sheet(SheetCommand::UpdateCells { sheet: update.sheet_id.0, room: named(update.room), cells }))
}

/// A formula is sufficient. Without one, a cell is cleared by an explicit null, never by a missing value.
fn cell(write: CellWrite) -> Result<Cell, Refusal> {
    let formula = write.formula.map(|formula| formula.0);
    let value = match (write.value.0, &formula) {
        (Some(value), _) => value.0,
        (None, Some(_)) => RawJson::null(),
        (None, None) => return Err(expected("value", "missing", CellValue::EXPECTED)),
    };
    Ok(Cell { at: write.cell_id.0, value, formula, version: write.version.map_or(0, |version| version.0) })
}

// ---- the assistant ----

fn question(request: AiRequest) -> Result<Question, Refusal> {
    let query = request.query.map(|query| query.0).filter(|query| !query.trim().is_empty());
    let query = query.ok_or_else(|| invalid("`query` is missing or empty: it must be a question, a string"))?;
    Ok(Question {
        request: request.request_id.0,
        query,
        sheet: request.sheet_id.map(|sheet| sheet.0),
        table_range: name(request.context.and_then(|context| context.table_range)),
    })
}

// ---- notifications ----

fn filter(wanted: SubscribeNotifications) -> Result<NotificationFilter, Refusal> {
    let priority = |name: &Arc<str>| {
        Priority::from_name(name)
            .ok_or_else(|| invalid("`priorities` may name \"low\", \"normal\", \"high\" and \"critical\""))
    };
    let priorities = wanted.priorities.map(|names| names.0.iter().map(priority).collect::<Result<_, _>>());
    Ok(NotificationFilter {
        categories: wanted.categories.map(|names| names.0),
        modules: wanted.modules.map(|names| names.0),
        priorities: priorities.transpose()?,
    })
}

// ---- uploads ----

fn upload_started(start: UploadStart) -> Command {
    let phase = UploadPhase::Started {
        filename: start.filename.0,
        size_bytes: start.file_size.0.unsigned_abs(),
        mime_type: name(start.mime_type),
    };
    Command::Upload(UploadCommand::Report { file: start.file_id.0, phase })
}

fn upload_progress(progress: UploadProgress<'_>) -> Result<Command, Refusal> {
    let uploaded_bytes = progress.bytes_uploaded.0.unsigned_abs();
    let total_bytes = progress.total_bytes.0.unsigned_abs();
    if uploaded_bytes > total_bytes {
        return Err(invalid("`bytes_uploaded` must not be more than `total_bytes`"));
    }
    // a number that a client can read; otherwise the percentage is computed
    let fits = |text: &str| text.len() <= limits::PERCENTAGE_BYTES_MAX && text.parse().is_ok_and(f64::is_finite);
    let percentage = progress.percentage.filter(|percentage| fits(percentage.0)).map(|percentage| percentage.to_raw());
    let phase = UploadPhase::Progress { uploaded_bytes, total_bytes, percentage };
    Ok(Command::Upload(UploadCommand::Report { file: progress.file_id.0, phase }))
}

#[cfg(test)]
#[path = "decode_tests.rs"]
mod tests;
