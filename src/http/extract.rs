//! Extracts typed values from requests: the user, the client address, and the fields of the body. A handler must never
//! parse a token or a body itself.

use std::{
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
};

use actix_web::{
    FromRequest, HttpMessage, HttpRequest,
    dev::Payload,
    http::header::{HeaderMap, X_FORWARDED_FOR},
    web,
};
use futures_util::future::LocalBoxFuture;
use serde_json::{Value, value::RawValue};

use super::{ApiError, AppState, fields::Fields};
use crate::{
    actors::{moderation::Moderation, node::Clock},
    auth::{
        policy::{Action, Subject, may},
        tokens::{Claims, TokenFault},
    },
    config::TrustedProxies,
    core::{
        command::RawJson,
        profile::{Profile, Role},
    },
    error::ErrorCode,
    ids::{GroupId, RoomId, UserId},
    limits,
    store::Access,
};

/// The authenticated user of a request: the token is valid, the profile is stored, and nothing is revoked.
pub(super) struct AuthUser {
    pub(super) profile: Profile,
    /// The higher of the stored role and the token's role.
    pub(super) role: Role,
    claims: Claims,
    moderation: Arc<Moderation>,
    /// Whether administration is served at another address only.
    administers_elsewhere: bool,
}

impl AuthUser {
    /// Checks whether this user may do something.
    pub(super) fn may(&self, action: Action<'_>) -> Result<(), ApiError> {
        may(self.subject(), action)?;
        if self.administers_elsewhere && matches!(action, Action::Administer) {
            return Err(ApiError::administered_elsewhere());
        }
        Ok(())
    }

    /// Checks whether this user may enter a room.
    pub(super) fn may_enter(&self, room: &Access) -> Result<(), ApiError> {
        if let Some(banned) = self.moderation.ban(self.id(), Some(room.identity.id), Clock.now()) {
            return Err(banned.into());
        }
        self.may(Action::Enter { room: &room.identity, right: room.right })
    }

    /// The subject for the policy.
    pub(super) fn subject(&self) -> Subject<'_> {
        Subject { user: &self.profile.id, role: self.role, rooms: self.claims.rooms.as_deref() }
    }

    pub(super) fn id(&self) -> &UserId {
        &self.profile.id
    }
}

impl FromRequest for AuthUser {
    type Error = ApiError;
    type Future = LocalBoxFuture<'static, Result<AuthUser, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move {
            let site = site(&request)?;
            let claims = site.verifier.identify(request.query_string(), request.headers())?.claims;
            site.charge(&claims.user, request.method())?;
            let profile = site.store.provision_as_said(&claims.token_user(), claims.claimed_profile()).await?;
            if claims.is_void(profile.tokens_not_before) {
                return Err(TokenFault::Revoked.into());
            }
            let moderation = site.gateway.moderation();
            if let Some(banned) = moderation.ban(&profile.id, None, Clock.now()) {
                return Err(banned.into());
            }
            let role = if claims.role == Some(Role::Admin) { Role::Admin } else { profile.role };
            let administers_elsewhere = site.refuses_administration(&request);
            Ok(AuthUser { profile, role, claims, moderation, administers_elsewhere })
        })
    }
}

/// An administrator and the body. The body is read only after the role has been checked, so that other users get the
/// same refusal whatever they send.
pub(super) struct Administrator<B> {
    pub(super) user: AuthUser,
    pub(super) body: B,
}

impl<B: FromRequest<Error = ApiError> + 'static> FromRequest for Administrator<B> {
    type Error = ApiError;
    type Future = LocalBoxFuture<'static, Result<Administrator<B>, ApiError>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let user = AuthUser::from_request(request, payload);
        let (request, mut payload) = (request.clone(), payload.take());
        Box::pin(async move {
            let user = user.await?;
            user.may(Action::Administer)?;
            let body = B::from_request(&request, &mut payload).await?;
            Ok(Administrator { user, body })
        })
    }
}

/// The address that limits are counted by: the peer's, or the one that a trusted proxy reports.
pub(super) struct ClientAddress(pub(super) IpAddr);

impl FromRequest for ClientAddress {
    type Error = ApiError;
    type Future = std::future::Ready<Result<ClientAddress, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        std::future::ready(site(request).map(|site| {
            let peer = request.peer_addr().map(|peer| peer.ip());
            ClientAddress(client_address(&site.config.listen.proxies, peer, request.headers()))
        }))
    }
}

