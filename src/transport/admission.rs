//! Decides whether a socket may open, and which room it joins. This happens before the upgrade is answered, and is the
//! same for owned and mounted sockets. It must either admit a session completely or refuse it with an HTTP status;
//! there is no half-open session.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use actix_http::header::{self, HeaderMap};

use crate::{
    actors::{
        access::IfMissing,
        messages::{Admission, Admit, AdmitWithProfile, Resume},
        node::Node,
        quota::UserQuota,
        session::{BoundRoom, SessionParams},
        worker::Worker,
    },
    auth::{
        policy::Subject,
        tokens::{Claims, TokenPlace, query_value},
    },
    core::profile::{Profile, Role},
    dialects::endpoints::{Endpoint, NoEndpoint},
    error::{ErrorCode, Refusal},
    ids::{Epoch, Seq},
    limits,
    store::{Access, RoomRef, Store},
};

/// A request to open a socket.
#[derive(Clone, Copy)]
pub struct UpgradeRequest<'a> {
    /// The path, still encoded.
    pub path: &'a str,
    /// The query, without `?`.
    pub query: &'a str,
    /// The headers.
    pub headers: &'a HeaderMap,
}

/// An admitted request.
pub struct Admitted {
    /// The user and the room.
    pub params: SessionParams,
    /// Where the token was found. None for an anonymous user.
    pub place: Option<TokenPlace>,
}

/// Decides whether a socket may open.
///
/// # Errors
/// The refusal to send, with the HTTP status of its code.
pub async fn admit(worker: &Worker, upgrade_request: UpgradeRequest<'_>) -> Result<Admitted, Refusal> {
    // A right that is revoked after this moment may be missing from the data read below.
    let checked_from = Instant::now();
    let endpoint = Endpoint::of_path(upgrade_request.path).map_err(|why| match why {
        NoEndpoint::Unknown => Refusal::new(
            ErrorCode::NotFound,
            "There is no WebSocket endpoint at this address; see the protocol reference",
        ),
        NoEndpoint::NoSuchRoom => Refusal::new(ErrorCode::RoomNotFound, "There is no such room; check the id"),
    })?;
    check_origin(worker, upgrade_request.headers)?;
    let identified = worker.node.verifier.identify(upgrade_request.query, upgrade_request.headers)?;
    let resume = resume_of(upgrade_request.query)?;
    let claims = identified.claims;
    check_named_user(&endpoint, upgrade_request.query, &claims)?;
    let params = session_params(worker, claims, &endpoint, resume, checked_from).await?;
    Ok(Admitted { params, place: identified.place })
}

/// Decides whether a socket may become a session whose token came after the upgrade.
///
/// # Errors
/// The refusal to send before the socket is closed.
pub(super) async fn admit_with_token(
    worker: &Worker,
    endpoint: &Endpoint,
    token: &str,
) -> Result<SessionParams, Refusal> {
    let checked_from = Instant::now();
    let claims = worker.node.verifier.verify(token)?;
    session_params(worker, claims, endpoint, None, checked_from).await
}

async fn session_params(
    worker: &Worker,
    claims: Claims,
    endpoint: &Endpoint,
    resume: Option<Resume>,
    checked_from: Instant,
) -> Result<SessionParams, Refusal> {
    let (profile, quota) = welcome(worker, &claims).await?;
    let access = authorise(&worker.node, &claims, &profile, endpoint).await?;
    let binding =
        access.map(|access| BoundRoom { role: access.right.document_role(), room: Arc::new(access.identity), resume });
    let dialect = endpoint.dialect();
    let (role, confined) = (role_of(&claims, &profile), claims.rooms.map(Into::into));
    Ok(SessionParams {
        role,
        profile,
        quota,
        dialect,
        expires_at: claims.expires_at,
        issued_at: claims.issued_at,
        checked_from,
        confined,
        binding,
    })
}

/// Refuses pages of other sites, which could act with the rights of their visitor. A request without `Origin` does not
/// come from a page.
pub(super) fn check_origin(worker: &Worker, headers: &HeaderMap) -> Result<(), Refusal> {
    let Some(origin) = headers.get(header::ORIGIN) else { return Ok(()) };
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    let allowed = origin.to_str().is_ok_and(|origin| worker.node.config.listen.origins.allow(origin, host));
    let sentence = "Pages of this origin may not connect; the operator can allow it with ALLOWED_ORIGINS";
    if allowed { Ok(()) } else { Err(Refusal::new(ErrorCode::PermissionDenied, sentence)) }
}

