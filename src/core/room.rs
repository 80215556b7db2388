//! A room's state: who is in it, the order of its events, and the last of them for whoever comes back.
//!
//! The room never invents a number: the log gives every durable event its place, and the room only delivers in that
//! order, each event once. It does no I/O: what memory does not have it names, and its owner reads it.

use std::{hash::Hash, ops::RangeInclusive, sync::Arc};

use crate::{
    core::{
        event::RoomIdentity,
        history::{History, HistoryBounds, Logged},
        profile::Author,
    },
    ids::{Epoch, Seq, Timestamp, UserId},
};

mod members;
mod order;

use members::Members;
pub use members::{Already, FirstSocket, JoinOutcome, LastSocket, LeaveOutcome};
use order::Sequencer;

/// What a client that comes back has missed (docs/protocol.md, Recovery).
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Replay<E> {
    /// It did not ask: a fresh join.
    None,
    /// These, in order; none if it is up to date.
    FromMemory(Vec<Arc<E>>),
    /// What memory no longer has. After reading it, ask again with `up_to`, for what came meanwhile. Where the log
    /// has not all of it any more, it is [`Replay::Incomplete`] after all.
    FromStore {
        /// The last event that the client has.
        after: Seq,
        /// The last one to read.
        up_to: Seq,
    },
    /// It can't be told: another epoch, a number from the future, or too far back. It gets `complete: false`.
    Incomplete,
}

/// One room. `K` names one life of one socket; `E` is an event of the log.
#[derive(Debug)]
pub struct RoomCore<K, E> {
    identity: Arc<RoomIdentity>,
    epoch: Epoch,
    members: Members<K>,
    order: Sequencer<E>,
    history: History<E>,
}

impl<K: Copy + Eq + Hash, E: Logged> RoomCore<K, E> {
    /// An empty room whose log has come to `head`.
    pub fn new(identity: Arc<RoomIdentity>, head: Seq, epoch: Epoch, bounds: HistoryBounds) -> RoomCore<K, E> {
        RoomCore {
            identity,
            epoch,
            members: Members::default(),
            order: Sequencer::new(head),
            history: History::new(bounds),
        }
    }

    /// Which room it is.
    pub fn identity(&self) -> &Arc<RoomIdentity> {
        &self.identity
    }

    /// The last event delivered.
    pub fn head(&self) -> Seq {
        self.order.head()
    }

    /// The life of the sequence.
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    // ---- members ----

    /// Lets a socket in. A socket belongs to one user for life: a second join of it changes nothing.
    pub fn join(&mut self, socket: K, user: &Author) -> JoinOutcome {
        self.members.join(socket, user)
    }

    /// Lets a socket go; none if it was not there.
    pub fn leave(&mut self, socket: K) -> Option<LeaveOutcome> {
        self.members.leave(socket)
    }

    /// The user's sockets here.
    pub fn sockets_of(&self, user: &UserId) -> &[K] {
        self.members.sockets_of(user)
    }

    /// Whose socket it is, if it is here.
    pub fn user_of(&self, socket: K) -> Option<&Author> {
        self.members.user_of(socket)
    }

    /// Whether the user has a socket here.
    pub fn is_present(&self, user: &UserId) -> bool {
        self.members.is_present(user)
    }

    /// The users, each once, under the name of the latest join, in no order.
    pub fn online(&self) -> impl Iterator<Item = &Author> {
        self.members.online()
    }

    /// How many users are here.
    pub fn users(&self) -> usize {
        self.members.users()
    }

    /// How many sockets are here.
    pub fn sockets(&self) -> usize {
        self.members.sockets()
    }

    /// Whether nobody is here.
    pub fn is_empty(&self) -> bool {
        self.members.sockets() == 0
    }

    // ---- events ----

    /// Takes an event of the log, in whatever order and however often it comes. Answers what is to be delivered now.
    pub fn commit(&mut self, event: Arc<E>) -> Vec<Arc<E>> {
        let ready = self.order.accept(event);
        self.remember(&ready);
        ready
    }

    /// Takes what was read from the log for a gap. Answers what is to be delivered now.
    pub fn fill(&mut self, events: impl IntoIterator<Item = Arc<E>>) -> Vec<Arc<E>> {
        events.into_iter().flat_map(|event| self.commit(event)).collect()
    }

    /// Gives up on everything up to and including `seq`, which the log no longer has: the members missed it.
    /// Answers what is to be delivered now.
    pub fn skip_to(&mut self, seq: Seq) -> Vec<Arc<E>> {
        if seq > self.order.head() {
            self.history.clear();
        }
        let ready = self.order.skip_to(seq);
        self.remember(&ready);
        ready
    }

    /// The first run of events that is known to exist and has not come.
    pub fn missing(&self) -> Option<RangeInclusive<Seq>> {
        self.order.missing()
    }

    /// Since when there has been a gap: since the first question about it, so it is asked after each `commit` that
    /// delivered nothing.
    pub fn gap_since(&mut self, now: Timestamp) -> Option<Timestamp> {
        self.order.gap_since(now)
    }

    /// What is missing, once the gap has been open for [`crate::limits::GAP_WAIT`]: time to read it from the log.
    pub fn overdue(&mut self, now: Timestamp) -> Option<RangeInclusive<Seq>> {
        self.order.overdue(now)
    }

    /// Events that wait behind a gap.
    pub fn held(&self) -> usize {
        self.order.held()
    }

    /// What a client has missed that last had event `since` of that epoch. All of it has been delivered to the
    /// members; what is delivered afterwards reaches the newcomer live.
    pub fn replay(&self, since: Option<(Seq, Epoch)>) -> Replay<E> {
        let Some((since, epoch)) = since else { return Replay::None };
        let head = self.order.head();
        if epoch != self.epoch || since < Seq(0) || since > head {
            return Replay::Incomplete;
        }
        let missed = head.0.abs_diff(since.0);
        if missed == 0 {
            return Replay::FromMemory(Vec::new());
        }
        if missed > self.history.bounds().events_max as u64 {
            return Replay::Incomplete;
        }
        match self.history.after(since) {
            Some(events) => Replay::FromMemory(events),
            None => Replay::FromStore { after: since, up_to: head },
        }
    }

    fn remember(&mut self, events: &[Arc<E>]) {
        for event in events {
            self.history.push(event.clone());
        }
    }
}

#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;
