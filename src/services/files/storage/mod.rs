//! The storage of file contents: a folder or a bucket. A file consists of parts, each written once, from its start, by
//! one writer; the database records which parts count. An abandoned writer or a dead node can therefore leave unused
//! parts behind, but must never damage a file.

#[cfg(feature = "s3")]
mod bucket;
#[cfg(not(feature = "s3"))]
#[path = "no_bucket.rs"]
mod bucket;
mod folder;

use std::{ops::Range, sync::Arc};

use bytes::Bytes;
use futures_util::stream::BoxStream;

pub use self::bucket::BadBucket;
use self::{
    bucket::{BucketSink, BucketStorage},
    folder::{FolderSink, FolderStorage},
};
use crate::{config::FilePlace, ids::FileId};

/// A storage failure. The text is for the log.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct StorageFault(pub String);

impl From<std::io::Error> for StorageFault {
    fn from(error: std::io::Error) -> StorageFault {
        StorageFault(error.to_string())
    }
}

/// The bytes of a file, or of a range of it.
pub type ByteStream = BoxStream<'static, Result<Bytes, StorageFault>>;

/// The configured storage. Cheap to clone.
#[derive(Clone)]
pub enum Storage {
    /// A folder of the file system.
    Folder(Arc<FolderStorage>),
    /// A bucket of an S3-compatible server.
    Bucket(Arc<BucketStorage>),
}

/// A part that is being written.
#[expect(clippy::large_enum_variant, reason = "one at a time, in no mailbox")]
pub enum Sink {
    /// In a folder.
    Folder(FolderSink),
    /// In a bucket.
    Bucket(BucketSink),
}

impl Storage {
    /// Creates the configured storage. Does not access it yet.
    ///
    /// # Errors
    /// Contradictory settings of a bucket.
    pub fn new(place: &FilePlace) -> Result<Storage, BadBucket> {
        Ok(match place {
            FilePlace::Folder(folder) => Storage::Folder(Arc::new(FolderStorage::new(folder.clone()))),
            FilePlace::Bucket(bucket) => Storage::Bucket(Arc::new(BucketStorage::new(bucket)?)),
        })
    }

    /// Creates a part. `name` must be new within the file.
    pub async fn create(&self, file: FileId, name: &str) -> Result<Sink, StorageFault> {
        match self {
            Storage::Folder(folder) => folder.create(file, name).await.map(Sink::Folder),
            Storage::Bucket(bucket) => Ok(Sink::Bucket(bucket.create(file, name))),
        }
    }

    /// Reads a range of a part.
    pub async fn read(&self, file: FileId, name: &str, range: Range<u64>) -> Result<ByteStream, StorageFault> {
        match self {
            Storage::Folder(folder) => folder.read(file, name, range).await,
            Storage::Bucket(bucket) => Ok(bucket.read(file, name, range)),
        }
    }

    /// Removes all parts of a file except these. With no names, removes the whole file.
    pub async fn keep_only(&self, file: FileId, names: Vec<String>) -> Result<(), StorageFault> {
        match self {
            Storage::Folder(folder) => folder.keep_only(file, names).await,
            Storage::Bucket(bucket) => bucket.keep_only(file, names).await,
        }
    }

    /// Removes one part if it exists.
    pub async fn remove(&self, file: FileId, name: &str) -> Result<(), StorageFault> {
        match self {
            Storage::Folder(folder) => folder.remove(file, name).await,
            Storage::Bucket(bucket) => bucket.remove(file, name).await,
        }
    }
}

impl Sink {
    /// Writes a batch and leaves an empty buffer in its place. A folder has at most one batch in progress, a bucket a
    /// few.
    pub async fn write(&mut self, batch: &mut Vec<u8>) -> Result<(), StorageFault> {
        match self {
            Sink::Folder(sink) => sink.write(batch).await,
            Sink::Bucket(sink) => sink.write(batch).await,
        }
    }

    /// Makes all written bytes durable, if that is possible before the part is complete. Returns whether it was.
    pub async fn sync(&mut self) -> Result<Synced, StorageFault> {
        match self {
            Sink::Folder(sink) => sink.sync().await.map(|()| Synced::Yes),
            Sink::Bucket(_) => Ok(Synced::OnlyAtTheEnd),
        }
    }

    /// Completes the part and makes it durable.
    pub async fn finish(self) -> Result<(), StorageFault> {
        match self {
            Sink::Folder(mut sink) => sink.sync().await,
            Sink::Bucket(sink) => sink.finish().await,
        }
    }

    /// Abandons the part. [`Storage::remove`] removes the leftovers.
    pub async fn abandon(self) {
        match self {
            Sink::Folder(_) => {}
            Sink::Bucket(sink) => sink.abandon().await,
        }
    }

    /// The size limit of a part. None: no limit.
    pub const fn bytes_max(&self) -> Option<u64> {
        match self {
            Sink::Folder(_) => None,
            Sink::Bucket(_) => Some(crate::limits::UPLOAD_S3_OBJECT_BYTES),
        }
    }
}

/// Whether written bytes are durable before the part is complete.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Synced {
    /// They are.
    Yes,
    /// Only when the part is complete.
    OnlyAtTheEnd,
}
