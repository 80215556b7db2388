//! Stores durable events in groups: what many rooms hand in during one commit goes into the next one, so that
//! throughput does not depend on the disk's sync time. Nothing is told to anybody before its commit has returned, and
//! nothing that a commit stored goes untold.

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

use actix::prelude::*;
use rustc_hash::FxHashMap;

use super::{
    messages::{Barrier, Entry, NotStored, Outcome, Settled},
    room::Room,
};
use crate::{
    core::event::Durable,
    error::{ErrorCode, Refusal},
    ids::RoomId,
    limits,
    logged::logged,
    metrics::Metrics,
    store::{Append, Appended, Attempt, NotAppended, Store, StoreError},
};

/// The actor. One per node.
pub struct Journal {
    store: Store,
    metrics: Arc<Metrics>,
    queue: VecDeque<Queued>,
    /// Of the events in the queue.
    queued_bytes: usize,
    committing: Committing,
    /// Outcomes that a room's full mailbox did not take.
    untold: VecDeque<(Addr<Room>, Settled)>,
    /// Who waits for everything before it to be settled: how many entries are still ahead.
    barriers: Vec<(u64, tokio::sync::oneshot::Sender<()>)>,
    accepted: u64,
    settled: u64,
}

struct Queued {
    entry: Entry,
    bytes: usize,
    since: Instant,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Committing {
    No,
    Yes,
}

impl Journal {
    /// A journal over this store.
    pub fn new(store: Store, metrics: Arc<Metrics>) -> Journal {
        Journal {
            store,
            metrics,
            queue: VecDeque::new(),
            queued_bytes: 0,
            committing: Committing::No,
            untold: VecDeque::new(),
            barriers: Vec::new(),
            accepted: 0,
            settled: 0,
        }
    }

    /// Starts the next commit, if none is under way and there is something to store.
    fn commit(&mut self, ctx: &mut Context<Self>) {
        if self.committing == Committing::Yes || self.queue.is_empty() {
            return;
        }
        self.committing = Committing::Yes;
        let count = self.next_group();
        let group: Vec<Queued> = self.queue.drain(..count).collect();
        self.queued_bytes -= group.iter().map(|queued| queued.bytes).sum::<usize>();
        self.metrics.journal_queue(self.queue.len());
        let (store, metrics) = (self.store.clone(), self.metrics.clone());
        let stored = async move {
            let appends: Vec<Append> = group.iter().map(|q| q.entry.append.clone()).collect();
            let oldest = group.first().map_or_else(Instant::now, |q| q.since);
            let results = store_group(&store, &metrics, &appends, oldest).await;
            (group, results)
        };
        ctx.spawn(stored.into_actor(self).map(|(group, results), journal, ctx| {
            journal.settle(group, results, ctx);
            journal.committing = Committing::No;
            journal.commit(ctx);
        }));
    }

    /// How many of the queue go into the next commit: bounded in what they write, so that it is over in time, and in what
    /// is told of them at once.
    fn next_group(&self) -> usize {
        let (mut cells, mut bytes) = (0, 0);
        let fits = |queued: &&Queued| {
            cells += match &*queued.entry.append.what {
                Durable::MessageSent { .. } => 0,
                Durable::CellsUpdated { cells, .. } => cells.len(),
            };
            bytes += queued.bytes;
            cells <= limits::COMMIT_CELLS_MAX && bytes <= limits::COMMIT_BYTES_MAX
        };
        self.queue.iter().take(limits::COMMIT_APPENDS_MAX).take_while(fits).count().max(1)
    }

    /// Tells every room what became of its entries, in one message a room.
    fn settle(&mut self, group: Vec<Queued>, results: Vec<Result<Appended, NotStored>>, ctx: &mut Context<Self>) {
        self.settled += group.len() as u64;
        let mut rooms: FxHashMap<RoomId, (Addr<Room>, Vec<Outcome>)> = FxHashMap::default();
        for (Queued { entry, .. }, result) in group.into_iter().zip(results) {
            let slot = rooms.entry(entry.append.room).or_insert_with(|| (entry.room.clone(), Vec::new()));
            slot.1.push(Outcome { entry, result });
        }
        for (room, outcomes) in rooms.into_values() {
            self.tell(room, Settled { outcomes }, ctx);
        }
        let settled = self.settled;
        let (due, waiting) = std::mem::take(&mut self.barriers).into_iter().partition(|(at, _)| *at <= settled);
        self.barriers = waiting;
        let due: Vec<(u64, tokio::sync::oneshot::Sender<()>)> = due;
        for (_, done) in due {
            // whoever asked may have stopped waiting
            let _ = done.send(());
        }
    }

    fn tell(&mut self, room: Addr<Room>, settled: Settled, ctx: &mut Context<Self>) {
        if !self.untold.is_empty() {
            return self.untold.push_back((room, settled));
        }
        if let Err(SendError::Full(settled)) = room.try_send(settled) {
            self.untold.push_back((room, settled));
            ctx.run_later(limits::SPILL_RETRY, Self::tell_again);
        }
    }

