//! The `workspace` dialect: many rooms on one socket, cursors, shared sheets, the assistant, notifications and uploads,
//! flat JSON objects told apart by `type` (docs/protocol.md, The workspace dialect). Its field names and wire forms must
//! never leave this folder.

use super::{ClientMessage, Dialect, Encoded, Rejection};
use crate::core::{
    command::Request,
    event::{Event, Reply},
};

/// The dialect of `/api/v1/ws`.
pub struct Workspace;

impl Dialect for Workspace {
    fn decode(&self, _: ClientMessage<'_>) -> Result<Request, Rejection> {
        let refusal =
            crate::error::Refusal::new(crate::error::ErrorCode::UnknownMessageType, "There is nothing here yet");
        Err(Rejection { reference: None, refusal })
    }

    fn encode_event(&self, _: &Event, _: &mut Vec<u8>) -> Encoded {
        Encoded::Nothing
    }

    fn encode_reply(&self, _: &Reply, _: &mut Vec<u8>) -> Encoded {
        Encoded::Nothing
    }
}
