//! A room's state: who is in it, here and on other nodes, the order of its events, and the last of them for whoever comes
//! back.
//!
//! The room never invents a number: the log gives every durable event its place, and the room only delivers in that
//! order, each event once. It does no I/O: what memory does not have it names, and its owner reads it.

use std::{hash::Hash, ops::RangeInclusive, sync::Arc, time::Duration};

use crate::{
    core::{
        elsewhere::{Consequence, Elsewhere, Others, OwnPart, PartWord},
        event::RoomIdentity,
        history::{History, HistoryBounds, Logged},
        profile::Author,
    },
    ids::{Epoch, NodeId, Seq, Timestamp, UserId},
};

mod lingering;
mod members;
mod order;

use lingering::Lingering;
use members::Members;
pub use members::{Already, FirstSocket, JoinOutcome, LastSocket, LeaveOutcome};
use order::Sequencer;

/// What a client that comes back has missed (docs/protocol.md, Recovery).
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Replay<E> {
    /// It did not ask: a fresh join.
    None,
    /// These, in order; none if it is up to date.
    FromMemory(Vec<Arc<E>>),
    /// What memory no longer has. After reading it, ask again with `up_to`, for what came meanwhile. Where the log
    /// has not all of it any more, it is [`Replay::Incomplete`] after all.
    FromStore {
        /// The last event that the client has.
        after: Seq,
        /// The last one to read.
        up_to: Seq,
    },
    /// It has seen more than this room: what it saw was said on another node, and the log must be asked first. Where
    /// the log has not come so far either, it is [`Replay::Incomplete`] after all.
    Ahead,
    /// It can't be told: another epoch, or too far back. It gets `complete: false`.
    Incomplete,
}

/// What came of reading a gap from the log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GapClosed<E> {
    /// Events that the log no longer has. The members who are here will never get them, and must be told before anything
    /// else is delivered to them.
    pub lost: Option<RangeInclusive<Seq>>,
    /// What is to be delivered now.
    pub ready: Vec<Arc<E>>,
}

/// Which part of a room's members this is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Place {
    /// On which node.
    pub node: NodeId,
    /// Random: another one each time that the room begins there.
    pub life: u64,
    /// Whether there may be other nodes.
    pub others: Others,
}

/// One room. `K` names one life of one socket; `E` is an event of the log.
#[derive(Debug)]
pub struct RoomCore<K, E> {
    identity: Arc<RoomIdentity>,
    epoch: Epoch,
    members: Members<K>,
    own: OwnPart,
    elsewhere: Elsewhere,
    /// users on other nodes that are not here as well
    only_elsewhere: usize,
    lingering: Lingering,
    order: Sequencer<E>,
    history: History<E>,
}

impl<K: Copy + Eq + Hash, E: Logged> RoomCore<K, E> {
    /// An empty room whose log has come to `head`.
    pub fn new(
        identity: Arc<RoomIdentity>,
        place: Place,
        (head, epoch): (Seq, Epoch),
        bounds: HistoryBounds,
    ) -> RoomCore<K, E> {
        RoomCore {
            identity,
            epoch,
            members: Members::default(),
            own: OwnPart::new(place.life, place.others),
            elsewhere: Elsewhere::new(place.node),
            only_elsewhere: 0,
            lingering: Lingering::default(),
            order: Sequencer::new(head),
            history: History::new(bounds),
        }
    }

    /// Which room it is.
    pub fn identity(&self) -> &Arc<RoomIdentity> {
        &self.identity
    }

    /// The last event delivered.
    pub fn head(&self) -> Seq {
        self.order.head()
    }

    /// The life of the sequence.
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    // ---- members ----

    /// Lets a socket in. A socket belongs to one user for life: a second join of it changes nothing.
    pub fn join(&mut self, socket: K, user: &Author) -> JoinOutcome {
        let mut outcome = self.members.join(socket, user);
        if outcome.first_socket == FirstSocket::Yes {
            self.own.came(user);
            if self.elsewhere.contains(&user.id) {
                self.only_elsewhere -= 1;
                outcome.first_socket = FirstSocket::No;
            }
            if self.lingering.end(&user.id).is_some() {
                outcome.first_socket = FirstSocket::No;
            }
        }
        outcome
    }

