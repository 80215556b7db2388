//! `/api/users`: finding other users. E-mail addresses must not be returned.

use std::collections::HashSet;

use actix_web::{HttpRequest, http::Method, web};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    ApiError, AppState,
    extract::AuthUser,
    openapi::{bodies, schemas},
    resource,
};
use crate::{
    auth::{policy::Action, tokens::query_value},
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
    online: bool,
}

/// Without a query, returns the first users by name.
#[utoipa::path(get, path = "/api/users", tag = "users", summary = "Find users by the start of a name",
    params(bodies::SearchQuery),
    responses(
        (status = 200, description = "Up to 20 users, by name", body = Vec<FoundUserJson>),
        (status = 400, description = "The query is too long"),
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
    let profiles = site.store.search_users(query, limits::USER_SEARCH_MAX).await?;
    let users = profiles.iter().map(|profile| profile.id.clone()).collect();
    let online: HashSet<UserId> = site.gateway.online(users).await.into_iter().collect();
    let found = profiles.into_iter().map(|profile| FoundUserJson {
        online: online.contains(&profile.id),
        id: profile.id.to_string(),
        username: profile.username.to_string(),
        display_name: profile.display_name,
    });
    Ok(web::Json(found.collect()))
}
