//! Events of a space.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Audience, Weight};
use crate::{
    core::{
        command::{RawJson, Tag},
        conflation::Moved,
        invite::Invite,
        profile::{Author, Profile},
        space::{AvatarMove, Place, SpaceLabel, SpaceSettings, StateChange, StateEntry},
    },
    error::Refusal,
    ids::{Area, Epoch, RoomId, Seq, UserId},
};

/// A stored event of a space. The serde form is that of the log: fields may be added but not renamed.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum SpaceDurable {
    /// A user did something that clients give a name to. The user is not sent it (PROTOCOL 8.37).
    #[serde(rename = "space_acted")]
    Acted {
        /// The user.
        by: Author,
        /// The clients' name for it.
        action: Arc<str>,
        /// Further data, relayed unchanged.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        data: Option<RawJson>,
    },
    /// An entry of the state was set, was deleted, or has ended.
    #[serde(rename = "space_state_changed")]
    StateChanged(StateChange),
}

impl SpaceDurable {
    /// The kinds in the log that belong to spaces.
    pub(super) const KINDS: &[&str] = &["space_acted", "space_state_changed"];

    /// The kind in the log.
    pub const fn kind(&self) -> &'static str {
        match self {
            SpaceDurable::Acted { .. } => "space_acted",
            SpaceDurable::StateChanged(_) => "space_state_changed",
        }
    }

    /// The user who caused it.
    pub const fn author(&self) -> &Author {
        match self {
            SpaceDurable::Acted { by, .. } | SpaceDurable::StateChanged(StateChange { by, .. }) => by,
        }
    }

    /// The members who receive it.
    pub fn audience(&self) -> Audience {
        match self {
            SpaceDurable::Acted { by, .. } => Audience::EveryoneBut(by.id.clone()),
            SpaceDurable::StateChanged(_) => Audience::Everyone,
        }
    }

    /// Passes the content to `feed`: see [`super::Durable::content`].
    pub fn content(&self, feed: &mut dyn FnMut(&[u8])) {
        match self {
            SpaceDurable::Acted { action, data, .. } => {
                feed(action.as_bytes());
                feed(data.as_ref().map_or(&[0xff], |data| data.as_str().as_bytes()));
            }
            // not its end: that depends on when it is sent, and by which socket
            SpaceDurable::StateChanged(StateChange { key, value, .. }) => {
                feed(key.as_bytes());
                feed(value.as_ref().map_or(&[0xff], |value| value.as_str().as_bytes()));
            }
        }
    }

    /// What storing it costs.
    pub fn weight(&self) -> Weight {
        match self {
            SpaceDurable::Acted { action, data, .. } => {
                let bytes = action.len() + data.as_ref().map_or(0, |data| data.as_str().len());
                Weight { bytes, rows: 0 }
            }
            SpaceDurable::StateChanged(StateChange { key, value, .. }) => {
                let bytes = key.len() + value.as_ref().map_or(0, |value| value.as_str().len());
                Weight { bytes, rows: 1 }
            }
        }
    }

    /// Whether it is queued for a participant without a socket.
    pub const fn is_queued_for_absent(&self) -> bool {
        match self {
            SpaceDurable::Acted { .. } | SpaceDurable::StateChanged(_) => false,
        }
    }
}

/// An event of a space that is not stored. Each node makes these for its own members.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SpaceEphemeral {
    /// Avatars have moved.
    #[serde(skip)]
    Moved(Arc<Moved<AvatarMove>>),
    /// Avatars have moved in an area or near it.
    #[serde(skip)]
    MovedNear {
        /// The area.
        area: Area,
        /// The number of the frame.
        frame: u64,
        /// The moves.
        moves: Arc<[AvatarMove]>,
    },
    /// The settings of the space have changed.
    #[serde(skip)]
    Changed(SpaceSettings),
}

/// An avatar in the answer to a join.
#[derive(Clone, PartialEq, Debug)]
pub struct AvatarListed {
    /// The user.
    pub user: Author,
    /// Where the avatar is.
    pub place: Place,
}

/// A reply to one socket of the metaverse dialect.
#[derive(Clone, PartialEq, Debug)]
pub enum SpaceReply {
    /// The socket has entered a space.
    Joined {
        /// The request's tag.
        tag: Tag,
        /// The space.
        space: RoomId,
        /// What there is to know of it.
        settings: SpaceSettings,
        /// The socket.
        connection: Arc<str>,
        /// Everybody who is there; truncated at `AVATARS_LISTED_MAX`.
        avatars: Vec<AvatarListed>,
        /// The state of the space.
        state: Vec<StateEntry>,
        /// The number of the users there.
        total: usize,
        /// The space's current sequence number.
        seq: Seq,
        /// Its epoch.
        epoch: Epoch,
    },
    /// A change of the state was refused, because the entry is another one than was expected.
    StateConflict {
        /// The request's tag.
        tag: Tag,
        /// Why.
        refusal: Refusal,
        /// The entry as it is, if there is one.
        entry: Option<StateEntry>,
    },
    /// Avatars have come near.
    Seen {
        /// The space.
        space: RoomId,
        /// Where they are.
        avatars: Vec<AvatarMove>,
    },
    /// An invite was sent, or is pending.
    Invited {
        /// The request's tag.
        tag: Tag,
        /// The invite.
        invite: Invite,
    },
    /// What became of several invites.
    InvitedSeveral {
        /// The request's tag.
        tag: Tag,
        /// Those that are pending.
        invites: Vec<Invite>,
        /// The users who could not be invited.
        failed: Vec<(UserId, Refusal)>,
    },
    /// An invite was accepted or declined; the tag says which.
    InviteAnswered {
        /// The request's tag.
        tag: Tag,
        /// The space.
        space: SpaceLabel,
    },
    /// The user's invites.
    Invites {
        /// The request's tag.
        tag: Tag,
        /// The page.
        invites: Vec<Invite>,
        /// The number of all.
        total: i64,
    },
    /// The users who can be invited.
    Candidates {
        /// The request's tag.
        tag: Tag,
        /// The page.
        users: Vec<Profile>,
        /// The number of all.
        total: i64,
    },
}
