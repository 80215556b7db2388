//! All that a client may ask, in one form for every dialect. A dialect makes these from bytes; nothing behind the
//! dialect ever sees a field name or a wire type.

use std::sync::Arc;

use crate::ids::UserId;

/// A JSON value exactly as the client wrote it, known to be well-formed. Relayed, never looked into.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RawJson(Arc<str>);

impl RawJson {
    /// Takes text that a JSON parser has accepted; the caller is the parser.
    pub fn from_parsed(text: &str) -> RawJson {
        RawJson(text.into())
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The client's own name for a request, a string or a number, echoed as it came.
pub type ClientRef = RawJson;

/// One request of a client.
#[derive(Clone, PartialEq, Debug)]
pub struct Request {
    /// Echoed by the direct answer, the acknowledgement or the error.
    pub reference: Option<ClientRef>,
    /// What is asked.
    pub command: Command,
}

/// What a client may ask. Commands without a room mean the one that the socket is bound to.
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
    },
    /// The user began or stopped typing.
    SetTyping {
        /// To which kind of room the client thinks it speaks.
        addressed: Addressed,
        /// Which of the two.
        typing: Typing,
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
    /// How it is counted.
    pub const fn charge(&self) -> Charge {
        match self {
            Command::Ping => Charge::Free,
            Command::AuthRefresh { .. } | Command::SendMessage { .. } => Charge::Request,
            Command::SetTyping { .. } => Charge::Ephemeral,
            Command::Signal { kind, .. } => match kind {
                SignalKind::Offer | SignalKind::Answer => Charge::Request,
                SignalKind::IceCandidate => Charge::Ephemeral,
            },
        }
    }
}

/// To whom a client says something. A private word sent into a channel by mistake must not be told there.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Addressed {
    /// All who are in the channel.
    Channel,
    /// The other side of a direct conversation.
    Partner,
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
