//! What REST does in rooms, on its way there and back.

use std::sync::Arc;

use actix::prelude::*;
use tokio::sync::oneshot;

use crate::{
    core::{
        command::Command,
        event::{Attachment, Event, RoomIdentity},
        profile::Author,
    },
    error::Refusal,
};

/// Find or create a room, and bring it this errand. Both in one message, as with [`super::JoinRoom`].
#[derive(Message)]
#[rtype(result = "Result<(), Refusal>")]
pub struct BringErrand {
    /// Which room.
    pub room: Arc<RoomIdentity>,
    /// What to bring.
    pub errand: Errand,
}

/// Something that a user does in a room over REST, by the same rules as on a socket.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Errand {
    /// Who.
    pub user: Author,
    /// What.
    pub command: Command,
    /// The files of a message, found and allowed; their ids are in the command.
    pub attachments: Vec<Attachment>,
    /// Who waits for the answer. It is dropped where the command is not for rooms.
    pub answer: oneshot::Sender<ErrandAnswer>,
}

/// What became of an errand: the event that was stored, if one was, or why not.
pub type ErrandAnswer = Result<Option<Box<Event>>, Refusal>;
