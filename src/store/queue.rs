//! The queue of each user: what no socket of the user has written yet. A socket leases what it can show, and the rows
//! are deleted when it has written them: so one socket of many delivers them, and if it or its node ends before, the
//! next one does.

use std::{
    collections::{HashMap, HashSet},
    sync::{Mutex, MutexGuard, PoisonError},
};

use super::{Conversation, Leased, QueueQuery, QueuedId, Store, StoreError, run};
use crate::ids::{RoomId, Timestamp, UserId};

/// Rows that sockets of this node have written and whose deletion is under way. A socket that opens in that moment must
/// not be sent them again. Bounded by how many requests a gathering takes.
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

/// One deletion that is under way, until it is dropped.
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
    /// Whether anything is queued for the user. Asked for every socket that opens: many go together in one query.
    pub async fn queue_waits(&self, user: &UserId) -> Result<bool, StoreError> {
        self.shared.door.waiting.get(user.clone()).await
    }

    /// Leases some of what is queued for the user: high and critical notifications first, then the oldest. Until the
    /// lease ends no other socket gets them, on any node.
    pub async fn lease_queue(
        &self,
        user: &UserId,
        wanted: &QueueQuery,
        until: Timestamp,
    ) -> Result<Leased, StoreError> {
        // before the question: whatever it finds of these is about to be deleted
        let written = self.shared.written.of(user);
        let (user, wanted) = (user.clone(), wanted.clone());
        let mut leased = run!(self, write, user_queue::lease(&user, wanted, until))?;
        leased.items.retain(|item| !written.contains(&item.id()));
        Ok(leased)
    }

    /// Leases all messages of one conversation that are queued for the user. [`StoreError::Missing`] if there is no
    /// such room.
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

    /// A socket of the user has written it. What many sockets have written is deleted together.
    pub async fn queue_delivered(&self, user: &UserId, id: QueuedId) -> Result<(), StoreError> {
        let _under_way = self.shared.written.begin(user, id);
        self.shared.door.delivered.get((user.clone(), id)).await
    }

    /// They were leased and not written: the next socket may have them.
    pub async fn return_leases(&self, user: &UserId, ids: &[QueuedId]) -> Result<(), StoreError> {
        let rows: Vec<_> = ids.iter().map(|id| (user.clone(), *id)).collect();
        run!(self, write, user_queue::give_back(&rows))
    }
}
