//! Messages about sockets that a room has shut out, or that have fallen behind.

use actix::prelude::*;

use crate::{
    actors::outbox::ConnKey,
    core::event::Reply,
    ids::{RoomId, UserId},
};

/// A room has refused or removed a socket; the registry and the session are informed.
#[derive(Message, Clone)]
#[rtype(result = "()")]
pub struct RemovedFromRoom {
    /// The user of the socket.
    pub user: UserId,
    /// The socket.
    pub conn: ConnKey,
    /// The room.
    pub room: RoomId,
    /// Why.
    pub why: ShutOut,
}

/// Why a socket is not in a room.
#[derive(Clone, Debug)]
pub enum ShutOut {
    /// Its user may not be there any more.
    Revoked,
    /// It was not admitted, or has not joined; the reply to send to the client.
    NotIn(Option<Box<Reply>>),
}

/// A member's socket has missed ephemeral events, and can be sent what they have led to.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Resync {
    /// The socket.
    pub conn: ConnKey,
}
