//! Puts a room's events in order: they may arrive early, late or twice, and go on exactly once, one after another. An
//! early one is held until the gap before it has closed.

use std::{collections::BTreeMap, ops::RangeInclusive, sync::Arc};

use crate::{core::history::Logged, ids::Seq, limits};

/// What has gone on, and what waits.
#[derive(Debug)]
pub struct Sequencer<E> {
    head: Seq,
    /// the newest event heard of; what lies between is missing or held
    heard: Seq,
    held: BTreeMap<Seq, Arc<E>>,
}

impl<E: Logged> Sequencer<E> {
    /// Everything up to `head` has gone on.
    pub fn new(head: Seq) -> Sequencer<E> {
        Sequencer { head, heard: head, held: BTreeMap::new() }
    }

    /// The last event that has gone on.
    pub fn head(&self) -> Seq {
        self.head
    }

    /// Takes an event; answers what can go on now.
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

    /// Gives up on everything up to and including `seq`; answers what can go on now.
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

    /// There is an event of that place.
    pub fn heard_of(&mut self, seq: Seq) {
        self.heard = self.heard.max(seq);
    }

    /// The first run of events that is known to exist and is not here.
    pub fn missing(&self) -> Option<RangeInclusive<Seq>> {
        let last = match self.held.first_key_value() {
            Some((seq, _)) => Seq(seq.0 - 1),
            None => self.heard,
        };
        (last > self.head).then(|| self.head.next()..=last)
    }

    /// Events that wait behind a gap.
    pub fn held(&self) -> usize {
        self.held.len()
    }

    /// Keeps the earliest; the others are missing again when their turn comes, and are read from the database.
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
