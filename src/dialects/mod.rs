//! The wire protocols. A dialect is a pure pair of functions between bytes and the core's commands and events: no I/O,
//! no actor, no clock, and no knowledge of another dialect. Wire types never leave their dialect's folder.

use self::manner::Manner;
use crate::{
    core::{
        command::{Request, Tag},
        event::{Attendee, Entered, Event, Reply, RoomIdentity},
    },
    error::Refusal,
    ids::{EventId, Timestamp},
};

pub mod asyncapi;
pub mod channel;
mod common;
pub mod endpoints;
mod input;
pub mod manner;
mod output;
mod read;
pub mod schema;
pub mod workspace;

/// Which dialect a socket speaks. Its number is the place of its encoding in a shared broadcast.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum DialectKind {
    /// Channels and direct messages: `/ws/channel/{channel_id}`, `/ws/dm/{other_user_id}`.
    Channel = 0,
    /// Many rooms, cursors, sheets, the assistant: `/api/v1/ws`.
    Workspace = 1,
}

impl DialectKind {
    /// All of them, each at the place of its number.
    pub const ALL: [DialectKind; 2] = [DialectKind::Channel, DialectKind::Workspace];

    /// How many there are.
    pub const COUNT: usize = DialectKind::ALL.len();

    /// Its name, which is its folder's, too.
    pub const fn name(self) -> &'static str {
        self.manner().name
    }

    /// How its sockets are treated.
    pub const fn manner(self) -> &'static Manner {
        match self {
            DialectKind::Channel => &channel::MANNER,
            DialectKind::Workspace => &workspace::MANNER,
        }
    }

    /// The dialect itself.
    pub fn dialect(self) -> &'static dyn Dialect {
        match self {
            DialectKind::Channel => &channel::Channel,
            DialectKind::Workspace => &workspace::Workspace,
        }
    }
}

/// One message of a client, already UTF-8 if it is text.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum ClientMessage<'a> {
    /// A text message.
    Text(&'a str),
    /// A binary message.
    Binary(&'a [u8]),
}

/// A message that is no request, with what to answer.
#[derive(Clone, PartialEq, Debug)]
pub struct Rejection {
    /// What the answer is to name, as far as it could be read.
    pub tag: Tag,
    /// Why.
    pub refusal: Refusal,
}

/// What an encoder wrote.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Encoded {
    /// A text message.
    Text,
    /// A binary message.
    Binary,
    /// Nothing: the dialect has no form for it.
    Nothing,
}

/// The time of a frame, and its id for those dialects that show one. The id is drawn when it is asked for, so that
/// dialects without ids pay nothing, and an encoder stays a function of what it is given.
#[derive(Clone, Copy, Debug)]
pub struct Stamp {
    /// When the frame is made.
    pub at: Timestamp,
    draw: fn() -> EventId,
}

impl Stamp {
    /// A stamp of that moment, with a fresh id (UUIDv7).
    pub fn new(at: Timestamp) -> Stamp {
        Stamp { at, draw: EventId::generate }
    }

    /// A stamp whose id comes from `draw`: for tests.
    pub fn drawing(at: Timestamp, draw: fn() -> EventId) -> Stamp {
        Stamp { at, draw }
    }

    /// The frame's id. Ask once per frame: each call draws another one.
    pub fn id(&self) -> EventId {
        (self.draw)()
    }
}

/// The seam between the wire and the core.
pub trait Dialect: Sync {
    /// Reads one message. Never panics, whatever the bytes are.
    fn decode(&self, message: ClientMessage<'_>) -> Result<Request, Rejection>;

    /// Appends an event's form to `out`. The form is the same for every receiver. A durable event has an id and every
    /// event its time; an ephemeral one that needs an id takes it from `stamp`.
    fn encode_event(&self, event: &Event, stamp: Stamp, out: &mut Vec<u8>) -> Encoded;

    /// Appends the form of a direct message for a socket that is bound to another room: without `seq`, which clients of one
    /// room would take for that room's.
    fn encode_overheard(&self, event: &Event, stamp: Stamp, out: &mut Vec<u8>) -> Encoded;

    /// Appends some of a room's members as the first word about the room names them, each after a comma.
    fn encode_members(&self, room: &RoomIdentity, members: &[Attendee], out: &mut Vec<u8>);

    /// Appends the first word about a room without its members; answers how many bytes of it come before them. None where the
    /// dialect has no form for it.
    fn encode_entered(&self, entered: &Entered, out: &mut Vec<u8>) -> Option<usize>;

    /// Appends the form of what one socket is told.
    fn encode_reply(&self, reply: &Reply, stamp: Stamp, out: &mut Vec<u8>) -> Encoded;
}
