//! Messages by which administrators and owners of rooms act on the registry and on rooms.

use std::sync::Arc;

use actix::prelude::*;

use crate::{
    actors::room::Room,
    core::{command::RawJson, moderation::Sanction, rate::LimitStatus},
    ids::{RoomId, Timestamp, UserId},
};

// ---- to the registry ----

/// Ends a block early, on all nodes.
#[derive(Message, Clone)]
#[rtype(result = "()")]
pub struct LiftBlock {
    /// The user.
    pub user: UserId,
    /// The time at which it ends.
    pub at: Timestamp,
}

/// A user's position relative to the limits, as known to this node.
#[derive(Message, Clone)]
#[rtype(result = "LimitStatus")]
pub struct LocalLimitsOf(pub UserId);

/// Asks for the rooms in memory.
#[derive(Message)]
#[rtype(result = "Vec<Placement>")]
pub struct RoomsInMemory;

/// A room in memory.
#[derive(Clone)]
pub struct Placement {
    /// Its id.
    pub id: RoomId,
    /// Its address.
    pub room: Addr<Room>,
}

/// Asks whether the user's tokens issued at this time are revoked. Sent when a socket continues with another token.
#[derive(Message, Clone)]
#[rtype(result = "bool")]
pub struct IsRevoked {
    /// The user.
    pub user: UserId,
    /// When the token was issued, if it has the claim.
    pub issued_at: Option<Timestamp>,
}

/// Applies a mute or a ban that was stored, or its end. Takes effect here before it is answered.
#[derive(Message, Clone)]
#[rtype(result = "()")]
pub struct ApplySanction {
    /// The sanction as it is stored now.
    pub sanction: Arc<Sanction>,
    /// Who reports it.
    pub source: SanctionSource,
}

/// Who reports a sanction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SanctionSource {
    /// A request to this node. Other nodes have to be informed.
    Request,
    /// The database, because no node reported it in time. It is in the book already.
    Database,
}

/// Sends a notice to all sockets of all users, on all nodes.
#[derive(Message, Clone)]
#[rtype(result = "()")]
pub struct NotifyAll {
    /// The notice.
    pub data: RawJson,
    /// When it was sent.
    pub at: Timestamp,
}

// ---- to a room ----

/// Asks how many users are in the room, as known to this node.
#[derive(Message, Clone, Copy)]
#[rtype(result = "RoomUse")]
pub struct CountUsers;

/// The answer to [`CountUsers`].
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug, MessageResponse)]
pub struct RoomUse {
    /// Users in it now.
    pub users: u64,
    /// Distinct users per hour, in thousandths.
    pub users_per_hour_milli: u64,
    /// The last activity of any member, where it is tracked.
    pub last_sign: Option<Timestamp>,
}

/// Removes all users from a room except these.
#[derive(Message, Clone)]
#[rtype(result = "()")]
pub struct KeepOnly {
    /// The room.
    pub room: RoomId,
    /// The users who may stay.
    pub users: Vec<UserId>,
}
