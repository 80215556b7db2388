//! Events of an upload, for the rooms that its user is in.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::core::{profile::Author, upload::Upload};

/// An event of an upload. None is stored.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UploadEphemeral {
    /// Progress of a member's upload.
    Reported {
        /// The user.
        user: Author,
        /// The progress.
        upload: Arc<Upload>,
    },
}
