//! Upload progress reported by the client, passed on to the user's other sockets and rooms. An announced upload must
//! end with its socket.

use std::sync::Arc;

use super::Session;
use crate::{
    actors::messages::PublishUpload,
    core::{
        command::Tag,
        upload::{Upload, UploadEnd, UploadPhase},
    },
    error::Refusal,
    limits,
};

impl Session {
    /// Publishes the progress to the user's other sockets and the rooms that the user is in.
    pub(super) fn publish_upload(&mut self, tag: Tag, file: Arc<str>, phase: UploadPhase) {
        self.remember_upload(&file, &phase);
        let upload = Upload { file, user: self.user.id.clone(), phase };
        let tell = PublishUpload { user: self.user.clone(), upload, but: Some(self.outbox.key) };
        if self.worker.node.registry.try_send(tell).is_err() {
            return self.refuse(tag, Refusal::unavailable());
        }
        self.done(tag);
    }

    /// Records announced uploads that are not complete, which end with the socket.
    fn remember_upload(&mut self, file: &Arc<str>, phase: &UploadPhase) {
        match phase {
            UploadPhase::Started { .. } => {
                self.uploads.retain(|announced| announced != file);
                if self.uploads.len() >= limits::UPLOADS_ANNOUNCED_MAX {
                    self.uploads.remove(0);
                }
                self.uploads.push(file.clone());
            }
            UploadPhase::Progress { uploaded_bytes, total_bytes, .. } if uploaded_bytes < total_bytes => {}
            UploadPhase::Progress { .. } | UploadPhase::Complete { .. } | UploadPhase::Cancelled { .. } => {
                self.uploads.retain(|announced| announced != file);
            }
        }
    }

    /// The socket has closed: cancels the uploads that it announced.
    pub(super) fn end_uploads(&mut self) {
        for file in std::mem::take(&mut self.uploads) {
            let phase = UploadPhase::Cancelled { why: UploadEnd::Disconnected };
            let upload = Upload { file, user: self.user.id.clone(), phase };
            let tell = PublishUpload { user: self.user.clone(), upload, but: Some(self.outbox.key) };
            if self.worker.node.registry.try_send(tell).is_err() {
                log::warn!("event=upload_not_sent conn={:?} why=registry_full", self.outbox.key);
            }
        }
    }
}
