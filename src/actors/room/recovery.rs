//! Recovery from the log: missed events that are no longer in memory, read once for all clients that ask meanwhile, and
//! gaps in the sequence of events. No handler may wait; results arrive as messages.

use std::{
    ops::RangeInclusive,
    sync::{Arc, atomic::Ordering},
    time::Instant,
};

use actix::prelude::*;

use super::{
    Pending, Room,
    join::{ReplayResult, with_published_since},
};
use crate::{
    actors::{bridge::ClusterMode, fanout::Broadcast, outbox::ConnKey, retry::retry_unavailable},
    core::{
        event::EventBody,
        history::Logged,
        room::{GapClosed, RoomCore},
    },
    ids::Seq,
    limits,
    store::{StoreError, StoredEvent},
};

/// Sockets that wait for the log.
#[derive(Default)]
pub(super) struct Recovery {
    /// The read in progress: events after this one.
    reading: Option<Seq>,
    /// Sockets that wait for it, each with its position.
    waiting: Vec<(ConnKey, Seq)>,
    /// Sockets that need more than it returns, and try again afterwards.
    later: Vec<ConnKey>,
    /// Sockets that wait for the head of the log.
    asking: Vec<ConnKey>,
    /// Sockets that wait until the room has reached that head.
    awaiting_head: Vec<(ConnKey, Seq)>,
    /// When the head of the log was last read.
    asked_at: Option<Instant>,
}

/// Whether the head of the log was read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum LogAsked {
    No,
    Yes,
}

impl Recovery {
    /// The socket has left.
    pub(super) fn forget(&mut self, conn: ConnKey) {
        self.waiting.retain(|(waiting, _)| *waiting != conn);
        self.later.retain(|waiting| *waiting != conn);
        self.asking.retain(|waiting| *waiting != conn);
        self.awaiting_head.retain(|(waiting, _)| *waiting != conn);
    }
}

impl Room {
    // ---- missed events ----

    /// Reads the events after a position, for this socket and for all that ask for them meanwhile.
    pub(super) fn read_log(&mut self, conn: ConnKey, after: Seq, up_to: Seq, ctx: &mut Context<Self>) {
        match self.recovery.reading {
            Some(reading) if after >= reading => return self.recovery.waiting.push((conn, after)),
            Some(_) => return self.recovery.later.push(conn),
            None => {}
        }
        self.recovery.reading = Some(after);
        self.recovery.waiting.push((conn, after));
        self.node.metrics.history_read();
        let (store, id) = (self.node.store.clone(), self.identity.id);
        let count = self.node.config.storage.recovery_events_max;
        let read = async move { retry_unavailable(async || store.events_after(id, after, count).await).await };
        ctx.spawn(read.into_actor(self).map(move |read, room, ctx| {
            room.recovery.reading = None;
            room.recovery_read(read, up_to, ctx);
            for conn in std::mem::take(&mut room.recovery.later) {
                room.enter(conn, ctx);
            }
        }));
    }

    fn recovery_read(&mut self, read: Result<Vec<StoredEvent>, StoreError>, up_to: Seq, ctx: &mut Context<Self>) {
        let mut stored = read.unwrap_or_else(|error| {
            log::warn!("event=log_not_read room={} why=\"{error}\"", self.identity.id);
            Vec::new()
        });
        // stored but not published yet: these are delivered live
        stored.retain(|event| event.seq <= up_to);
        let events = self.broadcasts(stored);
        let first = unbroken_from(&events, up_to);
        let meanwhile = self.events_since(up_to);
        if first.is_some() {
            self.remember(|core| core.restore_history(&events));
        }
        for (conn, after) in std::mem::take(&mut self.recovery.waiting) {
            let missed = match (&meanwhile, first) {
                (Some(meanwhile), Some(first)) if first <= after.next() => {
                    let missed = events.iter().chain(meanwhile).filter(|event| event.seq() > after);
                    Some(missed.cloned().collect::<Vec<_>>())
                }
                (Some(_) | None, _) => None,
            };
            let Some(newcomer) = self.entering.get(&conn) else { continue };
            let again = match (&newcomer.join.resume, missed) {
                (Some(_), Some(missed)) => ReplayResult::Complete(missed),
                (Some(_), None) => ReplayResult::Incomplete,
                // Messages that could not be read stay queued; the session delivers them later.
                (None, missed) => {
                    let (leased, _) = self.leased(&newcomer.join);
                    ReplayResult::Queued(with_published_since(&newcomer.join, leased, &missed.unwrap_or_default()))
                }
            };
            self.admit(conn, again, ctx);
        }
    }

