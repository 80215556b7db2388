//! Uploaded files: whose they are, how much of them has arrived, of which stored parts they consist, and which rooms'
//! members may fetch them. The bytes themselves are not the store's.

use uuid::Uuid;

use super::{Store, StoreError, run};
use crate::{
    core::event::{Attachment, RoomIdentity},
    ids::{FileId, RoomId, Timestamp, UserId},
};

/// A file, complete or on its way.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FileRecord {
    /// Which.
    pub id: FileId,
    /// Who uploads it.
    pub owner: UserId,
    /// Its name, for people.
    pub name: String,
    /// What it is.
    pub mime_type: String,
    /// How large it is, or will be.
    pub size_bytes: u64,
    /// How much of it has arrived and is on the disk.
    pub received_bytes: u64,
    /// When the upload began.
    pub created_at: Timestamp,
    /// When all of it was there.
    pub completed_at: Option<Timestamp>,
    /// When it is given up, as long as it is not complete.
    pub expires_at: Timestamp,
    /// When whoever writes it stored something last; none: nobody writes.
    pub written_at: Option<Timestamp>,
}

impl FileRecord {
    /// Whether all of it is there.
    pub const fn is_complete(&self) -> bool {
        self.completed_at.is_some()
    }

    /// What goes with a message that brings it.
    pub fn attachment(&self) -> Attachment {
        Attachment {
            file: self.id,
            filename: self.name.as_str().into(),
            size_bytes: self.size_bytes,
            mime_type: self.mime_type.as_str().into(),
        }
    }
}

/// An upload that is to begin.
#[derive(Clone, Debug)]
pub struct NewFile {
    /// Its id, made by the caller.
    pub id: FileId,
    /// Whose.
    pub owner: UserId,
    /// Its name.
    pub name: String,
    /// What it says it is.
    pub mime_type: String,
    /// What the client said of it, as it said it.
    pub metadata: Option<String>,
    /// How large it will be.
    pub size_bytes: u64,
    /// The room whose members may fetch it, if it was uploaded for one.
    pub room: Option<RoomId>,
    /// When it is given up if it does not go on.
    pub expires_at: Timestamp,
}

/// What one user may have.
#[derive(Clone, Copy, Debug)]
pub struct FileQuota {
    /// Of all the user's files, begun ones in full; none: no limit.
    pub bytes_max: Option<u64>,
    /// How many files; none: no limit.
    pub files_max: Option<u32>,
    /// Unfinished uploads.
    pub unfinished_max: i64,
}

/// What became of an upload that was to begin.
#[derive(Clone, PartialEq, Eq, Debug)]
#[expect(clippy::large_enum_variant, reason = "one at a time, in no mailbox")]
pub enum Begun {
    /// It began.
    Yes(FileRecord),
    /// The user's files would be too large together.
    TooMuch {
        /// How large they are now.
        used_bytes: u64,
    },
    /// The user has too many files.
    TooManyFiles,
    /// The user has too many unfinished uploads.
    TooMany,
}

/// The right to write one file, of one request at a time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Lease(pub Uuid);

/// What became of the wish to write.
#[derive(Clone, PartialEq, Eq, Debug)]
#[expect(clippy::large_enum_variant, reason = "one at a time, in no mailbox")]
pub enum Claim {
    /// It is the caller's turn.
    Yes(FileRecord),
    /// Somebody else writes.
    Held,
    /// There is no such upload, or it has expired.
    Gone,
}

/// A stored piece of a file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FilePart {
    /// Where in the file it begins.
    pub start: u64,
    /// How long it is.
    pub length: u64,
    /// Under which name it is stored, within the file.
    pub name: String,
}

/// Something of a file was stored.
#[derive(Clone, Debug)]
pub struct Advance {
    /// Of which.
    pub id: FileId,
    /// By whom.
    pub lease: Lease,
    /// The pieces, new ones and such as have grown.
    pub parts: Vec<FilePart>,
    /// How much had arrived before.
    pub from: u64,
    /// How much has arrived now.
    pub to: u64,
    /// When it is given up if it does not go on.
    pub expires_at: Timestamp,
    /// Whether the writer goes on.
    pub then: AfterAdvance,
}

