//! All that a client may hear, in one form for every dialect. Durable events have a place in their room's log;
//! ephemeral ones are told once and forgotten.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{
    core::{
        command::{Addressed, RawJson, SignalKind, Tag, Typing},
        cursor::{Cursor, Pointed},
        personal::Personal,
        presence::Status,
        profile::Author,
        sheet::{Cell, CellConflict},
        upload::Upload,
    },
    error::Refusal,
    ids::{Epoch, EventId, FileId, GroupId, RoomId, RoomName, Seq, SheetId, Timestamp, UserId},
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
            EventBody::Durable { what: Durable::MessageSent { sender, .. }, .. } => {
                self.room.scope.queues_for(&sender.id)
            }
            EventBody::Durable { what: Durable::CellsUpdated { .. }, .. } | EventBody::Ephemeral(_) => None,
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

/// A stored event. The serde form is the one in the log, so fields may be added but not renamed.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Durable {
    /// A chat message.
    MessageSent {
        /// Who wrote it.
        sender: Author,
        /// The text.
        content: Arc<str>,
        /// Uploaded files that go with it.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        attachments: Vec<Attachment>,
    },
    /// Cells of a shared sheet changed, all at once.
    CellsUpdated {
        /// Which sheet.
        sheet: SheetId,
        /// Who changed them.
        author: Author,
        /// Each as it is now.
        cells: Vec<Cell>,
    },
}

impl Durable {
    /// Bytes that keeping it costs, near enough; those of its frame are about as many.
    pub fn size_bytes(&self) -> usize {
        match self {
            Durable::MessageSent { content, attachments, .. } => {
                let of = |file: &Attachment| size_of::<Attachment>() + file.filename.len() + file.mime_type.len();
                content.len() + attachments.iter().map(of).sum::<usize>()
            }
            Durable::CellsUpdated { cells, .. } => cells.iter().map(|cell| size_of::<Cell>() + cell.text_bytes()).sum(),
        }
    }
}

/// An uploaded file that goes with a message.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Attachment {
    /// Which.
    pub file: FileId,
    /// Its name.
    pub filename: Arc<str>,
    /// How large it is.
    pub size_bytes: u64,
    /// What it is.
    pub mime_type: Arc<str>,
}

/// An event that is not stored.
#[derive(Clone, PartialEq, Debug)]
pub enum Ephemeral {
    /// A user's first socket entered the room.
    UserJoined {
        /// Who.
        user: Author,
    },
    /// A user's last socket left it.
    UserLeft {
        /// Who.
        user: Author,
    },
    /// Somebody began or stopped typing.
    Typing {
        /// Who.
        user: Author,
        /// Which of the two.
        typing: Typing,
        /// In which cell, by the client's own name.
        cell: Option<Arc<str>>,
    },
    /// Cursors moved.
    CursorsMoved(Arc<CursorsMoved>),
    /// A user says something else about being there.
    StatusChanged {
        /// Who.
        user: Author,
        /// What.
        status: Status,
    },
    /// Who is in the room, after somebody came or went.
    Attended(Arc<Attendance>),
    /// A member uploads a file.
    Upload {
        /// Who.
        user: Author,
        /// How far it is.
        upload: Upload,
    },
    /// A WebRTC signal.
    Signal {
        /// From whom.
        from: Author,
        /// Which.
        kind: SignalKind,
        /// As the sender wrote it.
        data: RawJson,
    },
    /// An administrator's word for the room.
    Announced {
        /// As it was written.
        data: RawJson,
    },
}

/// Who moved the cursor since the last such word, each at the newest place.
#[derive(Clone, PartialEq, Debug)]
pub struct CursorsMoved {
    /// Who has waited longest to be named first: clients that know of one cursor a frame see all in turn.
    pub first: Pointed,
    /// Everybody who moved, if that is anybody else.
    pub moved: Vec<Pointed>,
}

/// Who is in an open room, and what goes on there.
#[derive(Clone, PartialEq, Debug)]
pub struct Attendance {
    /// Each user once; cut at `ONLINE_USERS_LISTED_MAX`.
    pub users: Vec<Attendee>,
    /// How many there are.
    pub total: usize,
    /// Sheets changed lately, the latest first.
    pub active_sheets: Vec<SheetId>,
}

/// A user in an open room.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Attendee {
    /// Who.
    pub user: Author,
    /// What the user says about being there.
    pub status: Status,
    /// Where the user pointed last.
    pub cursor: Option<Cursor>,
    /// When the user did something there last.
    pub last_seen: Timestamp,
}

/// What one socket is told, and nobody else.
#[derive(Clone, PartialEq, Debug)]
pub enum Reply {
    /// The answer to a ping.
    Pong {
        /// The request's tag.
        tag: Tag,
    },
    /// The change is durable.
    Ack {
        /// The request's tag.
        tag: Tag,
        /// What was made.
        id: EventId,
        /// Its place.
        seq: Seq,
    },
    /// A fresh token was taken.
    AuthRefreshed {
        /// The request's tag.
        tag: Tag,
        /// When the new token ends.
        expires_at: Timestamp,
    },
    /// It is done; nothing durable was made of it.
    Done {
        /// The request's tag.
        tag: Tag,
    },
    /// Somebody else had changed these cells before; nothing was changed.
    VersionConflict {
        /// The request's tag.
        tag: Tag,
        /// Which sheet.
        sheet: SheetId,
        /// Each of them as it is.
        conflicts: Vec<CellConflict>,
    },
    /// News for the user on every socket.
    Personal(Arc<Personal>),
    /// A refusal.
    Error {
        /// The request's tag.
        tag: Tag,
        /// Why.
        refusal: Refusal,
    },
    /// The first word about a room.
    Entered(Box<Entered>),
    /// The end of a replay.
    Recovered {
        /// Which room.
        room: Arc<RoomIdentity>,
        /// Up to where.
        seq: Seq,
        /// Whether it was all that was missed.
        complete: bool,
    },
    /// An administrator's word for the user.
    Notice {
        /// As it was written.
        data: RawJson,
        /// When.
        at: Timestamp,
    },
    /// The node goes; come back after the delay.
    Restarting {
        /// The client's slot.
        reconnect_in_ms: u64,
    },
}

/// What a newcomer learns first.
#[derive(Clone, PartialEq, Debug)]
pub struct Entered {
    /// The tag of the request, where one was made.
    pub tag: Tag,
    /// Which room.
    pub room: Arc<RoomIdentity>,
    /// The newcomer.
    pub user: UserId,
    /// The newcomer's socket.
    pub connection: Arc<str>,
    /// Who is there, the newcomer included, each user once; cut at `ONLINE_USERS_LISTED_MAX`.
    pub online: Vec<Author>,
    /// How many users are there.
    pub online_total: usize,
    /// The room's sequence at this moment.
    pub seq: Seq,
    /// Its epoch.
    pub epoch: Epoch,
    /// What goes on there, in an open room.
    pub attendance: Option<Arc<Attendance>>,
}
