//! The wire protocols. A dialect is a pair of pure functions between bytes and the core's commands and events. It must
//! never do I/O, use an actor or a clock, or know another dialect; its wire types must never leave its folder.

use self::options::DialectOptions;
use crate::{
    core::{
        command::{Request, Tag},
        event::{Entered, Event, MemberPresence, Reply, RoomIdentity},
    },
    error::Refusal,
    ids::{ClientMessageId, EventId, Timestamp},
};

pub mod asyncapi;
pub mod canvas;
pub mod channel;
mod common;
pub mod endpoints;
pub mod hocuspocus;
mod input;
mod lib0;
pub mod metaverse;
pub mod nexus;
pub mod options;
mod output;
mod read;
mod request;
pub mod schema;
pub mod workspace;
mod y_cursors;
mod y_protocols;
pub mod yjs;

/// The dialect of a socket. The number is the index of its encoding in a shared broadcast.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum DialectKind {
    /// Channels and direct messages: `/ws/channel/{channel_id}`, `/ws/dm/{other_user_id}`.
    Channel = 0,
    /// Rooms, cursors, sheets, the assistant: `/api/v1/ws`.
    Workspace = 1,
    /// Conversations of all kinds on one socket, receipts, presence, notifications, calls: `/ws`.
    Nexus = 2,
    /// A canvas: chat, tiles, highlights, activity: `/canvas/{canvas_id}`.
    Canvas = 3,
    /// Collaborative documents for y-websocket: `/yjs/{document_id}`.
    Yjs = 4,
    /// Spaces, avatars and invites: `/`, `/ws/metaverse`.
    Metaverse = 5,
    /// Many collaborative documents on one socket, for @hocuspocus/provider: `/hocuspocus`.
    Hocuspocus = 6,
}

impl DialectKind {
    /// All of them, each at the place of its number.
    pub const ALL: [DialectKind; 7] = [
        DialectKind::Channel,
        DialectKind::Workspace,
        DialectKind::Nexus,
        DialectKind::Canvas,
        DialectKind::Yjs,
        DialectKind::Metaverse,
        DialectKind::Hocuspocus,
    ];

    /// The number of dialects.
    pub const COUNT: usize = DialectKind::ALL.len();

    /// Those whose messages are JSON, which this server's own documents describe.
    pub fn with_json() -> impl Iterator<Item = DialectKind> {
        DialectKind::ALL.into_iter().filter(|dialect| dialect.options().form == options::Form::Json)
    }

    /// The name, which is also that of its folder.
    pub const fn name(self) -> &'static str {
        self.options().name
    }

    /// The settings for its sockets.
    pub const fn options(self) -> &'static DialectOptions {
        match self {
            DialectKind::Channel => &channel::OPTIONS,
            DialectKind::Workspace => &workspace::OPTIONS,
            DialectKind::Nexus => &nexus::OPTIONS,
            DialectKind::Yjs => &yjs::OPTIONS,
            DialectKind::Hocuspocus => &hocuspocus::OPTIONS,
            DialectKind::Canvas => &canvas::OPTIONS,
            DialectKind::Metaverse => &metaverse::OPTIONS,
        }
    }

    /// The dialect itself.
    pub fn dialect(self) -> &'static dyn Dialect {
        match self {
            DialectKind::Channel => &channel::Channel,
            DialectKind::Workspace => &workspace::Workspace,
            DialectKind::Nexus => &nexus::Nexus,
            DialectKind::Yjs => &yjs::Yjs,
            DialectKind::Hocuspocus => &hocuspocus::Hocuspocus,
            DialectKind::Canvas => &canvas::Canvas,
            DialectKind::Metaverse => &metaverse::Metaverse,
        }
    }
}

/// A message of a client; text is already valid UTF-8.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum ClientMessage<'a> {
    /// A text message.
    Text(&'a str),
    /// A binary message.
    Binary(&'a [u8]),
}

/// A message that is not a valid request, with the reply to send.
#[derive(Clone, PartialEq, Debug)]
pub struct Rejection {
    /// The tag for the reply, as far as it could be read.
    pub tag: Tag,
    /// The reason.
    pub refusal: Refusal,
}

/// The result of an encoder.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Encoded {
    /// A text message.
    Text,
    /// A binary message.
    Binary,
    /// Nothing, because the dialect has no such message.
    Nothing,
}

/// The time of a frame, its id for those dialects that show one, and the part of it that only the author's own sockets
/// receive. The id is generated on request, so that dialects without ids pay nothing, and an encoder stays a function of its
/// arguments.
#[derive(Clone, Copy, Debug)]
pub struct Stamp<'a> {
    /// When the frame is created.
    pub at: Timestamp,
    /// The id that the author's client gave the event, if the frame is for the author's own sockets. Other users never receive
    /// it.
    pub client_message_id: Option<&'a ClientMessageId>,
    draw: fn() -> EventId,
}

impl<'a> Stamp<'a> {
    /// Creates a stamp for that time, whose id is generated when it is needed (UUIDv7).
    pub fn new(at: Timestamp) -> Stamp<'a> {
        Stamp { at, client_message_id: None, draw: EventId::generate }
    }

    /// Creates a stamp whose id is generated by `draw`, for tests.
    pub fn drawing(at: Timestamp, draw: fn() -> EventId) -> Stamp<'a> {
        Stamp { at, client_message_id: None, draw }
    }

    /// The same stamp for the author's own sockets.
    #[must_use]
    pub fn for_author(self, client_message_id: Option<&'a ClientMessageId>) -> Stamp<'a> {
        Stamp { client_message_id, ..self }
    }

    /// The id of the frame. Call it once per frame: each call generates another one.
    pub fn id(&self) -> EventId {
        (self.draw)()
    }
}

/// The interface between the wire and the core.
pub trait Dialect: Sync {
    /// Decodes one message. Must not panic, whatever the bytes are.
    fn decode(&self, message: ClientMessage<'_>) -> Result<Request, Rejection>;

    /// The token in a message, and what it is for, in dialects whose sockets are opened without one.
    fn token<'a>(&self, _message: ClientMessage<'a>) -> Option<(&'a str, &'a str)> {
        None
    }

    /// Appends an event's form to `out`. The form is the same for every receiver, except for the author's own sockets if `stamp`
    /// has a `client_message_id`. A durable event has an id and every event its time; an ephemeral one that needs an id takes
    /// it from `stamp`.
    fn encode_event(&self, event: &Event, stamp: Stamp<'_>, out: &mut Vec<u8>) -> Encoded;

    /// Appends the form of a direct message for a socket that is bound to another room: without `seq`, which clients of one
    /// room would take for that room's.
    fn encode_direct(&self, event: &Event, stamp: Stamp<'_>, out: &mut Vec<u8>) -> Encoded;

    /// Appends members of a room as they are listed in the first message about the room, each preceded by a comma.
    fn encode_members(&self, room: &RoomIdentity, members: &[MemberPresence], out: &mut Vec<u8>);

    /// Appends the first message about a room without its members. Returns the offset at which the members have to be
    /// inserted, or `None` if the dialect has no such message.
    fn encode_entered(&self, entered: &Entered, stamp: Stamp<'_>, out: &mut Vec<u8>) -> Option<usize>;

    /// Appends the form of a reply to one socket.
    fn encode_reply(&self, reply: &Reply, stamp: Stamp<'_>, out: &mut Vec<u8>) -> Encoded;
}
