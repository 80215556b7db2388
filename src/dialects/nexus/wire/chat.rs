//! Chat messages and delivery receipts.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::RoomLabel;
use crate::{
    core::{
        emoji::Emoji,
        event::{self, Recipients},
    },
    dialects::{
        common::{Attachment, User},
        input::{ChatText, FileIds, Id, Name, Names, UnlessAbsent},
        output::{Each, Echo},
    },
    ids::{Epoch, EventId, RoomName, Seq, UserId},
    limits,
};

/// The text of a message.
pub type Content<'a> = ChatText<'a, { limits::CHAT_CHARS_MAX }>;
/// The same of an encrypted message.
type Ciphertext<'a> = ChatText<'a, { limits::CIPHERTEXT_CHARS_MAX }>;

// ---- from clients ----

/// A text, files, or both, for a conversation.
#[derive(Deserialize, JsonSchema)]
#[schemars(extend(
    "oneOf" = json!([{"required": ["conversation_id"]}, {"required": ["recipient_id"]}]),
    "anyOf" = json!([
        {"required": ["content"], "properties": {"content": {"type": "string", "minLength": 1}}},
        {"required": ["attachments"], "properties": {"attachments": {"type": "array", "minItems": 1}}},
        {"required": ["content_type", "ciphertext"]},
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
    /// `text` if absent; `encrypted` for a ciphertext; or another word that clients agree on.
    #[schemars(example = &"text")]
    pub content_type: Option<Name<{ limits::CONTENT_TYPE_CHARS_MAX }>>,
    /// Instead of `content` where `content_type` is `encrypted`. The server does not interpret it.
    #[serde(borrow)]
    pub ciphertext: Option<Ciphertext<'a>>,
    /// Ids of complete files that are the user's own or shared with the user.
    pub attachments: Option<FileIds<{ limits::ATTACHMENTS_MAX }>>,
    /// The ids of users, who are notified. Those who do not exist or may not enter the conversation are ignored.
    pub mentions: Option<Names<{ limits::MENTIONS_MAX }, { limits::USER_ID_CHARS_MAX }>>,
}

#[derive(Deserialize, JsonSchema)]
#[schemars(extend("oneOf" = json!([{"required": ["content"]}, {"required": ["ciphertext"]}])))]
pub struct Edit<'a> {
    /// May be left out: the message says it.
    #[serde(rename = "conversation_id|room_id|room")]
    #[schemars(rename = "conversation_id", example = &"conv_123")]
    pub conversation: Option<Id<RoomName>>,
    pub message_id: Id<EventId>,
    /// The new text: as in `chat.message`, not empty.
    #[serde(borrow, default)]
    pub content: UnlessAbsent<Option<Content<'a>>>,
    /// Of an encrypted message, instead of `content`.
    #[serde(borrow)]
    pub ciphertext: Option<Ciphertext<'a>>,
}

/// A message that is deleted or read.
#[derive(Deserialize, JsonSchema)]
pub struct OfMessage {
    /// May be left out: the message says it.
    #[serde(rename = "conversation_id|room_id|room")]
    #[schemars(rename = "conversation_id", example = &"conv_123")]
    pub conversation: Option<Id<RoomName>>,
    pub message_id: Id<EventId>,
}

#[derive(Deserialize, JsonSchema)]
pub struct React {
    /// May be left out: the message says it.
    #[serde(rename = "conversation_id|room_id|room")]
    #[schemars(rename = "conversation_id", example = &"conv_123")]
    pub conversation: Option<Id<RoomName>>,
    pub message_id: Id<EventId>,
    /// One emoji.
    pub emoji: Id<Emoji>,
    /// Whether the reaction is taken back; false if absent.
    pub remove: Option<bool>,
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
    /// Empty only if files are attached, or if there is a `ciphertext`.
    #[schemars(length(max = limits::CHAT_CHARS_MAX), example = &"Hello, World!")]
    pub content: &'a str,
    /// Of an encrypted message, instead of `content`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = limits::CIPHERTEXT_CHARS_MAX), example = &"AwgAEiA…")]
    pub ciphertext: Option<&'a str>,
    #[schemars(length(max = limits::CONTENT_TYPE_CHARS_MAX), example = &"text")]
    pub content_type: &'a str,
    #[schemars(length(max = limits::ATTACHMENTS_MAX))]
    pub attachments: Each<'a, event::Attachment, Attachment<'a>>,
    #[schemars(length(max = limits::MENTIONS_MAX))]
    pub mentions: &'a [UserId],
    /// True of a message that was deleted, where it is replayed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deleted: Option<bool>,
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

#[derive(Serialize, JsonSchema)]
pub struct Edited<'a> {
    pub message_id: EventId,
    pub conversation_id: RoomLabel<'a>,
    /// Who edited it.
    #[serde(flatten)]
    pub user: User<'a>,
    /// The new text; empty if there is a `ciphertext`.
    #[schemars(length(max = limits::CHAT_CHARS_MAX), example = &"Hello, everybody!")]
    pub content: &'a str,
    /// Of an encrypted message, instead of `content`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = limits::CIPHERTEXT_CHARS_MAX), example = &"AwgAEiA…")]
    pub ciphertext: Option<&'a str>,
    pub seq: Seq,
}

#[derive(Serialize, JsonSchema)]
pub struct Deleted<'a> {
    pub message_id: EventId,
    pub conversation_id: RoomLabel<'a>,
    /// Who deleted it.
    #[serde(flatten)]
    pub user: User<'a>,
    pub seq: Seq,
}

#[derive(Serialize, JsonSchema)]
pub struct Read<'a> {
    pub message_id: EventId,
    pub conversation_id: RoomLabel<'a>,
    /// Who has read it.
    #[serde(flatten)]
    pub user: User<'a>,
    /// The `seq` of the message: all up to there is read.
    pub read_seq: Seq,
    /// In large conversations: users whose marks have advanced at about the same time, that one included. If there are many,
    /// only the first ones are listed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = limits::READERS_ELSEWHERE_LISTED_MAX))]
    pub readers: Option<Vec<Reader<'a>>>,
    /// The number of these users, if `readers` is present.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub readers_total: Option<usize>,
    pub seq: Seq,
}

/// How far a user has read.
#[derive(Serialize, JsonSchema)]
pub struct Reader<'a> {
    #[serde(flatten)]
    pub user: User<'a>,
    /// The last message that was read.
    pub message_id: EventId,
    /// Its `seq`.
    pub read_seq: Seq,
}

#[derive(Serialize, JsonSchema)]
pub struct Reacted<'a> {
    pub message_id: EventId,
    pub conversation_id: RoomLabel<'a>,
    /// Who reacted.
    #[serde(flatten)]
    pub user: User<'a>,
    #[schemars(example = &"👍")]
    pub emoji: &'a str,
    /// Whether the reaction is taken back.
    pub removed: bool,
    pub seq: Seq,
}
