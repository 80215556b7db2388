//! Which transcripts show the encodings of which event and reply. There is one row per variant, expanded into an
//! exhaustive match: a new variant does not compile without a row, and a row must be correct for every dialect.

use std::{collections::BTreeSet, sync::Arc};

use convene::{
    core::{
        event::{
            CallEphemeral, CanvasDurable, CanvasEphemeral, ChatDurable, ChatEphemeral, DocumentDurable,
            DocumentEphemeral, DocumentReply, Durable, Ephemeral, Event, EventBody, PresenceEphemeral, Reply,
            RoomEphemeral, RoomIdentity, SheetDurable, SpaceDurable, SpaceEphemeral, UploadEphemeral,
        },
        user_event::UserEvent,
    },
    dialects::DialectKind,
};

use crate::{Told, canvas, channel, metaverse, nexus, told, workspace};

/// A variant's transcripts in the channel, the workspace, the nexus, the canvas and the metaverse dialect; empty if the dialect
/// does not encode it.
struct Row {
    variant: &'static str,
    recorded: &'static [&'static [&'static str]],
}

impl Row {
    /// The transcripts in that dialect.
    fn of(&self, dialect: DialectKind) -> &'static [&'static str] {
        self.recorded.get(dialect as usize).copied().unwrap_or_default()
    }
}

macro_rules! forms {
    ($rows:ident, $row_of:ident, $what:ident: $($variant:ident [$($channel:literal)*] [$($workspace:literal)*] [$($nexus:literal)*] [$($canvas:literal)*] $([$($metaverse:literal)*])?)*) => {
        const $rows: &[Row] = &[
            $(Row { variant: stringify!($variant), recorded: &[&[$($channel),*], &[$($workspace),*], &[$($nexus),*], &[$($canvas),*], &[], &[$($($metaverse),*)?]] }),*
        ];

        fn $row_of(it: &$what) -> &'static Row {
            let variant = match it {
                $($what::$variant { .. } => stringify!($variant),)*
            };
            $rows.iter().find(|row| row.variant == variant).unwrap()
        }
    };
}

forms! { CHAT_DURABLE, chat_durable, ChatDurable:
    MessageSent [
        "message" "message_with_attachments" "message_of_the_sender" "message_encrypted" "dm_message"
        "dm_message_without_text" "dm_message_of_the_sender" "dm_message_encrypted"
    ] [] ["chat_message" "chat_message_direct" "chat_message_encrypted" "chat_message_of_the_sender"]
        ["canvas_chat_message" "canvas_chat_message_of_the_sender"] ["chat_message" "chat_message_of_the_sender"]
    MessageEdited [] [] ["chat_edit" "chat_edit_of_the_sender" "chat_edit_encrypted"] []
    MessageDeleted [] [] ["chat_delete" "chat_delete_of_the_sender"] []
    MessageErased [] [] ["chat_message_deleted"] []
    ReadMarked [] [] ["chat_read" "chat_read_of_several" "chat_read_of_the_sender"] []
    Reacted [] [] ["chat_react" "chat_react_of_the_sender" "chat_react_taken_back"] []
}

forms! { SHEET_DURABLE, sheet_durable, SheetDurable:
    CellsUpdated [] ["cell_updated" "cells_updated" "cell_updated_of_the_sender" "cells_updated_of_the_sender"] [] []
}

forms! { CANVAS_DURABLE, canvas_durable, CanvasDurable:
    TileCreated [] [] [] ["tile_created"]
    TileUpdated [] [] [] ["tile_updated"]
    TileDeleted [] [] [] ["tile_deleted"]
    TileLiked [] [] [] ["tile_liked" "tile_liked_taken_back"]
    TileCommented [] [] [] ["tile_commented" "tile_commented_erased"]
    TileCommentDeleted [] [] [] ["tile_comment_deleted"]
    Acted [] [] [] ["user_activity"]
}

forms! { DOCUMENT_DURABLE, document_durable, DocumentDurable:
    DocumentUpdated [] [] ["doc_edit" "doc_edit_delete" "doc_edit_replace"] []
    DocumentSaved [] [] ["doc_save" "doc_save_of_the_sender"] []
}

