//! From the dialect's JSON to requests.

use std::sync::Arc;

use crate::{
    core::{
        assistant::Question,
        command::{
            Addressed, AssistantCommand, ChatCommand, Command, NoticeCommand, PresenceCommand, RawJson, Request,
            Resume, RoomCommand, SheetCommand, Tag, Typing, UploadCommand,
        },
        cursor::{Coordinate, Cursor},
        notification::{NotificationFilter, Priority},
        presence::Status,
        sheet::{Cell, check},
        upload::UploadPhase,
    },
    dialects::{
        ClientMessage, Rejection,
        message::{Message, invalid, unknown_type},
    },
    error::Refusal,
    ids::{Epoch, RoomName, Seq, SheetId},
    limits,
};

const A_ROOM: &str = "the name of a room, a string";
const A_SHEET: &str = "the id of a sheet, a string";
const A_CELL: &str = "a cell such as B2, a string";

/// Every `type` that is understood.
pub const TYPES: [&str; 16] = [
    "ping",
    "auth_refresh",
    "join_room",
    "leave_room",
    "cursor_move",
    "typing_start",
    "typing_stop",
    "status_update",
    "cell_update",
    "cells_update",
    "ai_request",
    "ai_cancel",
    "subscribe_notifications",
    "notification_read",
    "file_upload_start",
    "file_upload_progress",
];

/// Reads one message.
pub fn decode(message: ClientMessage<'_>) -> Result<Request, Rejection> {
    let unread = |refusal| Rejection { tag: Tag::default(), refusal };
    let message = Message::read(message).map_err(unread)?;
    let reference = message.reference().map_err(unread)?;
    let asked = message.text("type", "").ok().and_then(|kind| TYPES.into_iter().find(|name| *name == kind));
    let tag = Tag { reference, asked: asked.unwrap_or_default(), about: question_named(&message, asked) };
    match command(&message) {
        Ok(command) => Ok(Request { tag, command }),
        Err(refusal) => Err(Rejection { tag, refusal }),
    }
}

/// The client's name for the question to the assistant that a message is about, also if the rest can't be understood.
fn question_named(message: &Message<'_>, asked: Option<&str>) -> Option<Arc<str>> {
    let asked = asked.filter(|asked| matches!(*asked, "ai_request" | "ai_cancel"));
    asked.and_then(|_| message.name("request_id", limits::CLIENT_NAME_CHARS_MAX).ok())
}

fn command(message: &Message<'_>) -> Result<Command, Refusal> {
    let kind = message.text("type", "a string that names the kind of message")?;
    // what is not in the list, from which the AsyncAPI document is checked, is not understood
    if !TYPES.contains(&&*kind) {
        return Err(unknown_type(&kind, "The workspace dialect"));
    }
    match &*kind {
        "ping" => Ok(Command::Ping),
        "auth_refresh" => {
            let token = message.text("token", "a fresh access token, a string")?;
            Ok(Command::AuthRefresh { token: token.into_owned() })
        }
        "join_room" => Ok(Command::Room(RoomCommand::Join { room: named_room(message)?, resume: resume(message)? })),
        "leave_room" => Ok(Command::Room(RoomCommand::Leave { room: named_room(message)? })),
        "cursor_move" => {
            Ok(Command::Presence(PresenceCommand::MoveCursor { room: room(message)?, cursor: cursor(message)? }))
        }
        "typing_start" => typing(message, Typing::Started),
        "typing_stop" => typing(message, Typing::Stopped),
        "status_update" => Ok(Command::Presence(PresenceCommand::SetStatus { status: status(message)? })),
        "cell_update" => update_cell(message),
        "cells_update" => update_cells(message),
        "ai_request" => Ok(Command::Assistant(AssistantCommand::Ask(question(message)?))),
        "ai_cancel" => Ok(Command::Assistant(AssistantCommand::Cancel {
            request: message.name("request_id", limits::CLIENT_NAME_CHARS_MAX)?,
        })),
        "subscribe_notifications" => Ok(Command::Notices(NoticeCommand::Filter(filter(message)?))),
        "notification_read" => Ok(Command::Notices(NoticeCommand::Read {
            id: message.name("notification_id", limits::CLIENT_NAME_CHARS_MAX)?,
        })),
        "file_upload_start" => upload(message, upload_started(message)?),
        "file_upload_progress" => upload(message, upload_progress(message)?),
        unknown => Err(unknown_type(unknown, "The workspace dialect")),
    }
}

// ---- rooms ----

/// `room`, `room_id` or `conversation_id`, as it is called in different messages and dialects.
fn room(message: &Message<'_>) -> Result<Option<RoomName>, Refusal> {
    let mut room = message.optional_parsed("room", A_ROOM)?;
    for another_name in ["room_id", "conversation_id"] {
        if room.is_none() {
            room = message.optional_parsed(another_name, A_ROOM)?;
        }
    }
    Ok(room)
}

/// The same, required.
fn named_room(message: &Message<'_>) -> Result<RoomName, Refusal> {
    match room(message)? {
        Some(room) => Ok(room),
        None => message.parsed("room_id", A_ROOM),
    }
}

/// `since`, and `epoch`, opaque to clients: one that is not ours is another epoch, not a mistake.
fn resume(message: &Message<'_>) -> Result<Option<Resume>, Refusal> {
    let Some(since) = message.optional_count("since")? else { return Ok(None) };
    let epoch = message.raw("epoch")?.map(|epoch| {
        let digits = epoch.as_str().trim_matches('"');
        digits.parse().map_or(Epoch::NONE, Epoch)
    });
    Ok(Some(Resume { since: Seq(since), epoch }))
}

