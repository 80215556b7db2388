//! From events and replies to the dialect's JSON. Written straight into the frame: an event is encoded once, whatever the
//! number of its receivers. Every match is exhaustive, so that a new event asks here for its form.

use crate::{
    core::{
        assistant::{AnswerFault, AnswerNews, AnswerPhase},
        command::{Tag, Typing},
        cursor::{Cursor, Pointed},
        event::{
            Attendance, Attendee, ChatEphemeral, CursorsMoved, Durable, Entered, Ephemeral, Event, EventBody,
            PresenceEphemeral, Reply, RoomEphemeral, RoomIdentity, RoomScope, SheetDurable, UploadEphemeral,
        },
        notification::Notification,
        personal::Personal,
        presence::Status,
        profile::Author,
        sheet::{Cell, CellConflict},
        upload::{Upload, UploadEnd, UploadPhase},
    },
    dialects::{
        Encoded,
        flat::{self, with_reference, with_user},
        json::Object,
        workspace::announced,
    },
    error::ErrorCode,
    ids::{EventId, NotificationId, RoomName, Seq, SheetId, Timestamp, UserId},
};

/// Appends what everybody in the room is told. An object writes nothing before its first field, so what has no form
/// leaves nothing behind.
pub fn event(event: &Event, out: &mut Vec<u8>) -> Encoded {
    let RoomScope::Open { name: room } = &event.room.scope else { return Encoded::Nothing };
    if let EventBody::Ephemeral(Ephemeral::Room(RoomEphemeral::Announced { data })) = &event.body {
        return announced::write(data, Some(room), event.at, out);
    }
    let object = Object::begin(out);
    match &event.body {
        EventBody::Durable { seq, id, what } => match what {
            Durable::Sheet(SheetDurable::CellsUpdated { sheet, author, cells }) => {
                cells_updated(object, event, (*seq, *id), sheet, author, cells)
            }
            // no chat here
            Durable::Chat(_) => return Encoded::Nothing,
        },
        EventBody::Ephemeral(what) => match what {
            Ephemeral::Chat(ChatEphemeral::Typing { user, typing, cell }) => {
                let object = object.text(
                    "type",
                    match typing {
                        Typing::Started => "user_typing_start",
                        Typing::Stopped => "user_typing_stop",
                    },
                );
                let object =
                    with_user(object, user).maybe(cell.as_deref(), |object, cell| object.text("cell_id", cell));
                object.text("room", room.as_str())
            }
            Ephemeral::Presence(PresenceEphemeral::CursorsMoved(moved)) => cursors_moved(object, room, moved),
            Ephemeral::Presence(PresenceEphemeral::StatusChanged { user, status }) => {
                let object = with_user(object.text("type", "user_status_changed"), user);
                object.text("status", status_name(*status)).text("room", room.as_str())
            }
            Ephemeral::Presence(PresenceEphemeral::Attended(attendance)) => room_state(object, room, attendance),
            Ephemeral::Upload(UploadEphemeral::Reported { user, upload }) => {
                self::upload(object, upload).text("username", &user.username).text("room", room.as_str())
            }
            // told only in rooms that are too large for their whole state each time
            Ephemeral::Presence(PresenceEphemeral::UserJoined { user }) => {
                with_email(with_user(object.text("type", "user_joined"), user), user).text("room", room.as_str())
            }
            Ephemeral::Presence(PresenceEphemeral::UserLeft { user }) => {
                with_user(object.text("type", "user_left"), user).text("room", room.as_str())
            }
            Ephemeral::Call(_) | Ephemeral::Room(RoomEphemeral::Announced { .. }) => return Encoded::Nothing,
        },
    }
    .end();
    Encoded::Text
}

