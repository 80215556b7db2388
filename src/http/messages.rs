//! Messages of a channel or a direct conversation: pages of history, newest first, and sending. Sending goes through
//! the room itself, so that the same rules apply as for sockets.

use std::sync::Arc;

use actix_web::{HttpRequest, HttpResponse, http::Method, web};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    ApiError, AppState,
    extract::{AuthUser, Body, channel_id, user_id},
    fields::{Fields, Page},
    openapi::{bodies, schemas},
    resource,
};
use crate::{
    auth::tokens::query_value,
    core::{
        command::{Addressed, ChatCommand, Command, Draft},
        event::{Attachment, ChatDurable, ContentType, Durable, Event, EventBody, RoomIdentity},
        upload::content_url,
    },
    error::{ErrorCode, Refusal},
    ids::{Epoch, EventId, Seq, UserId},
    limits,
    store::{Before, Message, ReactionCount, RoomRef, StoreError},
};

pub(super) fn configure(config: &mut web::ServiceConfig) {
    config
        .service(resource(
            "/api/channels/{channel_id}/messages",
            [(Method::GET, web::to(of_channel)), (Method::POST, web::to(send_to_channel))],
        ))
        .service(resource(
            "/api/dm/{user_id}/messages",
            [(Method::GET, web::to(of_conversation)), (Method::POST, web::to(send_to_user))],
        ));
}

#[derive(Serialize, ToSchema)]
#[schema(as = Page)]
pub(super) struct PageJson {
    messages: Vec<MessageJson>,
    has_more: bool,
    /// Changes when the sequence restarts.
    #[schema(value_type = i64)]
    epoch: Epoch,
    /// The room's position when the page was read. A socket that opens with it as `since` misses nothing.
    #[schema(value_type = i64)]
    seq: Seq,
}

#[derive(Serialize, ToSchema)]
#[schema(as = Message)]
pub(super) struct MessageJson {
    #[schema(schema_with = schemas::uuid)]
    id: String,
    /// Empty if the message is encrypted or was deleted.
    content: String,
    /// What the content is, if it is not `text`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    content_type: Option<String>,
    /// The content of an encrypted message, as its sender's device made it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    ciphertext: Option<String>,
    #[schema(schema_with = schemas::user_id)]
    sender_id: String,
    sender_username: String,
    #[serde(flatten)]
    place: Place,
    #[schema(schema_with = schemas::timestamp)]
    created_at: String,
    #[schema(value_type = i64)]
    seq: Seq,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    attachments: Vec<AttachmentJson>,
    /// The ids of the users whom it mentions.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    mentions: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    reactions: Vec<ReactionJson>,
    /// When it was last edited, if it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(schema_with = schemas::timestamp)]
    edited_at: Option<String>,
    /// True if it was deleted.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    deleted: bool,
}

/// An emoji with which users have reacted to a message.
#[derive(Serialize, ToSchema)]
#[schema(as = Reaction)]
pub(super) struct ReactionJson {
    emoji: String,
    /// The number of users.
    count: i64,
    /// Whether you are one of them.
    reacted: bool,
}

impl From<ReactionCount> for ReactionJson {
    fn from(of: ReactionCount) -> ReactionJson {
        ReactionJson { emoji: of.emoji.to_string(), count: of.count, reacted: of.is_own }
    }
}

#[derive(Serialize, ToSchema)]
#[schema(as = Attachment)]
struct AttachmentJson {
    id: String,
    filename: String,
    size: u64,
    mime_type: String,
    url: String,
}

impl From<Attachment> for AttachmentJson {
    fn from(attachment: Attachment) -> AttachmentJson {
        AttachmentJson {
            id: attachment.file.to_string(),
            filename: attachment.filename.to_string(),
            size: attachment.size_bytes,
            mime_type: attachment.mime_type.to_string(),
            url: content_url(attachment.file),
        }
    }
}

/// The room of a message, as the requested route names it: the channel, the other user and the conversation, or the
/// conversation alone.
#[derive(Clone, Default, Serialize, ToSchema)]
pub(super) struct Place {
    #[serde(skip_serializing_if = "Option::is_none")]
    channel_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    recipient_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    conversation_id: Option<String>,
}

impl Place {
    pub(super) fn new(room: &RoomIdentity, sender: &UserId) -> Place {
        match room.scope.partner_of(sender) {
            None if room.scope.is_channel() => Place { channel_id: Some(room.id.to_string()), ..Place::default() },
            None => Place::conversation(room.label()),
            Some(partner) => Place {
                recipient_id: Some(partner.to_string()),
                conversation_id: Some(room.id.to_string()),
                ..Place::default()
            },
        }
    }

    /// Names the conversation alone.
    pub(super) fn conversation(id: String) -> Place {
        Place { conversation_id: Some(id), ..Place::default() }
    }
}

#[utoipa::path(get, path = "/api/channels/{channel_id}/messages", tag = "messages", summary = "List the messages of a channel",
    params(bodies::ChannelPath, bodies::PageQuery),
    responses(
        (status = 200, description = "A page, newest first", body = PageJson),
        (status = 400, description = "`before` or `limit` is invalid"),
        (status = 403, description = "You are not a member of the channel's group"),
        (status = 404, description = "The channel does not exist, or the message is not in it"),
    ))]
