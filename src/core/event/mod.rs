//! Everything that a client may be sent, in one form for all dialects, with one file per capability. Durable events
//! have a sequence number in their room's log; ephemeral ones are delivered once and forgotten. What the journal, the
//! store, rooms and hubs need to know about an event they must ask the event itself, so that a new event only changes
//! its capability's file and the dialects that show it.

mod audience;
mod call;
mod canvas;
mod chat;
mod document;
mod kinds;
mod presence;
mod reply;
mod room;
mod scope;
mod sheet;
mod space;
mod upload;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub use self::{
    audience::{Audience, Listener},
    call::{CallChange, CallEphemeral, CallNotice},
    canvas::{CanvasDurable, CanvasEphemeral, CanvasReply, CanvasUser, Conflicting},
    chat::{Attachment, ChatDurable, ChatEphemeral, ContentType, MisplacedContent, ReactionChange, ReadMark, Secrecy},
    document::{Derived, DocumentDurable, DocumentEphemeral, UpdateBytes},
    presence::{CursorsMoved, MemberPresence, PresenceEphemeral, RoomPresence},
    reply::{Delivered, DocumentOpened, DocumentReply, Entered, Participant, Recipients, Reply, Welcome},
    room::RoomEphemeral,
    scope::{RoomIdentity, RoomScope},
    sheet::SheetDurable,
    space::{AvatarListed, SpaceDurable, SpaceEphemeral, SpaceReply},
    upload::UploadEphemeral,
};
use crate::{
    core::profile::Author,
    ids::{EventId, Seq, Timestamp, UserId},
};

/// An event in a room.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Event {
    /// The room.
    pub room: Arc<RoomIdentity>,
    /// The time.
    pub at: Timestamp,
    /// The content.
    pub body: EventBody,
}

impl Event {
    /// The user in whose queue it is until a socket of that user has written it.
    pub fn queued_for(&self) -> Option<&UserId> {
        match &self.body {
            EventBody::Durable { what, .. } if what.is_queued_for_absent() => {
                self.room.scope.queues_for(&what.author().id)
            }
            EventBody::Durable { .. } | EventBody::Ephemeral(_) => None,
        }
    }
}

/// The content of an event.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EventBody {
    /// A stored event; replayed to clients that missed it.
    Durable {
        /// The sequence number in the room.
        seq: Seq,
        /// The id; for a message also the id of the message.
        id: EventId,
        /// The content.
        what: Durable,
    },
    /// An event that is delivered once and not stored.
    Ephemeral(Ephemeral),
}

/// A stored event. The serde form is that of the log (`kinds`): fields may be added but not renamed.
#[derive(Clone, PartialEq, Debug, Serialize)]
#[serde(untagged)]
pub enum Durable {
    /// An event of the chat.
    Chat(ChatDurable),
    /// An event of a shared sheet.
    Sheet(SheetDurable),
    /// An event of a canvas.
    Canvas(CanvasDurable),
    /// An event of a document.
    Document(DocumentDurable),
    /// An event of a space.
    Space(SpaceDurable),
}

/// The cost of storing an event, for the bounds of the journal.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Weight {
    /// The approximate number of bytes in memory; its frame has about as many.
    pub bytes: usize,
    /// Rows written in addition to those in the log and the message history.
    pub rows: usize,
}