/// Appends what one socket is told.
pub fn reply(reply: &Reply, at: Timestamp, out: &mut Vec<u8>) -> Encoded {
    if let Reply::Notice { data, at } = reply {
        return announced::write(data, None, *at, out);
    }
    let object = Object::begin(out);
    match reply {
        Reply::Pong { tag } => flat::pong(object, tag, at),
        Reply::Ack { tag, id, seq } => flat::ack(object, tag, Some((*id, *seq))),
        Reply::Done { tag } => flat::ack(object, tag, None),
        Reply::AuthRefreshed { tag, expires_at } => flat::auth_refreshed(object, tag, *expires_at),
        Reply::VersionConflict { tag, sheet, conflicts } => version_conflict(object, tag, sheet, conflicts, at),
        Reply::Error { tag, refusal } => flat::error(object, tag, refusal, at)
            .maybe(tag.about.as_deref(), |object, request| object.text("request_id", request)),
        Reply::Entered(entered) => match (entered.room.scope.name(), &entered.attendance) {
            (Some(room), Some(attendance)) => first_word(object, entered, room, attendance),
            (None, _) | (_, None) => return Encoded::Nothing,
        },
        Reply::Recovered { room, seq, complete } => {
            with_room(object.text("type", "recovered"), room).integer("seq", seq.0).boolean("complete", *complete)
        }
        Reply::Personal(news) => personal(object, news),
        Reply::Restarting { reconnect_in_ms } => flat::restarting(object, *reconnect_in_ms, at),
        Reply::Notice { .. } => return Encoded::Nothing,
    }
    .end();
    Encoded::Text
}

// ---- rooms ----

/// What a newcomer learns first.
fn first_word<'a>(object: Object<'a>, entered: &Entered, room: &RoomName, attendance: &Attendance) -> Object<'a> {
    with_place(room_state(object, room, attendance), entered)
}

/// The same without its members. Answers how many bytes of it come before them.
pub fn entered(entered: &Entered, out: &mut Vec<u8>) -> Option<usize> {
    let (room, attendance) = (entered.room.scope.name()?, entered.attendance.as_ref()?);
    let start = out.len();
    let object = Object::begin(out).text("type", "room_state").text("room_id", room.as_str());
    let (object, place) = object.gap("users");
    with_place(with_activity(object, attendance), entered).end();
    Some(place - start)
}

/// Appends members, each after a comma.
pub fn members(room: &RoomIdentity, members: &[Attendee], out: &mut Vec<u8>) {
    let Some(name) = room.scope.name() else { return };
    for attendee in members {
        out.push(b',');
        member(Object::begin(out), name, attendee).end();
    }
}

fn with_place<'a>(object: Object<'a>, entered: &Entered) -> Object<'a> {
    object
        .maybe(entered.tag.reference.as_ref(), with_reference)
        .integer("seq", entered.seq.0)
        .integer("epoch", entered.epoch.0)
        .text("connection_id", &entered.connection)
}

fn room_state<'a>(object: Object<'a>, room: &RoomName, attendance: &Attendance) -> Object<'a> {
    let object = object.text("type", "room_state").text("room_id", room.as_str()).objects(
        "users",
        &attendance.users,
        |object, attendee| member(object, room, attendee),
    );
    with_activity(object, attendance)
}

/// What goes on, and how many there are. Whether more than are listed is said only where there are: most clients never see
/// it.
fn with_activity<'a>(object: Object<'a>, attendance: &Attendance) -> Object<'a> {
    let object = object
        .texts("active_sheets", attendance.active_sheets.iter().map(SheetId::as_str))
        .integer("total_users", i64::try_from(attendance.total).unwrap_or(i64::MAX));
    object.maybe(attendance.is_cut().then_some(true), |object, cut| object.boolean("truncated", cut))
}

fn with_email<'a>(object: Object<'a>, user: &Author) -> Object<'a> {
    match &user.email {
        Some(email) => object.text("email", email),
        None => object.null("email"),
    }
}

fn member<'a>(object: Object<'a>, room: &RoomName, attendee: &Attendee) -> Object<'a> {
    let Attendee { user, status, cursor, last_seen } = attendee;
    let object = with_email(with_user(object, user), user);
    let object = object.text("room", room.as_str()).text("status", status_name(*status));
    let object = match cursor {
        Some(cursor) => object.object("cursor", |object| self::cursor(object, cursor)),
        None => object.null("cursor"),
    };
    object.plain("last_seen", last_seen)
}

/// Clients of old know of one cursor a frame: it is that of `first`. `cursors` has everybody who moved.
fn cursors_moved<'a>(object: Object<'a>, room: &RoomName, moved: &CursorsMoved) -> Object<'a> {
    let object = pointed(object.text("type", "cursor_moved"), &moved.first).text("room", room.as_str());
    match moved.moved.as_slice() {
        [] => object,
        moved => object.objects("cursors", moved, pointed),
    }
}