pub(super) async fn of_channel(
    site: web::Data<AppState>,
    user: AuthUser,
    path: web::Path<String>,
    request: HttpRequest,
) -> Result<web::Json<PageJson>, ApiError> {
    let room = channel(&site, &user, &path).await?;
    page(&site, &user, &room, request.query_string()).await
}

#[utoipa::path(get, path = "/api/dm/{user_id}/messages", tag = "messages", summary = "List the messages of your conversation with a user",
    params(bodies::UserPath, bodies::PageQuery),
    responses(
        (status = 200, description = "A page, newest first", body = PageJson),
        (status = 400, description = "`before` or `limit` is invalid"),
        (status = 403, description = "The token is restricted to other rooms"),
        (status = 404, description = "The user does not exist, or the message is not in the conversation"),
    ))]
pub(super) async fn of_conversation(
    site: web::Data<AppState>,
    user: AuthUser,
    path: web::Path<String>,
    request: HttpRequest,
) -> Result<web::Json<PageJson>, ApiError> {
    let room = conversation(&site, &user, &path).await?;
    page(&site, &user, &room, request.query_string()).await
}

/// The channel, if the user may enter it.
async fn channel(site: &AppState, user: &AuthUser, id: &str) -> Result<RoomIdentity, ApiError> {
    let found = site.store.access(&RoomRef::Channel(channel_id(id)?), user.id()).await?;
    let access = found.ok_or_else(ApiError::no_such_channel)?;
    user.may_enter(&access)?;
    Ok(access.identity)
}

/// The conversation with this user, if the token gives access to it.
async fn conversation(site: &AppState, user: &AuthUser, partner: &str) -> Result<RoomIdentity, ApiError> {
    let found = site.store.access(&RoomRef::Direct(user_id(partner)?), user.id()).await?;
    let access = found.ok_or_else(ApiError::no_such_user)?;
    user.may_enter(&access)?;
    Ok(access.identity)
}

#[utoipa::path(post, path = "/api/channels/{channel_id}/messages", tag = "messages", summary = "Send a message to a channel",
    params(bodies::ChannelPath),
    request_body = bodies::NewMessage,
    responses(
        (status = 201, description = "The stored message, which is also delivered to the sockets of the channel. A repetition with the same idempotency_key is answered with the first message", body = MessageJson),
        (status = 400, description = "The message is empty or a field is invalid"),
        (status = 403, description = "You are not a member of the channel's group"),
        (status = 404, description = "The channel or a file does not exist"),
        (status = 409, description = "You have sent something else to the channel under the same idempotency_key"),
        (status = 413, description = "The text is too long"),
        (status = 503, description = "The server can't store this at the moment"),
    ))]
pub(super) async fn send_to_channel(
    site: web::Data<AppState>,
    user: AuthUser,
    path: web::Path<String>,
    Body(fields): Body,
) -> Result<HttpResponse, ApiError> {
    let room = channel(&site, &user, &path).await?;
    let place = Place::new(&room, user.id());
    send(&site, &user, room, Addressed::Channel, place, &fields).await
}

#[utoipa::path(post, path = "/api/dm/{user_id}/messages", tag = "messages", summary = "Send a direct message to a user",
    params(bodies::UserPath),
    request_body = bodies::NewMessage,
    responses(
        (status = 201, description = "The stored message, which is also delivered to the sockets of both users. A repetition with the same idempotency_key is answered with the first message", body = MessageJson),
        (status = 400, description = "The message is empty or a field is invalid"),
        (status = 403, description = "The token is restricted to other rooms"),
        (status = 404, description = "The user or a file does not exist"),
        (status = 409, description = "You have sent something else to the user under the same idempotency_key"),
        (status = 413, description = "The text is too long"),
        (status = 503, description = "The server can't store this at the moment"),
    ))]
pub(super) async fn send_to_user(
    site: web::Data<AppState>,
    user: AuthUser,
    path: web::Path<String>,
    Body(fields): Body,
) -> Result<HttpResponse, ApiError> {
    let room = conversation(&site, &user, &path).await?;
    let place = Place::new(&room, user.id());
    send(&site, &user, room, Addressed::Partner, place, &fields).await
}

/// The message to send.
fn draft(fields: &Fields) -> Result<Draft, ApiError> {
    let content_type = fields.optional_line("content_type", 1..=limits::CONTENT_TYPE_CHARS_MAX)?;
    let content_type = content_type.map(|name| ContentType::from(Arc::from(name))).unwrap_or_default();
    let (content, ciphertext) = (fields.optional_raw_text("content")?, fields.optional_raw_text("ciphertext")?);
    let chosen = content_type.choose(content, ciphertext);
    let content = chosen.map_err(|misplaced| ApiError::new(ErrorCode::InvalidMessage, misplaced.to_string()))?;
    let names = fields.texts("mentions")?.unwrap_or_default();
    if names.len() > limits::MENTIONS_MAX {
        return Err(ApiError::field(
            "mentions",
            format!("must be a list of at most {} user ids", limits::MENTIONS_MAX),
        ));
    }
    let mentions = Draft::mentioned(names);
    let attachments = fields.file_ids("attachments")?;
    Ok(Draft { content: content.unwrap_or_default().into(), content_type, attachments, mentions })
}

