//! Requests of a client about a collaborative document.

use std::sync::Arc;

use super::{Charge, RoomAddress, Target};
use crate::{
    core::document::{ClientState, Edit, Pointer, Position, Sent},
    ids::{ClientMessageId, DocumentId, Seq},
};

/// Who asks whom for what is missing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Exchange {
    /// The client asks; the server has asked when the document was opened.
    OneWay,
    /// The client asks, and expects to be asked in turn.
    Mutual,
}

/// A command of a document, which the socket has opened.
#[derive(Clone, PartialEq, Debug)]
pub enum DocumentCommand {
    /// Send what a client lacks.
    Synchronise {
        /// What it has: a state vector in the encoding of Yjs.
        state_vector: Arc<[u8]>,
        /// Who asks whom.
        exchange: Exchange,
    },
    /// A command for one of the documents that the socket has opened.
    At {
        /// Which.
        document: DocumentId,
        /// The command.
        command: Box<DocumentCommand>,
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
    /// Change the text by line and column.
    Edit {
        /// The document.
        document: DocumentId,
        /// The edit.
        edit: Edit,
        /// Where the author's cursor is afterwards.
        cursor: Option<Position>,
        /// The id under which the client may send the edit again.
        op_id: Option<ClientMessageId>,
    },
    /// Show the others where the user is.
    Point {
        /// The document.
        document: DocumentId,
        /// Where.
        pointer: Pointer,
    },
    /// Tell who has it open. Only over REST.
    Describe,
    /// Read the rights of its users again: they were changed. Only over REST.
    ReadRights,
    /// Make the text that of an earlier state. Only over REST.
    Restore {
        /// The state, in the encoding of Yjs.
        state: Arc<[u8]>,
    },
    /// Tell everybody that a version was kept, which is stored already. Only over REST.
    TellSaved {
        /// The name, if it has one.
        name: Option<Arc<str>>,
        /// The number of the version.
        number: i32,
        /// The last event that it contains.
        version: Seq,
    },
    /// Keep the current version.
    Save {
        /// The document.
        document: DocumentId,
        /// A name for it.
        name: Option<Arc<str>>,
    },
}

impl DocumentCommand {
    /// Who executes it.
    pub fn target(&self) -> Target {
        match self {
            DocumentCommand::Synchronise { .. }
            | DocumentCommand::Update { .. }
            | DocumentCommand::ShowAwareness { .. }
            | DocumentCommand::QueryAwareness
            | DocumentCommand::Describe
            | DocumentCommand::ReadRights
            | DocumentCommand::Restore { .. }
            | DocumentCommand::TellSaved { .. } => Target::Room(None),
            DocumentCommand::At { document, .. }
            | DocumentCommand::Edit { document, .. }
            | DocumentCommand::Point { document, .. }
            | DocumentCommand::Save { document, .. } => Target::Room(Some(RoomAddress::Document(document.clone()))),
        }
    }

    /// Whether it creates a stored event that a client may repeat under an id. Updates may be repeated without one.
    pub const fn is_durable(&self) -> bool {
        match self {
            DocumentCommand::At { command, .. } => command.is_durable(),
            DocumentCommand::Synchronise { .. }
            | DocumentCommand::Update { .. }
            | DocumentCommand::ShowAwareness { .. }
            | DocumentCommand::QueryAwareness
            | DocumentCommand::Describe
            | DocumentCommand::ReadRights
            | DocumentCommand::Point { .. } => false,
            DocumentCommand::Edit { .. }
            | DocumentCommand::Save { .. }
            | DocumentCommand::Restore { .. }
            | DocumentCommand::TellSaved { .. } => true,
        }
    }

    /// How it is charged.
    pub const fn charge(&self) -> Charge {
        match self {
            DocumentCommand::At { command, .. } => command.charge(),
            DocumentCommand::Synchronise { .. } | DocumentCommand::Update { .. } | DocumentCommand::Edit { .. } => {
                Charge::Edit
            }
            DocumentCommand::ShowAwareness { .. } | DocumentCommand::QueryAwareness | DocumentCommand::Point { .. } => {
                Charge::Ephemeral
            }
            DocumentCommand::Describe
            | DocumentCommand::ReadRights
            | DocumentCommand::Restore { .. }
            | DocumentCommand::TellSaved { .. }
            | DocumentCommand::Save { .. } => Charge::Request,
        }
    }
}
