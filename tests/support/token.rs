//! Hand-made tokens, valid and invalid, like those of an identity provider.

use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};

/// The secret of every server that the harness starts, unless a test sets another one.
pub const SECRET: &str = "a secret of the tests, long enough for HS256 to be happy";

/// The current time in seconds since 1970, as `exp` counts it.
pub fn now() -> i64 {
    let since_epoch = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since_epoch.expect("the clock should be past 1970").as_secs() as i64
}

/// A token with exactly these claims, signed with HS256 and `secret`.
pub fn sign(claims: &Value, secret: &str) -> String {
    sign_with(Algorithm::HS256, claims, secret)
}

/// The same with another HMAC algorithm.
pub fn sign_with(algorithm: Algorithm, claims: &Value, secret: &str) -> String {
    encode(&Header::new(algorithm), claims, &EncodingKey::from_secret(secret.as_bytes())).expect("claims should encode")
}

/// A token of a user that expires `ttl_seconds` from now (in the past if negative).
pub fn for_user(user_id: &str, username: &str, ttl_seconds: i64) -> String {
    sign(&json!({"sub": user_id, "username": username, "iat": now(), "exp": now() + ttl_seconds}), SECRET)
}

/// A token of an administrator, valid for an hour.
pub fn for_admin(user_id: &str, username: &str) -> String {
    sign(&json!({"sub": user_id, "username": username, "role": "admin", "iat": now(), "exp": now() + 3600}), SECRET)
}

/// A token whose header says `alg: none` and which has no signature.
pub fn unsigned(claims: &Value) -> String {
    format!("{}.{}.", base64_url(br#"{"alg":"none","typ":"JWT"}"#), base64_url(claims.to_string().as_bytes()))
}

/// Base64 with the URL alphabet and no padding (RFC 4648 section 5).
pub fn base64_url(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let bits = chunk.iter().fold(0u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for digit in 0..=chunk.len() {
            text.push(char::from(ALPHABET[(bits >> (18 - 6 * digit) & 63) as usize]));
        }
    }
    text
}
