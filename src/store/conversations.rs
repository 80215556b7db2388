//! Conversations: rooms from the participants' point of view. Resolves conversation ids, and manages participants and
//! the location of messages. Participation must never grant rights; `auth::policy` decides about these.

use std::{collections::HashMap, sync::Arc};

use super::{Access, Message, OpenRoom, Right, RoomRef, Store, StoreError, Visibility, run};
use crate::{
    core::{
        emoji::Emoji,
        event::{RoomIdentity, RoomScope},
        profile::Author,
    },
    ids::{Epoch, EventId, RoomId, RoomName, Seq, Timestamp, UserId},
};

/// What became of the request to make a user a participant.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Participation {
    /// The user has become a participant.
    Added,
    /// The user already is one.
    Already,
    /// The conversation has no more places.
    Full,
    /// The room or the user does not exist.
    Missing,
}

impl Participation {
    /// Whether the user has become a participant just now.
    ///
    /// # Errors
    /// If the user is not a participant.
    pub fn added(self) -> Result<bool, StoreError> {
        match self {
            Participation::Added => Ok(true),
            Participation::Already => Ok(false),
            Participation::Full => Err(StoreError::Taken("last place in the conversation")),
            Participation::Missing => Err(StoreError::Missing),
        }
    }
}

/// A conversation in the list of one who takes part in it.
#[derive(Clone, PartialEq, Debug)]
pub struct ConversationSummary {
    /// Its room.
    pub room: RoomIdentity,
    /// What people see; empty for a direct conversation and for a group without a name.
    pub title: String,
    /// Who may enter, if it is an open room.
    pub visibility: Visibility,
    /// Who made it.
    pub owner: Option<UserId>,
    /// Of a direct conversation the other side; absent for notes to oneself.
    pub partner: Option<Partner>,
    /// Its last message, perhaps a deleted one.
    pub last_message: Option<Message>,
    /// Messages of others that the user has not read; of those further back than `limits::UNREAD_COUNTED_MAX` none are counted.
    pub unread: i64,
    /// Messages among them that mention the user.
    pub mentioned: i64,
    /// How far the user has read it.
    pub read_up_to: Seq,
    /// The seq of its last event.
    pub head: Seq,
    /// Which life of the sequence.
    pub epoch: Epoch,
    /// When the last message was sent, or the room made: the order of the list.
    pub active_at: Timestamp,
}

/// An emoji with which users have reacted to a message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ReactionCount {
    /// Which.
    pub emoji: Emoji,
    /// The number of users.
    pub count: i64,
    /// Whether the asking user is one of them.
    pub is_own: bool,
}

/// The other side of a direct conversation.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Partner {
    /// Who.
    pub author: Author,
    /// The name that people see.
    pub display_name: String,
}

/// The conversation behind which the next page of a list begins.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ConversationCursor {
    /// Its place in the order.
    pub active_at: Timestamp,
    /// Which.
    pub room: RoomId,
}

/// A user's name, and the users who share a conversation with the user.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Contacts {
    /// The name.
    pub username: Arc<str>,
    /// The users, without the user.
    pub users: Vec<UserId>,
}

/// Where a message is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MessagePlace {
    /// In which room.
    pub room: RoomIdentity,
    /// Its place there.
    pub seq: Seq,
    /// Who sent it.
    pub sender: UserId,
    /// Whether it was deleted.
    pub is_deleted: bool,
}

impl Store {
    /// The room of a conversation id, and the user's relation to it: the channel or the direct conversation with that
    /// UUID, otherwise the open room with that name. None if there is no such room.
    pub async fn conversation_access(&self, id: &str, user: &UserId) -> Result<Option<Access>, StoreError> {
        if let Ok(room) = id.parse::<RoomId>() {
            let found = self.room(room).await?;
            match found.as_ref().map(|room| &room.scope) {
                Some(RoomScope::Channel { .. }) => return self.access(&RoomRef::Channel(room), user).await,
                Some(RoomScope::Direct { .. }) => {
                    let access = |identity| Access { identity, right: Right::Side, capacity: None };
                    return Ok(found.map(access));
                }
                Some(
                    RoomScope::Open { .. } | RoomScope::Space | RoomScope::Canvas { .. } | RoomScope::Document { .. },
                )
                | None => {}
            }
        }
        match RoomName::new(id) {
            Ok(name) => self.access(&RoomRef::Open(name), user).await,
            Err(_) => Ok(None),
        }
    }

    /// Makes the user a participant of an open room. Returns false if the user already is one; [`StoreError::Missing`]
    /// if there is no such room, [`StoreError::Taken`] if it has no more places.
    pub async fn add_participant(&self, room: RoomId, user: &UserId) -> Result<bool, StoreError> {
        self.shared.loaders.participants.get((room, user.clone())).await?.added()
    }

    /// Removes a participant of an open room. Returns false if the user was not one.
    pub async fn remove_participant(&self, room: RoomId, user: &UserId) -> Result<bool, StoreError> {
        let user = user.clone();
        run!(self, write, conversations::remove_participant(room, &user))
    }

    /// The participants of a room of any kind, ordered by id; at most `limits::PARTICIPANTS_MAX`.
    pub async fn participants(&self, room: &RoomIdentity) -> Result<Vec<Author>, StoreError> {
        let room = room.clone();
        run!(self, read, conversations::participants(&room))
    }

    /// Whether the user participates in a room of any kind.
    pub async fn is_participant(&self, room: &RoomIdentity, user: &UserId) -> Result<bool, StoreError> {
        let (room, user) = (room.clone(), user.clone());
        run!(self, read, conversations::is_participant(&room, &user))
    }

    /// Creates a conversation of the given users and its creator: a private open room whose name is its own id.
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

    /// A page of the conversations that the user takes part in, the one with the newest message first: channels, direct
    /// conversations with messages, and open rooms that the user may enter.
    pub async fn conversations(
        &self,
        user: &UserId,
        after: Option<ConversationCursor>,
        limit: i64,
    ) -> Result<Vec<ConversationSummary>, StoreError> {
        let user = user.clone();
        run!(self, read, conversation_list::page(&user, after, limit))
    }

    /// The reactions to these messages, those with the most users first, as this user sees them.
    pub async fn reactions(
        &self,
        messages: &[EventId],
        user: &UserId,
    ) -> Result<HashMap<EventId, Vec<ReactionCount>>, StoreError> {
        if messages.is_empty() {
            return Ok(HashMap::new());
        }
        let (messages, user) = (messages.to_vec(), user.clone());
        run!(self, read, conversations::reactions(&messages, &user))
    }

    /// The location and the sender of a message. None if there is no such message.
    pub async fn message_place(&self, message: EventId) -> Result<Option<MessagePlace>, StoreError> {
        run!(self, read, conversations::message_place(message))
    }

    /// Whether two users share a conversation: a group's channels, an open room, a group conversation, or the direct one.
    pub async fn share_conversation(&self, one: &UserId, other: &UserId) -> Result<bool, StoreError> {
        let (one, other) = (one.clone(), other.clone());
        run!(self, read, conversations::share_conversation(&one, &other))
    }

    /// The user's name, and the users who share a conversation with the user; at most `limits::CONTACTS_MAX` of them. None
    /// if there is no such user.
    pub async fn contacts(&self, user: &UserId) -> Result<Option<Contacts>, StoreError> {
        let user = user.clone();
        run!(self, read, conversations::contacts(&user))
    }
}