forms! { DOCUMENT_EPHEMERAL, document_ephemeral, DocumentEphemeral:
    Awareness [] [] [] []
    Opened [] [] ["doc_open_of_another"] []
    Closed [] [] ["doc_close"] []
    Pointed [] [] ["doc_cursor" "doc_selection"] []
    Renewed [] [] [] []
    Session [] [] [] []
}

forms! { SPACE_DURABLE, space_durable, SpaceDurable:
    Acted [] [] [] [] ["user_action"]
    StateChanged [] [] [] [] [
        "state_changed" "state_changed_of_the_sender" "state_changed_deleted" "state_changed_expired" "state_changed_left"
    ]
}

forms! { SPACE_EPHEMERAL, space_ephemeral, SpaceEphemeral:
    Moved [] [] [] [] ["user_moved" "user_moved_own" "user_moved_several"]
    MovedNear [] [] [] [] ["users_moved"]
    Changed [] [] [] [] ["space_changed" "space_changed_without_radius"]
}

forms! { PRESENCE_EPHEMERAL, presence_ephemeral, PresenceEphemeral:
    UserJoined ["user_joined" "dm_user_online"] ["user_joined"] ["room_join"] ["user_joined"] ["user_joined"]
    UserLeft ["user_left" "dm_user_offline"] ["user_left"] ["room_leave"] ["user_left"] ["user_left"]
    CursorsMoved [] ["cursor_moved" "cursor_moved_by_several"] [] []
    StatusChanged [] ["user_status_changed"] [] ["user_presence_update_of_the_status"]
    Attended [] ["room_state" "room_state_truncated"] [] []
}

forms! { CHAT_EPHEMERAL, chat_ephemeral, ChatEphemeral:
    Typing ["typing" "dm_typing"] ["user_typing_start" "user_typing_stop"] ["chat_typing"] ["user_typing"]
}

forms! { UPLOAD_EPHEMERAL, upload_ephemeral, UploadEphemeral:
    Reported [] ["file_upload_start_in_room" "file_upload_progress_in_room" "file_upload_complete_in_room" "file_upload_cancelled_in_room"] [] []
}

forms! { CALL_EPHEMERAL, call_ephemeral, CallEphemeral:
    Signal ["webrtc_offer" "webrtc_answer" "webrtc_ice_candidate"] [] [] []
}

forms! { ROOM_EPHEMERAL, room_ephemeral, RoomEphemeral:
    Announced ["broadcast"] ["broadcast" "system_announcement"] ["room_broadcast_of_an_administrator"] ["broadcast"] ["broadcast"]
    Broadcast [] [] ["room_broadcast"] []
}

forms! { CANVAS_EPHEMERAL, canvas_ephemeral, CanvasEphemeral:
    TileEditing [] [] [] ["user_presence_update"]
    Highlighted [] [] [] ["tile_highlight"]
}

forms! { PERSONAL, personal, UserEvent:
    Notified ["notification_stored"] ["notification_created"] ["notification"] ["notification_stored"]
        ["notification" "invite_received" "invite_reminder" "invite_accepted" "invite_declined"]
    NotificationRead [] ["notification_read"] ["notification_read"] []
    NotificationUpdated [] ["notification_updated"] ["notification_updated"] []
    NotificationDeleted [] ["notification_deleted"] ["notification_cleared"] []
    AllNotificationsRead [] ["all_notifications_read"] ["notification_read_all"] []
    ReadNotificationsDeleted [] ["read_notifications_deleted"] ["notification_cleared_all"] []
    Answer [] [
        "ai_start" "ai_progress" "ai_progress_of_text" "ai_complete" "ai_complete_with_findings"
        "ai_error" "ai_error_cancelled" "ai_error_of_the_budget" "ai_error_without_data"
    ] [] []
    Upload [] ["file_upload_start" "file_upload_progress" "file_upload_progress_as_reckoned" "file_upload_complete" "file_upload_cancelled" "file_upload_cancelled_expired"] [] []
    Call [] [] [] [] // `Reply::Call` is what the session makes of it
    Presence [] [] ["presence_online" "presence_away" "presence_busy" "presence_offline" "presence_update"] []
    Device [] [] ["device_update" "device_update_changed" "device_update_removed" "device_update_prekeys_low"] []
    ConversationsChanged [] [] ["conversation_update"] [] []
    SocketOpened [] [] ["connect"] []
    SocketClosed [] [] ["disconnect"] []
}