    /// The events published after `seq`, if memory still has all of them.
    pub(super) fn events_since(&self, seq: Seq) -> Option<Vec<Arc<Broadcast>>> {
        self.core.as_ref()?.events_since(seq)
    }

    // ---- catching up with the log ----

    /// Whether another node may have stored events without informing this one, because it crashed.
    pub(super) fn may_be_behind(&self) -> bool {
        let fresh = self.recovery.asked_at.is_some_and(|at| at.elapsed() < limits::LOG_ASKED_FRESH);
        self.node.bridge.cluster_mode == ClusterMode::MultiNode && !fresh
    }

    /// The head of the log has just been read.
    pub(super) fn log_was_asked(&mut self) {
        self.recovery.asked_at = Some(Instant::now());
    }

    /// A reconnecting client may have seen or missed events that this room has not received yet, so the head of the log
    /// is read. One read serves all sockets that arrive meanwhile.
    pub(super) fn ask_log(&mut self, conn: ConnKey, ctx: &mut Context<Self>) {
        self.recovery.asking.push(conn);
        if self.recovery.asking.len() > 1 {
            return;
        }
        let (store, id, began) = (self.node.store.clone(), self.identity.id, Instant::now());
        let head = async move { retry_unavailable(async || store.room_head(id).await).await };
        ctx.spawn(head.into_actor(self).map(move |head, room, ctx| {
            room.recovery.asked_at = Some(began);
            let up_to = match head {
                Ok(Some(head)) => head.seq,
                Ok(None) => Seq::default(),
                Err(error) => {
                    log::warn!("event=log_not_read room={id} why=\"{error}\"");
                    Seq::default()
                }
            };
            if let Some(core) = &mut room.core {
                core.note_head(up_to);
            }
            for conn in std::mem::take(&mut room.recovery.asking) {
                if let Some(newcomer) = room.entering.get_mut(&conn) {
                    newcomer.log = LogAsked::Yes;
                    room.recovery.awaiting_head.push((conn, up_to));
                }
            }
            room.close_gap(ctx);
            room.admit_caught_up(ctx);
            if !room.recovery.awaiting_head.is_empty() {
                ctx.run_later(limits::CATCH_UP_WAIT, move |room, ctx| room.admit_waiting_for(up_to, ctx));
            }
        }));
    }

    /// Admits sockets that have waited long enough for the room to reach that head of the log. Later events are
    /// delivered to them live and in order.
    fn admit_waiting_for(&mut self, log_head: Seq, ctx: &mut Context<Self>) {
        let (late, awaiting_head) =
            std::mem::take(&mut self.recovery.awaiting_head).into_iter().partition(|(_, head)| *head <= log_head);
        self.recovery.awaiting_head = awaiting_head;
        for (conn, _) in late {
            log::warn!("event=let_in_behind_log room={} conn={conn:?} head={}", self.identity.id, self.head());
            self.enter(conn, ctx);
        }
    }

    /// Admits sockets for which the room has received enough by now.
    fn admit_caught_up(&mut self, ctx: &mut Context<Self>) {
        if self.recovery.awaiting_head.is_empty() {
            return;
        }
        let head = self.head();
        let (ready, awaiting_head) =
            std::mem::take(&mut self.recovery.awaiting_head).into_iter().partition(|(_, up_to)| *up_to <= head);
        self.recovery.awaiting_head = awaiting_head;
        for (conn, _) in ready {
            self.enter(conn, ctx);
        }
    }

    // ---- memory ----

    /// Runs a change that may affect the size of the history, within the memory that all rooms of the node share.
    fn remember<T>(&mut self, change: impl FnOnce(&mut RoomCore<ConnKey, Broadcast>) -> T) -> Option<T> {
        let core = self.core.as_mut()?;
        let of_all = self.node.history_bytes.load(Ordering::Relaxed);
        let free = limits::RECOVERY_BYTES_ALL_ROOMS_MAX.saturating_sub(of_all);
        core.limit_history(self.history_bytes.saturating_add(free));
        let done = change(core);
        let bytes = core.history_bytes();
        self.count_history(bytes);
        Some(done)
    }

