//! Stores durable events in groups: what many rooms submit during one commit is stored by the next one, so throughput
//! does not depend on the sync time of the disk. Nothing may be published before its commit has returned, and
//! everything that was committed must be published.
//!
//! Rooms are distributed over lanes by the hash of their ids. Each lane is an actor on its own thread with one group in
//! flight, so that the disk syncs several groups together. The events of a room always pass through the same lane, in
//! order. A room whose row is locked by another session is held separately (`held`) and delays no other room.

mod commit;
mod lane;
mod locked_rooms;
mod pending_appends;

use std::{
    hash::{Hash, Hasher},
    sync::Arc,
};

use actix::prelude::*;
use futures_util::future::join_all;
use rustc_hash::FxHasher;

use self::lane::Lane;
use super::{
    messages::{AppendRequest, Barrier, LivenessProbe},
    start_in,
};
use crate::{
    limits,
    metrics::Metrics,
    store::{Backend, Store},
};

/// Access to the lanes. One per node; cheap to clone.
#[derive(Clone)]
pub struct Journal {
    lanes: Arc<[Addr<Lane>]>,
}

impl Journal {
    /// Starts the lanes of a journal over this store. SQLite has one writer, so it gets one lane.
    pub fn start(store: &Store, metrics: &Arc<Metrics>) -> Journal {
        let lanes = match store.backend() {
            Backend::Postgres => limits::JOURNAL_LANES,
            Backend::Sqlite => 1,
        };
        let start = |_| {
            let (store, metrics) = (store.clone(), metrics.clone());
            start_in(&Arbiter::new().handle(), limits::JOURNAL_MAILBOX_MAX, move || Lane::new(store, metrics))
        };
        Journal { lanes: (0..lanes).map(start).collect() }
    }

    /// Submits an entry. Its room receives a [`AppendResults`](super::messages::AppendResults) with the result.
    ///
    /// # Errors
    /// Returns the entry if the mailbox of its lane is full.
    #[expect(
        clippy::result_large_err,
        reason = "as of an actor's address: the entry goes back to whoever handed it in"
    )]
    pub fn try_send(&self, entry: AppendRequest) -> Result<(), SendError<AppendRequest>> {
        let mut hasher = FxHasher::default();
        entry.append.room.hash(&mut hasher);
        let at = (hasher.finish() >> 32) as usize % self.lanes.len().max(1);
        match self.lanes.get(at) {
            Some(lane) => lane.try_send(entry),
            None => Err(SendError::Closed(entry)),
        }
    }

    /// Completes when everything submitted before is stored or refused, and the rooms have been sent the results.
    ///
    /// # Errors
    /// If a lane is gone, or its mailbox is full.
    pub async fn settled(&self) -> Result<(), MailboxError> {
        join_all(self.lanes.iter().map(|lane| lane.send(Barrier))).await.into_iter().collect()
    }

    /// Completes when every lane has responded, whatever it has to store.
    ///
    /// # Errors
    /// If a lane is gone.
    pub async fn alive(&self) -> Result<(), MailboxError> {
        join_all(self.lanes.iter().map(|lane| lane.send(LivenessProbe))).await.into_iter().collect()
    }

    /// Makes the first lane panic.
    #[cfg(test)]
    pub(crate) async fn panic(&self) -> Result<(), MailboxError> {
        self.lanes[0].send(super::watchdog::faults::Panic).await
    }
}
