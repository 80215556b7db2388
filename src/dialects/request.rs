//! Builds requests from commands. Reads the fields that messages of any type may have in addition to their own; must never
//! depend on a single message.

use serde::Deserialize;

use super::{
    Rejection,
    input::Id,
    read::{Message, Wrong},
};
use crate::{
    core::command::{Command, Request, Tag},
    error::Refusal,
    ids::ClientMessageId,
};

/// The field with the id under which a client may repeat a message.
pub const CLIENT_MESSAGE_ID: &str = "client_message_id";

impl Message<'_> {
    /// Builds the request, with the id under which the client may repeat the message.
    ///
    /// # Errors
    /// The refusal of the command, or that of the id.
    pub fn request(&self, tag: Tag, command: Result<Command, Refusal>) -> Result<Request, Rejection> {
        match command.and_then(|command| Ok((self.client_message_id(&command)?, command))) {
            Ok((client_message_id, command)) => Ok(Request { tag, client_message_id, command }),
            Err(refusal) => Err(Rejection { tag, refusal }),
        }
    }

    /// The client's own id of the message. Ignored in messages that create no stored event.
    fn client_message_id(&self, command: &Command) -> Result<Option<ClientMessageId>, Wrong> {
        if !command.is_durable() {
            return Ok(None);
        }
        let id: Result<Option<Id<ClientMessageId>>, Wrong> = Deserialize::deserialize(self.find(CLIENT_MESSAGE_ID)?);
        id.map(|id| id.map(|id| id.0)).map_err(|wrong| wrong.at(CLIENT_MESSAGE_ID))
    }
}
