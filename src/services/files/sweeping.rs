//! Removing what was given up: unfinished uploads that did not go on, and deleted files whose bytes could not be removed
//! at once. Every node does it; twice does no harm.

use super::Files;
use crate::{core::upload::UploadEnd, ids::FileId, limits};

impl Files {
    /// For as long as the node lives.
    pub(super) async fn sweep_always(self) {
        loop {
            tokio::time::sleep(limits::FILES_SWEEP_PERIOD).await;
            self.sweep().await;
        }
    }

    async fn sweep(&self) {
        self.tell_expired().await;
        match self.store.expired_files(limits::FILES_SWEPT_AT_ONCE).await {
            Ok(expired) => {
                for id in expired {
                    self.clean_away(id).await;
                }
            }
            Err(error) => log::warn!("event=files_not_swept why=\"{error}\""),
        }
    }

    /// Whoever was told that these uploads began learns that they are given up. Several nodes may say it.
    async fn tell_expired(&self) {
        match self.store.expired_uploads(limits::FILES_SWEPT_AT_ONCE).await {
            Ok(expired) => {
                for (id, owner) in expired {
                    self.tell_cancelled(id, &owner, UploadEnd::Expired).await;
                }
            }
            Err(error) => log::warn!("event=files_not_swept why=\"{error}\""),
        }
    }

    /// First the bytes, then the name by which they are found.
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
