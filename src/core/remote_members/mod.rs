//! Tracks the members of a room on other nodes. Each node's room is the only authority for its own part of the members
//! and publishes it as diffs. This module keeps the parts of the others, detects gaps, and determines when a user's
//! first node is added or last node removed. It must never guess: after a gap it requests the complete part.
//!
//! A part has an incarnation, the random number of the room actor that publishes it, and a version, the count of its
//! diffs. Messages of one node arrive in order or not at all. A message that does not follow the known version triggers
//! a request, whose response replaces the part.

use std::collections::{HashMap, HashSet, hash_map::Entry};

use serde::{Deserialize, Serialize};

use crate::{
    core::profile::Author,
    ids::{NodeId, Timestamp, UserId},
    limits,
};

/// Messages between the rooms with the same id on different nodes about their members.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "say", rename_all = "snake_case")]
pub enum MembershipMessage {
    /// A digest that requests the parts of the other nodes: completely if the room has just started, otherwise as
    /// digests, after the link was down.
    Hello {
        /// The incarnation of the room on its node.
        incarnation: u64,
        /// Number of diffs so far.
        version: u64,
    },
    /// The version of the part. A receiver that knows another version requests the part.
    Digest {
        /// The incarnation of the room on its node.
        incarnation: u64,
        /// Number of diffs so far.
        version: u64,
    },
    /// Users whose first socket on the node joined, or whose last one left.
    Diff {
        /// The incarnation of the room on its node.
        incarnation: u64,
        /// The version after the change; the version before it is one less.
        version: u64,
        /// Users who joined.
        joined: Vec<Author>,
        /// Users who left.
        left: Vec<UserId>,
        /// Of these, users whose socket broke off and who may reconnect. Not sent by earlier releases.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        dropped: Vec<UserId>,
    },
    /// A request for the complete part.
    Ask {
        /// The node whose part is requested.
        of: NodeId,
    },
    /// A piece of the complete part, in response to a request.
    Part {
        /// The incarnation of the room on its node.
        incarnation: u64,
        /// The version of the part.
        version: u64,
        /// The index of this piece, from 0.
        piece: u32,
        /// The number of pieces.
        pieces: u32,
        /// Users in the room.
        users: Vec<Author>,
    },
    /// The room is no longer in use on its node.
    Gone {
        /// The incarnation of the room on its node.
        incarnation: u64,
    },
}

impl MembershipMessage {
    /// Users who joined, according to this message.
    pub fn joined(&self) -> &[Author] {
        match self {
            MembershipMessage::Diff { joined, .. } => joined,
            MembershipMessage::Hello { .. }
            | MembershipMessage::Digest { .. }
            | MembershipMessage::Ask { .. }
            | MembershipMessage::Part { .. }
            | MembershipMessage::Gone { .. } => &[],
        }
    }
}

/// Whether there may be other nodes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Others {
    /// There are none: nothing is recorded for them.
    None,
    /// There may be.
    Some,
}

/// This node's part, as published to the others.
#[derive(Debug)]
pub struct OwnPart {
    incarnation: u64,
    version: u64,
    others: Others,
    joined: HashMap<UserId, Author>,
    left: HashMap<UserId, Return>,
}

/// Whether a user who left is likely to reconnect.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Return {
    Unlikely,
    Likely,
}

impl OwnPart {
    /// An empty part.
    pub fn new(incarnation: u64, others: Others) -> OwnPart {
        OwnPart { incarnation, version: 0, others, joined: HashMap::new(), left: HashMap::new() }
    }

    /// A user's first socket on this node joined.
    pub fn came(&mut self, user: &Author) {
        // a user who leaves and returns between two diffs was never away for the others
        if self.others == Others::Some && self.left.remove(&user.id).is_none() {
            self.joined.insert(user.id.clone(), user.clone());
        }
    }

    /// A user's last socket on this node left.
    pub fn went(&mut self, user: &UserId) {
        if self.others == Others::Some && self.joined.remove(user).is_none() {
            self.left.insert(user.clone(), Return::Unlikely);
        }
    }

