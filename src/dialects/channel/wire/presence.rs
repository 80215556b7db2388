//! Users who are present, and users who are typing.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    core::profile::Author,
    dialects::{
        common::{Position, User},
        output::Each,
    },
    ids::{RoomId, UserId},
    limits,
};

#[derive(Deserialize, JsonSchema)]
pub struct SetTyping {
    pub is_typing: bool,
}

#[derive(Serialize, JsonSchema)]
pub struct OnlineUsers<'a> {
    /// Each user once, including the client's own.
    #[schemars(length(max = limits::ONLINE_USERS_LISTED_MAX))]
    pub users: Each<'a, Author, OnlineUser<'a>>,
    pub total_users: usize,
    /// True if there are more users than listed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub truncated: Option<bool>,
    pub channel_id: RoomId,
    #[serde(flatten)]
    pub position: Position<'a>,
}

#[derive(Serialize, JsonSchema)]
#[serde(transparent)]
pub struct OnlineUser<'a>(&'a UserId);

impl<'a> From<&'a Author> for OnlineUser<'a> {
    fn from(author: &'a Author) -> OnlineUser<'a> {
        OnlineUser(&author.id)
    }
}

/// A user in a channel.
#[derive(Serialize, JsonSchema)]
pub struct InChannel<'a> {
    #[serde(flatten)]
    pub user: User<'a>,
    pub channel_id: RoomId,
}

/// A user in a conversation.
#[derive(Serialize, JsonSchema)]
pub struct InConversation<'a> {
    #[serde(flatten)]
    pub user: User<'a>,
    #[schemars(example = &"01932c0b-0101-7aaa-8bbb-0c0d0e0f1011")]
    pub conversation_id: RoomId,
}

#[derive(Serialize, JsonSchema)]
pub struct TypingInChannel<'a> {
    #[serde(flatten)]
    pub who: InChannel<'a>,
    pub is_typing: bool,
}

#[derive(Serialize, JsonSchema)]
pub struct TypingInConversation<'a> {
    #[serde(flatten)]
    pub who: InConversation<'a>,
    pub is_typing: bool,
}

#[derive(Serialize, JsonSchema)]
pub struct Connected<'a> {
    #[schemars(example = &"01932c0b-0101-7aaa-8bbb-0c0d0e0f1011")]
    pub conversation_id: RoomId,
    #[serde(flatten)]
    pub position: Position<'a>,
}

#[derive(Serialize, JsonSchema)]
pub struct PartnerOnline<'a> {
    #[serde(flatten)]
    pub who: InConversation<'a>,
    #[serde(flatten)]
    pub position: Option<Position<'a>>,
}
