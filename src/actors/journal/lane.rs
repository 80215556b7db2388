//! One lane of the journal: an actor that stores the events of its rooms, one group at a time, and sends the results to
//! the rooms. It must never let one room wait for another room's lock.

use std::{collections::VecDeque, sync::Arc, time::Instant};

use actix::prelude::*;
use rustc_hash::{FxHashMap, FxHashSet};

use super::{
    commit::{AttemptOutcome, Commit, Committed},
    locked_rooms::Held,
    pending_appends::PendingAppends,
};
use crate::{
    actors::{
        messages::{AppendRequest, AppendResult, AppendResults, Barrier, LivenessProbe, NotStored},
        room::Room,
    },
    core::event::Weight,
    error::Refusal,
    ids::RoomId,
    limits,
    metrics::Metrics,
    store::{Append, Appended, Store, WaitFor},
};

/// The actor. A few per node.
pub(super) struct Lane {
    store: Store,
    metrics: Arc<Metrics>,
    /// Entries for the next commits.
    queue: VecDeque<Queued>,
    /// Entries of rooms that are locked by another session.
    held: Held,
    /// The number of queued entries, excluding those in flight, and the bytes of their events.
    waiting: usize,
    waiting_bytes: usize,
    is_committing: bool,
    is_retrying: bool,
    /// Results that are not delivered yet because the mailbox of the room was full.
    untold: VecDeque<(Addr<Room>, AppendResults)>,
    pending_appends: PendingAppends,
}

/// A queued entry.
pub(super) struct Queued {
    pub entry: AppendRequest,
    pub since: Instant,
    weight: Weight,
    ticket: u64,
    /// The outcome of an attempt is unknown: it may be stored.
    in_doubt: bool,
}

type Outcomes = Vec<(Queued, Result<Appended, NotStored>)>;

impl Lane {
    /// Creates a lane over this store.
    pub fn new(store: Store, metrics: Arc<Metrics>) -> Lane {
        Lane {
            store,
            metrics,
            queue: VecDeque::new(),
            held: Held::default(),
            waiting: 0,
            waiting_bytes: 0,
            is_committing: false,
            is_retrying: false,
            untold: VecDeque::new(),
            pending_appends: PendingAppends::default(),
        }
    }

    /// Starts the next commit, if none is in progress and the queue is not empty.
    fn commit(&mut self, ctx: &mut Context<Self>) {
        if self.is_committing || self.queue.is_empty() {
            return;
        }
        self.is_committing = true;
        let count = group_len(self.queue.iter());
        let group: Vec<Queued> = self.queue.drain(..count).collect();
        let stored = self.store_group(group, WaitFor::AllRooms);
        ctx.spawn(stored.into_actor(self).map(|(group, committed), lane, ctx| {
            let (outcomes, locked) = sort_out(group, committed);
            lane.hold(locked);
            lane.settle(outcomes, ctx);
            lane.is_committing = false;
            lane.commit(ctx);
            lane.retry(ctx);
        }));
    }

    /// Retries locked rooms, if there are any and no retry is in progress.
    fn retry(&mut self, ctx: &mut Context<Self>) {
        if self.is_retrying || self.held.is_empty() {
            return;
        }
        let overdue = self.held.take_overdue(limits::STORE_PATIENCE);
        if !overdue.is_empty() {
            log::warn!(
                "event=appends_refused count={} why=\"another session keeps their rooms locked\"",
                overdue.len()
            );
        }
        self.count_out(&overdue);
        let refused = overdue.into_iter().map(|queued| {
            let why = if queued.in_doubt { Refusal::unanswered() } else { Refusal::unavailable() };
            (queued, Err(NotStored::Refused(why)))
        });
        self.settle(refused.collect(), ctx);
        self.held.free(|_| false);
        let mut group = self.held.next_group();
        let count = group_len(group.iter());
        self.held.put_back(group.split_off(count.min(group.len())));
        if group.is_empty() {
            return;
        }
        self.is_retrying = true;
        let stored = self.store_group(group, WaitFor::FirstRoom);
        ctx.spawn(stored.into_actor(self).map(|(group, committed), lane, ctx| lane.retried(group, committed, ctx)));
    }