    /// A user who has just left may reconnect.
    pub fn may_return(&mut self, user: &UserId) {
        if let Some(left) = self.left.get_mut(user) {
            *left = Return::Likely;
        }
    }

    /// Whether there are unpublished changes.
    pub fn has_diffs(&self) -> bool {
        !self.joined.is_empty() || !self.left.is_empty()
    }

    /// Takes the unpublished changes, in messages of bounded size.
    pub fn take_diffs(&mut self) -> Vec<MembershipMessage> {
        let mut joined: Vec<Author> = self.joined.drain().map(|(_, author)| author).collect();
        let mut left: Vec<(UserId, Return)> = self.left.drain().collect();
        let mut diffs = Vec::new();
        while !joined.is_empty() || !left.is_empty() {
            self.version += 1;
            let some = first_of(&mut left);
            let dropped = some.iter().filter(|(_, back)| *back == Return::Likely).map(|(user, _)| user.clone());
            diffs.push(MembershipMessage::Diff {
                incarnation: self.incarnation,
                version: self.version,
                joined: first_of(&mut joined),
                dropped: dropped.collect(),
                left: some.into_iter().map(|(user, _)| user).collect(),
            });
        }
        diffs
    }

    /// The version of the part.
    pub fn digest(&self) -> MembershipMessage {
        MembershipMessage::Digest { incarnation: self.incarnation, version: self.version }
    }

    /// The same, with a request for the versions of the others.
    pub fn hello(&self) -> MembershipMessage {
        MembershipMessage::Hello { incarnation: self.incarnation, version: self.version }
    }

    /// The last message of this incarnation.
    pub fn gone(&self) -> MembershipMessage {
        MembershipMessage::Gone { incarnation: self.incarnation }
    }

    /// The complete part in pieces. Call [`OwnPart::take_diffs`] first: the pieces include those changes.
    pub fn whole(&self, mut users: Vec<Author>) -> Vec<MembershipMessage> {
        let pieces = u32::try_from(users.len().div_ceil(limits::MEMBERS_PER_MESSAGE_MAX).max(1)).unwrap_or(u32::MAX);
        let (incarnation, version) = (self.incarnation, self.version);
        (0..pieces)
            .map(|piece| MembershipMessage::Part { incarnation, version, piece, pieces, users: first_of(&mut users) })
            .collect()
    }
}

fn first_of<T>(all: &mut Vec<T>) -> Vec<T> {
    let rest = all.split_off(all.len().min(limits::MEMBERS_PER_MESSAGE_MAX));
    std::mem::replace(all, rest)
}

/// The changes caused by a message, and the messages to send in response.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct MembershipChange {
    /// Users who were on no other node before.
    pub came: Vec<Author>,
    /// Users who are not on any other node any more.
    pub went: Vec<Author>,
    /// Of these, users who may reconnect, because no node reported a deliberate leave.
    pub may_return: HashSet<UserId>,
    /// Request this node's part.
    pub ask: Option<NodeId>,
    /// The response to send.
    pub answer: Answer,
}

/// How much of the own part to send.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub enum Answer {
    /// Nothing.
    #[default]
    Nothing,
    /// Its version.
    Digest,
    /// All of it.
    Whole,
}

#[derive(Debug)]
struct Part {
    incarnation: u64,
    version: u64,
    users: HashSet<UserId>,
}

#[derive(Debug)]
struct IncomingPart {
    incarnation: u64,
    version: u64,
    next: u32,
    users: Vec<Author>,
}

#[derive(Debug)]
struct RemoteUser {
    author: Author,
    nodes: usize,
}

/// The parts of the other nodes.
#[derive(Debug)]
pub struct RemoteMembers {
    here: NodeId,
    parts: HashMap<NodeId, Part>,
    arriving: HashMap<NodeId, IncomingPart>,
    /// pending requests, with the time of the last one
    asked: HashMap<NodeId, Timestamp>,
    users: HashMap<UserId, RemoteUser>,
}

