//! What is told of an upload while it runs and when it is done. The bytes themselves travel over REST.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{
    core::command::RawJson,
    ids::{FileId, UserId},
};

/// From where a stored file is fetched, relative to the server's address.
pub fn content_url(file: FileId) -> String {
    format!("/api/v1/files/{file}/content")
}

/// News of an upload.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Upload {
    /// The file's id: the client's own name for it, or that of a stored file.
    pub file: Arc<str>,
    /// Who uploads.
    pub user: UserId,
    /// How far it is.
    pub phase: UploadPhase,
}

/// How far an upload is.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UploadPhase {
    /// It begins.
    Started {
        /// The file's name.
        filename: Arc<str>,
        /// How large it will be.
        size_bytes: u64,
        /// What it says it is.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        mime_type: Option<Arc<str>>,
    },
    /// Some of it has arrived.
    Progress {
        /// How much.
        uploaded_bytes: u64,
        /// Of how much.
        total_bytes: u64,
        /// The client's own reckoning, a number as it was written.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        percentage: Option<RawJson>,
    },
    /// All of it is stored.
    Complete {
        /// The file's name.
        filename: Arc<str>,
        /// From where it can be fetched.
        url: Arc<str>,
    },
    /// It will not be completed.
    Cancelled {
        /// Why.
        why: UploadEnd,
    },
}

/// Why an upload will not be completed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UploadEnd {
    /// It was deleted.
    Deleted,
    /// It did not go on for too long.
    Expired,
    /// The socket that announced it has ended.
    Disconnected,
}
