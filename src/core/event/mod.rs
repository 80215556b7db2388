//! All that a client may be sent, in one form for every dialect: one file per capability. Durable events have a place in
//! their room's log; ephemeral ones are delivered once and forgotten. What the journal, the store, rooms and hubs need to
//! know of an event they ask it, so that a new one is added in its capability's file and in the dialects that show it.

mod call;
mod chat;
mod kinds;
mod presence;
mod reply;
mod room;
mod sheet;
mod upload;

use std::sync::Arc;

use serde::Serialize;

pub use self::{
    call::CallEphemeral,
    chat::{Attachment, ChatDurable, ChatEphemeral},
    presence::{Attendance, Attendee, CursorsMoved, PresenceEphemeral},
    reply::{Entered, Reply},
    room::RoomEphemeral,
    sheet::SheetDurable,
    upload::UploadEphemeral,
};
use crate::{
    core::{command::Addressed, profile::Author},
    ids::{EventId, GroupId, RoomId, RoomName, Seq, Timestamp, UserId},
};

/// What kind of room it is, with what that kind is made of.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum RoomScope {
    /// A channel of a group.
    Channel {
        /// The group whose members may enter.
        group: GroupId,
    },
    /// A conversation of two users, in ascending order of their ids.
    Direct {
        /// Both sides; the same user twice for notes to oneself.
        users: [UserId; 2],
    },
    /// A room that anybody makes by its name (docs/protocol.md, Rooms on demand).
    Open {
        /// What clients call it.
        name: RoomName,
    },
}

impl RoomScope {
    /// Whether what is addressed so belongs into this kind of room.
    pub const fn takes(&self, addressed: &Addressed) -> bool {
        match (self, addressed) {
            (RoomScope::Channel { .. }, Addressed::Channel)
            | (RoomScope::Direct { .. }, Addressed::Partner)
            | (RoomScope::Open { .. }, Addressed::Room { .. }) => true,
            (RoomScope::Channel { .. }, Addressed::Partner | Addressed::Room { .. })
            | (RoomScope::Direct { .. }, Addressed::Channel | Addressed::Room { .. })
            | (RoomScope::Open { .. }, Addressed::Channel | Addressed::Partner) => false,
        }
    }

    /// What clients call an open room.
    pub const fn name(&self) -> Option<&RoomName> {
        match self {
            RoomScope::Channel { .. } | RoomScope::Direct { .. } => None,
            RoomScope::Open { name } => Some(name),
        }
    }

    /// Whether it is a conversation of two users.
    pub const fn is_direct(&self) -> bool {
        match self {
            RoomScope::Direct { .. } => true,
            RoomScope::Channel { .. } | RoomScope::Open { .. } => false,
        }
    }

    /// In whose queue a message of that sender is put, until a socket of theirs has written it.
    pub fn queues_for(&self, sender: &UserId) -> Option<&UserId> {
        self.partner_of(sender).filter(|partner| *partner != sender)
    }

    /// In a direct conversation the other side.
    pub fn partner_of(&self, user: &UserId) -> Option<&UserId> {
        match self {
            RoomScope::Channel { .. } | RoomScope::Open { .. } => None,
            RoomScope::Direct { users: [first, second] } => Some(if first == user { second } else { first }),
        }
    }
}

/// Which room an event belongs to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RoomIdentity {
    /// Its id.
    pub id: RoomId,
    /// Its kind.
    pub scope: RoomScope,
}

/// Something that happened in a room.
#[derive(Clone, PartialEq, Debug)]
pub struct Event {
    /// Where.
    pub room: Arc<RoomIdentity>,
    /// When.
    pub at: Timestamp,
    /// What.
    pub body: EventBody,
}

impl Event {
    /// In whose queue it is, until a socket of theirs has written it.
    pub fn queued_for(&self) -> Option<&UserId> {
        match &self.body {
            EventBody::Durable { what, .. } if what.is_queued_for_absent() => {
                self.room.scope.queues_for(&what.author().id)
            }
            EventBody::Durable { .. } | EventBody::Ephemeral(_) => None,
        }
    }
}

/// Durable or not.
#[derive(Clone, PartialEq, Debug)]
pub enum EventBody {
    /// Stored, numbered, replayed to whoever missed it.
    Durable {
        /// Its place in the room.
        seq: Seq,
        /// Its id; a message's id, too.
        id: EventId,
        /// What happened.
        what: Durable,
    },
    /// Told once.
    Ephemeral(Ephemeral),
}

/// A stored event. The serde form is the one in the log (`kinds`), so fields may be added but not renamed.
#[derive(Clone, PartialEq, Debug, Serialize)]
#[serde(untagged)]
pub enum Durable {
    /// Of the chat.
    Chat(ChatDurable),
    /// Of a shared sheet.
    Sheet(SheetDurable),
}

/// What storing an event costs, for the journal's bounds.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Weight {
    /// Bytes that keeping it costs, near enough; those of its frame are about as many.
    pub bytes: usize,
    /// Rows that it writes beside its own in the log and the message history.
    pub rows: usize,
}

impl Durable {
    /// Its kind in the log: the `kind` column and the tag of its serde form.
    pub const fn kind(&self) -> &'static str {
        match self {
            Durable::Chat(event) => event.kind(),
            Durable::Sheet(event) => event.kind(),
        }
    }

    /// Who did it.
    pub const fn author(&self) -> &Author {
        match self {
            Durable::Chat(event) => event.author(),
            Durable::Sheet(event) => event.author(),
        }
    }

    /// Who of the room's members is sent it, live and on replay.
    pub const fn audience(&self) -> Audience {
        match self {
            Durable::Chat(event) => event.audience(),
            Durable::Sheet(event) => event.audience(),
        }
    }

    /// What storing it costs.
    pub fn weight(&self) -> Weight {
        match self {
            Durable::Chat(event) => event.weight(),
            Durable::Sheet(event) => event.weight(),
        }
    }

    /// Whether it is queued for a participant who has no socket.
    pub const fn is_queued_for_absent(&self) -> bool {
        match self {
            Durable::Chat(event) => event.is_queued_for_absent(),
            Durable::Sheet(event) => event.is_queued_for_absent(),
        }
    }

    /// Bytes that keeping it costs, near enough.
    pub fn size_bytes(&self) -> usize {
        self.weight().bytes
    }
}

/// Who of a room's members is sent an event.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Audience {
    /// All of them.
    Everyone,
    /// The sockets of one user.
    Only(UserId),
    /// All but the sockets of one user.
    EveryoneBut(UserId),
}

impl Audience {
    /// Whether that user's sockets are sent it.
    pub fn includes(&self, user: &UserId) -> bool {
        match self {
            Audience::Everyone => true,
            Audience::Only(only) => only == user,
            Audience::EveryoneBut(but) => but != user,
        }
    }
}

/// An event that is not stored.
#[derive(Clone, PartialEq, Debug)]
pub enum Ephemeral {
    /// Who is there, with which cursor and status.
    Presence(PresenceEphemeral),
    /// Of the chat.
    Chat(ChatEphemeral),
    /// Of a call.
    Call(CallEphemeral),
    /// Of an upload.
    Upload(UploadEphemeral),
    /// Of the room itself.
    Room(RoomEphemeral),
}
