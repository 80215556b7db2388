//! The latest events of a room in memory: consecutive sequence numbers, bounded in count and in bytes. Older events are
//! read from the database. The sequence must never have a gap.

use std::{collections::VecDeque, sync::Arc};

use crate::{
    core::event::{Event, EventBody},
    ids::Seq,
};

/// An entry of a room's log.
pub trait Logged {
    /// Its sequence number, from 1.
    fn seq(&self) -> Seq;
    /// The approximate number of bytes that it occupies in memory.
    fn size_bytes(&self) -> usize;
}

impl Logged for Event {
    /// Zero for an ephemeral event, which counts as already delivered in every room.
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
    /// Events that a client can recover at all, from memory or the database.
    pub events_max: usize,
    /// Bytes of events in memory.
    pub bytes_max: usize,
}

/// The events in memory.
#[derive(Debug)]
pub struct History<E> {
    events: VecDeque<Arc<E>>,
    bytes: usize,
    bounds: HistoryBounds,
    /// The current limit, which may be below the bound.
    bytes_max: usize,
}

impl<E: Logged> History<E> {
    /// An empty history.
    pub fn new(bounds: HistoryBounds) -> History<E> {
        History { events: VecDeque::new(), bytes: 0, bounds, bytes_max: bounds.bytes_max }
    }

    /// Appends the newest event. If it does not follow the last one, the history is cleared first.
    pub fn push(&mut self, event: Arc<E>) {
        if self.events.back().is_some_and(|last| last.seq().next() != event.seq()) {
            self.clear();
        }
        self.bytes += event.size_bytes();
        self.events.push_back(event);
        self.trim();
    }

    /// Sets a temporary limit on bytes. The bound still applies.
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

    /// The sequence number of the oldest event in memory.
    pub fn first(&self) -> Option<Seq> {
        self.events.front().map(|event| event.seq())
    }

    /// Prepends the events right before `before`, newest first, while there is room. `events` must be in order; events
    /// that do not connect to `before` are ignored.
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

    /// Replaces the events in memory for which `change` has a replacement.
    pub fn rewrite(&mut self, change: impl Fn(&E) -> Option<Arc<E>>) {
        for event in &mut self.events {
            if let Some(changed) = change(event) {
                self.bytes -= event.size_bytes();
                self.bytes += changed.size_bytes();
                *event = changed;
            }
        }
        self.trim();
    }

    /// All events after `seq`, in order; `None` if the history does not reach back that far. `seq` must be before the
    /// newest event.
    pub fn after(&self, seq: Seq) -> Option<Vec<Arc<E>>> {
        let first = self.events.front()?.seq();
        let skip = usize::try_from(seq.next().0.checked_sub(first.0)?).ok()?;
        Some(self.events.iter().skip(skip).cloned().collect())
    }

    /// The events in memory, in order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Arc<E>> {
        self.events.iter()
    }

    /// Removes all events.
    pub fn clear(&mut self) {
        self.events = VecDeque::new();
        self.bytes = 0;
    }

    /// The bounds.
    pub fn bounds(&self) -> HistoryBounds {
        self.bounds
    }

    /// The number of events in memory.
    pub fn len(&self) -> usize {
        self.events.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    /// The number of bytes in memory.
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

#[cfg(test)]
mod tests;
