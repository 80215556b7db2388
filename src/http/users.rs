//! `/api/users`: finding other users. E-mail addresses must not be returned.

use std::collections::HashSet;

use actix_web::{HttpRequest, http::Method, web};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    ApiError, AppState,
    extract::AuthUser,
    fields::query_number,
    openapi::{bodies, schemas},
    resource,
};
use crate::{
    auth::{policy::Action, tokens::query_value},
    core::profile::Profile,
    ids::UserId,
    limits,
};

pub(super) fn configure(config: &mut web::ServiceConfig) {
    config.service(resource("/api/users", [(Method::GET, web::to(search))]));
}

/// A user as shown to others, without the e-mail address.
#[derive(Serialize, ToSchema)]
#[schema(as = FoundUser)]
pub(super) struct FoundUserJson {
    #[schema(schema_with = schemas::user_id)]
    id: String,
    username: String,
    display_name: String,
    /// The user's number, which the canvas dialect uses.
    number: i64,
    online: bool,
}

/// Without a query, returns the first users by name. With a number, returns the user who has it, if there is one.
#[utoipa::path(get, path = "/api/users", tag = "users", summary = "Find users by the start of a name, or by number",
    params(bodies::SearchQuery),
    responses(
        (status = 200, description = "Up to 20 users, by name", body = Vec<FoundUserJson>),
        (status = 400, description = "The query is too long, or the number is none"),
        (status = 403, description = "The token is restricted to rooms"),
    ))]
pub(super) async fn search(
    site: web::Data<AppState>,
    user: AuthUser,
    request: HttpRequest,
) -> Result<web::Json<Vec<FoundUserJson>>, ApiError> {
    user.may(Action::SearchUsers)?;
    let query = query_value(request.query_string(), "query").unwrap_or_default();
    let query = query.trim();
    if query.chars().count() > limits::DISPLAY_NAME_CHARS_MAX {
        let problem = format!("must have at most {} characters", limits::DISPLAY_NAME_CHARS_MAX);
        return Err(ApiError::field("query", problem));
    }
    let profiles = match query_value(request.query_string(), "number").filter(|number| !number.is_empty()) {
        Some(number) => with_number(&site, query_number(&number, "number", 0..=limits::COUNT_MAX)?).await?,
        None => site.store.search_users(query, limits::USER_SEARCH_MAX).await?,
    };
    let users = profiles.iter().map(|profile| profile.id.clone()).collect();
    let online: HashSet<UserId> = site.gateway.online(users).await.into_iter().collect();
    let found = profiles.into_iter().map(|profile| FoundUserJson {
        online: online.contains(&profile.id),
        id: profile.id.to_string(),
        username: profile.username.to_string(),
        display_name: profile.display_name,
        number: profile.number,
    });
    Ok(web::Json(found.collect()))
}

async fn with_number(site: &AppState, number: i64) -> Result<Vec<Profile>, ApiError> {
    let Some(id) = site.store.user_by_number(number).await? else { return Ok(Vec::new()) };
    Ok(site.store.user(&id).await?.into_iter().collect())
}
