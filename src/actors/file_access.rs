//! Decides who may download a file: its owner, administrators, and whoever may enter a room in which it was shared.
//! Used by sessions for attachments and by REST for downloads.

use super::node::Node;
use crate::{
    auth::policy::{Action, Denied, Subject, may},
    core::event::{Attachment, RoomIdentity},
    error::{ErrorCode, Refusal},
    ids::FileId,
    limits,
    store::{FileRecord, Right, RoomRef, StoreError},
};

impl Node {
    /// Whether the subject may download a file.
    ///
    /// # Errors
    /// If the database cannot be read. The inner result is the decision.
    pub async fn may_fetch(&self, subject: Subject<'_>, file: &FileRecord) -> Result<Result<(), Denied>, StoreError> {
        if may(subject, Action::ChangeFile { owner: &file.owner }).is_ok() {
            return Ok(Ok(()));
        }
        for room in self.store.file_rooms(file.id, limits::FILE_ROOMS_LOOKED_AT_MAX).await? {
            if self.may_enter(subject, &room).await?.is_ok() {
                return Ok(Ok(()));
            }
        }
        Ok(Err(Denied::NotShared))
    }

    async fn may_enter(&self, subject: Subject<'_>, room: &RoomIdentity) -> Result<Result<(), Denied>, StoreError> {
        // a direct conversation must not be created, and there is nothing to read
        let right = if room.scope.is_direct() {
            Right::Side
        } else {
            match self.store.access(&RoomRef::of(room, subject.user), subject.user).await? {
                Some(found) => found.right,
                None => return Ok(Err(Denied::NotShared)),
            }
        };
        if self.refuse_banned(subject.user, room.id).is_err() {
            return Ok(Err(Denied::NotShared));
        }
        Ok(may(subject, Action::Enter { room, right }))
    }

    /// The files to attach to a message, in the order of the given ids.
    ///
    /// # Errors
    /// `NOT_FOUND` for a file that does not exist, is not complete, or is not shared with the subject.
    pub async fn attachments(&self, subject: Subject<'_>, ids: &[FileId]) -> Result<Vec<Attachment>, Refusal> {
        let found = self.store.files(ids.to_vec()).await?;
        let mut attachments = Vec::with_capacity(ids.len());
        for id in ids {
            let file = found.iter().find(|file| file.id == *id && file.is_complete());
            let file = match file {
                Some(file) if self.may_fetch(subject, file).await?.is_ok() => file,
                Some(_) | None => {
                    let sentence = format!(
                        "`attachments`: there is no complete file {id} of yours or shared with you; upload it first"
                    );
                    return Err(Refusal::new(ErrorCode::NotFound, sentence));
                }
            };
            attachments.push(file.attachment());
        }
        Ok(attachments)
    }
}
