//! All that a client may ask, in one form for every dialect. A dialect makes these from bytes; nothing behind the
//! dialect ever sees a field name or a wire type.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{
    core::{
        assistant::Question, cursor::Cursor, notification::NotificationFilter, presence::Status, sheet::Cell,
        upload::UploadPhase,
    },
    ids::{Epoch, FileId, RoomName, Seq, SheetId, UserId},
};

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

/// What a client may ask. Commands without a room mean the one that the socket is bound to, or that it joined last.
#[derive(Clone, PartialEq, Debug)]
pub enum Command {
    /// Are you there?
    Ping,
    /// A fresh token for the same user.
    AuthRefresh {
        /// The token as sent.
        token: String,
    },
    /// A chat message for the room.
    SendMessage {
        /// To which kind of room the client thinks it speaks.
        addressed: Addressed,
        /// The text, within limits.
        content: Arc<str>,
        /// Uploaded files that go with it.
        attachments: Vec<FileId>,
    },
    /// The user began or stopped typing.
    SetTyping {
        /// To which kind of room the client thinks it speaks.
        addressed: Addressed,
        /// Which of the two.
        typing: Typing,
        /// In which cell, by the client's own name.
        cell: Option<Arc<str>>,
    },
    /// A WebRTC signal for one user in the room.
    Signal {
        /// Offer, answer or candidate.
        kind: SignalKind,
        /// For whom; absent in a direct conversation, where it is the partner.
        target: Option<UserId>,
        /// Relayed unchanged.
        data: RawJson,
    },
    /// Enter an open room, made at the first need.
    Join {
        /// Which.
        room: RoomName,
        /// From where the client resumes, if it does.
        resume: Option<Resume>,
    },
    /// Leave it.
    Leave {
        /// Which.
        room: RoomName,
    },
    /// The user points somewhere.
    MoveCursor {
        /// In which room; absent: the one joined last.
        room: Option<RoomName>,
        /// Where.
        cursor: Cursor,
    },
    /// What the user says about being there.
    SetStatus {
        /// What.
        status: Status,
    },
    /// Change cells of a sheet: all of them, or none.
    UpdateCells {
        /// Which sheet.
        sheet: SheetId,
        /// Which room it belongs to; absent: the one that it was first written in, or else the one joined last.
        room: Option<RoomName>,
        /// Each cell once, with the version that the client saw last.
        cells: Vec<Cell>,
    },
    /// Ask the assistant.
    Ask(Question),
    /// An answer is wanted no more.
    CancelAsk {
        /// The client's name for the question.
        request: Arc<str>,
    },
    /// Which notifications this socket wants from now on.
    FilterNotifications(NotificationFilter),
    /// A notification was read.
    ReadNotification {
        /// Its id, as the client wrote it.
        id: Arc<str>,
    },
    /// How far an upload is.
    TellUpload {
        /// The client's own name for the file.
        file: Arc<str>,
        /// How far it is.
        phase: UploadPhase,
    },
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
}

impl Command {
    /// The open room that is named as the one in which it is to be done.
    pub const fn room(&self) -> Option<&RoomName> {
        match self {
            Command::SendMessage { addressed, .. } | Command::SetTyping { addressed, .. } => addressed.room(),
            Command::MoveCursor { room, .. } | Command::UpdateCells { room, .. } => room.as_ref(),
            Command::Ping
            | Command::AuthRefresh { .. }
            | Command::Signal { .. }
            | Command::Join { .. }
            | Command::Leave { .. }
            | Command::SetStatus { .. }
            | Command::Ask(_)
            | Command::CancelAsk { .. }
            | Command::FilterNotifications(_)
            | Command::ReadNotification { .. }
            | Command::TellUpload { .. } => None,
        }
    }

    /// How it is counted.
    pub const fn charge(&self) -> Charge {
        match self {
            Command::Ping => Charge::Free,
            Command::AuthRefresh { .. }
            | Command::SendMessage { .. }
            | Command::Join { .. }
            | Command::Leave { .. }
            | Command::SetStatus { .. }
            | Command::UpdateCells { .. }
            | Command::Ask(_)
            | Command::CancelAsk { .. }
            | Command::FilterNotifications(_)
            | Command::ReadNotification { .. } => Charge::Request,
            Command::SetTyping { .. } | Command::MoveCursor { .. } => Charge::Ephemeral,
            Command::TellUpload { phase, .. } => match phase {
                UploadPhase::Started { .. } | UploadPhase::Complete { .. } => Charge::Request,
                UploadPhase::Progress { .. } => Charge::Ephemeral,
            },
            Command::Signal { kind, .. } => match kind {
                SignalKind::Offer | SignalKind::Answer => Charge::Request,
                SignalKind::IceCandidate => Charge::Ephemeral,
            },
        }
    }
}

/// To whom a client says something. A private word sent into a channel by mistake must not be told there.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Addressed {
    /// All who are in the channel.
    Channel,
    /// The other side of a direct conversation.
    Partner,
    /// All who are in an open room.
    Room {
        /// Which; absent: the one joined last.
        room: Option<RoomName>,
    },
}

impl Addressed {
    /// The open room that is named.
    pub const fn room(&self) -> Option<&RoomName> {
        match self {
            Addressed::Channel | Addressed::Partner => None,
            Addressed::Room { room } => room.as_ref(),
        }
    }
}

/// Whether somebody types.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Typing {
    /// Began.
    Started,
    /// Ended.
    Stopped,
}

/// The three signals of a WebRTC negotiation.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum SignalKind {
    /// A session description that offers.
    Offer,
    /// One that answers.
    Answer,
    /// A network candidate.
    IceCandidate,
}
