//! The messages of the workspace dialect.

use std::{collections::BTreeMap, sync::Arc};

use convene::{
    core::{
        assistant::{AnswerEvent, AnswerFault, AnswerPhase, Question},
        command::{
            Addressed, AssistantCommand, ChatCommand, Command, NoticeCommand, PresenceCommand, RawJson, Resume,
            RoomAddress, RoomCommand, SheetCommand, Tag, Typing, UploadCommand,
        },
        cursor::{Coordinate, Cursor, CursorUpdate},
        event::{
            ChatEphemeral, CursorsMoved, Durable, Entered, Ephemeral, Event, EventBody, MemberPresence,
            PresenceEphemeral, Reply, RoomEphemeral, RoomIdentity, RoomPresence, RoomScope, SheetDurable,
            UploadEphemeral,
        },
        notification::{Notification, NotificationFilter, Priority},
        presence::Status,
        profile::Author,
        sheet::{Cell, CellConflict},
        upload::{Upload, UploadEnd, UploadPhase},
        user_event::UserEvent,
    },
    error::{ErrorCode, Refusal},
    ids::{Epoch, EventId, RoomId, RoomName, Seq, SheetId, Timestamp},
};

use crate::{Asked, EVENT, NOON, Told, alice, bob, notification, raw, tag, transcripts};

fn workspace() -> RoomName {
    RoomName::new("workspace_123").unwrap()
}

/// An open room.
pub fn room() -> Arc<RoomIdentity> {
    Arc::new(RoomIdentity { id: RoomId::generate(), scope: RoomScope::Open { name: workspace() } })
}

fn sheet() -> SheetId {
    SheetId::new("sheet_123").unwrap()
}

fn cell(at: &str, value: &str, formula: Option<&str>, version: i64) -> Cell {
    Cell { at: at.parse().unwrap(), value: raw(value), formula: formula.map(Into::into), version }
}

fn cursor(x: f64, y: f64, cell: Option<&str>) -> Cursor {
    Cursor { x: Coordinate::new(x).unwrap(), y: Coordinate::new(y).unwrap(), cell: cell.map(Into::into) }
}

const CONCATENATE: &str = "=CONCATENATE('Hello', ' ', 'World')";

// ---- from the client ----

fn asked_in_rooms() -> Vec<Asked> {
    let resume = Resume { since: Seq(41), epoch: Some(Epoch(1_761_566_400_250)) };
    let typing = |typing| {
        Command::Chat(ChatCommand::SetTyping {
            addressed: Addressed::Room { room: Some(workspace()) },
            typing,
            cell: Some("A1".into()),
        })
    };
    let update = |room, cells| Command::Sheet(SheetCommand::UpdateCells { sheet: sheet(), room, cells });
    let computed = vec![cell("B2", "3", Some("=1+2"), 0), cell("B3", "1.5", None, 0)];
    let bulk = vec![cell("A1", "\"Hello World\"", None, 3), cell("A2", "null", None, 0), cell("A3", "true", None, 0)];
    vec![
        ("join_room", None, Command::Room(RoomCommand::Join { room: RoomAddress::Open(workspace()), resume: None })),
        (
            "join_room_resuming",
            Some("\"j-1\""),
            Command::Room(RoomCommand::Join { room: RoomAddress::Open(workspace()), resume: Some(resume) }),
        ),
        ("leave_room", None, Command::Room(RoomCommand::Leave { room: RoomAddress::Open(workspace()) })),
        (
            "cursor_move",
            None,
            Command::Presence(PresenceCommand::MoveCursor {
                room: Some(workspace()),
                cursor: cursor(150.0, 300.0, Some("B2")),
            }),
        ),
        (
            "cursor_move_at_no_cell",
            Some("\"cm-1\""),
            Command::Presence(PresenceCommand::MoveCursor { room: Some(workspace()), cursor: cursor(1.0, 2.0, None) }),
        ),
        (
            "cursor_move_without_cell",
            None,
            Command::Presence(PresenceCommand::MoveCursor { room: None, cursor: cursor(-1.5, 0.0, None) }),
        ),
        ("typing_start", None, typing(Typing::Started)),
        ("typing_stop", None, typing(Typing::Stopped)),
        ("status_update", None, Command::Presence(PresenceCommand::SetStatus { update: Status::Busy.into() })),
        ("status_update_away", None, Command::Presence(PresenceCommand::SetStatus { update: Status::Away.into() })),
        ("cell_update", None, update(None, vec![cell("A1", "\"Hello World\"", Some(CONCATENATE), 1_642_161_000_000)])),
        ("cell_update_in_room", Some("\"c-1\""), update(Some(workspace()), vec![cell("B2", "1.5", None, 0)])),
        (
            "cell_update_with_client_message_id",
            Some("\"c-1\""),
            update(None, vec![cell("A1", "\"Hello World\"", None, 0)]),
        ),
        ("cells_update", Some("\"c-2\""), update(None, bulk)),
        ("cells_update_in_room", None, update(Some(workspace()), computed)),
    ]
}

