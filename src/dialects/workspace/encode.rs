//! Converts events and replies into the dialect's messages, written directly into the frame. An event is encoded once
//! for all receivers. No match may have a catch-all, so that the compiler asks for the form of a new event.

use serde::{Deserialize, de::IgnoredAny};

use super::wire::{
    FromServer,
    assistant::AiEvent,
    notifications::{NotificationEvent, NotificationEventType, Subject},
    rooms::{CursorMoved, Member, Members, RoomState, StatusChanged, UserJoined, UserLeft, UserTyping},
    sheets::{CellUpdated, CellsUpdated, Change, WorkspaceError},
    uploads::{Percentage, UploadCancelled, UploadComplete, UploadProgressed, UploadStarted, Uploader},
};
use crate::{
    core::{
        command::{Tag, Typing},
        event::{
            ChatEphemeral, CursorsMoved, Durable, Entered, Ephemeral, Event, EventBody, MemberPresence,
            PresenceEphemeral, Reply, RoomEphemeral, RoomIdentity, RoomPresence, SheetDurable, UploadEphemeral,
        },
        notification::Notification,
        profile::Author,
        sheet::{Cell, CellConflict},
        upload::{Upload, UploadPhase},
        user_event::UserEvent,
    },
    dialects::{
        Encoded, Stamp,
        common::{Ack, Broadcast, ErrorMessage, Notice, Pong, Position, Recovered, Restarting},
        output::{self, Code, Echo, Moment, Relayed, RelayedObject},
    },
    error::ErrorCode,
    ids::{NotificationId, RoomName, SheetId, Timestamp, UserId},
};

/// Appends what everybody in the room receives, or only the author's own sockets.
pub fn event(event: &Event, stamp: Stamp<'_>, out: &mut Vec<u8>) -> Encoded {
    let Some(room) = event.room.scope.name() else { return Encoded::Nothing };
    match of_event(event, room, stamp) {
        Some(FromServer::Broadcast(announced)) => announce(announced.data, FromServer::Broadcast(announced), out),
        Some(message) => output::encode(&message, out),
        None => Encoded::Nothing,
    }
}

/// Appends a message for one socket.
pub fn reply(reply: &Reply, at: Timestamp, out: &mut Vec<u8>) -> Encoded {
    match of_reply(reply, at) {
        Some(FromServer::Notification(notice)) => announce(notice.data, FromServer::Notification(notice), out),
        Some(message) => output::encode(&message, out),
        None => Encoded::Nothing,
    }
}

#[derive(Deserialize)]
struct Typed {
    #[serde(rename = "type")]
    _kind: String,
}

/// An administrator's message is an arbitrary object. Clients of this dialect expect it unchanged if it has a `type` of
/// its own; otherwise it is wrapped.
fn announce(data: RelayedObject<'_>, wrapped: FromServer<'_>, out: &mut Vec<u8>) -> Encoded {
    let text = data.0.0.as_str();
    if serde_json::from_str::<Typed>(text).is_ok() && serde_json::from_str::<IgnoredAny>(text).is_ok() {
        out.extend_from_slice(text.as_bytes());
        return Encoded::Text;
    }
    output::encode(&wrapped, out)
}

