//! Rooms, their members, cursors, typing and status.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize, Serializer};

use crate::{
    core::{
        cursor::{self, CursorUpdate},
        event::MemberPresence,
        presence::Status,
    },
    dialects::{
        common::{Position, User},
        input::{Count, Finite, Id, Json, NameOrEmpty},
        output::{Each, Echo, Moment, Number},
    },
    ids::{Epoch, RoomName, SheetId},
    limits,
};

/// A client's id for a cell; any name is accepted.
type CellName = NameOrEmpty<{ limits::CURSOR_CELL_CHARS_MAX }>;

// ---- from clients ----

#[derive(Deserialize, JsonSchema)]
pub struct JoinRoom<'a> {
    /// The room. The names `room` and `conversation_id` are accepted as well.
    #[serde(rename = "room_id|room|conversation_id")]
    #[schemars(rename = "room_id")]
    pub room: Id<RoomName>,
    /// The highest `seq` received so far: missed events are replayed first.
    #[schemars(example = 41)]
    pub since: Option<Count>,
    /// The `epoch` of `since`.
    #[serde(borrow)]
    #[schemars(with = "Option<Epoch>")]
    pub epoch: Option<Json<'a>>,
}

#[derive(Deserialize, JsonSchema)]
pub struct LeaveRoom {
    /// The room. The names `room` and `conversation_id` are accepted as well.
    #[serde(rename = "room_id|room|conversation_id")]
    #[schemars(rename = "room_id")]
    pub room: Id<RoomName>,
}

#[derive(Deserialize, JsonSchema)]
pub struct CursorMove {
    /// The room; if absent, the one joined last. The names `room_id` and `conversation_id` are accepted as well.
    #[serde(rename = "room|room_id|conversation_id")]
    #[schemars(rename = "room")]
    pub room: Option<Id<RoomName>>,
    pub x: Finite,
    pub y: Finite,
    /// The cell, by the client's id; an empty one counts as absent.
    #[schemars(example = &"A1")]
    pub cell: Option<CellName>,
}

#[derive(Deserialize, JsonSchema)]
pub struct Typing {
    /// The cell, by the client's id; an empty one counts as absent.
    #[schemars(example = &"A1")]
    pub cell_id: Option<CellName>,
    /// The room; if absent, the one joined last. The names `room_id` and `conversation_id` are accepted as well.
    #[serde(rename = "room|room_id|conversation_id")]
    #[schemars(rename = "room")]
    pub room: Option<Id<RoomName>>,
}

#[derive(Deserialize, JsonSchema)]
pub struct SetStatus {
    pub status: Status,
}

// ---- from the server ----

#[derive(Serialize, JsonSchema)]
pub struct RoomState<'a> {
    pub room_id: &'a RoomName,
    #[schemars(length(max = limits::ONLINE_USERS_LISTED_MAX))]
    pub users: Members<'a>,
    /// Sheets that changed within the last 15 minutes.
    pub active_sheets: &'a [SheetId],
    pub total_users: usize,
    /// True if there are more users than listed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub truncated: Option<bool>,
    /// Only for a newcomer: the `ref` of `join_room`.
    #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
    pub reference: Option<Echo<'a>>,
    /// Only for a newcomer.
    #[serde(flatten)]
    pub position: Option<Position<'a>>,
}

/// The members of a room.
#[derive(JsonSchema)]
#[schemars(with = "Vec<Member<'a>>")]
pub struct Members<'a> {
    pub room: &'a RoomName,
    pub users: &'a [MemberPresence],
}

impl Serialize for Members<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.users.iter().map(|attendee| Member::new(self.room, attendee)))
    }
}

#[derive(Serialize, JsonSchema)]
pub struct Member<'a> {
    #[serde(flatten)]
    pub user: User<'a>,
    #[schemars(example = &"alice@example.org")]
    pub email: Option<&'a str>,
    pub room: &'a RoomName,
    pub status: Status,
    pub cursor: Option<Cursor<'a>>,
    pub last_seen: Moment,
}

impl<'a> Member<'a> {
    pub fn new(room: &'a RoomName, attendee: &'a MemberPresence) -> Member<'a> {
        Member {
            user: (&attendee.user).into(),
            email: attendee.user.email(),
            room,
            status: attendee.status,
            cursor: attendee.cursor.as_ref().map(Cursor::from),
            last_seen: Moment(attendee.last_seen),
        }
    }
}

#[derive(Serialize, JsonSchema)]
pub struct UserJoined<'a> {
    #[serde(flatten)]
    pub user: User<'a>,
    #[schemars(example = &"alice@example.org")]
    pub email: Option<&'a str>,
    pub room: &'a RoomName,
}

#[derive(Serialize, JsonSchema)]
pub struct UserLeft<'a> {
    #[serde(flatten)]
    pub user: User<'a>,
    pub room: &'a RoomName,
}

#[derive(Serialize, JsonSchema)]
pub struct Cursor<'a> {
    pub x: Number,
    pub y: Number,
    /// By the client's id.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = limits::CURSOR_CELL_CHARS_MAX), example = &"A1")]
    pub cell: Option<&'a str>,
}

impl<'a> From<&'a cursor::Cursor> for Cursor<'a> {
    fn from(cursor: &'a cursor::Cursor) -> Cursor<'a> {
        Cursor { x: Number(cursor.x), y: Number(cursor.y), cell: cursor.cell.as_deref() }
    }
}

#[derive(Serialize, JsonSchema)]
pub struct UserCursor<'a> {
    #[serde(flatten)]
    pub user: User<'a>,
    pub cursor: Cursor<'a>,
}

impl<'a> From<&'a CursorUpdate> for UserCursor<'a> {
    fn from(pointed: &'a CursorUpdate) -> UserCursor<'a> {
        UserCursor { user: (&pointed.user).into(), cursor: (&pointed.cursor).into() }
    }
}

/// The top-level fields are for old clients, which read a single cursor per frame. `cursors` contains all users who
/// moved.
#[derive(Serialize, JsonSchema)]
pub struct CursorMoved<'a> {
    #[serde(flatten)]
    pub first: UserCursor<'a>,
    pub room: &'a RoomName,
    /// All users who moved, if there are several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cursors: Option<Each<'a, CursorUpdate, UserCursor<'a>>>,
}

#[derive(Serialize, JsonSchema)]
pub struct UserTyping<'a> {
    #[serde(flatten)]
    pub user: User<'a>,
    /// By the client's id.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = limits::CURSOR_CELL_CHARS_MAX), example = &"A1")]
    pub cell_id: Option<&'a str>,
    pub room: &'a RoomName,
}

#[derive(Serialize, JsonSchema)]
pub struct StatusChanged<'a> {
    #[serde(flatten)]
    pub user: User<'a>,
    pub status: Status,
    pub room: &'a RoomName,
}