forms! { REPLY, reply, Reply:
    Pong ["pong" "pong_with_ref"] ["pong" "pong_with_ref"] ["pong" "pong_with_ref"] ["pong" "pong_with_ref"] ["pong" "pong_with_ref"]
    Ack ["ack"] ["ack"] ["ack"] ["ack"] ["chat" "action" "state_set"]
    AuthRefreshed ["ack_of_auth_refresh"] ["ack_of_auth_refresh"] ["ack_of_auth_refresh"] ["ack_of_auth_refresh"] ["auth_refresh"]
    Done ["ack_done"] ["ack_done"] ["ack_done"] ["ack_done"] ["leave_space" "move" "state_set_nothing"]
    VersionConflict [] ["version_conflict" "version_conflict_of_several"] [] []
    UserEvent [] [] [] [] // the rows above
    Error ["error" "error_with_ref"] ["error" "error_with_ref" "error_of_question"] ["error" "error_with_ref"] ["error" "error_with_ref"]
        ["failed" "failed_with_ref" "failed_unread"]
    Call [] [] ["call_offer" "call_answer" "call_ice" "call_hangup" "call_hangup_answered_elsewhere" "call_hangup_busy" "call_hangup_cancelled" "call_hangup_crossed" "call_hangup_declined_elsewhere" "call_hangup_disconnected" "call_hangup_timeout" "call_hangup_with_data"] []
    Welcome [] [] ["system_message"] []
    Delivered [] [] ["chat_delivered"] []
    Document [] [] [] [] // the rows below
    Entered ["online_users" "online_users_truncated" "dm_connected" "dm_user_online_first"] ["room_state_first"] ["room_join_first" "room_join_first_truncated"] []
    Recovered ["recovered"] ["recovered"] ["recovered"] ["recovered"] ["recovered"]
    Notice ["notification"] ["notification" "direct_message"] ["system_message_of_an_administrator"] ["notification"] ["notification_of_an_administrator"]
    Canvas [] [] [] [
        "user_joined_first" "active_users" "active_users_truncated" "ack_of_a_tile" "ack_of_a_tile_unchanged" "error_of_a_taken_place"
        "error_of_an_old_version" "error_of_a_locked_tile"
    ]
    Space [] [] [] [] [
        "join_space" "join_space_truncated" "join_space_with_state" "state_set_conflict" "state_set_conflict_with_nothing"
        "users_moved_near" "send_invite" "send_invite_to_several"
        "send_invite_limited_in_part" "send_invite_to_nobody" "accept_invite" "decline_invite" "get_users" "get_invites"
    ]
    Restarting ["server_restarting"] ["server_restarting"] ["server_restarting"] ["server_restarting"] ["server_restarting"]
}

forms! { DOCUMENT_REPLY, document_reply, DocumentReply:
    Has [] [] [] []
    Lacking [] [] [] []
    Awareness [] [] [] []
    Pointers [] [] [] []
    Joined [] [] [] []
    RoleChanged [] [] [] []
    NotApplied [] [] [] []
    Denied [] [] [] []
    Opened [] [] ["doc_open"] []
    Applied [] [] ["doc_edit_acknowledged"] []
    Conflict [] [] ["doc_conflict" "doc_conflict_too_old" "doc_conflict_stale"] []
}

const ALL_ROWS: [&[Row]; 16] = [
    SPACE_DURABLE,
    SPACE_EPHEMERAL,
    DOCUMENT_DURABLE,
    DOCUMENT_EPHEMERAL,
    DOCUMENT_REPLY,
    CHAT_DURABLE,
    SHEET_DURABLE,
    CANVAS_DURABLE,
    PRESENCE_EPHEMERAL,
    CHAT_EPHEMERAL,
    UPLOAD_EPHEMERAL,
    CALL_EPHEMERAL,
    ROOM_EPHEMERAL,
    CANVAS_EPHEMERAL,
    PERSONAL,
    REPLY,
];