fn cursor(message: &Message<'_>) -> Result<Cursor, Refusal> {
    let coordinate = |name| {
        let number = message.number(name)?;
        Coordinate::new(number).ok_or_else(|| invalid(format!("`{name}` must be a finite number")))
    };
    let cell = message.optional_name("cell", limits::CURSOR_CELL_CHARS_MAX)?;
    Ok(Cursor { x: coordinate("x")?, y: coordinate("y")?, cell })
}

fn typing(message: &Message<'_>, typing: Typing) -> Result<Command, Refusal> {
    let cell = message.optional_name("cell_id", limits::CURSOR_CELL_CHARS_MAX)?;
    Ok(Command::Chat(ChatCommand::SetTyping { addressed: Addressed::Room { room: room(message)? }, typing, cell }))
}

fn status(message: &Message<'_>) -> Result<Status, Refusal> {
    const ONE_OF: &str = "\"online\", \"away\" or \"busy\"";
    match &*message.text("status", ONE_OF)? {
        "online" => Ok(Status::Online),
        "away" => Ok(Status::Away),
        "busy" => Ok(Status::Busy),
        _other => Err(invalid(format!("`status` must be {ONE_OF}"))),
    }
}

// ---- sheets ----

fn update_cell(message: &Message<'_>) -> Result<Command, Refusal> {
    let sheet: SheetId = message.parsed("sheet_id", A_SHEET)?;
    Ok(Command::Sheet(SheetCommand::UpdateCells { sheet, room: room(message)?, cells: vec![cell(message)?] }))
}

fn update_cells(message: &Message<'_>) -> Result<Command, Refusal> {
    let sheet: SheetId = message.parsed("sheet_id", A_SHEET)?;
    let cells = message.objects("cells", limits::CELLS_PER_UPDATE_MAX)?;
    let cells: Vec<Cell> = cells.iter().map(cell).collect::<Result<_, _>>()?;
    check(&cells).map_err(|bad| invalid(bad.to_string()))?;
    Ok(Command::Sheet(SheetCommand::UpdateCells { sheet, room: room(message)?, cells }))
}

/// A formula says enough; without one a cell is cleared by an explicit null, never by a value that was forgotten.
fn cell(message: &Message<'_>) -> Result<Cell, Refusal> {
    let at = message.parsed("cell_id", A_CELL)?;
    let formula = message.optional_prose("formula", limits::FORMULA_CHARS_MAX)?;
    let value = match &formula {
        Some(_) => message.optional_scalar("value", limits::CELL_TEXT_CHARS_MAX)?.unwrap_or_else(RawJson::null),
        None => message.scalar("value", limits::CELL_TEXT_CHARS_MAX)?,
    };
    Ok(Cell { at, value, formula, version: message.optional_count("version")?.unwrap_or(0) })
}

// ---- the assistant ----

fn question(message: &Message<'_>) -> Result<Question, Refusal> {
    let request = message.name("request_id", limits::CLIENT_NAME_CHARS_MAX)?;
    let query = message.optional_prose("query", limits::QUESTION_CHARS_MAX)?;
    let query = query.filter(|query| !query.trim().is_empty());
    let query = query.ok_or_else(|| invalid("`query` is missing or empty: it must be a question, a string"))?;
    let sheet = message.optional_parsed("sheet_id", A_SHEET)?;
    let table_range = match message.optional_object("context")? {
        None => None,
        Some(context) => context.optional_name("table_range", limits::CURSOR_CELL_CHARS_MAX)?,
    };
    Ok(Question { request, query, sheet, table_range })
}

// ---- notifications ----

fn filter(message: &Message<'_>) -> Result<NotificationFilter, Refusal> {
    let names = |name| message.optional_names(name, limits::FILTER_NAMES_MAX, limits::FILTER_NAME_CHARS_MAX);
    let priorities = names("priorities")?.map(|names| {
        let priority = |name: &Arc<str>| {
            Priority::from_name(name)
                .ok_or_else(|| invalid("`priorities` may name \"low\", \"normal\", \"high\" and \"critical\""))
        };
        names.iter().map(priority).collect::<Result<_, _>>()
    });
    Ok(NotificationFilter {
        categories: names("categories")?,
        modules: names("modules")?,
        priorities: priorities.transpose()?,
    })
}

// ---- uploads ----

fn upload(message: &Message<'_>, phase: UploadPhase) -> Result<Command, Refusal> {
    Ok(Command::Upload(UploadCommand::Report { file: message.name("file_id", limits::CLIENT_NAME_CHARS_MAX)?, phase }))
}

fn upload_started(message: &Message<'_>) -> Result<UploadPhase, Refusal> {
    Ok(UploadPhase::Started {
        filename: message.name("filename", limits::FILE_NAME_CHARS_MAX)?,
        size_bytes: message.count("file_size")?.unsigned_abs(),
        mime_type: message.optional_name("mime_type", limits::FILE_NAME_CHARS_MAX)?,
    })
}

fn upload_progress(message: &Message<'_>) -> Result<UploadPhase, Refusal> {
    let uploaded_bytes = message.count("bytes_uploaded")?.unsigned_abs();
    let total_bytes = message.count("total_bytes")?.unsigned_abs();
    if uploaded_bytes > total_bytes {
        return Err(invalid("`bytes_uploaded` must not be more than `total_bytes`"));
    }
    // a number that a client can read, or else it is computed
    let fits = |text: &str| text.len() <= limits::PERCENTAGE_BYTES_MAX && text.parse().is_ok_and(f64::is_finite);
    let percentage = message.raw("percentage")?.filter(|percentage| fits(percentage.as_str()));
    Ok(UploadPhase::Progress { uploaded_bytes, total_bytes, percentage })
}

#[cfg(test)]
#[path = "decode_tests.rs"]
mod tests;
