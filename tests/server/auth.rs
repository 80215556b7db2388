//! Accounts and tokens, and what happens when they end (docs/protocol.md, "Authentication").

use std::time::Duration;

use convene::{
    ids::{Timestamp, UserId},
    store::{Store, StoreOptions},
};
use jsonwebtoken::Algorithm;
use reqwest::Method;
use serde_json::{Value, json};

use crate::on_both;
use crate::support::raw::RawSocket;
use crate::support::rest::{PASSWORD, get, post, request, send};
use crate::support::shape::Kind::{Count, OptionalText, Text, Time, Uuid};
use crate::support::shape::{assert_shape, text};
use crate::support::socket::Place;
use crate::support::{Server, Socket, User, token};

fn account(username: &str) -> Value {
    json!({"username": username, "email": format!("{username}@example.org"), "password": PASSWORD})
}

on_both! {
    async fn registering_makes_an_account_that_can_log_in(database) {
        let server = Server::on(database).await;
        let answer = post(&server.url("/api/auth/register"), account("alice")).await;
        assert!(!answer.text.contains("argon2") && !answer.text.contains(PASSWORD), "{}", answer.text);
        let user = answer.expect(201);
        let fields = [
            ("id", Uuid), ("number", Count), ("username", Text), ("email", Text), ("display_name", OptionalText),
            ("role", Text), ("created_at", Time),
        ];
        assert_shape(&user, &fields);
        assert_eq!((&user["username"], &user["role"]), (&json!("alice"), &json!("user")));
        let second = post(&server.url("/api/auth/register"), account("bob")).await.expect(201);
        assert_ne!(user["number"], second["number"]);

        for name in [json!({"username": "alice"}), json!({"email": "alice@example.org"}), json!({"username": "alice@example.org"})] {
            let mut credentials = name.clone();
            credentials["password"] = json!(PASSWORD);
            let session = post(&server.url("/api/auth/login"), credentials).await.expect(200);
            let fields = [("access_token", Text), ("refresh_token", Text), ("token_type", Text), ("expires_in", Count)];
            assert_shape(&session, &fields);
            assert_eq!((&session["token_type"], &session["expires_in"]), (&json!("bearer"), &json!(3600)));
            assert_eq!(session["user"]["id"], user["id"], "login by {name}");
            let alice = User::with_token(server.origin(), "", "alice", &text(&session, "access_token"));
            assert_eq!(alice.get("/api/auth/me").await.expect(200)["id"], user["id"]);
        }
    }
}

#[tokio::test]
async fn login_takes_a_form_as_well() {
    let server = Server::start().await;
    server.user("alice").await;
    let form = [("username", "alice"), ("password", PASSWORD)];
    let login = reqwest::Client::new().post(server.url("/api/auth/login")).form(&form);
    assert_eq!(send(login, None).await.expect(200)["user"]["username"], "alice");
}

on_both! {
    async fn a_taken_name_or_address_is_a_conflict(database) {
        let server = Server::on(database).await;
        post(&server.url("/api/auth/register"), account("alice")).await.expect(201);
        let mut same_email = account("alice2");
        same_email["email"] = json!("alice@example.org");
        for taken in [account("alice"), same_email] {
            post(&server.url("/api/auth/register"), taken).await.expect_error(409, "CONFLICT");
        }
    }
}

#[tokio::test]
async fn a_bad_account_is_refused_with_the_field_named() {
    let server = Server::start().await;
    let cases = [
        ("username", json!("al")),
        ("username", json!("a".repeat(65))),
        ("username", json!(7)),
        ("username", Value::Null),
        ("email", json!("no address")),
        ("email", Value::Null),
        ("password", json!("short")),
        ("password", Value::Null),
        ("display_name", json!("d".repeat(1000))),
    ];
    for (field, value) in cases {
        let mut bad = account("alice");
        bad[field] = value.clone();
        let error = post(&server.url("/api/auth/register"), bad).await.expect_error(400, "INVALID_MESSAGE");
        assert!(text(&error, "error").contains(field), "the sentence should name {field} ({value}): {error}");
    }
    let client = reqwest::Client::new();
    let not_json = client.post(server.url("/api/auth/register")).header("Content-Type", "application/json").body("{");
    send(not_json, None).await.expect_error(400, "INVALID_JSON");
    post(&server.url("/api/auth/register"), account("alice")).await.expect(201);
}

