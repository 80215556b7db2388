//! The `channel` dialect: channels, direct messages, typing, presence and WebRTC signals, as flat JSON objects
//! distinguished by `type` (docs/protocol.md, The channel dialect). Its field names and wire types must never leave
//! this folder.

mod decode;
mod encode;
mod wire;

use super::{
    ClientMessage, Dialect, Encoded, Rejection, Stamp,
    options::DialectOptions,
    schema::{self, Description},
};
use crate::core::{
    command::Request,
    event::{Entered, Event, MemberPresence, Reply, RoomIdentity},
};

/// The settings for its sockets.
pub(super) const OPTIONS: DialectOptions = DialectOptions::json("channel");

/// The dialect of `/ws/channel/…` and `/ws/dm/…`.
pub struct Channel;

/// All messages of the dialect, of clients and of the server.
pub fn messages() -> Vec<Description> {
    let mut messages = schema::from_clients::<wire::FromClient<'_>>("type");
    messages.extend(schema::from_server::<wire::FromServer<'_>>("type"));
    messages
}

impl Dialect for Channel {
    fn decode(&self, message: ClientMessage<'_>) -> Result<Request, Rejection> {
        decode::decode(message)
    }

    fn encode_event(&self, event: &Event, stamp: Stamp<'_>, out: &mut Vec<u8>) -> Encoded {
        encode::event(event, encode::Numbered::Yes, stamp, out)
    }

    fn encode_direct(&self, event: &Event, stamp: Stamp<'_>, out: &mut Vec<u8>) -> Encoded {
        encode::event(event, encode::Numbered::No, stamp, out)
    }

    fn encode_members(&self, _: &RoomIdentity, members: &[MemberPresence], out: &mut Vec<u8>) {
        encode::members(members, out);
    }

    fn encode_entered(&self, entered: &Entered, _: Stamp, out: &mut Vec<u8>) -> Option<usize> {
        encode::entered(entered, out)
    }

    fn encode_reply(&self, reply: &Reply, stamp: Stamp<'_>, out: &mut Vec<u8>) -> Encoded {
        encode::reply(reply, stamp.at, out)
    }
}