fn of_event<'a>(event: &'a Event, room: &'a RoomName, stamp: Stamp<'a>) -> Option<FromServer<'a>> {
    match &event.body {
        EventBody::Durable { seq, id, what } => match what {
            Durable::Sheet(SheetDurable::CellsUpdated { sheet, author, cells }) => {
                let user = author.into();
                let change = Change {
                    user,
                    room_id: room,
                    id: *id,
                    seq: *seq,
                    timestamp: Moment(event.at),
                    client_message_id: stamp.client_message_id,
                };
                Some(cells_updated(sheet, cells, change))
            }
            // this dialect has no chat
            Durable::Chat(_) | Durable::Canvas(_) | Durable::Document(_) | Durable::Space(_) => None,
        },
        EventBody::Ephemeral(what) => match what {
            Ephemeral::Chat(ChatEphemeral::Typing { user, typing, cell }) => {
                let typed = UserTyping { user: user.into(), cell_id: cell.as_deref(), room };
                Some(match typing {
                    Typing::Started => FromServer::UserTypingStart(typed),
                    Typing::Stopped => FromServer::UserTypingStop(typed),
                })
            }
            Ephemeral::Presence(PresenceEphemeral::CursorsMoved(moved)) => {
                Some(FromServer::CursorMoved(cursor_moved(room, moved)))
            }
            Ephemeral::Presence(PresenceEphemeral::StatusChanged { user, status, .. }) => {
                Some(FromServer::UserStatusChanged(StatusChanged { user: user.into(), status: *status, room }))
            }
            Ephemeral::Presence(PresenceEphemeral::Attended(attendance)) => {
                Some(FromServer::RoomState(room_state(room, attendance)))
            }
            Ephemeral::Upload(UploadEphemeral::Reported { user, upload }) => {
                Some(self::upload(upload, Some((user, room))))
            }
            Ephemeral::Room(RoomEphemeral::Announced { data }) => {
                let data = RelayedObject(Relayed(data));
                Some(FromServer::Broadcast(Broadcast { room_id: room, data, timestamp: Moment(event.at) }))
            }
            // the complete state contains it
            Ephemeral::Presence(
                PresenceEphemeral::UserJoined { state_follows: true, .. }
                | PresenceEphemeral::UserLeft { state_follows: true, .. },
            ) => None,
            // only sent in large rooms, where the complete state is not sent every time
            Ephemeral::Presence(PresenceEphemeral::UserJoined { user, state_follows: false, .. }) => {
                let email = user.email();
                Some(FromServer::UserJoined(UserJoined { user: user.into(), email, room }))
            }
            Ephemeral::Presence(PresenceEphemeral::UserLeft { user, state_follows: false, .. }) => {
                Some(FromServer::UserLeft(UserLeft { user: user.into(), room }))
            }
            // administrators' messages are delivered unchanged, and a member's data must not be mistaken for one
            Ephemeral::Room(RoomEphemeral::Broadcast { .. })
            | Ephemeral::Call(_)
            | Ephemeral::Document(_)
            | Ephemeral::Canvas(_)
            | Ephemeral::Space(_) => None,
        },
    }
}

fn of_reply(reply: &Reply, at: Timestamp) -> Option<FromServer<'_>> {
    match reply {
        Reply::Pong { tag } => Some(FromServer::Pong(Pong::new(tag, at))),
        Reply::Ack { tag, id, seq } => Some(FromServer::Ack(Ack::stored(tag, *id, *seq))),
        Reply::Done { tag } => Some(FromServer::Ack(Ack::done(tag))),
        Reply::AuthRefreshed { tag, expires_at } => Some(FromServer::Ack(Ack::refreshed(tag, *expires_at))),
        Reply::VersionConflict { tag, sheet, conflicts } => Some(version_conflict(tag, sheet, conflicts, at)),
        Reply::Error { tag, refusal } => {
            let error = ErrorMessage::new(tag, refusal, at);
            let error = WorkspaceError { request_id: tag.about.as_deref(), ..error.into() };
            Some(FromServer::Error(Box::new(error)))
        }
        Reply::Entered(entered) => first_frame(entered),
        Reply::Recovered { room, seq, complete } => {
            let room_id = room.scope.name()?;
            Some(FromServer::Recovered(Recovered { room_id, seq: *seq, complete: *complete }))
        }
        Reply::UserEvent(news) => personal(news),
        // this dialect has no first frame on connect, and no chat
        Reply::Welcome(_)
        | Reply::Delivered(_)
        | Reply::Call(_)
        | Reply::Document(..)
        | Reply::Canvas(_)
        | Reply::Space(_) => None,
        Reply::Restarting { reconnect_in_ms } => {
            Some(FromServer::ServerRestarting(Restarting::new(*reconnect_in_ms, at)))
        }
        Reply::Notice { data, at } => {
            let data = RelayedObject(Relayed(data));
            Some(FromServer::Notification(Notice { data, timestamp: Moment(*at) }))
        }
    }
}

