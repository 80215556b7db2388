//! Events of a call between two users.

use crate::core::{
    command::{RawJson, SignalKind},
    profile::Author,
};

/// An event of a call. None is stored.
#[derive(Clone, PartialEq, Debug)]
pub enum CallEphemeral {
    /// A WebRTC signal.
    Signal {
        /// From whom.
        from: Author,
        /// Which.
        kind: SignalKind,
        /// As the sender wrote it.
        data: RawJson,
    },
}
