use actix_http::header::{HeaderName, HeaderValue};
use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ED25519};
use serde_json::{Value, json};

use super::*;
use crate::config::Config;

const SECRET: &str = "a secret of more than thirty-two bytes";

fn auth(variables: &[(&str, &str)]) -> Auth {
    let find = |name: &str| variables.iter().find(|(key, _)| *key == name).map(|(_, value)| value.to_string());
    Config::from(find).unwrap().auth
}

fn verifier(variables: &[(&str, &str)]) -> Verifier {
    Verifier::new(&auth(variables), &Secret::new(SECRET)).unwrap()
}

fn now() -> Timestamp {
    Timestamp { unix_ms: chrono::Utc::now().timestamp_millis() }
}

fn soon() -> i64 {
    now().unix_seconds() + 600
}

fn signed_with(algorithm: Algorithm, key: &EncodingKey, claims: &Value) -> String {
    encode(&Header::new(algorithm), claims, key).unwrap()
}

fn signed(claims: Value) -> String {
    signed_with(Algorithm::HS256, &EncodingKey::from_secret(SECRET.as_bytes()), &claims)
}

fn record(user: &str) -> RefreshRecord {
    RefreshRecord {
        id: TokenId::generate(),
        family: Uuid::now_v7(),
        user: UserId::new(user).unwrap(),
        expires_at: now().plus_ms(60_000),
    }
}

fn ann() -> TokenUser {
    TokenUser {
        id: UserId::new("ann").unwrap(),
        username: Some("ann".into()),
        email: None,
        display_name: Some("Ann".into()),
    }
}

fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
    let mut map = HeaderMap::new();
    for (name, value) in pairs {
        map.append(HeaderName::try_from(*name).unwrap(), HeaderValue::from_str(value).unwrap());
    }
    map
}

fn found(query: &str, pairs: &[(&str, &str)]) -> Option<(String, TokenPlace)> {
    find_token(query, &headers(pairs)).map(|found| (found.token, found.place))
}

#[test]
fn a_token_is_found_in_the_query_then_the_header_then_the_subprotocols() {
    let header = ("Authorization", "Bearer h");
    let protocol = ("Sec-WebSocket-Protocol", "chat, bearer, p");
    assert_eq!(found("since=1&token=q", &[header, protocol]), Some(("q".into(), TokenPlace::Query)));
    assert_eq!(found("token=", &[header, protocol]), Some(("h".into(), TokenPlace::Header)));
    assert_eq!(found("", &[protocol]), Some(("p".into(), TokenPlace::Subprotocol)));
    let split = [("Sec-WebSocket-Protocol", "bearer"), ("Sec-WebSocket-Protocol", "p")];
    assert_eq!(found("", &split), Some(("p".into(), TokenPlace::Subprotocol)));
    assert_eq!(found("token=a%2Eb+c", &[]), Some(("a.b c".into(), TokenPlace::Query)));
    assert_eq!(found("", &[("Authorization", "bearer  h")]), Some(("h".into(), TokenPlace::Header)));
}

#[test]
fn what_is_no_token_is_not_found() {
    assert_eq!(found("tokens=q&xtoken=q&token", &[]), None);
    assert_eq!(found("", &[("Authorization", "Basic abc")]), None);
    assert_eq!(found("", &[("Authorization", "Bearer")]), None);
    assert_eq!(found("", &[("Sec-WebSocket-Protocol", "bearer")]), None);
    assert_eq!(found("", &[("Sec-WebSocket-Protocol", "chat, p")]), None);
}

#[test]
fn all_claims_are_read() {
    let token = signed(json!({
        "sub": "ann", "exp": soon(), "iat": 1_700_000_000.25, "username": "ann", "email": "a@example.org",
        "display_name": "Ann", "role": "admin", "rooms": ["workspace_*"], "something": {"else": []},
    }));
    let claims = verifier(&[]).verify(&token).unwrap();
    assert_eq!(claims.user.as_str(), "ann");
    assert_eq!(claims.expires_at.unix_seconds(), soon());
    assert_eq!(claims.issued_at, Some(Timestamp { unix_ms: 1_700_000_000_250 }));
    assert_eq!(claims.role, Some(Role::Admin));
    assert_eq!(claims.rooms, Some(vec![RoomPattern::new("workspace_*")]));
    assert_eq!(claims.token_user().email.as_deref(), Some("a@example.org"));
}

#[test]
fn a_token_of_another_system_needs_only_sub_and_exp() {
    let claims = verifier(&[]).verify(&signed(json!({"sub": "x", "exp": soon(), "aud": "them", "role": "editor"})));
    let claims = claims.unwrap();
    assert_eq!((claims.role, claims.rooms, claims.issued_at), (None, None, None));
}

