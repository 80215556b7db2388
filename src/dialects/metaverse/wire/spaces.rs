//! What happens in spaces: who is there and where, moves, actions and chat.

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error, ser::SerializeSeq};

use super::state::Entry;

use crate::{
    core::{
        cursor::Coordinate,
        event,
        space::{AvatarMove, Place, SpaceSettings, StateEntry},
    },
    dialects::{
        input::{ChatText, Count, Finite, Id, Json, Name},
        output::{Each, Moment, Number, Relayed},
        schema::schema,
    },
    ids::{ClientMessageId, Epoch, EventId, RoomId, Seq, UserId},
    limits,
};

/// The id of a space as clients write it; a malformed one is answered like an unknown one.
pub type SpaceName = Name<{ limits::CLIENT_NAME_CHARS_MAX }>;

// ---- from clients ----

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct JoinSpace<'a> {
    #[schemars(example = &"01932c0a-77f1-7d3e-9c55-1b2a3c4d5e6f")]
    pub space_id: SpaceName,
    /// May be left out; otherwise it must be the user of the token.
    pub user_id: Option<Id<UserId>>,
    /// Where the avatar appears, unless another socket of the user is in the space already.
    pub initial_position: Option<WirePlace>,
    /// The highest `seq` received so far: missed events are replayed after the answer.
    #[schemars(example = 41)]
    pub since: Option<Count>,
    /// The `epoch` of `since`.
    #[serde(borrow)]
    #[schemars(with = "Option<Epoch>")]
    pub epoch: Option<Json<'a>>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NamedSpace {
    #[schemars(example = &"01932c0a-77f1-7d3e-9c55-1b2a3c4d5e6f")]
    pub space_id: SpaceName,
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MoveAvatar {
    #[schemars(example = &"01932c0a-77f1-7d3e-9c55-1b2a3c4d5e6f")]
    pub space_id: SpaceName,
    pub position: WirePlace,
    /// The client's number of this input. The frame that includes it names the last one that was applied.
    #[schemars(example = 17)]
    pub input_seq: Option<Count>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Act<'a> {
    #[schemars(example = &"01932c0a-77f1-7d3e-9c55-1b2a3c4d5e6f")]
    pub space_id: SpaceName,
    /// The client's name for it.
    #[schemars(example = &"wave")]
    pub action: Name<{ limits::ACTION_NAME_CHARS_MAX }>,
    /// Any JSON, delivered unchanged.
    #[serde(borrow)]
    #[schemars(example = serde_json::json!({"hand": "left"}))]
    pub data: Option<Json<'a>>,
    pub client_message_id: Option<Id<ClientMessageId>>,
}

#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Say<'a> {
    #[schemars(example = &"01932c0a-77f1-7d3e-9c55-1b2a3c4d5e6f")]
    pub space_id: SpaceName,
    /// Without NUL characters; must not be empty or only spaces.
    #[serde(borrow)]
    pub message: ChatText<'a, { limits::CHAT_CHARS_MAX }>,
    pub client_message_id: Option<Id<ClientMessageId>>,
}

/// Where an avatar is.
#[derive(Deserialize, JsonSchema)]
pub struct WirePlace {
    pub x: Ordinate,
    pub y: Ordinate,
    /// Where it looks; as before if absent.
    #[schemars(example = &"down")]
    pub direction: Option<Name<{ limits::DIRECTION_CHARS_MAX }>>,
}

/// A coordinate within the plane.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Ordinate(pub Coordinate);

schema!(Ordinate: {
    "type": "number", "minimum": -limits::COORDINATE_MAX, "maximum": limits::COORDINATE_MAX, "examples": [100],
});

impl<'de> Deserialize<'de> for Ordinate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Ordinate, D::Error> {
        let Finite(coordinate) = Deserialize::deserialize(deserializer)?;
        let most = limits::COORDINATE_MAX;
        match coordinate.get().abs() <= most {
            true => Ok(Ordinate(coordinate)),
            false => Err(D::Error::custom(format_args!(" must be from -{most} to {most}"))),
        }
    }
}

// ---- from the server ----

/// Where an avatar is.
#[derive(Serialize, JsonSchema)]
pub struct Position<'a> {
    pub x: Number,
    pub y: Number,
    #[schemars(example = &"down")]
    pub direction: &'a str,
}

impl<'a> From<&'a Place> for Position<'a> {
    fn from(place: &'a Place) -> Position<'a> {
        Position { x: Number(place.x), y: Number(place.y), direction: &place.direction }
    }
}

/// The stable number of a user, by which `moves` name the avatar.
#[derive(Clone, Copy, Serialize)]
pub struct AvatarNumber(pub i64);

schema!(AvatarNumber: {
    "type": "integer", "minimum": 0, "examples": [123], "description": "The user's stable number, by which `moves` name the avatar",
});

