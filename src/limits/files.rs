//! Bounds of files and uploads.

use std::time::Duration;

/// Characters of a media type (RFC 6838 section 4.2: twice 127 and a slash).
pub const MIME_TYPE_CHARS_MAX: usize = 255;
/// Bytes of an `Upload-Metadata` header.
pub const UPLOAD_METADATA_BYTES_MAX: usize = 16 * 1024;
/// Bytes of one file, by default.
pub const FILE_BYTES_MAX: u64 = 1024 * 1024 * 1024;
/// Bytes of all files of one user, by default.
pub const FILES_PER_USER_BYTES_MAX: u64 = 10 * 1024 * 1024 * 1024;
/// Files of one user, by default.
pub const FILES_PER_USER_MAX: u32 = 10_000;
/// Unfinished uploads of one user, by default.
pub const UPLOADS_PER_USER_MAX: u32 = 100;
/// Hours until an upload without progress expires, by default.
pub const UPLOAD_EXPIRY_HOURS: u64 = 24;
/// Stored parts of one file: one for each request that sent bytes.
pub const FILE_PARTS_MAX: usize = 10_000;
/// Bytes of an upload that are written at a time.
pub const UPLOAD_BATCH_BYTES: usize = 1024 * 1024;
/// Bytes of an upload per request to S3; above the minimum of 5 MiB that S3 requires.
pub const UPLOAD_S3_PART_BYTES: usize = 8 * 1024 * 1024;
/// Parallel requests to S3 per upload.
pub const UPLOAD_S3_PARTS_AT_ONCE: usize = 2;
/// Bytes of an upload that become one object on S3.
pub const UPLOAD_S3_OBJECT_BYTES: u64 = 64 * 1024 * 1024;
/// The age at which such an object is completed and counts. With a checkpoint, this is what an upload may lose if a
/// node dies.
pub const UPLOAD_S3_OBJECT_AGE: Duration = Duration::from_secs(2);
/// How long S3 may take to accept a connection.
pub const S3_CONNECT_MAX: Duration = Duration::from_secs(5);
/// How long S3 may take to respond, or pause within a response.
pub const S3_ANSWER_MAX: Duration = Duration::from_secs(15);
/// How often a failed request to S3 is retried.
pub const S3_RETRIES_MAX: usize = 5;
/// How long after the first attempt it may be retried.
pub const S3_RETRIES_WITHIN: Duration = Duration::from_secs(15);
/// Bytes of a download per request to S3.
pub const DOWNLOAD_S3_BYTES: u64 = 8 * 1024 * 1024;
/// How often received bytes of an upload are made durable.
pub const UPLOAD_CHECKPOINT: Duration = Duration::from_secs(1);
/// How long a request may send no bytes until another one may take over the upload.
pub const UPLOAD_IDLE_YIELD: Duration = Duration::from_secs(3);
/// How long a request waits for the previous one to end.
pub const UPLOAD_TURN_WAIT: Duration = Duration::from_secs(5);
/// How often it checks.
pub const UPLOAD_TURN_POLL: Duration = Duration::from_millis(100);
/// How long a request for the offset waits for a request that is still writing.
pub const UPLOAD_HEAD_WAIT: Duration = Duration::from_millis(1_500);
/// How often it checks.
pub const UPLOAD_HEAD_POLL: Duration = Duration::from_millis(50);
/// How long the server tries to find out whether a failed commit took effect.
pub const UPLOAD_DOUBT_MAX: Duration = Duration::from_secs(3);
/// How long an upload request may send no bytes.
pub const UPLOAD_SILENCE_MAX: Duration = Duration::from_secs(60);
/// The minimum period between progress events of an upload.
pub const UPLOAD_PROGRESS_PERIOD: Duration = Duration::from_millis(250);
/// How often expired uploads are removed.
pub const FILES_SWEEP_PERIOD: Duration = Duration::from_secs(60);
/// Files removed in one sweep.
pub const FILES_SWEPT_AT_ONCE: i64 = 100;
/// Bytes of a stored file that are read at a time.
pub const DOWNLOAD_READ_BYTES: usize = 256 * 1024;
/// Rooms that are checked for whether they give access to a file.
pub const FILE_ROOMS_LOOKED_AT_MAX: i64 = 100;
/// Files attached to one message.
pub const ATTACHMENTS_MAX: usize = 10;
/// Patterns of media types in a setting.
pub const FILE_TYPES_MAX: usize = 100;
/// Files in a page: by default, and at most.
pub const PAGE_FILES: [i64; 2] = [50, 100];
