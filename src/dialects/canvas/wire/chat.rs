//! Chat messages.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{CanvasNumber, UserNumber};
use crate::{
    dialects::{
        input::{ChatText, Count},
        output::Moment,
    },
    ids::{ClientMessageId, EventId, Seq},
    limits,
};

/// A text for everybody on the canvas.
#[derive(Deserialize, JsonSchema)]
pub struct CanvasChat<'a> {
    /// Without NUL characters; must not be empty or only spaces.
    #[serde(borrow)]
    pub text: ChatText<'a, { limits::CANVAS_CHAT_CHARS_MAX }>,
    /// May be left out: the canvas of the socket.
    #[schemars(example = 1)]
    pub canvas_id: Option<Count>,
}

#[derive(Serialize, JsonSchema)]
pub struct CanvasChatMessage<'a> {
    pub message_id: EventId,
    pub canvas_id: CanvasNumber,
    pub sender_id: UserNumber,
    #[schemars(example = &"stellarsarah")]
    pub sender_username: &'a str,
    #[schemars(length(max = limits::CANVAS_CHAT_CHARS_MAX), example = &"Hello everyone!")]
    pub message_text: &'a str,
    pub created_at: Moment,
    pub seq: Seq,
    /// To the sender: the id that the client gave it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_message_id: Option<&'a ClientMessageId>,
}
