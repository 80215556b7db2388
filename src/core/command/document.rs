//! Requests of a client about a collaborative document.

use std::sync::Arc;

use super::{Charge, Target};
use crate::core::document::{ClientState, Sent};

/// A command of a document, which the socket has opened.
#[derive(Clone, PartialEq, Debug)]
pub enum DocumentCommand {
    /// Send what a client lacks.
    Synchronise {
        /// What it has: a state vector in the encoding of Yjs.
        state_vector: Arc<[u8]>,
    },
    /// Change the document.
    Update {
        /// The update, in the encoding of Yjs.
        update: Arc<[u8]>,
        /// In which message it was sent.
        sent: Sent,
    },
    /// Show the others something of one's clients.
    ShowAwareness {
        /// The clients.
        states: Vec<ClientState>,
    },
    /// Send what the other clients show of themselves.
    QueryAwareness,
}

impl DocumentCommand {
    /// Who executes it.
    pub fn target(&self) -> Target {
        match self {
            DocumentCommand::Synchronise { .. }
            | DocumentCommand::Update { .. }
            | DocumentCommand::ShowAwareness { .. }
            | DocumentCommand::QueryAwareness => Target::Room(None),
        }
    }

    /// Whether it creates a stored event that a client may repeat under an id. Updates may be repeated without one.
    pub const fn is_durable(&self) -> bool {
        match self {
            DocumentCommand::Synchronise { .. }
            | DocumentCommand::Update { .. }
            | DocumentCommand::ShowAwareness { .. }
            | DocumentCommand::QueryAwareness => false,
        }
    }

    /// How it is charged.
    pub const fn charge(&self) -> Charge {
        match self {
            DocumentCommand::Synchronise { .. } | DocumentCommand::Update { .. } => Charge::Edit,
            DocumentCommand::ShowAwareness { .. } | DocumentCommand::QueryAwareness => Charge::Ephemeral,
        }
    }
}