/// Sends a message to a room, and returns it.
pub(super) async fn send(
    site: &AppState,
    user: &AuthUser,
    room: RoomIdentity,
    addressed: Addressed,
    place: Place,
    fields: &Fields,
) -> Result<HttpResponse, ApiError> {
    let key = fields.client_message_id("idempotency_key")?;
    let command = Command::Chat(ChatCommand::send(addressed, draft(fields)?)?);
    let author = user.profile.author();
    let stored = site.gateway.ask_with_named(user.subject(), room, author, key, command).await?;
    match stored.map(|event| *event) {
        Some(Event { at, body: EventBody::Durable { seq, id: event, what: Durable::Chat(sent) }, .. }) => {
            let ChatDurable::MessageSent { sender, content, content_type, attachments, mentions } = sent else {
                return Err(Refusal::internal().into());
            };
            let content = content.to_string();
            let (edited_at, deleted_at) = (None, None);
            let message = Message {
                id: event,
                seq,
                sender,
                content,
                content_type,
                attachments,
                mentions,
                at,
                edited_at,
                deleted_at,
            };
            Ok(HttpResponse::Created().json(MessageJson::new(message, place, Vec::new())))
        }
        Some(_) | None => Err(Refusal::internal().into()),
    }
}

pub(super) async fn page(
    site: &AppState,
    user: &AuthUser,
    room: &RoomIdentity,
    query: &str,
) -> Result<web::Json<PageJson>, ApiError> {
    let page = Page::asked(query, limits::PAGE_MESSAGES_DEFAULT, limits::PAGE_MESSAGES_MAX)?;
    let before = match query_value(query, "before") {
        None => Before::Newest,
        Some(text) => parse_place("before", &text)?,
    };
    // The head is read first: messages stored after it are delivered by the socket, and a message that is in both has
    // the same seq.
    let head = site.store.room_head(room.id).await?.ok_or_else(ApiError::no_such_channel)?;
    let mut messages = match site.store.messages(room.id, before, page.to_read()).await {
        Err(StoreError::Missing) => {
            let sentence = "before: the message is not in this room; use the id or seq of one from a page of it";
            return Err(ApiError::new(ErrorCode::NotFound, sentence));
        }
        other => other?,
    };
    let has_more = page.cut(&mut messages);
    let messages = with_reactions(site, user, messages, |message| Place::new(room, &message.sender.id)).await?;
    Ok(web::Json(PageJson { messages, has_more, epoch: head.epoch, seq: head.seq }))
}

/// A place in a history: a message's id or a seq.
pub(super) fn parse_place(name: &str, text: &str) -> Result<Before, ApiError> {
    if let Ok(seq) = text.parse::<i64>()
        && seq >= 0
    {
        return Ok(Before::Seq(Seq(seq)));
    }
    let id = text.parse().map_err(|_| ApiError::field(name, "must be a message's id or a seq"))?;
    Ok(Before::Message(id))
}

/// The messages of a page with the reactions to them.
pub(super) async fn with_reactions(
    site: &AppState,
    user: &AuthUser,
    messages: Vec<Message>,
    place: impl Fn(&Message) -> Place,
) -> Result<Vec<MessageJson>, ApiError> {
    let ids: Vec<EventId> = messages.iter().map(|message| message.id).collect();
    let mut reactions = site.store.reactions(&ids, user.id()).await?;
    let json = |message: Message| {
        let (place, of) = (place(&message), reactions.remove(&message.id).unwrap_or_default());
        MessageJson::new(message, place, of)
    };
    Ok(messages.into_iter().map(json).collect())
}

impl MessageJson {
    pub(super) fn new(message: Message, place: Place, reactions: Vec<ReactionCount>) -> MessageJson {
        let (content, ciphertext) = match &message.content_type {
            ContentType::Encrypted => (String::new(), Some(message.content)),
            ContentType::Text | ContentType::Other(_) => (message.content, None),
        };
        MessageJson {
            id: message.id.to_string(),
            content,
            content_type: (!message.content_type.is_text()).then(|| message.content_type.name().to_owned()),
            ciphertext,
            place,
            sender_id: message.sender.id.to_string(),
            sender_username: message.sender.username().to_owned(),
            created_at: message.at.to_string(),
            seq: message.seq,
            attachments: message.attachments.into_iter().map(AttachmentJson::from).collect(),
            mentions: message.mentions.iter().map(ToString::to_string).collect(),
            reactions: reactions.into_iter().map(ReactionJson::from).collect(),
            edited_at: message.edited_at.map(|at| at.to_string()),
            deleted: message.deleted_at.is_some(),
        }
    }
}
