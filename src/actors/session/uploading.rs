//! What a client says about an upload of its own, passed on to whom it concerns.

use std::sync::Arc;

use super::Session;
use crate::{
    actors::messages::TellUpload,
    core::{
        command::Tag,
        upload::{Upload, UploadPhase},
    },
    error::Refusal,
};

impl Session {
    /// Tells the user's other sockets and the rooms that the user is in.
    pub(super) fn tell_upload(&self, tag: Tag, file: Arc<str>, phase: UploadPhase) {
        let upload = Upload { file, user: self.user.id.clone(), phase };
        let tell = TellUpload { user: self.user.clone(), upload, but: Some(self.outbox.key) };
        if self.worker.node.registry.try_send(tell).is_err() {
            return self.refuse(tag, Refusal::unavailable());
        }
        self.done(tag);
    }
}
