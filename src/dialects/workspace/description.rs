//! The dialect's messages, described for the AsyncAPI document.

use serde_json::{Value, json};

use crate::{
    dialects::description::{
        Description, Field, always, any_object, any_of, any_text, boolean, common, connection_id, count, count_to,
        epoch, error, from_client, from_server, list, notice, notification, number, object, one_of, or_null, priority,
        said, scalar, seq, sometimes, such_as, text, timestamp, user_id, username, uuid, with_either, written,
    },
    limits,
};

/// All messages, both ways.
pub fn messages() -> Vec<Description> {
    let parts = [
        common(),
        vec![error(of_errors()), notice("An administrator's words for a user", written())],
        rooms_from_clients(),
        sheets_from_clients(),
        assistant_from_clients(),
        news_from_clients(),
        rooms_from_server(),
        sheets_from_server(),
        vec![assistant_from_server()],
        news_from_server(),
    ];
    parts.into_iter().flatten().collect()
}

// ---- parts ----

fn room_name() -> Value {
    such_as("workspace_123", text(1..=limits::ROOM_NAME_CHARS_MAX))
}

fn room() -> Field {
    let meaning =
        "Which room; the latest that one has joined if absent. `room_id` and `conversation_id` are understood as well";
    sometimes("room", said(meaning, room_name()))
}

fn sheet_id() -> Value {
    such_as("sheet_123", text(1..=limits::SHEET_ID_CHARS_MAX))
}

fn cell_id() -> Value {
    such_as("A1", json!({"type": "string", "pattern": "^[A-Za-z]{1,3}[0-9]{1,7}$"}))
}

/// A cell as clients name it: any name will do, and an empty one is none.
fn cell_name() -> Value {
    such_as("A1", text(0..=limits::CURSOR_CELL_CHARS_MAX))
}

fn client_name(example: &str) -> Value {
    such_as(example, text(1..=limits::CLIENT_NAME_CHARS_MAX))
}

fn filter_names(example: &str) -> Value {
    list(such_as(example, text(1..=limits::FILTER_NAME_CHARS_MAX)), Some(limits::FILTER_NAMES_MAX))
}

fn status() -> Value {
    one_of(&["online", "away", "busy"])
}

fn cursor() -> Value {
    let position = || such_as(150, number());
    object(vec![always("x", position()), always("y", position()), sometimes("cell", cell_name())])
}

fn user() -> Vec<Field> {
    vec![always("user_id", user_id()), always("username", username())]
}

fn with(mut fields: Vec<Field>, more: Vec<Field>) -> Vec<Field> {
    fields.extend(more);
    fields
}

fn formula() -> Value {
    said("Kept as it is, never computed", or_null(such_as("=SUM(A1:A3)", text(0..=limits::FORMULA_CHARS_MAX))))
}

fn value() -> Value {
    said("Any JSON scalar; null for an empty cell", such_as("Hello World", scalar(limits::CELL_TEXT_CHARS_MAX)))
}

// ---- rooms ----

fn rooms_from_clients() -> Vec<Description> {
    let since = "The highest `seq` that was seen: what was missed since then comes first";
    let join = vec![
        always("room_id", room_name()),
        sometimes("since", said(since, such_as(41, count()))),
        sometimes("epoch", epoch()),
    ];
    let typing = || vec![sometimes("cell_id", cell_name()), room()];
    let cursor = vec![
        room(),
        always("x", such_as(150, number())),
        always("y", such_as(300, number())),
        sometimes("cell", cell_name()),
    ];
    vec![
        from_client("join_room", "Enter a room, which is made if there is none", join),
        from_client("leave_room", "Leave a room", vec![always("room_id", room_name())]),
        from_client("cursor_move", "Where one's cursor is", cursor),
        from_client("typing_start", "Tell that one types", typing()),
        from_client("typing_stop", "Tell that one stopped", typing()),
        from_client("status_update", "How one is there", vec![always("status", status())]),
    ]
}

