//! The messages of the nexus dialect, as they are on the wire: a variant per `event_type`, whose documentation is that of
//! the AsyncAPI document. Every message of the server has an id and a time.

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

/// What clients send.
#[derive(Deserialize, JsonSchema)]
#[schemars(tag = "event_type")]
pub enum FromClient<'a> {
    /// Ask whether the server lives
    #[serde(rename = "ping")]
    Ping,
    /// Give a fresh token of the same user before the old one ends
    #[serde(rename = "auth.refresh")]
    AuthRefresh(AuthRefresh),
    /// Enter a room and take part in it; an open one is made if there is none
    #[serde(rename = "room.join")]
    RoomJoin(#[serde(borrow)] JoinRoom<'a>),
    /// Leave a room and take part in it no more
    #[serde(rename = "room.leave")]
    RoomLeave(LeaveRoom),
    /// Send data to everybody in a room; nothing of it is stored
    #[serde(rename = "room.broadcast")]
    RoomBroadcast(#[serde(borrow)] BroadcastData<'a>),
    /// Say something in a conversation, and take part in it from then on
    #[serde(rename = "chat.message")]
    ChatMessage(#[serde(borrow)] Say<'a>),
    /// Tell that one types, or stopped
    #[serde(rename = "chat.typing")]
    ChatTyping(SetTyping),
    /// Mark a notification as read
    #[serde(rename = "notification.read")]
    NotificationRead(ReadNotification),
}

/// What the server sends.
#[derive(Serialize, JsonSchema)]
#[serde(tag = "event_type")]
pub enum FromServer<'a> {
    /// The first frame; later an administrator's message for the user
    #[serde(rename = "system.message")]
    SystemMessage(Stamped<SystemMessage<'a>>),
    /// The answer to a ping
    #[serde(rename = "pong")]
    Pong(Stamped<Pong<'a>>),
    /// What was asked for is stored, or done
    #[serde(rename = "ack")]
    Ack(Stamped<Ack<'a>>),
    /// A message was refused; it had no effect
    #[serde(rename = "error")]
    Error(Stamped<Refused<'a>>),
    /// Come back after this delay, and resume
    #[serde(rename = "server_restarting")]
    ServerRestarting(Stamped<Restarting>),
    /// Somebody came into a room; to whoever comes with the members
    #[serde(rename = "room.join")]
    RoomJoin(Stamped<RoomJoined<'a>>),
    /// Somebody left a room
    #[serde(rename = "room.leave")]
    RoomLeave(Stamped<RoomLeft<'a>>),
    /// Data of a member, or an administrator's announcement, for everybody in a room
    #[serde(rename = "room.broadcast")]
    RoomBroadcast(Stamped<RoomBroadcast<'a>>),
    /// All that was missed has been sent
    #[serde(rename = "recovered")]
    Recovered(Stamped<Recovered<RoomLabel<'a>>>),
    /// A message, stored; the sender receives it, too
    #[serde(rename = "chat.message")]
    ChatMessage(Stamped<ChatMessage<'a>>),
    /// To the sender: the message is stored, who was sent it, and for whom it is queued
    #[serde(rename = "chat.delivered")]
    ChatDelivered(Stamped<Delivered<'a>>),
    /// Somebody types, or stopped
    #[serde(rename = "chat.typing")]
    ChatTyping(Stamped<Typing<'a>>),
    /// A notification was made or changed
    #[serde(rename = "notification")]
    Notification(Stamped<Notification<'a>>),
    /// A notification, or all of them, were read on another socket
    #[serde(rename = "notification.read")]
    NotificationRead(Stamped<NotificationRead<'a>>),
    /// A notification was put away
    #[serde(rename = "notification.clear")]
    NotificationClear(Stamped<NotificationCleared<'a>>),
}

/// A message with its id and its time.
#[derive(Serialize, JsonSchema)]
pub struct Stamped<T> {
    #[serde(flatten)]
    pub body: T,
    /// Of a stored event that event's id.
    pub event_id: EventId,
    pub timestamp: Moment,
}

impl<T> Stamped<T> {
    pub fn new(event_id: EventId, at: Timestamp, body: T) -> Stamped<T> {
        Stamped { body, event_id, timestamp: Moment(at) }
    }
}

/// A room as clients name it: an open one by its name, any other by its id.
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
