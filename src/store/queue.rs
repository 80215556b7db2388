//! The queue of each user: events that were not written to any socket of the user yet. A socket leases rows that it can
//! show, and deletes them when they are written. So only one of several sockets delivers a row, and if that socket or
//! its node dies, the next one does.

use std::{
    collections::{HashMap, HashSet},
    sync::{Mutex, MutexGuard, PoisonError},
};

use super::{Conversation, Leased, QueueQuery, QueuedId, Store, StoreError, run};
use crate::ids::{RoomId, Timestamp, UserId};

/// Rows that sockets of this node have written and whose deletion is in progress. A socket that opens at that moment
/// must not be sent them again. Bounded by the number of batched requests.
#[derive(Default)]
pub(super) struct Written {
    rows: Mutex<HashMap<UserId, Vec<QueuedId>>>,
}

impl Written {
    fn lock(&self) -> MutexGuard<'_, HashMap<UserId, Vec<QueuedId>>> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn of(&self, user: &UserId) -> HashSet<QueuedId> {
        self.lock().get(user).map(|ids| ids.iter().copied().collect()).unwrap_or_default()
    }

    fn begin(&self, user: &UserId, id: QueuedId) -> Deletion<'_> {
        self.lock().entry(user.clone()).or_default().push(id);
        Deletion { written: self, user: user.clone(), id }
    }
}

/// A deletion in progress, until it is dropped.
struct Deletion<'a> {
    written: &'a Written,
    user: UserId,
    id: QueuedId,
}

impl Drop for Deletion<'_> {
    fn drop(&mut self) {
        let mut rows = self.written.lock();
        let Some(ids) = rows.get_mut(&self.user) else { return };
        if let Some(at) = ids.iter().position(|id| *id == self.id) {
            ids.swap_remove(at);
        }
        if ids.is_empty() {
            rows.remove(&self.user);
        }
    }
}

impl Store {
    /// Whether anything is queued for the user. Called for every new socket, so many calls are batched in one query.
    pub async fn queue_waits(&self, user: &UserId) -> Result<bool, StoreError> {
        self.shared.loaders.waiting.get(user.clone()).await
    }

    /// Leases some of the user's queue: high and critical notifications first, then the oldest rows. Until the lease
    /// ends, no other socket on any node gets them. Leases of many sockets are batched.
    pub async fn lease_queue(
        &self,
        user: &UserId,
        wanted: &QueueQuery,
        until: Timestamp,
    ) -> Result<Leased, StoreError> {
        // Read before the query, because it may find rows that are about to be deleted.
        let written = self.shared.written.of(user);
        let mut leased = self.shared.loaders.leases.get((user.clone(), wanted.clone(), until)).await?;
        leased.items.retain(|item| !written.contains(&item.id()));
        Ok(leased)
    }

    /// Leases all queued messages of one conversation. [`StoreError::Missing`] if there is no such room.
    pub async fn lease_conversation(
        &self,
        user: &UserId,
        room: RoomId,
        until: Timestamp,
    ) -> Result<Conversation, StoreError> {
        let written = self.shared.written.of(user);
        let owner = user.clone();
        let (head, is_queued) = run!(self, read, user_queue::conversation(&owner, room))?;
        if !is_queued {
            return Ok(Conversation { head, ..Conversation::default() });
        }
        let user = user.clone();
        let mut leased = run!(self, write, user_queue::lease_conversation(&user, room, head, until))?;
        leased.events.retain(|event| !written.contains(&QueuedId::Message(event.id)));
        Ok(leased)
    }

    /// Deletes a row that was written to a socket of the user.
    pub async fn queue_delivered(&self, user: &UserId, id: QueuedId) -> Result<(), StoreError> {
        self.all_delivered(user, vec![id]).await
    }

    /// Deletes rows that were written to a socket of the user. Deletions of many sockets are batched.
    pub async fn all_delivered(&self, user: &UserId, ids: Vec<QueuedId>) -> Result<(), StoreError> {
        let _under_way: Vec<Deletion<'_>> = ids.iter().map(|id| self.shared.written.begin(user, *id)).collect();
        self.shared.loaders.delivered.get((user.clone(), ids)).await
    }

    /// Returns rows that were leased but not written, so that the next socket can lease them.
    pub async fn return_leases(&self, user: &UserId, ids: &[QueuedId]) -> Result<(), StoreError> {
        let rows: Vec<_> = ids.iter().map(|id| (user.clone(), *id)).collect();
        run!(self, write, user_queue::give_back(&rows))
    }
}
