//! A room's line to one hub. What the hub's full mailbox does not take waits here, in order, and bounded: a
//! subscription is never lost, and a hub that falls too far behind sends its members to resume.

use std::{collections::VecDeque, sync::Arc};

use actix::prelude::*;

use super::{fanout::Broadcast, hub::Hub, messages::FromRoom};
use crate::{ids::RoomId, limits};

/// A worker with members of the room.
pub(super) struct Arm {
    /// Which worker.
    pub worker: u16,
    /// How many members it has there.
    pub members: usize,
    room: RoomId,
    hub: Addr<Hub>,
    spill: VecDeque<FromRoom>,
    spilled_deliveries: usize,
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
    pub fn new(worker: u16, room: RoomId, hub: Addr<Hub>) -> Arm {
        Arm { worker, members: 0, room, hub, spill: VecDeque::new(), spilled_deliveries: 0 }
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
        if matches!(message, FromRoom::Deliver { .. }) {
            self.spilled_deliveries += 1;
        }
        self.spill.push_back(message);
        if self.spilled_deliveries > limits::ROOM_SPILL_MAX {
            log::warn!("event=hub_evicted room={} worker={} why=mailbox_full", self.room, self.worker);
            self.spill.retain(|m| !matches!(m, FromRoom::Deliver { .. }));
            self.spilled_deliveries = 0;
            self.spill.push_front(FromRoom::Evict { room: self.room });
        }
    }

    /// Tries again what waits.
    pub fn retry(&mut self) -> Backed {
        while let Some(message) = self.spill.pop_front() {
            let delivery = matches!(message, FromRoom::Deliver { .. });
            match self.hub.try_send(message) {
                Err(SendError::Full(message)) => {
                    self.spill.push_front(message);
                    return Backed::Up;
                }
                Ok(()) | Err(SendError::Closed(_)) if delivery => self.spilled_deliveries -= 1,
                Ok(()) | Err(SendError::Closed(_)) => {}
            }
        }
        Backed::Clear
    }

    /// Whether the arm can be let go.
    pub fn is_spare(&self) -> bool {
        self.members == 0 && self.spill.is_empty()
    }
}
