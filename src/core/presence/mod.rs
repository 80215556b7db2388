//! Tracks which users are online: those with a socket on any node, and those whose last socket closed less than a grace
//! period ago. A reconnect within the grace period, on any node, must never be announced.
//!
//! A socket key identifies one connection, not a client, so a late disconnect of an earlier connection has no effect.
//! Memory is bounded by the number of users who have a socket or are in their grace period.

use std::{
    collections::{BTreeMap, HashMap, hash_map::Entry},
    hash::Hash,
    sync::Arc,
};

use serde::{Deserialize, Serialize};

use crate::{
    core::monotonic::MonotonicClock,
    ids::{NodeId, Timestamp, UserId},
    limits,
};

/// A change to announce to other users.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum PresenceChange {
    /// The user's first socket opened.
    Online(UserId),
    /// The grace period after the user's last socket expired.
    Offline(UserId),
}

/// The status that a user has set. If it differs between nodes, the last of these variants counts.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Available.
    #[default]
    Online,
    /// Connected, but not active.
    Away,
    /// Connected, but should not be disturbed.
    Busy,
}

impl Status {
    /// Its name, as clients know it.
    pub const fn name(self) -> &'static str {
        match self {
            Status::Online => "online",
            Status::Away => "away",
            Status::Busy => "busy",
        }
    }
}

/// What a user adds to the status.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct StatusDetails {
    /// In the user's own words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<Arc<str>>,
    /// Where the user is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location: Option<Arc<str>>,
}

impl StatusDetails {
    /// Whether the user adds nothing.
    pub const fn is_empty(&self) -> bool {
        self.message.is_none() && self.location.is_none()
    }
}

/// A status with what the user adds to it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct UserStatus {
    /// The status.
    pub status: Status,
    /// What the user adds.
    pub details: StatusDetails,
}

/// A change of a user's status; what is absent stays as it is.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct StatusUpdate {
    /// The new status.
    pub status: Option<Status>,
    /// The new message; the inner one absent: none.
    pub message: Option<Option<Arc<str>>>,
    /// The new location; the inner one absent: none.
    pub location: Option<Option<Arc<str>>>,
}

impl From<Status> for StatusUpdate {
    fn from(status: Status) -> StatusUpdate {
        StatusUpdate { status: Some(status), ..StatusUpdate::default() }
    }
}

impl UserStatus {
    /// The status after the change.
    pub fn updated(&self, update: StatusUpdate) -> UserStatus {
        let StatusUpdate { status, message, location } = update;
        UserStatus {
            status: status.unwrap_or(self.status),
            details: StatusDetails {
                message: message.unwrap_or_else(|| self.details.message.clone()),
                location: location.unwrap_or_else(|| self.details.location.clone()),
            },
        }
    }
}

/// A change of a user's presence, as it is announced to users who share a conversation with the user.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct PresenceNotice {
    /// The user.
    pub user: UserId,
    /// The user's name.
    pub username: Arc<str>,
    /// What changed.
    pub change: NoticedChange,
    /// The status; absent if the user is offline.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<Status>,
    /// What the user adds.
    #[serde(default)]
    pub details: StatusDetails,
}

/// What of a presence changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NoticedChange {
    /// The status.
    Status,
    /// Only what the user adds to it.
    Details,
}

impl From<Status> for UserStatus {
    fn from(status: Status) -> UserStatus {
        UserStatus { status, details: StatusDetails::default() }
    }
}

/// The location of a socket in the cluster. The derived order is by age and the same on every node.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct SocketLocation {
    /// When it was opened.
    pub opened_at: Timestamp,
    /// Its node.
    pub node: NodeId,
    /// The worker of that node.
    pub worker: u16,
    /// The number of the socket on that worker.
    pub generation: u32,
    /// Whether it receives the presence of other users.
    pub follows_presence: bool,
}

/// A key that identifies a socket and knows its node.
pub trait SocketKey: Copy + Eq + Hash {
    /// The node of the socket.
    fn home(&self) -> NodeId;

    /// Whether the socket receives the presence of other users.
    fn follows_presence(&self) -> bool;
}

impl SocketKey for SocketLocation {
    fn home(&self) -> NodeId {
        self.node
    }

    fn follows_presence(&self) -> bool {
        self.follows_presence
    }
}

/// When a grace period ends, and a serial number for those that end in the same millisecond.
type Deadline = (i64, u64);

struct Presence<K> {
    sockets: Vec<K>,
    /// The status set on each node, unless it is the default.
    statuses: Vec<(NodeId, UserStatus)>,
    /// set while there is no socket
    grace: Option<Deadline>,
}

