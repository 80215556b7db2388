//! Progress of an upload, as events for its user and room. The contents of files never pass through here; they are
//! transferred over REST.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{
    core::command::RawJson,
    ids::{FileId, UserId},
};

/// The path from which a stored file is downloaded.
pub fn content_url(file: FileId) -> String {
    format!("/api/v1/files/{file}/content")
}

/// Progress of an upload.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Upload {
    /// The id of a stored file, or the client's own id for the file.
    pub file: Arc<str>,
    /// The uploading user.
    pub user: UserId,
    /// The phase of the upload.
    pub phase: UploadPhase,
}

/// The phases of an upload.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UploadPhase {
    /// It has started.
    Started {
        /// The file's name.
        filename: Arc<str>,
        /// The announced size.
        size_bytes: u64,
        /// The announced type.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        mime_type: Option<Arc<str>>,
    },
    /// Part of it has been received.
    Progress {
        /// Bytes received.
        uploaded_bytes: u64,
        /// Bytes in total.
        total_bytes: u64,
        /// The percentage as the client wrote it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        percentage: Option<RawJson>,
    },
    /// The file is stored.
    Complete {
        /// The file's name.
        filename: Arc<str>,
        /// Where it can be downloaded.
        url: Arc<str>,
    },
    /// It will not be completed.
    Cancelled {
        /// The reason.
        why: UploadEnd,
    },
}

/// Why an upload will not be completed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UploadEnd {
    /// It was deleted.
    Deleted,
    /// It was inactive for too long.
    Expired,
    /// The socket that announced it was closed.
    Disconnected,
}