/// The space, everybody in it, and the point from which events follow.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Joined<'a> {
    pub space: EnteredSpace<'a>,
    /// Each user once, including the client's own.
    #[schemars(length(max = limits::AVATARS_LISTED_MAX))]
    pub users: Each<'a, event::AvatarListed, Avatar<'a>>,
    /// The number of all users in the space.
    #[schemars(example = 1)]
    pub count: usize,
    /// The entries of the space's state; left out if there are none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = limits::STATE_KEYS_MAX))]
    pub state: Option<Each<'a, StateEntry, Entry<'a>>>,
    /// True if there are more users than listed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub truncated: Option<bool>,
    pub seq: Seq,
    pub epoch: Epoch,
    /// The name of this connection.
    #[schemars(example = &"ws_alice_1761566400_7f3a")]
    pub connection_id: &'a str,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct EnteredSpace<'a> {
    pub id: RoomId,
    #[schemars(example = &"Atrium")]
    pub name: &'a str,
    /// Moves are sent only to avatars that are about this near.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = 200)]
    pub interest_radius: Option<u32>,
}

impl<'a> EnteredSpace<'a> {
    pub fn new(id: RoomId, settings: &'a SpaceSettings) -> EnteredSpace<'a> {
        EnteredSpace { id, name: &settings.name, interest_radius: settings.interest_radius }
    }
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SpaceChanged<'a> {
    pub space_id: RoomId,
    pub space: EnteredSpace<'a>,
}

/// A user in the space.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Avatar<'a> {
    pub user_id: &'a UserId,
    #[schemars(example = &"john_doe")]
    pub username: &'a str,
    pub number: AvatarNumber,
    pub position: Position<'a>,
}

impl<'a> From<&'a event::AvatarListed> for Avatar<'a> {
    fn from(listed: &'a event::AvatarListed) -> Avatar<'a> {
        let event::AvatarListed { user, place } = listed;
        Avatar {
            user_id: &user.id,
            username: user.username(),
            number: AvatarNumber(user.number().unwrap_or_default()),
            position: place.into(),
        }
    }
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UserJoined<'a> {
    pub space_id: RoomId,
    pub user_id: &'a UserId,
    #[schemars(example = &"john_doe")]
    pub username: &'a str,
    pub number: AvatarNumber,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub position: Option<Position<'a>>,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UserLeft<'a> {
    pub space_id: RoomId,
    pub user_id: &'a UserId,
    #[schemars(example = &"john_doe")]
    pub username: &'a str,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AvatarMoved<'a> {
    pub space_id: RoomId,
    pub user_id: &'a UserId,
    pub position: Position<'a>,
    /// The last input that is included, if the client numbers them.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = 17)]
    pub input_seq: Option<i64>,
    /// All avatars that have moved, if there are several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub moves: Option<Each<'a, AvatarMove, MoveItem<'a>>>,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AvatarsMoved<'a> {
    pub space_id: RoomId,
    pub moves: Each<'a, AvatarMove, MoveItem<'a>>,
}

/// A move in the short form: `[number, x, y, direction]`, and `inputSeq` as a fifth if the client numbers its inputs.
pub struct MoveItem<'a>(&'a AvatarMove);

schema!(['a] MoveItem<'a>: {
    "type": "array",
    "items": [{"type": "integer"}, {"type": "number"}, {"type": "number"}, {"type": "string"}, {"type": "integer"}],
    "minItems": 4,
    "maxItems": 5,
    "description": "[number, x, y, direction], and inputSeq if the client numbers its inputs",
    "examples": [[123, 105.5, 200, "down"]],
});

impl<'a> From<&'a AvatarMove> for MoveItem<'a> {
    fn from(moved: &'a AvatarMove) -> MoveItem<'a> {
        MoveItem(moved)
    }
}

impl Serialize for MoveItem<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let AvatarMove { number, place, input, .. } = self.0;
        let mut item = serializer.serialize_seq(None)?;
        item.serialize_element(number)?;
        item.serialize_element(&Number(place.x))?;
        item.serialize_element(&Number(place.y))?;
        item.serialize_element(&*place.direction)?;
        if let Some(input) = input {
            item.serialize_element(input)?;
        }
        item.end()
    }
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UserAction<'a> {
    pub space_id: RoomId,
    pub user_id: &'a UserId,
    #[schemars(example = &"wave")]
    pub action: &'a str,
    /// As it was sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = serde_json::json!({"hand": "left"}))]
    pub data: Option<Relayed<'a>>,
    pub created_at: Moment,
    pub seq: Seq,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ChatMessage<'a> {
    pub space_id: RoomId,
    pub user_id: &'a UserId,
    #[schemars(example = &"john_doe")]
    pub username: &'a str,
    #[schemars(length(max = limits::CHAT_CHARS_MAX), example = &"Hello everyone!")]
    pub message: &'a str,
    pub id: EventId,
    pub created_at: Moment,
    pub seq: Seq,
    /// To the sender: the id that the client gave it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_message_id: Option<&'a ClientMessageId>,
}
