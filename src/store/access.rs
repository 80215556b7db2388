//! One way to a room, whatever names it, with all that decides whether a user may enter it. Nothing is decided here:
//! `auth::policy` does that.

use super::{GroupRole, OpenRoom, RoomRole, Store, StoreError, Visibility};
use crate::{
    core::event::{RoomIdentity, RoomScope},
    ids::{RoomId, RoomName, UserId},
};

/// What names a room.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum RoomRef {
    /// A channel, by its id.
    Channel(RoomId),
    /// The conversation with that user.
    Direct(UserId),
    /// An open room, by its name.
    Open(RoomName),
}

impl RoomRef {
    /// What names that room for that user.
    pub fn of(room: &RoomIdentity, user: &UserId) -> RoomRef {
        match &room.scope {
            RoomScope::Channel { .. } => RoomRef::Channel(room.id),
            RoomScope::Open { name } => RoomRef::Open(name.clone()),
            RoomScope::Direct { users: [first, second] } => {
                RoomRef::Direct(if first == user { second.clone() } else { first.clone() })
            }
        }
    }
}

/// A room, and how a user stands towards it.
#[derive(Clone, Debug)]
pub struct Access {
    /// Which room.
    pub identity: RoomIdentity,
    /// What decides whether the user may enter.
    pub right: Right,
    /// How many users may be in; absent: any number.
    pub capacity: Option<u32>,
}

/// What decides whether a user may enter a room, beside who the user is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Right {
    /// Of a channel: what the user is in its group.
    Group(Option<GroupRole>),
    /// Of a direct conversation: whether the user is one of its two sides, which its identity says.
    Side,
    /// Of an open room.
    Open {
        /// Whether everybody may.
        visibility: Visibility,
        /// What the user is in it.
        membership: Option<RoomRole>,
    },
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

impl Store {
    /// The room, and how the user stands towards it; none if there is no such room. A conversation is made at the first
    /// need; there is none with a user who does not exist.
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
        }
    }
}
