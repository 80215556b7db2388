//! Who of a room is on other nodes. Each node's room is the only authority for its own part of the members and tells it
//! by diffs; this keeps the parts of the others, notices when a diff is missing, and says when a user comes first or
//! goes last elsewhere. It never guesses: what it has missed it asks for.
//!
//! A part has a life, the random number of the room actor that tells it, and a version, the count of its diffs. Words
//! of one node come in order or not at all; a word that does not follow what is known leads to a question, and its
//! answer replaces the part.

use std::collections::{HashMap, HashSet, hash_map::Entry};

use serde::{Deserialize, Serialize};

use crate::{
    core::profile::Author,
    ids::{NodeId, Timestamp, UserId},
    limits,
};

/// What a room says to the rooms of the same id elsewhere about its own part of the members.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(tag = "say", rename_all = "snake_case")]
pub enum PartWord {
    /// A digest that wants to hear of the others' parts: all of them if the room has just begun, and where they stand
    /// if it was deaf for a while.
    Hello {
        /// Which life of the room on its node.
        life: u64,
        /// Diffs so far.
        version: u64,
    },
    /// Where the part stands; whoever knows it otherwise asks.
    Digest {
        /// Which life of the room on its node.
        life: u64,
        /// Diffs so far.
        version: u64,
    },
    /// Users whose first socket on the node came, or whose last one went.
    Diff {
        /// Which life of the room on its node.
        life: u64,
        /// The version after it; the one before is one less.
        version: u64,
        /// Who came.
        joined: Vec<Author>,
        /// Who went.
        left: Vec<UserId>,
        /// Those of them whose socket broke off: they may come back at once. Nodes of earlier releases do not say it.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        dropped: Vec<UserId>,
    },
    /// Tell your part.
    Ask {
        /// Whose part.
        of: NodeId,
    },
    /// A piece of the whole part, in answer.
    Part {
        /// Which life of the room on its node.
        life: u64,
        /// The version that it is of.
        version: u64,
        /// Which piece, from 0.
        piece: u32,
        /// How many there are.
        pieces: u32,
        /// Who is there.
        users: Vec<Author>,
    },
    /// The room is no longer in use on its node.
    Gone {
        /// Which life of the room on its node.
        life: u64,
    },
}

impl PartWord {
    /// Users who came, if it tells of such.
    pub fn joined(&self) -> &[Author] {
        match self {
            PartWord::Diff { joined, .. } => joined,
            PartWord::Hello { .. }
            | PartWord::Digest { .. }
            | PartWord::Ask { .. }
            | PartWord::Part { .. }
            | PartWord::Gone { .. } => &[],
        }
    }
}

/// Whether there may be other nodes to tell anything.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Others {
    /// There are none: nothing is kept for them.
    None,
    /// There may be.
    Some,
}

/// This node's part, as it is told to the others.
#[derive(Debug)]
pub struct OwnPart {
    life: u64,
    version: u64,
    others: Others,
    joined: HashMap<UserId, Author>,
    left: HashMap<UserId, Return>,
}

/// Whether a user who went is likely to come back at once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Return {
    Unlikely,
    Likely,
}

impl OwnPart {
    /// Nobody yet.
    pub fn new(life: u64, others: Others) -> OwnPart {
        OwnPart { life, version: 0, others, joined: HashMap::new(), left: HashMap::new() }
    }

    /// A user's first socket on this node came.
    pub fn came(&mut self, user: &Author) {
        // whoever goes and comes back between two diffs was never away for the others
        if self.others == Others::Some && self.left.remove(&user.id).is_none() {
            self.joined.insert(user.id.clone(), user.clone());
        }
    }

    /// A user's last socket on this node went.
    pub fn went(&mut self, user: &UserId) {
        if self.others == Others::Some && self.joined.remove(user).is_none() {
            self.left.insert(user.clone(), Return::Unlikely);
        }
    }

    /// A user who went a moment ago may come back at once.
    pub fn may_return(&mut self, user: &UserId) {
        if let Some(left) = self.left.get_mut(user) {
            *left = Return::Likely;
        }
    }

    /// Whether something has changed since the last time.
    pub fn has_diffs(&self) -> bool {
        !self.joined.is_empty() || !self.left.is_empty()
    }

    /// What has changed since the last time, in words of bounded size.
    pub fn take_diffs(&mut self) -> Vec<PartWord> {
        let mut joined: Vec<Author> = self.joined.drain().map(|(_, author)| author).collect();
        let mut left: Vec<(UserId, Return)> = self.left.drain().collect();
        let mut diffs = Vec::new();
        while !joined.is_empty() || !left.is_empty() {
            self.version += 1;
            let some = first_of(&mut left);
            let dropped = some.iter().filter(|(_, back)| *back == Return::Likely).map(|(user, _)| user.clone());
            diffs.push(PartWord::Diff {
                life: self.life,
                version: self.version,
                joined: first_of(&mut joined),
                dropped: dropped.collect(),
                left: some.into_iter().map(|(user, _)| user).collect(),
            });
        }
        diffs
    }

