//! The `channel` dialect: channels, direct messages, typing, presence and WebRTC signals (docs/protocol.md).

use super::{ClientMessage, Dialect, Encoded, Rejection};
use crate::core::{
    command::Request,
    event::{Event, Reply},
};

/// The dialect of `/ws/channel/…` and `/ws/dm/…`.
pub struct Channel;

impl Dialect for Channel {
    fn decode(&self, _message: ClientMessage<'_>) -> Result<Request, Rejection> {
        todo!()
    }

    fn encode_event(&self, _event: &Event, _out: &mut Vec<u8>) -> Encoded {
        todo!()
    }

    fn encode_reply(&self, _reply: &Reply, _out: &mut Vec<u8>) -> Encoded {
        todo!()
    }
}
