//! Spaces, in which users have a place and a position.

mod avatars;
mod interest;
mod place;
mod state;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub use self::{
    avatars::{Arrival, AvatarMove, Avatars, MoveEvents},
    interest::Interest,
    place::{Place, PlaceChange},
    state::{Holder, SpaceState, StateCause, StateChange, StateEntry, StateLife, StateSet},
};
use crate::{
    error::{ErrorCode, Refusal},
    ids::RoomId,
};

/// A member's role in a space.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SpaceRole {
    /// Enters it and invites others.
    Member,
    /// Changes it and its members, too.
    Admin,
}

impl SpaceRole {
    /// All roles, the lowest first.
    pub const ALL: [SpaceRole; 2] = [SpaceRole::Member, SpaceRole::Admin];

    /// The name on the wire and in the database.
    pub const fn name(self) -> &'static str {
        match self {
            SpaceRole::Member => "member",
            SpaceRole::Admin => "admin",
        }
    }

    /// The role of that name.
    pub fn from_name(name: &str) -> Option<SpaceRole> {
        SpaceRole::ALL.into_iter().find(|role| role.name() == name)
    }
}

/// A space as others refer to it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SpaceLabel {
    /// Its id, which is also that of its room.
    pub id: RoomId,
    /// Its name.
    pub name: Arc<str>,
}

/// What a newcomer to a space has to know of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SpaceSettings {
    /// Its name.
    pub name: Arc<str>,
    /// The radius within which moves are sent; None: everywhere.
    pub interest_radius: Option<u32>,
}

/// Why something is refused that concerns a space or an invite. The first five sentences are part of the contract.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SpaceRefused {
    /// There is no such space.
    #[error("Space not found")]
    NoSuchSpace,
    /// The user is a member.
    #[error("User is already a member of this space")]
    AlreadyMember,
    /// The space has as many members as its capacity.
    #[error("Space is full")]
    Full,
    /// The invite can't be accepted or declined any more.
    #[error("Invite has expired")]
    Expired,
    /// Not a member.
    #[error("You do not have access to this space")]
    NoAccess,
    /// Not an admin of the space.
    #[error("Only an admin of this space may do this; ask one of them")]
    NotAnAdmin,
    /// There is no such user.
    #[error("User not found")]
    NoSuchUser,
    /// The user has no such invite.
    #[error("Invite not found")]
    NoSuchInvite,
    /// The user has declined the invite.
    #[error("This invite was declined; ask for another one")]
    Declined,
    /// The user is not a member of the space.
    #[error("The user is not a member of this space")]
    NoSuchMember,
    /// Others would be left without an admin.
    #[error("You are the last admin of this space; make another member an admin first")]
    LastAdmin,
    /// There are more members than the new capacity.
    #[error("The space has more members than that; choose a larger capacity, or remove members first")]
    TooSmall,
    /// The user has not answered the maximum number of invites.
    #[error("This user has too many pending invites; try again when some of them have expired")]
    TooManyPending,
}

impl SpaceRefused {
    /// The code on the wire.
    pub const fn code(self) -> ErrorCode {
        match self {
            SpaceRefused::NoSuchSpace => ErrorCode::RoomNotFound,
            SpaceRefused::AlreadyMember => ErrorCode::AlreadyMember,
            SpaceRefused::Full => ErrorCode::SpaceFull,
            SpaceRefused::Expired => ErrorCode::InviteExpired,
            SpaceRefused::NoAccess | SpaceRefused::NotAnAdmin => ErrorCode::PermissionDenied,
            SpaceRefused::NoSuchUser => ErrorCode::UserNotFound,
            SpaceRefused::NoSuchInvite | SpaceRefused::NoSuchMember => ErrorCode::NotFound,
            SpaceRefused::Declined
            | SpaceRefused::LastAdmin
            | SpaceRefused::TooSmall
            | SpaceRefused::TooManyPending => ErrorCode::Conflict,
        }
    }
}

impl From<SpaceRefused> for Refusal {
    fn from(refused: SpaceRefused) -> Refusal {
        Refusal::new(refused.code(), refused.to_string())
    }
}

#[cfg(test)]
mod tests;
