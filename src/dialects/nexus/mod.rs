//! The `nexus` dialect: conversations of all kinds on one socket, with receipts, presence and notifications, as flat
//! JSON objects distinguished by `event_type` (docs/nexus.md). Its field names and wire types must never leave this
//! folder.

mod decode;
mod documents;
mod encode;
mod wire;

use super::{
    ClientMessage, Dialect, Encoded, Rejection, Stamp,
    options::{DialectOptions, HeartbeatSetting, QueueManner},
    schema::{self, Description},
};
use crate::core::{
    command::Request,
    event::{Entered, Event, MemberPresence, Reply, RoomIdentity},
};

/// The field with the type of a message.
const DISCRIMINATOR: &str = "event_type";

/// The settings for its sockets.
pub(super) const OPTIONS: DialectOptions = DialectOptions {
    heartbeat: HeartbeatSetting::Nexus,
    discriminator: DISCRIMINATOR,
    queue: QueueManner::FromTheStart,
    follows_presence: true,
    rings: true,
    ..DialectOptions::json("nexus")
};

/// The dialect of `/ws`.
pub struct Nexus;

/// All messages of the dialect, of clients and of the server.
pub fn messages() -> Vec<Description> {
    let mut messages = schema::from_clients::<wire::FromClient<'_>>(DISCRIMINATOR);
    messages.extend(schema::from_server::<wire::FromServer<'_>>(DISCRIMINATOR));
    messages
}

impl Dialect for Nexus {
    fn decode(&self, message: ClientMessage<'_>) -> Result<Request, Rejection> {
        decode::decode(message)
    }

    fn encode_event(&self, event: &Event, stamp: Stamp<'_>, out: &mut Vec<u8>) -> Encoded {
        encode::event(event, stamp, out)
    }

    fn encode_direct(&self, _: &Event, _: Stamp<'_>, _: &mut Vec<u8>) -> Encoded {
        Encoded::Nothing // no socket of this dialect is bound to a room
    }

    fn encode_members(&self, _: &RoomIdentity, members: &[MemberPresence], out: &mut Vec<u8>) {
        encode::members(members, out);
    }

    fn encode_entered(&self, entered: &Entered, stamp: Stamp<'_>, out: &mut Vec<u8>) -> Option<usize> {
        encode::entered(entered, stamp, out)
    }

    fn encode_reply(&self, reply: &Reply, stamp: Stamp<'_>, out: &mut Vec<u8>) -> Encoded {
        encode::reply(reply, stamp, out)
    }
}
