//! A room's link to one hub. Messages that do not fit into the hub's mailbox are kept here, in order and bounded. A
//! subscription must never be lost, nor an event after it: on overflow, ephemeral events are dropped first; then all
//! members that the hub has at that point are evicted, so that they resume.

use std::{collections::VecDeque, sync::Arc};

use actix::prelude::*;
use rustc_hash::FxHashSet;

use super::{fanout::Broadcast, messages::HubMessage};
use crate::{
    core::{backlog::Class, history::Logged},
    ids::RoomId,
    limits,
};

/// A worker with members of the room.
pub(super) struct HubLink {
    /// The index of the worker.
    pub worker: u16,
    /// The number of members on that worker.
    pub members: usize,
    room: RoomId,
    hub: Recipient<HubMessage>,
    /// Messages that did not fit, in the order of delivery. Apart from deliveries it only contains messages for single
    /// sockets (subscriptions and replies), which are bounded by the sockets themselves.
    overflow: VecDeque<HubMessage>,
    /// Deliveries in `overflow` that must not be dropped, and their bytes.
    durable: usize,
    durable_bytes: usize,
    /// Deliveries in `overflow` that may be dropped.
    ephemeral: usize,
    /// Ephemeral deliveries that were dropped and not reported yet.
    dropped: u32,
}

/// Whether messages are waiting for the hub.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Backpressure {
    /// None.
    Clear,
    /// Some: retry soon.
    Up,
}

impl HubLink {
    pub fn new(worker: u16, room: RoomId, hub: Recipient<HubMessage>) -> HubLink {
        HubLink {
            worker,
            members: 0,
            room,
            hub,
            overflow: VecDeque::new(),
            durable: 0,
            durable_bytes: 0,
            ephemeral: 0,
            dropped: 0,
        }
    }

    pub fn deliver(&mut self, broadcast: Arc<Broadcast>) -> Backpressure {
        self.send(HubMessage::Deliver { room: self.room, broadcast })
    }

    /// Sends a message, or keeps it if it cannot be sent yet.
    pub fn send(&mut self, message: HubMessage) -> Backpressure {
        if self.overflow.is_empty() {
            match self.hub.try_send(message) {
                Ok(()) => return Backpressure::Clear,
                Err(SendError::Full(message)) => self.keep(message),
                // the worker is gone, and its sockets with it
                Err(SendError::Closed(_)) => return Backpressure::Clear,
            }
        } else {
            self.keep(message);
        }
        Backpressure::Up
    }

    fn keep(&mut self, message: HubMessage) {
        match Weight::of(&message) {
            Weight::Nothing => {}
            Weight::Ephemeral(_) => self.ephemeral += 1,
            Weight::Durable(bytes) => {
                self.durable += 1;
                self.durable_bytes += bytes;
            }
        }
        self.overflow.push_back(message);
        if self.ephemeral > limits::ROOM_OVERFLOW_EPHEMERAL_MAX {
            self.conflate();
        }
        if self.durable > limits::ROOM_OVERFLOW_MAX || self.durable_bytes > limits::ROOM_OVERFLOW_BYTES_MAX {
            self.evict();
        }
    }

    /// Keeps only the newest ephemeral event of each key, and at most half as many as the limit.
    fn conflate(&mut self) {
        let (mut keys, mut kept) = (FxHashSet::default(), VecDeque::with_capacity(self.overflow.len()));
        for message in std::mem::take(&mut self.overflow).into_iter().rev() {
            if let Weight::Ephemeral(key) = Weight::of(&message)
                && (keys.len() >= limits::ROOM_OVERFLOW_EPHEMERAL_MAX / 2 || !keys.insert(key))
            {
                self.dropped += 1;
                continue;
            }
            kept.push_front(message);
        }
        self.overflow = kept;
        self.ephemeral = keys.len();
    }

    /// Drops all deliveries and evicts. Every socket that should have received one of them is a member when the hub
    /// reaches the eviction, even if its subscription is waiting as well; a socket that subscribes later gets a
    /// snapshot that includes them.
    fn evict(&mut self) {
        log::warn!("event=members_evicted room={} worker={} why=hub_mailbox_full", self.room, self.worker);
        self.overflow.retain(|message| !is_useless_to_evicted(message));
        (self.durable, self.durable_bytes, self.ephemeral) = (0, 0, 0);
        self.overflow.push_back(HubMessage::Evict { room: self.room });
    }

    /// Sends the waiting messages, as far as possible.
    pub fn retry(&mut self) -> Backpressure {
        while let Some(message) = self.overflow.pop_front() {
            let weight = Weight::of(&message);
            if let Err(SendError::Full(message)) = self.hub.try_send(message) {
                self.overflow.push_front(message);
                return Backpressure::Up;
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
        Backpressure::Clear
    }

    /// The room has ended. Its members are evicted and will rejoin a new instance.
    pub fn let_go(mut self) {
        if self.members > 0 {
            // keeps waiting subscriptions: these sockets must be members when the eviction is reached
            self.overflow.retain(|message| !is_useless_to_evicted(message));
            self.overflow.push_back(HubMessage::Evict { room: self.room });
        }
        for message in self.overflow {
            send_surely(self.hub.clone(), message);
        }
    }

    /// Ephemeral deliveries dropped since the last call.
    pub fn take_dropped(&mut self) -> u32 {
        std::mem::take(&mut self.dropped)
    }

    /// Whether the link can be removed.
    pub fn is_spare(&self) -> bool {
        self.members == 0 && self.overflow.is_empty()
    }
}

/// Sends a message as soon as a full hub accepts it, for a room that has ended and cannot retry. Several such messages
/// keep their order, because the senders waiting for a mailbox are woken in turn.
pub(super) fn send_surely(hub: Recipient<HubMessage>, message: HubMessage) {
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

/// Whether a message concerns only members who are evicted next.
const fn is_useless_to_evicted(message: &HubMessage) -> bool {
    match message {
        HubMessage::Deliver { .. } | HubMessage::Place { .. } | HubMessage::Evict { .. } => true,
        HubMessage::Subscribe { .. }
        | HubMessage::Unsubscribe { .. }
        | HubMessage::Reply { .. }
        | HubMessage::Remove { .. }
        | HubMessage::Expel { .. } => false,
    }
}

/// How a waiting message counts.
enum Weight {
    /// It concerns one socket and is always kept.
    Nothing,
    /// Only the newest event of its key matters.
    Ephemeral(u64),
    /// It has this many bytes and must not be lost silently.
    Durable(usize),
}

impl Weight {
    fn of(message: &HubMessage) -> Weight {
        match message {
            HubMessage::Deliver { broadcast, .. } => match broadcast.class() {
                Class::Ephemeral(key) => Weight::Ephemeral(key),
                // a member who missed a join or leave would not learn of it later
                Class::Durable | Class::Part | Class::Presence(_) => Weight::Durable(broadcast.size_bytes()),
            },
            HubMessage::Place { places, .. } => Weight::Durable(size_of_val(places.as_slice())),
            HubMessage::Subscribe { .. }
            | HubMessage::Unsubscribe { .. }
            | HubMessage::Reply { .. }
            | HubMessage::Remove { .. }
            | HubMessage::Expel { .. }
            | HubMessage::Evict { .. } => Weight::Nothing,
        }
    }
}

#[cfg(test)]
mod tests;
