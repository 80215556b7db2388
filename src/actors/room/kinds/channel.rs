//! Channels of groups. They have no state besides their log and their members.

use super::super::kind::RoomKind;
use crate::{core::event::Audience, ids::UserId};

/// A channel.
pub(in crate::actors::room) struct Channel;

impl RoomKind for Channel {
    fn typing_audience(&self, _: &UserId) -> Audience {
        Audience::Everyone
    }

    /// The registry compares each join with the exclusions of the last minutes.
    fn rereads_access(&self) -> bool {
        false
    }
}
