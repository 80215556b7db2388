//! Removes expired uploads, and the bytes of deleted files that could not be removed at once. Every node does this;
//! doing it twice is harmless.

use super::Files;
use crate::{core::upload::UploadEnd, ids::FileId, limits};

impl Files {
    /// Sweeps repeatedly while the node lives.
    pub(super) async fn sweep_always(self) {
        loop {
            tokio::time::sleep(limits::FILES_SWEEP_PERIOD).await;
            self.sweep().await;
        }
    }

    async fn sweep(&self) {
        self.notify_expired().await;
        match self.store.expired_files(limits::FILES_SWEPT_AT_ONCE).await {
            Ok(expired) => {
                for id in expired {
                    self.clean_away(id).await;
                }
            }
            Err(error) => log::warn!("event=files_not_swept why=\"{error}\""),
        }
    }

    /// Notifies everybody who was notified of the start of these uploads that they have expired. Several nodes may send
    /// this.
    async fn notify_expired(&self) {
        match self.store.expired_uploads(limits::FILES_SWEPT_AT_ONCE).await {
            Ok(expired) => {
                for (id, owner) in expired {
                    self.notify_cancelled(id, &owner, UploadEnd::Expired).await;
                }
            }
            Err(error) => log::warn!("event=files_not_swept why=\"{error}\""),
        }
    }

    /// Removes the bytes first, because the database entry is needed to find them.
    pub(super) async fn clean_away(&self, id: FileId) {
        if let Err(error) = self.storage.keep_only(id, Vec::new()).await {
            return log::warn!("event=file_left file={id} why=\"{error}\"");
        }
        match self.store.forget_file(id).await {
            Ok(()) => log::info!("event=file_removed file={id}"),
            Err(error) => log::warn!("event=file_left file={id} why=\"{error}\""),
        }
    }
}
