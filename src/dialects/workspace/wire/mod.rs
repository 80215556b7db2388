//! The messages of the workspace dialect, as they are on the wire: a variant per `type`, whose documentation is that of
//! the AsyncAPI document.

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

/// What clients send.
#[derive(Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(tag = "type")]
pub enum FromClient<'a> {
    /// Ask whether the server lives
    Ping,
    /// Give a fresh token of the same user before the old one ends
    AuthRefresh(AuthRefresh),
    /// Enter a room, which is made if there is none
    JoinRoom(#[serde(borrow)] JoinRoom<'a>),
    /// Leave a room
    LeaveRoom(LeaveRoom),
    /// Where one's cursor is
    CursorMove(CursorMove),
    /// Tell that one types
    TypingStart(Typing),
    /// Tell that one stopped
    TypingStop(Typing),
    /// How one is there
    StatusUpdate(SetStatus),
    /// Change a cell of a sheet
    CellUpdate(CellUpdate),
    /// Change several cells at once, all or none
    CellsUpdate(CellsUpdate),
    /// Ask the assistant
    AiRequest(AiRequest),
    /// Want the answer no more
    AiCancel(AiCancel),
    /// Which notifications this socket wants
    SubscribeNotifications(SubscribeNotifications),
    /// Mark a notification as read
    NotificationRead(NotificationRead),
    /// Tell that an upload begins
    FileUploadStart(UploadStart),
    /// Tell how far an upload is
    FileUploadProgress(#[serde(borrow)] UploadProgress<'a>),
}

/// What the server sends.
#[derive(Serialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum FromServer<'a> {
    /// The answer to a ping
    Pong(Pong<'a>),
    /// What was asked for is stored, or done
    Ack(Ack<'a>),
    /// A message was refused; it had no effect
    Error(Box<WorkspaceError<'a>>),
    /// Come back after this delay, and resume
    ServerRestarting(Restarting),
    /// An administrator's announcement in a room
    Broadcast(Broadcast<'a, &'a RoomName>),
    /// All that was missed has been sent
    Recovered(Recovered<&'a RoomName>),
    /// An administrator's message for a user
    Notification(Notice<RelayedObject<'a>>),
    /// Who is in the room: to whoever comes, and to all when somebody came or went
    RoomState(RoomState<'a>),
    /// Somebody came into a room of more than 50 users
    UserJoined(UserJoined<'a>),
    /// Somebody left a room of more than 50 users
    UserLeft(UserLeft<'a>),
    /// Somebody's cursor moved
    CursorMoved(CursorMoved<'a>),
    /// Somebody types
    UserTypingStart(UserTyping<'a>),
    /// Somebody stopped typing
    UserTypingStop(UserTyping<'a>),
    /// How somebody is there
    UserStatusChanged(StatusChanged<'a>),
    /// A cell changed; the sender receives it, too
    CellUpdated(CellUpdated<'a>),
    /// Several cells changed at once
    CellsUpdated(CellsUpdated<'a>),
    /// How far an answer is, to all sockets of whoever asked
    AiEvent(AiEvent<'a>),
    /// A notification was made or changed, or read or deleted elsewhere
    NotificationEvent(NotificationEvent<'a>),
    /// An upload begins
    FileUploadStart(UploadStarted<'a>),
    /// How far an upload is
    FileUploadProgress(UploadProgressed<'a>),
    /// A file is stored
    FileUploadComplete(UploadComplete<'a>),
    /// An upload will not be completed
    FileUploadCancelled(UploadCancelled<'a>),
}