    /// Where the part stands.
    pub fn digest(&self) -> PartWord {
        PartWord::Digest { life: self.life, version: self.version }
    }

    /// The same, and the question where the others' parts stand.
    pub fn hello(&self) -> PartWord {
        PartWord::Hello { life: self.life, version: self.version }
    }

    /// The last word of this life.
    pub fn gone(&self) -> PartWord {
        PartWord::Gone { life: self.life }
    }

    /// The whole part in pieces. Take the diffs first: this is what stands after them.
    pub fn whole(&self, mut users: Vec<Author>) -> Vec<PartWord> {
        let pieces = u32::try_from(users.len().div_ceil(limits::MEMBERS_PER_WORD_MAX).max(1)).unwrap_or(u32::MAX);
        let (life, version) = (self.life, self.version);
        (0..pieces).map(|piece| PartWord::Part { life, version, piece, pieces, users: first_of(&mut users) }).collect()
    }
}

fn first_of<T>(all: &mut Vec<T>) -> Vec<T> {
    let rest = all.split_off(all.len().min(limits::MEMBERS_PER_WORD_MAX));
    std::mem::replace(all, rest)
}

/// What a word has changed, and what is to be said because of it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Consequence {
    /// Users who were on no other node before.
    pub came: Vec<Author>,
    /// Users who are on no other node any more.
    pub went: Vec<Author>,
    /// Those of them who may come back at once, since nobody said that they meant to go.
    pub may_return: HashSet<UserId>,
    /// Ask that node for its part.
    pub ask: Option<NodeId>,
    /// Answer with this.
    pub answer: Answer,
}

/// What is to be told of the own part.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub enum Answer {
    /// Nothing.
    #[default]
    Nothing,
    /// Where it stands.
    Digest,
    /// All of it.
    Whole,
}

#[derive(Debug)]
struct Part {
    life: u64,
    version: u64,
    users: HashSet<UserId>,
}

#[derive(Debug)]
struct Arriving {
    life: u64,
    version: u64,
    next: u32,
    users: Vec<Author>,
}

#[derive(Debug)]
struct Somewhere {
    author: Author,
    nodes: usize,
}

/// The parts of the other nodes.
#[derive(Debug)]
pub struct Elsewhere {
    here: NodeId,
    parts: HashMap<NodeId, Part>,
    arriving: HashMap<NodeId, Arriving>,
    /// questions without an answer, and since when
    asked: HashMap<NodeId, Timestamp>,
    users: HashMap<UserId, Somewhere>,
}

impl Elsewhere {
    /// Nothing is known of other nodes than this one.
    pub fn new(here: NodeId) -> Elsewhere {
        Elsewhere {
            here,
            parts: HashMap::new(),
            arriving: HashMap::new(),
            asked: HashMap::new(),
            users: HashMap::new(),
        }
    }

    /// Takes what the room on another node says.
    pub fn hear(&mut self, from: NodeId, word: PartWord, now: Timestamp) -> Consequence {
        let mut consequence = Consequence::default();
        if from == self.here || (!self.parts.contains_key(&from) && self.parts.len() >= limits::PEERS_MAX) {
            return consequence;
        }
        match word {
            PartWord::Hello { life, version } => {
                self.compare(from, (life, version), now, &mut consequence);
                consequence.answer = if version == 0 { Answer::Whole } else { Answer::Digest };
            }
            PartWord::Digest { life, version } => self.compare(from, (life, version), now, &mut consequence),
            PartWord::Diff { life, version, joined, left, dropped } => {
                self.apply(from, (life, version), (joined, left, dropped), now, &mut consequence);
            }
            PartWord::Ask { of } if of == self.here => consequence.answer = Answer::Whole,
            PartWord::Ask { .. } => {}
            PartWord::Part { life, version, piece, pieces, users } => {
                self.piece(from, (life, version), (piece, pieces), users, &mut consequence);
            }
            PartWord::Gone { life } => {
                if self.parts.get(&from).is_none_or(|part| part.life == life) {
                    self.forget(from, &mut consequence);
                }
            }
        }
        consequence
    }

    /// The node is gone, and its part with it.
    pub fn peer_gone(&mut self, node: NodeId) -> Consequence {
        let mut consequence = Consequence::default();
        self.forget(node, &mut consequence);
        consequence
    }