fn row_of(told: &Told) -> &'static Row {
    match told {
        Told::Everybody(Event { body, .. }) | Told::Author(Event { body, .. }) => row_of_event(body),
        Told::One(Reply::UserEvent(news)) => personal(news),
        Told::One(Reply::Document(_, told)) => document_reply(told),
        Told::One(word) => reply(word),
    }
}

fn row_of_event(body: &EventBody) -> &'static Row {
    match body {
        EventBody::Durable { what: Durable::Chat(what), .. } => chat_durable(what),
        EventBody::Durable { what: Durable::Sheet(what), .. } => sheet_durable(what),
        EventBody::Durable { what: Durable::Canvas(what), .. } => canvas_durable(what),
        EventBody::Durable { what: Durable::Document(what), .. } => document_durable(what),
        EventBody::Durable { what: Durable::Space(what), .. } => space_durable(what),
        EventBody::Ephemeral(what) => match what {
            Ephemeral::Presence(what) => presence_ephemeral(what),
            Ephemeral::Chat(what) => chat_ephemeral(what),
            Ephemeral::Upload(what) => upload_ephemeral(what),
            Ephemeral::Call(what) => call_ephemeral(what),
            Ephemeral::Room(what) => room_ephemeral(what),
            Ephemeral::Document(what) => document_ephemeral(what),
            Ephemeral::Canvas(what) => canvas_ephemeral(what),
            Ephemeral::Space(what) => space_ephemeral(what),
        },
    }
}

/// A room of a dialect.
fn a_room(dialect: DialectKind) -> Arc<RoomIdentity> {
    match dialect {
        DialectKind::Channel => channel::channel(),
        DialectKind::Workspace => workspace::room(),
        DialectKind::Nexus => nexus::room(),
        DialectKind::Yjs | DialectKind::Hocuspocus => unreachable!("it has no JSON"),
        DialectKind::Canvas => canvas::canvas(),
        DialectKind::Metaverse => metaverse::space(),
    }
}

#[test]
fn every_form_of_every_variant_is_recorded() {
    for dialect in DialectKind::with_json() {
        let told = told(dialect);
        for (name, what) in &told {
            let row = row_of(what);
            assert!(row.of(dialect).contains(name), "{} {name}: {}", dialect.name(), row.variant);
        }
        let rows = ALL_ROWS.into_iter().flatten();
        let named: BTreeSet<_> = rows.flat_map(|row| row.of(dialect)).collect();
        let missing: Vec<_> = named.into_iter().filter(|name| !told.contains_key(**name)).collect();
        assert!(missing.is_empty(), "{}: never recorded: {missing:?}", dialect.name());
    }
}

#[test]
fn what_has_no_recording_has_no_form() {
    for spoken in DialectKind::with_json() {
        for (name, mut what) in told(spoken) {
            let row = row_of(&what);
            for dialect in DialectKind::with_json().filter(|dialect| row.of(*dialect).is_empty()) {
                if let Told::Everybody(event) | Told::Author(event) = &mut what {
                    event.room = a_room(dialect);
                }
                assert_eq!(what.encoded(dialect), None, "{name}: {} has a form for {}", dialect.name(), row.variant);
            }
        }
    }
}

/// Whether a dialect is spoken in rooms of that kind.
fn is_spoken_in(dialect: DialectKind, room: &RoomIdentity) -> bool {
    match dialect {
        DialectKind::Channel => room.scope.is_channel() || room.scope.is_direct(),
        DialectKind::Workspace => room.scope.name().is_some(),
        DialectKind::Nexus => true,
        DialectKind::Yjs | DialectKind::Hocuspocus => room.scope.document().is_some(),
        DialectKind::Canvas => room.scope.kind() == "canvas",
        DialectKind::Metaverse => room.scope.kind() == "space",
    }
}

/// A dialect does not encode events of rooms of another dialect.
#[test]
fn what_happens_elsewhere_has_no_form() {
    for spoken in DialectKind::with_json() {
        for (name, what) in told(spoken) {
            let (Told::Everybody(event) | Told::Author(event)) = &what else { continue };
            for dialect in DialectKind::with_json().filter(|dialect| !is_spoken_in(*dialect, &event.room)) {
                assert_eq!(what.encoded(dialect), None, "{name}: {}", dialect.name());
            }
        }
    }
}
