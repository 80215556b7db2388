//! Everything that a client may request, in one form for all dialects, with one file per capability; each decides how
//! its commands are charged and which room they are for. A dialect creates commands from bytes. Nothing outside the
//! dialects must ever see a field name or a wire type.

mod assistant;
mod call;
mod canvas;
mod chat;
mod document;
mod invites;
mod notices;
mod presence;
mod room;
mod sheet;
mod space;
mod upload;
mod voice;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub use self::{
    assistant::AssistantCommand,
    call::{CallCommand, CallRequest, SignalKind},
    canvas::CanvasCommand,
    chat::{Addressed, ChatCommand, Draft, MessageAddress, MessageRight, Receipt, Typing, bad_attachments},
    document::{DocumentCommand, Exchange},
    invites::{AskedInvites, BadInvites, InviteCommand, InviteField, Invited, ListPage, SendInvites},
    notices::NoticeCommand,
    presence::PresenceCommand,
    room::{RoomAddress, RoomCommand},
    sheet::SheetCommand,
    space::SpaceCommand,
    upload::UploadCommand,
    voice::Voice,
};
use crate::ids::{ClientMessageId, Epoch, FileId, Seq, UserId};

/// A JSON value exactly as the client wrote it, known to be well-formed. It is relayed and never interpreted. In the
/// log and between nodes it is encoded as a string.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RawJson(Arc<str>);

impl RawJson {
    /// Wraps text that a JSON parser has accepted; the caller must have parsed it.
    pub fn from_parsed(text: &str) -> RawJson {
        RawJson(text.into())
    }

    /// The value `null`.
    pub fn null() -> RawJson {
        RawJson::from_parsed("null")
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The client's id for a request, a string or a number, returned unchanged.
pub type ClientRef = RawJson;

/// Data of a dialect about a request that is returned with every reply to it. Opaque: actors pass it on, and only the
/// dialect that created it reads it.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Tag {
    /// The client's id for the request, repeated in the reply, acknowledgement or error.
    pub reference: Option<ClientRef>,
    /// The wire name of the request; empty if the message could not be parsed that far.
    pub asked: &'static str,
    /// The client's id for the subject of the request, if the dialect repeats it in errors.
    pub about: Option<Arc<str>>,
    /// When success is confirmed.
    pub confirm: Confirm,
}

/// When the success of a request is confirmed. Refusals are always sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Confirm {
    /// If it has a client's id.
    #[default]
    IfReferenced,
    /// Always: in dialects in which every request has an answer.
    Always,
}

impl Tag {
    /// Whether the client wants confirmation of success. Errors are always sent.
    pub const fn wants_answer(&self) -> bool {
        match self.confirm {
            Confirm::IfReferenced => self.reference.is_some(),
            Confirm::Always => true,
        }
    }
}

/// A request of a client.
#[derive(Clone, PartialEq, Debug)]
pub struct Request {
    /// Returned with every answer.
    pub tag: Tag,
    /// The id under which the client may repeat the command, if it creates a stored event.
    pub client_message_id: Option<ClientMessageId>,
    /// The command.
    pub command: Command,
}

/// The last position of a reconnecting client.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Resume {
    /// The last event it received.
    pub since: Seq,
    /// The epoch of that event; absent from old clients, which mean the current one.
    pub epoch: Option<Epoch>,
}

/// A command of a client.
#[derive(Clone, PartialEq, Debug)]
pub enum Command {
    /// Check the connection.
    Ping,
    /// Use a fresh token of the same user.
    AuthRefresh {
        /// The token.
        token: String,
    },
    /// Join and leave rooms.
    Room(RoomCommand),
    /// Messages and typing.
    Chat(ChatCommand),
    /// Calls and their WebRTC signals.
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
    /// Collaborative documents.
    Document(DocumentCommand),
    /// Tiles of a canvas, and activity on it.
    Canvas(CanvasCommand),
    /// Spaces and the avatars in them.
    Space(SpaceCommand),
    /// Invites to spaces.
    Invites(InviteCommand),
}