    /// Those to ask once more, because they have not answered for [`limits::PART_ASK_AGAIN`].
    pub fn unanswered(&mut self, now: Timestamp) -> Vec<NodeId> {
        let due = now.plus_ms(-(limits::PART_ASK_AGAIN.as_millis() as i64));
        let late: Vec<NodeId> = self.asked.iter().filter(|(_, at)| **at <= due).map(|(node, _)| *node).collect();
        for node in &late {
            self.asked.insert(*node, now);
        }
        late
    }

    /// Whether a question is without an answer.
    pub fn is_asking(&self) -> bool {
        !self.asked.is_empty()
    }

    /// Nodes whose part is known.
    pub fn known(&self) -> usize {
        self.parts.len()
    }

    /// Whether the user is on another node.
    pub fn contains(&self, user: &UserId) -> bool {
        self.users.contains_key(user)
    }

    /// Whether the user is there on a node whose id is less than this one's: of several nodes with the same to say, the
    /// first one says it.
    pub fn is_on_an_earlier_node(&self, user: &UserId) -> bool {
        self.parts.iter().any(|(node, part)| *node < self.here && part.users.contains(user))
    }

    /// The users on other nodes, each once, in no order.
    pub fn users(&self) -> impl Iterator<Item = &Author> {
        self.users.values().map(|somewhere| &somewhere.author)
    }

    fn compare(&mut self, from: NodeId, (life, version): (u64, u64), now: Timestamp, out: &mut Consequence) {
        match self.parts.get(&from) {
            Some(part) if part.life == life && part.version == version => {
                self.asked.remove(&from);
            }
            Some(_) | None if version == 0 => self.replace(from, (life, 0), Vec::new(), out),
            Some(_) | None => self.ask(from, now, out),
        }
    }

    fn apply(
        &mut self,
        from: NodeId,
        (life, version): (u64, u64),
        (joined, left, dropped): (Vec<Author>, Vec<UserId>, Vec<UserId>),
        now: Timestamp,
        out: &mut Consequence,
    ) {
        let known = self.parts.get(&from).filter(|part| part.life == life).map(|part| part.version);
        match known {
            Some(known) if version <= known => return,
            Some(known) if version == known + 1 => {}
            None if version == 1 => self.replace(from, (life, 0), Vec::new(), out),
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
        (life, version): (u64, u64),
        (piece, pieces): (u32, u32),
        users: Vec<Author>,
        out: &mut Consequence,
    ) {
        if self.parts.get(&from).is_some_and(|part| part.life == life && part.version >= version) {
            return;
        }
        if piece == 0 {
            self.arriving.insert(from, Arriving { life, version, next: 0, users: Vec::new() });
        }
        let Entry::Occupied(mut arriving) = self.arriving.entry(from) else { return };
        let whole = arriving.get_mut();
        if (whole.life, whole.version, whole.next) != (life, version, piece) {
            arriving.remove(); // the question is asked again
            return;
        }
        whole.next += 1;
        whole.users.extend(users);
        if whole.next == pieces {
            let whole = arriving.remove();
            self.replace(from, (life, version), whole.users, out);
        }
    }

    fn replace(&mut self, from: NodeId, (life, version): (u64, u64), users: Vec<Author>, out: &mut Consequence) {
        self.asked.remove(&from);
        self.arriving.remove(&from);
        let part = Part { life, version, users: users.iter().map(|author| author.id.clone()).collect() };
        let before = self.parts.insert(from, part).map(|part| part.users).unwrap_or_default();
        // first those who are new, so that nobody goes who only moved
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

    fn forget(&mut self, node: NodeId, out: &mut Consequence) {
        self.asked.remove(&node);
        self.arriving.remove(&node);
        for user in self.parts.remove(&node).map(|part| part.users).unwrap_or_default() {
            out.may_return.insert(user.clone());
            one_less(&mut self.users, user, out);
        }
    }

    fn ask(&mut self, node: NodeId, now: Timestamp, out: &mut Consequence) {
        if let Entry::Vacant(question) = self.asked.entry(node) {
            question.insert(now);
            out.ask = Some(node);
        }
    }
}

fn one_more(users: &mut HashMap<UserId, Somewhere>, author: Author, out: &mut Consequence) {
    match users.entry(author.id.clone()) {
        Entry::Occupied(entry) => {
            let somewhere = entry.into_mut();
            somewhere.nodes += 1;
            somewhere.author = author;
        }
        Entry::Vacant(entry) => {
            entry.insert(Somewhere { author: author.clone(), nodes: 1 });
            out.came.push(author);
        }
    }
}

fn one_less(users: &mut HashMap<UserId, Somewhere>, user: UserId, out: &mut Consequence) {
    if let Entry::Occupied(mut entry) = users.entry(user) {
        entry.get_mut().nodes -= 1;
        if entry.get().nodes == 0 {
            out.went.push(entry.remove().author);
        }
    }
}

#[cfg(test)]
mod tests;