#[tokio::test]
async fn a_wrong_password_and_an_unknown_name_look_the_same() {
    let server = Server::start().await;
    server.user("alice").await;
    let mut sentences = Vec::new();
    for username in ["alice", "nobody"] {
        let credentials = json!({"username": username, "password": "wrong password"});
        let error = post(&server.url("/api/auth/login"), credentials).await.expect_error(401, "AUTHENTICATION_FAILED");
        sentences.push(text(&error, "error"));
    }
    assert_eq!(sentences[0], sentences[1], "an answer must not tell which names exist");
}

on_both! {
    async fn a_refresh_token_works_once_and_its_reuse_ends_the_family(database) {
        let server = Server::on(database).await;
        let alice = server.user("alice").await;
        let second = post_refresh(&server, &alice.refresh_token).await.expect(200);
        assert_shape(&second, &[("access_token", Text), ("refresh_token", Text), ("token_type", Text), ("expires_in", Count)]);
        assert_ne!(text(&second, "refresh_token"), alice.refresh_token, "the refresh token rotates");
        let fresh = User::with_token(server.origin(), &alice.id, "alice", &text(&second, "access_token"));
        fresh.get("/api/auth/me").await.expect(200);
        let third = post_refresh(&server, &text(&second, "refresh_token")).await.expect(200);

        for dead in [alice.refresh_token.as_str(), &text(&third, "refresh_token"), "nonsense", &alice.token] {
            post_refresh(&server, dead).await.expect_error(401, "AUTHENTICATION_FAILED");
        }
        User::login(server.origin(), "alice").await;
    }
}

on_both! {
    async fn two_tabs_may_refresh_at_once_and_an_answer_may_be_lost(database) {
        let server = Server::on(database).await;
        let alice = server.user("alice").await;
        let (one, two) = tokio::join!(post_refresh(&server, &alice.refresh_token), post_refresh(&server, &alice.refresh_token));
        let (one, two) = (one.expect(200), two.expect(200));
        for tab in [&one, &two] {
            let fresh = User::with_token(server.origin(), &alice.id, "alice", &text(tab, "access_token"));
            fresh.get("/api/auth/me").await.expect(200);
        }
        let mut lost = one;
        for _answer in 0..3 {
            let token = text(&lost, "refresh_token");
            post_refresh(&server, &token).await.expect(200);
            lost = post_refresh(&server, &token).await.expect(200);
        }
        post_refresh(&server, &text(&two, "refresh_token")).await.expect(200);
    }
}

#[tokio::test]
async fn tokens_of_a_clock_that_is_behind_the_revocation_are_good() {
    let server = Server::start().await;
    let alice = server.user("alice").await;
    // Like a node whose clock is 20 s ahead.
    let ahead = Timestamp { unix_ms: (token::now() + 20) * 1_000 };
    let database = format!("sqlite://{}", server.data_folder().join("convene.db").display());
    let store = Store::open(&database, &StoreOptions::default()).await.unwrap();
    store.void_tokens(&UserId::new(alice.id.as_str()).unwrap(), ahead).await.unwrap();
    alice.get("/api/auth/me").await.expect_error(401, "AUTHENTICATION_FAILED");
    let back = User::login(server.origin(), "alice").await;
    back.get("/api/auth/me").await.expect(200);
    post_refresh(&server, &back.refresh_token).await.expect(200);
}

#[tokio::test]
async fn logging_out_ends_the_refresh_token() {
    let server = Server::start().await;
    let alice = server.user("alice").await;
    let other_device = User::login(server.origin(), "alice").await;
    alice.post("/api/auth/logout", json!({"refresh_token": alice.refresh_token})).await.expect(204);
    post_refresh(&server, &alice.refresh_token).await.expect_error(401, "AUTHENTICATION_FAILED");
    post_refresh(&server, &other_device.refresh_token).await.expect(200);
}

async fn post_refresh(server: &Server, refresh_token: &str) -> crate::support::rest::Answer {
    post(&server.url("/api/auth/refresh"), json!({"refresh_token": refresh_token})).await
}