    /// Lets a socket go; none if it was not there.
    pub fn leave(&mut self, socket: K) -> Option<LeaveOutcome> {
        let mut outcome = self.members.leave(socket)?;
        if outcome.last_socket == LastSocket::Yes {
            self.own.went(&outcome.user.id);
            if self.elsewhere.contains(&outcome.user.id) {
                self.only_elsewhere += 1;
                outcome.last_socket = LastSocket::No;
            }
        }
        Some(outcome)
    }

    /// A user whose socket broke off may come back at once: other nodes learn it together with the end of the user's last
    /// socket here.
    pub fn may_return(&mut self, user: &UserId) {
        self.own.may_return(user);
    }

    /// A user whose last socket anywhere has just ended counts as a member until the grace ends.
    pub fn linger(&mut self, user: Author, grace: Duration, now: Timestamp) {
        self.lingering.begin(user, grace, now);
    }

    /// The user does not come back. None if the user did not linger.
    pub fn end_lingering(&mut self, user: &UserId) -> Option<Author> {
        self.lingering.end(user)
    }

    /// Users whose grace has ended: they have left.
    pub fn take_overdue(&mut self, now: Timestamp) -> Vec<Author> {
        self.lingering.take_overdue(now)
    }

    /// How long until the next grace ends.
    pub fn next_grace_ends_in(&mut self, now: Timestamp) -> Option<Duration> {
        self.lingering.next_in(now)
    }

    /// Users without a socket who count as members for a moment, in no order.
    pub fn lingering(&self) -> impl Iterator<Item = &Author> {
        self.lingering.users()
    }

    /// Whether the user counts as a member, with a socket or without one for a moment.
    pub fn is_member(&self, user: &UserId) -> bool {
        self.is_present(user) || self.lingering.contains(user)
    }

    /// The user's sockets on this node.
    pub fn sockets_of(&self, user: &UserId) -> &[K] {
        self.members.sockets_of(user)
    }

    /// Whose socket it is, if it is here.
    pub fn user_of(&self, socket: K) -> Option<&Author> {
        self.members.user_of(socket)
    }

    /// Whether the user has a socket in the room, on any node.
    pub fn is_present(&self, user: &UserId) -> bool {
        self.members.is_present(user) || self.elsewhere.contains(user)
    }

    /// The users on all nodes, each once, those of this node first, under the name of the latest join. Who lost the last
    /// socket a moment ago is among them.
    pub fn online(&self) -> impl Iterator<Item = &Author> {
        let others = self.elsewhere.users().filter(|author| !self.members.is_present(&author.id));
        self.members.online().chain(others).chain(self.lingering.users())
    }

    /// The users of this node, each once.
    pub fn online_here(&self) -> impl Iterator<Item = &Author> {
        self.members.online()
    }

    /// Whether it is this node, of those where the user is, that says what the user does everywhere.
    pub fn speaks_for(&self, user: &UserId) -> bool {
        self.members.is_present(user) && !self.elsewhere.is_on_an_earlier_node(user)
    }

    /// How many users are in the room, on all nodes.
    pub fn users(&self) -> usize {
        self.members.users() + self.only_elsewhere + self.lingering.len()
    }

    /// How many sockets are here.
    pub fn sockets(&self) -> usize {
        self.members.sockets()
    }

    // ---- members elsewhere ----

    /// Takes what the room on another node says about its members.
    pub fn hear(&mut self, from: NodeId, word: PartWord, now: Timestamp) -> Consequence {
        let consequence = self.elsewhere.hear(from, word, now);
        self.for_members(consequence)
    }

    /// Another node is gone, and its members with it.
    pub fn peer_gone(&mut self, node: NodeId) -> Consequence {
        let consequence = self.elsewhere.peer_gone(node);
        self.for_members(consequence)
    }

    /// What of it concerns the members here: whoever is here as well neither came nor went.
    fn for_members(&mut self, mut consequence: Consequence) -> Consequence {
        consequence.came.retain(|author| !self.members.is_present(&author.id));
        consequence.went.retain(|author| !self.members.is_present(&author.id));
        self.only_elsewhere = self.only_elsewhere + consequence.came.len() - consequence.went.len();
        // whoever is back in time was never away
        consequence.came.retain(|author| self.lingering.end(&author.id).is_none());
        consequence
    }

    /// Whether the others have to learn something of the members here.
    pub fn has_diffs(&self) -> bool {
        self.own.has_diffs()
    }

    /// What the others have to learn of the members here since the last time.
    pub fn take_diffs(&mut self) -> Vec<PartWord> {
        self.own.take_diffs()
    }

