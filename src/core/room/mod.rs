//! The state of a room: its members here and on other nodes, the order of its events, and the latest events for clients
//! that reconnect.
//!
//! The room must never assign a sequence number: the log does that, and the room only delivers events in this order,
//! each once. It must not do I/O: it returns what has to be read from the log, and its owner reads it.

use std::{hash::Hash, ops::RangeInclusive, sync::Arc, time::Duration};

use crate::{
    core::{
        history::{History, HistoryBounds, Logged},
        profile::Author,
        remote_members::{MembershipChange, MembershipMessage, Others, OwnPart, RemoteMembers},
    },
    ids::{Epoch, NodeId, Seq, Timestamp, UserId},
};

mod leave_grace;
mod members;
mod order;

use leave_grace::LeaveGrace;
use members::Members;
pub use members::{Already, FirstSocket, JoinOutcome, LastSocket, LeaveOutcome};
use order::Sequencer;

/// What a reconnecting client has missed (docs/protocol.md, Recovery).
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Replay<E> {
    /// The client did not ask: it joins without a position.
    None,
    /// These events, in order; empty if the client is up to date.
    FromMemory(Vec<Arc<E>>),
    /// Events that are no longer in memory. After reading them, call [`RoomCore::replay`] again with `up_to` for the
    /// events that were delivered in the meantime. If the log does not have them all, the result is
    /// [`Replay::Incomplete`].
    FromStore {
        /// The last event that the client has.
        after: Seq,
        /// The last event to read.
        up_to: Seq,
    },
    /// The client has seen more than this room: it received events on another node that have not arrived here. The log
    /// must be read first. If the log does not reach that position, the result is [`Replay::Incomplete`].
    Ahead,
    /// The client cannot be brought up to date: its epoch differs, or it is too far behind. It is sent `complete:
    /// false`.
    Incomplete,
}

/// The result of reading a gap from the log.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct GapClosed<E> {
    /// Events that the log no longer has. The present members can never receive them, and must be evicted before
    /// anything else is delivered to them.
    pub lost: Option<RangeInclusive<Seq>>,
    /// The events to deliver now.
    pub ready: Vec<Arc<E>>,
}

/// Identifies this node's part of a room's members.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Place {
    /// The node.
    pub node: NodeId,
    /// The incarnation of the room on this node: a random number, new each time that the room starts.
    pub incarnation: u64,
    /// Whether there may be other nodes.
    pub others: Others,
}

/// The state of one room. `K` identifies one connection; `E` is an event of the log.
#[derive(Debug)]
pub struct RoomCore<K, E> {
    epoch: Epoch,
    members: Members<K>,
    own: OwnPart,
    elsewhere: RemoteMembers,
    /// users on other nodes who are not here as well
    only_elsewhere: usize,
    lingering: LeaveGrace,
    order: Sequencer<E>,
    history: History<E>,
}

impl<K: Copy + Eq + Hash, E: Logged> RoomCore<K, E> {
    /// Creates a room without members whose log has reached `head`.
    pub fn new(place: Place, (head, epoch): (Seq, Epoch), bounds: HistoryBounds) -> RoomCore<K, E> {
        RoomCore {
            epoch,
            members: Members::default(),
            own: OwnPart::new(place.incarnation, place.others),
            elsewhere: RemoteMembers::new(place.node),
            only_elsewhere: 0,
            lingering: LeaveGrace::default(),
            order: Sequencer::new(head),
            history: History::new(bounds),
        }
    }

    /// The last event delivered.
    pub fn head(&self) -> Seq {
        self.order.head()
    }

    /// The epoch of the sequence.
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    // ---- members ----

    /// Adds a socket. Its user is fixed: joining again has no effect.
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

    /// Removes a socket; `None` if it was not a member.
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

    /// Marks a user whose socket broke off as likely to reconnect. Other nodes are informed of this together with the
    /// end of the user's last socket here.
    pub fn may_return(&mut self, user: &UserId) {
        self.own.may_return(user);
    }

