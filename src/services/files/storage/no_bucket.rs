//! Replaces `bucket.rs` in a build without the feature `s3`. These types have no values, so the rest of the storage is
//! the same in both builds. The configuration has already rejected `FILES_S3_BUCKET`.

use std::ops::Range;

use super::{ByteStream, StorageFault};
use crate::{config::Bucket, ids::FileId};

/// This build does not support buckets.
#[derive(Debug, thiserror::Error)]
#[error("This build does not support buckets; unset FILES_S3_BUCKET, or build with the feature s3")]
pub struct BadBucket;

/// A bucket. Has no values.
pub enum BucketStorage {}

/// A part that is being written. Has no values.
pub enum BucketSink {}

impl BucketStorage {
    pub fn new(_bucket: &Bucket) -> Result<BucketStorage, BadBucket> {
        Err(BadBucket)
    }

    pub fn create(&self, _file: FileId, _name: &str) -> BucketSink {
        match *self {}
    }

    pub fn read(&self, _file: FileId, _name: &str, _range: Range<u64>) -> ByteStream {
        match *self {}
    }

    pub async fn keep_only(&self, _file: FileId, _names: Vec<String>) -> Result<(), StorageFault> {
        match *self {}
    }

    pub async fn remove(&self, _file: FileId, _name: &str) -> Result<(), StorageFault> {
        match *self {}
    }
}

impl BucketSink {
    pub async fn write(&mut self, _batch: &mut Vec<u8>) -> Result<(), StorageFault> {
        match *self {}
    }

    pub async fn finish(self) -> Result<(), StorageFault> {
        match self {}
    }

    pub async fn abandon(self) {
        match self {}
    }
}