// ---- rooms ----

/// The first message to a newcomer.
fn first_frame(entered: &Entered) -> Option<FromServer<'_>> {
    let (room, attendance) = (entered.room.scope.name()?, entered.attendance.as_deref()?);
    Some(FromServer::RoomState(first_state(entered, room, attendance)))
}

fn first_state<'a>(entered: &'a Entered, room: &'a RoomName, attendance: &'a RoomPresence) -> RoomState<'a> {
    let position = Position { seq: entered.seq, epoch: entered.epoch, connection_id: &entered.connection };
    RoomState { reference: Echo::of(&entered.tag), position: Some(position), ..room_state(room, attendance) }
}

/// Appends the first message without the members. Returns the offset at which they have to be inserted.
pub fn entered(entered: &Entered, out: &mut Vec<u8>) -> Option<usize> {
    let (room, attendance) = (entered.room.scope.name()?, entered.attendance.as_deref()?);
    let users = Members { room, users: &[] };
    let state = RoomState { users, ..first_state(entered, room, attendance) };
    output::encode_without_items(&FromServer::RoomState(state), "users", out)
}

/// Appends members, each preceded by a comma.
pub fn members(room: &RoomIdentity, members: &[MemberPresence], out: &mut Vec<u8>) {
    let Some(name) = room.scope.name() else { return };
    output::append_items(members.iter().map(|attendee| Member::new(name, attendee)), out);
}

fn room_state<'a>(room: &'a RoomName, attendance: &'a RoomPresence) -> RoomState<'a> {
    RoomState {
        room_id: room,
        users: Members { room, users: &attendance.users },
        active_sheets: &attendance.active_sheets,
        total_users: attendance.total,
        truncated: attendance.is_cut().then_some(true),
        reference: None,
        position: None,
    }
}

fn cursor_moved<'a>(room: &'a RoomName, moved: &'a CursorsMoved) -> CursorMoved<'a> {
    let several = (!moved.moved.is_empty()).then(|| moved.moved.as_slice().into());
    CursorMoved { first: (&moved.first).into(), room, cursors: several }
}

// ---- sheets ----

/// A single cell in the message itself, or several in a list.
fn cells_updated<'a>(sheet_id: &'a SheetId, cells: &'a [Cell], change: Change<'a>) -> FromServer<'a> {
    match cells {
        [only] => FromServer::CellUpdated(CellUpdated { sheet_id, cell: only.into(), change }),
        several => FromServer::CellsUpdated(CellsUpdated { sheet_id, cells: several.into(), change }),
    }
}

/// The first cell in the message itself, and all of them in a list if there are several.
fn version_conflict<'a>(
    tag: &'a Tag,
    sheet: &'a SheetId,
    conflicts: &'a [CellConflict],
    at: Timestamp,
) -> FromServer<'a> {
    let error = ErrorMessage {
        reference: Echo::of(tag),
        error: "Somebody else changed this first; look at `current`, and send it again with its version",
        code: Code(ErrorCode::VersionConflict),
        retry_after: None,
        timestamp: Moment(at),
    };
    FromServer::Error(Box::new(WorkspaceError {
        sheet_id: Some(sheet),
        first: conflicts.first().map(Into::into),
        conflicts: (conflicts.len() > 1).then(|| conflicts.into()),
        ..error.into()
    }))
}

// ---- events for a user ----

