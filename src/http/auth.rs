//! `/api/auth`: registration, sign-in, and tokens. Errors of a sign-in must not reveal which accounts exist.

use std::time::Duration;

use actix_web::{HttpResponse, http::Method, web};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    ApiError, AppState,
    extract::{Administrator, AuthUser, Body, ClientAddress, user_id},
    fields::{email, username},
    openapi::{bodies, schemas},
    resource,
};
use crate::{
    auth::{
        passwords::Match,
        tokens::{RefreshClaims, TokenFault},
    },
    core::profile::{Profile, Role},
    error::ErrorCode,
    ids::{Timestamp, TokenId},
    limits,
    logged::logged,
    names,
    store::{NewUser, RefreshRecord, RefreshUse, TokenUser},
};

pub(super) fn configure(config: &mut web::ServiceConfig) {
    config
        .service(resource("/api/auth/register", [(Method::POST, web::to(register))]))
        .service(resource("/api/auth/login", [(Method::POST, web::to(login))]))
        .service(resource("/api/auth/refresh", [(Method::POST, web::to(refresh))]))
        .service(resource("/api/auth/logout", [(Method::POST, web::to(logout))]))
        .service(resource("/api/auth/revoke", [(Method::POST, web::to(revoke))]))
        .service(resource("/api/auth/me", [(Method::GET, web::to(me))]));
}

/// A user, as returned to that user.
#[derive(Serialize, ToSchema)]
#[schema(as = User)]
pub(super) struct UserJson {
    #[schema(schema_with = schemas::user_id)]
    id: String,
    /// For clients that need integers. It never changes.
    number: i64,
    username: String,
    /// Null for users of another issuer that provides no e-mail address.
    email: Option<String>,
    display_name: String,
    #[schema(schema_with = schemas::role)]
    role: &'static str,
    #[schema(schema_with = schemas::timestamp)]
    created_at: String,
}

impl UserJson {
    fn new(profile: &Profile, role: Role) -> UserJson {
        UserJson {
            id: profile.id.to_string(),
            number: profile.number,
            username: profile.username.to_string(),
            email: profile.email.clone(),
            display_name: profile.display_name.clone(),
            role: role.name(),
            created_at: profile.created_at.to_string(),
        }
    }
}

/// The response to signing in and refreshing.
#[derive(Serialize, ToSchema)]
#[schema(as = Session)]
pub(super) struct SessionJson {
    access_token: String,
    /// Can be used once; refreshing returns the next one. A repeated request within a few seconds succeeds as well.
    refresh_token: String,
    #[schema(schema_with = schemas::bearer_word)]
    token_type: &'static str,
    /// The lifetime of the access token in seconds.
    expires_in: u64,
    user: UserJson,
}

#[utoipa::path(post, path = "/api/auth/register", tag = "accounts", summary = "Register an account", security(()),
    request_body = bodies::Registration,
    responses(
        (status = 201, description = "The new user", body = UserJson),
        (status = 409, description = "The username or the e-mail address is taken"),
        (status = 429, description = "Too many registrations from this address"),
    ))]
pub(super) async fn register(
    site: web::Data<AppState>,
    address: ClientAddress,
    Body(fields): Body,
) -> Result<HttpResponse, ApiError> {
    let username = username(&fields)?;
    let email = email(&fields)?;
    let password = fields.secret("password", limits::PASSWORD_CHARS)?;
    let display_name = fields.optional_line("display_name", 0..=limits::DISPLAY_NAME_CHARS_MAX)?;
    let attempt = site.limiters().registrations.attempt(address.0, site.clock.now());
    attempt.map_err(|again| ApiError::limited("registrations", again))?;

    if let Some(simpler) = names::taken_for(&username)
        && site.store.user_by_name(&simpler).await?.is_some()
    {
        let sentence = "This username looks too similar to another user's; choose another one";
        return Err(ApiError::new(ErrorCode::Conflict, sentence));
    }
    let user = NewUser {
        display_name: display_name.filter(|name| !name.is_empty()).unwrap_or_else(|| username.clone()),
        password_hash: site.passwords.hash(password).await?,
        email: Some(email),
        username,
    };
    let profile = site.store.create_user(user).await?;
    log::info!("event=user_registered user={} address={}", logged(&profile.id), address.0);
    Ok(HttpResponse::Created().json(UserJson::new(&profile, profile.role)))
}

