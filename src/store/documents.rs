//! Documents: their rights, their stored states, and their named versions. The log has their updates.

use super::{Document, DocumentState, DocumentVersion, Store, StoreError, run};
use crate::{
    core::{
        document::{DocumentAccess, DocumentRole},
        event::{DocumentDurable, Durable},
        profile::{Author, Profile},
    },
    ids::{DocumentId, RoomId, Seq, Timestamp, UserId},
    limits,
};

impl Store {
    /// A document, and the user's role in it.
    pub async fn document(&self, document: &DocumentId, user: &UserId) -> Result<Option<Document>, StoreError> {
        let (document, user) = (document.clone(), user.clone());
        run!(self, read, documents::find(&document, &user))
    }

    /// Creates an empty document, or returns the one that somebody else has just created.
    pub async fn create_document(&self, document: &DocumentId, owner: &UserId) -> Result<Document, StoreError> {
        let (document, owner) = (document.clone(), owner.clone());
        run!(self, write, documents::create(&document, &owner))
    }

    /// The documents that a user owns or is a member of, by id, after that one.
    pub async fn documents_of(
        &self,
        user: &UserId,
        after: Option<&DocumentId>,
        limit: i64,
    ) -> Result<Vec<Document>, StoreError> {
        let (user, after) = (user.clone(), after.cloned());
        run!(self, read, documents::of_user(&user, after.as_ref(), limit))
    }

    /// The documents among these rooms, of which there may be `STORE_IDS_PER_QUERY`, with the user's role in each.
    pub async fn documents_among(&self, rooms: Vec<RoomId>, user: &UserId) -> Result<Vec<Document>, StoreError> {
        let user = user.clone();
        run!(self, read, documents::among(&rooms, &user))
    }

    /// Sets what everybody may do with a document.
    pub async fn set_document_access(&self, room: RoomId, access: DocumentAccess) -> Result<(), StoreError> {
        run!(self, write, documents::set_access(room, access))
    }

    /// The members of a document without its owner, by name.
    pub async fn document_members(&self, room: RoomId) -> Result<Vec<(Profile, DocumentRole)>, StoreError> {
        run!(self, read, documents::members(room))
    }

    /// Adds a member, or changes the role of one. [`StoreError::Taken`] if the list is full, [`StoreError::Missing`] if there is
    /// no such user.
    pub async fn set_document_member(&self, room: RoomId, user: &UserId, role: DocumentRole) -> Result<(), StoreError> {
        let user = user.clone();
        run!(self, write, documents::set_member(room, &user, role))
    }

    /// Removes a member. Returns false if the user was not one.
    pub async fn remove_document_member(&self, room: RoomId, user: &UserId) -> Result<bool, StoreError> {
        let user = user.clone();
        run!(self, write, documents::remove_member(room, &user))
    }

    /// The state that was stored last, if there is one.
    pub async fn document_state(&self, room: RoomId) -> Result<Option<DocumentState>, StoreError> {
        run!(self, read, documents::state(room))
    }

    /// Stores a state of a document, unless a later one is stored. Events that it contains are removed from the log except for
    /// the last ones, from which other nodes close their gaps.
    pub async fn store_document_state(&self, room: RoomId, state: DocumentState) -> Result<(), StoreError> {
        let kept = i64::try_from(self.shared.options.recovery_events_max).unwrap_or(i64::MAX);
        run!(self, write, documents::store_state(room, &state, kept))
    }

    /// Passes the events after a place to `feed`, in order, a bounded number at a time: each with its update, if it has one.
    /// Returns the place of the last one.
    pub async fn read_document_updates(
        &self,
        room: RoomId,
        after: Seq,
        mut feed: impl FnMut(Seq, Option<&std::sync::Arc<[u8]>>),
    ) -> Result<Seq, StoreError> {
        let mut last = after;
        loop {
            let events = self.events_after(room, last, limits::DOCUMENT_EVENTS_PER_READ).await?;
            let is_full = events.len() >= limits::DOCUMENT_EVENTS_PER_READ;
            for event in events {
                last = event.seq;
                feed(
                    last,
                    match &event.what {
                        Durable::Document(DocumentDurable::DocumentUpdated { update, .. }) => Some(&update.0),
                        Durable::Document(DocumentDurable::DocumentSaved { .. })
                        | Durable::Chat(_)
                        | Durable::Sheet(_)
                        | Durable::Canvas(_)
                        | Durable::Space(_) => None,
                    },
                );
            }
            if !is_full {
                return Ok(last);
            }
        }
    }

    /// Stores a named version under the next number. [`StoreError::Taken`] if there are as many as there may be.
    pub async fn add_document_version(
        &self,
        room: RoomId,
        state: DocumentState,
        author: Author,
        name: Option<String>,
        at: Timestamp,
    ) -> Result<DocumentVersion, StoreError> {
        run!(self, write, documents::add_version(room, &state, &author, name.as_deref(), at))
    }

    /// The versions before that number, the newest first.
    pub async fn document_versions(
        &self,
        room: RoomId,
        before: Option<i32>,
        limit: i64,
    ) -> Result<Vec<DocumentVersion>, StoreError> {
        run!(self, read, documents::versions(room, before, limit))
    }

    /// A version with its state, an update in the encoding of Yjs.
    pub async fn document_version(
        &self,
        room: RoomId,
        number: i32,
    ) -> Result<Option<(DocumentVersion, Vec<u8>)>, StoreError> {
        run!(self, read, documents::version_state(room, number))
    }
}