/// Who executes a command.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Target {
    /// The session, or an actor to which it passes the command.
    Session,
    /// A room that the socket is in: the one that is named, or else the one that the socket is bound to or joined last.
    Room(Option<RoomAddress>),
    /// A conversation, which the socket joins first if necessary.
    Conversation(RoomAddress),
    /// The room that a message is in.
    Message(MessageAddress, MessageRight),
}

impl Target {
    /// The room that is named.
    pub fn room(self) -> Option<RoomAddress> {
        match self {
            Target::Session | Target::Message(..) => None,
            Target::Room(room) => room,
            Target::Conversation(room) => Some(room),
        }
    }
}

/// How a command is charged (docs/protocol.md, Rate limits).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Charge {
    /// Free of charge.
    Free,
    /// As a request, per minute and hour.
    Request,
    /// To the bucket of ephemeral messages; above the limit it is dropped silently.
    Ephemeral,
    /// To the bucket of edits; above the limit the socket is read more slowly.
    Edit,
}

impl Command {
    /// Who executes it.
    pub fn target(&self) -> Target {
        match self {
            Command::Ping
            | Command::AuthRefresh { .. }
            | Command::Assistant(_)
            | Command::Notices(_)
            | Command::Upload(_) => Target::Session,
            Command::Room(command) => command.target(),
            Command::Chat(command) => command.target(),
            Command::Call(command) => command.target(),
            Command::Presence(command) => command.target(),
            Command::Sheet(command) => command.target(),
            Command::Document(command) => command.target(),
            Command::Canvas(command) => command.target(),
            Command::Space(command) => command.target(),
            Command::Invites(command) => command.target(),
        }
    }

    /// The command as one of the chat, if it is one: only these name files and users, and make their author a participant.
    pub const fn as_chat(&self) -> Option<&ChatCommand> {
        match self {
            Command::Chat(command) => Some(command),
            Command::Ping
            | Command::AuthRefresh { .. }
            | Command::Room(_)
            | Command::Call(_)
            | Command::Presence(_)
            | Command::Sheet(_)
            | Command::Assistant(_)
            | Command::Notices(_)
            | Command::Upload(_)
            | Command::Document(_)
            | Command::Canvas(_)
            | Command::Space(_)
            | Command::Invites(_) => None,
        }
    }

    /// Whether the user takes part in the room from then on, also while away.
    pub fn takes_part(&self) -> bool {
        self.as_chat().is_some_and(ChatCommand::takes_part)
    }

    /// The uploaded files that it names, which must be looked up and permitted first.
    pub fn files(&self) -> &[FileId] {
        self.as_chat().map_or(&[], ChatCommand::files)
    }

    /// The users whom it mentions, of whom only those who may enter the room may be notified.
    pub fn mentions(&self) -> &[UserId] {
        self.as_chat().map_or(&[], ChatCommand::mentions)
    }

    /// The same command, in which only these users are mentioned.
    pub fn mentioning(self, users: Vec<UserId>) -> Command {
        match self {
            Command::Chat(command) => Command::Chat(command.mentioning(users)),
            Command::Ping
            | Command::AuthRefresh { .. }
            | Command::Room(_)
            | Command::Call(_)
            | Command::Presence(_)
            | Command::Sheet(_)
            | Command::Assistant(_)
            | Command::Notices(_)
            | Command::Upload(_)
            | Command::Document(_)
            | Command::Canvas(_)
            | Command::Space(_)
            | Command::Invites(_) => self,
        }
    }

    /// Whether it creates a stored event, so that the client may repeat it under an id of its own choice.
    pub const fn is_durable(&self) -> bool {
        match self {
            Command::Chat(command) => command.is_durable(),
            Command::Sheet(command) => command.is_durable(),
            Command::Document(command) => command.is_durable(),
            Command::Canvas(command) => command.is_durable(),
            Command::Space(command) => command.is_durable(),
            Command::Ping
            | Command::AuthRefresh { .. }
            | Command::Room(_)
            | Command::Call(_)
            | Command::Presence(_)
            | Command::Assistant(_)
            | Command::Notices(_)
            | Command::Upload(_)
            | Command::Invites(_) => false,
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
            Command::Document(command) => command.charge(),
            Command::Canvas(command) => command.charge(),
            Command::Space(command) => command.charge(),
            Command::Invites(command) => command.charge(),
        }
    }
}
