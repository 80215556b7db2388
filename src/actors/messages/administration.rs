//! What administrators and owners of rooms make the registry and the rooms do.

use actix::prelude::*;

use crate::{
    actors::room::Room,
    core::rate::Reckoning,
    ids::{RoomId, Timestamp, UserId},
};

// ---- to the registry ----

/// A block is over before its time, on all nodes.
#[derive(Message, Clone)]
#[rtype(result = "()")]
pub struct LiftBlock {
    /// Whose.
    pub user: UserId,
    /// Since when.
    pub at: Timestamp,
}

/// How a user stands, as far as this node knows.
#[derive(Message, Clone)]
#[rtype(result = "Reckoning")]
pub struct LimitsHere(pub UserId);

/// Which rooms are in memory.
#[derive(Message)]
#[rtype(result = "Vec<Placement>")]
pub struct RoomsInMemory;

/// A room in memory.
#[derive(Clone)]
pub struct Placement {
    /// Which.
    pub id: RoomId,
    /// Where it is.
    pub room: Addr<Room>,
}

/// Were tokens of this user voided that were issued so early? Asked when a socket goes on with another token.
#[derive(Message, Clone)]
#[rtype(result = "bool")]
pub struct IsRevoked {
    /// Whose.
    pub user: UserId,
    /// When the token was issued, if it says.
    pub issued_at: Option<Timestamp>,
}

// ---- to a room ----

/// How many users are in the room, as far as this node sees.
#[derive(Message, Clone, Copy)]
#[rtype(result = "RoomUse")]
pub struct CountUsers;

/// The answer to [`CountUsers`].
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug, MessageResponse)]
pub struct RoomUse {
    /// Users in it now.
    pub users: u64,
    /// Different users in an hour, in thousandths.
    pub users_per_hour_milli: u64,
    /// The last sign of life of anybody in it, where that is kept.
    pub last_sign: Option<Timestamp>,
}

/// Only these users may still be here.
#[derive(Message, Clone)]
#[rtype(result = "()")]
pub struct KeepOnly {
    /// In which room.
    pub room: RoomId,
    /// Who.
    pub users: Vec<UserId>,
}
