//! Rooms, who is in them, and what they are doing.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize, Serializer};

use crate::{
    core::{
        cursor::{self, Pointed},
        event::Attendee,
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

/// A cell as clients name it: any name will do.
type CellName = NameOrEmpty<{ limits::CURSOR_CELL_CHARS_MAX }>;

// ---- from clients ----

#[derive(Deserialize, JsonSchema)]
pub struct JoinRoom<'a> {
    /// Which room. `room` and `conversation_id` are understood as well.
    #[serde(rename = "room_id|room|conversation_id")]
    #[schemars(rename = "room_id")]
    pub room: Id<RoomName>,
    /// The highest `seq` that was seen: what was missed since then comes first.
    #[schemars(example = 41)]
    pub since: Option<Count>,
    /// The `epoch` that it belongs to.
    #[serde(borrow)]
    #[schemars(with = "Option<Epoch>")]
    pub epoch: Option<Json<'a>>,
}

#[derive(Deserialize, JsonSchema)]
pub struct LeaveRoom {
    /// Which room. `room` and `conversation_id` are understood as well.
    #[serde(rename = "room_id|room|conversation_id")]
    #[schemars(rename = "room_id")]
    pub room: Id<RoomName>,
}

#[derive(Deserialize, JsonSchema)]
pub struct CursorMove {
    /// Which room; the latest that one has joined if absent. `room_id` and `conversation_id` are understood as well.
    #[serde(rename = "room|room_id|conversation_id")]
    #[schemars(rename = "room")]
    pub room: Option<Id<RoomName>>,
    pub x: Finite,
    pub y: Finite,
    /// At which cell, by the client's own name; an empty one is none.
    #[schemars(example = &"A1")]
    pub cell: Option<CellName>,
}

#[derive(Deserialize, JsonSchema)]
pub struct Typing {
    /// In which cell, by the client's own name; an empty one is none.
    #[schemars(example = &"A1")]
    pub cell_id: Option<CellName>,
    /// Which room; the latest that one has joined if absent. `room_id` and `conversation_id` are understood as well.
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
    /// Changed in the last 15 minutes.
    pub active_sheets: &'a [SheetId],
    pub total_users: usize,
    /// Where there are more users than are listed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub truncated: Option<bool>,
    /// To the newcomer: as in `join_room`.
    #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
    pub reference: Option<Echo<'a>>,
    /// To the newcomer.
    #[serde(flatten)]
    pub position: Option<Position<'a>>,
}

/// Those who are in a room.
#[derive(JsonSchema)]
#[schemars(with = "Vec<Member<'a>>")]
pub struct Members<'a> {
    pub room: &'a RoomName,
    pub users: &'a [Attendee],
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
    pub fn new(room: &'a RoomName, attendee: &'a Attendee) -> Member<'a> {
        Member {
            user: (&attendee.user).into(),
            email: attendee.user.email.as_deref(),
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
    /// By the client's own name.
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

impl<'a> From<&'a Pointed> for UserCursor<'a> {
    fn from(pointed: &'a Pointed) -> UserCursor<'a> {
        UserCursor { user: (&pointed.user).into(), cursor: (&pointed.cursor).into() }
    }
}

/// Clients of old know of one cursor a frame: it is the one in front. `cursors` has everybody who moved.
#[derive(Serialize, JsonSchema)]
pub struct CursorMoved<'a> {
    #[serde(flatten)]
    pub first: UserCursor<'a>,
    pub room: &'a RoomName,
    /// Everybody who moved, where several did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cursors: Option<Each<'a, Pointed, UserCursor<'a>>>,
}

#[derive(Serialize, JsonSchema)]
pub struct UserTyping<'a> {
    #[serde(flatten)]
    pub user: User<'a>,
    /// By the client's own name.
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
