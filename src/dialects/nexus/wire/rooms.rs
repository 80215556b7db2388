//! Rooms: joins and leaves, members, and data broadcast by members.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize, Serializer};

use super::RoomLabel;
use crate::{
    core::{
        event::{Entered, MemberPresence},
        presence::Status,
        profile::Author,
    },
    dialects::{
        common::{Position, User},
        input::{Count, Id, Json},
        output::{Echo, Relayed},
    },
    ids::{Epoch, RoomName, UserId},
    limits,
};

// ---- from clients ----

#[derive(Deserialize, JsonSchema)]
pub struct JoinRoom<'a> {
    /// The name of an open room, or the id of a channel or direct conversation. The names `conversation_id` and `room`
    /// are accepted as well.
    #[serde(rename = "room_id|conversation_id|room")]
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
    /// As in `room.join`.
    #[serde(rename = "room_id|conversation_id|room")]
    #[schemars(rename = "room_id")]
    pub room: Id<RoomName>,
}

#[derive(Deserialize, JsonSchema)]
pub struct BroadcastData<'a> {
    /// A room that the socket has joined, as in `room.join`.
    #[serde(rename = "room_id|conversation_id|room")]
    #[schemars(rename = "room_id")]
    pub room: Id<RoomName>,
    /// Any JSON, delivered unchanged.
    #[serde(borrow)]
    #[schemars(example = serde_json::json!({"slide": 4}))]
    pub data: Json<'a>,
}

// ---- from the server ----

#[derive(Serialize, JsonSchema)]
pub struct RoomJoined<'a> {
    pub room_id: RoomLabel<'a>,
    pub user_id: &'a UserId,
    /// Only for the other members.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"alice")]
    pub username: Option<&'a str>,
    /// Only for the newcomer.
    #[serde(flatten)]
    pub state: Option<RoomState<'a>>,
}

/// The state of the room for a newcomer.
#[derive(Serialize, JsonSchema)]
pub struct RoomState<'a> {
    /// Each user once, including the newcomer.
    #[schemars(length(max = limits::ONLINE_USERS_LISTED_MAX))]
    pub members: Members<'a>,
    pub total_members: usize,
    /// True if there are more members than listed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub truncated: Option<bool>,
    #[serde(flatten)]
    pub position: Position<'a>,
    #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
    pub reference: Option<Echo<'a>>,
}

impl<'a> RoomState<'a> {
    pub fn new(entered: &'a Entered, members: Members<'a>) -> RoomState<'a> {
        RoomState {
            members,
            total_members: entered.online_total,
            truncated: entered.is_cut().then_some(true),
            position: Position { seq: entered.seq, epoch: entered.epoch, connection_id: &entered.connection },
            reference: Echo::of(&entered.tag),
        }
    }
}

/// The members of a room, with their status if the room tracks it.
#[derive(JsonSchema)]
#[schemars(with = "Vec<Member<'a>>")]
pub enum Members<'a> {
    Known(&'a [MemberPresence]),
    Named(&'a [Author]),
}

impl Serialize for Members<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Members::Known(members) => serializer.collect_seq(members.iter().map(Member::from)),
            Members::Named(members) => serializer.collect_seq(members.iter().map(Member::from)),
        }
    }
}

#[derive(Serialize, JsonSchema)]
pub struct Member<'a> {
    #[serde(flatten)]
    pub user: User<'a>,
    pub status: Status,
}

impl<'a> From<&'a MemberPresence> for Member<'a> {
    fn from(member: &'a MemberPresence) -> Member<'a> {
        Member { user: (&member.user).into(), status: member.status }
    }
}

impl<'a> From<&'a Author> for Member<'a> {
    fn from(member: &'a Author) -> Member<'a> {
        Member { user: member.into(), status: Status::default() }
    }
}

/// Which conversations there are now is read over REST.
#[derive(Serialize, JsonSchema)]
pub struct ConversationsChanged {}

#[derive(Serialize, JsonSchema)]
pub struct RoomLeft<'a> {
    pub room_id: RoomLabel<'a>,
    #[serde(flatten)]
    pub user: User<'a>,
}

#[derive(Serialize, JsonSchema)]
pub struct RoomBroadcast<'a> {
    pub room_id: RoomLabel<'a>,
    /// The member who sent it; absent in an administrator's announcement.
    #[serde(flatten)]
    pub user: Option<User<'a>>,
    /// The data as it was sent.
    #[schemars(example = serde_json::json!({"slide": 4}))]
    pub data: Relayed<'a>,
}
