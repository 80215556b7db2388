//! `/api/conversations`: rooms of all kinds as those see them who take part. A conversation is named by its
//! `conversation_id`: the id of a channel, of a direct conversation or of a group, or the name of an open room,
//! percent-encoded where it is part of a path.

pub(super) mod messages;
pub(super) mod read_mark;

use actix_web::{HttpRequest, HttpResponse, http::Method, web};
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use super::{
    ApiError, AppState,
    extract::{AuthUser, Body, user_id},
    fields::Page,
    messages::{MessageJson, Place},
    openapi::schemas,
    resource,
};
use crate::{
    actors::access::IfMissing,
    auth::{policy::Action, tokens::query_value},
    core::event::{RoomIdentity, RoomScope},
    error::ErrorCode,
    ids::{Epoch, RoomId, RoomName, Seq, Timestamp},
    limits,
    logged::logged,
    store::{ConversationCursor, ConversationSummary, OpenRoom, Partner, RoomRef, StoreError, Visibility},
};

pub(super) fn configure(config: &mut web::ServiceConfig) {
    config.service(resource("/api/conversations", [(Method::GET, web::to(list)), (Method::POST, web::to(create))]));
    messages::configure(config);
    read_mark::configure(config);
}

/// A page of your conversations.
#[derive(Serialize, ToSchema)]
#[schema(as = ConversationsPage)]
pub(super) struct ConversationsJson {
    conversations: Vec<ConversationJson>,
    has_more: bool,
    /// `cursor` of the next page, if there is one.
    next_cursor: Option<String>,
}

/// A conversation that you take part in.
#[derive(Serialize, ToSchema)]
#[schema(as = Conversation)]
pub(super) struct ConversationJson {
    conversation_id: String,
    /// `channel`, `direct`, `group` (of named people, private) or `open`.
    #[schema(schema_with = schemas::conversation_type)]
    r#type: &'static str,
    /// Null for a direct conversation and for a group without a name.
    name: Option<String>,
    /// The group of a channel.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    group_id: Option<String>,
    /// Who made a group conversation or an open room.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    owner_id: Option<String>,
    /// The other user of a direct conversation.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    user: Option<PartnerJson>,
    /// Null before the first message.
    last_message: Option<MessageJson>,
    /// Messages of others that you have not read. At most 1,000 are counted.
    unread_count: i64,
    /// Those among them that mention you.
    mention_count: i64,
    /// The `seq` of the last message that you have read; 0 before the first.
    #[schema(value_type = i64)]
    last_read_seq: Seq,
    /// The `seq` of the last event.
    #[schema(value_type = i64)]
    seq: Seq,
    /// Changes when the sequence starts anew.
    #[schema(value_type = i64)]
    epoch: Epoch,
    /// When the last message was sent or, before the first one, the conversation made. The order of the list.
    #[schema(schema_with = schemas::timestamp)]
    active_at: String,
}

#[derive(Serialize, ToSchema)]
#[schema(as = Partner)]
struct PartnerJson {
    #[schema(schema_with = schemas::user_id)]
    id: String,
    username: String,
    display_name: String,
}

impl From<Partner> for PartnerJson {
    fn from(partner: Partner) -> PartnerJson {
        PartnerJson {
            id: partner.author.id.to_string(),
            username: partner.author.username().to_owned(),
            display_name: partner.display_name,
        }
    }
}

fn kind(scope: &RoomScope, visibility: Visibility) -> &'static str {
    match visibility {
        Visibility::Private if scope.name().is_some() => "group",
        Visibility::Private | Visibility::Open => scope.kind(),
    }
}

impl From<ConversationSummary> for ConversationJson {
    fn from(of: ConversationSummary) -> ConversationJson {
        let group_id = of.room.scope.group().map(|group| group.to_string());
        let owner_id = of.owner.filter(|_| of.room.scope.name().is_some()).map(|owner| owner.to_string());
        let place = Place::conversation(of.room.label());
        ConversationJson {
            conversation_id: of.room.label(),
            r#type: kind(&of.room.scope, of.visibility),
            name: Some(of.title).filter(|title| !title.is_empty()),
            group_id,
            owner_id,
            user: of.partner.map(PartnerJson::from),
            last_message: of.last_message.map(|message| MessageJson::new(message, place, Vec::new())),
            unread_count: of.unread,
            mention_count: of.mentioned,
            last_read_seq: of.read_up_to,
            seq: of.head,
            epoch: of.epoch,
            active_at: of.active_at.to_string(),
        }
    }
}

/// Which page of the list.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code, reason = "it is read value by value, so that every refusal names its parameter; this documents it")]
pub(super) struct ListQuery {
    /// `next_cursor` of the page before.
    #[param(schema_with = schemas::conversation_cursor, required = false)]
    cursor: Option<String>,
    /// How many; 50 without it.
    #[param(schema_with = schemas::page_limit, required = false)]
    limit: Option<i64>,
}

/// Your conversations, the one with the newest message first: the channels of your groups, direct conversations, groups,
/// and the open rooms that you take part in.
#[utoipa::path(get, path = "/api/conversations", tag = "conversations", params(ListQuery),
    responses(
        (status = 200, description = "A page", body = ConversationsJson),
        (status = 400, description = "cursor or limit is wrong"),
    ))]