fn asked_by_the_user() -> Vec<Asked> {
    let question = Question {
        request: "req_123".into(),
        query: "Analyze this data and provide insights".into(),
        sheet: Some(sheet()),
        table_range: Some("A1:Z100".into()),
    };
    let names = |names: &[&str]| Some(names.iter().map(|name| (*name).into()).collect());
    let filter = NotificationFilter {
        categories: names(&["system", "workspace"]),
        modules: names(&["tables", "ai"]),
        priorities: Some(vec![Priority::Normal, Priority::High, Priority::Critical]),
    };
    let upload = |phase| Command::Upload(UploadCommand::Report { file: "file_123".into(), phase });
    let progress = so_far(512_000, 1_024_000, Some(raw("50.0")));
    let unknown = UploadPhase::Started { filename: "data".into(), size_bytes: 7, mime_type: None };
    let third = so_far(1, 3, Some(raw("33.33")));
    vec![
        ("ping", None, Command::Ping),
        ("ping_with_ref", Some("7"), Command::Ping),
        ("auth_refresh", Some("\"refresh-1\""), Command::AuthRefresh { token: "eyJhbGciOi…".into() }),
        ("ai_request", None, Command::Assistant(AssistantCommand::Ask(question))),
        ("ai_cancel", None, Command::Assistant(AssistantCommand::Cancel { request: "req_123".into() })),
        ("subscribe_notifications", None, Command::Notices(NoticeCommand::Filter(filter))),
        (
            "subscribe_notifications_to_all",
            None,
            Command::Notices(NoticeCommand::Filter(NotificationFilter::default())),
        ),
        ("notification_read", None, Command::Notices(NoticeCommand::Read { id: "notif_123".into() })),
        ("file_upload_start", None, upload(started())),
        ("file_upload_progress", None, upload(progress)),
        ("file_upload_progress_as_reckoned", None, upload(third)),
        ("file_upload_start_of_unknown_type", None, upload(unknown)),
    ]
}

/// All client messages.
pub fn asked() -> Vec<Asked> {
    asked_in_rooms().into_iter().chain(asked_by_the_user()).collect()
}

// ---- to the client ----

fn ephemeral(what: Ephemeral) -> Told {
    Told::Everybody(Event { room: room(), at: NOON, body: EventBody::Ephemeral(what) })
}

fn updated(cells: Vec<Cell>) -> Told {
    let what = Durable::Sheet(SheetDurable::CellsUpdated { sheet: sheet(), author: bob(), cells });
    let body = EventBody::Durable { seq: Seq(42), id: EVENT.parse().unwrap(), what };
    Told::Everybody(Event { room: room(), at: NOON, body })
}

/// The same for the sender's own sockets, whose client has given it an id.
fn updated_by_oneself(cells: Vec<Cell>) -> Told {
    let Told::Everybody(event) = updated(cells) else { unreachable!() };
    Told::Author(event)
}