    /// The user's last socket anywhere has closed; the user counts as a member until the grace period ends.
    pub fn begin_leave_grace(&mut self, user: Author, grace: Duration, now: Timestamp) {
        self.lingering.begin(user, grace, now);
    }

    /// Ends the grace period of a user. Returns `None` if there was none.
    pub fn end_leave_grace(&mut self, user: &UserId) -> Option<Author> {
        self.lingering.end(user)
    }

    /// Users whose grace period has ended: they have left.
    pub fn take_overdue(&mut self, now: Timestamp) -> Vec<Author> {
        self.lingering.take_overdue(now)
    }

    /// The time until the next grace period ends.
    pub fn next_grace_ends_in(&mut self, now: Timestamp) -> Option<Duration> {
        self.lingering.next_in(now)
    }

    /// Users in their grace period, in no particular order.
    pub fn lingering(&self) -> impl Iterator<Item = &Author> {
        self.lingering.users()
    }

    /// Whether the user counts as a member, with a socket or in the grace period.
    pub fn is_member(&self, user: &UserId) -> bool {
        self.is_present(user) || self.lingering.contains(user)
    }

    /// The user's sockets on this node.
    pub fn sockets_of(&self, user: &UserId) -> &[K] {
        self.members.sockets_of(user)
    }

    /// The number of the user's sockets on this node, and one more if there are any on other nodes.
    pub fn sockets_known(&self, user: &UserId) -> usize {
        self.members.sockets_of(user).len() + usize::from(self.elsewhere.contains(user))
    }

    /// The user of a socket on this node.
    pub fn user_of(&self, socket: K) -> Option<&Author> {
        self.members.user_of(socket)
    }

    /// Whether the user has a socket in the room, on any node.
    pub fn is_present(&self, user: &UserId) -> bool {
        self.members.is_present(user) || self.elsewhere.contains(user)
    }

    /// The users on all nodes, each once, those of this node first, with the name given at the latest join. Includes
    /// users in their grace period.
    pub fn online(&self) -> impl Iterator<Item = &Author> {
        let others = self.elsewhere.users().filter(|author| !self.members.is_present(&author.id));
        self.members.online().chain(others).chain(self.lingering.users())
    }

    /// The users on this node, each once.
    pub fn local_users(&self) -> impl Iterator<Item = &Author> {
        self.members.online()
    }

    /// Whether this node announces what the user does, if the user is in the room on several nodes.
    pub fn is_authority_for(&self, user: &UserId) -> bool {
        self.members.is_present(user) && !self.elsewhere.is_on_an_earlier_node(user)
    }

    /// The number of users in the room, on all nodes.
    pub fn users(&self) -> usize {
        self.members.users() + self.only_elsewhere + self.lingering.len()
    }

    /// The number of sockets on this node.
    pub fn sockets(&self) -> usize {
        self.members.sockets()
    }

    // ---- members on other nodes ----

    /// Applies a message of another node about the room's members there.
    pub fn receive(&mut self, from: NodeId, message: MembershipMessage, now: Timestamp) -> MembershipChange {
        let consequence = self.elsewhere.receive(from, message, now);
        self.for_members(consequence)
    }

    /// Another node is gone; its members are removed.
    pub fn peer_gone(&mut self, node: NodeId) -> MembershipChange {
        let consequence = self.elsewhere.peer_gone(node);
        self.for_members(consequence)
    }

    /// Drops users who are also on this node: for its members they neither joined nor left.
    fn for_members(&mut self, mut consequence: MembershipChange) -> MembershipChange {
        consequence.came.retain(|author| !self.members.is_present(&author.id));
        consequence.went.retain(|author| !self.members.is_present(&author.id));
        self.only_elsewhere = self.only_elsewhere + consequence.came.len() - consequence.went.len();
        // a user who is back within the grace period never left
        consequence.came.retain(|author| self.lingering.end(&author.id).is_none());
        consequence
    }