/// Without a peer address, as in tests and on Unix sockets, all clients count as one.
pub(super) fn client_address(proxies: &TrustedProxies, peer: Option<IpAddr>, headers: &HeaderMap) -> IpAddr {
    let peer = peer.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
    // A value that is not text ends the chain, like any other hop that is not an address.
    let hops: Vec<&str> = headers.get_all(X_FORWARDED_FOR).map(|value| value.to_str().unwrap_or("?")).collect();
    proxies.client_address(peer, hops.into_iter())
}

/// A body as JSON or as a form, of bounded size.
pub(super) struct Body(pub(super) Fields);

impl FromRequest for Body {
    type Error = ApiError;
    type Future = LocalBoxFuture<'static, Result<Body, ApiError>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let is_form = request.content_type().eq_ignore_ascii_case("application/x-www-form-urlencoded");
        let (site, payload) = (site(request), web::Payload::from_request(request, payload));
        Box::pin(async move {
            let bytes = bounded(payload, limits::REST_BODY_BYTES_MAX, &*site?).await?;
            // `curl -d` labels every body as a form, but no form begins with a brace.
            let is_form = is_form && bytes.trim_ascii_start().first() != Some(&b'{');
            let fields = if is_form { Fields::from_form(&bytes)? } else { Fields::from_json(&bytes)? };
            Ok(Body(fields))
        })
    }
}

/// A JSON object that is passed on unchanged, bounded in size and depth for the sake of the receiving clients.
pub(super) struct JsonObject(pub(super) RawJson);

impl FromRequest for JsonObject {
    type Error = ApiError;
    type Future = LocalBoxFuture<'static, Result<JsonObject, ApiError>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (site, payload) = (site(request), web::Payload::from_request(request, payload));
        Box::pin(async move {
            let bytes = bounded(payload, limits::MESSAGE_CHARS_MAX, &*site?).await?;
            json_object(&bytes).map(JsonObject)
        })
    }
}

fn json_object(bytes: &[u8]) -> Result<RawJson, ApiError> {
    let wrong = |why: serde_json::Error| {
        ApiError::new(ErrorCode::InvalidJson, format!("The body is not JSON ({why}); send a JSON object"))
    };
    let value: Value = serde_json::from_slice(bytes).map_err(wrong)?;
    if !value.is_object() {
        return Err(ApiError::new(ErrorCode::InvalidMessage, "The body must be a JSON object; wrap the value in one"));
    }
    // One level is needed for the enclosing message.
    let depth_max = limits::JSON_DEPTH_MAX - 1;
    if depth(&value) > depth_max {
        let sentence = format!("The body is nested deeper than {depth_max} levels; flatten it");
        return Err(ApiError::new(ErrorCode::InvalidJson, sentence));
    }
    let text: &RawValue = serde_json::from_slice(bytes).map_err(wrong)?;
    Ok(RawJson::from_parsed(text.get()))
}

/// The nesting depth. The recursion is bounded, because the parser bounds it.
pub(super) fn depth(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 0,
        Value::Array(values) => 1 + values.iter().map(depth).max().unwrap_or_default(),
        Value::Object(fields) => 1 + fields.values().map(depth).max().unwrap_or_default(),
    }
}

async fn bounded(
    payload: impl Future<Output = Result<web::Payload, actix_web::Error>>,
    bytes_max: usize,
    site: &AppState,
) -> Result<web::Bytes, ApiError> {
    let broken = || ApiError::new(ErrorCode::InvalidMessage, "The body did not arrive completely; send it again");
    let payload = payload.await.map_err(|_| broken())?;
    let most = site.config.budgets.body_timeout;
    let read = tokio::time::timeout(most, payload.to_bytes_limited(bytes_max)).await;
    let bytes = read.map_err(|_| ApiError::slow_body(most))?.map_err(|_| {
        let most = bytes_max / 1024;
        ApiError::new(ErrorCode::MessageTooLong, format!("The body exceeds {most} KiB; send a shorter one"))
    })?;
    bytes.map_err(|_| broken())
}

fn site(request: &HttpRequest) -> Result<web::Data<AppState>, ApiError> {
    let site = request.app_data::<web::Data<AppState>>().cloned();
    site.ok_or_else(|| {
        log::error!("event=site_missing path={}", request.path());
        crate::error::Refusal::internal().into()
    })
}

/// Parses an id in a path. A malformed id is answered like an unknown one.
pub(super) fn group_id(text: &str) -> Result<GroupId, ApiError> {
    text.parse().map_err(|_| ApiError::no_such_group())
}

/// See [`group_id`].
pub(super) fn channel_id(text: &str) -> Result<RoomId, ApiError> {
    text.parse().map_err(|_| ApiError::no_such_channel())
}

/// See [`group_id`].
pub(super) fn user_id(text: &str) -> Result<UserId, ApiError> {
    UserId::new(text).map_err(|_| ApiError::no_such_user())
}
