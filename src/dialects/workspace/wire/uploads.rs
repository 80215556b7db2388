//! Progress of uploads.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    core::upload::UploadEnd,
    dialects::{
        input::{Count, Json, Name, NameOrEmpty},
        output::Relayed,
    },
    ids::{RoomName, UserId},
    limits,
};

type FileName = Name<{ limits::FILE_NAME_CHARS_MAX }>;
/// The client's id for a file.
type ClientFile = Name<{ limits::CLIENT_NAME_CHARS_MAX }>;

// ---- from clients ----

#[derive(Deserialize, JsonSchema)]
pub struct UploadStart {
    #[schemars(example = &"data.csv")]
    pub filename: FileName,
    /// In bytes.
    #[schemars(example = 1_024_000)]
    pub file_size: Count,
    #[schemars(example = &"text/csv")]
    pub mime_type: Option<NameOrEmpty<{ limits::FILE_NAME_CHARS_MAX }>>,
    #[schemars(example = &"file_123")]
    pub file_id: ClientFile,
}

#[derive(Deserialize, JsonSchema)]
pub struct UploadProgress<'a> {
    #[schemars(example = 512_000)]
    pub bytes_uploaded: Count,
    #[schemars(example = 1_024_000)]
    pub total_bytes: Count,
    /// As computed by the client; computed by the server if absent or not a number.
    #[serde(borrow)]
    #[schemars(with = "Option<f64>", example = 50.0)]
    pub percentage: Option<Json<'a>>,
    #[schemars(example = &"file_123")]
    pub file_id: ClientFile,
}

// ---- from the server ----

/// The uploading user.
#[derive(Serialize, JsonSchema)]
pub struct Uploader<'a> {
    /// The uploading user.
    pub user_id: &'a UserId,
    /// Only in messages to the rooms that the user is in.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"alice")]
    pub username: Option<&'a str>,
    /// Only in messages to the rooms that the user is in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub room: Option<&'a RoomName>,
}

#[derive(Serialize, JsonSchema)]
pub struct UploadStarted<'a> {
    #[schemars(length(min = 1, max = limits::CLIENT_NAME_CHARS_MAX), example = &"file_123")]
    pub file_id: &'a str,
    #[schemars(length(min = 1, max = limits::FILE_NAME_CHARS_MAX), example = &"data.csv")]
    pub filename: &'a str,
    /// In bytes.
    #[schemars(example = 1_024_000)]
    pub file_size: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"text/csv")]
    pub mime_type: Option<&'a str>,
    #[serde(flatten)]
    pub uploader: Uploader<'a>,
}

#[derive(Serialize, JsonSchema)]
pub struct UploadProgressed<'a> {
    #[schemars(length(min = 1, max = limits::CLIENT_NAME_CHARS_MAX), example = &"file_123")]
    pub file_id: &'a str,
    #[schemars(example = 512_000)]
    pub bytes_uploaded: u64,
    #[schemars(example = 1_024_000)]
    pub total_bytes: u64,
    /// As computed by its client, otherwise by the server.
    #[schemars(with = "f64", example = 50.0)]
    pub percentage: Percentage<'a>,
    #[serde(flatten)]
    pub uploader: Uploader<'a>,
}

#[derive(Serialize)]
#[serde(untagged)]
pub enum Percentage<'a> {
    Reckoned(Relayed<'a>),
    Computed(f64),
}

#[derive(Serialize, JsonSchema)]
pub struct UploadComplete<'a> {
    #[schemars(length(min = 1, max = limits::CLIENT_NAME_CHARS_MAX), example = &"file_123")]
    pub file_id: &'a str,
    #[schemars(length(min = 1, max = limits::FILE_NAME_CHARS_MAX), example = &"data.csv")]
    pub filename: &'a str,
    #[schemars(example = &"/api/v1/files/…")]
    pub url: &'a str,
    #[serde(flatten)]
    pub uploader: Uploader<'a>,
}

#[derive(Serialize, JsonSchema)]
pub struct UploadCancelled<'a> {
    #[schemars(length(min = 1, max = limits::CLIENT_NAME_CHARS_MAX), example = &"file_123")]
    pub file_id: &'a str,
    pub reason: CancelReason,
    #[serde(flatten)]
    pub uploader: Uploader<'a>,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CancelReason {
    Deleted,
    Expired,
    Disconnected,
}

impl From<&UploadEnd> for CancelReason {
    fn from(why: &UploadEnd) -> CancelReason {
        match why {
            UploadEnd::Deleted => CancelReason::Deleted,
            UploadEnd::Expired => CancelReason::Expired,
            UploadEnd::Disconnected => CancelReason::Disconnected,
        }
    }
}
