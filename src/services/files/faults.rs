//! What can go wrong with an upload or a download, each in one sentence that says what to do.

use super::storage::StorageFault;
use crate::{limits, store::StoreError};

/// Why an upload did not begin or did not go on. What had arrived is kept unless it is said otherwise.
#[derive(Debug, thiserror::Error)]
pub enum UploadFault {
    /// One file over the limit.
    #[error("A file may have {bytes_max} bytes at most; send a smaller one")]
    TooLarge {
        /// The limit.
        bytes_max: u64,
    },
    /// A kind of file that the operator does not take.
    #[error("Files of the type {0} are not taken here; send one of another type")]
    TypeNotTaken(String),
    /// All files of the user over the limit.
    #[error("Your files have {used_bytes} bytes, and may have {bytes_max} together; delete some first")]
    OverQuota {
        /// How much there is.
        used_bytes: u64,
        /// The limit.
        bytes_max: u64,
    },
    /// Too many files.
    #[error("You have {most} files, and may have no more; delete some first")]
    TooManyFiles {
        /// The limit.
        most: u32,
    },
    /// Too many at once.
    #[error("You have {most} unfinished uploads, and may have no more; finish or delete one first")]
    TooMany {
        /// The limit.
        most: u32,
    },
    /// No such upload, or it was given up.
    #[error("There is no such upload, or it has expired; begin a new one")]
    Gone,
    /// Another request brings bytes of the same file.
    #[error("Another request is writing this file; wait for its end, then ask for the offset with HEAD")]
    Busy,
    /// The client and the server disagree about how much there is.
    #[error("The upload stands at byte {at}; ask for the offset with HEAD and go on from there")]
    WrongOffset {
        /// How much there is.
        at: u64,
    },
    /// More bytes than the upload was announced with; this request's are not kept, as far as it can be helped.
    #[error("The body goes beyond the Upload-Length; send no more than was announced")]
    TooMuch,
    /// The digest is of other bytes; they are not kept.
    #[error("The bytes do not match the Upload-Checksum, so they were not kept; send them again")]
    ChecksumMismatch,
    /// Too many small requests.
    #[error("The file came in {} requests already; delete it, and send it in larger chunks", limits::FILE_PARTS_MAX)]
    TooManyParts,
    /// Nothing came for too long.
    #[error("Nothing came for {} seconds; ask for the offset with HEAD and go on", limits::UPLOAD_SILENCE_MAX.as_secs())]
    Silent,
    /// The connection broke off.
    #[error("The body ended too early; ask for the offset with HEAD and go on from there")]
    Broken,
    /// The node is being taken out.
    #[error("The server restarts; ask for the offset with HEAD in a moment and go on from there")]
    Leaving,
    /// Storage failed.
    #[error("The server can't store files for the moment; ask for the offset with HEAD in a moment and go on")]
    Storage(#[from] StorageFault),
    /// The database failed.
    #[error("{0}")]
    Store(#[from] StoreError),
}

/// Why a file can't be given out.
#[derive(Debug, thiserror::Error)]
pub enum DownloadFault {
    /// Storage failed.
    #[error("The server can't fetch files for the moment; try again in a moment")]
    Storage(#[from] StorageFault),
    /// The database failed.
    #[error("{0}")]
    Store(#[from] StoreError),
}
