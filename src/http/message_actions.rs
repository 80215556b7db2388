//! `/api/messages/{message_id}`: what a user does with a stored message: reads it, edits or deletes it, and reacts to it. The
//! message is found by its id, and the room itself executes the command, so that the same rules apply as for sockets.

use actix_web::{HttpRequest, http::Method, web};
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use super::{
    ApiError, AppState,
    extract::{AuthUser, Body},
    messages::{MessageJson, Place, with_reactions},
    openapi::{bodies, schemas},
    resource,
};
use crate::{
    core::{
        command::{ChatCommand, Command, MessageAddress, MessageRight, Target},
        emoji::Emoji,
        event::{EventBody, ReactionChange, Secrecy},
    },
    error::{ErrorCode, Refusal},
    ids::{ClientMessageId, EventId, Seq},
};

pub(super) fn configure(config: &mut web::ServiceConfig) {
    config
        .service(resource(
            "/api/messages/{message_id}",
            [(Method::GET, web::to(one)), (Method::PATCH, web::to(edit)), (Method::DELETE, web::to(delete))],
        ))
        .service(resource(
            "/api/messages/{message_id}/reactions/{emoji}",
            [(Method::PUT, web::to(react)), (Method::DELETE, web::to(take_back))],
        ));
}

/// What came of a change. If nothing had to change, there is no event, so `id` and `seq` are absent.
#[derive(Serialize, ToSchema)]
#[schema(as = MessageChange)]
pub(super) struct ChangeJson {
    #[schema(schema_with = schemas::uuid)]
    message_id: String,
    conversation_id: String,
    /// The id of the event.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = schemas::uuid)]
    id: Option<String>,
    /// The `seq` of the event in the conversation.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = i64, nullable = false)]
    seq: Option<Seq>,
}

/// A message.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[allow(dead_code, reason = "this documents the path")]
pub(super) struct MessagePath {
    /// Its id.
    #[param(schema_with = schemas::message_id)]
    message_id: String,
}

/// A reaction to a message.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[allow(dead_code, reason = "this documents the path")]
pub(super) struct ReactionPath {
    /// The message's id.
    #[param(schema_with = schemas::message_id)]
    message_id: String,
    /// One emoji, percent-encoded.
    #[param(schema_with = schemas::emoji)]
    emoji: String,
}

/// The id under which a request without a body can be repeated.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code, reason = "this documents the query")]
pub(super) struct RepeatQuery {
    /// Chosen by you: the same request sent again with it within 24 hours is answered like the first one.
    #[param(schema_with = schemas::idempotency_key_in_query, required = false)]
    idempotency_key: Option<String>,
}

/// Reads one message of a conversation that you take part in.
#[utoipa::path(get, path = "/api/messages/{message_id}", tag = "messages", params(MessagePath),
    responses(
        (status = 200, description = "The message", body = MessageJson),
        (status = 404, description = "There is no such message in a conversation of yours"),
    ))]
pub(super) async fn one(
    site: web::Data<AppState>,
    user: AuthUser,
    path: web::Path<String>,
) -> Result<web::Json<MessageJson>, ApiError> {
    let at = MessageAddress { room: None, message: message_id(&path)? };
    let room = site.gateway.room_of_message(user.subject(), &at, MessageRight::Answer).await?;
    let found = site.store.message(at.message).await?.ok_or_else(no_such_message)?;
    let place = Place::conversation(room.label());
    let found = with_reactions(&site, &user, vec![found], |_| place.clone()).await?;
    found.into_iter().next().map(web::Json).ok_or_else(no_such_message)
}

/// Changes the text of your message. Administrators may change all messages.
#[utoipa::path(patch, path = "/api/messages/{message_id}", tag = "messages", params(MessagePath),
    request_body = bodies::MessageEdit,
    responses(
        (status = 200, description = "It was changed, which the conversation's sockets are also told", body = ChangeJson),
        (status = 400, description = "The text is empty or a field is invalid"),
        (status = 403, description = "It is somebody else's message"),
        (status = 404, description = "There is no such message in a conversation of yours, or it was deleted"),
        (status = 409, description = "You have done something else in the conversation under the same idempotency_key"),
        (status = 413, description = "The text is too long"),
        (status = 503, description = "The server can't store this at the moment"),
    ))]
pub(super) async fn edit(
    site: web::Data<AppState>,
    user: AuthUser,
    path: web::Path<String>,
    Body(fields): Body,
) -> Result<web::Json<ChangeJson>, ApiError> {
    let at = MessageAddress { room: None, message: message_id(&path)? };
    let (content, secrecy) = match (fields.optional_raw_text("content")?, fields.optional_raw_text("ciphertext")?) {
        (Some(content), None) => (content, Secrecy::Plain),
        (None, Some(ciphertext)) => (ciphertext, Secrecy::Encrypted),
        (Some(_), Some(_)) => {
            return Err(ApiError::field(
                "content",
                "must be left out if the message is encrypted; send the ciphertext alone",
            ));
        }
        (None, None) => return Err(ApiError::field("content", "is missing; send the new text, a string")),
    };
    let key = fields.client_message_id("idempotency_key")?;
    change(&site, &user, ChatCommand::edit(at, content.into(), secrecy)?, key).await
}