#[utoipa::path(post, path = "/api/auth/login", tag = "accounts", summary = "Sign in", security(()),
    request_body(content((bodies::SignIn = "application/json"), (bodies::SignIn = "application/x-www-form-urlencoded"))),
    responses(
        (status = 200, description = "Tokens", body = SessionJson),
        (status = 401, description = "The username or the password is wrong"),
        (status = 429, description = "Too many sign-in attempts from this address"),
    ))]
pub(super) async fn login(
    site: web::Data<AppState>,
    address: ClientAddress,
    Body(fields): Body,
) -> Result<web::Json<SessionJson>, ApiError> {
    let name_chars = 1..=limits::EMAIL_CHARS_MAX;
    let name = match fields.optional_line("username", name_chars.clone())? {
        Some(name) => name,
        None => fields.optional_line("email", name_chars)?.ok_or_else(|| {
            ApiError::field("username", "is missing; send the username or the email with the password")
        })?,
    };
    // A password below the minimum length is wrong rather than malformed, because old accounts may have one.
    let password = fields.secret("password", 1..=*limits::PASSWORD_CHARS.end())?;
    let attempt = site.limiters().logins.attempt(address.0, site.clock.now());
    attempt.map_err(|again| ApiError::limited("attempts to sign in", again))?;

    let (profile, hash) = site.store.credentials(&name).await?.unzip();
    let matched = site.passwords.check(password, hash.flatten()).await?;
    let Some(profile) = profile.filter(|_| matched == Match::Right) else {
        log::info!("event=login_failed address={}", address.0);
        return Err(wrong_login());
    };
    log::info!("event=login user={} address={}", logged(&profile.id), address.0);
    let now = site.clock.now();
    let record = fresh_record(&site, &profile, now, Uuid::now_v7());
    let answer = session(&site, &profile, &record, now)?;
    site.store.save_refresh(&record).await?;
    Ok(web::Json(answer))
}

/// One error for all failed sign-ins, so that it does not reveal which accounts exist.
fn wrong_login() -> ApiError {
    ApiError::new(ErrorCode::AuthenticationFailed, "The username or the password is wrong; check both and try again")
}

#[utoipa::path(post, path = "/api/auth/refresh", tag = "accounts", summary = "Exchange a refresh token for new tokens; it can be used once", security(()),
    request_body = bodies::RefreshToken,
    responses(
        (status = 200, description = "Tokens", body = SessionJson),
        (status = 401, description = "The token is invalid, or it was used before and its session has ended"),
    ))]
pub(super) async fn refresh(site: web::Data<AppState>, Body(fields): Body) -> Result<web::Json<SessionJson>, ApiError> {
    let claims = refresh_claims(&site, &fields.secret("refresh_token", 1..=limits::TOKEN_BYTES_MAX)?)?;
    let profile = site.store.user(&claims.user).await?.ok_or(TokenFault::Revoked)?;
    if claims.issued_at < profile.tokens_not_before {
        return Err(TokenFault::Revoked.into());
    }
    let now = site.clock.now();
    let successor = fresh_record(&site, &profile, now, claims.family);
    let answer = session(&site, &profile, &successor, now)?;
    match site.store.use_refresh(claims.id, &successor).await? {
        RefreshUse::Rotated => Ok(web::Json(answer)),
        RefreshUse::Reused => {
            log::warn!("event=refresh_reused user={} family={}", logged(&claims.user), claims.family);
            let sentence = "The refresh token was already used, so its session has ended; sign in again";
            Err(ApiError::new(ErrorCode::AuthenticationFailed, sentence))
        }
        RefreshUse::Unknown => Err(TokenFault::Revoked.into()),
    }
}