/// Tokens that must be rejected, each with the reason.
fn bad_tokens(user_id: &str) -> Vec<(&'static str, String)> {
    let hour = token::now() + 3600;
    let good = json!({"sub": user_id, "username": "alice", "exp": hour});
    let signed = |claims: Value| token::sign(&claims, token::SECRET);
    let mut tampered = signed(good.clone());
    tampered.pop();
    vec![
        ("empty", String::new()),
        ("not a token", "abc".to_owned()),
        ("three empty parts", "..".to_owned()),
        ("another secret", token::sign(&good, "another secret, just as long as the right one")),
        ("cut signature", tampered),
        ("no signature", token::unsigned(&good)),
        ("another algorithm", token::sign_with(Algorithm::HS384, &good, token::SECRET)),
        ("expired", signed(json!({"sub": user_id, "exp": token::now() - 10}))),
        ("no expiry", signed(json!({"sub": user_id}))),
        ("expiry as a text", signed(json!({"sub": user_id, "exp": "tomorrow"}))),
        ("no subject", signed(json!({"exp": hour}))),
        ("empty subject", signed(json!({"sub": "", "exp": hour}))),
        ("subject too long", signed(json!({"sub": "x".repeat(129), "exp": hour}))),
        ("subject as a number", signed(json!({"sub": 7, "exp": hour}))),
    ]
}

#[tokio::test]
async fn a_bad_token_opens_nothing() {
    let server = Server::start().await;
    let alice = server.user("alice").await;
    let channel = alice.channel_with(&[]).await;
    for (reason, bad) in bad_tokens(&alice.id) {
        let user = User::with_token(server.origin(), &alice.id, "alice", &bad);
        user.get("/api/auth/me").await.expect_error(401, "AUTHENTICATION_FAILED");
        let mut raw = RawSocket::connect(server.authority()).await;
        let path = format!("/ws/channel/{channel}?token={bad}");
        let answer = raw.handshake(server.authority(), &path, &[]).await;
        assert_eq!(answer.status, 401, "{reason}: {answer:?}");
        crate::support::rest::assert_error(&answer.json(), "AUTHENTICATION_FAILED");
    }
    let mut raw = RawSocket::connect(server.authority()).await;
    let answer = raw.handshake(server.authority(), &format!("/ws/channel/{channel}"), &[]).await;
    assert_eq!(answer.status, 401, "no token at all: {answer:?}");
    get(&server.url("/api/auth/me")).await.expect_error(401, "AUTHENTICATION_FAILED");
    alice.join(&channel).await;
}

#[tokio::test]
async fn a_token_is_taken_from_each_of_the_three_places() {
    let server = Server::start().await;
    let alice = server.user("alice").await;
    let channel = alice.channel_with(&[]).await;
    let path = format!("/ws/channel/{channel}");
    for place in [Place::Query, Place::Header, Place::Subprotocol] {
        let mut socket = Socket::open(server.origin(), &path, &alice.token, place).await;
        socket.expect("online_users").await;
        let expected = if place == Place::Subprotocol { "bearer" } else { "" };
        assert_eq!(socket.header("Sec-WebSocket-Protocol"), expected, "{place:?}");
    }
    // The query takes precedence: a good token elsewhere does not make up for a bad one in it.
    let mut raw = RawSocket::connect(server.authority()).await;
    let header = format!("Authorization: Bearer {}", alice.token);
    let answer = raw.handshake(server.authority(), &format!("{path}?token=bad"), &[&header]).await;
    assert_eq!(answer.status, 401, "{answer:?}");
}

#[tokio::test]
async fn no_right_is_403_and_no_room_is_404() {
    let server = Server::start().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let channel = alice.channel_with(&[]).await;
    let cases = [
        (channel, 403, "PERMISSION_DENIED"),
        (uuid::Uuid::now_v7().to_string(), 404, "ROOM_NOT_FOUND"),
        ("not-a-uuid".to_owned(), 404, "ROOM_NOT_FOUND"),
    ];
    for (room, status, code) in cases {
        let mut raw = RawSocket::connect(server.authority()).await;
        let path = format!("/ws/channel/{room}?token={}", bob.token);
        let answer = raw.handshake(server.authority(), &path, &[]).await;
        assert_eq!(answer.status, status, "{answer:?}");
        crate::support::rest::assert_error(&answer.json(), code);
        assert!(answer.header("content-type").starts_with("application/json"), "{answer:?}");
    }
}

