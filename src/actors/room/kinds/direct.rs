//! Conversations of two users. They have no state besides their log and their members. Both users receive its events on all
//! their sockets.

use super::super::kind::{RoomKind, RoomView};
use crate::{core::event::Durable, ids::UserId, store::QueueFor};

/// A direct conversation.
pub(in crate::actors::room) struct Direct {
    /// Both users; one for notes to oneself.
    users: Vec<UserId>,
}

impl Direct {
    /// The conversation of these users.
    pub fn of(users: [UserId; 2]) -> Direct {
        let mut users = users.to_vec();
        users.dedup();
        Direct { users }
    }
}

impl RoomKind for Direct {
    /// In that of the partner, whether present or not: the row is deleted when a socket has written the event.
    fn queue_for(&self, what: &Durable, _: &RoomView<'_>) -> QueueFor {
        let author = &what.author().id;
        let partner = self.users.iter().filter(|user| *user != author);
        partner.cloned().collect::<Vec<UserId>>().into()
    }

    fn always_sent_to(&self) -> Vec<UserId> {
        self.users.clone()
    }

    /// The right can't be lost.
    fn rereads_access(&self) -> bool {
        false
    }
}
