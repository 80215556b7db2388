//! Uploaded files: receiving them in chunks (tus 1.0), storing, serving and removing them. This module has the rules
//! and writes to storage. It must never depend on HTTP, and never decide about permissions.

mod faults;
mod ledger;
pub mod metadata;
pub mod names;
mod reading;
mod storage;
mod sweeping;
mod writing;

use std::sync::Arc;

pub use self::{
    faults::{DownloadFault, UploadFault},
    storage::{BadBucket, ByteStream, StorageFault},
    writing::{Chunk, Sha1Digest},
};
use self::{names::OCTET_STREAM, storage::Storage};
use crate::{
    actors::{
        gateway::Gateway,
        node::{Clock, Node},
    },
    config,
    core::{
        profile::Author,
        upload::{Upload, UploadEnd, UploadPhase, content_url},
    },
    ids::{FileId, RoomId, Timestamp, UserId},
    logged::logged,
    store::{Begun, FileQuota, FileRecord, NewFile, Store},
};

/// The files of a node. Cheap to clone.
#[derive(Clone)]
pub struct Files {
    store: Store,
    storage: Storage,
    gateway: Gateway,
    settings: Arc<config::Config>,
    clock: Clock,
}

/// What the uploader announces before sending a file.
#[derive(Clone, Debug)]
pub struct Announced {
    /// The name as the client sent it.
    pub name: Option<String>,
    /// The media type as the client sent it.
    pub mime_type: Option<String>,
    /// All metadata in the client's own form.
    pub metadata: Option<String>,
    /// The size.
    pub size_bytes: u64,
    /// The room whose members may download the file.
    pub room: Option<RoomId>,
}

impl Files {
    /// Creates the file service and starts the removal of expired uploads on the calling thread.
    ///
    /// # Errors
    /// Contradictory settings of a bucket.
    pub fn start(node: &Arc<Node>) -> Result<Files, BadBucket> {
        let files = Files {
            store: node.store.clone(),
            storage: Storage::new(&node.config.files.place)?,
            gateway: Gateway::new(node.clone()),
            settings: node.config.clone(),
            clock: node.clock,
        };
        actix_rt::spawn(files.clone().sweep_always());
        Ok(files)
    }

    fn settings(&self) -> &config::Files {
        &self.settings.files
    }

    /// The size limit of one file.
    pub fn file_bytes_max(&self) -> u64 {
        self.settings().file_bytes_max
    }

    fn expiry(&self) -> Timestamp {
        let lifetime_ms = i64::try_from(self.settings().upload_expiry.as_millis()).unwrap_or(i64::MAX);
        self.clock.now().plus_ms(lifetime_ms)
    }

    /// Starts an upload. An upload of zero bytes is complete at once.
    ///
    /// # Errors
    /// The file is too large, has a type that is not allowed, or exceeds the user's quota.
    pub async fn begin(&self, owner: &Author, announced: Announced) -> Result<FileRecord, UploadFault> {
        if announced.size_bytes > self.file_bytes_max() {
            return Err(UploadFault::TooLarge { bytes_max: self.file_bytes_max() });
        }
        let name = names::safe_name(announced.name.as_deref().unwrap_or_default());
        let mime_type = names::media_type(announced.mime_type.as_deref(), &name);
        if !self.settings().types.take(&mime_type) {
            return Err(UploadFault::TypeNotTaken(mime_type));
        }
        let quota = FileQuota {
            bytes_max: self.settings().per_user_bytes_max,
            files_max: self.settings().per_user_files_max,
            unfinished_max: i64::from(self.settings().uploads_per_user_max),
        };
        let file = NewFile {
            id: FileId::generate(),
            owner: owner.id.clone(),
            name,
            mime_type,
            metadata: announced.metadata,
            size_bytes: announced.size_bytes,
            room: announced.room,
            expires_at: self.expiry(),
        };
        let file = match self.store.begin_file(file, quota).await? {
            Begun::Yes(file) => file,
            Begun::TooMuch { used_bytes } => {
                let bytes_max = quota.bytes_max.unwrap_or_default();
                return Err(UploadFault::OverQuota { used_bytes, bytes_max });
            }
            Begun::TooManyFiles => {
                return Err(UploadFault::TooManyFiles { most: quota.files_max.unwrap_or_default() });
            }
            Begun::TooMany => return Err(UploadFault::TooMany { most: self.settings().uploads_per_user_max }),
        };
        log::info!("event=upload_begun file={} user={} bytes={}", file.id, logged(&file.owner), file.size_bytes);
        self.tell(owner, &file, started(&file));
        if file.is_complete() {
            self.tell(owner, &file, complete(&file));
        }
        Ok(file)
    }

    /// Removes a file permanently, whether complete or not.
    ///
    /// # Errors
    /// If the database is unavailable. A failure of the storage is retried later.
    pub async fn remove(&self, file: &FileRecord) -> Result<(), UploadFault> {
        self.store.doom_file(file.id).await?;
        if !file.is_complete() {
            self.notify_cancelled(file.id, &file.owner, UploadEnd::Deleted).await;
        }
        self.clean_away(file.id).await;
        Ok(())
    }

    /// Notifies everybody who was notified of the start of an upload that it will not be completed.
    async fn notify_cancelled(&self, id: FileId, owner: &UserId, why: UploadEnd) {
        match self.store.user(owner).await {
            Ok(Some(profile)) => {
                let phase = UploadPhase::Cancelled { why };
                let upload = Upload { file: id.to_string().into(), user: owner.clone(), phase };
                self.gateway.publish_upload(profile.author(), upload);
            }
            Ok(None) => {}
            Err(error) => log::warn!("event=upload_not_sent file={id} why=\"{error}\""),
        }
    }

    fn tell(&self, owner: &Author, file: &FileRecord, phase: UploadPhase) {
        let upload = Upload { file: file.id.to_string().into(), user: owner.id.clone(), phase };
        self.gateway.publish_upload(owner.clone(), upload);
    }
}

fn started(file: &FileRecord) -> UploadPhase {
    let mime_type = (file.mime_type != OCTET_STREAM).then(|| file.mime_type.as_str().into());
    UploadPhase::Started { filename: file.name.as_str().into(), size_bytes: file.size_bytes, mime_type }
}

fn complete(file: &FileRecord) -> UploadPhase {
    UploadPhase::Complete { filename: file.name.as_str().into(), url: content_url(file.id).into() }
}
