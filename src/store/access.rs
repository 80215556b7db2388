//! One way to reach a room, however it is named, with all facts that decide whether a user may enter it. This module
//! must not decide; `auth::policy` does.

use super::{Canvas, Document, GroupRole, OpenRoom, RoomRole, SpaceAccess, Store, StoreError, Visibility};
use crate::{
    core::{
        command::RoomAddress,
        document::{DocumentAccess, DocumentRole},
        event::{RoomIdentity, RoomScope},
        space::SpaceRole,
    },
    ids::{CanvasId, DocumentId, RoomId, RoomName, UserId},
};

/// A reference to a room.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum RoomRef {
    /// A channel, by its id.
    Channel(RoomId),
    /// The direct conversation with that user.
    Direct(UserId),
    /// An open room, by its name.
    Open(RoomName),
    /// A channel or a direct conversation by its id, or else an open room by its name.
    Conversation(RoomName),
    /// A space, by its id.
    Space(RoomId),
    /// A canvas, by its id.
    Canvas(CanvasId),
    /// A document, by its id.
    Document(DocumentId),
}

impl From<RoomAddress> for RoomRef {
    fn from(address: RoomAddress) -> RoomRef {
        match address {
            RoomAddress::Open(name) => RoomRef::Open(name),
            RoomAddress::Conversation(name) => RoomRef::Conversation(name),
            RoomAddress::With(partner) => RoomRef::Direct(partner),
            RoomAddress::Space(id) => RoomRef::Space(id),
            RoomAddress::Document(document) => RoomRef::Document(document),
        }
    }
}

impl RoomRef {
    /// The reference by which this user reaches that room.
    pub fn of(room: &RoomIdentity, user: &UserId) -> RoomRef {
        match &room.scope {
            RoomScope::Channel { .. } => RoomRef::Channel(room.id),
            RoomScope::Open { name } => RoomRef::Open(name.clone()),
            RoomScope::Space => RoomRef::Space(room.id),
            RoomScope::Canvas { canvas, .. } => RoomRef::Canvas(*canvas),
            RoomScope::Document { document } => RoomRef::Document(document.clone()),
            RoomScope::Direct { users: [first, second] } => {
                RoomRef::Direct(if first == user { second.clone() } else { first.clone() })
            }
        }
    }
}

/// A room, and the user's relation to it.
#[derive(Clone, Debug)]
pub struct Access {
    /// The room.
    pub identity: RoomIdentity,
    /// The facts that decide whether the user may enter.
    pub right: Right,
    /// The maximum number of members. None: unlimited.
    pub capacity: Option<u32>,
}

/// The facts, other than the user's identity, that decide whether a user may enter a room.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Right {
    /// For a channel: the user's role in its group.
    Group(Option<GroupRole>),
    /// For a direct conversation: the user must be one of its two sides, which its identity names.
    Side,
    /// For an open room or a canvas.
    Open {
        /// Whether everybody may enter.
        visibility: Visibility,
        /// The user's role in the room.
        membership: Option<RoomRole>,
    },
    /// For a space.
    Space {
        /// Whether everybody may visit it.
        visibility: Visibility,
        /// The user's role in the space.
        role: Option<SpaceRole>,
        /// Whether it has as many members as its capacity.
        is_full: bool,
    },
    /// For a document.
    Document {
        /// What everybody may do with it.
        access: DocumentAccess,
        /// The user's own role in it.
        membership: Option<DocumentRole>,
    },
}

impl Right {
    /// Whether it includes moderating the room: its owner, the owner and moderators of its group, the admins of a space.
    pub const fn moderates(self) -> bool {
        match self {
            Right::Group(Some(GroupRole::Owner | GroupRole::Moderator))
            | Right::Open { membership: Some(RoomRole::Owner), .. }
            | Right::Space { role: Some(SpaceRole::Admin), .. }
            | Right::Document { membership: Some(DocumentRole::Owner), .. } => true,
            Right::Group(Some(GroupRole::Member) | None)
            | Right::Side
            | Right::Open { membership: Some(RoomRole::Member) | None, .. }
            | Right::Space { role: Some(SpaceRole::Member) | None, .. }
            | Right::Document { membership: _, .. } => false,
        }
    }

    /// The user's role in a document, by its own or by everybody's.
    pub fn document_role(self) -> Option<DocumentRole> {
        match self {
            Right::Document { access, membership } => membership.max(access.role()),
            Right::Group(_) | Right::Side | Right::Open { .. } | Right::Space { .. } => None,
        }
    }
}

impl From<Canvas> for Access {
    fn from(canvas: Canvas) -> Access {
        let Canvas { identity, visibility, membership, .. } = canvas;
        Access { identity, right: Right::Open { visibility, membership }, capacity: None }
    }
}

impl From<OpenRoom> for Access {
    fn from(room: OpenRoom) -> Access {
        Access {
            right: Right::Open { visibility: room.visibility, membership: room.membership },
            capacity: room.capacity,
            identity: room.identity,
        }
    }
}

impl From<SpaceAccess> for Access {
    fn from(SpaceAccess { space, role }: SpaceAccess) -> Access {
        let is_full = space.is_full();
        Access {
            right: Right::Space { visibility: space.visibility, role, is_full },
            // members are counted, not the users who are there
            capacity: None,
            identity: RoomIdentity { id: space.id, scope: RoomScope::Space },
        }
    }
}

impl From<Document> for Access {
    fn from(document: Document) -> Access {
        let right = Right::Document { access: document.access, membership: document.membership };
        Access { right, capacity: None, identity: document.identity }
    }
}

impl Store {
    /// The room and the user's relation to it. None if there is no such room. A conversation is created when first
    /// needed; there is none with a user who does not exist.
    pub async fn access(&self, room: &RoomRef, user: &UserId) -> Result<Option<Access>, StoreError> {
        match room {
            RoomRef::Channel(id) => Ok(self.channel_access(*id, user).await?.map(|(channel, membership)| Access {
                identity: RoomIdentity { id: channel.id, scope: RoomScope::Channel { group: channel.group } },
                right: Right::Group(membership),
                capacity: None,
            })),
            RoomRef::Direct(partner) => match self.direct_room(user, partner).await {
                Ok(identity) => Ok(Some(Access { identity, right: Right::Side, capacity: None })),
                Err(StoreError::Missing) => Ok(None),
                Err(error) => Err(error),
            },
            RoomRef::Open(name) => Ok(self.open_room(name, user).await?.map(Access::from)),
            RoomRef::Space(id) => Ok(self.space(*id, user).await?.map(Access::from)),
            RoomRef::Canvas(canvas) => Ok(self.canvas(*canvas, user).await?.map(Access::from)),
            RoomRef::Document(document) => Ok(self.document(document, user).await?.map(Access::from)),
            // boxed, since it resolves another reference in turn
            RoomRef::Conversation(name) => Box::pin(self.conversation_access(name.as_str(), user)).await,
        }
    }
}
