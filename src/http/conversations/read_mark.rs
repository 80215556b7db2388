//! How far a user has read a conversation. There is one mark for all devices and dialects; it only advances.

use actix_web::{http::Method, web};
use utoipa::ToSchema;

use super::{entered, messages::ConversationPath, no_such_conversation};
use crate::{
    actors::access::IfMissing,
    core::command::{ChatCommand, MessageAddress, RoomAddress},
    error::ErrorCode,
    http::{
        ApiError, AppState,
        extract::{AuthUser, Body},
        message_actions::{ChangeJson, change},
        openapi::schemas,
        resource,
    },
    ids::{EventId, RoomName, Seq},
    store::Before,
};

pub(super) fn configure(config: &mut web::ServiceConfig) {
    config.service(resource("/api/conversations/{conversation_id}/read", [(Method::POST, web::to(read))]));
}

/// The last message that you have read, by its id or by a `seq`.
#[derive(ToSchema)]
#[serde(untagged)]
#[allow(dead_code, reason = "it is read field by field, so that every refusal names the field; this documents it")]
pub(in crate::http) enum ReadMark {
    /// By id.
    Message {
        #[schema(schema_with = schemas::uuid)]
        message_id: String,
        /// Chosen by you: the same request sent again with it within 24 hours is answered like the first one.
        #[schema(schema_with = schemas::idempotency_key, required = false)]
        idempotency_key: Option<String>,
    },
    /// By a `seq` of the conversation: the last message up to there. An id takes precedence.
    Seq {
        #[schema(schema_with = schemas::nothing, required = false)]
        message_id: Option<String>,
        #[schema(schema_with = schemas::seq)]
        seq: i64,
        /// As above.
        #[schema(schema_with = schemas::idempotency_key, required = false)]
        idempotency_key: Option<String>,
    },
}

/// Marks a conversation that you take part in as read, up to a message. If you have read as far already, nothing changes.
#[utoipa::path(post, path = "/api/conversations/{conversation_id}/read", tag = "conversations",
    params(ConversationPath),
    request_body = ReadMark,
    responses(
        (status = 200, description = "It is read up to there, which the conversation's sockets are also told", body = ChangeJson),
        (status = 400, description = "A field is missing or invalid, or `seq` is ahead of the conversation"),
        (status = 403, description = "You may not enter the conversation"),
        (status = 404, description = "There is no such conversation of yours, or no such message in it"),
        (status = 409, description = "You have done something else in the conversation under the same idempotency_key"),
        (status = 503, description = "It can't be stored now"),
    ))]
pub(in crate::http) async fn read(
    site: web::Data<AppState>,
    user: AuthUser,
    path: web::Path<String>,
    Body(fields): Body,
) -> Result<web::Json<ChangeJson>, ApiError> {
    let name = RoomName::new(path.as_str()).map_err(|_| no_such_conversation())?;
    let key = fields.client_message_id("idempotency_key")?;
    let message = match (fields.message_id("message_id")?, fields.optional_number("seq", 0..=MOST)?) {
        (Some(message), _) => message,
        (None, Some(seq)) => last_up_to(&site, &user, &path, seq).await?,
        (None, None) => {
            return Err(ApiError::field(
                "message_id",
                "is missing; send the id of the last message that was read, or a seq",
            ));
        }
    };
    let at = MessageAddress { room: Some(RoomAddress::Conversation(name)), message };
    change(&site, &user, ChatCommand::Read { at }, key).await
}

const MOST: u64 = i64::MAX as u64 - 1;

/// The last message at or before that place of a conversation.
async fn last_up_to(site: &AppState, user: &AuthUser, id: &str, seq: u64) -> Result<EventId, ApiError> {
    let room = entered(site, user, id, IfMissing::Refuse).await?;
    let head = site.store.room_head(room.id).await?.ok_or_else(no_such_conversation)?;
    let seq = Seq(i64::try_from(seq).unwrap_or(i64::MAX - 1));
    if seq > head.seq {
        return Err(ApiError::field("seq", format!("is ahead of the conversation, whose last seq is {}", head.seq)));
    }
    let last = site.store.messages(room.id, Before::Seq(Seq(seq.0 + 1)), 1).await?;
    let none = || ApiError::new(ErrorCode::NotFound, "There is no message up to this seq; take one from the history");
    last.first().map(|message| message.id).ok_or_else(none)
}
