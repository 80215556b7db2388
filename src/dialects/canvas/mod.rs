//! The `canvas` dialect: one canvas per socket, with chat, presence, tiles and highlights, as flat JSON objects distinguished by
//! `type` (docs/canvas.md). Users are shown by their numbers. Its field names and wire types must never leave this folder.

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
pub(super) const OPTIONS: DialectOptions = DialectOptions::json("canvas");

/// The dialect of `/canvas/…`.
pub struct Canvas;

/// All messages of the dialect, of clients and of the server.
pub fn messages() -> Vec<Description> {
    let mut messages = schema::from_clients::<wire::FromClient<'_>>("type");
    messages.extend(schema::from_server::<wire::FromServer<'_>>("type"));
    messages
}

impl Dialect for Canvas {
    fn decode(&self, message: ClientMessage<'_>) -> Result<Request, Rejection> {
        decode::decode(message)
    }

    fn encode_event(&self, event: &Event, stamp: Stamp<'_>, out: &mut Vec<u8>) -> Encoded {
        encode::event(event, stamp, out)
    }

    fn encode_direct(&self, _: &Event, _: Stamp<'_>, _: &mut Vec<u8>) -> Encoded {
        Encoded::Nothing // this dialect has no direct messages
    }

    fn encode_members(&self, _: &RoomIdentity, _: &[MemberPresence], _: &mut Vec<u8>) {
        // the users are in a message of their own
    }

    fn encode_entered(&self, _: &Entered, _: Stamp<'_>, _: &mut Vec<u8>) -> Option<usize> {
        None
    }

    fn encode_reply(&self, reply: &Reply, stamp: Stamp<'_>, out: &mut Vec<u8>) -> Encoded {
        encode::reply(reply, stamp.at, out)
    }
}