impl RemoteMembers {
    /// Creates a tracker that knows no other node.
    pub fn new(here: NodeId) -> RemoteMembers {
        RemoteMembers {
            here,
            parts: HashMap::new(),
            arriving: HashMap::new(),
            asked: HashMap::new(),
            users: HashMap::new(),
        }
    }

    /// Applies a message of the room on another node.
    pub fn receive(&mut self, from: NodeId, message: MembershipMessage, now: Timestamp) -> MembershipChange {
        let mut consequence = MembershipChange::default();
        if from == self.here || (!self.parts.contains_key(&from) && self.parts.len() >= limits::PEERS_MAX) {
            return consequence;
        }
        match message {
            MembershipMessage::Hello { incarnation, version } => {
                self.compare(from, (incarnation, version), now, &mut consequence);
                consequence.answer = if version == 0 { Answer::Whole } else { Answer::Digest };
            }
            MembershipMessage::Digest { incarnation, version } => {
                self.compare(from, (incarnation, version), now, &mut consequence)
            }
            MembershipMessage::Diff { incarnation, version, joined, left, dropped } => {
                self.apply(from, (incarnation, version), (joined, left, dropped), now, &mut consequence);
            }
            MembershipMessage::Ask { of } if of == self.here => consequence.answer = Answer::Whole,
            MembershipMessage::Ask { .. } => {}
            MembershipMessage::Part { incarnation, version, piece, pieces, users } => {
                self.piece(from, (incarnation, version), (piece, pieces), users, &mut consequence);
            }
            MembershipMessage::Gone { incarnation } => {
                if self.parts.get(&from).is_none_or(|part| part.incarnation == incarnation) {
                    self.forget(from, &mut consequence);
                }
            }
        }
        consequence
    }

    /// The node is gone; its part is removed.
    pub fn peer_gone(&mut self, node: NodeId) -> MembershipChange {
        let mut consequence = MembershipChange::default();
        self.forget(node, &mut consequence);
        consequence
    }

    /// Returns the nodes whose part must be requested again, because they have not answered for
    /// [`limits::PART_ASK_AGAIN`].
    pub fn unanswered(&mut self, now: Timestamp) -> Vec<NodeId> {
        let due = now.plus_ms(-(limits::PART_ASK_AGAIN.as_millis() as i64));
        let late: Vec<NodeId> = self.asked.iter().filter(|(_, at)| **at <= due).map(|(node, _)| *node).collect();
        for node in &late {
            self.asked.insert(*node, now);
        }
        late
    }

    /// Whether a request is pending.
    pub fn is_asking(&self) -> bool {
        !self.asked.is_empty()
    }

    /// The number of nodes whose part is known.
    pub fn known(&self) -> usize {
        self.parts.len()
    }

    /// Whether the part of that node is known.
    pub fn knows(&self, node: NodeId) -> bool {
        self.parts.contains_key(&node)
    }

    /// Whether the user is on another node.
    pub fn contains(&self, user: &UserId) -> bool {
        self.users.contains_key(user)
    }

    /// Whether the user is also on a node with a lower id. If several nodes could announce the same change, the one
    /// with the lowest id does.
    pub fn is_on_an_earlier_node(&self, user: &UserId) -> bool {
        self.parts.iter().any(|(node, part)| *node < self.here && part.users.contains(user))
    }

    /// The users on other nodes, each once, in no particular order.
    pub fn users(&self) -> impl Iterator<Item = &Author> {
        self.users.values().map(|somewhere| &somewhere.author)
    }

    fn compare(
        &mut self,
        from: NodeId,
        (incarnation, version): (u64, u64),
        now: Timestamp,
        out: &mut MembershipChange,
    ) {
        match self.parts.get(&from) {
            Some(part) if part.incarnation == incarnation && part.version == version => {
                self.asked.remove(&from);
            }
            Some(_) | None if version == 0 => self.replace(from, (incarnation, 0), Vec::new(), out),
            Some(_) | None => self.ask(from, now, out),
        }
    }

