//! Full-text search: reading the index and writing it. What the keys of the index are, and whether a message matches, is
//! decided in `core::search`; who may read what, by `auth::policy`. Nothing that is read here may be shown unchecked.

use std::collections::HashMap;

use futures_util::future::try_join_all;

use super::{Access, Message, Right, RoomRef, Store, StoreError, run};
use crate::{
    core::{
        event::{RoomIdentity, RoomScope},
        search::{Audience, Bucket, Candidate, Expression, Read},
    },
    ids::{EventId, RoomId, Timestamp, UserId},
};

/// Where a search begins.
#[derive(Clone, PartialEq, Debug)]
pub struct SearchStart {
    /// Messages that are not indexed in their present form, the newest ones.
    pub pending: Vec<Pending>,
    /// The parts of the index.
    pub buckets: Vec<Bucket>,
    /// Whether every message is in one of them.
    pub is_complete: bool,
}

/// A message that is not indexed in its present form.
#[derive(Clone, PartialEq, Debug)]
pub struct Pending {
    /// Its number in the index.
    pub number: i64,
    /// Which.
    pub message: EventId,
    /// In which room.
    pub room: RoomId,
    /// Its text.
    pub content: String,
}

/// What one step of indexing has done.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Indexed {
    /// New and changed messages.
    pub new: usize,
    /// Messages from before search existed.
    pub old: usize,
    /// The time of the oldest one of these.
    pub old_back_to: Option<Timestamp>,
    /// Whether this step was the last one for these.
    pub is_old_done: bool,
    /// Whether there may be more to index.
    pub has_more: bool,
}

impl Store {
    /// Reads where a search for messages with numbers from `from` to below `before` begins.
    pub async fn search_start(&self, from: i64, before: i64) -> Result<SearchStart, StoreError> {
        run!(self, read, search::start(from, before))
    }

    /// Reads candidates from the index, those with the highest numbers first.
    pub async fn search_candidates(
        &self,
        expression: &Expression,
        from: i64,
        read: &Read,
    ) -> Result<Vec<Candidate>, StoreError> {
        if expression.any.as_ref().is_some_and(Vec::is_empty) {
            return Ok(Vec::new());
        }
        let (expression, wanted) = (expression.clone(), read.clone());
        run!(self, read, search::candidates(&expression, from, &wanted))
    }

    /// Those of these messages that have a text, each with its room, in no particular order. Deleted and encrypted ones have
    /// none.
    pub async fn messages_with_text(&self, ids: &[EventId]) -> Result<Vec<(RoomId, Message)>, StoreError> {
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let ids = ids.to_vec();
        run!(self, read, search::messages_with_text(&ids))
    }

    /// The rooms of those of these ids that exist, with the user's relation to each.
    pub async fn accesses(&self, rooms: &[RoomId], user: &UserId) -> Result<HashMap<RoomId, Access>, StoreError> {
        let found = self.rooms(rooms).await?.into_iter().map(|identity| self.access_to(identity, user));
        let found = try_join_all(found).await?;
        Ok(found.into_iter().flatten().map(|access| (access.identity.id, access)).collect())
    }

    /// The user's relation to a room that exists. Unlike [`Store::access`] it never creates a direct conversation.
    async fn access_to(&self, identity: RoomIdentity, user: &UserId) -> Result<Option<Access>, StoreError> {
        match &identity.scope {
            RoomScope::Direct { .. } => Ok(Some(Access { identity, right: Right::Side, capacity: None })),
            RoomScope::Channel { .. }
            | RoomScope::Open { .. }
            | RoomScope::Space
            | RoomScope::Canvas { .. }
            | RoomScope::Document { .. } => self.access(&RoomRef::of(&identity, user), user).await,
        }
    }

    /// The audiences of all messages that the user may read. None if there are more than `limits::SEARCH_AUDIENCES_MAX`.
    pub async fn audiences(&self, user: &UserId) -> Result<Option<Vec<Audience>>, StoreError> {
        let user = user.clone();
        run!(self, read, search::audiences(&user))
    }

    /// Indexes a bounded number of messages in one transaction. Does nothing while another node does so.
    pub async fn index_messages(&self) -> Result<Indexed, StoreError> {
        if run!(self, read, search_index::is_idle())? {
            return Ok(Indexed::default());
        }
        run!(self, write, search_index::index())
    }
}
