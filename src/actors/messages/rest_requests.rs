//! Commands that REST executes in rooms, and their answers.

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
    ids::ClientMessageId,
};

/// Finds or creates a room and sends it this request. A single message, as with [`super::JoinRoom`].
#[derive(Message)]
#[rtype(result = "Result<(), Refusal>")]
pub struct DeliverRestRequest {
    /// The room.
    pub room: Arc<RoomIdentity>,
    /// The request.
    pub request: RestRequest,
}

/// A command that a user executes in a room over REST, by the same rules as on a socket.
#[derive(Message)]
#[rtype(result = "()")]
pub struct RestRequest {
    /// The user.
    pub user: Author,
    /// The id under which the client may repeat the command.
    pub client_message_id: Option<ClientMessageId>,
    /// The command.
    pub command: Command,
    /// The attached files, found and permitted; their ids are in the command.
    pub attachments: Vec<Attachment>,
    /// Receives the answer. Dropped if the command is not for rooms.
    pub answer: oneshot::Sender<RestAnswer>,
}

/// The result of a REST request: the stored event, if one was stored, or the refusal.
pub type RestAnswer = Result<Option<Box<Event>>, Refusal>;
