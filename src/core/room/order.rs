//! Puts the events of a room in order. Events may arrive early, late or repeatedly; they are released exactly once, in
//! sequence. An early event is held until the gap before it has closed.

use std::{collections::BTreeMap, ops::RangeInclusive, sync::Arc};

use crate::{core::history::Logged, ids::Seq, limits};

/// Position in the sequence, and the events held after a gap.
#[derive(Debug)]
pub struct Sequencer<E> {
    head: Seq,
    /// the newest event known to exist; events before it are missing or held
    heard: Seq,
    held: BTreeMap<Seq, Arc<E>>,
}

impl<E: Logged> Sequencer<E> {
    /// Everything up to `head` has been released.
    pub fn new(head: Seq) -> Sequencer<E> {
        Sequencer { head, heard: head, held: BTreeMap::new() }
    }

    /// The last event released.
    pub fn head(&self) -> Seq {
        self.head
    }

    /// Accepts an event and returns the events released by it.
    pub fn accept(&mut self, event: Arc<E>) -> Vec<Arc<E>> {
        let seq = event.seq();
        if seq <= self.head {
            return Vec::new();
        }
        self.heard = self.heard.max(seq);
        if seq != self.head.next() {
            self.hold(seq, event);
            return Vec::new();
        }
        self.head = seq;
        let mut ready = vec![event];
        self.drain_into(&mut ready);
        ready
    }

    /// Gives up everything up to and including `seq` and returns the events released by that.
    pub fn skip_to(&mut self, seq: Seq) -> Vec<Arc<E>> {
        let mut ready = Vec::new();
        if seq <= self.head {
            return ready;
        }
        self.head = seq;
        self.heard = self.heard.max(seq);
        self.held = self.held.split_off(&seq.next());
        self.drain_into(&mut ready);
        ready
    }

    /// An event with this sequence number is known to exist.
    pub fn note_head(&mut self, seq: Seq) {
        self.heard = self.heard.max(seq);
    }

    /// The first range of events that are known to exist and have not arrived.
    pub fn missing(&self) -> Option<RangeInclusive<Seq>> {
        let last = match self.held.first_key_value() {
            Some((seq, _)) => Seq(seq.0 - 1),
            None => self.heard,
        };
        (last > self.head).then(|| self.head.next()..=last)
    }

    /// The number of events held after a gap.
    #[cfg(test)]
    pub fn held(&self) -> usize {
        self.held.len()
    }

    /// Holds an event. If there are too many, the newest is dropped; it will be missing again later and is then read
    /// from the database.
    fn hold(&mut self, seq: Seq, event: Arc<E>) {
        self.held.insert(seq, event);
        if self.held.len() > limits::GAP_EVENTS_MAX {
            self.held.pop_last();
        }
    }

    fn drain_into(&mut self, ready: &mut Vec<Arc<E>>) {
        while let Some(entry) = self.held.first_entry()
            && *entry.key() == self.head.next()
        {
            self.head = *entry.key();
            ready.push(entry.remove());
        }
    }
}
