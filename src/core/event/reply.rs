//! Replies: what is sent to a single socket.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{CallNotice, CanvasReply, RoomIdentity, RoomPresence, SpaceReply};
use crate::{
    core::{
        command::{RawJson, Tag},
        document::{Change, ClientState, Colour, Conflict, DocumentRole, Pointing, Position, Range},
        profile::Author,
        sheet::CellConflict,
        user_event::UserEvent,
    },
    error::Refusal,
    ids::{DocumentId, Epoch, EventId, Seq, SheetId, Timestamp, UserId},
    limits,
};

/// A message to a single socket.
#[derive(Clone, PartialEq, Debug)]
pub enum Reply {
    /// The reply to a ping.
    Pong {
        /// The request's tag.
        tag: Tag,
    },
    /// The change was stored.
    Ack {
        /// The request's tag.
        tag: Tag,
        /// The id of the stored event.
        id: EventId,
        /// Its sequence number.
        seq: Seq,
    },
    /// A fresh token was accepted.
    AuthRefreshed {
        /// The request's tag.
        tag: Tag,
        /// When the new token expires.
        expires_at: Timestamp,
    },
    /// The request was executed; nothing was stored.
    Done {
        /// The request's tag.
        tag: Tag,
    },
    /// The cells were changed by somebody else in the meantime; nothing was written.
    VersionConflict {
        /// The request's tag.
        tag: Tag,
        /// The sheet.
        sheet: SheetId,
        /// The conflicting cells with their current state.
        conflicts: Vec<CellConflict>,
    },
    /// An event for the user on all sockets.
    UserEvent(Arc<UserEvent>),
    /// News of a call that is not bound to a room.
    Call(Box<CallNotice>),
    /// A refusal.
    Error {
        /// The request's tag.
        tag: Tag,
        /// The reason.
        refusal: Refusal,
    },
    /// The socket is open.
    Welcome(Welcome),
    /// A message was stored: to whom it was sent, and for whom it is queued.
    Delivered(Box<Delivered>),
    /// The first message about a room.
    Entered(Box<Entered>),
    /// A reply on a canvas.
    Canvas(Box<CanvasReply>),
    /// The end of a replay.
    Recovered {
        /// The room.
        room: Arc<RoomIdentity>,
        /// The last sequence number of the replay.
        seq: Seq,
        /// Whether it contained everything that was missed.
        complete: bool,
    },
    /// A reply in a space, or about invites.
    Space(Box<SpaceReply>),
    /// About a document, to one of its editors.
    Document(DocumentId, Box<DocumentReply>),
    /// An administrator's notice for the user.
    Notice {
        /// The content, as it was received.
        data: RawJson,
        /// The time.
        at: Timestamp,
    },
    /// The node is shutting down; the client should reconnect after the delay.
    Restarting {
        /// The delay assigned to this client.
        reconnect_in_ms: u64,
    },
}

/// The first message on a socket, in dialects that have one.
#[derive(Clone, PartialEq, Debug)]
pub struct Welcome {
    /// The user of the socket.
    pub user: UserId,
    /// The name of the socket.
    pub connection: Arc<str>,
}

/// What an editor of a document is sent alone.
#[derive(Clone, PartialEq, Debug)]
pub enum DocumentReply {
    /// What the server has, so that the client sends what it lacks.
    Has {
        /// A state vector in the encoding of Yjs.
        state_vector: Vec<u8>,
    },
    /// What the client lacks.
    Lacking {
        /// An update in the encoding of Yjs.
        update: Vec<u8>,
    },
    /// The socket of a Yjs editor has joined.
    Joined {
        /// What the user may do.
        role: DocumentRole,
        /// What the server has: a state vector in the encoding of Yjs.
        state_vector: Vec<u8>,
    },
    /// What the user of a Yjs editor may do has changed.
    RoleChanged {
        /// To this.
        role: DocumentRole,
    },
    /// The update of a Yjs editor was not applied, since its user may only read.
    NotApplied,
    /// The user of a Yjs editor may not change or read the document any more.
    Denied {
        /// Why.
        sentence: Arc<str>,
    },
    /// What clients show of themselves.
    Awareness(Vec<ClientState>),
    /// Where the users are who edit by line and column, for a Yjs editor.
    Pointers(Vec<Pointing>),
    /// The document, for an editor by line and column.
    Opened(DocumentOpened),
    /// The editor's edit was stored and applied.
    Applied {
        /// The request's tag.
        tag: Tag,
        /// The document.
        document: DocumentId,
        /// The version with the edit.
        version: Seq,
        /// The changes as they were applied.
        changes: Arc<[Change]>,
    },
    /// The editor's edit was not applied.
    Conflict {
        /// The request's tag.
        tag: Tag,
        /// The document.
        document: DocumentId,
        /// Why.
        why: Conflict,
        /// The current version.
        version: Seq,
        /// The text of that version.
        content: String,
        /// The changes that were asked for.
        changes: Vec<Change>,
    },
}

