//! Tokens: finding them in a request, their claims, verifying and signing them. A token is a JSON Web Token (RFC 7519).
//! docs/protocol.md, Authentication, lists the claims. Tokens must never be logged.

use std::{borrow::Cow, fmt};

use actix_http::header::{AUTHORIZATION, HeaderMap, SEC_WEBSOCKET_PROTOCOL};
use jsonwebtoken::{Algorithm, EncodingKey, Header, decode, encode, errors::ErrorKind};
use serde::{
    Deserialize, Deserializer, Serialize,
    de::{DeserializeOwned, Visitor},
};
use uuid::Uuid;

use super::{
    keys::{VerificationKeys, signing_key},
    policy::RoomPattern,
};
use crate::{
    config::{Anonymous, Auth, ConfigError, Secret},
    core::profile::Role,
    error::{ErrorCode, Refusal},
    ids::{Timestamp, TokenId, UserId},
    limits,
    store::{ClaimedProfile, RefreshRecord, TokenUser},
};

// ---- finding a token ----

/// A token and where it was found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FoundToken {
    /// The token, not verified yet.
    pub token: String,
    /// Where it was found.
    pub place: TokenPlace,
}

/// The places where a token is searched, in this order.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TokenPlace {
    /// `?token=`
    Query,
    /// `Authorization: Bearer …`
    Header,
    /// `Sec-WebSocket-Protocol: bearer, …`. The handshake must select the protocol `bearer`.
    Subprotocol,
}

/// The first token in the query, the headers, or the offered subprotocols. `query` has no question mark.
pub fn find_token(query: &str, headers: &HeaderMap) -> Option<FoundToken> {
    let found = |place| move |token: Cow<'_, str>| FoundToken { token: token.into_owned(), place };
    query_value(query, "token")
        .map(found(TokenPlace::Query))
        .or_else(|| bearer(headers).map(Cow::from).map(found(TokenPlace::Header)))
        .or_else(|| subprotocol(headers).map(Cow::from).map(found(TokenPlace::Subprotocol)))
}

/// The decoded value of a query parameter. An empty value counts as absent.
pub fn query_value<'a>(query: &'a str, name: &str) -> Option<Cow<'a, str>> {
    let pair = query.split('&').find(|pair| pair.split('=').next() == Some(name))?;
    let value = pair.split_once('=')?.1;
    if value.is_empty() {
        return None;
    }
    if !value.contains(['%', '+']) {
        return Some(value.into());
    }
    let decoded: Vec<(String, String)> = serde_urlencoded::from_str(pair).ok()?;
    decoded.into_iter().next().map(|(_, value)| value.into())
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

fn subprotocol(headers: &HeaderMap) -> Option<&str> {
    let mut offered = headers
        .get_all(SEC_WEBSOCKET_PROTOCOL)
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim);
    offered.find(|name| name.eq_ignore_ascii_case("bearer"))?;
    offered.next().filter(|token| !token.is_empty())
}

// ---- claims ----

/// The claims of a valid access token.
#[derive(Clone, PartialEq, Debug)]
pub struct Claims {
    /// `sub`.
    pub user: UserId,
    /// `exp`.
    pub expires_at: Timestamp,
    /// `iat`, if the issuer sets it.
    pub issued_at: Option<Timestamp>,
    /// `username`.
    pub username: Option<String>,
    /// `email`.
    pub email: Option<String>,
    /// `display_name`.
    pub display_name: Option<String>,
    /// When another issuer made the profile claims. None in our own tokens, which only repeat stored values.
    pub said_at: Option<Timestamp>,
    /// `role`. An unknown role counts as absent.
    pub role: Option<Role>,
    /// `rooms`: the only rooms that the token gives access to.
    pub rooms: Option<Vec<RoomPattern>>,
}

impl Claims {
    /// The data for provisioning a user at first sight.
    pub fn token_user(&self) -> TokenUser {
        TokenUser {
            id: self.user.clone(),
            username: self.username.clone(),
            email: self.email.clone(),
            display_name: self.display_name.clone(),
        }
    }