fn attendee(user: Author, status: Status, cursor: Option<Cursor>) -> MemberPresence {
    MemberPresence { user, status, cursor, last_seen: NOON }
}

fn attendance(others: &[MemberPresence], active_sheets: &[&str]) -> Arc<RoomPresence> {
    let alice = alice().with_email(Some("alice@example.com".into()));
    let mut users = vec![attendee(alice, Status::Online, Some(cursor(100.0, 200.0, Some("A1"))))];
    users.extend_from_slice(others);
    let active_sheets = active_sheets.iter().map(|sheet| SheetId::new(*sheet).unwrap()).collect();
    Arc::new(RoomPresence { total: users.len(), users, active_sheets })
}

fn told_in_rooms() -> Vec<(&'static str, Told)> {
    let entered = Entered {
        tag: tag(Some("\"j-1\"")),
        room: room(),
        user: alice().id,
        connection: "ws_alice_1761566400_7f3a".into(),
        online: vec![alice()],
        online_total: 1,
        seq: Seq(41),
        epoch: Epoch(1_761_566_400_250),
        attendance: Some(attendance(&[], &["sheet_1", "sheet_2"])),
    };
    let pointed = |user, cursor| CursorUpdate { user, cursor };
    let first = pointed(bob(), cursor(150.0, 300.0, Some("B2")));
    let several = vec![pointed(alice(), cursor(0.5, -2.0, None)), first.clone()];
    let moved = |moved| {
        ephemeral(Ephemeral::Presence(PresenceEphemeral::CursorsMoved(Arc::new(CursorsMoved {
            first: first.clone(),
            moved,
        }))))
    };
    let typing =
        |typing| ephemeral(Ephemeral::Chat(ChatEphemeral::Typing { user: bob(), typing, cell: Some("A1".into()) }));
    let uploading =
        |phase| ephemeral(Ephemeral::Upload(UploadEphemeral::Reported { user: alice(), upload: upload(phase).into() }));
    let one = || vec![cell("A1", "\"Hello World\"", Some(CONCATENATE), 1_642_161_000_001)];
    let two = || vec![cell("A1", "\"Hello World\"", None, 4), cell("A2", "null", None, 1)];
    let bob_there = attendee(bob(), Status::Busy, None);
    let crowd = RoomPresence { total: convene::limits::ONLINE_USERS_LISTED_MAX + 1, ..(*attendance(&[], &[])).clone() };
    let presence = |what| ephemeral(Ephemeral::Presence(what));
    let joined = PresenceEphemeral::UserJoined { user: bob(), state_follows: false, users: 2, place: None };
    let left = PresenceEphemeral::UserLeft { user: bob(), state_follows: false, users: 2 };
    vec![
        ("room_state_truncated", ephemeral(Ephemeral::Presence(PresenceEphemeral::Attended(crowd.into())))),
        ("room_state_first", Told::One(Reply::Entered(Box::new(entered)))),
        ("room_state", ephemeral(Ephemeral::Presence(PresenceEphemeral::Attended(attendance(&[bob_there], &[]))))),
        ("user_joined", presence(joined)),
        ("user_left", presence(left)),
        ("cursor_moved", moved(Vec::new())),
        ("cursor_moved_by_several", moved(several)),
        ("cell_updated", updated(one())),
        ("cells_updated", updated(two())),
        ("cell_updated_of_the_sender", updated_by_oneself(one())),
        ("cells_updated_of_the_sender", updated_by_oneself(two())),
        (
            "user_status_changed",
            presence(PresenceEphemeral::StatusChanged {
                user: bob(),
                status: Status::Busy,
                details: Default::default(),
            }),
        ),
        ("user_typing_start", typing(Typing::Started)),
        ("user_typing_stop", typing(Typing::Stopped)),
        ("file_upload_start_in_room", uploading(started())),
        ("file_upload_progress_in_room", uploading(so_far(512_000, 1_024_000, None))),
        ("file_upload_complete_in_room", uploading(complete())),
        ("file_upload_cancelled_in_room", uploading(UploadPhase::Cancelled { why: UploadEnd::Disconnected })),
        ("system_announcement", announced("system_announcement")),
        (
            "broadcast",
            ephemeral(Ephemeral::Room(RoomEphemeral::Announced { data: raw("{\"title\":\"Maintenance Notice\"}") })),
        ),
    ]
}

