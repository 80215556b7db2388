//! Messages of a conversation of any kind: pages of history in both directions or around a message, and sending. A message
//! is sent by the room itself, by the rules that sockets have.

use actix_web::{HttpRequest, HttpResponse, http::Method, web};
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use super::{entered, no_such_conversation};
use crate::{
    actors::access::IfMissing,
    auth::tokens::query_value,
    core::{command::Addressed, event::RoomIdentity},
    error::ErrorCode,
    http::{
        ApiError, AppState,
        extract::{AuthUser, Body},
        fields::Page,
        messages::{MessageJson, Place, parse_place, send, with_reactions},
        openapi::{bodies, schemas},
        resource,
    },
    ids::{Epoch, EventId, Seq},
    limits,
    store::{Before, Message, StoreError},
};

pub(super) fn configure(config: &mut web::ServiceConfig) {
    config.service(resource(
        "/api/conversations/{conversation_id}/messages",
        [(Method::GET, web::to(history)), (Method::POST, web::to(send_message))],
    ));
}

/// A page of messages, newest first.
#[derive(Serialize, ToSchema)]
#[schema(as = ConversationPage)]
pub(in crate::http) struct HistoryJson {
    messages: Vec<MessageJson>,
    /// Whether there are older messages than these.
    has_more: bool,
    /// Whether there are newer messages than these.
    has_newer: bool,
    /// Changes when the sequence starts anew.
    #[schema(value_type = i64)]
    epoch: Epoch,
    /// The `seq` of the conversation when the page was read. A socket that joins with `since` set to it misses nothing.
    #[schema(value_type = i64)]
    seq: Seq,
}

/// A conversation.
#[derive(IntoParams)]
#[into_params(parameter_in = Path)]
#[allow(dead_code, reason = "this documents the path")]
pub(in crate::http) struct ConversationPath {
    /// Its id, percent-encoded.
    #[param(schema_with = schemas::conversation_id_in_path)]
    conversation_id: String,
}

/// Which page of the history. At most one of `before`, `after` and `around`; without them the newest page.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code, reason = "it is read value by value, so that every refusal names its parameter; this documents it")]
pub(in crate::http) struct HistoryQuery {
    /// The id or the `seq` of a message: the next older messages.
    #[param(schema_with = schemas::before, required = false)]
    before: Option<String>,
    /// The id or the `seq` of a message: the next newer messages.
    #[param(schema_with = schemas::before, required = false)]
    after: Option<String>,
    /// The id of a message: it, and as many older as newer messages.
    #[param(schema_with = schemas::around, required = false)]
    around: Option<String>,
    /// The page size.
    #[param(schema_with = schemas::page_limit, required = false)]
    limit: Option<i64>,
}

/// Which part of a history.
enum Part {
    Before(Before),
    After(Before),
    Around(EventId),
}

/// Messages of a conversation.
#[utoipa::path(get, path = "/api/conversations/{conversation_id}/messages", tag = "conversations",
    params(ConversationPath, HistoryQuery),
    responses(
        (status = 200, description = "A page, newest first", body = HistoryJson),
        (status = 400, description = "before, after, around or limit is wrong"),
        (status = 403, description = "You may not enter the conversation"),
        (status = 404, description = "There is no such conversation, or no such message in it"),
    ))]
pub(in crate::http) async fn history(
    site: web::Data<AppState>,
    user: AuthUser,
    path: web::Path<String>,
    request: HttpRequest,
) -> Result<web::Json<HistoryJson>, ApiError> {
    let room = entered(&site, &user, &path, IfMissing::Refuse).await?;
    let query = request.query_string();
    let page = Page::asked(query, limits::PAGE_MESSAGES_DEFAULT, limits::PAGE_MESSAGES_MAX)?;
    let part = asked_part(query)?;
    // The head is read first: later events come over the socket, and a message in both has the same seq.
    let head = site.store.room_head(room.id).await?.ok_or_else(no_such_conversation)?;
    let found = read(&site, &room, part, page).await;
    let (messages, has_more, has_newer) = match found {
        Err(StoreError::Missing) => {
            let sentence = "There is no such message in this conversation; take an id from its history";
            return Err(ApiError::new(ErrorCode::NotFound, sentence));
        }
        other => other?,
    };
    let place = Place::conversation(room.label());
    let messages = with_reactions(&site, &user, messages, |_| place.clone()).await?;
    Ok(web::Json(HistoryJson { messages, has_more, has_newer, epoch: head.epoch, seq: head.seq }))
}

