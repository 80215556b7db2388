//! `GET /api/search/messages`: full-text search over the messages that the user may read, in conversations of all kinds.

use actix_web::{HttpRequest, http::Method, web};
use serde::Serialize;
use utoipa::{IntoParams, ToSchema};

use super::{
    ApiError, AppState,
    conversations::entered,
    extract::{AuthUser, user_id},
    fields::Page,
    messages::{MessageJson, Place as PlaceJson, with_reactions},
    openapi::schemas,
    resource,
};
use crate::{
    actors::access::IfMissing,
    auth::tokens::query_value,
    core::search::{Extract, Part, Query},
    error::{ErrorCode, Refusal},
    ids::Timestamp,
    limits,
    services::search::{BestPlace, Found, FoundPage, Order, Place, SearchFault, Wanted},
    store::Message,
};

pub(super) fn configure(config: &mut web::ServiceConfig) {
    config.service(resource("/api/search/messages", [(Method::GET, web::to(messages))]));
}

/// A page of messages that match.
#[derive(Serialize, ToSchema)]
#[schema(as = FoundPage)]
pub(super) struct FoundPageJson {
    results: Vec<FoundJson>,
    /// Whether there may be more results.
    has_more: bool,
    /// `cursor` of the next page, if there may be one.
    next_cursor: Option<String>,
    /// False while the messages of an older release, or very many new ones, are still being indexed: some of them may be
    /// missing.
    complete: bool,
}

/// A message that matches.
#[derive(Serialize, ToSchema)]
#[schema(as = FoundMessage)]
pub(super) struct FoundJson {
    message: MessageJson,
    extract: ExtractJson,
}

/// The part of a message around its matches, as plain text in pieces.
#[derive(Serialize, ToSchema)]
#[schema(as = Extract)]
struct ExtractJson {
    /// The pieces in order; together they are the text.
    parts: Vec<PartJson>,
    /// Whether the message has text before it.
    has_before: bool,
    /// Whether the message has text behind it.
    has_after: bool,
}

/// A piece of an extract.
#[derive(Serialize, ToSchema)]
#[schema(as = ExtractPart)]
struct PartJson {
    text: String,
    /// Whether it is what was searched for.
    #[serde(rename = "match")]
    is_match: bool,
}

impl From<Part> for PartJson {
    fn from(part: Part) -> PartJson {
        PartJson { text: part.text, is_match: part.is_match }
    }
}

impl From<Extract> for ExtractJson {
    fn from(of: Extract) -> ExtractJson {
        let parts = of.parts.into_iter().map(PartJson::from).collect();
        ExtractJson { parts, has_before: of.has_before, has_after: of.has_after }
    }
}

impl From<SearchFault> for ApiError {
    fn from(fault: SearchFault) -> ApiError {
        match fault {
            SearchFault::Busy => Refusal {
                code: ErrorCode::ServiceUnavailable,
                sentence: "Too many searches are running; try again in a few seconds".into(),
                retry_after_seconds: Some(2),
            }
            .into(),
            SearchFault::Store(error) => error.into(),
        }
    }
}

/// What to search for.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code, reason = "it is read value by value, so that every refusal names its parameter; this documents it")]
pub(super) struct SearchQuery {
    /// Words, `"phrases"`, `prefix*` and `-excluded` ones. A message must contain all of them, and none that are excluded.
    #[param(schema_with = schemas::search_query)]
    q: String,
    /// Only in this conversation.
    #[param(schema_with = schemas::conversation_id_in_path, required = false)]
    conversation_id: Option<String>,
    /// Only from this user.
    #[param(schema_with = schemas::user_id, required = false)]
    sender: Option<String>,
    /// Only messages that were sent at this time or later.
    #[param(schema_with = schemas::timestamp, required = false)]
    after: Option<String>,
    /// Only messages that were sent before this time.
    #[param(schema_with = schemas::timestamp, required = false)]
    before: Option<String>,
    /// `newest` first (the default), or the `best` of the newest 500 matches.
    #[param(schema_with = schemas::search_order, required = false)]
    order: Option<String>,
    /// `next_cursor` of the page before, with the same parameters.
    #[param(schema_with = schemas::search_cursor, required = false)]
    cursor: Option<String>,
    /// The page size.
    #[param(schema_with = schemas::found_limit, required = false)]
    limit: Option<i64>,
}

/// Searches the messages that you may read.
#[utoipa::path(get, path = "/api/search/messages", tag = "conversations", operation_id = "search", params(SearchQuery),
    responses(
        (status = 200, description = "A page. It may have fewer results than `limit`, or none, although there are more", body = FoundPageJson),
        (status = 400, description = "`q` has no word or too many, or another parameter is wrong; the sentence names it"),
        (status = 403, description = "You may not enter the conversation"),
        (status = 404, description = "There is no such conversation"),
    ))]