/// Refuses a nexus socket whose address names another user than the token.
fn check_named_user(endpoint: &Endpoint, query: &str, claims: &Claims) -> Result<(), Refusal> {
    let named = match endpoint {
        Endpoint::Nexus => query_value(query, "user_id"),
        Endpoint::Channel(_)
        | Endpoint::Direct(_)
        | Endpoint::Workspace
        | Endpoint::Metaverse
        | Endpoint::Yjs(_)
        | Endpoint::Hocuspocus
        | Endpoint::Canvas(_) => None,
    };
    match named {
        Some(named) if named != claims.user.as_str() => {
            let sentence = "`user_id` is not the user of the token; leave it out, or send a token of that user";
            Err(Refusal::new(ErrorCode::PermissionDenied, sentence))
        }
        Some(_) | None => Ok(()),
    }
}

/// Reads `since`, a number, and `epoch`, which is opaque to clients. An epoch that we did not issue counts as a
/// different epoch, not as an error.
fn resume_of(query: &str) -> Result<Option<Resume>, Refusal> {
    let since = match query_value(query, "since").as_deref() {
        None | Some("") => return Ok(None),
        Some(text) => text.parse::<i64>().map(Seq).map_err(|_| {
            let sentence = "`since` is not a whole number; send the last `seq` that you received, or omit it";
            Refusal::new(ErrorCode::InvalidMessage, sentence)
        })?,
    };
    let epoch = query_value(query, "epoch").filter(|text| !text.is_empty());
    let epoch = epoch.map(|text| text.parse().map_or(Epoch::NONE, Epoch));
    Ok(Some(Resume { since, epoch }))
}

type Welcome = (Arc<Profile>, Arc<UserQuota>);

/// Asks the registry, which knows the user's sockets, rate limits and revocations.
async fn welcome(worker: &Worker, claims: &Claims) -> Result<Welcome, Refusal> {
    let registry = &worker.node.registry;
    let ask = Admit { user: claims.user.clone(), issued_at: claims.issued_at };
    let answer = registry.send(ask.clone()).timeout(limits::ASK_TIMEOUT).await;
    let answer = match answer {
        Ok(Admission::Unknown) => {
            let profile = profile_of(&worker.node.store, claims).await?;
            registry.send(AdmitWithProfile { profile, admit: ask }).timeout(limits::ASK_TIMEOUT).await
        }
        answer => answer,
    };
    let node = &worker.node;
    if let Some(banned) = node.moderation.ban(&claims.user, None, node.clock.now()) {
        return Err(banned);
    }
    let sentence = match answer {
        Ok(Admission::Welcome { profile, quota }) => return Ok((profile, quota)),
        Ok(Admission::Revoked) => {
            let sentence = "This token was revoked; sign in again";
            return Err(Refusal::new(ErrorCode::AuthenticationFailed, sentence));
        }
        Ok(Admission::Blocked { retry_after_seconds }) => {
            let sentence = "Blocked for exceeding the rate limit; try again when the block is over";
            return Err(Refusal::limited(sentence, retry_after_seconds));
        }
        Ok(Admission::Full) => "This node has reached its connection limit; try again later, or use another node",
        Ok(Admission::Draining) => "This node is shutting down; reconnect to reach another one",
        Ok(Admission::Unknown) | Err(_) => {
            "The server is too busy to accept this connection; try again in a few seconds"
        }
    };
    let seconds = u32::try_from(Duration::from_secs(2).as_secs()).unwrap_or(1);
    Err(Refusal { retry_after_seconds: Some(seconds), ..Refusal::new(ErrorCode::ServiceUnavailable, sentence) })
}

async fn profile_of(store: &Store, claims: &Claims) -> Result<Profile, Refusal> {
    store.provision_as_said(&claims.token_user(), claims.claimed_profile()).await.map_err(Refusal::from)
}

/// The stored role or that of the token, whichever is higher.
fn role_of(claims: &Claims, profile: &Profile) -> Role {
    if claims.role == Some(Role::Admin) { Role::Admin } else { profile.role }
}

/// Finds the room that the address names, if any, and checks the user's right to it.
async fn authorise(
    node: &Node,
    claims: &Claims,
    profile: &Profile,
    endpoint: &Endpoint,
) -> Result<Option<Access>, Refusal> {
    let role = role_of(claims, profile);
    let subject = Subject { user: &profile.id, role, rooms: claims.rooms.as_deref() };
    let (room, missing) = match endpoint {
        Endpoint::Channel(room) => (RoomRef::Channel(*room), IfMissing::Refuse),
        Endpoint::Direct(partner) => (RoomRef::Direct(partner.clone()), IfMissing::Refuse),
        Endpoint::Canvas(canvas) => (RoomRef::Canvas(*canvas), IfMissing::Refuse),
        Endpoint::Yjs(document) => (RoomRef::Document(document.clone()), IfMissing::Make),
        Endpoint::Workspace | Endpoint::Nexus | Endpoint::Metaverse | Endpoint::Hocuspocus => return Ok(None),
    };
    node.enter(subject, &room, missing).await.map(Some)
}