    /// The current profile according to the user's own issuer, for updating a known user.
    pub fn claimed_profile(&self) -> Option<ClaimedProfile> {
        let (display_name, email) = (self.display_name.clone(), self.email.clone());
        self.said_at.map(|at| ClaimedProfile { display_name, email, at })
    }

    /// Whether the token was issued before all tokens of this user were revoked. Without an issue time it counts as
    /// issued before.
    pub fn is_void(&self, tokens_not_before: Timestamp) -> bool {
        let never_revoked = tokens_not_before == Timestamp::default();
        !never_revoked && self.issued_at.is_none_or(|issued_at| issued_at < tokens_not_before)
    }

    fn anonymous(user: UserId) -> Claims {
        Claims {
            user,
            expires_at: Timestamp { unix_ms: i64::MAX },
            issued_at: None,
            username: None,
            email: None,
            display_name: None,
            said_at: None,
            role: None,
            rooms: None,
        }
    }
}

/// The claims of a valid refresh token.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RefreshClaims {
    /// `sub`.
    pub user: UserId,
    /// `jti`.
    pub id: TokenId,
    /// `fam`: the login that it derives from.
    pub family: Uuid,
    /// `iat`.
    pub issued_at: Timestamp,
}

/// Why a token is rejected.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum TokenFault {
    /// There is no token.
    #[error("A token is needed; sign in, and send it as Authorization: Bearer, as ?token= or as a subprotocol")]
    Missing,
    /// Not a token, or one without `sub` or `exp`.
    #[error("The token is malformed; sign in again for a new one")]
    Malformed,
    /// Tampered with, or signed with another key or algorithm.
    #[error("The token is not signed by a key that this server trusts; sign in again for a new one")]
    BadSignature,
    /// `exp` has passed.
    #[error("The token has expired; refresh it or sign in again")]
    Expired,
    /// `nbf` is in the future.
    #[error("The token is not valid yet; check the clocks, or wait")]
    NotYetValid,
    /// `iss` does not match.
    #[error("The token comes from another issuer; sign in with the one that this server trusts")]
    WrongIssuer,
    /// `aud` does not match.
    #[error("The token is for another service; request one for this server")]
    WrongAudience,
    /// A refresh token instead of an access token, or the other way round.
    #[error("Wrong kind of token; refresh tokens are only for /api/auth/refresh, access tokens for everything else")]
    WrongKind,
    /// All tokens of the user issued up to then were revoked.
    #[error("The token has been revoked; sign in again")]
    Revoked,
}

impl From<TokenFault> for Refusal {
    fn from(fault: TokenFault) -> Refusal {
        Refusal::new(ErrorCode::AuthenticationFailed, fault.to_string())
    }
}

impl From<jsonwebtoken::errors::Error> for TokenFault {
    fn from(error: jsonwebtoken::errors::Error) -> TokenFault {
        match error.kind() {
            ErrorKind::InvalidSignature | ErrorKind::InvalidAlgorithm | ErrorKind::UnsupportedAlgorithm => {
                TokenFault::BadSignature
            }
            ErrorKind::ExpiredSignature => TokenFault::Expired,
            ErrorKind::ImmatureSignature => TokenFault::NotYetValid,
            ErrorKind::InvalidIssuer => TokenFault::WrongIssuer,
            ErrorKind::InvalidAudience => TokenFault::WrongAudience,
            ErrorKind::MissingRequiredClaim(claim) if claim == "iss" => TokenFault::WrongIssuer,
            ErrorKind::MissingRequiredClaim(claim) if claim == "aud" => TokenFault::WrongAudience,
            _other => TokenFault::Malformed,
        }
    }
}

// ---- wire format ----

/// Seconds since 1970, possibly with a fraction (RFC 7519 section 2, NumericDate).
#[derive(Clone, Copy)]
struct NumericDate(Timestamp);

