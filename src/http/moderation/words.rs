//! Word rules: words and phrases that are refused or masked, in a room or on the whole server.

use actix_web::{HttpRequest, HttpResponse, http::Method, web};
use serde::Serialize;
use serde_json::json;
use utoipa::{IntoParams, ToSchema};

use super::{act, moderated, moderated_by_id, room_in, schemas};
use crate::{
    auth::tokens::query_value,
    core::moderation::{WordAction, WordRule, phrase_words},
    error::ErrorCode,
    http::{
        ApiError, AppState,
        extract::{AuthUser, Body, ClientAddress},
        resource, to_the_end,
    },
    ids::WordRuleId,
    limits,
    store::{AuditAction, StoreError},
};

pub(super) fn configure(config: &mut web::ServiceConfig) {
    config
        .service(resource("/api/moderation/words", [(Method::GET, web::to(rules)), (Method::POST, web::to(add_rule))]))
        .service(resource("/api/moderation/words/{rule_id}", [(Method::DELETE, web::to(remove_rule))]));
}

/// A word rule.
#[derive(Serialize, ToSchema)]
#[schema(as = WordRule)]
pub(in crate::http) struct WordRuleJson {
    #[schema(schema_with = schemas::uuid)]
    id: String,
    /// Absent: the whole server.
    #[serde(skip_serializing_if = "Option::is_none")]
    room_id: Option<String>,
    phrase: String,
    #[schema(schema_with = schemas::word_action)]
    action: &'static str,
}

/// A new word rule.
#[derive(ToSchema)]
#[allow(dead_code, reason = "it is read field by field, so that every refusal names the field; this documents it")]
pub(in crate::http) struct NewWordRuleBody {
    /// A word or a phrase. Whole words are compared, without regard to case, accents and width.
    #[schema(schema_with = schemas::word_phrase)]
    phrase: String,
    #[schema(schema_with = schemas::word_action)]
    action: String,
    /// The room. Without it: the whole server, for administrators.
    #[schema(schema_with = schemas::optional_room, required = false)]
    room_id: Option<String>,
}

#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[allow(dead_code, reason = "it is read value by value, so that every refusal names its parameter; this documents it")]
pub(in crate::http) struct WordsQuery {
    /// The room. Without it: those of the server, for administrators.
    #[param(schema_with = schemas::room_in_query, required = false)]
    room_id: Option<String>,
}

/// Lists the word rules of a room or of the server.
#[utoipa::path(get, path = "/api/moderation/words", tag = "moderation", params(WordsQuery),
    responses(
        (status = 200, description = "The rules, the oldest first", body = Vec<WordRuleJson>),
        (status = 403, description = "You do not moderate the room, or it is for administrators only"),
        (status = 404, description = "The room does not exist"),
    ))]
pub(in crate::http) async fn rules(
    site: web::Data<AppState>,
    user: AuthUser,
    request: HttpRequest,
) -> Result<web::Json<Vec<WordRuleJson>>, ApiError> {
    let named = query_value(request.query_string(), "room_id").filter(|name| !name.is_empty());
    let room = moderated(&site, &user, named.as_deref()).await?;
    let label = room.as_ref().map(|room| room.label());
    let found = site.store.word_rules(room.map(|room| room.id)).await?;
    Ok(web::Json(found.into_iter().map(|rule| described(rule, label.clone())).collect()))
}

/// Adds a word rule. It applies on this node at once, and on the others within a second.
#[utoipa::path(post, path = "/api/moderation/words", tag = "moderation", request_body = NewWordRuleBody,
    responses(
        (status = 201, description = "The rule", body = WordRuleJson),
        (status = 400, description = "A field is missing or invalid; the error names it"),
        (status = 403, description = "You do not moderate the room, or it is for administrators only"),
        (status = 404, description = "The room does not exist"),
        (status = 409, description = "There are too many rules"),
    ))]
pub(in crate::http) async fn add_rule(
    site: web::Data<AppState>,
    user: AuthUser,
    address: ClientAddress,
    Body(fields): Body,
) -> Result<HttpResponse, ApiError> {
    let phrase = fields.line("phrase", 1..=limits::WORD_PHRASE_CHARS_MAX)?;
    let action = fields.line("action", 1..=16)?;
    let action = WordAction::from_name(&action).ok_or_else(|| ApiError::field("action", "must be refuse or mask"))?;
    if !(1..=limits::WORD_PHRASE_WORDS_MAX).contains(&phrase_words(&phrase).len()) {
        let most = limits::WORD_PHRASE_WORDS_MAX;
        return Err(ApiError::field("phrase", format!("must have 1 to {most} words of letters or digits")));
    }
    let room = moderated(&site, &user, room_in(&fields)?.as_deref()).await?;
    let (id, label) = (room.as_ref().map(|room| room.id), room.as_ref().map(|room| room.label()));
    let details = json!({"phrase": phrase, "action": action.name()});
    let audit = act(&user, &address, AuditAction::RuleAdded, None, id, &details);
    to_the_end(async move {
        let added = site.store.add_word_rule(id, &phrase, action, &audit).await.map_err(|error| match error {
            StoreError::Taken(_) => {
                let sentence = format!("There are {} rules; remove one first", limits::WORD_RULES_MAX);
                ApiError::new(ErrorCode::Conflict, sentence)
            }
            StoreError::Unavailable(_) | StoreError::Missing | StoreError::Fault(_) => error.into(),
        })?;
        site.gateway.refresh_moderation().await?;
        Ok(HttpResponse::Created().json(described(added, label)))
    })
    .await
}

/// Removes a word rule.
#[utoipa::path(delete, path = "/api/moderation/words/{rule_id}", tag = "moderation",
    params(("rule_id" = String, Path, description = "The rule's id")),
    responses(
        (status = 204, description = "It was removed"),
        (status = 403, description = "You do not moderate the room, or it is for administrators only"),
        (status = 404, description = "There is no such rule"),
    ))]
pub(in crate::http) async fn remove_rule(
    site: web::Data<AppState>,
    user: AuthUser,
    address: ClientAddress,
    path: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    let missing = || ApiError::new(ErrorCode::NotFound, "There is no such word rule; list the rules again");
    let id: WordRuleId = path.parse().map_err(|_| missing())?;
    let rule = site.store.word_rule(id).await?.ok_or_else(missing)?;
    moderated_by_id(&site, &user, rule.room).await?;
    let details = json!({"phrase": rule.phrase, "action": rule.action.name()});
    let audit = act(&user, &address, AuditAction::RuleRemoved, None, rule.room, &details);
    to_the_end(async move {
        if !site.store.remove_word_rule(id, &audit).await? {
            return Err(missing());
        }
        site.gateway.refresh_moderation().await?;
        Ok(HttpResponse::NoContent().finish())
    })
    .await
}

fn described(rule: WordRule, room_id: Option<String>) -> WordRuleJson {
    WordRuleJson { id: rule.id.to_string(), room_id, phrase: rule.phrase, action: rule.action.name() }
}
