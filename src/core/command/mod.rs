//! All that a client may ask, in one form for every dialect: one file per capability, each of which says for its own
//! commands how they are charged and which room they are for. A dialect makes commands from bytes; nothing behind the
//! dialect ever sees a field name or a wire type.

mod assistant;
mod call;
mod chat;
mod notices;
mod presence;
mod room;
mod sheet;
mod upload;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub use self::{
    assistant::AssistantCommand,
    call::{CallCommand, SignalKind},
    chat::{Addressed, ChatCommand, Typing, bad_attachments},
    notices::NoticeCommand,
    presence::PresenceCommand,
    room::RoomCommand,
    sheet::SheetCommand,
    upload::UploadCommand,
};
use crate::ids::{Epoch, FileId, RoomName, Seq};

/// A JSON value exactly as the client wrote it, known to be well-formed. Relayed, never looked into. In the log and
/// between nodes it travels as a string.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RawJson(Arc<str>);

impl RawJson {
    /// Takes text that a JSON parser has accepted; the caller is the parser.
    pub fn from_parsed(text: &str) -> RawJson {
        RawJson(text.into())
    }

    /// The one that says nothing.
    pub fn null() -> RawJson {
        RawJson::from_parsed("null")
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The client's own name for a request, a string or a number, echoed as it came.
pub type ClientRef = RawJson;

/// What a dialect says about a request and gets back with every answer to it. Opaque to everything else: actors carry it,
/// and only the dialect that made it reads it.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Tag {
    /// The client's own name for the request, echoed by the answer, the acknowledgement or the error.
    pub reference: Option<ClientRef>,
    /// The wire name of what was asked; empty where the message could not be read so far.
    pub asked: &'static str,
    /// The client's own name for the thing that the request is about, where the dialect repeats it in errors.
    pub about: Option<Arc<str>>,
}

impl Tag {
    /// Whether the client wants to be told of success too. An error is always told.
    pub const fn wants_answer(&self) -> bool {
        self.reference.is_some()
    }
}

/// One request of a client.
#[derive(Clone, PartialEq, Debug)]
pub struct Request {
    /// Given back with every answer.
    pub tag: Tag,
    /// What is asked.
    pub command: Command,
}

/// What a returning client has seen last.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Resume {
    /// The last event it saw.
    pub since: Seq,
    /// Of which life of the sequence; absent in old clients, which mean the present one.
    pub epoch: Option<Epoch>,
}

/// What a client may ask.
#[derive(Clone, PartialEq, Debug)]
pub enum Command {
    /// Are you there?
    Ping,
    /// A fresh token for the same user.
    AuthRefresh {
        /// The token as sent.
        token: String,
    },
    /// Enter and leave rooms.
    Room(RoomCommand),
    /// Messages and typing.
    Chat(ChatCommand),
    /// WebRTC signals.
    Call(CallCommand),
    /// Cursor and status.
    Presence(PresenceCommand),
    /// Shared sheets.
    Sheet(SheetCommand),
    /// Questions to the assistant.
    Assistant(AssistantCommand),
    /// Notifications.
    Notices(NoticeCommand),
    /// Uploads.
    Upload(UploadCommand),
}

/// Who carries a command out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Target<'a> {
    /// The session itself, or whomever it asks.
    Session,
    /// A room that the socket is in: the one that is named, or else the one that the socket is bound to or joined last.
    Room(Option<&'a RoomName>),
}

impl<'a> Target<'a> {
    /// The room that is named.
    pub const fn room(self) -> Option<&'a RoomName> {
        match self {
            Target::Session => None,
            Target::Room(room) => room,
        }
    }
}

/// How a command is counted (docs/protocol.md, Rate limits).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Charge {
    /// Not at all.
    Free,
    /// As a request of the minute and the hour.
    Request,
    /// In the bucket of ephemeral messages; above it dropped silently.
    Ephemeral,
    /// In the bucket of edits; above it the socket is read more slowly.
    Edit,
}

impl Command {
    /// Who carries it out.
    pub const fn target(&self) -> Target<'_> {
        match self {
            Command::Ping
            | Command::AuthRefresh { .. }
            | Command::Room(_)
            | Command::Assistant(_)
            | Command::Notices(_)
            | Command::Upload(_) => Target::Session,
            Command::Chat(command) => command.target(),
            Command::Call(command) => command.target(),
            Command::Presence(command) => command.target(),
            Command::Sheet(command) => command.target(),
        }
    }

    /// Uploaded files that it names, which have to be found and allowed first.
    pub fn files(&self) -> &[FileId] {
        match self {
            Command::Chat(command) => command.files(),
            Command::Ping
            | Command::AuthRefresh { .. }
            | Command::Room(_)
            | Command::Call(_)
            | Command::Presence(_)
            | Command::Sheet(_)
            | Command::Assistant(_)
            | Command::Notices(_)
            | Command::Upload(_) => &[],
        }
    }

    /// How it is counted.
    pub const fn charge(&self) -> Charge {
        match self {
            Command::Ping => Charge::Free,
            Command::AuthRefresh { .. } => Charge::Request,
            Command::Room(command) => command.charge(),
            Command::Chat(command) => command.charge(),
            Command::Call(command) => command.charge(),
            Command::Presence(command) => command.charge(),
            Command::Sheet(command) => command.charge(),
            Command::Assistant(command) => command.charge(),
            Command::Notices(command) => command.charge(),
            Command::Upload(command) => command.charge(),
        }
    }
}
