//! This node's own part of the roster, and its changes that have not been published yet.

use std::collections::BTreeMap;

use super::{RosterMessage, SocketEntry, apart};
use crate::{core::presence::UserStatus, ids::UserId, limits::ROSTER_ENTRIES_PER_MESSAGE_MAX};

/// A socket of this node.
type Key = (u16, u32);

/// Whether closed sockets are published.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
enum Closes {
    #[default]
    Told,
    /// The node drains: its users are expected to reconnect elsewhere and count as present until the node is gone.
    Kept,
}

/// The published state of this node and pending changes. Memory is bounded by its sockets.
#[derive(Debug, Default)]
pub struct OwnRoster {
    version: u64,
    sockets: BTreeMap<Key, SocketEntry>,
    statuses: BTreeMap<UserId, UserStatus>,
    opened: BTreeMap<Key, SocketEntry>,
    closed: Vec<SocketEntry>,
    said: BTreeMap<UserId, UserStatus>,
    closes: Closes,
}

impl OwnRoster {
    /// The version of the published state.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// Whether there are unpublished changes.
    pub fn is_dirty(&self) -> bool {
        !(self.opened.is_empty() && self.closed.is_empty() && self.said.is_empty())
    }

    /// A socket opened here.
    pub fn opened(&mut self, entry: SocketEntry) {
        let key = (entry.worker, entry.generation);
        if self.sockets.insert(key, entry.clone()).is_none() {
            self.opened.insert(key, entry);
        }
    }

    /// A socket closed here. If its opening was never published, nothing needs to be published.
    pub fn closed(&mut self, worker: u16, generation: u32) {
        if self.closes == Closes::Kept {
            return;
        }
        let Some(entry) = self.sockets.remove(&(worker, generation)) else { return };
        if self.opened.remove(&(worker, generation)).is_none() {
            self.closed.push(entry);
        }
    }

    /// A user with a socket here set a status.
    pub fn status(&mut self, user: &UserId, status: impl Into<UserStatus>) {
        self.said.insert(user.clone(), status.into());
    }

    /// The user's last socket here closed, so the status is gone.
    pub fn forget_status(&mut self, user: &UserId) {
        self.statuses.remove(user);
        self.said.remove(user);
    }

    /// From now on closed sockets are not published.
    pub fn keep_places(&mut self) {
        self.closes = Closes::Kept;
    }

    /// Takes the unpublished changes, in as few messages as possible.
    pub fn flush(&mut self) -> Vec<RosterMessage> {
        // receivers drop a status with the user's last known socket, but a newer socket may be opened by the same
        // message
        for entry in &self.closed {
            if let Some(status) = self.statuses.get(&entry.user) {
                self.said.entry(entry.user.clone()).or_insert_with(|| status.clone());
            }
        }
        let mut messages = Vec::new();
        while self.is_dirty() {
            self.version += 1;
            let most = self.closed.len().min(ROSTER_ENTRIES_PER_MESSAGE_MAX);
            let closed: Vec<_> = self.closed.drain(..most).collect();
            // sockets must be opened only after all that closed before them
            let left = if self.closed.is_empty() { ROSTER_ENTRIES_PER_MESSAGE_MAX - closed.len() } else { 0 };
            let opened: Vec<_> = std::iter::from_fn(|| self.opened.pop_first()).take(left).map(|(_, e)| e).collect();
            let left = if self.opened.is_empty() { left - opened.len() } else { 0 };
            let statuses: Vec<_> = std::iter::from_fn(|| self.said.pop_first()).take(left).collect();
            for (user, status) in &statuses {
                self.statuses.insert(user.clone(), status.clone());
            }
            let (statuses, details) = apart(&statuses);
            messages.push(RosterMessage::Diff { version: self.version, opened, closed, statuses, details });
        }
        messages
    }

    /// The published state in parts. Pending changes must have been flushed and published before.
    pub fn part(&self) -> Vec<RosterMessage> {
        let sockets: Vec<_> = self.sockets.values().cloned().collect();
        let statuses = self.statuses.iter().filter(|(_, status)| **status != UserStatus::default());
        let statuses: Vec<_> = statuses.map(|(user, status)| (user.clone(), status.clone())).collect();
        let count = |len: usize| len.div_ceil(ROSTER_ENTRIES_PER_MESSAGE_MAX);
        let pieces = count(sockets.len()).max(count(statuses.len())).max(1);
        let at = |piece: usize, len: usize| {
            let from = (piece * ROSTER_ENTRIES_PER_MESSAGE_MAX).min(len);
            from..(from + ROSTER_ENTRIES_PER_MESSAGE_MAX).min(len)
        };
        let message = |piece: usize| {
            let (statuses, details) = apart(statuses.get(at(piece, statuses.len())).unwrap_or_default());
            RosterMessage::Part {
                version: self.version,
                piece: u32::try_from(piece).unwrap_or(u32::MAX),
                pieces: u32::try_from(pieces).unwrap_or(u32::MAX),
                sockets: sockets.get(at(piece, sockets.len())).unwrap_or_default().to_vec(),
                statuses,
                details,
            }
        };
        (0..pieces).map(message).collect()
    }
}
