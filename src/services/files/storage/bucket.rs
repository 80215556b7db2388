//! Stores parts as objects of a bucket, `<prefix>/<file id>/<part>`, so that any node can continue an upload. A short
//! part is one PUT, a longer one a multipart upload. An object exists completely or not at all.

use std::ops::Range;

use futures_util::{StreamExt, TryStreamExt, stream};
use object_store::{
    ClientOptions, GetOptions, GetRange, ObjectStore, ObjectStoreExt, RetryConfig, WriteMultipart,
    aws::{AmazonS3, AmazonS3Builder},
    path::Path,
};
use std::sync::Arc;

use super::{ByteStream, StorageFault};
use crate::{
    config::{Bucket, BucketAddressing},
    ids::FileId,
    limits,
};

/// The settings of the bucket contradict each other.
#[derive(Debug, thiserror::Error)]
#[error("The bucket can't be used: {0}; check the settings FILES_S3_*")]
pub struct BadBucket(String);

impl From<object_store::Error> for StorageFault {
    fn from(error: object_store::Error) -> StorageFault {
        StorageFault(error.to_string())
    }
}

/// A bucket.
pub struct BucketStorage {
    store: Arc<AmazonS3>,
    prefix: Path,
}

/// A part that is being written.
pub struct BucketSink {
    store: Arc<AmazonS3>,
    path: Path,
    /// Bytes that are not enough for a request yet.
    gathered: Vec<u8>,
    upload: Option<WriteMultipart>,
}

impl BucketStorage {
    pub fn new(bucket: &Bucket) -> Result<BucketStorage, BadBucket> {
        // The total time of a request depends on the connection, so only a connection without progress times out.
        let client = ClientOptions::new()
            .with_timeout_disabled()
            .with_connect_timeout(limits::S3_CONNECT_MAX)
            .with_read_timeout(limits::S3_ANSWER_MAX);
        let retries = RetryConfig {
            max_retries: limits::S3_RETRIES_MAX,
            retry_timeout: limits::S3_RETRIES_WITHIN,
            ..RetryConfig::default()
        };
        let mut builder = AmazonS3Builder::new()
            .with_client_options(client)
            .with_retry(retries)
            .with_bucket_name(&bucket.name)
            .with_region(&bucket.region)
            .with_virtual_hosted_style_request(bucket.addressing == BucketAddressing::Host);
        if let Some(endpoint) = &bucket.endpoint {
            builder = builder.with_endpoint(endpoint).with_allow_http(endpoint.starts_with("http://"));
        }
        if let Some(keys) = &bucket.keys {
            builder = builder.with_access_key_id(&keys.id).with_secret_access_key(keys.secret.expose());
        }
        let store = builder.build().map_err(|error| BadBucket(error.to_string()))?;
        Ok(BucketStorage { store: Arc::new(store), prefix: Path::from(bucket.prefix.as_str()) })
    }

    fn folder_of(&self, file: FileId) -> Path {
        self.prefix.clone().join(file.to_string())
    }

    pub fn create(&self, file: FileId, name: &str) -> BucketSink {
        let path = self.folder_of(file).join(name);
        BucketSink { store: self.store.clone(), path, gathered: Vec::new(), upload: None }
    }

    /// Reads in requests of bounded length, so that a slow reader does not keep a request open for long.
    pub fn read(&self, file: FileId, name: &str, range: Range<u64>) -> ByteStream {
        let begin = (self.store.clone(), self.folder_of(file).join(name), range);
        let pieces = stream::try_unfold(begin, |(store, path, range)| async move {
            if range.is_empty() {
                return Ok::<_, StorageFault>(None);
            }
            let end = range.end.min(range.start + limits::DOWNLOAD_S3_BYTES);
            let options = GetOptions::new().with_range(Some(GetRange::Bounded(range.start..end)));
            let found = store.get_opts(&path, options).await?.into_stream().map_err(StorageFault::from);
            Ok(Some((found, (store, path, end..range.end))))
        });
        pieces.try_flatten().boxed()
    }

    pub async fn keep_only(&self, file: FileId, names: Vec<String>) -> Result<(), StorageFault> {
        let folder = self.folder_of(file);
        let found: Vec<Path> = self.store.list(Some(&folder)).map_ok(|object| object.location).try_collect().await?;
        for path in found {
            if !names.iter().any(|name| path.filename() == Some(name.as_str())) {
                if_there(self.store.delete(&path).await)?;
            }
        }
        Ok(())
    }

    pub async fn remove(&self, file: FileId, name: &str) -> Result<(), StorageFault> {
        if_there(self.store.delete(&self.folder_of(file).join(name)).await)
    }
}

fn if_there(removed: object_store::Result<()>) -> Result<(), StorageFault> {
    match removed {
        Err(object_store::Error::NotFound { .. }) => Ok(()),
        other => Ok(other?),
    }
}

impl BucketSink {
    pub async fn write(&mut self, batch: &mut Vec<u8>) -> Result<(), StorageFault> {
        self.gathered.append(batch);
        if self.gathered.len() < limits::UPLOAD_S3_PART_BYTES {
            return Ok(());
        }
        let mut upload = match self.upload.take() {
            Some(upload) => upload,
            None => {
                let begun = self.store.put_multipart(&self.path).await?;
                WriteMultipart::new_with_chunk_size(begun, limits::UPLOAD_S3_PART_BYTES)
            }
        };
        let waited = upload.wait_for_capacity(limits::UPLOAD_S3_PARTS_AT_ONCE).await;
        upload.put(std::mem::take(&mut self.gathered).into());
        self.upload = Some(upload);
        Ok(waited?)
    }

    pub async fn finish(mut self) -> Result<(), StorageFault> {
        let rest = std::mem::take(&mut self.gathered);
        match self.upload.take() {
            None => {
                self.store.put(&self.path, rest.into()).await?;
            }
            Some(mut upload) => {
                upload.put(rest.into());
                upload.finish().await?;
            }
        }
        Ok(())
    }

    pub async fn abandon(mut self) {
        if let Some(upload) = self.upload.take()
            && let Err(error) = upload.abort().await
        {
            log::warn!("event=upload_not_aborted why=\"{error}\"");
        }
    }
}