impl Durable {
    /// The kind in the log: the `kind` column and the tag of the serde form.
    pub const fn kind(&self) -> &'static str {
        match self {
            Durable::Chat(event) => event.kind(),
            Durable::Sheet(event) => event.kind(),
            Durable::Canvas(event) => event.kind(),
            Durable::Document(event) => event.kind(),
            Durable::Space(event) => event.kind(),
        }
    }

    /// The user who caused it.
    pub const fn author(&self) -> &Author {
        match self {
            Durable::Chat(event) => event.author(),
            Durable::Sheet(event) => event.author(),
            Durable::Canvas(event) => event.author(),
            Durable::Document(event) => event.author(),
            Durable::Space(event) => event.author(),
        }
    }

    /// The members who receive it, live and on replay.
    pub fn audience(&self) -> Audience {
        match self {
            Durable::Chat(event) => event.audience(),
            Durable::Sheet(event) => event.audience(),
            Durable::Canvas(event) => event.audience(),
            Durable::Document(event) => event.audience(),
            Durable::Space(event) => event.audience(),
        }
    }

    /// Passes the event's content to `feed`, piece by piece: all that a client sends again when it repeats its message, without
    /// the author and without what the store fills in. To be called before the event is stored.
    pub fn content(&self, feed: &mut dyn FnMut(&[u8])) {
        feed(self.kind().as_bytes());
        match self {
            Durable::Chat(event) => event.content(feed),
            Durable::Sheet(event) => event.content(feed),
            Durable::Canvas(event) => event.content(feed),
            Durable::Document(event) => event.content(feed),
            Durable::Space(event) => event.content(feed),
        }
    }

    /// What a later event leaves of this one, which has that id; `None` if it does not change it.
    pub fn changed_by(&self, id: EventId, change: &Durable) -> Option<Durable> {
        match (self, change) {
            (Durable::Chat(event), Durable::Chat(change)) => event.changed_by(id, change).map(Durable::Chat),
            (Durable::Canvas(event), Durable::Canvas(change)) => event.changed_by(id, change).map(Durable::Canvas),
            (_, _) => None,
        }
    }

    /// Whether it may change an event before it.
    pub fn changes_others(&self) -> bool {
        match self {
            Durable::Chat(event) => event.changes().is_some(),
            Durable::Canvas(event) => matches!(event, CanvasDurable::TileCommentDeleted { .. }),
            Durable::Sheet(_) | Durable::Document(_) | Durable::Space(_) => false,
        }
    }

    /// What storing it costs.
    pub fn weight(&self) -> Weight {
        match self {
            Durable::Chat(event) => event.weight(),
            Durable::Sheet(event) => event.weight(),
            Durable::Canvas(event) => event.weight(),
            Durable::Document(event) => event.weight(),
            Durable::Space(event) => event.weight(),
        }
    }

    /// Whether it is queued for a participant without a socket.
    pub const fn is_queued_for_absent(&self) -> bool {
        match self {
            Durable::Chat(event) => event.is_queued_for_absent(),
            Durable::Sheet(event) => event.is_queued_for_absent(),
            Durable::Canvas(event) => event.is_queued_for_absent(),
            Durable::Document(event) => event.is_queued_for_absent(),
            Durable::Space(event) => event.is_queued_for_absent(),
        }
    }

    /// Whether it says or changes something, so that a muted user may not store it. Documents have roles instead: a refused
    /// update would separate the editor from the others.
    pub fn needs_voice(&self) -> bool {
        match self {
            Durable::Chat(
                ChatDurable::MessageSent { .. } | ChatDurable::MessageEdited { .. } | ChatDurable::Reacted { .. },
            )
            | Durable::Sheet(_)
            | Durable::Canvas(
                CanvasDurable::TileCreated { .. }
                | CanvasDurable::TileUpdated { .. }
                | CanvasDurable::TileDeleted { .. }
                | CanvasDurable::TileLiked { .. }
                | CanvasDurable::TileCommented { .. }
                | CanvasDurable::Acted { .. },
            )
            | Durable::Space(SpaceDurable::Acted { .. }) => true,
            // what ends by itself ends for the muted, too
            Durable::Space(SpaceDurable::StateChanged(change)) => change.cause.is_set(),
            Durable::Chat(
                ChatDurable::MessageDeleted { .. } | ChatDurable::MessageErased { .. } | ChatDurable::ReadMarked { .. },
            )
            | Durable::Canvas(CanvasDurable::TileCommentDeleted { .. })
            | Durable::Document(_) => false,
        }
    }

    /// The approximate number of bytes in memory.
    pub fn size_bytes(&self) -> usize {
        self.weight().bytes
    }
}

/// An event that is not stored.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ephemeral {
    /// An event of presence: members, cursors, status.
    Presence(PresenceEphemeral),
    /// An event of the chat.
    Chat(ChatEphemeral),
    /// An event of a call.
    Call(CallEphemeral),
    /// An event of an upload.
    Upload(UploadEphemeral),
    /// An event of the room itself.
    Room(RoomEphemeral),
    /// An event of a document.
    Document(DocumentEphemeral),
    /// An event of a canvas.
    Canvas(CanvasEphemeral),
    /// An event of a space.
    Space(SpaceEphemeral),
}
