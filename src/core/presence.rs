//! Who is online: a user with a socket anywhere, on this node or another, and for a grace after the last one. A socket
//! that comes back within the grace makes no noise, wherever it comes back.
//!
//! A socket key names one life of one socket, so a late disconnect of an earlier one finds nothing to undo.
//! Memory is bounded by the users that have a socket or are in their grace.

use std::{
    collections::{BTreeMap, HashMap, hash_map::Entry},
    hash::Hash,
};

use serde::{Deserialize, Serialize};

use crate::{
    core::steady::Steady,
    ids::{NodeId, Timestamp, UserId},
    limits,
};

/// What others are to be told.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum PresenceChange {
    /// The user's first socket opened.
    Online(UserId),
    /// The grace after the user's last socket ran out.
    Offline(UserId),
}

/// What a user says about being there. Of several, said on several nodes, the last of these counts.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// There.
    #[default]
    Online,
    /// There, but not looking.
    Away,
    /// There, but not to be disturbed.
    Busy,
}

/// A socket anywhere. The derived order is that of age, the same on every node.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Whereabouts {
    /// Since when.
    pub opened_at: Timestamp,
    /// On which node.
    pub node: NodeId,
    /// On which of its workers.
    pub worker: u16,
    /// Which of the worker's.
    pub generation: u32,
}

/// What names a socket, and knows its node.
pub trait SocketKey: Copy + Eq + Hash {
    /// The node that the socket is on.
    fn home(&self) -> NodeId;
}

impl SocketKey for Whereabouts {
    fn home(&self) -> NodeId {
        self.node
    }
}

/// When a grace ends, and which of those that end in the same millisecond.
type Deadline = (i64, u64);

struct Presence<K> {
    sockets: Vec<K>,
    /// What is said on each node, without the usual.
    statuses: Vec<(NodeId, Status)>,
    /// set while there is no socket
    grace: Option<Deadline>,
}

impl<K: SocketKey> Presence<K> {
    fn is_at(&self, home: NodeId) -> bool {
        self.sockets.iter().any(|socket| socket.home() == home)
    }

    fn status(&self) -> Status {
        self.statuses.iter().map(|(_, status)| *status).max().unwrap_or_default()
    }
}

/// The users and their sockets, wherever these are.
pub struct PresenceCore<K> {
    here: NodeId,
    users: HashMap<UserId, Presence<K>>,
    graces: BTreeMap<Deadline, UserId>,
    time: Steady,
    graces_begun: u64,
    sockets: usize,
}

impl<K: SocketKey> PresenceCore<K> {
    /// Nobody is online. `here`: this node.
    pub fn new(here: NodeId, now: Timestamp) -> PresenceCore<K> {
        PresenceCore {
            here,
            users: HashMap::new(),
            graces: BTreeMap::new(),
            time: Steady::new(now),
            graces_begun: 0,
            sockets: 0,
        }
    }

    /// A socket of the user opened. Said twice it counts once.
    pub fn connect(&mut self, user: &UserId, socket: K, now: Timestamp) -> Option<PresenceChange> {
        self.time.advance(now);
        match self.users.entry(user.clone()) {
            Entry::Occupied(entry) => {
                let presence = entry.into_mut();
                if let Some(deadline) = presence.grace.take() {
                    self.graces.remove(&deadline);
                    presence.statuses.retain(|(home, _)| *home == socket.home());
                }
                if !presence.sockets.contains(&socket) {
                    presence.sockets.push(socket);
                    self.sockets += 1;
                }
                None
            }
            Entry::Vacant(entry) => {
                entry.insert(Presence { sockets: vec![socket], statuses: Vec::new(), grace: None });
                self.sockets += 1;
                Some(PresenceChange::Online(user.clone()))
            }
        }
    }

    /// A socket of the user is gone. A key that is not known changes nothing.
    pub fn disconnect(&mut self, user: &UserId, socket: K, now: Timestamp) {
        let elapsed_ms = self.time.advance(now);
        let Some(presence) = self.users.get_mut(user) else { return };
        let Some(at) = presence.sockets.iter().position(|known| *known == socket) else { return };
        presence.sockets.swap_remove(at);
        self.sockets -= 1;
        // what was said here lasts through the grace; other nodes say it again
        let lasts = presence.sockets.is_empty() && socket.home() == self.here;
        if !presence.is_at(socket.home()) && !lasts {
            presence.statuses.retain(|(home, _)| *home != socket.home());
        }
        if presence.sockets.is_empty() {
            presence.sockets = Vec::new();
            self.graces_begun += 1;
            let deadline = (elapsed_ms.saturating_add(limits::PRESENCE_GRACE.as_millis() as i64), self.graces_begun);
            presence.grace = Some(deadline);
            self.graces.insert(deadline, user.clone());
        }
    }

    /// Ends the graces that have run out, oldest first.
    pub fn tick(&mut self, now: Timestamp) -> Vec<PresenceChange> {
        let elapsed_ms = self.time.advance(now);
        let mut changes = Vec::new();
        while let Some(entry) = self.graces.first_entry()
            && entry.key().0 <= elapsed_ms
        {
            let user = entry.remove();
            self.users.remove(&user);
            changes.push(PresenceChange::Offline(user));
        }
        changes
    }

    /// When `tick` next has something to do.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        self.graces.first_key_value().map(|((due_ms, _), _)| self.time.wall(*due_ms))
    }

    /// Whether the user has a socket or is in the grace after the last one.
    pub fn is_online(&self, user: &UserId) -> bool {
        self.users.contains_key(user)
    }

    /// Those of the users who are online, in the order given.
    pub fn online_among(&self, users: &[UserId]) -> Vec<UserId> {
        users.iter().filter(|user| self.is_online(user)).cloned().collect()
    }

    /// The user's sockets.
    pub fn sockets_of(&self, user: &UserId) -> &[K] {
        self.users.get(user).map_or(&[], |presence| &presence.sockets)
    }

    /// What the user says; none if offline.
    pub fn status(&self, user: &UserId) -> Option<Status> {
        self.users.get(user).map(Presence::status)
    }

    /// What the user says on that node.
    pub fn status_at(&self, user: &UserId, home: NodeId) -> Status {
        let said = self.users.get(user).and_then(|presence| presence.statuses.iter().find(|(at, _)| *at == home));
        said.map_or_else(Status::default, |(_, status)| *status)
    }

    /// Sets what the user says on that node; it lasts until the user is offline there. Answers what the user said
    /// before, none if offline.
    pub fn set_status(&mut self, user: &UserId, home: NodeId, status: Status) -> Option<Status> {
        let presence = self.users.get_mut(user)?;
        let before = presence.status();
        presence.statuses.retain(|(at, _)| *at != home);
        if status != Status::default() {
            presence.statuses.push((home, status));
        }
        Some(before)
    }

    /// The users who are online.
    pub fn everyone(&self) -> impl Iterator<Item = &UserId> {
        self.users.keys()
    }

    /// How many users are online.
    pub fn users(&self) -> usize {
        self.users.len()
    }

    /// How many sockets they have.
    pub fn sockets(&self) -> usize {
        self.sockets
    }

    /// How many of them are in their grace.
    pub fn in_grace(&self) -> usize {
        self.graces.len()
    }
}

#[cfg(test)]
mod tests;