    /// Updates the memory accounted for this room.
    pub(super) fn count_history(&mut self, bytes: usize) {
        let before = std::mem::replace(&mut self.history_bytes, bytes);
        if bytes >= before {
            self.node.history_bytes.fetch_add(bytes - before, Ordering::Relaxed);
        } else {
            self.node.history_bytes.fetch_sub(before - bytes, Ordering::Relaxed);
        }
    }

    // ---- sequence and gaps ----

    /// Delivers a stored event, and those that were held for it, in sequence.
    pub(super) fn publish(&mut self, broadcast: Arc<Broadcast>, ctx: &mut Context<Self>) {
        let Some(ready) = self.remember(|core| core.commit(broadcast)) else { return };
        for broadcast in &ready {
            self.kind.published(&broadcast.event);
            self.rewrite(broadcast);
            self.deliver(broadcast, ctx);
            self.with_kind(ctx, |kind, room| kind.delivered(&broadcast.event, room));
        }
        self.watch_gap(ctx);
        self.admit_caught_up(ctx);
    }

    /// Schedules a read from the log for a gap that does not close by itself.
    pub(super) fn watch_gap(&mut self, ctx: &mut Context<Self>) {
        let open = self.core.as_ref().is_some_and(|core| core.missing().is_some());
        if open && self.gap == Pending::No {
            self.gap = Pending::Yes;
            ctx.run_later(limits::GAP_WAIT, |room, ctx| {
                room.gap = Pending::No;
                room.close_gap(ctx);
            });
        }
    }

    /// Reads the missing events.
    fn close_gap(&mut self, ctx: &mut Context<Self>) {
        let Some(missing) = self.core.as_ref().and_then(|core| core.missing()) else { return };
        if self.gap == Pending::Yes {
            return; // a read is in progress or scheduled
        }
        self.node.metrics.gap_read();
        let (store, id) = (self.node.store.clone(), self.identity.id);
        let first = *missing.start();
        let count = (missing.end().0 - first.0 + 1).max(0) as usize;
        let read = async move { store.events_after(id, Seq(first.0 - 1), count.min(limits::GAP_EVENTS_MAX)).await };
        self.gap = Pending::Yes;
        ctx.spawn(read.into_actor(self).map(move |read, room, ctx| {
            room.gap = Pending::No;
            match read {
                Ok(stored) => room.fill(stored, missing, ctx),
                Err(error) => log::warn!("event=gap_not_read room={} why=\"{error}\"", room.identity.id),
            }
            room.watch_gap(ctx);
            room.admit_caught_up(ctx);
        }));
    }

    /// Delivers the events of a gap. If some of them no longer exist, the present members are evicted first, so that
    /// they resume and are told that they have missed something.
    fn fill(&mut self, stored: Vec<StoredEvent>, asked: RangeInclusive<Seq>, ctx: &mut Context<Self>) {
        let broadcasts = self.broadcasts(stored);
        let Some(GapClosed { lost, ready }) = self.remember(|core| core.close_gap(asked, broadcasts)) else { return };
        if let Some(lost) = lost {
            let (room, members) = (self.identity.id, self.core.as_ref().map_or(0, |core| core.sockets()));
            log::error!("event=gap_lost room={room} from={} to={} members_evicted={members}", lost.start(), lost.end());
            self.evict(ctx);
        }
        for broadcast in &ready {
            self.kind.published(&broadcast.event);
            self.rewrite(broadcast);
            self.deliver(broadcast, ctx);
            self.with_kind(ctx, |kind, room| kind.delivered(&broadcast.event, room));
        }
    }

    /// An edit or a deletion changes the message or comment in memory, as it has changed it in the log.
    fn rewrite(&mut self, broadcast: &Broadcast) {
        let EventBody::Durable { what: change, .. } = &broadcast.event.body else { return };
        if change.changes_others() {
            self.remember(|core| core.rewrite(|kept| kept.changed_by(change)));
        }
    }
}

/// The first event from which nothing is missing up to `up_to`; `None` if that one is missing.
fn unbroken_from(events: &[Arc<Broadcast>], up_to: Seq) -> Option<Seq> {
    let mut next = up_to.next();
    for event in events.iter().rev() {
        if event.seq().next() != next {
            break;
        }
        next = event.seq();
    }
    (next <= up_to).then_some(next)
}