impl<K: SocketKey> Presence<K> {
    fn is_at(&self, home: NodeId) -> bool {
        self.sockets.iter().any(|socket| socket.home() == home)
    }

    fn status(&self) -> UserStatus {
        let statuses = self.statuses.iter().map(|(_, status)| status);
        statuses.max_by_key(|status| status.status).cloned().unwrap_or_default()
    }
}

/// All users who are online, with their sockets on all nodes.
pub struct PresenceCore<K> {
    here: NodeId,
    users: HashMap<UserId, Presence<K>>,
    graces: BTreeMap<Deadline, UserId>,
    time: MonotonicClock,
    graces_begun: u64,
    sockets: usize,
    /// The number of sockets that follow presence.
    followers: usize,
}

impl<K: SocketKey> PresenceCore<K> {
    /// Creates a tracker without users. `here` is this node.
    pub fn new(here: NodeId, now: Timestamp) -> PresenceCore<K> {
        PresenceCore {
            here,
            users: HashMap::new(),
            graces: BTreeMap::new(),
            time: MonotonicClock::new(now),
            graces_begun: 0,
            sockets: 0,
            followers: 0,
        }
    }

    /// A socket of the user opened. Repeated calls for one socket have no effect.
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
                    self.followers += usize::from(socket.follows_presence());
                }
                None
            }
            Entry::Vacant(entry) => {
                entry.insert(Presence { sockets: vec![socket], statuses: Vec::new(), grace: None });
                self.sockets += 1;
                self.followers += usize::from(socket.follows_presence());
                Some(PresenceChange::Online(user.clone()))
            }
        }
    }

    /// A socket of the user closed. An unknown key has no effect.
    pub fn disconnect(&mut self, user: &UserId, socket: K, now: Timestamp) {
        let elapsed_ms = self.time.advance(now);
        let Some(presence) = self.users.get_mut(user) else { return };
        let Some(at) = presence.sockets.iter().position(|known| *known == socket) else { return };
        presence.sockets.swap_remove(at);
        self.sockets -= 1;
        self.followers -= usize::from(socket.follows_presence());
        // a status set here is kept during the grace period; other nodes send theirs again
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

    /// Ends the grace periods that have expired, oldest first.
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

    /// When `tick` must be called next.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        self.graces.first_key_value().map(|((due_ms, _), _)| self.time.wall(*due_ms))
    }

    /// Whether the user has a socket or is in the grace period.
    pub fn is_online(&self, user: &UserId) -> bool {
        self.users.contains_key(user)
    }

    /// Those of the users who are online, in the given order.
    pub fn online_among(&self, users: &[UserId]) -> Vec<UserId> {
        users.iter().filter(|user| self.is_online(user)).cloned().collect()
    }

    /// The user's sockets.
    pub fn sockets_of(&self, user: &UserId) -> &[K] {
        self.users.get(user).map_or(&[], |presence| &presence.sockets)
    }

    /// The user's status; `None` if offline.
    pub fn status(&self, user: &UserId) -> Option<UserStatus> {
        self.users.get(user).map(Presence::status)
    }

    /// The user's status on a node.
    pub fn status_at(&self, user: &UserId, home: NodeId) -> UserStatus {
        let said = self.users.get(user).and_then(|presence| presence.statuses.iter().find(|(at, _)| *at == home));
        said.map(|(_, status)| status.clone()).unwrap_or_default()
    }

    /// Sets the user's status on a node; it is kept until the user is offline there. Returns the previous effective
    /// status; `None` if the user is offline.
    pub fn set_status(&mut self, user: &UserId, home: NodeId, status: impl Into<UserStatus>) -> Option<UserStatus> {
        let status = status.into();
        let presence = self.users.get_mut(user)?;
        let before = presence.status();
        presence.statuses.retain(|(at, _)| *at != home);
        if status != UserStatus::default() {
            presence.statuses.push((home, status));
        }
        Some(before)
    }

    /// All users who are online.
    pub fn everyone(&self) -> impl Iterator<Item = &UserId> {
        self.users.keys()
    }

    /// The number of users who are online.
    pub fn users(&self) -> usize {
        self.users.len()
    }

    /// The number of their sockets.
    pub fn sockets(&self) -> usize {
        self.sockets
    }

    /// The number of sockets that follow the presence of other users.
    pub fn followers(&self) -> usize {
        self.followers
    }

    /// The number of users in their grace period.
    #[cfg(test)]
    pub fn in_grace(&self) -> usize {
        self.graces.len()
    }
}

#[cfg(test)]
mod tests;
