//! The messages of the nexus dialect: a variant per `event_type`, whose doc comment is the description in the AsyncAPI
//! document. Every message of the server has an id and a time.

pub mod calls;
pub mod chat;
pub mod devices;
pub mod documents;
pub mod notifications;
pub mod presence;
pub mod rooms;
pub mod system;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize, Serializer};

use self::{
    calls::{CallEnded, CallSignal, HangUp, SignalInCall},
    chat::{ChatMessage, Deleted, Delivered, Edit, Edited, OfMessage, React, Reacted, Read, Say, SetTyping, Typing},
    devices::DeviceUpdate,
    documents::{
        DocumentClosed, DocumentConflict, DocumentEdited, DocumentOpened, DocumentSaved, EditDocument, MoveCursor,
        OfDocument, Pointed, SaveDocument, Select,
    },
    notifications::{ClearNotifications, Notification, NotificationCleared, NotificationRead, ReadNotification},
    presence::{Connection, Offline, Presence, UpdatePresence},
    rooms::{BroadcastData, ConversationsChanged, JoinRoom, LeaveRoom, RoomBroadcast, RoomJoined, RoomLeft},
    system::{Pong, Refused, Restarting, SystemMessage},
};
use crate::{
    core::event::RoomIdentity,
    dialects::{
        common::{Ack, AuthRefresh, Recovered},
        output::Moment,
        schema::schema,
    },
    ids::{ClientMessageId, EventId, Timestamp},
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
    #[schemars(extend("x-stored" = true))]
    ChatMessage(#[serde(borrow)] Say<'a>),
    /// Report that the user started or stopped typing
    #[serde(rename = "chat.typing")]
    ChatTyping(SetTyping),
    /// Change the text of a message
    #[serde(rename = "chat.edit")]
    #[schemars(extend("x-stored" = true))]
    ChatEdit(#[serde(borrow)] Edit<'a>),
    /// Delete a message
    #[serde(rename = "chat.delete")]
    #[schemars(extend("x-stored" = true))]
    ChatDelete(OfMessage),
    /// Tell that all up to a message is read
    #[serde(rename = "chat.read")]
    #[schemars(extend("x-stored" = true))]
    ChatRead(OfMessage),
    /// React to a message, or take a reaction back
    #[serde(rename = "chat.react")]
    #[schemars(extend("x-stored" = true))]
    ChatReact(React),
    /// Open a document, which is created if it does not exist
    #[serde(rename = "doc.open")]
    DocOpen(OfDocument),
    /// Close a document
    #[serde(rename = "doc.close")]
    DocClose(OfDocument),
    /// Change the text of a document
    #[serde(rename = "doc.edit")]
    #[schemars(extend("x-stored" = true))]
    DocEdit(EditDocument),
    /// Show the others where one's cursor is
    #[serde(rename = "doc.cursor")]
    DocCursor(MoveCursor),
    /// Show the others what one has selected
    #[serde(rename = "doc.selection")]
    DocSelection(Select),
    /// Keep the current version under a name
    #[serde(rename = "doc.save")]
    #[schemars(extend("x-stored" = true))]
    DocSave(SaveDocument),
    /// Change one's status, or what one adds to it
    #[serde(rename = "presence.update")]
    PresenceUpdate(UpdatePresence),
    /// Call a user; within a connected call, change the session
    #[serde(rename = "call.offer")]
    CallOffer(#[serde(borrow)] SignalInCall<'a>),
    /// Answer a call, or an offer within a connected call
    #[serde(rename = "call.answer")]
    CallAnswer(#[serde(borrow)] SignalInCall<'a>),
    /// Send an ICE candidate to the other side of a call
    #[serde(rename = "call.ice")]
    CallIce(#[serde(borrow)] SignalInCall<'a>),
    /// End a call, cancel it, or decline it
    #[serde(rename = "call.hangup")]
    CallHangup(#[serde(borrow)] HangUp<'a>),
    /// Mark a notification as read
    #[serde(rename = "notification.read")]
    NotificationRead(ReadNotification),
    /// Delete a notification, or all that are read
    #[serde(rename = "notification.clear")]
    NotificationClear(ClearNotifications),
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
    ChatMessage(Stamped<Stored<'a, ChatMessage<'a>>>),
    /// To the sender: the message was stored, to whom it was sent, and for whom it is queued
    #[serde(rename = "chat.delivered")]
    ChatDelivered(Stamped<Delivered<'a>>),
    /// A user started or stopped typing
    #[serde(rename = "chat.typing")]
    ChatTyping(Stamped<Typing<'a>>),
    /// The text of a message was changed
    #[serde(rename = "chat.edit")]
    ChatEdit(Stamped<Stored<'a, Edited<'a>>>),
    /// A message was deleted
    #[serde(rename = "chat.delete")]
    ChatDelete(Stamped<Stored<'a, Deleted<'a>>>),
    /// A user has read further than before
    #[serde(rename = "chat.read")]
    ChatRead(Stamped<Stored<'a, Read<'a>>>),
    /// A user reacted to a message, or removed a reaction
    #[serde(rename = "chat.react")]
    ChatReact(Stamped<Stored<'a, Reacted<'a>>>),
    /// To the opener the document; to the others who came
    #[serde(rename = "doc.open")]
    DocOpen(Stamped<DocumentOpened<'a>>),
    /// A user closed a document
    #[serde(rename = "doc.close")]
    DocClose(Stamped<DocumentClosed<'a>>),
    /// The text of a document was changed; with `ack`, by the receiver
    #[serde(rename = "doc.edit")]
    DocEdit(Stamped<DocumentEdited<'a>>),
    /// The receiver's edit was not applied
    #[serde(rename = "doc.conflict")]
    DocConflict(Stamped<DocumentConflict<'a>>),
    /// A user moved the cursor in a document
    #[serde(rename = "doc.cursor")]
    DocCursor(Stamped<Pointed<'a>>),
    /// A user selected something in a document, or nothing any more
    #[serde(rename = "doc.selection")]
    DocSelection(Stamped<Pointed<'a>>),
    /// A version of a document was kept
    #[serde(rename = "doc.save")]
    DocSave(Stamped<Stored<'a, DocumentSaved<'a>>>),
    /// A user's first socket opened, or a user is available again
    #[serde(rename = "presence.online")]
    PresenceOnline(Stamped<Presence<'a>>),
    /// A user is away
    #[serde(rename = "presence.away")]
    PresenceAway(Stamped<Presence<'a>>),
    /// A user is busy
    #[serde(rename = "presence.busy")]
    PresenceBusy(Stamped<Presence<'a>>),
    /// A user has had no socket for five seconds
    #[serde(rename = "presence.offline")]
    PresenceOffline(Stamped<Offline<'a>>),
    /// The status message or location of a user changed
    #[serde(rename = "presence.update")]
    PresenceUpdate(Stamped<Presence<'a>>),
    /// A user calls; within a connected call, the other side changes the session
    #[serde(rename = "call.offer")]
    CallOffer(Stamped<CallSignal<'a>>),
    /// The other side has answered
    #[serde(rename = "call.answer")]
    CallAnswer(Stamped<CallSignal<'a>>),
    /// An ICE candidate of the other side
    #[serde(rename = "call.ice")]
    CallIce(Stamped<CallSignal<'a>>),
    /// A call, or its ringing on this socket, has ended
    #[serde(rename = "call.hangup")]
    CallHangup(Stamped<CallEnded<'a>>),
    /// Another socket of the user opened
    #[serde(rename = "connect")]
    Connect(Stamped<Connection<'a>>),
    /// Another socket of the user closed
    #[serde(rename = "disconnect")]
    Disconnect(Stamped<Connection<'a>>),
    /// A device of the user was added, changed or removed, or has few prekeys left
    #[serde(rename = "device.update")]
    DeviceUpdate(Stamped<DeviceUpdate<'a>>),
    /// The list of the user's conversations changed; read it again
    #[serde(rename = "conversation.update")]
    ConversationUpdate(Stamped<ConversationsChanged>),
    /// A notification was created or changed
    #[serde(rename = "notification")]
    Notification(Stamped<Notification<'a>>),
    /// One or all notifications were read on another socket
    #[serde(rename = "notification.read")]
    NotificationRead(Stamped<NotificationRead<'a>>),
    /// A notification, or all that were read, were deleted
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

/// A stored event.
#[derive(Serialize, JsonSchema)]
pub struct Stored<'a, T> {
    #[serde(flatten)]
    pub body: T,
    /// To the user who caused it: the id that the client gave it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_message_id: Option<&'a ClientMessageId>,
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
        match self.0.scope.name() {
            Some(name) => serializer.serialize_str(name.as_str()),
            None => self.0.id.serialize(serializer),
        }
    }
}
