//! The messages of the workspace dialect: a variant per `type`, whose doc comment is the description in the AsyncAPI
//! document.

pub mod assistant;
pub mod notifications;
pub mod rooms;
pub mod sheets;
pub mod uploads;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use self::{
    assistant::{AiCancel, AiEvent, AiRequest},
    notifications::{NotificationEvent, NotificationRead, SubscribeNotifications},
    rooms::{
        CursorMove, CursorMoved, JoinRoom, LeaveRoom, RoomState, SetStatus, StatusChanged, Typing, UserJoined,
        UserLeft, UserTyping,
    },
    sheets::{CellUpdate, CellUpdated, CellsUpdate, CellsUpdated, WorkspaceError},
    uploads::{UploadCancelled, UploadComplete, UploadProgress, UploadProgressed, UploadStart, UploadStarted},
};
use crate::{
    dialects::{
        common::{Ack, AuthRefresh, Broadcast, Notice, Pong, Recovered, Restarting},
        output::RelayedObject,
    },
    ids::RoomName,
};

/// Messages of clients.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(tag = "type")]
pub enum FromClient<'a> {
    /// Check the connection
    Ping,
    /// Provide a fresh token of the same user before the old one expires
    AuthRefresh(AuthRefresh),
    /// Join a room, which is created if it does not exist
    JoinRoom(#[serde(borrow)] JoinRoom<'a>),
    /// Leave a room
    LeaveRoom(LeaveRoom),
    /// Report the position of the user's cursor
    CursorMove(CursorMove),
    /// Report that the user started typing
    TypingStart(Typing),
    /// Report that the user stopped typing
    TypingStop(Typing),
    /// Set the user's status
    StatusUpdate(SetStatus),
    /// Change a cell of a sheet
    #[schemars(extend("x-stored" = true))]
    CellUpdate(CellUpdate),
    /// Change several cells at once, all or none
    #[schemars(extend("x-stored" = true))]
    CellsUpdate(CellsUpdate),
    /// Ask the assistant a question
    AiRequest(AiRequest),
    /// Cancel a question to the assistant
    AiCancel(AiCancel),
    /// Set the notification filter of this socket
    SubscribeNotifications(SubscribeNotifications),
    /// Mark a notification as read
    NotificationRead(NotificationRead),
    /// Announce an upload
    FileUploadStart(UploadStart),
    /// Report the progress of an upload
    FileUploadProgress(#[serde(borrow)] UploadProgress<'a>),
}

/// Messages of the server.
#[derive(Serialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum FromServer<'a> {
    /// The reply to a ping
    Pong(Pong<'a>),
    /// The request was stored or executed
    Ack(Ack<'a>),
    /// A message was refused and had no effect
    Error(Box<WorkspaceError<'a>>),
    /// The server is shutting down; reconnect after this delay, and resume
    ServerRestarting(Restarting),
    /// An administrator's announcement in a room
    Broadcast(Broadcast<'a, &'a RoomName>),
    /// The replay of missed events is complete
    Recovered(Recovered<&'a RoomName>),
    /// An administrator's message for a user
    Notification(Notice<RelayedObject<'a>>),
    /// The users in the room: sent to a newcomer, and to all members after a join or leave
    RoomState(RoomState<'a>),
    /// A user joined a room with more than 50 users
    UserJoined(UserJoined<'a>),
    /// A user left a room with more than 50 users
    UserLeft(UserLeft<'a>),
    /// Cursors moved
    CursorMoved(CursorMoved<'a>),
    /// A user started typing
    UserTypingStart(UserTyping<'a>),
    /// A user stopped typing
    UserTypingStop(UserTyping<'a>),
    /// A user's status changed
    UserStatusChanged(StatusChanged<'a>),
    /// A cell changed; also sent to the sender
    CellUpdated(CellUpdated<'a>),
    /// Several cells changed at once; also sent to the sender
    CellsUpdated(CellsUpdated<'a>),
    /// Progress of an answer, sent to all sockets of the user who asked
    AiEvent(AiEvent<'a>),
    /// A notification was created or changed, or was read or deleted on another socket
    NotificationEvent(NotificationEvent<'a>),
    /// An upload started
    FileUploadStart(UploadStarted<'a>),
    /// Progress of an upload
    FileUploadProgress(UploadProgressed<'a>),
    /// A file is stored
    FileUploadComplete(UploadComplete<'a>),
    /// An upload will not be completed
    FileUploadCancelled(UploadCancelled<'a>),
}
