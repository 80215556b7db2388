//! Spaces and their members. The database never has more members than the capacity allows: a constraint prevents it.

use std::sync::Arc;

use super::{Store, StoreError, Visibility, error::LAST_PLACE, run};
use crate::{
    core::{
        profile::Profile,
        space::{SpaceLabel, SpaceRefused, SpaceRole, SpaceSettings, StateEntry},
    },
    ids::{RoomId, Timestamp, UserId},
};

/// A space.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Space {
    /// Its id, which is that of its room.
    pub id: RoomId,
    /// Its name.
    pub name: Arc<str>,
    /// Who may visit it: everybody, or members only.
    pub visibility: Visibility,
    /// The maximum number of members.
    pub capacity: u32,
    /// The number of members.
    pub members: u32,
    /// The radius within which moves are sent; None: everywhere.
    pub interest_radius: Option<u32>,
    /// Who created it.
    pub owner: Option<UserId>,
    /// When it was created.
    pub created_at: Timestamp,
}

impl Space {
    /// Whether no place is left for another member.
    pub const fn is_full(&self) -> bool {
        self.members >= self.capacity
    }

    /// As others refer to it.
    pub fn label(&self) -> SpaceLabel {
        SpaceLabel { id: self.id, name: self.name.clone() }
    }
}

/// A space, and the requesting user's role in it. None: not a member.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SpaceAccess {
    /// The space.
    pub space: Space,
    /// The role.
    pub role: Option<SpaceRole>,
}

/// A space to create.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NewSpace {
    /// Its name.
    pub name: Arc<str>,
    /// Who may visit it.
    pub visibility: Visibility,
    /// The maximum number of members, at least 1.
    pub capacity: u32,
    /// The radius within which moves are sent; None: everywhere.
    pub interest_radius: Option<u32>,
}

/// Changes of a space; None leaves a field unchanged.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct SpaceChange {
    /// Its name.
    pub name: Option<Arc<str>>,
    /// Who may visit it.
    pub visibility: Option<Visibility>,
    /// The maximum number of members.
    pub capacity: Option<u32>,
    /// The radius within which moves are sent; the inner None: everywhere.
    pub interest_radius: Option<Option<u32>>,
}

/// A member of a space.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SpaceMember {
    /// The user.
    pub profile: Profile,
    /// The role.
    pub role: SpaceRole,
    /// When the user became a member.
    pub joined_at: Timestamp,
}

/// A part of a list: the rows after `offset`, at most `limit`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PageOf {
    /// Rows to skip.
    pub offset: i64,
    /// The maximum number of rows.
    pub limit: i64,
}

/// A part of a list, and the number of rows in all of it.
#[derive(Clone, PartialEq, Debug)]
pub struct Paged<T> {
    /// The part.
    pub items: Vec<T>,
    /// The number of all.
    pub total: i64,
}

/// The result of a request that the rules of spaces may refuse.
pub type SpaceResult<T> = Result<Result<T, SpaceRefused>, StoreError>;

/// Converts the refusal by the constraint on the number of members.
pub(super) fn unless_full<T>(result: SpaceResult<T>) -> SpaceResult<T> {
    match result {
        Err(StoreError::Taken(LAST_PLACE)) => Ok(Err(SpaceRefused::Full)),
        other => other,
    }
}

impl Store {
    /// Creates a space. Its creator is its admin and takes a place.
    pub async fn create_space(&self, owner: &UserId, new: &NewSpace) -> Result<SpaceAccess, StoreError> {
        let (owner, new) = (owner.clone(), new.clone());
        run!(self, write, spaces::create(&owner, &new))
    }

    /// The space, and the user's role in it.
    pub async fn space(&self, id: RoomId, user: &UserId) -> Result<Option<SpaceAccess>, StoreError> {
        self.shared.loaders.spaces.get((id, user.clone())).await
    }

    /// The spaces that the user may see: those of which the user is a member, by the time of becoming one, then the public
    /// ones.
    pub async fn spaces(&self, user: &UserId, page: PageOf) -> Result<Paged<SpaceAccess>, StoreError> {
        let user = user.clone();
        run!(self, read, spaces::visible(&user, page))
    }

    /// Changes a space. Its capacity can't become less than the number of members.
    pub async fn change_space(&self, id: RoomId, change: &SpaceChange) -> SpaceResult<()> {
        let change = change.clone();
        match run!(self, write, spaces::change(id, &change)) {
            Err(StoreError::Taken(LAST_PLACE)) => Ok(Err(SpaceRefused::TooSmall)),
            other => other,
        }
    }

    /// The members of a space, by the time they became members.
    pub async fn space_members(&self, id: RoomId, page: PageOf) -> Result<Paged<SpaceMember>, StoreError> {
        run!(self, read, spaces::members(id, page))
    }

    /// The settings of a space that its room has to know.
    pub async fn space_settings(&self, id: RoomId) -> Result<Option<SpaceSettings>, StoreError> {
        let space: Option<Space> = run!(self, read, spaces::one(id))?;
        Ok(space.map(|space| SpaceSettings { name: space.name, interest_radius: space.interest_radius }))
    }

    /// The state of a space.
    pub async fn space_state(&self, id: RoomId) -> Result<Vec<StateEntry>, StoreError> {
        run!(self, read, space_state::all(id))
    }

    /// The ids of all members of a space.
    pub async fn space_member_ids(&self, id: RoomId) -> Result<Vec<UserId>, StoreError> {
        run!(self, read, spaces::member_ids(id))
    }

    /// The users who can be invited to a space, by name: those who are not members, whose username or display name begins
    /// with the text in any case.
    pub async fn invitable_users(&self, id: RoomId, search: &str, page: PageOf) -> Result<Paged<Profile>, StoreError> {
        let search = search.to_owned();
        run!(self, read, spaces::invitable(id, &search, page))
    }

    /// Sets a member's role. The last admin stays one while there are other members.
    pub async fn set_space_role(&self, id: RoomId, user: &UserId, role: SpaceRole) -> SpaceResult<SpaceMember> {
        let user = user.clone();
        run!(self, write, spaces::set_role(id, &user, role))
    }

    /// Removes a member, whose place becomes free. The last admin stays while there are other members.
    pub async fn remove_space_member(&self, id: RoomId, user: &UserId) -> SpaceResult<()> {
        let user = user.clone();
        run!(self, write, spaces::remove_member(id, &user))
    }
}
