//! The `metaverse` dialect: spaces with avatars, and invites, on one socket (docs/metaverse.md). Clients send `type` and
//! `payload`; answers have a `status` and name the request as `requestType`; everything else that the server sends has a
//! `type`. Its field names and wire types must never leave this folder.

mod decode;
mod encode;
mod wire;

use super::{
    ClientMessage, Dialect, Encoded, Rejection, Stamp,
    options::{DialectOptions, QueueManner},
    schema::{self, Description},
};
use crate::core::{
    command::Request,
    event::{Entered, Event, MemberPresence, Reply, RoomIdentity},
    notification::INVITES,
};

/// The settings for its sockets.
pub(super) const OPTIONS: DialectOptions = DialectOptions {
    queue: QueueManner::OfCategory(INVITES),
    closes_without_rooms: true,
    ..DialectOptions::json("metaverse")
};

/// The dialect of `/` and `/ws/metaverse`.
pub struct Metaverse;

/// All messages of the dialect, of clients and of the server. Answers are named by the request, refusals `failed`.
pub fn messages() -> Vec<Description> {
    let mut messages = schema::from_clients::<wire::FromClient<'_>>("type");
    messages.extend(schema::from_server::<wire::Broadcast<'_>>("type"));
    messages.extend(schema::from_server::<wire::Answer<'_>>("requestType"));
    messages.extend(schema::from_server::<wire::Refused<'_>>("status"));
    messages
}

impl Dialect for Metaverse {
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
        // the avatars are in the answer to the join
    }

    fn encode_entered(&self, _: &Entered, _: Stamp<'_>, _: &mut Vec<u8>) -> Option<usize> {
        None
    }

    fn encode_reply(&self, reply: &Reply, stamp: Stamp<'_>, out: &mut Vec<u8>) -> Encoded {
        encode::reply(reply, stamp.at, out)
    }
}
