//! The last events of a room, in memory: a row of consecutive sequence numbers, bounded in count and in bytes. What
//! is older is read from the database.

use std::{collections::VecDeque, sync::Arc};

use crate::{
    core::event::{Event, EventBody},
    ids::Seq,
};

/// Something with a place in a room's log.
pub trait Logged {
    /// Its place, from 1.
    fn seq(&self) -> Seq;
    /// Bytes that keeping it costs, near enough.
    fn size_bytes(&self) -> usize;
}

impl Logged for Event {
    /// Zero for an ephemeral event, which every room takes for one that it has had.
    fn seq(&self) -> Seq {
        match &self.body {
            EventBody::Durable { seq, .. } => *seq,
            EventBody::Ephemeral(_) => Seq(0),
        }
    }

    fn size_bytes(&self) -> usize {
        let text = match &self.body {
            EventBody::Durable { what, .. } => what.size_bytes(),
            EventBody::Ephemeral(_) => 0,
        };
        size_of::<Event>() + text
    }
}

/// How much is kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct HistoryBounds {
    /// Events that a client can recover at all, from memory or from the database.
    pub events_max: usize,
    /// Bytes of them in memory.
    pub bytes_max: usize,
}

/// The events in memory.
#[derive(Debug)]
pub struct History<E> {
    events: VecDeque<Arc<E>>,
    bytes: usize,
    bounds: HistoryBounds,
    /// At most the bound: there may be less room for the moment.
    bytes_max: usize,
}

impl<E: Logged> History<E> {
    /// Nothing yet.
    pub fn new(bounds: HistoryBounds) -> History<E> {
        History { events: VecDeque::new(), bytes: 0, bounds, bytes_max: bounds.bytes_max }
    }

    /// Adds the newest event. One that does not follow the last begins the row anew.
    pub fn push(&mut self, event: Arc<E>) {
        if self.events.back().is_some_and(|last| last.seq().next() != event.seq()) {
            self.clear();
        }
        self.bytes += event.size_bytes();
        self.events.push_back(event);
        self.trim();
    }

    /// There is room for no more than so many bytes for the moment. The bound holds as well.
    pub fn limit(&mut self, bytes_max: usize) {
        self.bytes_max = bytes_max.min(self.bounds.bytes_max);
        self.trim();
    }

    fn trim(&mut self) {
        while self.events.len() > self.bounds.events_max || self.bytes > self.bytes_max {
            let Some(oldest) = self.events.pop_front() else { break };
            self.bytes -= oldest.size_bytes();
        }
    }

    /// The oldest event in memory.
    pub fn first(&self) -> Option<Seq> {
        self.events.front().map(|event| event.seq())
    }

    /// Adds what lies right before `before`, newest first, while there is room. `events` is in order; what does not
    /// end there is not taken.
    pub fn extend_back(&mut self, events: &[Arc<E>], before: Seq) {
        let mut next = before;
        for event in events.iter().rev().skip_while(|event| event.seq() >= before) {
            let size = event.size_bytes();
            let full = self.events.len() >= self.bounds.events_max || self.bytes + size > self.bytes_max;
            if full || event.seq().next() != next {
                return;
            }
            next = event.seq();
            self.bytes += size;
            self.events.push_front(event.clone());
        }
    }

    /// Everything after `seq`, in order; none if memory does not reach back so far. The caller knows that `seq` is
    /// before the newest event.
    pub fn after(&self, seq: Seq) -> Option<Vec<Arc<E>>> {
        let first = self.events.front()?.seq();
        let skip = usize::try_from(seq.next().0.checked_sub(first.0)?).ok()?;
        Some(self.events.iter().skip(skip).cloned().collect())
    }

    /// What is in memory, in order.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<E>> {
        self.events.iter()
    }

    /// Forgets everything.
    pub fn clear(&mut self) {
        self.events = VecDeque::new();
        self.bytes = 0;
    }

    /// How much is kept.
    pub fn bounds(&self) -> HistoryBounds {
        self.bounds
    }

    /// Events in memory.
    pub fn len(&self) -> usize {
        self.events.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    /// Bytes in memory.
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

#[cfg(test)]
mod tests;