impl<'de> Deserialize<'de> for NumericDate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<NumericDate, D::Error> {
        struct Seconds;

        impl Visitor<'_> for Seconds {
            type Value = NumericDate;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("seconds since 1970")
            }

            fn visit_u64<E>(self, seconds: u64) -> Result<NumericDate, E> {
                let seconds = i64::try_from(seconds).unwrap_or(i64::MAX);
                Ok(NumericDate(Timestamp::from_unix_seconds(seconds)))
            }

            fn visit_i64<E>(self, seconds: i64) -> Result<NumericDate, E> {
                Ok(NumericDate(Timestamp::from_unix_seconds(seconds)))
            }

            fn visit_f64<E>(self, seconds: f64) -> Result<NumericDate, E> {
                // A cast from f64 saturates, so every value is defined.
                Ok(NumericDate(Timestamp { unix_ms: (seconds * 1000.0).round() as i64 }))
            }
        }

        deserializer.deserialize_any(Seconds)
    }
}

#[derive(Deserialize)]
struct AccessWire {
    sub: UserId,
    exp: NumericDate,
    iat: Option<NumericDate>,
    username: Option<String>,
    email: Option<String>,
    display_name: Option<String>,
    role: Option<String>,
    rooms: Option<Vec<RoomPattern>>,
    typ: Option<String>,
}

#[derive(Deserialize)]
struct RefreshWire {
    sub: UserId,
    iat: NumericDate,
    typ: String,
    jti: TokenId,
    fam: Uuid,
}

/// The claims that both kinds of our own tokens share.
#[derive(Serialize)]
struct Signed<'a, T> {
    sub: &'a UserId,
    exp: i64,
    /// With milliseconds, so that a revocation can distinguish tokens of the same second.
    iat: f64,
    typ: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    iss: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    aud: Option<&'a str>,
    #[serde(flatten)]
    rest: T,
}

#[derive(Serialize)]
struct AccessRest<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    username: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    email: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    display_name: Option<&'a str>,
    role: &'static str,
}

#[derive(Serialize)]
struct RefreshRest {
    jti: TokenId,
    fam: Uuid,
}

const ACCESS: &str = "access";
const REFRESH: &str = "refresh";
/// The `typ` claim that identity providers use in access tokens.
const BEARER: &str = "bearer";

// ---- verifying ----

/// Verifies tokens. It runs on every connect, so everything that does not depend on the token is prepared once.
pub struct Verifier {
    keys: VerificationKeys,
    anonymous: Anonymous,
}

/// Verified claims and where the token was found. The place is None for an anonymous user.
#[derive(Clone, PartialEq, Debug)]
pub struct Identified {
    /// The claims.
    pub claims: Claims,
    /// Where the token was found.
    pub place: Option<TokenPlace>,
}

impl Verifier {
    /// Creates a verifier with the keys and rules of a configuration.
    pub fn new(auth: &Auth, secret: &Secret) -> Result<Verifier, ConfigError> {
        Ok(Verifier { keys: VerificationKeys::new(auth, secret)?, anonymous: auth.anonymous })
    }

    /// Identifies the sender of a request by its token, or by `?user_id=` if anonymous users are allowed.
    pub fn identify(&self, query: &str, headers: &HeaderMap) -> Result<Identified, TokenFault> {
        if let Some(found) = find_token(query, headers) {
            return Ok(Identified { claims: self.verify(&found.token)?, place: Some(found.place) });
        }
        match self.anonymous {
            Anonymous::Refused => Err(TokenFault::Missing),
            Anonymous::Accepted => {
                let user = query_value(query, "user_id").ok_or(TokenFault::Missing)?;
                let user = UserId::new(&*user).map_err(|_| TokenFault::Malformed)?;
                Ok(Identified { claims: Claims::anonymous(user), place: None })
            }
        }
    }

