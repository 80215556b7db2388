//! The roster of one other node: applies its diffs in the order of their versions and assembles the complete roster
//! from its parts.

use std::collections::BTreeMap;

use super::{RosterChange, SocketEntry};
use crate::{
    core::presence::UserStatus,
    ids::{NodeId, UserId},
    limits::{ROSTER_EARLY_DIFFS_MAX, ROSTER_PIECES_MAX},
};

/// A diff without its version.
#[derive(Clone, Debug)]
pub(super) struct Diff {
    pub opened: Vec<SocketEntry>,
    pub closed: Vec<SocketEntry>,
    pub statuses: Vec<(UserId, UserStatus)>,
}

/// Sockets and statuses.
type Piece = (Vec<SocketEntry>, Vec<(UserId, UserStatus)>);

/// A complete roster of which some parts have not arrived yet.
#[derive(Debug)]
struct Assembly {
    version: u64,
    pieces: u32,
    got: BTreeMap<u32, Piece>,
}

/// Whether the complete roster was requested since the last tick.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum Asked {
    #[default]
    No,
    Lately,
}

type Key = (u16, u32);

/// The state known of one node.
#[derive(Debug, Default)]
pub(super) struct Part {
    /// `None` until the complete roster has been received.
    version: Option<u64>,
    sockets: BTreeMap<Key, SocketEntry>,
    /// The number of sockets per user, needed when one closes.
    per_user: BTreeMap<UserId, u32>,
    statuses: BTreeMap<UserId, UserStatus>,
    /// Diffs after a gap.
    early: BTreeMap<u64, Diff>,
    assembly: Option<Assembly>,
    asked: Asked,
}

fn key(entry: &SocketEntry) -> Key {
    (entry.worker, entry.generation)
}

impl Part {
    pub fn tick(&mut self) {
        self.asked = Asked::No;
    }

    /// Whether to request the complete roster now: at most once per tick.
    pub fn want(&mut self) -> bool {
        std::mem::replace(&mut self.asked, Asked::Lately) == Asked::No
    }

    /// Versions only grow; an older one belongs to a late message.
    pub fn is_behind(&self, version: u64) -> bool {
        self.version.is_none_or(|known| known < version)
    }

    pub fn has_gap(&self) -> bool {
        self.version.is_none() || !self.early.is_empty()
    }

    /// Adds a socket. Returns false if it was known.
    fn open(&mut self, entry: SocketEntry) -> bool {
        *self.per_user.entry(entry.user.clone()).or_default() += 1;
        let known = self.sockets.insert(key(&entry), entry);
        if let Some(known) = &known {
            self.count_down(&known.user);
        }
        known.is_none()
    }

    /// Removes a socket. Returns `None` if it is not known.
    fn close(&mut self, key: Key) -> Option<SocketEntry> {
        let entry = self.sockets.remove(&key)?;
        self.count_down(&entry.user);
        Some(entry)
    }

    fn count_down(&mut self, user: &UserId) {
        if let Some(count) = self.per_user.get_mut(user) {
            *count -= 1;
            if *count == 0 {
                self.per_user.remove(user);
            }
        }
    }

    #[cfg(test)]
    pub fn status_of(&self, user: &UserId) -> Option<UserStatus> {
        self.statuses.get(user).cloned()
    }

    /// The number of sockets; `None` until the complete roster has been received.
    pub fn sockets(&self) -> Option<usize> {
        self.version.map(|_| self.sockets.len())
    }

    pub fn into_sockets(self) -> impl Iterator<Item = SocketEntry> {
        self.sockets.into_values()
    }

    /// Stores a diff for [`Part::settle`]. If too many are stored after a gap, the oldest is dropped; the complete
    /// roster replaces it.
    pub fn diff(&mut self, version: u64, diff: Diff) {
        if !self.is_behind(version) {
            return;
        }
        self.early.insert(version, diff);
        if self.early.len() > ROSTER_EARLY_DIFFS_MAX {
            self.early.pop_first();
        }
    }

    /// Stores a part for [`Part::settle`].
    pub fn piece(
        &mut self,
        version: u64,
        (piece, pieces): (u32, u32),
        sockets: Vec<SocketEntry>,
        statuses: Vec<(UserId, UserStatus)>,
    ) {
        if !self.is_behind(version) || piece >= pieces || pieces > ROSTER_PIECES_MAX {
            return;
        }
        let newer = self.assembly.as_ref().is_none_or(|assembly| assembly.version < version);
        if newer {
            self.assembly = Some(Assembly { version, pieces, got: BTreeMap::new() });
        }
        if let Some(assembly) = self.assembly.as_mut().filter(|a| a.version == version && a.pieces == pieces) {
            assembly.got.insert(piece, (sockets, statuses));
        }
    }

    /// Applies everything that has no gap before it.
    pub fn settle(&mut self, node: NodeId, changes: &mut Vec<RosterChange>) {
        let complete = |assembly: &mut Assembly| assembly.got.len() == assembly.pieces as usize;
        if let Some(whole) = self.assembly.take_if(complete) {
            self.replace(node, whole, changes);
        }
        while let Some(next) = self.version.map(|version| version + 1)
            && let Some(diff) = self.early.remove(&next)
        {
            self.apply(node, diff, changes);
            self.version = Some(next);
        }
        if let Some(version) = self.version {
            self.early.retain(|early, _| *early > version);
            self.assembly.take_if(|assembly| assembly.version <= version);
        }
    }

    fn replace(&mut self, node: NodeId, whole: Assembly, changes: &mut Vec<RosterChange>) {
        let mut sockets = BTreeMap::new();
        let mut statuses = BTreeMap::new();
        for (entries, said) in whole.got.into_values() {
            sockets.extend(entries.into_iter().map(|entry| (key(&entry), entry)));
            statuses.extend(said);
        }
        let closed: Vec<_> =
            self.sockets.iter().filter(|(k, _)| !sockets.contains_key(*k)).map(|(_, e)| e.clone()).collect();
        let opened: Vec<_> =
            sockets.iter().filter(|(k, _)| !self.sockets.contains_key(*k)).map(|(_, e)| e.clone()).collect();
        let usual = self.statuses.keys().filter(|user| !statuses.contains_key(*user));
        let mut said: Vec<_> = usual.map(|user| (user.clone(), UserStatus::default())).collect();
        said.extend(statuses);
        self.apply(node, Diff { opened, closed, statuses: said }, changes);
        self.version = Some(whole.version);
    }

    fn apply(&mut self, node: NodeId, diff: Diff, changes: &mut Vec<RosterChange>) {
        for entry in diff.closed {
            if let Some(known) = self.close(key(&entry)) {
                if !self.per_user.contains_key(&known.user) {
                    self.statuses.remove(&known.user);
                }
                changes.push(RosterChange::Closed(node, entry));
            }
        }
        for entry in diff.opened {
            if self.open(entry.clone()) {
                changes.push(RosterChange::Opened(node, entry));
            }
        }
        for (user, status) in diff.statuses {
            match status == UserStatus::default() {
                true => self.statuses.remove(&user),
                false => self.statuses.insert(user.clone(), status.clone()),
            };
            changes.push(RosterChange::Status(node, user, status));
        }
    }
}
