//! The bounds of files and their uploads.

use std::time::Duration;

/// Characters of a media type (RFC 6838 section 4.2: twice 127 and a stroke).
pub const MIME_TYPE_CHARS_MAX: usize = 255;
/// Bytes of an `Upload-Metadata` header.
pub const UPLOAD_METADATA_BYTES_MAX: usize = 16 * 1024;
/// Bytes of one file, when not set otherwise.
pub const FILE_BYTES_MAX: u64 = 1024 * 1024 * 1024;
/// Bytes of all files of one user, when not set otherwise.
pub const FILES_PER_USER_BYTES_MAX: u64 = 10 * 1024 * 1024 * 1024;
/// Files of one user, when not set otherwise.
pub const FILES_PER_USER_MAX: u32 = 10_000;
/// Unfinished uploads of one user, when not set otherwise.
pub const UPLOADS_PER_USER_MAX: u32 = 100;
/// Hours until an upload that does not go on is given up, when not set otherwise.
pub const UPLOAD_EXPIRY_HOURS: u64 = 24;
/// Stored pieces of one file: one for each request that brought some of it.
pub const FILE_PARTS_MAX: usize = 10_000;
/// Bytes of an upload that are written at once.
pub const UPLOAD_BATCH_BYTES: usize = 1024 * 1024;
/// Bytes of an upload that one request to S3 brings there: above the 5 MiB that S3 asks for.
pub const UPLOAD_S3_PART_BYTES: usize = 8 * 1024 * 1024;
/// Such requests of one upload that run at once.
pub const UPLOAD_S3_PARTS_AT_ONCE: usize = 2;
/// Bytes of an upload that become one object on S3.
pub const UPLOAD_S3_OBJECT_BYTES: u64 = 64 * 1024 * 1024;
/// How old such an object becomes before it counts: with a checkpoint, what a node that dies may lose of an upload.
pub const UPLOAD_S3_OBJECT_AGE: Duration = Duration::from_secs(2);
/// How long S3 may take to take a connection.
pub const S3_CONNECT_MAX: Duration = Duration::from_secs(5);
/// How long S3 may take to answer, or bring nothing of an answer that has begun.
pub const S3_ANSWER_MAX: Duration = Duration::from_secs(15);
/// How often a request to S3 that failed is made again.
pub const S3_RETRIES_MAX: usize = 5;
/// How long after the first try it may be made again.
pub const S3_RETRIES_WITHIN: Duration = Duration::from_secs(15);
/// Bytes of a download that one request to S3 brings.
pub const DOWNLOAD_S3_BYTES: u64 = 8 * 1024 * 1024;
/// How often what has arrived of an upload is made to stay.
pub const UPLOAD_CHECKPOINT: Duration = Duration::from_secs(1);
/// How long an upload's connection may bring nothing until another one may take its place.
pub const UPLOAD_IDLE_YIELD: Duration = Duration::from_secs(3);
/// How long a request waits for the one before it to be done.
pub const UPLOAD_TURN_WAIT: Duration = Duration::from_secs(5);
/// How often it looks.
pub const UPLOAD_TURN_POLL: Duration = Duration::from_millis(100);
/// How long who asks where an upload stands waits for the end of a request that still writes it.
pub const UPLOAD_HEAD_WAIT: Duration = Duration::from_millis(1_500);
/// How often it looks.
pub const UPLOAD_HEAD_POLL: Duration = Duration::from_millis(50);
/// How long is tried to learn whether a commit took effect that broke off.
pub const UPLOAD_DOUBT_MAX: Duration = Duration::from_secs(3);
/// How long an upload's connection may bring nothing at all.
pub const UPLOAD_SILENCE_MAX: Duration = Duration::from_secs(60);
/// Others are told of an upload's progress no more often.
pub const UPLOAD_PROGRESS_PERIOD: Duration = Duration::from_millis(250);
/// How often unfinished uploads that were given up are removed.
pub const FILES_SWEEP_PERIOD: Duration = Duration::from_secs(60);
/// Files removed in one sweep.
pub const FILES_SWEPT_AT_ONCE: i64 = 100;
/// Bytes of a stored file that are read at once.
pub const DOWNLOAD_READ_BYTES: usize = 256 * 1024;
/// Rooms that are looked at for whether they open a file.
pub const FILE_ROOMS_LOOKED_AT_MAX: i64 = 100;
/// Files that go with one message.
pub const ATTACHMENTS_MAX: usize = 10;
/// Patterns of media types in a setting.
pub const FILE_TYPES_MAX: usize = 100;
/// Files in a page when not asked otherwise, and most of them.
pub const PAGE_FILES: [i64; 2] = [50, 100];