/// Deletes your message. Administrators may delete all messages.
#[utoipa::path(delete, path = "/api/messages/{message_id}", tag = "messages", params(MessagePath, RepeatQuery),
    responses(
        (status = 200, description = "It was deleted, which the conversation's sockets are also told", body = ChangeJson),
        (status = 400, description = "`idempotency_key` is invalid"),
        (status = 403, description = "It is somebody else's message"),
        (status = 404, description = "There is no such message in a conversation of yours, or it was deleted before"),
        (status = 409, description = "You have done something else in the conversation under the same idempotency_key"),
        (status = 503, description = "The server can't store this at the moment"),
    ))]
pub(super) async fn delete(
    site: web::Data<AppState>,
    user: AuthUser,
    path: web::Path<String>,
    request: HttpRequest,
) -> Result<web::Json<ChangeJson>, ApiError> {
    let at = MessageAddress { room: None, message: message_id(&path)? };
    change(&site, &user, ChatCommand::Delete { at }, key_in(&request)?).await
}

/// Reacts to a message with an emoji. If you have done so already, nothing changes.
#[utoipa::path(put, path = "/api/messages/{message_id}/reactions/{emoji}", tag = "messages",
    params(ReactionPath, RepeatQuery),
    responses(
        (status = 200, description = "The reaction is there, which the conversation's sockets are also told", body = ChangeJson),
        (status = 400, description = "It is not one emoji, or `idempotency_key` is invalid"),
        (status = 404, description = "There is no such message in a conversation of yours, or it was deleted"),
        (status = 409, description = "The message has too many different reactions, or you have done something else under the same idempotency_key"),
        (status = 503, description = "The server can't store this at the moment"),
    ))]
pub(super) async fn react(
    site: web::Data<AppState>,
    user: AuthUser,
    path: web::Path<(String, String)>,
    request: HttpRequest,
) -> Result<web::Json<ChangeJson>, ApiError> {
    change(&site, &user, reaction(&path, ReactionChange::Added)?, key_in(&request)?).await
}

/// Takes a reaction back. If there is none of yours, nothing changes.
#[utoipa::path(delete, path = "/api/messages/{message_id}/reactions/{emoji}", tag = "messages",
    params(ReactionPath, RepeatQuery),
    responses(
        (status = 200, description = "The reaction is gone, which the conversation's sockets are also told", body = ChangeJson),
        (status = 400, description = "It is not one emoji, or `idempotency_key` is invalid"),
        (status = 404, description = "There is no such message in a conversation of yours, or it was deleted"),
        (status = 409, description = "You have done something else in the conversation under the same idempotency_key"),
        (status = 503, description = "The server can't store this at the moment"),
    ))]
pub(super) async fn take_back(
    site: web::Data<AppState>,
    user: AuthUser,
    path: web::Path<(String, String)>,
    request: HttpRequest,
) -> Result<web::Json<ChangeJson>, ApiError> {
    change(&site, &user, reaction(&path, ReactionChange::Removed)?, key_in(&request)?).await
}

/// Finds the message and executes the command in its room.
pub(super) async fn change(
    site: &AppState,
    user: &AuthUser,
    command: ChatCommand,
    key: Option<ClientMessageId>,
) -> Result<web::Json<ChangeJson>, ApiError> {
    let Target::Message(at, right) = command.target() else { return Err(Refusal::internal().into()) };
    let room = site.gateway.room_of_message(user.subject(), &at, right).await?;
    let conversation_id = room.label();
    let author = user.profile.author();
    let stored = site.gateway.ask(room, author, key, Command::Chat(command), Vec::new()).await?;
    let (id, seq) = match stored.map(|event| event.body) {
        Some(EventBody::Durable { id, seq, .. }) => (Some(id.to_string()), Some(seq)),
        Some(EventBody::Ephemeral(_)) | None => (None, None),
    };
    Ok(web::Json(ChangeJson { message_id: at.message.to_string(), conversation_id, id, seq }))
}

fn reaction((message, emoji): &(String, String), change: ReactionChange) -> Result<ChatCommand, ApiError> {
    let at = MessageAddress { room: None, message: message_id(message)? };
    let emoji: Emoji = emoji.parse().map_err(|bad| ApiError::field("emoji", bad))?;
    Ok(ChatCommand::React { at, emoji, change })
}

/// A malformed id is answered like an unknown one.
fn message_id(text: &str) -> Result<EventId, ApiError> {
    text.parse().map_err(|_| no_such_message())
}

fn key_in(request: &HttpRequest) -> Result<Option<ClientMessageId>, ApiError> {
    let malformed =
        || ApiError::new(ErrorCode::InvalidMessage, "The query string is malformed; percent-encode its values");
    let query = web::Query::<Vec<(String, String)>>::from_query(request.query_string()).map_err(|_| malformed())?;
    let is_key = |(name, text): &(String, String)| name == "idempotency_key" && !text.is_empty();
    let key = query.into_inner().into_iter().find(is_key);
    key.map(|(name, text)| super::fields::client_message_id(&name, text)).transpose()
}

fn no_such_message() -> ApiError {
    ApiError::new(ErrorCode::NotFound, "There is no such message in a conversation of yours; check the id")
}
