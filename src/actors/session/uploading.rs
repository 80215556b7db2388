//! What a client says about an upload of its own, passed on to whom it concerns.

use std::sync::Arc;

use super::Session;
use crate::{
    actors::messages::TellUpload,
    core::{
        command::Tag,
        upload::{Upload, UploadEnd, UploadPhase},
    },
    error::Refusal,
    limits,
};

impl Session {
    /// Tells the user's other sockets and the rooms that the user is in.
    pub(super) fn tell_upload(&mut self, tag: Tag, file: Arc<str>, phase: UploadPhase) {
        self.remember_upload(&file, &phase);
        let upload = Upload { file, user: self.user.id.clone(), phase };
        let tell = TellUpload { user: self.user.clone(), upload, but: Some(self.outbox.key) };
        if self.worker.node.registry.try_send(tell).is_err() {
            return self.refuse(tag, Refusal::unavailable());
        }
        self.done(tag);
    }

    /// An upload that was announced here and is not complete ends with the socket.
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

    /// The socket ends: so do the uploads that it announced.
    pub(super) fn end_uploads(&mut self) {
        for file in std::mem::take(&mut self.uploads) {
            let phase = UploadPhase::Cancelled { why: UploadEnd::Disconnected };
            let upload = Upload { file, user: self.user.id.clone(), phase };
            let tell = TellUpload { user: self.user.clone(), upload, but: Some(self.outbox.key) };
            if self.worker.node.registry.try_send(tell).is_err() {
                log::warn!("event=upload_not_told conn={:?} why=registry_full", self.outbox.key);
            }
        }
    }
}
