//! Events of a call between two users.

use serde::{Deserialize, Serialize};

use crate::{
    core::{
        call::CallEnd,
        command::{RawJson, SignalKind},
        profile::Author,
    },
    ids::CallId,
};

/// An event of a call. None is stored.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CallEphemeral {
    /// A WebRTC signal.
    Signal {
        /// The sender.
        from: Author,
        /// The kind of the signal.
        kind: SignalKind,
        /// The content as the sender wrote it.
        data: RawJson,
    },
}

/// What a client is sent about a call that is not bound to a room.
#[derive(Clone, PartialEq, Debug)]
pub struct CallNotice {
    /// The id that the caller's client has chosen.
    pub call: CallId,
    /// The user at the other end.
    pub with: Author,
    /// The content.
    pub what: CallChange,
}

/// The content of a [`CallNotice`].
#[derive(Clone, PartialEq, Debug)]
pub enum CallChange {
    /// A WebRTC signal of the other side. The first offer makes the client ring.
    Signal {
        /// The kind of the signal.
        kind: SignalKind,
        /// The content as the sender wrote it.
        data: RawJson,
    },
    /// The call, or its ringing on this socket, has ended.
    Ended {
        /// The reason.
        reason: CallEnd,
        /// What the other side has added when it hung up.
        data: Option<RawJson>,
    },
}
