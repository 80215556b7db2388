//! The messages of the nexus dialect: a variant per `event_type`, whose doc comment is the description in the AsyncAPI
//! document. Every message of the server has an id and a time.

pub mod chat;
pub mod notifications;
pub mod rooms;
pub mod system;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize, Serializer};

use self::{
    chat::{ChatMessage, Delivered, Say, SetTyping, Typing},
    notifications::{Notification, NotificationCleared, NotificationRead, ReadNotification},
    rooms::{BroadcastData, JoinRoom, LeaveRoom, RoomBroadcast, RoomJoined, RoomLeft},
    system::{Pong, Refused, Restarting, SystemMessage},
};
use crate::{
    core::event::{RoomIdentity, RoomScope},
    dialects::{
        common::{Ack, AuthRefresh, Recovered},
        output::Moment,
        schema::schema,
    },
    ids::{EventId, Timestamp},
    limits,
};

/// Messages of clients.
#[derive(Deserialize, JsonSchema)]
#[schemars(tag = "event_type")]
pub enum FromClient<'a> {
    /// Check the connection
    #[serde(rename = "ping")]
    Ping,
    /// Provide a fresh token of the same user before the old one expires
    #[serde(rename = "auth.refresh")]
    AuthRefresh(AuthRefresh),
    /// Join a room and become a participant; an open room is created if it does not exist
    #[serde(rename = "room.join")]
    RoomJoin(#[serde(borrow)] JoinRoom<'a>),
    /// Leave a room and stop being a participant
    #[serde(rename = "room.leave")]
    RoomLeave(LeaveRoom),
    /// Broadcast data to everybody in a room; it is not stored
    #[serde(rename = "room.broadcast")]
    RoomBroadcast(#[serde(borrow)] BroadcastData<'a>),
    /// Say something in a conversation, and take part in it from then on
    #[serde(rename = "chat.message")]
    ChatMessage(#[serde(borrow)] Say<'a>),
    /// Report that the user started or stopped typing
    #[serde(rename = "chat.typing")]
    ChatTyping(SetTyping),
    /// Mark a notification as read
    #[serde(rename = "notification.read")]
    NotificationRead(ReadNotification),
}

/// Messages of the server.
#[derive(Serialize, JsonSchema)]
#[serde(tag = "event_type")]
pub enum FromServer<'a> {
    /// The first frame; later an administrator's message for the user
    #[serde(rename = "system.message")]
    SystemMessage(Stamped<SystemMessage<'a>>),
    /// The reply to a ping
    #[serde(rename = "pong")]
    Pong(Stamped<Pong<'a>>),
    /// The request was stored or executed
    #[serde(rename = "ack")]
    Ack(Stamped<Ack<'a>>),
    /// A message was refused and had no effect
    #[serde(rename = "error")]
    Error(Stamped<Refused<'a>>),
    /// The server is shutting down; reconnect after this delay, and resume
    #[serde(rename = "server_restarting")]
    ServerRestarting(Stamped<Restarting>),
    /// A user joined a room; to the newcomer with the list of members
    #[serde(rename = "room.join")]
    RoomJoin(Stamped<RoomJoined<'a>>),
    /// A user left a room
    #[serde(rename = "room.leave")]
    RoomLeave(Stamped<RoomLeft<'a>>),
    /// Data of a member, or an administrator's announcement, broadcast in a room
    #[serde(rename = "room.broadcast")]
    RoomBroadcast(Stamped<RoomBroadcast<'a>>),
    /// The replay of missed events is complete
    #[serde(rename = "recovered")]
    Recovered(Stamped<Recovered<RoomLabel<'a>>>),
    /// A stored message; also sent to the sender
    #[serde(rename = "chat.message")]
    ChatMessage(Stamped<ChatMessage<'a>>),
    /// To the sender: the message was stored, to whom it was sent, and for whom it is queued
    #[serde(rename = "chat.delivered")]
    ChatDelivered(Stamped<Delivered<'a>>),
    /// A user started or stopped typing
    #[serde(rename = "chat.typing")]
    ChatTyping(Stamped<Typing<'a>>),
    /// A notification was created or changed
    #[serde(rename = "notification")]
    Notification(Stamped<Notification<'a>>),
    /// One or all notifications were read on another socket
    #[serde(rename = "notification.read")]
    NotificationRead(Stamped<NotificationRead<'a>>),
    /// A notification was deleted
    #[serde(rename = "notification.clear")]
    NotificationClear(Stamped<NotificationCleared<'a>>),
}

/// A message with its id and its time.
#[derive(Serialize, JsonSchema)]
pub struct Stamped<T> {
    #[serde(flatten)]
    pub body: T,
    /// For a stored event, the id of that event.
    pub event_id: EventId,
    pub timestamp: Moment,
}

impl<T> Stamped<T> {
    pub fn new(event_id: EventId, at: Timestamp, body: T) -> Stamped<T> {
        Stamped { body, event_id, timestamp: Moment(at) }
    }
}

/// A room as clients address it: an open room by its name, any other by its id.
#[derive(Clone, Copy)]
pub struct RoomLabel<'a>(pub &'a RoomIdentity);

schema!(['a] RoomLabel<'a>: {
    "type": "string", "minLength": 1, "maxLength": limits::ROOM_NAME_CHARS_MAX, "examples": ["conv_123"],
    "description": "The name of an open room; the id of a channel or of a direct conversation",
});

impl Serialize for RoomLabel<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0.scope {
            RoomScope::Open { name } => serializer.serialize_str(name.as_str()),
            RoomScope::Channel { .. } | RoomScope::Direct { .. } => self.0.id.serialize(serializer),
        }
    }
}