fn pointed<'a>(object: Object<'a>, pointed: &Pointed) -> Object<'a> {
    with_user(object, &pointed.user).object("cursor", |object| cursor(object, &pointed.cursor))
}

fn cursor<'a>(object: Object<'a>, cursor: &Cursor) -> Object<'a> {
    let object = object.bare("x", cursor.x).bare("y", cursor.y);
    object.maybe(cursor.cell.as_deref(), |object, cell| object.text("cell", cell))
}

const fn status_name(status: Status) -> &'static str {
    match status {
        Status::Online => "online",
        Status::Away => "away",
        Status::Busy => "busy",
    }
}

// ---- sheets ----

/// One cell by itself, or several in a list.
fn cells_updated<'a>(
    object: Object<'a>,
    event: &Event,
    (seq, id): (Seq, EventId),
    sheet: &SheetId,
    author: &Author,
    cells: &[Cell],
) -> Object<'a> {
    let object = match cells {
        [only] => {
            let object = object.text("type", "cell_updated").text("sheet_id", sheet.as_str());
            with_user(cell(object, only), author)
        }
        several => {
            let object = object.text("type", "cells_updated").text("sheet_id", sheet.as_str());
            with_user(object.objects("cells", several, cell), author)
        }
    };
    with_room(object, &event.room).plain("id", id).integer("seq", seq.0).plain("timestamp", event.at)
}

fn cell<'a>(object: Object<'a>, cell: &Cell) -> Object<'a> {
    held(object.plain("cell_id", cell.at).raw("value", &cell.value), cell)
}

fn held<'a>(object: Object<'a>, cell: &Cell) -> Object<'a> {
    let object = match &cell.formula {
        Some(formula) => object.text("formula", formula),
        None => object.null("formula"),
    };
    object.integer("version", cell.version)
}

/// The first cell by itself, and all of them in a list if there are several.
fn version_conflict<'a>(
    object: Object<'a>,
    tag: &Tag,
    sheet: &SheetId,
    conflicts: &[CellConflict],
    at: Timestamp,
) -> Object<'a> {
    let object = object
        .text("type", "error")
        .maybe(tag.reference.as_ref(), with_reference)
        .text("error", "Somebody else changed this first; look at `current`, and send it again with its version")
        .text("code", ErrorCode::VersionConflict.name())
        .text("sheet_id", sheet.as_str());
    let object = object.maybe(conflicts.first(), contested);
    let object = match conflicts {
        [] | [_] => object,
        several => object.objects("conflicts", several, contested),
    };
    object.plain("timestamp", at)
}

fn contested<'a>(object: Object<'a>, conflict: &CellConflict) -> Object<'a> {
    let object = object.plain("cell_id", conflict.at());
    match conflict {
        CellConflict::Shown { current, user } => object.object("current", |object| {
            held(object.raw("value", &current.value), current).text("user_id", user.as_str())
        }),
        CellConflict::Named { version, .. } => object.integer("version", *version),
    }
}

// ---- news for a user ----

fn personal<'a>(object: Object<'a>, news: &Personal) -> Object<'a> {
    match news {
        Personal::Notified { user, notification } => notified(object, "notification_created", user, notification),
        Personal::NotificationUpdated { user, notification } => {
            notified(object, "notification_updated", user, notification)
        }
        Personal::NotificationRead { user, id } => notification_gone(object, "notification_read", user, *id),
        Personal::NotificationDeleted { user, id } => notification_gone(object, "notification_deleted", user, *id),
        Personal::AllNotificationsRead { user } => object
            .text("type", "notification_event")
            .text("event_type", "all_notifications_read")
            .text("user_id", user.as_str()),
        Personal::Answer(answer) => self::answer(object, answer),
        Personal::Upload(upload) => self::upload(object, upload),
    }
}

fn notification_gone<'a>(object: Object<'a>, event: &str, user: &UserId, id: NotificationId) -> Object<'a> {
    object
        .text("type", "notification_event")
        .text("event_type", event)
        .object("notification", |object| object.plain("id", id))
        .plain("notification_id", id)
        .text("user_id", user.as_str())
}

