//! Requests of a client in a call between two users.

use serde::{Deserialize, Serialize};

use super::{Charge, RawJson, Target};
use crate::ids::{CallId, UserId};

/// A command of a call.
#[derive(Clone, PartialEq, Debug)]
pub enum CallCommand {
    /// A WebRTC signal for one user in the room.
    Signal {
        /// The kind: offer, answer or candidate.
        kind: SignalKind,
        /// The receiver; absent in a direct conversation, where it is the partner.
        target: Option<UserId>,
        /// The content, relayed unchanged.
        data: RawJson,
    },
    /// A request in a call with a user, whatever rooms the two are in.
    Direct {
        /// The other user.
        target: UserId,
        /// The id of the call, chosen by the caller's client.
        call: CallId,
        /// The request.
        request: CallRequest,
    },
}

/// A request in a call that is not bound to a room.
#[derive(Clone, PartialEq, Debug)]
pub enum CallRequest {
    /// A WebRTC signal. The first offer begins the call, and the first answer connects it.
    Signal {
        /// The kind.
        kind: SignalKind,
        /// The content, relayed unchanged.
        data: RawJson,
    },
    /// Ends the call, or declines it.
    HangUp {
        /// Additional data for the other side, relayed unchanged.
        data: Option<RawJson>,
    },
}

impl CallCommand {
    /// Who executes it.
    pub fn target(&self) -> Target {
        match self {
            CallCommand::Signal { .. } => Target::Room(None),
            CallCommand::Direct { .. } => Target::Session,
        }
    }

    /// How it is charged.
    pub const fn charge(&self) -> Charge {
        match self {
            CallCommand::Signal { kind, .. }
            | CallCommand::Direct { request: CallRequest::Signal { kind, .. }, .. } => kind.charge(),
            CallCommand::Direct { request: CallRequest::HangUp { .. }, .. } => Charge::Request,
        }
    }
}

/// The three signals of a WebRTC negotiation.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SignalKind {
    /// A session description with an offer.
    Offer,
    /// A session description with an answer.
    Answer,
    /// A network candidate.
    IceCandidate,
}

impl SignalKind {
    const fn charge(self) -> Charge {
        match self {
            SignalKind::Offer | SignalKind::Answer => Charge::Request,
            SignalKind::IceCandidate => Charge::Ephemeral,
        }
    }
}