    /// Where this node's part of the members stands.
    pub fn digest(&self) -> PartWord {
        self.own.digest()
    }

    /// The same, and the question where the others' parts stand.
    pub fn hello(&self) -> PartWord {
        self.own.hello()
    }

    /// The last word to the others.
    pub fn gone(&self) -> PartWord {
        self.own.gone()
    }

    /// This node's part, whole, in pieces; [`RoomCore::take_diffs`] comes first.
    pub fn whole(&self) -> Vec<PartWord> {
        self.own.whole(self.members.online().cloned().collect())
    }

    /// Nodes whose part is known.
    pub fn parts_known(&self) -> usize {
        self.elsewhere.known()
    }

    /// Whether a question for a part is without an answer.
    pub fn is_asking(&self) -> bool {
        self.elsewhere.is_asking()
    }

    /// Nodes to ask once more for their part.
    pub fn unanswered(&mut self, now: Timestamp) -> Vec<NodeId> {
        self.elsewhere.unanswered(now)
    }

    // ---- events ----

    /// Takes an event of the log, in whatever order and however often it comes. Answers what is to be delivered now.
    pub fn commit(&mut self, event: Arc<E>) -> Vec<Arc<E>> {
        let ready = self.order.accept(event);
        self.remember(&ready);
        ready
    }

    /// Takes what the log has of a gap: the events of `asked`, in order, from the first one that it still has. While the
    /// log was read the room may have gone on.
    pub fn close_gap(&mut self, asked: RangeInclusive<Seq>, read: Vec<Arc<E>>) -> GapClosed<E> {
        let next = self.order.head().next().max(*asked.start());
        let found = read.first().map_or_else(|| asked.end().next(), |event| event.seq());
        let mut ready = Vec::new();
        let lost = (found > next).then(|| {
            let last = Seq(found.0 - 1);
            self.history.clear();
            ready = self.order.skip_to(last);
            self.remember(&ready);
            next..=last
        });
        ready.extend(read.into_iter().flat_map(|event| self.commit(event)));
        GapClosed { lost, ready }
    }

    /// The log is known to have come to `seq`.
    pub fn heard_of(&mut self, seq: Seq) {
        self.order.heard_of(seq);
    }

    /// Takes events that were read from the log and lie right before those in memory, for whoever else comes back;
    /// as many of the newest as memory has room for.
    pub fn recall(&mut self, events: &[Arc<E>]) {
        let before = self.history.first().unwrap_or_else(|| self.order.head().next());
        self.history.extend_back(events, before);
    }

    /// The first run of events that is known to exist and has not come.
    pub fn missing(&self) -> Option<RangeInclusive<Seq>> {
        self.order.missing()
    }

    /// Events that wait behind a gap.
    pub fn held(&self) -> usize {
        self.order.held()
    }

    /// What a client has missed that last had event `since` of that epoch. All of it has been delivered to the
    /// members; what is delivered afterwards reaches the newcomer live.
    pub fn replay(&self, since: Option<(Seq, Epoch)>) -> Replay<E> {
        let Some((since, epoch)) = since else { return Replay::None };
        let head = self.order.head();
        if epoch != self.epoch || since < Seq(0) {
            return Replay::Incomplete;
        }
        if since > head {
            return Replay::Ahead;
        }
        let missed = head.0.abs_diff(since.0);
        if missed == 0 {
            return Replay::FromMemory(Vec::new());
        }
        if missed > self.history.bounds().events_max as u64 {
            return Replay::Incomplete;
        }
        match self.history.after(since) {
            Some(events) => Replay::FromMemory(events),
            None => Replay::FromStore { after: since, up_to: head },
        }
    }

    /// What was delivered after `seq`, if memory has all of it.
    pub fn said_since(&self, seq: Seq) -> Option<Vec<Arc<E>>> {
        match self.replay(Some((seq, self.epoch))) {
            Replay::FromMemory(events) => Some(events),
            Replay::None | Replay::FromStore { .. } | Replay::Ahead | Replay::Incomplete => None,
        }
    }

    /// Memory has room for so many bytes of the last events, for the moment.
    pub fn limit_history(&mut self, bytes_max: usize) {
        self.history.limit(bytes_max);
    }

    /// Bytes of the last events in memory.
    pub fn history_bytes(&self) -> usize {
        self.history.bytes()
    }

    fn remember(&mut self, events: &[Arc<E>]) {
        for event in events {
            self.history.push(event.clone());
        }
    }
}

#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;