fn rooms_from_server() -> Vec<Description> {
    let member = with(
        user(),
        vec![
            always("email", or_null(such_as("alice@example.org", any_text()))),
            always("room", room_name()),
            always("status", status()),
            always("cursor", or_null(cursor())),
            always("last_seen", timestamp()),
        ],
    );
    let state = vec![
        always("room_id", room_name()),
        always("users", list(object(member), Some(limits::ONLINE_USERS_LISTED_MAX))),
        always("active_sheets", said("Changed in the last 15 minutes", list(sheet_id(), None))),
        always("total_users", count()),
        sometimes("truncated", said("Where there are more users than are listed", boolean())),
        sometimes("ref", said("To the newcomer: as in `join_room`", json!({"type": ["string", "number"]}))),
        sometimes("seq", seq()),
        sometimes("epoch", epoch()),
        sometimes("connection_id", connection_id()),
    ];
    let moved = || with(user(), vec![always("cursor", cursor())]);
    let everybody = said("Everybody who moved, where several did", list(object(moved()), None));
    let cursors = with(moved(), vec![always("room", room_name()), sometimes("cursors", everybody)]);
    let typing = || with(user(), vec![sometimes("cell_id", cell_name()), always("room", room_name())]);
    let changed = with(user(), vec![always("status", status()), always("room", room_name())]);
    let email = always("email", or_null(such_as("alice@example.org", any_text())));
    let joined = with(user(), vec![email, always("room", room_name())]);
    let left = with(user(), vec![always("room", room_name())]);
    vec![
        from_server("room_state", "Who is in the room: to whoever comes, and to all when somebody came or went", state),
        from_server("user_joined", "Somebody came into a room of more than 50 users", joined),
        from_server("user_left", "Somebody left a room of more than 50 users", left),
        from_server("cursor_moved", "Somebody's cursor moved", cursors),
        from_server("user_typing_start", "Somebody types", typing()),
        from_server("user_typing_stop", "Somebody stopped typing", typing()),
        from_server("user_status_changed", "How somebody is there", changed),
    ]
}

// ---- sheets ----

fn sheets_from_clients() -> Vec<Description> {
    let seen = "The version that was seen last; absent or 0: whatever it is";
    let cell = || {
        vec![
            always("cell_id", cell_id()),
            sometimes("value", value()),
            sometimes("formula", formula()),
            sometimes("version", said(seen, count_to(limits::COUNT_MAX))),
        ]
    };
    let item = with_either(["value", "formula"], object(cell()));
    let cells = json!({"type": "array", "items": item, "minItems": 1, "maxItems": limits::CELLS_PER_UPDATE_MAX});
    let one = from_client(
        "cell_update",
        "Change a cell of a sheet",
        with(vec![always("sheet_id", sheet_id()), room()], cell()),
    );
    let several = vec![always("sheet_id", sheet_id()), room(), always("cells", said("Each cell once", cells))];
    vec![
        Description { payload: with_either(["value", "formula"], one.payload), ..one },
        from_client("cells_update", "Change several cells at once, all or none", several),
    ]
}

/// What an error has besides: when somebody else's change came first, and when a question is refused.
fn of_errors() -> Vec<Field> {
    let current = || {
        object(vec![
            always("value", value()),
            always("formula", formula()),
            always("version", count()),
            always("user_id", user_id()),
        ])
    };
    let conflict = vec![
        always("cell_id", cell_id()),
        sometimes("current", current()),
        sometimes("version", said("Where there is no `current`, since there are too many to show", count())),
    ];
    let conflicts = list(object(conflict), Some(limits::CELLS_PER_UPDATE_MAX));
    vec![
        sometimes("sheet_id", said("With VERSION_CONFLICT", sheet_id())),
        sometimes("cell_id", said("With VERSION_CONFLICT", cell_id())),
        sometimes("current", said("With VERSION_CONFLICT: the cell as it is", current())),
        sometimes("conflicts", said("With VERSION_CONFLICT of several cells", conflicts)),
        sometimes("request_id", said("Of the `ai_request` or `ai_cancel` that is refused", client_name("req_123"))),
    ]
}

fn sheets_from_server() -> Vec<Description> {
    let cell = || {
        vec![
            always("cell_id", cell_id()),
            always("value", value()),
            always("formula", formula()),
            always("version", count()),
        ]
    };
    let place = || {
        vec![
            always("room_id", room_name()),
            always("id", uuid()),
            always("seq", seq()),
            always("timestamp", timestamp()),
        ]
    };
    let one = [vec![always("sheet_id", sheet_id())], cell(), user(), place()];
    let several = [
        vec![always("sheet_id", sheet_id()), always("cells", list(object(cell()), Some(limits::CELLS_PER_UPDATE_MAX)))],
        user(),
        place(),
    ];
    vec![
        from_server("cell_updated", "A cell changed; the sender hears it, too", one.into_iter().flatten().collect()),
        from_server("cells_updated", "Several cells changed at once", several.into_iter().flatten().collect()),
    ]
}

// ---- the assistant ----

fn assistant_from_clients() -> Vec<Description> {
    let range = such_as("A1:Z100", text(1..=limits::CURSOR_CELL_CHARS_MAX));
    let context = object(vec![sometimes("table_range", said("Which cells; all if absent", or_null(range)))]);
    let ask = vec![
        always("request_id", said("One's own name for the question", client_name("req_123"))),
        always("query", such_as("What are the trends?", text(1..=limits::QUESTION_CHARS_MAX))),
        sometimes("sheet_id", sheet_id()),
        sometimes("context", context),
    ];
    vec![
        from_client("ai_request", "Ask the assistant", ask),
        from_client("ai_cancel", "Want the answer no more", vec![always("request_id", client_name("req_123"))]),
    ]
}

