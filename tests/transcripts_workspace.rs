//! Every message of the workspace dialect, both ways, against what was recorded in `tests/transcripts/workspace/`: a file
//! that nothing here expects, and a message here without a file, are failures.

use std::{collections::BTreeMap, fs, path::Path, sync::Arc};

use convene::{
    core::{
        assistant::{AnswerFault, AnswerNews, AnswerPhase, Question},
        command::{Addressed, Command, RawJson, Request, Resume, Typing},
        cursor::{Coordinate, Cursor, Pointed},
        event::{
            Attendance, Attendee, CursorsMoved, Durable, Entered, Ephemeral, Event, EventBody, Reply, RoomIdentity,
            RoomScope,
        },
        notification::{Notification, NotificationFilter, Priority},
        personal::Personal,
        presence::Status,
        profile::Author,
        sheet::{Cell, CellConflict},
        upload::{Upload, UploadPhase},
    },
    dialects::{ClientMessage, Dialect, DialectKind, Encoded, Rejection},
    error::{ErrorCode, Refusal},
    ids::{Epoch, EventId, RoomId, RoomName, Seq, SheetId, Timestamp, UserId},
};
use serde_json::Value;

const ALICE: &str = "01932c07-209b-7000-8000-00000000a11c";
const BOB: &str = "01932c07-209c-7000-8000-000000000b0b";
const EVENT: &str = "01932c0c-5a5a-7abc-8def-112233445566";
const NOON: Timestamp = Timestamp { unix_ms: 1_761_566_400_250 };

fn dialect() -> &'static dyn Dialect {
    DialectKind::Workspace.dialect()
}

/// The files of a folder, by name.
fn transcripts(folder: &str) -> BTreeMap<String, String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts/workspace").join(folder);
    let files = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path());
    files
        .map(|file| (file.file_stem().unwrap().to_str().unwrap().to_owned(), fs::read_to_string(&file).unwrap()))
        .collect()
}

fn raw(text: &str) -> RawJson {
    RawJson::from_parsed(text)
}

fn alice() -> Author {
    Author::new(UserId::new(ALICE).unwrap(), "alice")
}

fn bob() -> Author {
    Author::new(UserId::new(BOB).unwrap(), "bob")
}

fn workspace() -> RoomName {
    RoomName::new("workspace_123").unwrap()
}