pub(super) async fn list(
    site: web::Data<AppState>,
    user: AuthUser,
    request: HttpRequest,
) -> Result<web::Json<ConversationsJson>, ApiError> {
    let query = request.query_string();
    let page = Page::asked(query, limits::PAGE_CONVERSATIONS_DEFAULT, limits::PAGE_CONVERSATIONS_MAX)?;
    let after =
        query_value(query, "cursor").filter(|text| !text.is_empty()).map(|text| parse_cursor(&text)).transpose()?;
    let mut found = site.store.conversations(user.id(), after, page.to_read()).await?;
    let has_more = page.cut(&mut found);
    let last = found.last().map(|last| cursor(last.active_at, last.room.id));
    // of a confined token's page only the rooms that it reaches are shown
    found.retain(|of| user.may(Action::Stay { room: &of.room }).is_ok());
    Ok(web::Json(ConversationsJson {
        conversations: found.into_iter().map(ConversationJson::from).collect(),
        has_more,
        next_cursor: last.filter(|_| has_more),
    }))
}

fn cursor(active_at: Timestamp, room: RoomId) -> String {
    format!("{}_{room}", active_at.unix_ms)
}

fn parse_cursor(text: &str) -> Result<ConversationCursor, ApiError> {
    let parts = text.split_once('_');
    let parsed = parts.and_then(|(at, room)| {
        let active_at = Timestamp { unix_ms: at.parse().ok().filter(|ms| (0..=limits::UNIX_MS_MAX).contains(ms))? };
        Some(ConversationCursor { active_at, room: room.parse().ok()? })
    });
    parsed
        .ok_or_else(|| ApiError::field("cursor", "must be the next_cursor of a page; leave it out for the first page"))
}

/// Who is to talk with you.
#[derive(ToSchema)]
#[allow(dead_code, reason = "it is read field by field, so that every refusal names the field; this documents it")]
pub(super) struct NewConversation {
    /// What people see.
    #[schema(schema_with = schemas::optional_room_name, required = false)]
    name: Option<String>,
    /// The ids of the others; you are a member by yourself.
    #[schema(schema_with = schemas::conversation_members)]
    members: Vec<String>,
}

/// Makes a private conversation of named people. Its members are changed like those of a room, under
/// `/api/v1/rooms/{conversation_id}/members`.
#[utoipa::path(post, path = "/api/conversations", tag = "conversations", request_body = NewConversation,
    responses(
        (status = 201, description = "It is there, and in everybody's list", body = ConversationJson),
        (status = 400, description = "A field is missing or wrong; the sentence names it"),
        (status = 403, description = "The token is confined to other rooms"),
        (status = 404, description = "One of the members does not exist"),
    ))]
pub(super) async fn create(
    site: web::Data<AppState>,
    user: AuthUser,
    Body(fields): Body,
) -> Result<HttpResponse, ApiError> {
    user.may(Action::CreateConversation)?;
    let name = fields.optional_line("name", 1..=limits::ROOM_NAME_CHARS_MAX)?.filter(|name| !name.is_empty());
    let wrong = || {
        let most = limits::CONVERSATION_MEMBERS_MAX;
        ApiError::field("members", format!("must be a list of 1 to {most} user ids"))
    };
    let members = fields.texts("members")?.ok_or_else(wrong)?;
    if members.is_empty() || members.len() > limits::CONVERSATION_MEMBERS_MAX {
        return Err(wrong());
    }
    let members = members.iter().map(|id| user_id(id)).collect::<Result<Vec<_>, _>>()?;
    let room = match site.store.create_conversation(user.id(), name.as_deref(), &members).await {
        Err(StoreError::Missing) => return Err(ApiError::no_such_user()),
        other => other?,
    };
    log::info!("event=conversation_made room={} by={}", room.identity.id, logged(user.id()));
    site.gateway.conversations_changed(members.into_iter().chain([user.id().clone()]).collect());
    Ok(HttpResponse::Created().json(created(&site, &user, room).await?))
}

/// The new conversation as it stands in its maker's list.
async fn created(site: &AppState, user: &AuthUser, room: OpenRoom) -> Result<ConversationJson, ApiError> {
    let head = site.store.room_head(room.identity.id).await?.ok_or_else(no_such_conversation)?;
    let summary = ConversationSummary {
        room: room.identity,
        title: room.title,
        visibility: room.visibility,
        owner: Some(user.id().clone()),
        partner: None,
        last_message: None,
        unread: 0,
        mentioned: 0,
        read_up_to: Seq(0),
        head: head.seq,
        epoch: head.epoch,
        active_at: room.created_at,
    };
    Ok(summary.into())
}

/// The conversation, if there is one and the user may enter it.
pub(super) async fn entered(
    site: &AppState,
    user: &AuthUser,
    id: &str,
    missing: IfMissing,
) -> Result<RoomIdentity, ApiError> {
    let name = RoomName::new(id).map_err(|_| no_such_conversation())?;
    let access = site.gateway.enter(user.subject(), &RoomRef::Conversation(name), missing).await?;
    Ok(access.identity)
}

fn no_such_conversation() -> ApiError {
    ApiError::new(ErrorCode::RoomNotFound, "There is no such conversation; check its conversation_id")
}
