//! The kinds of rooms, and what is fixed about each. Whoever needs to know something about a kind of room asks here: no
//! other module may distinguish the kinds, except their state machines (`actors/room/kinds/`) and the store, which reads
//! and writes them. So a new kind is one variant and one row of `facts`.

use serde::{Deserialize, Serialize};

use crate::{
    core::{canvas::CanvasSize, command::Addressed},
    ids::{CanvasId, DocumentId, GroupId, RoomId, RoomName, UserId},
};

/// The kind of a room, with its properties.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RoomScope {
    /// A channel of a group.
    Channel {
        /// The group whose members may enter.
        group: GroupId,
    },
    /// A conversation of two users, ordered by their ids.
    Direct {
        /// Both users; the same user twice for notes to oneself.
        users: [UserId; 2],
    },
    /// A room that anybody can create by its name (docs/protocol.md, Rooms on demand).
    Open {
        /// The name used by clients.
        name: RoomName,
    },
    /// A space, in which users have positions.
    Space,
    /// A canvas.
    Canvas {
        /// Its id.
        canvas: CanvasId,
        /// Its size.
        size: CanvasSize,
    },
    /// A collaborative document.
    Document {
        /// The id used by clients.
        document: DocumentId,
    },
}

/// What is fixed about a kind of room.
#[derive(Clone, Copy)]
struct Facts<'a> {
    /// What REST calls it.
    kind: &'static str,
    /// How clients address it.
    known_by: KnownBy<'a>,
    /// The group whose members may enter.
    group: Option<GroupId>,
    /// The only users who may enter.
    users: Option<&'a [UserId; 2]>,
    /// The id of the document by which clients address it.
    document: Option<&'a DocumentId>,
    /// Why a socket is refused that has not joined it.
    not_in: &'static str,
}

/// Why a socket is refused that has not joined the room.
const NOT_IN: &str = "This socket is not in the room; join it first";

/// How clients address a room.
#[derive(Clone, Copy)]
enum KnownBy<'a> {
    /// As a conversation, by this name.
    Name(&'a RoomName),
    /// As a conversation, by its id.
    Id,
    /// In a way of their own, with a variant of `RoomAddress`.
    Other,
    /// As a canvas, by the address of the socket.
    Canvas(CanvasId),
}

impl<'a> Facts<'a> {
    const fn new(kind: &'static str, known_by: KnownBy<'a>) -> Facts<'a> {
        Facts { kind, known_by, group: None, users: None, document: None, not_in: NOT_IN }
    }
}

impl RoomScope {
    /// One row for each kind.
    const fn facts(&self) -> Facts<'_> {
        match self {
            RoomScope::Channel { group } => Facts { group: Some(*group), ..Facts::new("channel", KnownBy::Id) },
            RoomScope::Direct { users } => Facts { users: Some(users), ..Facts::new("direct", KnownBy::Id) },
            RoomScope::Open { name } => Facts::new("open", KnownBy::Name(name)),
            // the sentence that clients of spaces expect (PROTOCOL 8.39)
            RoomScope::Space => {
                Facts { not_in: "You do not have access to this space", ..Facts::new("space", KnownBy::Other) }
            }
            RoomScope::Canvas { canvas, .. } => Facts::new("canvas", KnownBy::Canvas(*canvas)),
            RoomScope::Document { document } => {
                Facts { document: Some(document), ..Facts::new("document", KnownBy::Other) }
            }
        }
    }

    /// What REST calls this kind of room.
    pub const fn kind(&self) -> &'static str {
        self.facts().kind
    }

    /// Whether a message addressed in this way belongs in this kind of room.
    pub const fn takes(&self, addressed: &Addressed) -> bool {
        match addressed {
            Addressed::Channel => self.is_channel(),
            Addressed::Partner => self.is_direct(),
            Addressed::Room { .. } => self.name().is_some(),
            Addressed::Conversation(_) => self.document().is_none(),
            Addressed::Space(_) => matches!(self, RoomScope::Space),
            Addressed::Canvas { canvas } => match (self.facts().known_by, canvas) {
                (KnownBy::Canvas(own), Some(named)) => own.0 == named.0,
                (KnownBy::Canvas(_), None) => true,
                (KnownBy::Name(_) | KnownBy::Id | KnownBy::Other, _) => false,
            },
        }
    }

    /// The name by which clients address it. Rooms without one are addressed by their id.
    pub const fn name(&self) -> Option<&RoomName> {
        match self.facts().known_by {
            KnownBy::Name(name) => Some(name),
            KnownBy::Id | KnownBy::Other | KnownBy::Canvas(_) => None,
        }
    }

    /// The group whose members may enter.
    pub const fn group(&self) -> Option<GroupId> {
        self.facts().group
    }

    /// The only users who may enter, in a conversation of two users.
    pub const fn users(&self) -> Option<&[UserId; 2]> {
        self.facts().users
    }

    /// The id of the document, if it is one.
    pub const fn document(&self) -> Option<&DocumentId> {
        self.facts().document
    }

    /// Why a socket is refused that has not joined it.
    pub const fn not_in(&self) -> &'static str {
        self.facts().not_in
    }

    /// Whether it is a channel of a group.
    pub const fn is_channel(&self) -> bool {
        self.group().is_some()
    }

    /// Whether it is a conversation of two users.
    pub const fn is_direct(&self) -> bool {
        self.users().is_some()
    }

    /// The user in whose queue a message of that sender is put until a socket of that user has written it.
    pub fn queues_for(&self, sender: &UserId) -> Option<&UserId> {
        self.partner_of(sender).filter(|partner| *partner != sender)
    }

    /// The other user of a direct conversation.
    pub fn partner_of(&self, user: &UserId) -> Option<&UserId> {
        self.users().map(|[first, second]| if first == user { second } else { first })
    }
}

/// Identifies a room.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct RoomIdentity {
    /// Its id.
    pub id: RoomId,
    /// Its kind.
    pub scope: RoomScope,
}

impl RoomIdentity {
    /// By what clients know it: its name, or its id if it has none; a canvas as `canvas/<id>`.
    pub fn label(&self) -> String {
        match self.scope.facts().known_by {
            KnownBy::Name(name) => name.to_string(),
            KnownBy::Canvas(canvas) => format!("canvas/{canvas}"),
            KnownBy::Id | KnownBy::Other => match self.scope.document() {
                Some(document) => document.to_string(),
                None => self.id.to_string(),
            },
        }
    }

    /// Whether a client that names a conversation by this label means this room.
    pub fn is_labelled(&self, label: &RoomName) -> bool {
        match self.scope.facts().known_by {
            KnownBy::Name(name) => name == label,
            KnownBy::Id => label.as_str().parse() == Ok(self.id),
            KnownBy::Other | KnownBy::Canvas(_) => false,
        }
    }
}
