//! The keyed state of a space: an entry is set or deleted, if it is the one that the client expects. An entry is identified by
//! the seq of the event that has set it.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use super::Known;
use crate::{
    core::space::{StateChange, StateEntry},
    ids::Seq,
    limits,
    store::values::Id,
};

/// Why an entry is not changed.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum StateRefused {
    /// It is another one than was expected, or there is none.
    #[error("the entry is another one than was expected")]
    Stale(Option<Box<StateEntry>>),
    /// There is none to delete.
    #[error("there is no such entry")]
    Unchanged,
    /// The space has the maximum number of entries.
    #[error("the state of the space has too many entries")]
    TooMany,
}

/// An entry of a space's state.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct StateOf {
    pub room: Id,
    pub key: Arc<str>,
}

/// The states of some spaces.
#[derive(Default)]
pub struct KnownStates {
    /// The entries that are to be changed, if they exist.
    pub entries: HashMap<StateOf, StateEntry>,
    /// The number of all entries of each space.
    pub counts: HashMap<Id, usize>,
    changes: BTreeMap<StateOf, Option<StateEntry>>,
}

/// Changes an entry by the event of that seq. Returns the event as it is stored.
pub(super) fn change(known: &mut Known, room: Id, seq: Seq, change: &StateChange) -> Result<StateChange, StateRefused> {
    let states = &mut known.states;
    let of = StateOf { room, key: change.key.clone() };
    let current = states.entries.get(&of);
    let current_seq = current.map_or(Seq::default(), |entry| entry.seq);
    if change.if_seq.is_some_and(|expected| expected != current_seq) {
        return Err(StateRefused::Stale(current.cloned().map(Box::new)));
    }
    let count = states.counts.entry(room).or_default();
    let entry = StateEntry::after(seq, change);
    match (&entry, current) {
        (None, None) => return Err(StateRefused::Unchanged),
        (Some(_), None) if *count >= limits::STATE_KEYS_MAX => return Err(StateRefused::TooMany),
        (Some(_), None) => *count += 1,
        (None, Some(_)) => *count -= 1,
        (Some(_), Some(_)) => {}
    }
    match &entry {
        Some(entry) => drop(states.entries.insert(of.clone(), entry.clone())),
        None => drop(states.entries.remove(&of)),
    }
    states.changes.insert(of, entry);
    Ok(StateChange { if_seq: None, ..change.clone() })
}

/// The entries that change, in order.
pub(super) fn changed(known: &mut Known) -> Vec<(StateOf, Option<StateEntry>)> {
    std::mem::take(&mut known.states.changes).into_iter().collect()
}
