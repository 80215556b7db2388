//! The keyed state of a space: what clients keep about the things in it, such as doors, boards and seats. Changes are stored
//! events, so all rooms of a space apply them in the same order; two changes of one entry are decided where they are stored.
//! An entry may end by itself after a time, and with the socket that has set it. Every room of the space looks for entries
//! that have ended and asks for the event of the end under the sequence number of the entry, so that only the first of these
//! is stored.

use std::{collections::BTreeMap, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::{
    core::{command::RawJson, profile::Author},
    ids::{Seq, SocketId, Timestamp},
};

/// What a client asks of an entry.
#[derive(Clone, PartialEq, Debug)]
pub struct StateSet {
    /// The clients' name for the entry.
    pub key: Arc<str>,
    /// The value, within limits; `None` deletes the entry.
    pub value: Option<RawJson>,
    /// The sequence number that the entry must have; 0: it must not exist. `None`: whatever it is.
    pub if_seq: Option<Seq>,
    /// After how many milliseconds it ends by itself.
    pub ttl_ms: Option<i64>,
    /// Whether it ends with the socket that sets it.
    pub life: StateLife,
}

/// Whether an entry ends with the socket that has set it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum StateLife {
    /// It stays.
    #[default]
    Stays,
    /// It ends when the socket has left the space.
    EndsWithSocket,
}

/// Why an entry has changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StateCause {
    /// A user has set or deleted it.
    #[default]
    Set,
    /// Its time has passed.
    Expired,
    /// The socket that had set it has left.
    SocketLeft,
}

impl StateCause {
    /// Whether a user has caused it.
    pub fn is_set(&self) -> bool {
        *self == StateCause::Set
    }
}

/// A stored change of an entry. The serde form is that of the log: fields may be added but not renamed.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct StateChange {
    /// The user who changes it, or whose entry has ended.
    pub by: Author,
    /// The clients' name for the entry.
    pub key: Arc<str>,
    /// The value; `None`: there is no such entry any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<RawJson>,
    /// Why.
    #[serde(default, skip_serializing_if = "StateCause::is_set")]
    pub cause: StateCause,
    /// Until it is stored: the sequence number that the entry must have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub if_seq: Option<Seq>,
    /// When the entry ends by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// The socket with which it ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holder: Option<SocketId>,
}

/// An entry.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StateEntry {
    /// The clients' name for it.
    pub key: Arc<str>,
    /// The value.
    pub value: RawJson,
    /// The sequence number of the event that has set it.
    pub seq: Seq,
    /// The user who has set it.
    pub by: Author,
    /// When it ends by itself.
    pub expires_at: Option<Timestamp>,
    /// The socket with which it ends.
    pub holder: Option<SocketId>,
}

impl StateEntry {
    /// The entry after a change; `None` if it is deleted.
    pub fn after(seq: Seq, change: &StateChange) -> Option<StateEntry> {
        let StateChange { by, key, value, cause: _, if_seq: _, expires_at, holder } = change;
        let (key, by, value) = (key.clone(), by.clone(), value.clone()?);
        Some(StateEntry { key, value, seq, by, expires_at: *expires_at, holder: *holder })
    }

    fn has_expired(&self, now: Timestamp) -> bool {
        self.expires_at.is_some_and(|at| at <= now)
    }

    /// The event of its end.
    fn end(&self, cause: StateCause) -> StateChange {
        let (by, key) = (self.by.clone(), self.key.clone());
        StateChange { by, key, value: None, cause, if_seq: Some(self.seq), expires_at: None, holder: None }
    }
}

/// What is known about the socket with which an entry ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Holder {
    /// It is in the space.
    Here,
    /// It has left.
    Gone,
    /// Its node has not been heard of; that may only be late.
    Unknown,
}

/// An entry, and what is known about its end.
#[derive(Debug)]
struct Kept {
    entry: StateEntry,
    /// Since when the holder is unknown.
    unknown_since: Option<Timestamp>,
    /// The event of its end is being stored.
    is_ending: bool,
}

/// The state of one space.
#[derive(Debug, Default)]
pub struct SpaceState {
    entries: BTreeMap<Arc<str>, Kept>,
}

impl SpaceState {
    /// The state as it was read from the database.
    pub fn new(entries: Vec<StateEntry>) -> SpaceState {
        let mut state = SpaceState::default();
        entries.into_iter().for_each(|entry| state.put(entry));
        state
    }

    fn put(&mut self, entry: StateEntry) {
        let key = entry.key.clone();
        self.entries.insert(key, Kept { entry, unknown_since: None, is_ending: false });
    }

    /// Applies a stored change. The state may have been read after the event was stored, so it may be older than the entry.
    pub fn apply(&mut self, seq: Seq, change: &StateChange) {
        if self.entries.get(&change.key).is_some_and(|kept| kept.entry.seq >= seq) {
            return;
        }
        match StateEntry::after(seq, change) {
            Some(entry) => self.put(entry),
            None => drop(self.entries.remove(&change.key)),
        }
    }