on_both! {
    async fn a_user_first_seen_through_a_token_is_provisioned(database) {
        let server = Server::on(database).await;
        let id = "auth0|5f7c8ec7c33c6c004bbafe82";
        let claims = json!({"sub": id, "username": "zoë", "email": "zoe@example.org", "display_name": "Zoë", "exp": token::now() + 60});
        let zoe = User::with_token(server.origin(), id, "zoë", &token::sign(&claims, token::SECRET));
        let me = zoe.get("/api/auth/me").await.expect(200);
        assert_eq!((&me["id"], &me["username"], &me["display_name"]), (&json!(id), &json!("zoë"), &json!("Zoë")));
        assert_eq!(zoe.get("/api/auth/me").await.expect(200)["number"], me["number"], "the number is stable");
        let channel = zoe.channel_with(&[]).await;
        let mut socket = zoe.join(&channel).await;
        socket.say("hello").await;
        assert_eq!(socket.expect_message("hello").await["sender_username"], "zoë");

        // Another user of the same provider with the same name is accepted as well.
        let claims = json!({"sub": "another", "username": "zoë", "exp": token::now() + 60});
        let other = User::with_token(server.origin(), "another", "zoë", &token::sign(&claims, token::SECRET));
        let me = other.get("/api/auth/me").await.expect(200);
        assert_eq!(me["id"], "another");
        assert_ne!(me["username"], "zoë", "user names are unique");
    }
}

#[tokio::test]
async fn a_token_can_be_confined_to_rooms() {
    let server = Server::start().await;
    let alice = server.user("alice").await;
    let channel = alice.channel_with(&[]).await;
    for (rooms, allowed) in
        [(json!(["*"]), true), (json!([channel]), true), (json!(["workspace_*"]), false), (json!([]), false)]
    {
        let claims = json!({"sub": alice.id, "username": "alice", "exp": token::now() + 60, "rooms": rooms});
        let path = format!("/ws/channel/{channel}?token={}", token::sign(&claims, token::SECRET));
        let mut raw = RawSocket::connect(server.authority()).await;
        let answer = raw.handshake(server.authority(), &path, &[]).await;
        assert_eq!(answer.status, if allowed { 101 } else { 403 }, "rooms {rooms}: {answer:?}");
    }
}

#[tokio::test]
async fn an_open_socket_ends_with_its_token() {
    let server = Server::start().await;
    let alice = server.user("alice").await;
    let channel = alice.channel_with(&[]).await;
    let mut watcher = alice.join(&channel).await;
    let short = User::with_token(server.origin(), &alice.id, "alice", &token::for_user(&alice.id, "alice", 2));
    let mut socket = short.join(&channel).await;
    socket.expect_close_within(4401, Duration::from_secs(2 + 5 + 3)).await;
    watcher.expect_nothing_before_pong().await;
}

#[tokio::test]
async fn a_fresh_token_keeps_the_socket_open() {
    let server = Server::start().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let channel = alice.channel_with(&[&bob]).await;
    let short_lived = token::for_user(&alice.id, "alice", 4);
    let expiring = User::with_token(server.origin(), &alice.id, "alice", &short_lived);
    let mut refreshed = expiring.join(&channel).await;
    let mut refused = expiring.join(&channel).await;

    refreshed.send_json(&json!({"type": "auth_refresh", "token": alice.token, "ref": "fresh"})).await;
    let ack = refreshed.expect("ack").await;
    assert_shape(&ack, &[("ref", Text), ("expires_at", Time)]);
    assert_eq!(ack["ref"], "fresh");
    for bad in [bob.token.as_str(), "nonsense", &token::for_user(&alice.id, "alice", -10)] {
        refused.send_json(&json!({"type": "auth_refresh", "token": bad, "ref": 1})).await;
        assert_eq!(refused.expect_error("AUTHENTICATION_FAILED").await["ref"], 1);
    }
    refused.say("still here until the token ends").await;
    refused.expect("message").await;
    refreshed.expect("message").await;

    refused.expect_close_within(4401, Duration::from_secs(4 + 5 + 3)).await;
    refreshed.say("outlived it").await;
    refreshed.expect_message("outlived it").await;
}