#[utoipa::path(post, path = "/api/auth/logout", tag = "accounts", summary = "Sign out: end the session that a refresh token belongs to", security(()),
    request_body = bodies::RefreshToken,
    responses(
        (status = 204, description = "Ended"),
        (status = 401, description = "The token is invalid"),
    ))]
pub(super) async fn logout(site: web::Data<AppState>, Body(fields): Body) -> Result<HttpResponse, ApiError> {
    match site.verifier.verify_refresh(&fields.secret("refresh_token", 1..=limits::TOKEN_BYTES_MAX)?) {
        Ok(claims) => site.store.end_refresh_family(claims.id).await?,
        // Its session has already ended.
        Err(TokenFault::Expired) => {}
        Err(fault) => return Err(fault.into()),
    }
    Ok(HttpResponse::NoContent().finish())
}

#[utoipa::path(get, path = "/api/auth/me", tag = "accounts", summary = "Get the current user",
    responses(
        (status = 200, description = "The user", body = UserJson),
    ))]
pub(super) async fn me(user: AuthUser) -> web::Json<UserJson> {
    web::Json(UserJson::new(&user.profile, user.role))
}

#[utoipa::path(post, path = "/api/auth/revoke", tag = "accounts", summary = "Revoke all tokens of a user and close the user's sockets (administrators)",
    request_body = bodies::Revocation,
    responses(
        (status = 204, description = "Done"),
        (status = 403, description = "For administrators only"),
        (status = 404, description = "The user does not exist"),
    ))]
pub(super) async fn revoke(
    site: web::Data<AppState>,
    Administrator { user, body: Body(fields) }: Administrator<Body>,
) -> Result<HttpResponse, ApiError> {
    let revoked = user_id(&fields.line("user_id", 1..=limits::USER_ID_CHARS_MAX)?)?;
    let now = site.clock.now();
    log::info!("event=tokens_revoked user={revoked} by={}", logged(user.id()), revoked = logged(&revoked));
    super::to_the_end(async move {
        let before = site.store.void_tokens(&revoked, now).await?.ok_or_else(ApiError::no_such_user)?;
        site.gateway.revoke_user(revoked, before).await?;
        Ok(HttpResponse::NoContent().finish())
    })
    .await
}

fn refresh_claims(site: &AppState, token: &str) -> Result<RefreshClaims, ApiError> {
    Ok(site.verifier.verify_refresh(token)?)
}

fn fresh_record(site: &AppState, profile: &Profile, now: Timestamp, family: Uuid) -> RefreshRecord {
    RefreshRecord {
        id: TokenId::generate(),
        family,
        user: profile.id.clone(),
        expires_at: after(now, site.config.auth.refresh_token_lifetime),
    }
}

fn session(
    site: &AppState,
    profile: &Profile,
    record: &RefreshRecord,
    now: Timestamp,
) -> Result<SessionJson, ApiError> {
    let lifetime = site.config.auth.access_token_lifetime;
    // The clock of the node that revoked may be ahead of ours. New tokens must be dated after the revocation.
    let issued = now.max(profile.tokens_not_before);
    let user = TokenUser {
        id: profile.id.clone(),
        username: Some(profile.username.to_string()),
        email: profile.email.clone(),
        display_name: Some(profile.display_name.clone()),
    };
    Ok(SessionJson {
        access_token: site.signer.access(&user, profile.role, issued, after(now, lifetime))?,
        refresh_token: site.signer.refresh(record, issued)?,
        token_type: "bearer",
        expires_in: lifetime.as_secs(),
        user: UserJson::new(profile, profile.role),
    })
}

fn after(now: Timestamp, span: Duration) -> Timestamp {
    now.plus_ms(i64::try_from(span.as_millis()).unwrap_or(i64::MAX))
}