    /// Whether there are membership changes to publish.
    pub fn has_diffs(&self) -> bool {
        self.own.has_diffs()
    }

    /// Takes the membership changes since the last call.
    pub fn take_diffs(&mut self) -> Vec<MembershipMessage> {
        self.own.take_diffs()
    }

    /// The version of this node's part of the members.
    pub fn digest(&self) -> MembershipMessage {
        self.own.digest()
    }

    /// The same, with a request for the versions of the other nodes.
    pub fn hello(&self) -> MembershipMessage {
        self.own.hello()
    }

    /// The message that the room is no longer in use on this node.
    pub fn gone(&self) -> MembershipMessage {
        self.own.gone()
    }

    /// This node's complete part in pieces. Call [`RoomCore::take_diffs`] first.
    pub fn whole(&self) -> Vec<MembershipMessage> {
        self.own.whole(self.members.online().cloned().collect())
    }

    /// The number of nodes whose part is known.
    pub fn parts_known(&self) -> usize {
        self.elsewhere.known()
    }

    /// Whether the part of that node is known.
    pub fn knows_node(&self, node: NodeId) -> bool {
        self.elsewhere.knows(node)
    }

    /// Whether a request for a part is pending.
    pub fn is_asking(&self) -> bool {
        self.elsewhere.is_asking()
    }

    /// Nodes from which to request their part again.
    pub fn unanswered(&mut self, now: Timestamp) -> Vec<NodeId> {
        self.elsewhere.unanswered(now)
    }

    // ---- events ----

    /// Accepts an event of the log, in any order and any number of times. Returns the events to deliver now.
    pub fn commit(&mut self, event: Arc<E>) -> Vec<Arc<E>> {
        let ready = self.order.accept(event);
        self.remember(&ready);
        ready
    }

    /// Accepts the result of reading the gap `asked` from the log: the events in order, from the first one that still
    /// exists. The room may have advanced during the read.
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

    /// The log is known to have reached `seq`.
    pub fn note_head(&mut self, seq: Seq) {
        self.order.note_head(seq);
    }

    /// Adds events read from the log that directly precede those in memory, for other clients that reconnect. Keeps the
    /// newest ones, as many as fit.
    pub fn restore_history(&mut self, events: &[Arc<E>]) {
        let before = self.history.first().unwrap_or_else(|| self.order.head().next());
        self.history.extend_back(events, before);
    }

    /// The first range of events that are known to exist and have not arrived.
    pub fn missing(&self) -> Option<RangeInclusive<Seq>> {
        self.order.missing()
    }

    /// The number of events held after a gap.
    #[cfg(test)]
    pub fn held(&self) -> usize {
        self.order.held()
    }

    /// What a client has missed whose last event was `since` of that epoch. All of it has been delivered to the
    /// members; later events reach the client live.
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

    /// The events delivered after `seq`, if memory has all of them.
    pub fn events_since(&self, seq: Seq) -> Option<Vec<Arc<E>>> {
        match self.replay(Some((seq, self.epoch))) {
            Replay::FromMemory(events) => Some(events),
            Replay::None | Replay::FromStore { .. } | Replay::Ahead | Replay::Incomplete => None,
        }
    }

    /// The latest events in memory, the newest first.
    pub fn recent(&self) -> impl Iterator<Item = &Arc<E>> {
        self.history.iter().rev()
    }

    /// Limits the memory used for the latest events, until the next call.
    pub fn limit_history(&mut self, bytes_max: usize) {
        self.history.limit(bytes_max);
    }

    /// The bytes of the latest events in memory.
    pub fn history_bytes(&self) -> usize {
        self.history.bytes()
    }

    /// Replaces the events in memory for which `change` has a replacement. Clients that reconnect receive these.
    pub fn rewrite(&mut self, change: impl Fn(&E) -> Option<Arc<E>>) {
        self.history.rewrite(change);
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
