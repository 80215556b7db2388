//! Uploaded files: taking them in piece by piece (tus 1.0), keeping them, giving them out, and removing what was given
//! up. The rules are here, and the bytes' way to storage; it must never know HTTP, and never decide who may.

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

/// What an uploader says of a file before it comes.
#[derive(Clone, Debug)]
pub struct Announced {
    /// Its name, as given.
    pub name: Option<String>,
    /// Its media type, as given.
    pub mime_type: Option<String>,
    /// All that was said of it, in the uploader's own form.
    pub metadata: Option<String>,
    /// How large it will be.
    pub size_bytes: u64,
    /// The room whose members may fetch it.
    pub room: Option<RoomId>,
}

impl Files {
    /// The files of a node. Starts on the calling thread what removes those that were given up.
    ///
    /// # Errors
    /// Settings of a bucket that contradict each other.
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

    /// Bytes of one file.
    pub fn file_bytes_max(&self) -> u64 {
        self.settings().file_bytes_max
    }

    fn expiry(&self) -> Timestamp {
        let lifetime_ms = i64::try_from(self.settings().upload_expiry.as_millis()).unwrap_or(i64::MAX);
        self.clock.now().plus_ms(lifetime_ms)
    }

    /// Begins an upload. One of no bytes is complete at once.
    ///
    /// # Errors
    /// What is too large, not of a kind that is taken, or more than the user may have.
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

    /// Removes a file, finished or not, for good.
    ///
    /// # Errors
    /// When the database is away. What storage does not do now is done later.
    pub async fn remove(&self, file: &FileRecord) -> Result<(), UploadFault> {
        self.store.doom_file(file.id).await?;
        if !file.is_complete() {
            self.tell_cancelled(file.id, &file.owner, UploadEnd::Deleted).await;
        }
        self.clean_away(file.id).await;
        Ok(())
    }

    /// Whoever was told that an upload began is told that it will not be completed.
    async fn tell_cancelled(&self, id: FileId, owner: &UserId, why: UploadEnd) {
        match self.store.user(owner).await {
            Ok(Some(profile)) => {
                let phase = UploadPhase::Cancelled { why };
                let upload = Upload { file: id.to_string().into(), user: owner.clone(), phase };
                self.gateway.tell_upload(profile.author(), upload);
            }
            Ok(None) => {}
            Err(error) => log::warn!("event=upload_not_told file={id} why=\"{error}\""),
        }
    }

    fn tell(&self, owner: &Author, file: &FileRecord, phase: UploadPhase) {
        let upload = Upload { file: file.id.to_string().into(), user: owner.id.clone(), phase };
        self.gateway.tell_upload(owner.clone(), upload);
    }
}

fn started(file: &FileRecord) -> UploadPhase {
    let mime_type = (file.mime_type != OCTET_STREAM).then(|| file.mime_type.as_str().into());
    UploadPhase::Started { filename: file.name.as_str().into(), size_bytes: file.size_bytes, mime_type }
}

fn complete(file: &FileRecord) -> UploadPhase {
    UploadPhase::Complete { filename: file.name.as_str().into(), url: content_url(file.id).into() }
}
