//! Conversations: rooms as those see them who take part. Which room a name means, who takes part in it, and where a
//! message is. Rights are decided elsewhere: taking part in a room gives none.

use super::{Access, MessagePlace, OpenRoom, Right, RoomRef, Store, StoreError, run};
use crate::{
    core::{
        event::{RoomIdentity, RoomScope},
        profile::Author,
    },
    ids::{EventId, RoomId, RoomName, UserId},
};

impl Store {
    /// The room that a conversation's id means, and how the user stands towards it: the channel or the direct conversation
    /// with that UUID, or else the open room of that name; none if there is no such room.
    pub async fn conversation_access(&self, id: &str, user: &UserId) -> Result<Option<Access>, StoreError> {
        if let Ok(room) = id.parse::<RoomId>() {
            let found = self.room(room).await?;
            match found.as_ref().map(|room| &room.scope) {
                Some(RoomScope::Channel { .. }) => return self.access(&RoomRef::Channel(room), user).await,
                Some(RoomScope::Direct { .. }) => {
                    let access = |identity| Access { identity, right: Right::Side, capacity: None };
                    return Ok(found.map(access));
                }
                Some(RoomScope::Open { .. }) | None => {}
            }
        }
        match RoomName::new(id) {
            Ok(name) => self.access(&RoomRef::Open(name), user).await,
            Err(_) => Ok(None),
        }
    }

    /// Makes the user a participant of an open room. False if the user is one; [`StoreError::Missing`] if there is no
    /// such room.
    pub async fn add_participant(&self, room: RoomId, user: &UserId) -> Result<bool, StoreError> {
        let user = user.clone();
        run!(self, write, conversations::add_participant(room, &user))
    }

    /// The user takes no part in the open room any more. False if the user took none.
    pub async fn remove_participant(&self, room: RoomId, user: &UserId) -> Result<bool, StoreError> {
        let user = user.clone();
        run!(self, write, conversations::remove_participant(room, &user))
    }

    /// Those who take part in a room of any kind, in the order of their ids; `limits::PARTICIPANTS_MAX` at most.
    pub async fn participants(&self, room: &RoomIdentity) -> Result<Vec<Author>, StoreError> {
        let room = room.clone();
        run!(self, read, conversations::participants(&room))
    }

    /// Whether the user takes part in a room of any kind.
    pub async fn is_participant(&self, room: &RoomIdentity, user: &UserId) -> Result<bool, StoreError> {
        let (room, user) = (room.clone(), user.clone());
        run!(self, read, conversations::is_participant(&room, &user))
    }

    /// Makes a conversation of named people, whose creator is one of them: a private open room whose name is its own id.
    /// [`StoreError::Missing`] if one of them does not exist.
    pub async fn create_conversation(
        &self,
        creator: &UserId,
        title: Option<&str>,
        members: &[UserId],
    ) -> Result<OpenRoom, StoreError> {
        let (creator, title, members) = (creator.clone(), title.map(ToOwned::to_owned), members.to_vec());
        run!(self, write, conversations::create_conversation(&creator, title.as_deref(), &members))
    }

    /// Where a message is, and who sent it; none if there is no such message.
    pub async fn message_place(&self, message: EventId) -> Result<Option<MessagePlace>, StoreError> {
        run!(self, read, conversations::message_place(message))
    }
}
