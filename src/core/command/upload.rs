//! What a client may say about an upload of its own.

use std::sync::Arc;

use super::Charge;
use crate::core::upload::UploadPhase;

/// A command about an upload.
#[derive(Clone, PartialEq, Debug)]
pub enum UploadCommand {
    /// How far it is.
    Report {
        /// The client's own name for the file.
        file: Arc<str>,
        /// How far it is.
        phase: UploadPhase,
    },
}

impl UploadCommand {
    /// How it is counted.
    pub const fn charge(&self) -> Charge {
        match self {
            UploadCommand::Report { phase, .. } => match phase {
                UploadPhase::Started { .. } | UploadPhase::Complete { .. } | UploadPhase::Cancelled { .. } => {
                    Charge::Request
                }
                UploadPhase::Progress { .. } => Charge::Ephemeral,
            },
        }
    }
}