fn notified<'a>(object: Object<'a>, event: &str, user: &UserId, notification: &Notification) -> Object<'a> {
    object
        .text("type", "notification_event")
        .text("event_type", event)
        .object("notification", |object| flat::notification(object, notification))
        .text("user_id", user.as_str())
}

fn answer<'a>(object: Object<'a>, news: &AnswerNews) -> Object<'a> {
    let name = match news.phase {
        AnswerPhase::Started { .. } => "ai_start",
        AnswerPhase::Progress { .. } => "ai_progress",
        AnswerPhase::Complete { .. } => "ai_complete",
        AnswerPhase::Failed { .. } => "ai_error",
    };
    object
        .text("type", "ai_event")
        .text("event_type", name)
        .text("request_id", &news.request)
        .text("user_id", news.user.as_str())
        .object("data", |object| answer_data(object, &news.phase))
}

fn answer_data<'a>(object: Object<'a>, phase: &AnswerPhase) -> Object<'a> {
    match phase {
        AnswerPhase::Started { query, sheet } => {
            let object = object.text("query", query);
            object.maybe(sheet.as_ref(), |object, sheet| object.text("sheet_id", sheet.as_str()))
        }
        AnswerPhase::Progress { percent, status, delta } => {
            let object = object.integer("progress", i64::from(*percent)).text("status", status);
            object.maybe(delta.as_deref(), |object, delta| object.text("delta", delta))
        }
        AnswerPhase::Complete { result, findings, processing_time_ms } => object
            .text("result", result)
            .maybe(findings.as_ref(), |object, findings| object.raw("findings", findings))
            .bare("processing_time", format_args!("{}.{:03}", processing_time_ms / 1000, processing_time_ms % 1000)),
        AnswerPhase::Failed { fault, sentence } => {
            let code = match fault {
                AnswerFault::Cancelled => "AI_CANCELLED",
                AnswerFault::Unavailable => ErrorCode::AiUnavailable.name(),
                AnswerFault::OverBudget => ErrorCode::RateLimitExceeded.name(),
                AnswerFault::NoSuchData => ErrorCode::NotFound.name(),
            };
            object.text("error", sentence).text("code", code)
        }
    }
}

fn upload<'a>(object: Object<'a>, upload: &Upload) -> Object<'a> {
    let name = match upload.phase {
        UploadPhase::Started { .. } => "file_upload_start",
        UploadPhase::Progress { .. } => "file_upload_progress",
        UploadPhase::Complete { .. } => "file_upload_complete",
        UploadPhase::Cancelled { .. } => "file_upload_cancelled",
    };
    let object = object.text("type", name).text("file_id", &upload.file);
    let object = match &upload.phase {
        UploadPhase::Started { filename, size_bytes, mime_type } => {
            let object = object.text("filename", filename).bare("file_size", size_bytes);
            object.maybe(mime_type.as_deref(), |object, mime_type| object.text("mime_type", mime_type))
        }
        UploadPhase::Progress { uploaded_bytes, total_bytes, percentage: given } => {
            let object = object.bare("bytes_uploaded", uploaded_bytes).bare("total_bytes", total_bytes);
            match given {
                Some(given) => object.raw("percentage", given),
                None => object.bare("percentage", format_args!("{:.1}", percentage(*uploaded_bytes, *total_bytes))),
            }
        }
        UploadPhase::Complete { filename, url } => object.text("filename", filename).text("url", url),
        UploadPhase::Cancelled { why } => object.text(
            "reason",
            match why {
                UploadEnd::Deleted => "deleted",
                UploadEnd::Expired => "expired",
                UploadEnd::Disconnected => "disconnected",
            },
        ),
    };
    object.text("user_id", upload.user.as_str())
}

/// Of nothing, all is there.
fn percentage(part: u64, whole: u64) -> f64 {
    if whole == 0 { 100.0 } else { part as f64 * 100.0 / whole as f64 }
}

// ---- common parts ----

fn with_room<'a>(object: Object<'a>, room: &RoomIdentity) -> Object<'a> {
    match room.scope.name() {
        Some(name) => object.text("room_id", name.as_str()),
        None => object.plain("room_id", room.id),
    }
}
