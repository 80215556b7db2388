//! The seam between nodes. A room tells its bridge what the rooms of the same id on other nodes have to hear, and the
//! bridge brings them what those say. It only carries: what is durable is in the database before it is handed over,
//! so a bridge may lose, repeat or delay anything, and must never wait for anybody.

pub mod local;

use std::sync::Arc;

use actix::prelude::*;

use super::{fanout::Broadcast, messages::Carried};
use crate::ids::RoomId;

/// A room is in use here: bring it what the others say.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Attach {
    /// Which room.
    pub room: RoomId,
    /// Which node's.
    pub node: u64,
    /// Where to bring it.
    pub to: Recipient<Carried>,
}

/// The room is no longer in use here.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Detach {
    /// Which room.
    pub room: RoomId,
    /// Which node's.
    pub node: u64,
}

/// For the rooms of the same id on other nodes.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Carry {
    /// Which room's.
    pub room: RoomId,
    /// From which node.
    pub node: u64,
    /// What.
    pub broadcast: Arc<Broadcast>,
}

/// How far a bridge reaches.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reach {
    /// There is no other node: nothing needs carrying.
    ThisNode,
    /// There may be others.
    Cluster,
}

/// A node's line to its bridge, whichever it is.
#[derive(Clone)]
pub struct BridgeLink {
    /// This node towards the bridge.
    pub node: u64,
    /// How far it reaches.
    pub reach: Reach,
    /// For [`Attach`].
    pub attach: Recipient<Attach>,
    /// For [`Detach`].
    pub detach: Recipient<Detach>,
    /// For [`Carry`].
    pub carry: Recipient<Carry>,
}

impl BridgeLink {
    /// Hands over what other nodes have to hear. A full bridge loses it: rooms close their gaps from the database.
    pub fn carry(&self, room: RoomId, broadcast: &Arc<Broadcast>) {
        if self.reach == Reach::Cluster {
            let carried = Carry { room, node: self.node, broadcast: broadcast.clone() };
            if self.carry.try_send(carried).is_err() {
                log::warn!("event=bridge_full room={room}");
            }
        }
    }
}