on_both! {
    async fn an_administrator_revokes_all_that_a_user_holds(database) {
        let server = Server::on(database).await;
        let (alice, bob) = (server.user("alice").await, server.user("bob").await);
        let channel = alice.channel_with(&[&bob]).await;
        let mut watcher = alice.join(&channel).await;
        let mut first = bob.join(&channel).await;
        watcher.expect("user_joined").await;
        let mut second = bob.join(&channel).await;

        alice.post("/api/auth/revoke", json!({"user_id": bob.id})).await.expect_error(403, "PERMISSION_DENIED");
        first.expect_nothing_before_pong().await;
        let admin = User::with_token(server.origin(), "root", "root", &token::for_admin("root", "root"));
        admin.post("/api/auth/revoke", json!({"user_id": "nobody"})).await.expect_error(404, "USER_NOT_FOUND");
        admin.post("/api/auth/revoke", json!({"user_id": bob.id})).await.expect(204);
        first.expect_close(4403).await;
        second.expect_close(4403).await;
        watcher.expect("user_left").await;

        bob.get("/api/auth/me").await.expect_error(401, "AUTHENTICATION_FAILED");
        let mut raw = RawSocket::connect(server.authority()).await;
        let path = format!("/ws/channel/{channel}?token={}", bob.token);
        assert_eq!(raw.handshake(server.authority(), &path, &[]).await.status, 401);
        post_refresh(&server, &bob.refresh_token).await.expect_error(401, "AUTHENTICATION_FAILED");
        let back = User::login(server.origin(), "bob").await;
        let mut again = back.join(&channel).await;
        again.send_json(&json!({"type": "auth_refresh", "token": bob.token, "ref": 1})).await;
        assert_eq!(again.expect_error("AUTHENTICATION_FAILED").await["ref"], 1, "a token that was revoked refreshes nothing");
        again.send_json(&json!({"type": "auth_refresh", "token": back.token, "ref": 2})).await;
        assert_eq!(again.expect("ack").await["ref"], 2);
        alice.get("/api/auth/me").await.expect(200);
    }
}

on_both! {
    async fn names_that_nobody_sees_or_that_look_like_others_are_refused(database) {
        let server = Server::on(database).await;
        let alice = server.user("alice").await;
        let register = async |name: &str, display_name: &str| {
            let email = format!("{}@example.org", uuid::Uuid::now_v7());
            let body = json!({"username": name, "display_name": display_name, "email": email, "password": PASSWORD});
            post(&server.url("/api/auth/register"), body).await
        };
        for hidden in "\u{3164}\u{115f}\u{1160}\u{ffa0}\u{2800}\u{180e}\u{61c}\u{fe0f}\u{34f}\u{17b4}\u{fff9}\u{e0020}\u{e0100}\u{1d173}\u{200b}\u{2028}".chars() {
            register(&hidden.to_string().repeat(3), "Al").await.expect_error(400, "INVALID_MESSAGE");
            register(&format!("ali{hidden}ce"), "Al").await.expect_error(400, "INVALID_MESSAGE");
            register("somebody", &format!("ali{hidden}ce")).await.expect_error(400, "INVALID_MESSAGE");
            alice.post("/api/groups", json!({"name": format!("gen{hidden}eral")})).await.expect_error(400, "INVALID_MESSAGE");
        }
        register("аlice", "Al").await.expect_error(400, "INVALID_MESSAGE");
        register("ａｌｉｃｅ", "Al").await.expect_error(409, "CONFLICT");
        register("сосо", "Al").await.expect(201);
        register("Rene\u{301}", "René").await.expect(201);
        register("René", "René").await.expect_error(409, "CONFLICT");
        let login = json!({"username": "rené", "password": PASSWORD});
        post(&server.url("/api/auth/login"), login).await.expect(200);
        register("paca", "P").await.expect(201);
        register("раса", "P").await.expect_error(409, "CONFLICT");
        let group = alice.create_group("Readers").await;
        alice.create_channel(&group, "general").await;
        for same in ["General", "ｇeneral"] {
            let answer = alice.post(&format!("/api/groups/{group}/channels"), json!({"name": same})).await;
            answer.expect_error(409, "CONFLICT");
        }
    }
}