fn asked_part(query: &str) -> Result<Part, ApiError> {
    let [before, after, around] =
        ["before", "after", "around"].map(|name| query_value(query, name).filter(|text| !text.is_empty()));
    match (before, after, around) {
        (None, None, None) => Ok(Part::Before(Before::Newest)),
        (Some(text), None, None) => Ok(Part::Before(parse_place("before", &text)?)),
        (None, Some(text), None) => Ok(Part::After(parse_place("after", &text)?)),
        (None, None, Some(text)) => {
            let wrong = || ApiError::field("around", "must be a message's id");
            Ok(Part::Around(text.parse().map_err(|_| wrong())?))
        }
        _several => Err(ApiError::field("before", "must not be combined with after or around; send one of them")),
    }
}

/// The messages, newest first, and whether there are older and newer ones.
async fn read(
    site: &AppState,
    room: &RoomIdentity,
    part: Part,
    page: Page,
) -> Result<(Vec<Message>, bool, bool), StoreError> {
    let (room, store) = (room.id, &site.store);
    match part {
        Part::Before(before) => {
            let mut messages = store.messages(room, before, page.to_read()).await?;
            let has_more = page.cut(&mut messages);
            let has_newer = match (before, messages.first()) {
                (Before::Newest, _) => false,
                (Before::Seq(_) | Before::Message(_), Some(newest)) => {
                    !store.messages_after(room, Before::Seq(newest.seq), 1).await?.is_empty()
                }
                (Before::Seq(_) | Before::Message(_), None) => {
                    !store.messages(room, Before::Newest, 1).await?.is_empty()
                }
            };
            Ok((messages, has_more, has_newer))
        }
        Part::After(after) => {
            let mut messages = store.messages_after(room, after, page.to_read()).await?;
            let has_newer = page.cut(&mut messages);
            messages.reverse();
            let has_more = match messages.last() {
                Some(oldest) => !store.messages(room, Before::Seq(oldest.seq), 1).await?.is_empty(),
                None => !store.messages(room, Before::Newest, 1).await?.is_empty(),
            };
            Ok((messages, has_more, has_newer))
        }
        Part::Around(message) => {
            let half = page.half();
            let mut newer = store.messages_after(room, Before::Message(message), half.to_read()).await?;
            let has_newer = half.cut(&mut newer);
            newer.reverse();
            let rest = page.but(newer.len() + 1);
            let mut older = store.messages(room, Before::Message(message), rest.to_read()).await?;
            let has_more = rest.cut(&mut older);
            newer.extend(store.message(message).await?);
            newer.append(&mut older);
            Ok((newer, has_more, has_newer))
        }
    }
}

/// Sends a message to a conversation. Sending to an open room makes you take part in it.
#[utoipa::path(post, path = "/api/conversations/{conversation_id}/messages", tag = "conversations",
    params(ConversationPath),
    request_body = bodies::NewMessage,
    responses(
        (status = 201, description = "The stored message, which the conversation's sockets also get. A repetition with the same idempotency_key is answered with the first message", body = MessageJson),
        (status = 400, description = "Empty, or a wrong field"),
        (status = 403, description = "You may not enter the conversation"),
        (status = 404, description = "There is no such conversation, or no such file"),
        (status = 409, description = "You have sent something else to the conversation under the same idempotency_key, or too many users take part in it"),
        (status = 413, description = "The text is too long"),
        (status = 503, description = "It can't be stored now"),
    ))]
pub(in crate::http) async fn send_message(
    site: web::Data<AppState>,
    user: AuthUser,
    path: web::Path<String>,
    Body(fields): Body,
) -> Result<HttpResponse, ApiError> {
    let room = entered(&site, &user, &path, IfMissing::Make).await?;
    let addressed = match room.scope.name() {
        None if room.scope.is_direct() => Addressed::Partner,
        None if room.scope.is_channel() => Addressed::Channel,
        // a room of another kind is not named as a conversation
        None => return Err(no_such_conversation()),
        Some(name) => {
            match site.store.add_participant(room.id, user.id()).await {
                Ok(_) => {}
                Err(StoreError::Taken(_)) => {
                    let most = limits::PARTICIPANTS_MAX;
                    let sentence = format!("At most {most} users take part in a conversation; use another one");
                    return Err(ApiError::new(ErrorCode::Conflict, sentence));
                }
                Err(error) => return Err(error.into()),
            }
            Addressed::Room { room: Some(name.clone()) }
        }
    };
    let place = Place::conversation(room.label());
    send(&site, &user, room, addressed, place, &fields).await
}
