//! ICE servers for calls (docs/protocol.md, "ICE servers").

use aws_lc_rs::hmac;
use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::json;

use crate::support::Server;
use crate::support::rest::get;

const SECRET: &str = "shared with the TURN servers";

#[tokio::test]
async fn clients_get_the_configured_servers_and_credentials_of_their_own() {
    let server = Server::builder()
        .env("ICE_STUN_URLS", "stun:stun.example.org:3478")
        .env("ICE_TURN_URLS", "turn:turn.example.org:3478,turns:turn.example.org:5349")
        .env("ICE_TURN_SECRET", SECRET)
        .env("ICE_TURN_TTL_SECONDS", 600)
        .start()
        .await;
    let alice = server.user("alice").await;
    let answer = alice.get("/api/calls/ice-servers").await;
    assert_eq!(answer.header("cache-control"), "no-store");
    let body = answer.expect(200);
    assert_eq!(body["ttl"], 600);
    assert_eq!(body["ice_servers"][0], json!({"urls": ["stun:stun.example.org:3478"]}));
    let turn = &body["ice_servers"][1];
    assert_eq!(turn["urls"], json!(["turn:turn.example.org:3478", "turns:turn.example.org:5349"]));
    let (expiry, user) = turn["username"].as_str().expect("a name").split_once(':').expect("two parts");
    assert_eq!(user, alice.id);
    let left = expiry.parse::<i64>().expect("seconds") - crate::support::token::now();
    assert!((590..=601).contains(&left), "{left}");
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, SECRET.as_bytes());
    let password = BASE64_STANDARD.decode(turn["credential"].as_str().expect("a password")).expect("base64");
    let username = turn["username"].as_str().expect("a name");
    hmac::verify(&key, username.as_bytes(), &password).expect("what a TURN server with the secret computes");
    get(&format!("{}/api/calls/ice-servers", server.origin())).await.expect_error(401, "AUTHENTICATION_FAILED");
}

#[tokio::test]
async fn without_configuration_there_are_none() {
    let server = Server::start().await;
    let body = server.user("alice").await.get("/api/calls/ice-servers").await.expect(200);
    assert_eq!(body, json!({"ice_servers": [], "ttl": null}));
}

#[tokio::test]
async fn fixed_credentials_are_the_same_for_everybody_and_do_not_expire() {
    let server = Server::builder()
        .env("ICE_TURN_URLS", "turn:turn.example.org:3478")
        .env("ICE_TURN_USERNAME", "convene")
        .env("ICE_TURN_PASSWORD", "open sesame")
        .start()
        .await;
    let turn = json!({"urls": ["turn:turn.example.org:3478"], "username": "convene", "credential": "open sesame"});
    for name in ["alice", "bob"] {
        let body = server.user(name).await.get("/api/calls/ice-servers").await.expect(200);
        assert_eq!(body, json!({"ice_servers": [turn], "ttl": null}));
    }
    assert!(!server.log().contains("open sesame"), "a password in the log");
}