fn assistant_from_server() -> Description {
    let started = vec![always("query", such_as("What are the trends?", any_text())), sometimes("sheet_id", sheet_id())];
    let progress = vec![
        always("progress", json!({"type": "integer", "minimum": 0, "maximum": 100})),
        always("status", any_text()),
        sometimes("delta", said("The next piece of the text, where it streams", any_text())),
    ];
    let complete = vec![
        always("result", any_text()),
        sometimes("findings", said("The same as data, where there is some", any_object())),
        always("processing_time", said("Seconds", number())),
    ];
    let failed = vec![
        always("error", said("One sentence for people", any_text())),
        always("code", one_of(&["AI_CANCELLED", "AI_UNAVAILABLE", "RATE_LIMIT_EXCEEDED", "NOT_FOUND"])),
    ];
    let data = json!({"oneOf": [object(started), object(progress), object(complete), object(failed)]});
    from_server(
        "ai_event",
        "How far an answer is, to all sockets of whoever asked",
        vec![
            always("event_type", one_of(&["ai_start", "ai_progress", "ai_complete", "ai_error"])),
            always("request_id", client_name("req_123")),
            always("user_id", user_id()),
            always("data", said("What belongs to the `event_type`", data)),
        ],
    )
}

// ---- notifications and uploads ----

fn news_from_clients() -> Vec<Description> {
    let filter = vec![
        sometimes("categories", said("All if absent", filter_names("workspace"))),
        sometimes("modules", said("All if absent", filter_names("tables"))),
        sometimes("priorities", said("All if absent", list(priority(), Some(limits::FILTER_NAMES_MAX)))),
    ];
    let read = vec![always("notification_id", client_name("01932c0d-0000-7000-8000-000000000001"))];
    vec![
        from_client("subscribe_notifications", "Which notifications this socket wants", filter),
        from_client("notification_read", "Mark a notification as read", read),
        from_client("file_upload_start", "Tell that an upload begins", upload_started()),
        from_client("file_upload_progress", "Tell how far an upload is", upload_progress(sometimes)),
    ]
}

fn file_id() -> Field {
    always("file_id", client_name("file_123"))
}

fn filename() -> Value {
    such_as("data.csv", text(1..=limits::FILE_NAME_CHARS_MAX))
}

fn upload_started() -> Vec<Field> {
    vec![
        file_id(),
        always("filename", filename()),
        always("file_size", said("Bytes", such_as(1_024_000, count()))),
        sometimes("mime_type", such_as("text/csv", text(0..=limits::FILE_NAME_CHARS_MAX))),
    ]
}

fn upload_progress(percentage: fn(&'static str, Value) -> Field) -> Vec<Field> {
    let percent = such_as(50.0, number());
    vec![
        file_id(),
        always("bytes_uploaded", such_as(512_000, count())),
        always("total_bytes", such_as(1_024_000, count())),
        percentage("percentage", said("As its client reckons it, or else computed", percent)),
    ]
}

const NOTIFICATION_EVENTS: [&str; 5] = [
    "notification_created",
    "notification_updated",
    "notification_read",
    "notification_deleted",
    "all_notifications_read",
];

fn news_from_server() -> Vec<Description> {
    let told = any_of(vec![notification(), object(vec![always("id", uuid())])]);
    let meaning = "The notification; only its id where it was read or deleted";
    let event = vec![
        always("event_type", one_of(&NOTIFICATION_EVENTS)),
        sometimes("notification", said(meaning, told)),
        sometimes("notification_id", said("Which one was read or deleted", uuid())),
        always("user_id", said("Whose it is", user_id())),
    ];
    let uploader = || {
        vec![
            always("user_id", said("Who uploads", user_id())),
            sometimes("username", said("To the rooms that the user is in", username())),
            sometimes("room", said("To the rooms that the user is in", room_name())),
        ]
    };
    let complete =
        vec![file_id(), always("filename", filename()), always("url", such_as("/api/v1/files/…", any_text()))];
    let cancelled = vec![file_id(), always("reason", one_of(&["deleted", "expired", "disconnected"]))];
    vec![
        from_server("notification_event", "A notification was made or changed, or read or deleted elsewhere", event),
        from_server("file_upload_start", "An upload begins", with(upload_started(), uploader())),
        from_server("file_upload_progress", "How far an upload is", with(upload_progress(always), uploader())),
        from_server("file_upload_complete", "A file is stored", with(complete, uploader())),
        from_server("file_upload_cancelled", "An upload will not be completed", with(cancelled, uploader())),
    ]
}
