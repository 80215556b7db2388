//! Rooms: who may enter, which conversation it is, and where its sequence stands.

use super::{ChannelAccess, OpenRoom, RoomActivity, RoomHead, Store, StoreError, run};
use crate::{
    core::event::{RoomIdentity, RoomScope},
    ids::{RoomId, RoomName, UserId},
};

impl Store {
    /// The channel, and the user's role in its group: none means no entry.
    pub async fn channel_access(&self, id: RoomId, user: &UserId) -> Result<Option<ChannelAccess>, StoreError> {
        self.shared.door.channels.get((id, user.clone())).await
    }

    /// The conversation of two users, the same whoever asks, made at the first need. [`StoreError::Missing`] without
    /// one of the users.
    pub async fn direct_room(&self, one: &UserId, other: &UserId) -> Result<RoomIdentity, StoreError> {
        let mut users = [one.clone(), other.clone()];
        users.sort_unstable();
        let scope = RoomScope::Direct { users: users.clone() };
        let (first, second) = (users[0].clone(), users[1].clone());
        if let Some(id) = run!(self, read, rooms::find_direct(&first, &second))? {
            return Ok(RoomIdentity { id, scope });
        }
        let [first, second] = users;
        let id = run!(self, write, rooms::create_direct(&first, &second))?;
        Ok(RoomIdentity { id, scope })
    }

    /// An open room by its name, and what the user is in it.
    pub async fn open_room(&self, name: &RoomName, user: &UserId) -> Result<Option<OpenRoom>, StoreError> {
        self.shared.door.opens.get((name.clone(), user.clone())).await
    }

    /// Makes an open room, or finds the one that somebody else has just made.
    pub async fn create_open_room(&self, name: &RoomName, owner: &UserId) -> Result<OpenRoom, StoreError> {
        let (name, owner) = (name.clone(), owner.clone());
        run!(self, write, open_rooms::create(&name, &owner))
    }

    /// Where the room's sequence stands.
    pub async fn room_head(&self, id: RoomId) -> Result<Option<RoomHead>, StoreError> {
        self.shared.door.heads.get(id).await
    }

    /// Where the sequences of those of these rooms that exist stand, in no particular order: one query per thousand.
    pub async fn room_heads(&self, ids: &[RoomId]) -> Result<Vec<(RoomId, RoomHead)>, StoreError> {
        let ids = ids.to_vec();
        run!(self, read, rooms::heads(&ids))
    }

    /// What happened in those of these rooms that exist, in no particular order.
    pub async fn room_activity(&self, ids: &[RoomId]) -> Result<Vec<RoomActivity>, StoreError> {
        let ids = ids.to_vec();
        run!(self, read, rooms::activity(&ids))
    }

    /// What kind of room it is.
    pub async fn room(&self, id: RoomId) -> Result<Option<RoomIdentity>, StoreError> {
        run!(self, read, rooms::identity(id))
    }
}
