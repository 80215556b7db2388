//! The state of the things in a space (`core::space::SpaceState`), kept by its room: which entries newcomers are sent, and
//! when entries end. The rooms on all nodes look for entries that have ended; what each stores of it names the entry that it
//! means, so the first one counts. It must never change the state other than by stored events.

use std::time::Duration;

use super::super::{
    kind::{Effect, RoomView, Settled, Timer},
    publish::By,
};
use crate::{
    actors::{bridge::ClusterMode, outbox::ConnKey},
    core::{
        event::{Durable, Event, EventBody, SpaceDurable},
        space::{Holder, SpaceState, StateCause, StateChange, StateEntry, StateLife, StateSet},
    },
    ids::{NodeId, SocketId},
    limits,
};

/// The next look for entries that have ended.
pub(super) const STATE: Timer = Timer(1);

/// The state of one space.
#[derive(Default)]
pub(super) struct Things {
    state: SpaceState,
    looking: Looking,
}

/// Whether the timer runs.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
enum Looking {
    #[default]
    No,
    Yes,
}

/// The socket or the node that is about to be removed from the room.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Leaving {
    Nobody,
    Socket(ConnKey),
    Node(NodeId),
}

fn holder(socket: SocketId, leaving: Leaving, room: &RoomView<'_>) -> Holder {
    let SocketId { node, conn } = socket;
    let is_here = node == room.node;
    if leaving == Leaving::Node(node) || (is_here && leaving == Leaving::Socket(conn)) {
        return Holder::Gone;
    }
    match room.cluster_mode {
        _ if is_here => {
            if room.core.user_of(conn).is_some() {
                Holder::Here
            } else {
                Holder::Gone
            }
        }
        ClusterMode::SingleNode => Holder::Gone,
        ClusterMode::MultiNode if room.core.knows_node(node) => Holder::Here,
        ClusterMode::MultiNode => Holder::Unknown,
    }
}

impl Things {
    /// The state was read from the database.
    pub fn read(&mut self, entries: Vec<StateEntry>) {
        self.state = SpaceState::new(entries);
    }

    /// The event of a change that a client asks for.
    pub fn change(&self, set: StateSet, by: &By, room: &RoomView<'_>) -> StateChange {
        let StateSet { key, value, if_seq, ttl_ms, life } = set;
        let stays = value.is_some();
        let conn = by.conn().filter(|_| stays && life == StateLife::EndsWithSocket);
        StateChange {
            by: by.user.clone(),
            key,
            value,
            cause: StateCause::Set,
            if_seq,
            expires_at: ttl_ms.filter(|_| stays).map(|ttl_ms| room.now.plus_ms(ttl_ms)),
            holder: conn.map(|conn| SocketId { node: room.node, conn }),
        }
    }

    /// The entries for a newcomer.
    pub fn listed(&self, room: &RoomView<'_>) -> Vec<StateEntry> {
        self.state.listed(room.now, |socket| holder(socket, Leaving::Nobody, room)).cloned().collect()
    }

    /// A stored event is published.
    pub fn published(&mut self, event: &Event) {
        if let EventBody::Durable { seq, what: Durable::Space(SpaceDurable::StateChanged(change)), .. } = &event.body {
            self.state.apply(*seq, change);
        }
    }

    /// A stored event was delivered.
    pub fn delivered(&mut self, event: &Event, room: &RoomView<'_>) -> Vec<Effect> {
        match &event.body {
            // the socket that has set it may have left meanwhile
            EventBody::Durable { what: Durable::Space(SpaceDurable::StateChanged(_)), .. } => self.look(room),
            EventBody::Durable { .. } | EventBody::Ephemeral(_) => Vec::new(),
        }
    }

    /// The journal has settled an event of this node.
    pub fn settled(&mut self, what: &Durable, outcome: Settled, room: &RoomView<'_>) -> Vec<Effect> {
        match (what, outcome) {
            (Durable::Space(SpaceDurable::StateChanged(change)), Settled::NotStored) if !change.cause.is_set() => {
                // another node has stored it, which this one is about to learn; or the database is not available
                self.state.not_ended(&change.key);
                self.wake(room).into_iter().collect()
            }
            (
                Durable::Space(_) | Durable::Chat(_) | Durable::Sheet(_) | Durable::Canvas(_) | Durable::Document(_),
                Settled::Stored | Settled::Repeated(_) | Settled::NotStored,
            ) => Vec::new(),
        }
    }

    /// A socket is about to leave.
    pub fn socket_left(&mut self, conn: ConnKey, room: &RoomView<'_>) -> Vec<Effect> {
        self.ends(Leaving::Socket(conn), room)
    }

    /// Another node is about to be forgotten.
    pub fn node_gone(&mut self, node: NodeId, room: &RoomView<'_>) -> Vec<Effect> {
        self.ends(Leaving::Node(node), room)
    }

    /// The timer has expired.
    pub fn woken(&mut self, room: &RoomView<'_>) -> Vec<Effect> {
        self.looking = Looking::No;
        self.look(room)
    }

    /// Looks for entries that have ended.
    pub fn look(&mut self, room: &RoomView<'_>) -> Vec<Effect> {
        self.ends(Leaving::Nobody, room)
    }

    fn ends(&mut self, leaving: Leaving, room: &RoomView<'_>) -> Vec<Effect> {
        if !self.state.has_ends() {
            return Vec::new();
        }
        let patience_ms = i64::try_from(limits::STATE_HOLDER_WAIT.as_millis()).unwrap_or(i64::MAX);
        let ends = self.state.take_ends(room.now, patience_ms, |socket| holder(socket, leaving, room));
        let store = |end| Effect::StoreUnasked(Box::new(Durable::Space(SpaceDurable::StateChanged(end))));
        let mut effects: Vec<Effect> = ends.into_iter().map(store).collect();
        effects.extend(self.wake(room));
        effects
    }

    /// Starts the timer, unless it runs.
    fn wake(&mut self, room: &RoomView<'_>) -> Option<Effect> {
        if self.looking == Looking::Yes || !self.state.has_ends() {
            return None;
        }
        self.looking = Looking::Yes;
        // what is due already has just been tried
        let next = self.state.next_expiry().filter(|at| *at > room.now);
        let in_ms = next.map(|at| at.unix_ms.abs_diff(room.now.unix_ms));
        let after = in_ms.map_or(limits::STATE_LOOK, Duration::from_millis).min(limits::STATE_LOOK);
        Some(Effect::Wake { timer: STATE, after })
    }
}
