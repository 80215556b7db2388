//! Rooms: access facts, conversations, and the heads of their sequences.

use std::collections::{HashMap, HashSet};

use super::{ChannelAccess, NewRoom, OpenRoom, RoomActivity, RoomChange, RoomHead, RoomRole, Store, StoreError, run};
use crate::{
    core::{
        event::{RoomIdentity, RoomScope},
        profile::Profile,
    },
    ids::{RoomId, RoomName, UserId},
};

impl Store {
    /// The channel, and the user's role in its group (None: not a member).
    pub async fn channel_access(&self, id: RoomId, user: &UserId) -> Result<Option<ChannelAccess>, StoreError> {
        self.shared.loaders.channels.get((id, user.clone())).await
    }

    /// The conversation of two users, the same for both, created when first needed. [`StoreError::Missing`] if one of
    /// the users does not exist.
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

    /// An open room by its name, and the user's role in it.
    pub async fn open_room(&self, name: &RoomName, user: &UserId) -> Result<Option<OpenRoom>, StoreError> {
        self.shared.loaders.opens.get((name.clone(), user.clone())).await
    }

    /// Creates an open room, or returns the one that somebody else has just created.
    pub async fn create_open_room(&self, name: &RoomName, owner: &UserId) -> Result<OpenRoom, StoreError> {
        let (name, owner) = (name.clone(), owner.clone());
        run!(self, write, open_rooms::create(&name, &owner))
    }

    /// The members, including the owners, of those of these rooms that are private open rooms.
    pub async fn private_members(&self, ids: &[RoomId]) -> Result<HashMap<RoomId, HashSet<UserId>>, StoreError> {
        let ids = ids.to_vec();
        run!(self, read, open_rooms::private_members(&ids))
    }

    /// The head of the room's sequence.
    pub async fn room_head(&self, id: RoomId) -> Result<Option<RoomHead>, StoreError> {
        self.shared.loaders.heads.get(id).await
    }

    /// The heads of the existing ones of these rooms, in no particular order; one query per thousand.
    pub async fn room_heads(&self, ids: &[RoomId]) -> Result<Vec<(RoomId, RoomHead)>, StoreError> {
        let ids = ids.to_vec();
        run!(self, read, rooms::heads(&ids))
    }

    /// Creates an open room in advance. [`StoreError::Taken`] if there is one with that name.
    pub async fn make_room(&self, name: &RoomName, owner: &UserId, new: &NewRoom) -> Result<OpenRoom, StoreError> {
        let (name, owner, new) = (name.clone(), owner.clone(), new.clone());
        run!(self, write, room_members::create(&name, &owner, &new))
    }

    /// Changes an open room.
    pub async fn change_room(&self, room: RoomId, change: &RoomChange) -> Result<(), StoreError> {
        let change = change.clone();
        run!(self, write, room_members::change(room, &change))
    }

    /// The owner and the members of an open room, the owner first, then by name.
    pub async fn room_members(&self, room: RoomId) -> Result<Vec<(Profile, RoomRole)>, StoreError> {
        run!(self, read, room_members::members(room))
    }

    /// Adds a member. Returns false if the user already is one; [`StoreError::Taken`] if the list is full.
    pub async fn add_room_member(&self, room: RoomId, user: &UserId) -> Result<bool, StoreError> {
        let user = user.clone();
        run!(self, write, room_members::add(room, &user))
    }

    /// Removes a member. Returns false if the user was not one.
    pub async fn remove_room_member(&self, room: RoomId, user: &UserId) -> Result<bool, StoreError> {
        let user = user.clone();
        run!(self, write, room_members::remove(room, &user))
    }

    /// The activity in the existing ones of these rooms, in no particular order.
    pub async fn room_activity(&self, ids: &[RoomId]) -> Result<Vec<RoomActivity>, StoreError> {
        let ids = ids.to_vec();
        run!(self, read, rooms::activity(&ids))
    }

    /// The identities of these rooms, in no particular order. Rooms that do not exist are left out.
    pub async fn rooms(&self, ids: &[RoomId]) -> Result<Vec<RoomIdentity>, StoreError> {
        let ids = ids.to_vec();
        run!(self, read, rooms::identities(&ids))
    }

    /// The identity of a room that many ask for at once: such calls are batched in one query.
    pub async fn shared_room(&self, id: RoomId) -> Result<Option<RoomIdentity>, StoreError> {
        self.shared.loaders.identities.get(id).await
    }

    /// The identity of a room.
    pub async fn room(&self, id: RoomId) -> Result<Option<RoomIdentity>, StoreError> {
        run!(self, read, rooms::identity(id))
    }
}