#[test]
fn bad_tokens_are_told_apart() {
    let verifier = verifier(&[]);
    let fault = |claims: Value| verifier.verify(&signed(claims)).unwrap_err();
    assert_eq!(fault(json!({"sub": "a", "exp": now().unix_seconds() - 1})), TokenFault::Expired);
    assert_eq!(fault(json!({"sub": "a"})), TokenFault::Malformed);
    assert_eq!(fault(json!({"exp": soon()})), TokenFault::Malformed);
    assert_eq!(fault(json!({"sub": "", "exp": soon()})), TokenFault::Malformed);
    assert_eq!(fault(json!({"sub": "a", "exp": "tomorrow"})), TokenFault::Malformed);
    assert_eq!(fault(json!({"sub": "a", "exp": soon(), "rooms": "all"})), TokenFault::Malformed);
    assert_eq!(fault(json!({"sub": "a", "exp": soon(), "nbf": soon()})), TokenFault::NotYetValid);
    for text in ["", "x", "a.b.c", "..", "é.é.é", &"x".repeat(limits::TOKEN_BYTES_MAX + 1)] {
        assert_eq!(verifier.verify(text).unwrap_err(), TokenFault::Malformed, "{text:.20}");
    }
    let stranger = EncodingKey::from_secret(b"another secret");
    let forged = signed_with(Algorithm::HS256, &stranger, &json!({"sub": "a", "exp": soon()}));
    assert_eq!(verifier.verify(&forged).unwrap_err(), TokenFault::BadSignature);
}

#[test]
fn a_changed_payload_breaks_the_signature() {
    let token = signed(json!({"sub": "ann", "exp": soon()}));
    let other = signed(json!({"sub": "bob", "exp": soon()}));
    let parts: Vec<&str> = token.split('.').collect();
    let payload = other.split('.').nth(1).unwrap();
    let mixed = format!("{}.{payload}.{}", parts[0], parts[2]);
    assert_eq!(verifier(&[]).verify(&mixed).unwrap_err(), TokenFault::BadSignature);
}

#[test]
fn other_algorithms_with_the_same_secret_are_refused() {
    let key = EncodingKey::from_secret(SECRET.as_bytes());
    let token = signed_with(Algorithm::HS512, &key, &json!({"sub": "a", "exp": soon()}));
    assert_eq!(verifier(&[]).verify(&token).unwrap_err(), TokenFault::BadSignature);
    // {"alg":"none","typ":"JWT"} and an empty signature.
    let token = signed(json!({"sub": "a", "exp": soon()}));
    let payload = token.split('.').nth(1).unwrap();
    assert!(verifier(&[]).verify(&format!("eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.{payload}.")).is_err());
}

#[test]
fn our_own_tokens_hold_and_neither_kind_passes_as_the_other() {
    let verifier = verifier(&[]);
    let signer = Signer::new(&auth(&[]), &Secret::new(SECRET));
    let issued = now();
    let access = signer.access(&ann(), Role::Admin, issued, issued.plus_ms(60_000)).unwrap();
    let claims = verifier.verify(&access).unwrap();
    assert_eq!((claims.user.as_str(), claims.role), ("ann", Some(Role::Admin)));
    assert_eq!(claims.issued_at, Some(issued), "to the millisecond");

    let record = record("ann");
    let refresh = signer.refresh(&record, issued).unwrap();
    let claims = verifier.verify_refresh(&refresh).unwrap();
    assert_eq!((claims.id, claims.family, claims.issued_at), (record.id, record.family, issued));

    assert_eq!(verifier.verify(&refresh).unwrap_err(), TokenFault::WrongKind);
    assert_eq!(verifier.verify_refresh(&access).unwrap_err(), TokenFault::WrongKind);
    let id_token = signed(json!({"sub": "a", "exp": soon(), "typ": "ID"}));
    assert_eq!(verifier.verify(&id_token).unwrap_err(), TokenFault::WrongKind);
    assert!(verifier.verify(&signed(json!({"sub": "a", "exp": soon(), "typ": "Bearer"}))).is_ok());
}

#[test]
fn issuer_and_audience_are_required_where_configured() {
    let rules = [("JWT_ISSUER", "https://id.example"), ("JWT_AUDIENCE", "convene")];
    let verifier = verifier(&rules);
    let check = |iss: Value, aud: Value| {
        let mut claims = json!({"sub": "a", "exp": soon()});
        for (name, value) in [("iss", iss), ("aud", aud)] {
            if !value.is_null() {
                claims[name] = value;
            }
        }
        verifier.verify(&signed(claims)).map(|claims| claims.user.to_string())
    };
    let (iss, aud) = (json!("https://id.example"), json!(["other", "convene"]));
    assert_eq!(check(iss.clone(), aud.clone()), Ok("a".into()));
    assert_eq!(check(json!("https://evil.example"), aud.clone()), Err(TokenFault::WrongIssuer));
    assert_eq!(check(Value::Null, aud), Err(TokenFault::WrongIssuer));
    assert_eq!(check(iss.clone(), json!("other")), Err(TokenFault::WrongAudience));
    assert_eq!(check(iss, Value::Null), Err(TokenFault::WrongAudience));
    let own = Signer::new(&auth(&rules), &Secret::new(SECRET));
    let token = own.access(&ann(), Role::User, now(), now().plus_ms(60_000)).unwrap();
    assert!(verifier.verify(&token).is_ok());
}

