//! Groups, their members and their channels.

use super::{Channel, ChannelMedium, Group, GroupMember, GroupRole, Store, StoreError, run};
use crate::ids::{GroupId, UserId};

impl Store {
    /// Creates a group with its owner as the first member. [`StoreError::Missing`] if the user does not exist.
    pub async fn create_group(
        &self,
        owner: &UserId,
        name: &str,
        description: Option<&str>,
    ) -> Result<Group, StoreError> {
        let (owner, name, description) = (owner.clone(), name.to_owned(), description.map(str::to_owned));
        run!(self, write, groups::create(&owner, &name, description.as_deref()))
    }

    /// The groups that the user is a member of, oldest first.
    pub async fn groups_of(&self, user: &UserId) -> Result<Vec<Group>, StoreError> {
        let user = user.clone();
        run!(self, read, groups::of_user(&user))
    }

    /// The group with that id; its role is that user's, None without membership.
    pub async fn group(&self, id: GroupId, as_seen_by: &UserId) -> Result<Option<Group>, StoreError> {
        let user = as_seen_by.clone();
        run!(self, read, groups::by_id(id, &user))
    }

    /// The group's members, by the time they joined.
    pub async fn group_members(&self, id: GroupId) -> Result<Vec<GroupMember>, StoreError> {
        run!(self, read, groups::members(id))
    }

    /// The user's role in the group.
    pub async fn group_role(&self, id: GroupId, user: &UserId) -> Result<Option<GroupRole>, StoreError> {
        let user = user.clone();
        run!(self, read, groups::role(id, &user))
    }

    /// Adds a member. [`StoreError::Taken`] `membership` if the user already is one, [`StoreError::Missing`] if the
    /// user or the group does not exist.
    pub async fn add_group_member(
        &self,
        id: GroupId,
        user: &UserId,
        role: GroupRole,
    ) -> Result<GroupMember, StoreError> {
        let user = user.clone();
        run!(self, write, groups::add_member(id, &user, role))
    }

    /// Removes a member. Returns false if the user was not a member.
    pub async fn remove_group_member(&self, id: GroupId, user: &UserId) -> Result<bool, StoreError> {
        let user = user.clone();
        run!(self, write, groups::remove_member(id, &user))
    }

    /// Creates a channel in a group. [`StoreError::Taken`] `name` if the group has a channel with that name in any
    /// case, [`StoreError::Missing`] if the group does not exist.
    pub async fn create_channel(
        &self,
        group: GroupId,
        name: &str,
        medium: ChannelMedium,
        creator: &UserId,
    ) -> Result<Channel, StoreError> {
        let (name, creator) = (name.to_owned(), creator.clone());
        run!(self, write, rooms::create_channel(group, &name, medium, &creator))
    }

    /// The group's channels, oldest first.
    pub async fn channels_of(&self, group: GroupId) -> Result<Vec<Channel>, StoreError> {
        run!(self, read, rooms::channels_of(group))
    }
}
