//! The `workspace` dialect: many rooms per socket, cursors, shared sheets, the assistant, notifications and uploads, as
//! flat JSON objects distinguished by `type` (docs/protocol.md, The workspace dialect). Its field names and wire types
//! must never leave this folder.

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
pub(super) const OPTIONS: DialectOptions = DialectOptions::json("workspace");

/// The dialect of `/api/v1/ws`.
pub struct Workspace;

/// All messages of the dialect, of clients and of the server.
pub fn messages() -> Vec<Description> {
    let mut messages = schema::from_clients::<wire::FromClient<'_>>("type");
    messages.extend(schema::from_server::<wire::FromServer<'_>>("type"));
    messages
}

impl Dialect for Workspace {
    fn decode(&self, message: ClientMessage<'_>) -> Result<Request, Rejection> {
        decode::decode(message)
    }

    fn encode_event(&self, event: &Event, stamp: Stamp<'_>, out: &mut Vec<u8>) -> Encoded {
        encode::event(event, stamp, out)
    }

    fn encode_direct(&self, _: &Event, _: Stamp<'_>, _: &mut Vec<u8>) -> Encoded {
        Encoded::Nothing // no socket is bound to a room
    }

    fn encode_members(&self, room: &RoomIdentity, members: &[MemberPresence], out: &mut Vec<u8>) {
        encode::members(room, members, out);
    }

    fn encode_entered(&self, entered: &Entered, _: Stamp, out: &mut Vec<u8>) -> Option<usize> {
        encode::entered(entered, out)
    }

    fn encode_reply(&self, reply: &Reply, stamp: Stamp<'_>, out: &mut Vec<u8>) -> Encoded {
        encode::reply(reply, stamp.at, out)
    }
}