fn announced(file: &str) -> Told {
    ephemeral(Ephemeral::Room(RoomEphemeral::Announced { data: raw(transcripts("workspace/server")[file].trim()) }))
}

fn upload(phase: UploadPhase) -> Upload {
    Upload { file: "file_123".into(), user: alice().id, phase }
}

fn started() -> UploadPhase {
    UploadPhase::Started { filename: "data.csv".into(), size_bytes: 1_024_000, mime_type: Some("text/csv".into()) }
}

fn so_far(uploaded_bytes: u64, total_bytes: u64, percentage: Option<RawJson>) -> UploadPhase {
    UploadPhase::Progress { uploaded_bytes, total_bytes, percentage }
}

fn complete() -> UploadPhase {
    UploadPhase::Complete { filename: "data.csv".into(), url: "https://storage.example.com/file_123.csv".into() }
}

const CANCELLED: &str = "The request was cancelled; send it again if you still need it";
const OVER_BUDGET: &str =
    "Your questions and answers have reached your limit of characters per day; ask again in 3600 seconds";
const NO_SUCH_SHEET: &str =
    "There is no sheet with this `sheet_id` that you may read; check the id, or ask for access to its room";

fn told_to_the_user() -> Vec<(&'static str, Told)> {
    let personal = |news| Told::One(Reply::UserEvent(Arc::new(news)));
    let answer =
        |phase| personal(UserEvent::Answer(AnswerEvent { request: "req_123".into(), user: alice().id, phase }));
    let uploading = |phase| personal(UserEvent::Upload(upload(phase)));
    let created = notification(Priority::Normal);
    let updated = Notification {
        message: "John commented on your sheet twice".into(),
        data: Some(raw("{\"sheet_id\":\"sheet_123\"}")),
        ..notification(Priority::Low)
    };
    let (user, id) = (alice().id, created.id);
    let query = "Analyze this data and provide insights".into();
    let progress = |percent, status: &str, delta: Option<&str>| {
        answer(AnswerPhase::Progress { percent, status: status.into(), delta: delta.map(Into::into) })
    };
    let completed = |result: &str, findings: Option<&str>, processing_time_ms| {
        answer(AnswerPhase::Complete { result: result.into(), findings: findings.map(raw), processing_time_ms })
    };
    let failed = |fault, sentence: &str| answer(AnswerPhase::Failed { fault, sentence: sentence.into() });
    vec![
        ("ai_start", answer(AnswerPhase::Started { query, sheet: Some(sheet()) })),
        ("ai_progress", progress(60, "Processing step 3/5", None)),
        ("ai_progress_of_text", progress(40, "Writing", Some("Revenue rose "))),
        ("ai_complete", completed("Analysis complete: Found 3 trends...", None, 4_500)),
        ("ai_complete_with_findings", completed("100 rows.", Some("{\"rows\":100}"), 12)),
        ("ai_error", failed(AnswerFault::Unavailable, "The assistant did not answer in time; try again")),
        ("ai_error_cancelled", failed(AnswerFault::Cancelled, CANCELLED)),
        ("ai_error_of_the_budget", failed(AnswerFault::OverBudget, OVER_BUDGET)),
        ("ai_error_without_data", failed(AnswerFault::NoSuchData, NO_SUCH_SHEET)),
        ("notification_created", personal(UserEvent::Notified { user: user.clone(), notification: Arc::new(created) })),
        (
            "notification_updated",
            personal(UserEvent::NotificationUpdated { user: user.clone(), notification: Arc::new(updated) }),
        ),
        ("notification_read", personal(UserEvent::NotificationRead { user: user.clone(), id })),
        ("notification_deleted", personal(UserEvent::NotificationDeleted { user: user.clone(), id })),
        ("all_notifications_read", personal(UserEvent::AllNotificationsRead { user: user.clone() })),
        ("read_notifications_deleted", personal(UserEvent::ReadNotificationsDeleted { user })),
        ("file_upload_start", uploading(started())),
        ("file_upload_progress", uploading(so_far(512_000, 1_024_000, None))),
        ("file_upload_progress_as_reckoned", uploading(so_far(1, 3, Some(raw("33.33"))))),
        ("file_upload_complete", uploading(complete())),
        ("file_upload_cancelled", uploading(UploadPhase::Cancelled { why: UploadEnd::Deleted })),
        ("file_upload_cancelled_expired", uploading(UploadPhase::Cancelled { why: UploadEnd::Expired })),
        (
            "direct_message",
            Told::One(Reply::Notice { data: raw(transcripts("workspace/server")["direct_message"].trim()), at: NOON }),
        ),
        ("notification", Told::One(Reply::Notice { data: raw("{\"message\":\"Please review\"}"), at: NOON })),
    ]
}