    fn apply(
        &mut self,
        from: NodeId,
        (incarnation, version): (u64, u64),
        (joined, left, dropped): (Vec<Author>, Vec<UserId>, Vec<UserId>),
        now: Timestamp,
        out: &mut MembershipChange,
    ) {
        let known = self.parts.get(&from).filter(|part| part.incarnation == incarnation).map(|part| part.version);
        match known {
            Some(known) if version <= known => return,
            Some(known) if version == known + 1 => {}
            None if version == 1 => self.replace(from, (incarnation, 0), Vec::new(), out),
            Some(_) | None => return self.ask(from, now, out),
        }
        let Some(part) = self.parts.get_mut(&from) else { return };
        part.version = version;
        for user in left {
            if part.users.remove(&user) {
                one_less(&mut self.users, user, out);
            }
        }
        out.may_return.extend(dropped);
        for author in joined {
            if part.users.insert(author.id.clone()) {
                one_more(&mut self.users, author, out);
            }
        }
    }

    fn piece(
        &mut self,
        from: NodeId,
        (incarnation, version): (u64, u64),
        (piece, pieces): (u32, u32),
        users: Vec<Author>,
        out: &mut MembershipChange,
    ) {
        if self.parts.get(&from).is_some_and(|part| part.incarnation == incarnation && part.version >= version) {
            return;
        }
        if piece == 0 {
            self.arriving.insert(from, IncomingPart { incarnation, version, next: 0, users: Vec::new() });
        }
        let Entry::Occupied(mut arriving) = self.arriving.entry(from) else { return };
        let whole = arriving.get_mut();
        if (whole.incarnation, whole.version, whole.next) != (incarnation, version, piece) {
            arriving.remove(); // the part will be requested again
            return;
        }
        whole.next += 1;
        whole.users.extend(users);
        if whole.next == pieces {
            let whole = arriving.remove();
            self.replace(from, (incarnation, version), whole.users, out);
        }
    }

    fn replace(
        &mut self,
        from: NodeId,
        (incarnation, version): (u64, u64),
        users: Vec<Author>,
        out: &mut MembershipChange,
    ) {
        self.asked.remove(&from);
        self.arriving.remove(&from);
        let part = Part { incarnation, version, users: users.iter().map(|author| author.id.clone()).collect() };
        let before = self.parts.insert(from, part).map(|part| part.users).unwrap_or_default();
        // additions first, so that no leave is announced for a user who only moved
        let mut after = HashSet::new();
        for author in users {
            if after.insert(author.id.clone()) && !before.contains(&author.id) {
                one_more(&mut self.users, author, out);
            }
        }
        for user in before.into_iter().filter(|user| !after.contains(user)) {
            out.may_return.insert(user.clone());
            one_less(&mut self.users, user, out);
        }
    }

    fn forget(&mut self, node: NodeId, out: &mut MembershipChange) {
        self.asked.remove(&node);
        self.arriving.remove(&node);
        for user in self.parts.remove(&node).map(|part| part.users).unwrap_or_default() {
            out.may_return.insert(user.clone());
            one_less(&mut self.users, user, out);
        }
    }

    fn ask(&mut self, node: NodeId, now: Timestamp, out: &mut MembershipChange) {
        if let Entry::Vacant(question) = self.asked.entry(node) {
            question.insert(now);
            out.ask = Some(node);
        }
    }
}

fn one_more(users: &mut HashMap<UserId, RemoteUser>, author: Author, out: &mut MembershipChange) {
    match users.entry(author.id.clone()) {
        Entry::Occupied(entry) => {
            let somewhere = entry.into_mut();
            somewhere.nodes += 1;
            somewhere.author = author;
        }
        Entry::Vacant(entry) => {
            entry.insert(RemoteUser { author: author.clone(), nodes: 1 });
            out.came.push(author);
        }
    }
}

fn one_less(users: &mut HashMap<UserId, RemoteUser>, user: UserId, out: &mut MembershipChange) {
    if let Entry::Occupied(mut entry) = users.entry(user) {
        entry.get_mut().nodes -= 1;
        if entry.get().nodes == 0 {
            out.went.push(entry.remove().author);
        }
    }
}

#[cfg(test)]
mod tests;