impl Advance {
    /// Whether the pieces are all that came, without a hole.
    pub fn is_whole(&self) -> bool {
        let Some(first) = self.parts.first() else { return self.from == self.to };
        let follow = |end: u64, part: &FilePart| (part.start == end).then_some(part.start + part.length);
        first.start <= self.from && self.parts.iter().try_fold(first.start, follow) == Some(self.to)
    }
}

/// What became of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Advanced {
    /// The lease was lost meanwhile, and nothing is kept.
    Lost,
    /// It is kept.
    Kept,
    /// It is kept, and was the last of the file: now all of it is there.
    Complete,
}

/// Whether a writer goes on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AfterAdvance {
    /// It keeps the lease.
    GoOn,
    /// The lease is free for the next.
    Release,
}

impl Store {
    /// Begins an upload, if the user's quota has room for it.
    pub async fn begin_file(&self, file: NewFile, quota: FileQuota) -> Result<Begun, StoreError> {
        run!(self, write, files::begin(&file, quota))
    }

    /// A file, if it is there and has not expired.
    pub async fn file(&self, id: FileId) -> Result<Option<FileRecord>, StoreError> {
        run!(self, read, files::one(id))
    }

    /// Those of these files that are there, in no particular order.
    pub async fn files(&self, ids: Vec<FileId>) -> Result<Vec<FileRecord>, StoreError> {
        run!(self, read, files::several(&ids))
    }

    /// A page of a user's files, newest first, those before `before`.
    pub async fn files_of(
        &self,
        owner: &UserId,
        before: Option<FileId>,
        limit: i64,
    ) -> Result<Vec<FileRecord>, StoreError> {
        let owner = owner.clone();
        run!(self, read, files::of_user(&owner, before, limit))
    }

    /// What a file consists of, in its order.
    pub async fn file_parts(&self, id: FileId) -> Result<Vec<FilePart>, StoreError> {
        run!(self, read, files::parts(id))
    }

    /// The rooms whose members may fetch the file, at most `limit` of them, the newest first.
    pub async fn file_rooms(&self, id: FileId, limit: i64) -> Result<Vec<RoomIdentity>, StoreError> {
        run!(self, read, files::rooms_of(id, limit))
    }

    /// Gives the right to write to whoever holds `lease`, unless somebody else stored something since `idle_since`.
    pub async fn claim_file(&self, id: FileId, lease: Lease, idle_since: Timestamp) -> Result<Claim, StoreError> {
        run!(self, write, files::claim(id, lease, idle_since))
    }

    /// What the client said of a file when it began to upload it, as it said it.
    pub async fn file_metadata(&self, id: FileId) -> Result<Option<String>, StoreError> {
        run!(self, read, files::metadata(id))
    }

    /// Keeps that something was stored, in pieces without a hole.
    pub async fn advance_file(&self, advance: Advance) -> Result<Advanced, StoreError> {
        if !advance.is_whole() {
            return Err(StoreError::Fault(format!("the pieces of file {} leave a hole", advance.id)));
        }
        run!(self, write, files::advance(&advance))
    }

    /// From now on nobody finds the file, and nobody writes it. What is left is [`Store::forget_file`]'s.
    pub async fn doom_file(&self, id: FileId) -> Result<(), StoreError> {
        run!(self, write, files::doom(id))
    }

    /// Files to be removed: doomed ones, and unfinished uploads that were given up.
    pub async fn expired_files(&self, limit: i64) -> Result<Vec<FileId>, StoreError> {
        run!(self, read, files::expired(limit))
    }

    /// Uploads that have expired and that nobody deleted, with their owners, the oldest first.
    pub async fn expired_uploads(&self, limit: i64) -> Result<Vec<(FileId, UserId)>, StoreError> {
        run!(self, read, files::expired_uploads(limit))
    }

    /// Forgets a doomed or expired file whose bytes are gone.
    pub async fn forget_file(&self, id: FileId) -> Result<(), StoreError> {
        run!(self, write, files::forget(id))
    }
}