#[tokio::test]
async fn names_from_a_token_are_made_fit() {
    let server = Server::start().await;
    server.user("alice").await;
    let me = async |id: &str, username: &str, display_name: &str| {
        let claims = json!({"sub": id, "username": username, "display_name": display_name, "exp": token::now() + 60});
        let user = User::with_token(server.origin(), id, username, &token::sign(&claims, token::SECRET));
        let me = user.get("/api/auth/me").await.expect(200);
        (text(&me, "username"), text(&me, "display_name"))
    };
    assert_eq!(me("u-1", "a\nb", "\u{200b}").await, ("a b".to_owned(), "a b".to_owned()));
    assert_eq!(me("u-2", "\u{202e}nimda", &"é".repeat(500)).await, ("nimda".to_owned(), "é".repeat(128)));
    assert_eq!(me("u-3", "", "Ann").await, ("u-3".to_owned(), "Ann".to_owned()));
    let (marked, shown) = me("u-4", "аlice", "Alice").await;
    assert!(marked.starts_with("аlice-") && shown == "Alice", "{marked}");
}

on_both! {
    async fn a_newer_token_of_the_issuer_changes_the_profile(database) {
        let server = Server::on(database).await;
        server.user("alice").await;
        let me = async |iat: i64, display_name: &str, email: &str| {
            let claims = json!({"sub": "u-1", "username": "ann", "display_name": display_name, "email": email,
                                "iat": iat, "exp": token::now() + 60});
            let user = User::with_token(server.origin(), "u-1", "ann", &token::sign(&claims, token::SECRET));
            let me = user.get("/api/auth/me").await.expect(200);
            (text(&me, "username"), text(&me, "display_name"), text(&me, "email"))
        };
        let said = |name: &str, email: &str| ("ann".to_owned(), name.to_owned(), email.to_owned());
        let now = token::now();
        assert_eq!(me(now - 9, "Ann", "ann@x.org").await, said("Ann", "ann@x.org"));
        assert_eq!(me(now - 5, "Anna", "anna@x.org").await, said("Anna", "anna@x.org"));
        assert_eq!(me(now - 9, "Ann", "ann@x.org").await, said("Anna", "anna@x.org"), "an older token changes nothing");
        assert_eq!(me(now - 4, "\u{200b}", "alice@example.org").await, said("Anna", "anna@x.org"), "nor what is not fit");
        assert_eq!(me(now - 3, "Anne", "anna@x.org").await, said("Anne", "anna@x.org"));
    }
}

#[tokio::test]
async fn an_administrator_ends_one_connection() {
    let server = Server::start().await;
    let alice = server.user("alice").await;
    let channel = alice.channel_with(&[]).await;
    let mut ended = alice.connect(&channel).await;
    let connection = text(&ended.expect("online_users").await, "connection_id");
    let mut stays = alice.join(&channel).await;
    let path = format!("/api/v1/ws/connections/{connection}");
    alice.delete(&path).await.expect_error(403, "PERMISSION_DENIED");
    request(Method::DELETE, &server.url(&path), None).await.expect_error(401, "AUTHENTICATION_FAILED");
    let admin = User::with_token(server.origin(), "root", "root", &token::for_admin("root", "root"));
    admin.delete(&path).await.expect(204);
    ended.expect_close(4403).await;
    stays.expect_nothing_before_pong().await;
    admin.delete(&path).await.expect_error(404, "NOT_FOUND");
    admin.delete("/api/v1/ws/connections/ws_nobody_1_1-1").await.expect_error(404, "NOT_FOUND");
}

#[tokio::test]
async fn anonymous_users_are_let_in_only_when_allowed() {
    let server = Server::start().await;
    let alice = server.user("alice").await;
    let mut raw = RawSocket::connect(server.authority()).await;
    let path = format!("/ws/dm/{}?user_id=visitor", alice.id);
    assert_eq!(raw.handshake(server.authority(), &path, &[]).await.status, 401);

    let open = Server::builder().env("ALLOW_ANONYMOUS", "true").start().await;
    let alice = open.user("alice").await;
    let mut raw = RawSocket::connect(open.authority()).await;
    let path = format!("/ws/dm/{}?user_id=visitor", alice.id);
    assert_eq!(raw.handshake(open.authority(), &path, &[]).await.status, 101);
    open.logs("ALLOW_ANONYMOUS is set").await;
}