    /// Rooms of which something was stored are not locked any more: their remaining entries return to the queue.
    fn retried(&mut self, group: Vec<Queued>, committed: Committed, ctx: &mut Context<Self>) {
        let (outcomes, locked) = sort_out(group, committed);
        let free: FxHashSet<RoomId> = outcomes.iter().map(|(queued, _)| queued.entry.append.room).collect();
        self.hold(locked);
        let freed = self.held.free(|room| free.contains(&room));
        self.queue.extend(freed);
        self.settle(outcomes, ctx);
        self.commit(ctx);
        if free.is_empty() {
            ctx.run_later(limits::HELD_RETRY, |lane, ctx| {
                lane.is_retrying = false;
                lane.retry(ctx);
            });
        } else {
            self.is_retrying = false;
            self.retry(ctx);
        }
    }

    /// Stores a group. From here on its entries do not count as queued.
    fn store_group(
        &mut self,
        group: Vec<Queued>,
        wait_for: WaitFor,
    ) -> impl Future<Output = (Vec<Queued>, Committed)> + 'static {
        self.count_out(&group);
        let appends: Arc<[Append]> = group.iter().map(|queued| queued.entry.append.clone()).collect();
        let commit = Commit {
            store: self.store.clone(),
            metrics: self.metrics.clone(),
            appends,
            wait_for,
            oldest: group.iter().map(|queued| queued.since).min().unwrap_or_else(Instant::now),
            in_doubt: group.iter().any(|queued| queued.in_doubt),
        };
        async move { (group, commit.run().await) }
    }

    /// Holds the entries of locked rooms, and after them the queued entries of the same rooms.
    fn hold(&mut self, locked: Vec<Queued>) {
        if locked.is_empty() {
            return;
        }
        self.count_in(&locked);
        self.held.put_back(locked);
        for queued in std::mem::take(&mut self.queue) {
            if self.held.holds(queued.entry.append.room) {
                self.held.push_back(queued);
            } else {
                self.queue.push_back(queued);
            }
        }
    }

    fn count_in(&mut self, entries: &[Queued]) {
        self.waiting += entries.len();
        self.waiting_bytes += entries.iter().map(|queued| queued.weight.bytes).sum::<usize>();
        self.metrics.journal_queue_grew(entries.len());
    }

    fn count_out(&mut self, entries: &[Queued]) {
        self.waiting -= entries.len();
        self.waiting_bytes -= entries.iter().map(|queued| queued.weight.bytes).sum::<usize>();
        self.metrics.journal_queue_shrank(entries.len());
    }

    /// Sends each room the results of its entries, in one message per room.
    fn settle(&mut self, outcomes: Outcomes, ctx: &mut Context<Self>) {
        let mut rooms: FxHashMap<RoomId, (Addr<Room>, Vec<AppendResult>)> = FxHashMap::default();
        for (Queued { entry, ticket, .. }, result) in outcomes {
            self.pending_appends.close(ticket);
            let slot = rooms.entry(entry.append.room).or_insert_with(|| (entry.room.clone(), Vec::new()));
            slot.1.push(AppendResult { entry, result });
        }
        for (room, outcomes) in rooms.into_values() {
            self.send_results(room, AppendResults { outcomes }, ctx);
        }
        self.release();
    }

    fn send_results(&mut self, room: Addr<Room>, settled: AppendResults, ctx: &mut Context<Self>) {
        if !self.untold.is_empty() {
            return self.untold.push_back((room, settled));
        }
        if let Err(SendError::Full(settled)) = room.try_send(settled) {
            self.untold.push_back((room, settled));
            ctx.run_later(limits::OVERFLOW_RETRY, Self::retry_results);
        }
    }

    fn retry_results(&mut self, ctx: &mut Context<Self>) {
        while let Some((room, settled)) = self.untold.pop_front() {
            if let Err(SendError::Full(settled)) = room.try_send(settled) {
                self.untold.push_front((room, settled));
                ctx.run_later(limits::OVERFLOW_RETRY, Self::retry_results);
                return;
            }
        }
        self.release();
    }

    /// Answers barriers whose entries are settled, once all rooms have received their results.
    fn release(&mut self) {
        if self.untold.is_empty() {
            self.pending_appends.release();
        }
    }
}

