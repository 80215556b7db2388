//! A room's link to one hub. What the hub's full mailbox does not take waits here, in order and bounded. A subscription
//! is never lost, and neither is an event behind it: when too much waits, ephemeral events are dropped first, and then all
//! members that the hub has by then are evicted, so that they resume.

use std::{collections::VecDeque, sync::Arc};

use actix::prelude::*;
use rustc_hash::FxHashSet;

use super::{fanout::Broadcast, messages::FromRoom};
use crate::{
    core::{backlog::Class, history::Logged},
    ids::RoomId,
    limits,
};

/// A worker with members of the room.
pub(super) struct Arm {
    /// Which worker.
    pub worker: u16,
    /// How many members it has there.
    pub members: usize,
    room: RoomId,
    hub: Recipient<FromRoom>,
    /// In the order in which the hub gets it. Beside deliveries it holds only what concerns single sockets: their
    /// subscriptions and answers, which are bounded by the sockets themselves.
    spill: VecDeque<FromRoom>,
    /// Deliveries in `spill` that must not be lost, and their bytes.
    durable: usize,
    durable_bytes: usize,
    /// Deliveries in `spill` that may be.
    ephemeral: usize,
    /// Ephemeral deliveries that were dropped and not reported yet.
    dropped: u32,
}

/// Whether something waits for the hub.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Backed {
    /// Nothing.
    Clear,
    /// Something: try again soon.
    Up,
}

impl Arm {
    pub fn new(worker: u16, room: RoomId, hub: Recipient<FromRoom>) -> Arm {
        Arm {
            worker,
            members: 0,
            room,
            hub,
            spill: VecDeque::new(),
            durable: 0,
            durable_bytes: 0,
            ephemeral: 0,
            dropped: 0,
        }
    }

    pub fn deliver(&mut self, broadcast: Arc<Broadcast>) -> Backed {
        self.send(FromRoom::Deliver { room: self.room, broadcast })
    }

    /// Sends, or keeps what can't be sent yet.
    pub fn send(&mut self, message: FromRoom) -> Backed {
        if self.spill.is_empty() {
            match self.hub.try_send(message) {
                Ok(()) => return Backed::Clear,
                Err(SendError::Full(message)) => self.keep(message),
                // the worker is gone, and its sockets with it
                Err(SendError::Closed(_)) => return Backed::Clear,
            }
        } else {
            self.keep(message);
        }
        Backed::Up
    }

    fn keep(&mut self, message: FromRoom) {
        match Weight::of(&message) {
            Weight::Nothing => {}
            Weight::Ephemeral(_) => self.ephemeral += 1,
            Weight::Durable(bytes) => {
                self.durable += 1;
                self.durable_bytes += bytes;
            }
        }
        self.spill.push_back(message);
        if self.ephemeral > limits::ROOM_SPILL_EPHEMERAL_MAX {
            self.conflate();
        }
        if self.durable > limits::ROOM_SPILL_MAX || self.durable_bytes > limits::ROOM_SPILL_BYTES_MAX {
            self.evict();
        }
    }

    /// Keeps the newest ephemeral event of each key, and of those no more than half of what may wait.
    fn conflate(&mut self) {
        let (mut keys, mut kept) = (FxHashSet::default(), VecDeque::with_capacity(self.spill.len()));
        for message in std::mem::take(&mut self.spill).into_iter().rev() {
            if let Weight::Ephemeral(key) = Weight::of(&message)
                && (keys.len() >= limits::ROOM_SPILL_EPHEMERAL_MAX / 2 || !keys.insert(key))
            {
                self.dropped += 1;
                continue;
            }
            kept.push_front(message);
        }
        self.spill = kept;
        self.ephemeral = keys.len();
    }

    /// Drops all deliveries. Everybody who should have got one of them is a member when the hub comes to the eviction,
    /// also if the subscription waits before it; whoever subscribes after it gets a snapshot that includes them.
    fn evict(&mut self) {
        log::warn!("event=members_evicted room={} worker={} why=hub_mailbox_full", self.room, self.worker);
        self.spill.retain(|message| !matches!(message, FromRoom::Deliver { .. } | FromRoom::Evict { .. }));
        (self.durable, self.durable_bytes, self.ephemeral) = (0, 0, 0);
        self.spill.push_back(FromRoom::Evict { room: self.room });
    }

    /// Tries again what waits.
    pub fn retry(&mut self) -> Backed {
        while let Some(message) = self.spill.pop_front() {
            let weight = Weight::of(&message);
            if let Err(SendError::Full(message)) = self.hub.try_send(message) {
                self.spill.push_front(message);
                return Backed::Up;
            }
            match weight {
                Weight::Nothing => {}
                Weight::Ephemeral(_) => self.ephemeral -= 1,
                Weight::Durable(bytes) => {
                    self.durable -= 1;
                    self.durable_bytes -= bytes;
                }
            }
        }
        Backed::Clear
    }

    /// The room has ended. Whoever is a member there still comes back to a new one.
    pub fn let_go(mut self) {
        if self.members > 0 {
            // who waited to be let in must be a member by then
            self.spill.retain(|message| !matches!(message, FromRoom::Deliver { .. } | FromRoom::Evict { .. }));
            self.spill.push_back(FromRoom::Evict { room: self.room });
        }
        for message in self.spill {
            send_surely(self.hub.clone(), message);
        }
    }

    /// Ephemeral deliveries dropped since the last call.
    pub fn take_dropped(&mut self) -> u32 {
        std::mem::take(&mut self.dropped)
    }

    /// Whether the arm can be let go.
    pub fn is_spare(&self) -> bool {
        self.members == 0 && self.spill.is_empty()
    }
}

/// Sends once more when a full hub has a place, for a room that is not there to do it. Several such messages keep their
/// order: a hub's waiting senders are woken in turn.
pub(super) fn send_surely(hub: Recipient<FromRoom>, message: FromRoom) {
    if let Err(SendError::Full(message)) = hub.try_send(message)
        && tokio::runtime::Handle::try_current().is_ok()
    {
        actix::spawn(async move {
            if let Err(error) = hub.send(message).await {
                log::debug!("event=hub_gone why=\"{error}\"");
            }
        });
    }
}

/// What a waiting message counts for.
enum Weight {
    /// It concerns one socket, and is kept whatever happens.
    Nothing,
    /// The newest event of its key is enough.
    Ephemeral(u64),
    /// So many bytes that must not be lost silently.
    Durable(usize),
}

impl Weight {
    fn of(message: &FromRoom) -> Weight {
        match message {
            FromRoom::Deliver { broadcast, .. } => match broadcast.class() {
                Class::Ephemeral(key) => Weight::Ephemeral(key),
                // a member who missed who came or went would not learn it later
                Class::Durable | Class::Part | Class::Presence(_) => Weight::Durable(broadcast.size_bytes()),
            },
            FromRoom::Subscribe { .. }
            | FromRoom::Unsubscribe { .. }
            | FromRoom::Tell { .. }
            | FromRoom::Expel { .. }
            | FromRoom::Evict { .. } => Weight::Nothing,
        }
    }
}

#[cfg(test)]
mod tests;
