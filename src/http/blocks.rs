//! `/api/v1/ws/blocks`: users who are blocked for exceeding the rate limit, a user's rate-limit usage, and lifting a
//! block.

use actix_web::{HttpRequest, HttpResponse, http::Method, web};
use serde::Serialize;

use super::{
    ApiError, AppState,
    extract::{AuthUser, user_id},
    fields::Page,
    resource, to_the_end,
};
use crate::{
    auth::{policy::Action, tokens::query_value},
    ids::{Timestamp, UserId},
    limits,
    logged::logged,
};

pub(super) fn configure(config: &mut web::ServiceConfig) {
    config
        .service(resource("/api/v1/ws/blocks", [(Method::GET, web::to(blocks))]))
        .service(resource("/api/v1/ws/users/{user_id}/limits", [(Method::GET, web::to(standing))]))
        .service(resource("/api/v1/ws/users/{user_id}/block", [(Method::DELETE, web::to(lift))]));
}

#[derive(Serialize, utoipa::ToSchema)]
pub(super) struct BlockPageJson {
    blocks: Vec<BlockJson>,
    has_more: bool,
}

#[derive(Serialize, utoipa::ToSchema)]
pub(super) struct BlockJson {
    user_id: String,
    username: String,
    blocked_until: String,
    /// Seconds until the block ends.
    retry_after: i64,
}

/// Lists the blocked users.
#[utoipa::path(
    get,
    path = "/api/v1/ws/blocks",
    tag = "administration",
    params(
        ("after" = Option<String>, Query, pattern = "^[^\\x00-\\x1f\\x7f-\\x9f]{0,128}$", description = "The id of the last user on the previous page"),
        ("limit" = Option<i64>, Query, minimum = 1, description = "The page size, up to 100"),
    ),
    responses(
        (status = 200, description = "The users who are blocked now, ordered by id", body = BlockPageJson),
        (status = 400, description = "A parameter is invalid; the error names it"),
        (status = 403, description = "For administrators only"),
    )
)]
pub(super) async fn blocks(
    site: web::Data<AppState>,
    user: AuthUser,
    request: HttpRequest,
) -> Result<web::Json<BlockPageJson>, ApiError> {
    user.may(Action::Administer)?;
    let query = request.query_string();
    let page = Page::asked(query, limits::PAGE_BLOCKS_MAX, limits::PAGE_BLOCKS_MAX)?;
    let after = query_value(query, "after").filter(|text| !text.is_empty());
    let wrong = |_| ApiError::field("after", "must be a user's id");
    let after = after.map(|text| UserId::new(&*text).map_err(wrong)).transpose()?;
    let mut blocked = site.store.blocked_users(after, page.to_read()).await?;
    let has_more = page.cut(&mut blocked);
    let now = site.clock.now();
    let blocks = blocked.into_iter().map(|blocked| BlockJson {
        user_id: blocked.id.to_string(),
        username: blocked.username,
        blocked_until: blocked.until.to_string(),
        retry_after: seconds_until(blocked.until, now),
    });
    Ok(web::Json(BlockPageJson { blocks: blocks.collect(), has_more }))
}

/// Rounded up, so that a retry after this time succeeds.
fn seconds_until(until: Timestamp, now: Timestamp) -> i64 {
    until.unix_ms.saturating_sub(now.unix_ms).max(0).saturating_add(999) / 1_000
}

#[derive(Serialize, utoipa::ToSchema)]
pub(super) struct StandingJson {
    user_id: String,
    requests_last_minute: u32,
    requests_last_hour: u32,
    /// 0: no limit.
    requests_per_minute: u32,
    requests_per_hour: u32,
    /// Refusals that count towards a block. The first one above `refusals_before_block` causes it.
    refusals: u32,
    refusals_before_block: u32,
    blocked_until: Option<String>,
    /// Seconds until the block ends.
    retry_after: Option<i64>,
}

/// Gets a user's rate-limit usage on all nodes.
#[utoipa::path(
    get,
    path = "/api/v1/ws/users/{user_id}/limits",
    tag = "administration",
    params(("user_id" = String, Path, description = "The user's id")),
    responses(
        (status = 200, description = "The usage and the limits", body = StandingJson),
        (status = 403, description = "For administrators only"),
        (status = 404, description = "The user does not exist"),
    )
)]
pub(super) async fn standing(
    site: web::Data<AppState>,
    user: AuthUser,
    path: web::Path<String>,
) -> Result<web::Json<StandingJson>, ApiError> {
    user.may(Action::Administer)?;
    let profile = site.store.user(&user_id(&path)?).await?.ok_or_else(ApiError::no_such_user)?;
    let reckoning = site.gateway.limits_of(profile.id.clone()).await;
    let (now, rates) = (site.clock.now(), site.gateway.rates());
    // A block is known to the store and to nodes that the user has connected to.
    let until = now.plus_ms(i64::from(reckoning.block_left_ms)).max(profile.blocked_until);
    let blocked = Some(until).filter(|until| *until > now);
    Ok(web::Json(StandingJson {
        user_id: profile.id.to_string(),
        requests_last_minute: reckoning.minute,
        requests_last_hour: reckoning.hour,
        requests_per_minute: rates.requests_per_minute,
        requests_per_hour: rates.requests_per_hour,
        refusals: reckoning.refusals,
        refusals_before_block: limits::REFUSALS_BEFORE_BLOCK,
        blocked_until: blocked.map(|until| until.to_string()),
        retry_after: blocked.map(|until| seconds_until(until, now)),
    }))
}

/// Lifts a user's block.
#[utoipa::path(
    delete,
    path = "/api/v1/ws/users/{user_id}/block",
    tag = "administration",
    params(("user_id" = String, Path, description = "The user's id")),
    responses(
        (status = 204, description = "The user is not blocked on any node, and the count of refusals is reset"),
        (status = 403, description = "For administrators only"),
        (status = 404, description = "The user does not exist"),
    )
)]
pub(super) async fn lift(
    site: web::Data<AppState>,
    user: AuthUser,
    path: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    user.may(Action::Administer)?;
    let profile = site.store.user(&user_id(&path)?).await?.ok_or_else(ApiError::no_such_user)?;
    to_the_end(async move {
        let at = site.clock.now();
        site.store.lift_block(&profile.id, at).await?;
        log::info!("event=block_lifted user={} by={}", logged(&profile.id), logged(user.id()));
        // Also lifts a block that could not be stored.
        site.gateway.lift_block(profile.id, at).await?;
        Ok(HttpResponse::NoContent().finish())
    })
    .await
}