    fn tell_again(&mut self, ctx: &mut Context<Self>) {
        while let Some((room, settled)) = self.untold.pop_front() {
            if let Err(SendError::Full(settled)) = room.try_send(settled) {
                self.untold.push_front((room, settled));
                ctx.run_later(limits::SPILL_RETRY, Self::tell_again);
                return;
            }
        }
    }
}

/// Stores a group, waiting for a database that is away as long as the oldest entry may wait.
async fn store_group(
    store: &Store,
    metrics: &Metrics,
    appends: &[Append],
    oldest: Instant,
) -> Vec<Result<Appended, NotStored>> {
    let mut attempt = Attempt::First;
    loop {
        let began = Instant::now();
        let error = match store.append(appends, attempt).await {
            Ok(results) => {
                metrics.committed(results.iter().filter(|result| result.is_ok()).count(), began.elapsed());
                return results.into_iter().map(|result| result.map_err(NotStored::from)).collect();
            }
            Err(error) => error,
        };
        match error {
            StoreError::Unavailable(why) => {
                if oldest.elapsed() >= limits::STORE_PATIENCE {
                    log::warn!("event=appends_refused count={} why={why}", appends.len(), why = logged(&why));
                    return appends.iter().map(|_| Err(NotStored::Refused(Refusal::unanswered()))).collect();
                }
                attempt = Attempt::Again;
                tokio::time::sleep(limits::STORE_RETRY.min(Duration::from_secs(1))).await;
            }
            error if appends.len() == 1 => return vec![Err(NotStored::Refused(refusal(&error)))],
            error => {
                log::warn!("event=group_split count={} why={error}", appends.len(), error = logged(&error));
                return store_one_by_one(store, metrics, appends).await;
            }
        }
    }
}

/// One entry of a group can't be stored: each is tried alone, so that only that one is refused.
async fn store_one_by_one(store: &Store, metrics: &Metrics, appends: &[Append]) -> Vec<Result<Appended, NotStored>> {
    let mut results = Vec::with_capacity(appends.len());
    for append in appends {
        let began = Instant::now();
        let stored = store.append(std::slice::from_ref(append), Attempt::Again).await;
        results.push(match stored.map(|results| results.into_iter().next()) {
            Ok(Some(Ok(appended))) => {
                metrics.committed(1, began.elapsed());
                Ok(appended)
            }
            Ok(Some(Err(why))) => Err(why.into()),
            Ok(None) => Err(NotStored::Refused(Refusal::internal())),
            Err(error) => Err(NotStored::Refused(refusal(&error))),
        });
    }
    results
}

impl From<NotAppended> for NotStored {
    fn from(why: NotAppended) -> NotStored {
        match why {
            NotAppended::Conflicts(conflicts) => NotStored::Conflicts(conflicts),
            NotAppended::SheetElsewhere => NotStored::SheetElsewhere,
            NotAppended::BadUpdate(bad) => NotStored::Refused(Refusal::new(ErrorCode::InvalidMessage, bad.to_string())),
        }
    }
}

fn refusal(error: &StoreError) -> Refusal {
    match error {
        StoreError::Unavailable(_) => Refusal::unanswered(),
        StoreError::Missing => Refusal::new(ErrorCode::RoomNotFound, "This room does not exist any more"),
        StoreError::Taken(_) | StoreError::Fault(_) => {
            log::error!("event=append_failed why={error}", error = logged(&error));
            Refusal::internal()
        }
    }
}

impl Actor for Journal {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(limits::JOURNAL_MAILBOX_MAX);
    }
}

impl Handler<Entry> for Journal {
    type Result = ();

    fn handle(&mut self, entry: Entry, ctx: &mut Self::Context) {
        self.accepted += 1;
        let bytes = entry.append.what.size_bytes();
        let full = self.queue.len() >= limits::JOURNAL_QUEUE_MAX
            || (self.queued_bytes + bytes > limits::JOURNAL_QUEUE_BYTES_MAX && !self.queue.is_empty());
        if full {
            self.settled += 1;
            let room = entry.room.clone();
            let outcomes = vec![Outcome { entry, result: Err(NotStored::Refused(Refusal::unavailable())) }];
            return self.tell(room, Settled { outcomes }, ctx);
        }
        self.queued_bytes += bytes;
        self.queue.push_back(Queued { entry, bytes, since: Instant::now() });
        if self.committing == Committing::No && self.queue.len() == 1 {
            // begun at the end of this turn, so that what is in the mailbox already comes along
            ctx.spawn(actix::fut::ready(()).map(|(), journal: &mut Journal, ctx| journal.commit(ctx)));
        }
    }
}

/// Answered when everything handed in before is settled and told.
impl Handler<Barrier> for Journal {
    type Result = ResponseFuture<()>;

    fn handle(&mut self, _: Barrier, _: &mut Self::Context) -> Self::Result {
        if self.settled >= self.accepted {
            return Box::pin(std::future::ready(()));
        }
        let (done, wait) = tokio::sync::oneshot::channel();
        self.barriers.push((self.accepted, done));
        Box::pin(async move {
            // an error means that the journal is gone, and nothing is left to wait for
            let _ = wait.await;
        })
    }
}
