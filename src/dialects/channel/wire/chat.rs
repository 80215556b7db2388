//! Chat messages.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::{
    core::event,
    dialects::{
        common::Attachment,
        input::{ChatText, FileIds, UnlessAbsent},
        output::{Each, Moment},
    },
    ids::{ClientMessageId, EventId, RoomId, Seq, UserId},
    limits,
};

/// The text of a message.
pub type Content<'a> = ChatText<'a, { limits::CHAT_CHARS_MAX }>;

/// A text, files, or both.
#[derive(Deserialize, JsonSchema)]
#[schemars(extend("anyOf" = json!([
    {"required": ["content"], "properties": {"content": {"type": "string", "minLength": 1}}},
    {"required": ["attachments"], "properties": {"attachments": {"type": "array", "minItems": 1}}},
])))]
pub struct Say<'a> {
    /// Without NUL characters; must not be empty or only spaces, unless files are attached.
    #[serde(borrow, default)]
    pub content: UnlessAbsent<Option<Content<'a>>>,
    /// Ids of complete files that are the user's own or shared with the user.
    pub attachments: Option<FileIds<{ limits::ATTACHMENTS_MAX }>>,
}

/// The common part of messages in channels and conversations.
#[derive(Serialize, JsonSchema)]
pub struct Message<'a> {
    #[schemars(example = &"01932c0c-5a5a-7abc-8def-112233445566")]
    pub id: EventId,
    /// Empty only if files are attached, or if there is a `ciphertext`.
    #[schemars(length(max = limits::CHAT_CHARS_MAX), example = &"Hello everyone!")]
    pub content: &'a str,
    /// Absent if it is `text`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = limits::CONTENT_TYPE_CHARS_MAX), example = &"encrypted")]
    pub content_type: Option<&'a str>,
    /// Of an encrypted message, instead of `content`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = limits::CIPHERTEXT_CHARS_MAX), example = &"AwgAEiA…")]
    pub ciphertext: Option<&'a str>,
    pub sender_id: &'a UserId,
    #[schemars(example = &"alice")]
    pub sender_username: &'a str,
    pub created_at: Moment,
    /// Absent if a direct message is sent to the socket of a channel, whose client would take it for one of the
    /// channel.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seq: Option<Seq>,
    /// Absent if there are none, so that nothing changes for clients that do not know files.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub attachments: Option<Each<'a, event::Attachment, Attachment<'a>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_message_id: Option<&'a ClientMessageId>,
}

#[derive(Serialize, JsonSchema)]
pub struct ChannelMessage<'a> {
    #[serde(flatten)]
    pub message: Message<'a>,
    pub channel_id: RoomId,
}

#[derive(Serialize, JsonSchema)]
pub struct DirectMessage<'a> {
    #[serde(flatten)]
    pub message: Message<'a>,
    pub recipient_id: &'a UserId,
    #[schemars(example = &"01932c0b-0101-7aaa-8bbb-0c0d0e0f1011")]
    pub conversation_id: RoomId,
}