/// A document as it is when it is opened.
#[derive(Clone, PartialEq, Debug)]
pub struct DocumentOpened {
    /// The request's tag.
    pub tag: Tag,
    /// The document.
    pub document: DocumentId,
    /// Its text.
    pub content: String,
    /// The version of the text.
    pub version: Seq,
    /// Who has it open, including the opener; at most `ONLINE_USERS_LISTED_MAX`.
    pub participants: Vec<Participant>,
    /// What the opener may do.
    pub role: DocumentRole,
}

/// A user who has a document open.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Participant {
    /// The user.
    pub user: Author,
    /// The user's colour.
    pub colour: Colour,
    /// The user's cursor, if it is known.
    pub position: Option<Position>,
    /// What is selected.
    pub selection: Option<Range>,
}

/// The delivery receipt of a message.
#[derive(Clone, PartialEq, Debug)]
pub struct Delivered {
    /// The request's tag.
    pub tag: Tag,
    /// The room.
    pub room: Arc<RoomIdentity>,
    /// The message.
    pub id: EventId,
    /// Its sequence number.
    pub seq: Seq,
    /// The epoch of the room's sequence.
    pub epoch: Epoch,
    /// The users to whom it was sent, without the sender.
    pub delivered: Recipients,
    /// The users in whose queue it is.
    pub queued: Recipients,
}

/// A list of users, truncated if there are many.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Recipients {
    /// At most `RECIPIENTS_LISTED_MAX` users.
    pub users: Vec<UserId>,
    /// The number of users.
    pub total: usize,
}

impl Recipients {
    /// Lists the first users by id and counts all of them.
    pub fn of<'a>(users: impl Iterator<Item = &'a UserId>) -> Recipients {
        users.fold(Recipients::default(), |mut recipients, user| {
            if recipients.users.len() < limits::RECIPIENTS_LISTED_MAX {
                recipients.users.push(user.clone());
            }
            recipients.total += 1;
            recipients
        })
    }
}

/// The first message to a newcomer.
#[derive(Clone, PartialEq, Debug)]
pub struct Entered {
    /// The tag of the request, if there was one.
    pub tag: Tag,
    /// The room.
    pub room: Arc<RoomIdentity>,
    /// The newcomer.
    pub user: UserId,
    /// The newcomer's socket.
    pub connection: Arc<str>,
    /// The users in the room including the newcomer, each once. Empty in an open room, where `attendance` contains
    /// them, and in a large room, whose list is shared by newcomers.
    pub online: Vec<Author>,
    /// The number of users in the room.
    pub online_total: usize,
    /// The room's current sequence number.
    pub seq: Seq,
    /// Its epoch.
    pub epoch: Epoch,
    /// The presence state of an open room.
    pub attendance: Option<Arc<RoomPresence>>,
}

impl Entered {
    /// Whether there are more users than listed.
    pub const fn is_cut(&self) -> bool {
        self.online_total > limits::ONLINE_USERS_LISTED_MAX
    }
}

impl Reply {
    /// Whether its place between the events of the room counts: replies about a document have versions, as its events have.
    pub const fn is_between_events(&self) -> bool {
        matches!(self, Reply::Document(..))
    }
}
