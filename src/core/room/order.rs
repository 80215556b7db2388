//! Puts a room's events in order: they may arrive early, late or twice, and go on exactly once, one after another. An
//! early one is held until the gap before it has closed.

use std::{collections::BTreeMap, ops::RangeInclusive, sync::Arc};

use crate::{
    core::history::Logged,
    ids::{Seq, Timestamp},
    limits,
};

/// What has gone on, and what waits.
#[derive(Debug)]
pub struct Sequencer<E> {
    head: Seq,
    /// the newest event heard of; what lies between is missing or held
    heard: Seq,
    held: BTreeMap<Seq, Arc<E>>,
    /// the gap last asked about, by its first event, and since when
    gap: Option<(Seq, Timestamp)>,
}

impl<E: Logged> Sequencer<E> {
    /// Everything up to `head` has gone on.
    pub fn new(head: Seq) -> Sequencer<E> {
        Sequencer { head, heard: head, held: BTreeMap::new(), gap: None }
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

    /// Since when the present gap has been open: since the first question about it. So it is asked after every
    /// event that brought nothing to go on.
    pub fn gap_since(&mut self, now: Timestamp) -> Option<Timestamp> {
        let first = *self.missing()?.start();
        let since = match self.gap {
            Some((known, since)) if known == first => since.min(now),
            Some(_) | None => now,
        };
        self.gap = Some((first, since));
        Some(since)
    }

    /// The missing events, once the gap has been open for [`limits::GAP_WAIT`].
    pub fn overdue(&mut self, now: Timestamp) -> Option<RangeInclusive<Seq>> {
        let since = self.gap_since(now)?;
        let due = since.plus_ms(limits::GAP_WAIT.as_millis() as i64);
        if now < due { None } else { self.missing() }
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