    /// The entries that a newcomer is sent: all that have not ended.
    pub fn listed<'a>(
        &'a self,
        now: Timestamp,
        holder: impl Fn(SocketId) -> Holder + 'a,
    ) -> impl Iterator<Item = &'a StateEntry> {
        let is_gone = move |entry: &StateEntry| entry.holder.is_some_and(|socket| holder(socket) == Holder::Gone);
        let entries = self.entries.values().map(|kept| &kept.entry);
        entries.filter(move |entry| !entry.has_expired(now) && !is_gone(entry))
    }

    /// Takes the ends of entries that are due, each once until [`SpaceState::not_ended`].
    pub fn take_ends(
        &mut self,
        now: Timestamp,
        patience_ms: i64,
        holder: impl Fn(SocketId) -> Holder,
    ) -> Vec<StateChange> {
        let mut ends = Vec::new();
        for kept in self.entries.values_mut().filter(|kept| !kept.is_ending) {
            let is_gone = match kept.entry.holder.map(&holder) {
                None | Some(Holder::Here) => {
                    kept.unknown_since = None;
                    false
                }
                Some(Holder::Gone) => true,
                Some(Holder::Unknown) => {
                    let since = *kept.unknown_since.get_or_insert(now);
                    now.unix_ms >= since.unix_ms + patience_ms
                }
            };
            let cause = match (is_gone, kept.entry.has_expired(now)) {
                (true, _) => StateCause::SocketLeft,
                (false, true) => StateCause::Expired,
                (false, false) => continue,
            };
            kept.is_ending = true;
            ends.push(kept.entry.end(cause));
        }
        ends
    }

    /// The end of this entry was not stored; it is due again.
    pub fn not_ended(&mut self, key: &str) {
        if let Some(kept) = self.entries.get_mut(key) {
            kept.is_ending = false;
        }
    }

    /// Whether any entry ends by itself, or with a socket.
    pub fn has_ends(&self) -> bool {
        self.entries.values().any(|kept| kept.entry.expires_at.is_some() || kept.entry.holder.is_some())
    }

    /// When the next entry ends by itself.
    pub fn next_expiry(&self) -> Option<Timestamp> {
        self.entries.values().filter(|kept| !kept.is_ending).filter_map(|kept| kept.entry.expires_at).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{ConnKey, NodeId, UserId};

    const WAIT_MS: i64 = 5_000;

    fn at(unix_ms: i64) -> Timestamp {
        Timestamp { unix_ms }
    }

    fn socket(node: u64) -> SocketId {
        SocketId { node: NodeId(node), conn: ConnKey { worker: 0, generation: 1 } }
    }

    fn change(key: &str, value: Option<&str>) -> StateChange {
        StateChange {
            by: Author::new(UserId::new("ada").unwrap(), "ada"),
            key: key.into(),
            value: value.map(RawJson::from_parsed),
            cause: StateCause::Set,
            if_seq: None,
            expires_at: None,
            holder: None,
        }
    }

    fn listed(state: &SpaceState, now: i64) -> Vec<(String, i64)> {
        let entries = state.listed(at(now), |_| Holder::Here);
        entries.map(|entry| (entry.key.to_string(), entry.seq.0)).collect()
    }

    #[test]
    fn changes_apply_once_and_in_the_order_of_the_log() {
        let mut state = SpaceState::new(vec![StateEntry::after(Seq(5), &change("door", Some("1"))).unwrap()]);
        // an event that is already in what was read
        state.apply(Seq(4), &change("door", None));
        state.apply(Seq(6), &change("seat", Some("2")));
        assert_eq!(listed(&state, 0), [("door".into(), 5), ("seat".into(), 6)]);
        state.apply(Seq(7), &change("door", None));
        assert_eq!(listed(&state, 0), [("seat".into(), 6)]);
        assert!(!state.has_ends());
    }

    #[test]
    fn an_entry_ends_when_its_time_has_passed_and_is_asked_for_once() {
        let mut state = SpaceState::default();
        state.apply(Seq(1), &StateChange { expires_at: Some(at(100)), ..change("door", Some("1")) });
        assert_eq!((state.next_expiry(), listed(&state, 99).len(), listed(&state, 100).len()), (Some(at(100)), 1, 0));
        let mut take = |now| state.take_ends(at(now), WAIT_MS, |_| Holder::Here);
        assert!(take(99).is_empty());
        let ends = take(100);
        assert_eq!((ends.len(), ends[0].cause, ends[0].if_seq), (1, StateCause::Expired, Some(Seq(1))));
        assert!(take(101).is_empty());
        state.not_ended("door");
        assert_eq!(state.take_ends(at(102), WAIT_MS, |_| Holder::Here).len(), 1);
        // set again meanwhile, for ever
        state.apply(Seq(2), &change("door", Some("2")));
        state.not_ended("door");
        assert!(state.take_ends(at(999), WAIT_MS, |_| Holder::Here).is_empty());
    }

    #[test]
    fn an_entry_ends_with_its_socket_at_once_and_with_an_unknown_node_after_a_while() {
        let mut state = SpaceState::default();
        state.apply(Seq(1), &StateChange { holder: Some(socket(1)), ..change("seat", Some("1")) });
        state.apply(Seq(2), &StateChange { holder: Some(socket(2)), ..change("stool", Some("1")) });
        assert_eq!(state.listed(at(0), |_| Holder::Gone).count(), 0);
        assert_eq!(state.listed(at(0), |_| Holder::Unknown).count(), 2);
        let known = |socket: SocketId| if socket.node == NodeId(1) { Holder::Gone } else { Holder::Unknown };
        let ends = state.take_ends(at(0), WAIT_MS, known);
        assert_eq!((ends.len(), &*ends[0].key, ends[0].cause), (1, "seat", StateCause::SocketLeft));
        assert!(state.take_ends(at(4_999), WAIT_MS, known).is_empty());
        // its node is known after all
        assert!(state.take_ends(at(5_000), WAIT_MS, |_| Holder::Here).is_empty());
        assert!(state.take_ends(at(5_001), WAIT_MS, known).is_empty());
        assert_eq!(state.take_ends(at(10_001), WAIT_MS, known).len(), 1);
    }
}