pub(super) async fn messages(
    site: web::Data<AppState>,
    user: AuthUser,
    request: HttpRequest,
) -> Result<web::Json<FoundPageJson>, ApiError> {
    let query = request.query_string();
    let mut wanted = wanted(query)?;
    if let Some(id) = value(query, "conversation_id") {
        wanted.room = Some(entered(&site, &user, &id, IfMissing::Refuse).await?.id);
    }
    let FoundPage { found, next, is_complete } = site.search.find(user.subject(), &wanted).await?;
    let next_cursor = next.and_then(cursor);
    Ok(web::Json(FoundPageJson {
        results: results(&site, &user, found).await?,
        has_more: next_cursor.is_some(),
        next_cursor,
        complete: is_complete,
    }))
}

async fn results(site: &AppState, user: &AuthUser, found: Vec<Found>) -> Result<Vec<FoundJson>, ApiError> {
    let mut places = Vec::with_capacity(found.len());
    let mut messages: Vec<Message> = Vec::with_capacity(found.len());
    let mut extracts = Vec::with_capacity(found.len());
    for one in found {
        places.push((one.message.id, PlaceJson::conversation(one.room.label())));
        messages.push(one.message);
        extracts.push(one.extract);
    }
    let place = |message: &Message| {
        let of = places.iter().find(|(id, _)| *id == message.id);
        of.map(|(_, place)| place.clone()).unwrap_or_default()
    };
    let messages = with_reactions(site, user, messages, place).await?;
    let result = |(message, extract): (MessageJson, Extract)| FoundJson { message, extract: extract.into() };
    Ok(messages.into_iter().zip(extracts).map(result).collect())
}

/// A parameter that is not empty.
fn value<'a>(query: &'a str, name: &str) -> Option<std::borrow::Cow<'a, str>> {
    query_value(query, name).filter(|text| !text.is_empty())
}

fn wanted(query: &str) -> Result<Wanted, ApiError> {
    let text = query_value(query, "q").unwrap_or_default();
    let parsed = Query::parse(&text).map_err(|bad| ApiError::field("q", bad))?;
    let page = Page::asked(query, limits::PAGE_FOUND_DEFAULT, limits::PAGE_FOUND_MAX)?;
    Ok(Wanted {
        query: parsed,
        room: None,
        sender: value(query, "sender").map(|id| user_id(&id)).transpose()?,
        after: time(query, "after")?,
        before: time(query, "before")?,
        order: order(query)?,
        limit: page.size(),
    })
}

fn time(query: &str, name: &str) -> Result<Option<Timestamp>, ApiError> {
    let wrong = "must be a time such as 2025-10-27T12:00:00Z; write + as %2B";
    value(query, name).map(|text| text.parse().map_err(|_| ApiError::field(name, wrong))).transpose()
}

fn order(query: &str) -> Result<Order, ApiError> {
    let cursor = value(query, "cursor");
    let wrong = || {
        ApiError::field("cursor", "must be the next_cursor of a page of the same search; leave it out for the first")
    };
    match value(query, "order").as_deref() {
        None | Some("newest") => {
            let place = cursor.map(|text| parse_place(&text).ok_or_else(wrong)).transpose()?;
            Ok(Order::Newest(place))
        }
        Some("best") => {
            let place = cursor.map(|text| parse_best(&text).ok_or_else(wrong)).transpose()?;
            Ok(Order::Best(place))
        }
        Some(_) => Err(ApiError::field("order", "must be newest or best")),
    }
}

fn cursor(next: Order) -> Option<String> {
    match next {
        Order::Newest(place) => place.map(|place| format!("{}_{}", place.number, place.message)),
        Order::Best(place) => place.map(|of| format!("{}_{}_{}", of.newest.number, of.newest.message, of.skipped)),
    }
}

fn parse_place(text: &str) -> Option<Place> {
    let (number, message) = text.split_once('_')?;
    let number = number.parse().ok().filter(|number: &i64| *number >= 0)?;
    Some(Place { number, message: message.parse().ok()? })
}

fn parse_best(text: &str) -> Option<BestPlace> {
    let (newest, skipped) = text.rsplit_once('_')?;
    let skipped = skipped.parse().ok().filter(|skipped| *skipped <= limits::SEARCH_RANKED_MAX)?;
    Some(BestPlace { newest: parse_place(newest)?, skipped })
}
