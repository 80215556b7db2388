//! Events of a call between two users.

use serde::{Deserialize, Serialize};

use crate::core::{
    command::{RawJson, SignalKind},
    profile::Author,
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