fn personal(news: &UserEvent) -> Option<FromServer<'_>> {
    use NotificationEventType as Type;
    Some(match news {
        UserEvent::Notified { user, notification } => notified(Type::NotificationCreated, user, notification),
        UserEvent::NotificationUpdated { user, notification } => {
            notified(Type::NotificationUpdated, user, notification)
        }
        UserEvent::NotificationRead { user, id } => notification_gone(Type::NotificationRead, user, *id),
        UserEvent::NotificationDeleted { user, id } => notification_gone(Type::NotificationDeleted, user, *id),
        UserEvent::AllNotificationsRead { user } => all_notifications(Type::AllNotificationsRead, user),
        UserEvent::ReadNotificationsDeleted { user } => all_notifications(Type::ReadNotificationsDeleted, user),
        UserEvent::Answer(answer) => FromServer::AiEvent(AiEvent {
            event_type: (&answer.phase).into(),
            request_id: &answer.request,
            user_id: &answer.user,
            data: (&answer.phase).into(),
        }),
        UserEvent::Upload(upload) => self::upload(upload, None),
        // the rooms announce statuses, and there are neither devices nor calls nor a list of conversations
        UserEvent::Presence(_)
        | UserEvent::Device(_)
        | UserEvent::ConversationsChanged
        | UserEvent::Call(_)
        | UserEvent::SocketOpened { .. }
        | UserEvent::SocketClosed { .. } => return None,
    })
}

fn all_notifications(event_type: NotificationEventType, user_id: &UserId) -> FromServer<'_> {
    FromServer::NotificationEvent(NotificationEvent { event_type, notification: None, notification_id: None, user_id })
}

fn notified<'a>(
    event_type: NotificationEventType,
    user_id: &'a UserId,
    notification: &'a Notification,
) -> FromServer<'a> {
    let notification = Some(Subject::Whole(notification.into()));
    FromServer::NotificationEvent(NotificationEvent { event_type, notification, notification_id: None, user_id })
}

fn notification_gone(event_type: NotificationEventType, user_id: &UserId, id: NotificationId) -> FromServer<'_> {
    let notification = Some(Subject::Named { id });
    FromServer::NotificationEvent(NotificationEvent { event_type, notification, notification_id: Some(id), user_id })
}

/// `place` is the user and the room in which the upload is announced.
fn upload<'a>(upload: &'a Upload, place: Option<(&'a Author, &'a RoomName)>) -> FromServer<'a> {
    let file_id = &*upload.file;
    let uploader = Uploader {
        user_id: &upload.user,
        username: place.map(|(user, _)| user.username()),
        room: place.map(|(_, room)| room),
    };
    match &upload.phase {
        UploadPhase::Started { filename, size_bytes, mime_type } => FromServer::FileUploadStart(UploadStarted {
            file_id,
            filename,
            file_size: *size_bytes,
            mime_type: mime_type.as_deref(),
            uploader,
        }),
        UploadPhase::Progress { uploaded_bytes, total_bytes, percentage } => {
            let percentage = match percentage {
                Some(reckoned) => Percentage::Reckoned(Relayed(reckoned)),
                None => Percentage::Computed(computed_percentage(*uploaded_bytes, *total_bytes)),
            };
            FromServer::FileUploadProgress(UploadProgressed {
                file_id,
                bytes_uploaded: *uploaded_bytes,
                total_bytes: *total_bytes,
                percentage,
                uploader,
            })
        }
        UploadPhase::Complete { filename, url } => {
            FromServer::FileUploadComplete(UploadComplete { file_id, filename, url, uploader })
        }
        UploadPhase::Cancelled { why } => {
            FromServer::FileUploadCancelled(UploadCancelled { file_id, reason: why.into(), uploader })
        }
    }
}

/// Rounded to tenths. An empty file is complete.
fn computed_percentage(part: u64, whole: u64) -> f64 {
    if whole == 0 { 100.0 } else { (part as f64 * 1000.0 / whole as f64).round() / 10.0 }
}