/// How many entries go into one commit. Bounded by what they write, so that a commit is short, and by the size of what
/// is delivered at once.
fn group_len<'a>(entries: impl Iterator<Item = &'a Queued>) -> usize {
    let (mut rows, mut bytes) = (0, 0);
    let fits = |queued: &&Queued| {
        rows += queued.weight.rows;
        bytes += queued.weight.bytes;
        rows <= limits::COMMIT_ROWS_MAX && bytes <= limits::COMMIT_BYTES_MAX
    };
    entries.take(limits::COMMIT_APPENDS_MAX).take_while(fits).count().max(1)
}

/// Separates settled entries from those of locked rooms.
fn sort_out(group: Vec<Queued>, committed: Committed) -> (Outcomes, Vec<Queued>) {
    let (mut outcomes, mut locked) = (Vec::with_capacity(group.len()), Vec::new());
    for (mut queued, fate) in group.into_iter().zip(committed.fates) {
        match fate {
            AttemptOutcome::Settled(result) => outcomes.push((queued, result)),
            AttemptOutcome::Locked => {
                queued.in_doubt |= committed.in_doubt;
                locked.push(queued);
            }
        }
    }
    (outcomes, locked)
}

impl Actor for Lane {
    type Context = Context<Self>;

    fn stopped(&mut self, _: &mut Self::Context) {
        Arbiter::current().stop();
    }
}

impl Handler<AppendRequest> for Lane {
    type Result = ();

    fn handle(&mut self, entry: AppendRequest, ctx: &mut Self::Context) {
        let weight = entry.append.weight();
        let full = self.waiting >= limits::JOURNAL_QUEUE_MAX
            || (self.waiting_bytes + weight.bytes > limits::JOURNAL_QUEUE_BYTES_MAX && self.waiting > 0);
        if full {
            let room = entry.room.clone();
            let outcomes = vec![AppendResult { entry, result: Err(NotStored::Refused(Refusal::unavailable())) }];
            return self.send_results(room, AppendResults { outcomes }, ctx);
        }
        let ticket = self.pending_appends.issue();
        let room = entry.append.room;
        let queued = Queued { entry, weight, since: Instant::now(), ticket, in_doubt: false };
        self.count_in(std::slice::from_ref(&queued));
        if self.held.holds(room) {
            return self.held.push_back(queued);
        }
        self.queue.push_back(queued);
        if !self.is_committing && self.queue.len() == 1 {
            // started at the end of this turn, so that entries already in the mailbox are included
            ctx.spawn(actix::fut::ready(()).map(|(), lane: &mut Lane, ctx| lane.commit(ctx)));
        }
    }
}

impl Handler<LivenessProbe> for Lane {
    type Result = ();

    fn handle(&mut self, _: LivenessProbe, _: &mut Self::Context) {}
}

#[cfg(test)]
impl Handler<crate::actors::watchdog::faults::Panic> for Lane {
    type Result = ();

    fn handle(&mut self, _: crate::actors::watchdog::faults::Panic, _: &mut Self::Context) {
        panic!("planted by a test");
    }
}

/// Answered when all earlier entries are settled and their rooms have been sent the results.
impl Handler<Barrier> for Lane {
    type Result = ResponseFuture<()>;

    fn handle(&mut self, _: Barrier, _: &mut Self::Context) -> Self::Result {
        let settled = self.pending_appends.wait();
        self.release();
        Box::pin(async move {
            // an error means that the lane is gone, so there is nothing left to wait for
            let _ = settled.await;
        })
    }
}
