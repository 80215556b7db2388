//! What one socket is sent, and nobody else.

use std::sync::Arc;

use super::{Attendance, RoomIdentity};
use crate::{
    core::{
        command::{RawJson, Tag},
        personal::Personal,
        profile::Author,
        sheet::CellConflict,
    },
    error::Refusal,
    ids::{Epoch, EventId, Seq, SheetId, Timestamp, UserId},
    limits,
};

/// What one socket is told, and nobody else.
#[derive(Clone, PartialEq, Debug)]
pub enum Reply {
    /// The answer to a ping.
    Pong {
        /// The request's tag.
        tag: Tag,
    },
    /// The change is durable.
    Ack {
        /// The request's tag.
        tag: Tag,
        /// What was made.
        id: EventId,
        /// Its place.
        seq: Seq,
    },
    /// A fresh token was taken.
    AuthRefreshed {
        /// The request's tag.
        tag: Tag,
        /// When the new token ends.
        expires_at: Timestamp,
    },
    /// It is done; nothing durable was made of it.
    Done {
        /// The request's tag.
        tag: Tag,
    },
    /// Somebody else had changed these cells before; nothing was changed.
    VersionConflict {
        /// The request's tag.
        tag: Tag,
        /// Which sheet.
        sheet: SheetId,
        /// Each of them as it is.
        conflicts: Vec<CellConflict>,
    },
    /// News for the user on every socket.
    Personal(Arc<Personal>),
    /// A refusal.
    Error {
        /// The request's tag.
        tag: Tag,
        /// Why.
        refusal: Refusal,
    },
    /// The first word about a room.
    Entered(Box<Entered>),
    /// The end of a replay.
    Recovered {
        /// Which room.
        room: Arc<RoomIdentity>,
        /// Up to where.
        seq: Seq,
        /// Whether it was all that was missed.
        complete: bool,
    },
    /// An administrator's word for the user.
    Notice {
        /// As it was written.
        data: RawJson,
        /// When.
        at: Timestamp,
    },
    /// The node goes; come back after the delay.
    Restarting {
        /// The client's slot.
        reconnect_in_ms: u64,
    },
}

/// What a newcomer learns first.
#[derive(Clone, PartialEq, Debug)]
pub struct Entered {
    /// The tag of the request, where one was made.
    pub tag: Tag,
    /// Which room.
    pub room: Arc<RoomIdentity>,
    /// The newcomer.
    pub user: UserId,
    /// The newcomer's socket.
    pub connection: Arc<str>,
    /// Who is there, the newcomer included, each user once. Empty in an open room, where `attendance` has them, and in a
    /// large one, whose list is shared by newcomers.
    pub online: Vec<Author>,
    /// How many users are there.
    pub online_total: usize,
    /// The room's sequence at this moment.
    pub seq: Seq,
    /// Its epoch.
    pub epoch: Epoch,
    /// What goes on there, in an open room.
    pub attendance: Option<Arc<Attendance>>,
}

impl Entered {
    /// Whether there are more users than are listed.
    pub const fn is_cut(&self) -> bool {
        self.online_total > limits::ONLINE_USERS_LISTED_MAX
    }
}
