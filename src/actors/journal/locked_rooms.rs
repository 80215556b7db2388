//! The entries of rooms that another session has locked in the database, in order per room. They are retried separately
//! from the lane's other entries until they are stored or have waited too long. No I/O.

use std::{
    collections::VecDeque,
    time::{Duration, Instant},
};

use rustc_hash::FxHashMap;

use super::lane::Queued;
use crate::{ids::RoomId, limits};

/// The held rooms, in the order in which they take turns.
#[derive(Default)]
pub(super) struct Held {
    turns: VecDeque<RoomId>,
    rooms: FxHashMap<RoomId, VecDeque<Queued>>,
}

impl Held {
    /// Whether no room is held.
    pub fn is_empty(&self) -> bool {
        self.rooms.is_empty()
    }

    /// Whether the room is held, so that its later entries must be held as well.
    pub fn holds(&self, room: RoomId) -> bool {
        self.rooms.contains_key(&room)
    }

    /// Appends an entry to those of its room.
    pub fn push_back(&mut self, queued: Queued) {
        self.room(queued.entry.append.room).push_back(queued);
    }

    /// Puts the entries of an attempt back in front of those that were added meanwhile. They are in order; those of
    /// several rooms may be mixed.
    pub fn put_back(&mut self, entries: Vec<Queued>) {
        for queued in entries.into_iter().rev() {
            self.room(queued.entry.append.room).push_front(queued);
        }
    }

    /// Removes the entries that have waited too long; the oldest of each room first.
    pub fn take_overdue(&mut self, patience: Duration) -> Vec<Queued> {
        let mut overdue = Vec::new();
        let now = Instant::now();
        for entries in self.rooms.values_mut() {
            while let Some(queued) = entries.pop_front_if(|queued| now.duration_since(queued.since) >= patience) {
                overdue.push(queued);
            }
        }
        overdue
    }

    /// Takes entries for an attempt, up to a bound: first those of the room whose turn it is, for which the attempt
    /// waits, then those of other rooms. Every room stays held until [`Held::free`].
    pub fn next_group(&mut self) -> Vec<Queued> {
        let mut group = Vec::new();
        for room in &self.turns {
            let Some(entries) = self.rooms.get_mut(room) else { continue };
            let left = limits::HELD_APPENDS_MAX.saturating_sub(group.len());
            group.extend(entries.drain(..entries.len().min(left)));
        }
        self.turns.rotate_left(self.turns.len().min(1));
        group
    }

    /// Releases rooms; none of them may have an entry in flight. Returns their remaining entries, in order.
    pub fn free(&mut self, is_free: impl Fn(RoomId) -> bool) -> Vec<Queued> {
        let mut freed = Vec::new();
        for (_, entries) in self.rooms.extract_if(|room, entries| entries.is_empty() || is_free(*room)) {
            freed.extend(entries);
        }
        self.turns.retain(|room| self.rooms.contains_key(room));
        freed
    }

    fn room(&mut self, room: RoomId) -> &mut VecDeque<Queued> {
        self.rooms.entry(room).or_insert_with(|| {
            self.turns.push_back(room);
            VecDeque::new()
        })
    }
}
