//! Reports of a client about its own uploads.

use std::sync::Arc;

use super::Charge;
use crate::core::upload::UploadPhase;

/// A command about an upload.
#[derive(Clone, PartialEq, Debug)]
pub enum UploadCommand {
    /// Report progress.
    Report {
        /// The client's id for the file.
        file: Arc<str>,
        /// The phase of the upload.
        phase: UploadPhase,
    },
}

impl UploadCommand {
    /// How it is charged.
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
