//! What the sockets of a call tell each other, on one node or on several. The serde form is that between nodes: fields and
//! kinds may be added but must never be renamed.

use serde::{Deserialize, Serialize};

use crate::{
    core::{
        command::{RawJson, SignalKind},
        profile::Author,
    },
    ids::{CallId, SocketId, UserId},
};

/// Identifies a call in the cluster. Clients choose ids that need not be unique, so they do not identify a call.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct CallKey {
    /// The caller's socket.
    pub caller: SocketId,
    /// The number of the call on that socket.
    pub serial: u32,
}

/// A message of one socket of a call to the other side.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct CallMessage {
    /// The call.
    pub call: CallKey,
    /// The user of the sending socket.
    pub from: Author,
    /// The sending socket.
    pub socket: SocketId,
    /// The user who receives it.
    pub user: UserId,
    /// The socket that receives it; absent: all sockets of that user.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<SocketId>,
    /// The content.
    pub what: CallNews,
}

/// The content of a [`CallMessage`].
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallNews {
    /// The caller begins a call with the target's sockets.
    Offered {
        /// The id that the caller's client has chosen.
        id: CallId,
        /// The offer.
        data: RawJson,
    },
    /// A socket of the target has sent the offer to its client.
    Rings,
    /// A socket of the target answers.
    Answered {
        /// The answer.
        data: RawJson,
    },
    /// The caller has taken the answer of one socket; the others stop ringing.
    Accepted {
        /// That socket.
        winner: SocketId,
    },
    /// A signal of a call that has begun: a candidate, or an offer or answer that changes a connected call.
    Signal {
        /// The kind.
        kind: SignalKind,
        /// The content.
        data: RawJson,
    },
    /// The call has ended at the sending socket.
    Ended {
        /// The reason.
        reason: CallEnd,
        /// What the client has added.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        data: Option<RawJson>,
    },
    /// Asks whether the call still exists, because the message of its end may have been lost. Only answered if it does not.
    Probe,
}

/// Why a call has ended.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallEnd {
    /// The other side hung up.
    HungUp,
    /// The caller hung up before the target answered.
    Cancelled,
    /// The target hung up instead of answering.
    Declined,
    /// The user has declined on another socket.
    DeclinedElsewhere,
    /// The user has answered on another socket.
    AnsweredElsewhere,
    /// The target is in another call.
    Busy,
    /// The target did not answer in time.
    TimedOut,
    /// The other side's socket has closed.
    Disconnected,
    /// The target was calling this user at the same moment, and that call takes precedence.
    Crossed,
}

impl CallEnd {
    /// All reasons, for schemas and tests.
    pub const ALL: [CallEnd; 9] = [
        CallEnd::HungUp,
        CallEnd::Cancelled,
        CallEnd::Declined,
        CallEnd::DeclinedElsewhere,
        CallEnd::AnsweredElsewhere,
        CallEnd::Busy,
        CallEnd::TimedOut,
        CallEnd::Disconnected,
        CallEnd::Crossed,
    ];

    /// The name on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            CallEnd::HungUp => "hangup",
            CallEnd::Cancelled => "cancelled",
            CallEnd::Declined => "declined",
            CallEnd::DeclinedElsewhere => "declined_elsewhere",
            CallEnd::AnsweredElsewhere => "answered_elsewhere",
            CallEnd::Busy => "busy",
            CallEnd::TimedOut => "timeout",
            CallEnd::Disconnected => "disconnected",
            CallEnd::Crossed => "crossed",
        }
    }
}
