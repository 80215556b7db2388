//! Time-limited credentials for TURN servers that share a secret with this server (draft-uberti-behave-turn-rest, which coturn
//! implements as `use-auth-secret`): the name is the time of expiry and the user, the password is an HMAC-SHA1 of the
//! name. The shared secret itself must never reach a client.

use aws_lc_rs::hmac;
use base64::{Engine, prelude::BASE64_STANDARD};

use crate::{
    config::Secret,
    ids::{Timestamp, UserId},
};

/// The credentials that a user presents to a TURN server.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TurnCredential {
    /// The name: `<Unix seconds of the expiry>:<user id>`.
    pub username: String,
    /// The password.
    pub password: String,
}

/// Credentials for that user that expire at that time.
pub fn credential(secret: &Secret, user: &UserId, expires_at: Timestamp) -> TurnCredential {
    let username = format!("{}:{user}", expires_at.unix_seconds());
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, secret.expose().as_bytes());
    let password = BASE64_STANDARD.encode(hmac::sign(&key, username.as_bytes()));
    TurnCredential { username, password }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made with `printf '1790000000:ann' | openssl dgst -sha1 -hmac hush -binary | base64`.
    #[test]
    fn the_password_is_the_one_that_openssl_computes() {
        let expires_at = Timestamp { unix_ms: 1_790_000_000_999 };
        let credential = credential(&Secret::new("hush"), &UserId::new("ann").unwrap(), expires_at);
        assert_eq!(credential.username, "1790000000:ann");
        assert_eq!(credential.password, "lIIhmG5qsGtbSEExQU7tt5sH7Ls=");
    }
}
