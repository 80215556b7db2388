//! Requests of a client in a call between two users.

use serde::{Deserialize, Serialize};

use super::{Charge, RawJson, Target};
use crate::ids::UserId;

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
}

impl CallCommand {
    /// Who executes it.
    pub fn target(&self) -> Target {
        match self {
            CallCommand::Signal { .. } => Target::Room(None),
        }
    }

    /// How it is charged.
    pub const fn charge(&self) -> Charge {
        match self {
            CallCommand::Signal { kind: SignalKind::Offer | SignalKind::Answer, .. } => Charge::Request,
            CallCommand::Signal { kind: SignalKind::IceCandidate, .. } => Charge::Ephemeral,
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
