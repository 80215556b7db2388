//! The errors of uploads and downloads, each with one sentence that says what to do.

use super::storage::StorageFault;
use crate::{limits, store::StoreError};

/// Why an upload did not start or was interrupted. Unless stated otherwise, the bytes received so far are kept.
#[derive(Debug, thiserror::Error)]
pub enum UploadFault {
    /// The file exceeds the size limit.
    #[error("A file may have {bytes_max} bytes at most; send a smaller one")]
    TooLarge {
        /// The limit.
        bytes_max: u64,
    },
    /// A type of file that the operator does not allow.
    #[error("Files of the type {0} are not accepted here; send one of another type")]
    TypeNotTaken(String),
    /// The user's files together exceed the limit.
    #[error("Your files use {used_bytes} of {bytes_max} bytes; delete some first")]
    OverQuota {
        /// The current total.
        used_bytes: u64,
        /// The limit.
        bytes_max: u64,
    },
    /// The user has too many files.
    #[error("You have reached the limit of {most} files; delete some first")]
    TooManyFiles {
        /// The limit.
        most: u32,
    },
    /// The user has too many unfinished uploads.
    #[error("You have reached the limit of {most} unfinished uploads; finish or delete one first")]
    TooMany {
        /// The limit.
        most: u32,
    },
    /// The upload does not exist or has expired.
    #[error("There is no such upload, or it has expired; begin a new one")]
    Gone,
    /// Another request is writing the same file.
    #[error("Another request is writing this file; wait for its end, then get the offset with HEAD")]
    Busy,
    /// The client and the server disagree about the offset.
    #[error("The upload is at byte {at}; get the offset with HEAD and continue from there")]
    WrongOffset {
        /// The server's offset.
        at: u64,
    },
    /// The body exceeds the announced length. The bytes of this request are discarded as far as possible.
    #[error("The body exceeds the Upload-Length; send no more bytes than announced")]
    TooMuch,
    /// The digest does not match. The bytes are discarded.
    #[error("The bytes do not match the Upload-Checksum, so they were not kept; send them again")]
    ChecksumMismatch,
    /// The upload consists of too many small requests.
    #[error("The upload consists of {} requests already; delete it and send larger chunks", limits::FILE_PARTS_MAX)]
    TooManyParts,
    /// No bytes arrived for too long.
    #[error("No bytes arrived for {} seconds; get the offset with HEAD and continue", limits::UPLOAD_SILENCE_MAX.as_secs())]
    Silent,
    /// The connection was interrupted.
    #[error("The body ended too early; get the offset with HEAD and continue from there")]
    Broken,
    /// The node is shutting down.
    #[error("The server restarts; get the offset with HEAD in a moment and continue from there")]
    Leaving,
    /// Storage failed.
    #[error("The server can't store files at the moment; get the offset with HEAD in a moment and continue")]
    Storage(#[from] StorageFault),
    /// The database failed.
    #[error("{0}")]
    Store(#[from] StoreError),
}

/// Why a file can't be downloaded.
#[derive(Debug, thiserror::Error)]
pub enum DownloadFault {
    /// Storage failed.
    #[error("The server can't read files at the moment; try again in a few seconds")]
    Storage(#[from] StorageFault),
    /// The database failed.
    #[error("{0}")]
    Store(#[from] StoreError),
}