fn room() -> Arc<RoomIdentity> {
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

fn in_rooms() -> Vec<(&'static str, Option<&'static str>, Command)> {
    let resume = Resume { since: Seq(41), epoch: Some(Epoch(1_761_566_400_250)) };
    let typing = |typing| Command::SetTyping {
        addressed: Addressed::Room { room: Some(workspace()) },
        typing,
        cell: Some("A1".into()),
    };
    let update = |room, cells| Command::UpdateCells { sheet: sheet(), room, cells };
    let bulk = vec![cell("A1", "\"Hello World\"", None, 3), cell("A2", "null", None, 0), cell("A3", "true", None, 0)];
    vec![
        ("join_room", None, Command::Join { room: workspace(), resume: None }),
        ("join_room_resuming", Some("\"j-1\""), Command::Join { room: workspace(), resume: Some(resume) }),
        ("leave_room", None, Command::Leave { room: workspace() }),
        (
            "cursor_move",
            None,
            Command::MoveCursor { room: Some(workspace()), cursor: cursor(150.0, 300.0, Some("B2")) },
        ),
        (
            "cursor_move_at_no_cell",
            Some("\"cm-1\""),
            Command::MoveCursor { room: Some(workspace()), cursor: cursor(1.0, 2.0, None) },
        ),
        ("cursor_move_without_cell", None, Command::MoveCursor { room: None, cursor: cursor(-1.5, 0.0, None) }),
        ("typing_start", None, typing(Typing::Started)),
        ("typing_stop", None, typing(Typing::Stopped)),
        ("status_update", None, Command::SetStatus { status: Status::Busy }),
        ("cell_update", None, update(None, vec![cell("A1", "\"Hello World\"", Some(CONCATENATE), 1_642_161_000_000)])),
        ("cell_update_in_room", Some("\"c-1\""), update(Some(workspace()), vec![cell("B2", "1.5", None, 0)])),
        ("cells_update", Some("\"c-2\""), update(None, bulk)),
    ]
}

fn of_the_user() -> Vec<(&'static str, Option<&'static str>, Command)> {
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
    let upload = |phase| Command::TellUpload { file: "file_123".into(), phase };
    let started =
        UploadPhase::Started { filename: "data.csv".into(), size_bytes: 1_024_000, mime_type: Some("text/csv".into()) };
    let progress =
        UploadPhase::Progress { uploaded_bytes: 512_000, total_bytes: 1_024_000, percentage: Some(raw("50.0")) };
    let unknown = UploadPhase::Started { filename: "data".into(), size_bytes: 7, mime_type: None };
    let third = UploadPhase::Progress { uploaded_bytes: 1, total_bytes: 3, percentage: Some(raw("33.33")) };
    vec![
        ("ping", None, Command::Ping),
        ("ping_with_ref", Some("7"), Command::Ping),
        ("auth_refresh", Some("\"refresh-1\""), Command::AuthRefresh { token: "eyJhbGciOi…".into() }),
        ("ai_request", None, Command::Ask(question)),
        ("ai_cancel", None, Command::CancelAsk { request: "req_123".into() }),
        ("subscribe_notifications", None, Command::FilterNotifications(filter)),
        ("subscribe_notifications_to_all", None, Command::FilterNotifications(NotificationFilter::default())),
        ("notification_read", None, Command::ReadNotification { id: "notif_123".into() }),
        ("file_upload_start", None, upload(started)),
        ("file_upload_progress", None, upload(progress)),
        ("file_upload_progress_as_reckoned", None, upload(third)),
        ("file_upload_start_of_unknown_type", None, upload(unknown)),
    ]
}

#[test]
fn what_a_workspace_client_sends_is_understood() {
    let files = transcripts("client");
    let expected: BTreeMap<_, _> = in_rooms()
        .into_iter()
        .chain(of_the_user())
        .map(|(name, reference, command)| (name, (reference, command)))
        .collect();
    assert_eq!(files.keys().map(String::as_str).collect::<Vec<_>>(), expected.keys().copied().collect::<Vec<_>>());
    for (name, (reference, command)) in expected {
        let request = Request { reference: reference.map(raw), command };
        assert_eq!(dialect().decode(ClientMessage::Text(&files[name])), Ok(request), "{name}");
    }
}

#[derive(serde::Deserialize)]
struct Refused {
    what: String,
    sends: String,
    code: String,
    says: Option<String>,
    #[serde(rename = "ref")]
    reference: Option<String>,
}

#[test]
fn what_is_wrong_is_refused_by_name() {
    let refused: Vec<Refused> = serde_json::from_str(include_str!("transcripts/workspace/refused.json")).unwrap();
    assert!(!refused.is_empty());
    for Refused { what, sends, code, says, reference } in refused {
        let rejection = dialect().decode(ClientMessage::Text(&sends)).expect_err(&what);
        assert_eq!(rejection.refusal.code.name(), code, "{what}: {}", rejection.refusal);
        assert_eq!(rejection.reference, reference.as_deref().map(RawJson::from_parsed), "{what}");
        let sentence = &rejection.refusal.sentence;
        assert!(sentence.contains(says.as_deref().unwrap_or_default()), "{what}: {sentence}");
    }
    let Rejection { refusal, .. } = dialect().decode(ClientMessage::Binary(b"{}")).unwrap_err();
    assert_eq!(refusal.code, ErrorCode::InvalidMessage);
}

// ---- to the client ----

enum Told {
    Everybody(Event),
    One(Reply),
}

fn ephemeral(what: Ephemeral) -> Told {
    Told::Everybody(Event { room: room(), at: NOON, body: EventBody::Ephemeral(what) })
}

fn updated(cells: Vec<Cell>) -> Told {
    let what = Durable::CellsUpdated { sheet: sheet(), author: bob(), cells };
    let body = EventBody::Durable { seq: Seq(42), id: EVENT.parse().unwrap(), what };
    Told::Everybody(Event { room: room(), at: NOON, body })
}

fn attendee(user: Author, status: Status, cursor: Option<Cursor>) -> Attendee {
    Attendee { user, status, cursor, last_seen: NOON }
}

fn attendance(others: &[Attendee], active_sheets: &[&str]) -> Arc<Attendance> {
    let alice = Author { email: Some("alice@example.com".into()), ..alice() };
    let mut users = vec![attendee(alice, Status::Online, Some(cursor(100.0, 200.0, Some("A1"))))];
    users.extend_from_slice(others);
    let active_sheets = active_sheets.iter().map(|sheet| SheetId::new(*sheet).unwrap()).collect();
    Arc::new(Attendance { total: users.len(), users, active_sheets })
}

fn told_in_rooms() -> Vec<(&'static str, Told)> {
    let entered = Entered {
        reference: Some(raw("\"j-1\"")),
        room: room(),
        user: alice().id,
        connection: "ws_alice_1761566400_7f3a".into(),
        online: vec![alice()],
        online_total: 1,
        seq: Seq(41),
        epoch: Epoch(1_761_566_400_250),
        attendance: Some(attendance(&[], &["sheet_1", "sheet_2"])),
    };
    let pointed = |user, cursor| Pointed { user, cursor };
    let first = pointed(bob(), cursor(150.0, 300.0, Some("B2")));
    let several = vec![pointed(alice(), cursor(0.5, -2.0, None)), first.clone()];
    let moved = |moved| ephemeral(Ephemeral::CursorsMoved(Arc::new(CursorsMoved { first: first.clone(), moved })));
    let typing = |typing| ephemeral(Ephemeral::Typing { user: bob(), typing, cell: Some("A1".into()) });
    let bob_there = attendee(bob(), Status::Busy, None);
    vec![
        ("room_state_first", Told::One(Reply::Entered(Box::new(entered)))),
        ("room_state", ephemeral(Ephemeral::Attended(attendance(&[bob_there], &[])))),
        ("cursor_moved", moved(Vec::new())),
        ("cursor_moved_by_several", moved(several)),
        ("cell_updated", updated(vec![cell("A1", "\"Hello World\"", Some(CONCATENATE), 1_642_161_000_001)])),
        ("cells_updated", updated(vec![cell("A1", "\"Hello World\"", None, 4), cell("A2", "null", None, 1)])),
        ("user_status_changed", ephemeral(Ephemeral::StatusChanged { user: bob(), status: Status::Busy })),
        ("user_typing_start", typing(Typing::Started)),
        ("user_typing_stop", typing(Typing::Stopped)),
        ("file_upload_complete_in_room", ephemeral(Ephemeral::Upload { user: alice(), upload: upload(complete()) })),
        ("system_announcement", announced("system_announcement")),
        ("broadcast", ephemeral(Ephemeral::Announced { data: raw("{\"title\":\"Maintenance Notice\"}") })),
    ]
}

fn announced(file: &str) -> Told {
    ephemeral(Ephemeral::Announced { data: raw(transcripts("server")[file].trim()) })
}

fn upload(phase: UploadPhase) -> Upload {
    Upload { file: "file_123".into(), user: alice().id, phase }
}

fn so_far(uploaded_bytes: u64, total_bytes: u64, percentage: Option<RawJson>) -> UploadPhase {
    UploadPhase::Progress { uploaded_bytes, total_bytes, percentage }
}

fn complete() -> UploadPhase {
    UploadPhase::Complete { filename: "data.csv".into(), url: "https://storage.example.com/file_123.csv".into() }
}

fn told_to_the_user() -> Vec<(&'static str, Told)> {
    let personal = |news| Told::One(Reply::Personal(Arc::new(news)));
    let answer = |phase| personal(Personal::Answer(AnswerNews { request: "req_123".into(), user: alice().id, phase }));
    let uploading = |phase| personal(Personal::Upload(upload(phase)));
    let notification = Notification {
        id: "01932c0d-0000-7000-8000-0000000000aa".parse().unwrap(),
        title: "New Comment".into(),
        message: "John commented on your sheet".into(),
        category: "workspace".into(),
        priority: Priority::Normal,
        module: Some("tables".into()),
        data: None,
        created_at: NOON,
    };
    let id = notification.id;
    let query = "Analyze this data and provide insights".into();
    let progress = |percent, status: &str, delta: Option<&str>| {
        answer(AnswerPhase::Progress { percent, status: status.into(), delta: delta.map(Into::into) })
    };
    let completed = |result: &str, findings: Option<&str>, processing_time_ms| {
        answer(AnswerPhase::Complete { result: result.into(), findings: findings.map(raw), processing_time_ms })
    };
    let failed = AnswerPhase::Failed {
        fault: AnswerFault::Unavailable,
        sentence: "The assistant did not answer in time; try again".into(),
    };
    let started =
        UploadPhase::Started { filename: "data.csv".into(), size_bytes: 1_024_000, mime_type: Some("text/csv".into()) };
    vec![
        ("ai_start", answer(AnswerPhase::Started { query, sheet: Some(sheet()) })),
        ("ai_progress", progress(60, "Processing step 3/5", None)),
        ("ai_progress_of_text", progress(40, "Writing", Some("Revenue rose "))),
        ("ai_complete", completed("Analysis complete: Found 3 trends...", None, 4_500)),
        ("ai_complete_with_findings", completed("100 rows.", Some("{\"rows\":100}"), 12)),
        ("ai_error", answer(failed)),
        (
            "notification_created",
            personal(Personal::Notified { user: alice().id, notification: Arc::new(notification) }),
        ),
        ("notification_read", personal(Personal::NotificationRead { user: alice().id, id })),
        ("file_upload_start", uploading(started)),
        ("file_upload_progress", uploading(so_far(512_000, 1_024_000, None))),
        ("file_upload_progress_as_reckoned", uploading(so_far(1, 3, Some(raw("33.33"))))),
        ("file_upload_complete", uploading(complete())),
        (
            "direct_message",
            Told::One(Reply::Notice { data: raw(transcripts("server")["direct_message"].trim()), at: NOON }),
        ),
        ("notification", Told::One(Reply::Notice { data: raw("{\"message\":\"Please review\"}"), at: NOON })),
    ]
}

fn told_to_one() -> Vec<(&'static str, Told)> {
    let error =
        |reference: Option<&str>, refusal| Told::One(Reply::Error { reference: reference.map(raw), refusal, at: NOON });
    let conflict = |cell| CellConflict { current: cell, user: bob().id };
    let conflicts = |reference: Option<&str>, conflicts| {
        Told::One(Reply::VersionConflict { reference: reference.map(raw), sheet: sheet(), conflicts, at: NOON })
    };
    let (first, second) =
        (conflict(cell("A1", "\"Hello World\"", None, 4)), conflict(cell("A2", "7", Some("=3+4"), 9)));
    let owner = "Only the room's owner and administrators may do this; ask one of them";
    let limited = "Rate limit exceeded: too many requests per minute; wait before the next one";
    let expires_at = Timestamp::from_unix_seconds(1_761_570_000);
    vec![
        ("pong", Told::One(Reply::Pong { reference: None, at: NOON })),
        ("pong_with_ref", Told::One(Reply::Pong { reference: Some(raw("7")), at: NOON })),
        (
            "ack",
            Told::One(Reply::Ack { reference: raw("\"c-1\""), id: EVENT.parse::<EventId>().unwrap(), seq: Seq(42) }),
        ),
        ("ack_done", Told::One(Reply::Done { reference: raw("\"l-1\"") })),
        ("ack_of_auth_refresh", Told::One(Reply::AuthRefreshed { reference: Some(raw("\"refresh-1\"")), expires_at })),
        ("version_conflict", conflicts(Some("\"c-1\""), vec![first.clone()])),
        ("version_conflict_of_several", conflicts(None, vec![first, second])),
        ("error", error(None, Refusal::new(ErrorCode::PermissionDenied, owner))),
        ("error_with_ref", error(Some("\"m-1\""), Refusal::limited(limited, 12))),
        ("recovered", Told::One(Reply::Recovered { room: room(), seq: Seq(44), complete: true })),
        ("server_restarting", Told::One(Reply::Restarting { reconnect_in_ms: 2_350, at: NOON })),
    ]
}

fn parsed(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[test]
fn what_a_workspace_client_is_told_is_as_recorded() {
    let files = transcripts("server");
    let told: BTreeMap<_, _> = told_in_rooms().into_iter().chain(told_to_the_user()).chain(told_to_one()).collect();
    assert_eq!(files.keys().map(String::as_str).collect::<Vec<_>>(), told.keys().copied().collect::<Vec<_>>());
    for (name, told) in told {
        let mut out = b"kept".to_vec();
        let encoded = match &told {
            Told::Everybody(event) => dialect().encode_event(event, &mut out),
            Told::One(reply) => dialect().encode_reply(reply, &mut out),
        };
        assert_eq!(encoded, Encoded::Text, "{name}");
        let text = str::from_utf8(&out).unwrap().strip_prefix("kept").expect("an encoder only appends");
        assert_eq!(parsed(text), parsed(&files[name]), "{name}");
        assert!(text.trim_start_matches(['{', '\n', ' ']).starts_with("\"type\":"), "{name}");
    }
}

#[test]
fn what_has_no_form_leaves_nothing_behind() {
    let channel = Event {
        room: Arc::new(RoomIdentity {
            id: RoomId::generate(),
            scope: RoomScope::Direct { users: [alice().id, bob().id] },
        }),
        at: NOON,
        body: EventBody::Ephemeral(Ephemeral::UserJoined { user: alice() }),
    };
    let joined = Event { room: room(), ..channel.clone() };
    for event in [channel, joined] {
        let mut out = b"kept".to_vec();
        assert_eq!(dialect().encode_event(&event, &mut out), Encoded::Nothing);
        assert_eq!(out, b"kept");
    }
}
