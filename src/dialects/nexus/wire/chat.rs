//! Messages of people to people.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::RoomLabel;
use crate::{
    core::event::{self, Recipients},
    dialects::{
        common::{Attachment, User},
        input::{ChatText, FileIds, Id, UnlessAbsent},
        output::{Each, Echo},
    },
    ids::{Epoch, EventId, RoomName, Seq, UserId},
    limits,
};

/// The text of a message.
pub type Content<'a> = ChatText<'a, { limits::CHAT_CHARS_MAX }>;

// ---- from clients ----

/// A text, files, or both, for a conversation.
#[derive(Deserialize, JsonSchema)]
#[schemars(extend(
    "oneOf" = json!([{"required": ["conversation_id"]}, {"required": ["recipient_id"]}]),
    "anyOf" = json!([
        {"required": ["content"], "properties": {"content": {"type": "string", "minLength": 1}}},
        {"required": ["attachments"], "properties": {"attachments": {"type": "array", "minItems": 1}}},
    ]),
))]
pub struct Say<'a> {
    /// The name of an open room, which is made if there is none, or the id of a channel or of a direct conversation.
    /// `room_id` and `room` are understood as well.
    #[serde(rename = "conversation_id|room_id|room")]
    #[schemars(rename = "conversation_id", example = &"conv_123")]
    pub conversation: Option<Id<RoomName>>,
    /// Instead of `conversation_id`: to whom, in the direct conversation with that user.
    pub recipient_id: Option<Id<UserId>>,
    /// Without NUL characters; not empty and not only spaces, unless files go along.
    #[serde(borrow, default)]
    pub content: UnlessAbsent<Option<Content<'a>>>,
    /// The ids of complete files, one's own or such as one may fetch.
    pub attachments: Option<FileIds<{ limits::ATTACHMENTS_MAX }>>,
}

#[derive(Deserialize, JsonSchema)]
#[schemars(extend("oneOf" = json!([{"required": ["conversation_id"]}, {"required": ["recipient_id"]}])))]
pub struct SetTyping {
    /// As in `chat.message`.
    #[serde(rename = "conversation_id|room_id|room")]
    #[schemars(rename = "conversation_id", example = &"conv_123")]
    pub conversation: Option<Id<RoomName>>,
    /// Instead of `conversation_id`.
    pub recipient_id: Option<Id<UserId>>,
    pub is_typing: bool,
}

// ---- from the server ----

#[derive(Serialize, JsonSchema)]
pub struct ChatMessage<'a> {
    pub message_id: EventId,
    pub conversation_id: RoomLabel<'a>,
    /// In a direct conversation: to whom.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recipient_id: Option<&'a UserId>,
    #[serde(flatten)]
    pub user: User<'a>,
    /// Empty only where files go along.
    #[schemars(length(max = limits::CHAT_CHARS_MAX), example = &"Hello, World!")]
    pub content: &'a str,
    #[schemars(length(max = limits::ATTACHMENTS_MAX))]
    pub attachments: Each<'a, event::Attachment, Attachment<'a>>,
    pub seq: Seq,
}

/// Who was sent a message. Of many users the first ones are named.
#[derive(Serialize, JsonSchema)]
pub struct Delivered<'a> {
    pub message_id: EventId,
    pub conversation_id: RoomLabel<'a>,
    /// The other users who had a socket.
    #[schemars(length(max = limits::RECIPIENTS_LISTED_MAX))]
    pub delivered_to: &'a [UserId],
    pub delivered_total: usize,
    /// Those who had none, and will be sent it when they come.
    #[schemars(length(max = limits::RECIPIENTS_LISTED_MAX))]
    pub queued_for: &'a [UserId],
    pub queued_total: usize,
    /// The same as `message_id`.
    pub id: EventId,
    pub seq: Seq,
    pub epoch: Epoch,
    #[serde(rename = "ref", skip_serializing_if = "Option::is_none")]
    pub reference: Option<Echo<'a>>,
}

impl<'a> From<&'a event::Delivered> for Delivered<'a> {
    fn from(told: &'a event::Delivered) -> Delivered<'a> {
        let Recipients { users: delivered_to, total: delivered_total } = &told.delivered;
        let Recipients { users: queued_for, total: queued_total } = &told.queued;
        Delivered {
            message_id: told.id,
            conversation_id: RoomLabel(&told.room),
            delivered_to,
            delivered_total: *delivered_total,
            queued_for,
            queued_total: *queued_total,
            id: told.id,
            seq: told.seq,
            epoch: told.epoch,
            reference: Echo::of(&told.tag),
        }
    }
}

#[derive(Serialize, JsonSchema)]
pub struct Typing<'a> {
    pub conversation_id: RoomLabel<'a>,
    #[serde(flatten)]
    pub user: User<'a>,
    pub is_typing: bool,
}