/// A verifier that also accepts tokens of this public key.
fn with_public_key(algorithm: &str, pem: &str) -> Result<Verifier, ConfigError> {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), pem).unwrap();
    let path = file.path().display().to_string();
    let auth = auth(&[("JWT_ALGORITHM", algorithm), ("JWT_PUBLIC_KEY_FILE", &path)]);
    Verifier::new(&auth, &Secret::new(SECRET))
}

#[test]
fn public_keys_verify_their_own_algorithm_and_nothing_else() {
    let elliptic = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
    let edwards = KeyPair::generate_for(&PKCS_ED25519).unwrap();
    let rsa_private = include_str!("testdata/rsa_private.pem");
    let rsa_public = include_str!("testdata/rsa_public.pem");
    let cases = [
        (
            "ES256",
            Algorithm::ES256,
            EncodingKey::from_ec_pem(elliptic.serialize_pem().as_bytes()),
            elliptic.public_key_pem(),
        ),
        (
            "EdDSA",
            Algorithm::EdDSA,
            EncodingKey::from_ed_pem(edwards.serialize_pem().as_bytes()),
            edwards.public_key_pem(),
        ),
        ("RS256", Algorithm::RS256, EncodingKey::from_rsa_pem(rsa_private.as_bytes()), rsa_public.to_owned()),
    ];
    for (name, algorithm, private, public) in cases {
        let verifier = with_public_key(name, &public).unwrap();
        let claims = json!({"sub": "a", "exp": soon()});
        let token = signed_with(algorithm, &private.unwrap(), &claims);
        assert_eq!(verifier.verify(&token).unwrap().user.as_str(), "a", "{name}");
        assert!(verifier.verify(&signed(claims.clone())).is_ok(), "{name}: our own tokens still hold");
        // The classic algorithm confusion: the public key's text as an HMAC secret.
        let confused = signed_with(Algorithm::HS256, &EncodingKey::from_secret(public.as_bytes()), &claims);
        assert_eq!(verifier.verify(&confused).unwrap_err(), TokenFault::BadSignature, "{name}");
        let cut = token.rsplit_once('.').unwrap().0;
        assert_eq!(verifier.verify(&format!("{cut}.AAAA")).unwrap_err(), TokenFault::BadSignature, "{name}");
    }
}

#[test]
fn a_file_without_such_a_key_stops_the_start() {
    let elliptic = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
    for (algorithm, pem) in [("RS256", elliptic.public_key_pem()), ("ES256", "nothing".into())] {
        let sentence = with_public_key(algorithm, &pem).map(|_| ()).unwrap_err().to_string();
        assert!(
            sentence.starts_with("JWT_PUBLIC_KEY_FILE") && sentence.contains("public key in PEM form"),
            "{sentence}"
        );
    }
}

#[test]
fn revocation_voids_what_was_issued_before_and_what_does_not_say_when() {
    let verifier = verifier(&[]);
    let claims = |iat: Value| {
        let mut claims = json!({"sub": "a", "exp": soon()});
        if !iat.is_null() {
            claims["iat"] = iat;
        }
        verifier.verify(&signed(claims)).unwrap()
    };
    let never = Timestamp::default();
    let revoked_at = Timestamp { unix_ms: 1_700_000_000_500 };
    assert!(!claims(Value::Null).is_void(never));
    assert!(claims(Value::Null).is_void(revoked_at));
    assert!(claims(json!(1_700_000_000)).is_void(revoked_at));
    assert!(claims(json!(1_700_000_000.499)).is_void(revoked_at));
    assert!(!claims(json!(1_700_000_000.5)).is_void(revoked_at));
    assert!(!claims(json!(1_700_000_001)).is_void(revoked_at));
}

#[test]
fn anonymous_users_need_the_setting_and_a_token_still_counts_more() {
    let none = headers(&[]);
    assert_eq!(verifier(&[]).identify("user_id=x", &none).unwrap_err(), TokenFault::Missing);
    let open = verifier(&[("ALLOW_ANONYMOUS", "true")]);
    let somebody = open.identify("user_id=x%20y", &none).unwrap();
    assert_eq!((somebody.claims.user.as_str(), somebody.place), ("x y", None));
    assert_eq!(open.identify("", &none).unwrap_err(), TokenFault::Missing);
    assert_eq!(open.identify("user_id=x&token=bad", &none).unwrap_err(), TokenFault::Malformed);
    let token = signed(json!({"sub": "ann", "exp": soon()}));
    let known = open.identify(&format!("user_id=x&token={token}"), &none).unwrap();
    assert_eq!((known.claims.user.as_str(), known.place), ("ann", Some(TokenPlace::Query)));
}
