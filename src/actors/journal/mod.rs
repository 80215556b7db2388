//! Stores durable events in groups: what many rooms hand in during one commit goes into the next one, so that
//! throughput does not depend on the disk's sync time. Nothing is published before its commit has returned, and
//! nothing that a commit stored stays unpublished.
//!
//! Rooms are spread over lanes by the hash of their ids. Each lane is an actor on a thread of its own with one group in
//! flight, so that the disk syncs several groups together. A room's events always pass through the same lane, in order. A room
//! whose row another session keeps locked waits beside its lane (`held`) and delays no other room.

mod commit;
mod held;
mod lane;
mod tickets;

use std::{
    hash::{Hash, Hasher},
    sync::Arc,
};

use actix::prelude::*;
use futures_util::future::join_all;
use rustc_hash::FxHasher;

use self::lane::Lane;
use super::{
    messages::{Alive, Barrier, Entry},
    start_in,
};
use crate::{
    limits,
    metrics::Metrics,
    store::{Backend, Store},
};

/// The way to the lanes. One per node; cheap to clone.
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

    /// Hands in an append. Its room gets a [`Settled`](super::messages::Settled) about it.
    ///
    /// # Errors
    /// The entry, if its lane takes no more.
    #[expect(
        clippy::result_large_err,
        reason = "as of an actor's address: the entry goes back to whoever handed it in"
    )]
    pub fn try_send(&self, entry: Entry) -> Result<(), SendError<Entry>> {
        let mut hasher = FxHasher::default();
        entry.append.room.hash(&mut hasher);
        let at = (hasher.finish() >> 32) as usize % self.lanes.len().max(1);
        match self.lanes.get(at) {
            Some(lane) => lane.try_send(entry),
            None => Err(SendError::Closed(entry)),
        }
    }

    /// Ready when everything handed in before is stored or refused, and its rooms have been sent the outcome.
    ///
    /// # Errors
    /// If one of the lanes is gone, or takes no more questions.
    pub async fn settled(&self) -> Result<(), MailboxError> {
        join_all(self.lanes.iter().map(|lane| lane.send(Barrier))).await.into_iter().collect()
    }

    /// Ready when every lane has had its turn, whatever it has to store.
    ///
    /// # Errors
    /// If one of the lanes is gone.
    pub async fn alive(&self) -> Result<(), MailboxError> {
        join_all(self.lanes.iter().map(|lane| lane.send(Alive))).await.into_iter().collect()
    }

    /// Has the first lane panic.
    #[cfg(test)]
    pub(crate) async fn panic(&self) -> Result<(), MailboxError> {
        self.lanes[0].send(super::watchdog::faults::Panic).await
    }
}
