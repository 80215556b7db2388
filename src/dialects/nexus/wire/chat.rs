//! Chat messages and delivery receipts.

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
    /// The name of an open room, which is created if it does not exist, or the id of a channel or direct conversation.
    /// The names `room_id` and `room` are accepted as well.
    #[serde(rename = "conversation_id|room_id|room")]
    #[schemars(rename = "conversation_id", example = &"conv_123")]
    pub conversation: Option<Id<RoomName>>,
    /// Instead of `conversation_id`: the other user of a direct conversation.
    pub recipient_id: Option<Id<UserId>>,
    /// Without NUL characters; must not be empty or only spaces, unless files are attached.
    #[serde(borrow, default)]
    pub content: UnlessAbsent<Option<Content<'a>>>,
    /// Ids of complete files that are the user's own or shared with the user.
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
    /// In a direct conversation: the recipient.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub recipient_id: Option<&'a UserId>,
    #[serde(flatten)]
    pub user: User<'a>,
    /// Empty only if files are attached.
    #[schemars(length(max = limits::CHAT_CHARS_MAX), example = &"Hello, World!")]
    pub content: &'a str,
    #[schemars(length(max = limits::ATTACHMENTS_MAX))]
    pub attachments: Each<'a, event::Attachment, Attachment<'a>>,
    pub seq: Seq,
}

/// To whom a message was sent. If there are many users, only the first ones are listed.
#[derive(Serialize, JsonSchema)]
pub struct Delivered<'a> {
    pub message_id: EventId,
    pub conversation_id: RoomLabel<'a>,
    /// The other users who had a socket.
    #[schemars(length(max = limits::RECIPIENTS_LISTED_MAX))]
    pub delivered_to: &'a [UserId],
    pub delivered_total: usize,
    /// Users without a socket, who receive it when they connect.
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