fn told_to_one() -> Vec<(&'static str, Told)> {
    let error = |reference, refusal| Told::One(Reply::Error { tag: tag(reference), refusal });
    let conflict = |cell| CellConflict::Shown { current: cell, user: bob().id };
    let conflicts =
        |reference, conflicts| Told::One(Reply::VersionConflict { tag: tag(reference), sheet: sheet(), conflicts });
    let (first, second) =
        (conflict(cell("A1", "\"Hello World\"", None, 4)), conflict(cell("A2", "7", Some("=3+4"), 9)));
    let third = CellConflict::Named { at: "A3".parse().unwrap(), version: 2 };
    let owner = "Only the room's owner and administrators may do this; ask one of them";
    let limited = "Rate limit exceeded: too many requests per minute";
    let running =
        "A request with this `request_id` is still running; wait for its end, cancel it, or choose another id";
    let expires_at = Timestamp::from_unix_seconds(1_761_570_000);
    vec![
        ("pong", Told::One(Reply::Pong { tag: tag(None) })),
        ("pong_with_ref", Told::One(Reply::Pong { tag: tag(Some("7")) })),
        (
            "ack",
            Told::One(Reply::Ack { tag: tag(Some("\"c-1\"")), id: EVENT.parse::<EventId>().unwrap(), seq: Seq(42) }),
        ),
        ("ack_done", Told::One(Reply::Done { tag: tag(Some("\"l-1\"")) })),
        ("ack_of_auth_refresh", Told::One(Reply::AuthRefreshed { tag: tag(Some("\"refresh-1\"")), expires_at })),
        ("version_conflict", conflicts(Some("\"c-1\""), vec![first.clone()])),
        ("version_conflict_of_several", conflicts(None, vec![first, second, third])),
        ("error", error(None, Refusal::new(ErrorCode::PermissionDenied, owner))),
        (
            "error_of_question",
            Told::One(Reply::Error {
                tag: Tag { about: Some("req_123".into()), ..tag(Some("\"a-1\"")) },
                refusal: Refusal::new(ErrorCode::Conflict, running),
            }),
        ),
        ("error_with_ref", error(Some("\"m-1\""), Refusal::limited(limited, 12))),
        ("recovered", Told::One(Reply::Recovered { room: room(), seq: Seq(44), complete: true })),
        ("server_restarting", Told::One(Reply::Restarting { reconnect_in_ms: 2_350 })),
    ]
}

/// All server messages.
pub fn told() -> BTreeMap<&'static str, Told> {
    told_in_rooms().into_iter().chain(told_to_the_user()).chain(told_to_one()).collect()
}