    /// Verifies an access token and returns its claims.
    pub fn verify(&self, token: &str) -> Result<Claims, TokenFault> {
        let wire: AccessWire = self.decode(token)?;
        if let Some(kind) = &wire.typ
            && !kind.eq_ignore_ascii_case(ACCESS)
            && !kind.eq_ignore_ascii_case(BEARER)
        {
            return Err(TokenFault::WrongKind);
        }
        let is_ours = wire.typ.as_deref() == Some(ACCESS);
        Ok(Claims {
            said_at: wire.iat.map(|date| date.0).filter(|_| !is_ours),
            user: wire.sub,
            expires_at: wire.exp.0,
            issued_at: wire.iat.map(|date| date.0),
            username: wire.username,
            email: wire.email,
            display_name: wire.display_name,
            role: wire.role.as_deref().and_then(Role::from_name),
            rooms: wire.rooms,
        })
    }

    /// Verifies a refresh token and returns its claims.
    pub fn verify_refresh(&self, token: &str) -> Result<RefreshClaims, TokenFault> {
        // An access token has no family. It is of the wrong kind rather than malformed.
        let wire: RefreshWire = match self.decode(token) {
            Err(TokenFault::Malformed) if self.verify(token).is_ok() => return Err(TokenFault::WrongKind),
            decoded => decoded?,
        };
        if wire.typ != REFRESH {
            return Err(TokenFault::WrongKind);
        }
        Ok(RefreshClaims { user: wire.sub, id: wire.jti, family: wire.fam, issued_at: wire.iat.0 })
    }

    fn decode<T: DeserializeOwned>(&self, token: &str) -> Result<T, TokenFault> {
        if token.len() > limits::TOKEN_BYTES_MAX {
            return Err(TokenFault::Malformed);
        }
        let key = self.keys.select(token);
        Ok(decode(token, &key.key, &key.rules)?.claims)
    }
}

// ---- signing ----

/// Signs this server's own tokens.
pub struct Signer {
    key: EncodingKey,
    header: Header,
    issuer: Option<String>,
    audience: Option<String>,
}

/// Signing failed, which only an internal fault can cause.
#[derive(Debug, thiserror::Error)]
#[error("a token can't be signed: {0}")]
pub struct SigningFault(#[from] jsonwebtoken::errors::Error);

impl Signer {
    /// Creates a signer with the issuer and audience of a configuration, which our own tokens must satisfy as well.
    pub fn new(auth: &Auth, secret: &Secret) -> Signer {
        Signer {
            key: signing_key(secret),
            header: Header::new(Algorithm::HS256),
            issuer: auth.issuer.clone(),
            audience: auth.audience.clone(),
        }
    }

    /// Signs an access token.
    pub fn access(
        &self,
        user: &TokenUser,
        role: Role,
        now: Timestamp,
        expires_at: Timestamp,
    ) -> Result<String, SigningFault> {
        let rest = AccessRest {
            username: user.username.as_deref(),
            email: user.email.as_deref(),
            display_name: user.display_name.as_deref(),
            role: role.name(),
        };
        self.sign(&user.id, ACCESS, now, expires_at, rest)
    }

    /// Signs the refresh token of a record.
    pub fn refresh(&self, record: &RefreshRecord, now: Timestamp) -> Result<String, SigningFault> {
        let rest = RefreshRest { jti: record.id, fam: record.family };
        self.sign(&record.user, REFRESH, now, record.expires_at, rest)
    }

    fn sign<T: Serialize>(
        &self,
        user: &UserId,
        kind: &'static str,
        now: Timestamp,
        expires_at: Timestamp,
        rest: T,
    ) -> Result<String, SigningFault> {
        let claims = Signed {
            sub: user,
            exp: expires_at.unix_seconds(),
            iat: now.unix_ms as f64 / 1000.0,
            typ: kind,
            iss: self.issuer.as_deref(),
            aud: self.audience.as_deref(),
            rest,
        };
        Ok(encode(&self.header, &claims, &self.key)?)
    }
}

#[cfg(test)]
#[path = "tokens_tests.rs"]
mod tests;
