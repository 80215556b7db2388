//! Tests of the routes with their middleware, on a whole node with its own database. Behaviour that is visible to two
//! users and a browser is tested from outside; these tests need a chosen peer address, a chosen token, or access to
//! headers.

use std::sync::Arc;

use actix_http::Request;
use actix_service::ServiceFactory as _;
use actix_web::{
    body::{MessageBody, to_bytes},
    dev::{Service, ServiceResponse},
    http::{Method, StatusCode, header},
    test::TestRequest,
    web,
};
use serde_json::{Value, json};

use super::{AppState, Listener, app};
use crate::{
    actors::{
        node::{Clock, Node},
        watchdog::{Watched, faults::Panic},
    },
    app::start,
    auth::tokens::Signer,
    config::{Config, Secret},
    core::profile::Role,
    ids::UserId,
    limits,
    store::TokenUser,
};

const SECRET: &str = "a secret of more than thirty-two bytes";
const PASSWORD: &str = "correct horse battery";

/// A node and its routes.
struct Rest<S> {
    service: S,
    node: Arc<Node>,
    _folder: tempfile::TempDir,
}

async fn rest<'a>(
    variables: &'a [(&'a str, &'a str)],
) -> Rest<impl Service<Request, Response = ServiceResponse<impl MessageBody>, Error = actix_web::Error>> {
    let folder = tempfile::tempdir().unwrap();
    let data_dir = folder.path().display().to_string();
    let find = |name: &str| match name {
        "DATA_DIR" => Some(data_dir.clone()),
        _ => variables.iter().find(|(key, _)| *key == name).map(|(_, value)| value.to_string()),
    };
    let secret = Secret::new(SECRET);
    let node = start(Config::from(find).unwrap(), &secret).await.unwrap();
    let site = web::Data::new(AppState::new(&node, &secret).unwrap());
    let service = app(site, Listener::Public, |_| {}).new_service(()).await.map_err(|()| "the App broke").unwrap();
    Rest { service, node, _folder: folder }
}

/// A response: status, headers, and the body as JSON or null.
struct Answer {
    status: u16,
    headers: header::HeaderMap,
    body: Value,
}

impl Answer {
    fn header(&self, name: impl header::AsHeaderName) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    fn code(&self) -> (u16, &str) {
        (self.status, self.body["code"].as_str().unwrap_or_default())
    }
}

impl<S, B> Rest<S>
where
    S: Service<Request, Response = ServiceResponse<B>, Error = actix_web::Error>,
    B: MessageBody,
{
    async fn ask(&self, request: TestRequest) -> Answer {
        let response = self.service.call(request.to_request()).await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let bytes = to_bytes(response.into_body()).await.map_err(|_| "the body broke").unwrap();
        Answer { status, headers, body: serde_json::from_slice(&bytes).unwrap_or(Value::Null) }
    }

    async fn get(&self, path: &str, token: &str) -> Answer {
        self.ask(TestRequest::get().uri(path).insert_header(bearer(token))).await
    }

    async fn post(&self, path: &str, token: &str, body: Value) -> Answer {
        self.ask(TestRequest::post().uri(path).insert_header(bearer(token)).set_json(body)).await
    }

    async fn delete(&self, path: &str, token: &str) -> Answer {
        self.ask(TestRequest::delete().uri(path).insert_header(bearer(token))).await
    }

    /// A token that another system with the same secret would sign.
    fn token(&self, user: &str, role: Role) -> String {
        let signer = Signer::new(&self.node.config.auth, &Secret::new(SECRET));
        let id = UserId::new(user).unwrap();
        let user = TokenUser { id, username: Some(user.into()), email: None, display_name: None };
        let now = Clock.now();
        signer.access(&user, role, now, now.plus_ms(60_000)).unwrap()
    }
}

fn bearer(token: &str) -> (header::HeaderName, String) {
    (header::AUTHORIZATION, format!("Bearer {token}"))
}

fn login_from(peer: &str, forwarded: &str) -> TestRequest {
    let request = TestRequest::post().uri("/api/auth/login").peer_addr(format!("{peer}:5000").parse().unwrap());
    let request = if forwarded.is_empty() { request } else { request.insert_header(("X-Forwarded-For", forwarded)) };
    request.set_json(json!({"username": "nobody", "password": PASSWORD}))
}

#[actix_web::test]
async fn every_answer_has_the_security_headers_and_errors_are_json() {
    let rest = rest(&[]).await;
    let cases = [
        (Method::GET, "/healthz", 200, ""),
        (Method::GET, "/nowhere", 404, "NOT_FOUND"),
        (Method::PUT, "/api/groups", 405, "NOT_FOUND"),
        (Method::GET, "/api/auth/me", 401, "AUTHENTICATION_FAILED"),
    ];
    for (method, path, status, code) in cases {
        let answer = rest.ask(TestRequest::with_uri(path).method(method)).await;
        assert_eq!(answer.code(), (status, code), "{path}");
        assert_eq!(answer.header(header::X_CONTENT_TYPE_OPTIONS), "nosniff", "{path}");
        assert_eq!(answer.header(header::X_FRAME_OPTIONS), "DENY", "{path}");
        assert_eq!(answer.header(header::REFERRER_POLICY), "no-referrer", "{path}");
        assert_eq!(answer.header(header::CACHE_CONTROL), "no-store", "{path}");
        assert_eq!(answer.header(header::STRICT_TRANSPORT_SECURITY), "", "{path}: only under TLS");
    }
    let answer = rest.ask(TestRequest::put().uri("/api/groups")).await;
    assert_eq!(answer.header(header::ALLOW), "GET, POST");
}

#[actix_web::test]
async fn only_listed_pages_of_other_hosts_may_read_answers() {
    let page = "https://app.example";
    let listed = [("ALLOWED_ORIGINS", page)];
    let any = [("ALLOWED_ORIGINS", "*")];
    for (variables, origin, allowed) in [
        (&[][..], page, ""),
        (&listed[..], page, page),
        (&listed[..], "https://evil.example", ""),
        (&any[..], "https://evil.example", "*"),
    ] {
        let rest = rest(variables).await;
        let preflight = TestRequest::with_uri("/api/groups")
            .method(Method::OPTIONS)
            .insert_header((header::ORIGIN, origin))
            .insert_header((header::ACCESS_CONTROL_REQUEST_METHOD, "POST"))
            .insert_header((header::ACCESS_CONTROL_REQUEST_HEADERS, "authorization,content-type"));
        let answer = rest.ask(preflight).await;
        assert_eq!(answer.header(header::ACCESS_CONTROL_ALLOW_ORIGIN), allowed, "{variables:?} {origin}");
        let simple = TestRequest::get().uri("/healthz").insert_header((header::ORIGIN, origin));
        let answer = rest.ask(simple).await;
        assert_eq!((answer.status, answer.header(header::ACCESS_CONTROL_ALLOW_ORIGIN)), (200, allowed), "{origin}");
    }
}

#[actix_web::test]
async fn a_body_over_the_limit_is_refused() {
    let rest = rest(&[]).await;
    let most = limits::REST_BODY_BYTES_MAX;
    for (length, expected) in [(most - 100, (400, "INVALID_MESSAGE")), (most + 1, (413, "MESSAGE_TOO_LONG"))] {
        let body = json!({"username": "x".repeat(length)}).to_string();
        let answer = rest.ask(TestRequest::post().uri("/api/auth/login").set_payload(body)).await;
        assert_eq!(answer.code(), expected, "{length}");
    }
}

#[actix_web::test]
async fn attempts_to_sign_in_are_limited_by_the_real_address() {
    let rest = rest(&[("LOGIN_ATTEMPTS_PER_MINUTE", "2"), ("TRUSTED_PROXIES", "10.0.0.7")]).await;
    for _ in 0..2 {
        assert_eq!(rest.ask(login_from("9.9.9.9", "1.1.1.1")).await.code(), (401, "AUTHENTICATION_FAILED"));
    }
    // A client that is not a trusted proxy can't choose its address.
    let refused = rest.ask(login_from("9.9.9.9", "2.2.2.2")).await;
    assert_eq!(refused.code(), (429, "RATE_LIMIT_EXCEEDED"));
    let seconds: u64 = refused.header(header::RETRY_AFTER).parse().unwrap();
    assert!((1..=60).contains(&seconds) && refused.body["retry_after"] == seconds, "{}", refused.body);
    assert_eq!(rest.ask(login_from("10.0.0.7", "2.2.2.2")).await.status, 401);
    assert_eq!(rest.ask(login_from("10.0.0.7", "9.9.9.9")).await.status, 429);
}

#[actix_web::test]
async fn registrations_are_limited_apart_from_logins() {
    let rest = rest(&[("REGISTRATIONS_PER_HOUR", "1")]).await;
    let register = |name: &str| {
        let account = json!({"username": name, "email": format!("{name}@example.org"), "password": PASSWORD});
        TestRequest::post().uri("/api/auth/register").set_json(account)
    };
    assert_eq!(rest.ask(register("ann")).await.status, 201);
    assert_eq!(rest.ask(register("bob")).await.code(), (429, "RATE_LIMIT_EXCEEDED"));
    let login = TestRequest::post().uri("/api/auth/login").set_json(json!({"username": "ann", "password": PASSWORD}));
    assert_eq!(rest.ask(login).await.status, 200);
}

#[actix_web::test]
async fn a_user_first_seen_by_a_token_is_stored_and_the_tokens_role_counts() {
    let rest = rest(&[]).await;
    let me = rest.get("/api/auth/me", &rest.token("from-elsewhere", Role::Admin)).await;
    assert_eq!((me.body["id"].as_str(), me.body["role"].as_str()), (Some("from-elsewhere"), Some("admin")));
    let stored = rest.node.store.user(&UserId::new("from-elsewhere").unwrap()).await.unwrap().unwrap();
    assert_eq!(stored.role, Role::User, "a role by token is not kept");
}

#[actix_web::test]
async fn revocation_ends_tokens_of_both_kinds_and_spares_later_ones() {
    let rest = rest(&[]).await;
    let account = json!({"username": "ann", "email": "ann@example.org", "password": PASSWORD});
    let id = rest.post("/api/auth/register", "", account.clone()).await.body["id"].clone();
    let session = rest.post("/api/auth/login", "", account.clone()).await.body;
    let access = session["access_token"].as_str().unwrap();

    let (user, admin) = (rest.token("bob", Role::User), rest.token("root", Role::Admin));
    let revoke = async |token: &str| rest.post("/api/auth/revoke", token, json!({ "user_id": id })).await;
    assert_eq!(revoke(&user).await.code(), (403, "PERMISSION_DENIED"));
    assert_eq!(rest.get("/api/auth/me", access).await.status, 200);
    assert_eq!(revoke(&admin).await.status, 204);
    assert_eq!(rest.get("/api/auth/me", access).await.code(), (401, "AUTHENTICATION_FAILED"));
    let refresh = json!({"refresh_token": session["refresh_token"]});
    assert_eq!(rest.post("/api/auth/refresh", "", refresh).await.code(), (401, "AUTHENTICATION_FAILED"));

    let later = rest.post("/api/auth/login", "", account).await.body;
    assert_eq!(rest.get("/api/auth/me", later["access_token"].as_str().unwrap()).await.status, 200);
    let unknown = rest.post("/api/auth/revoke", &admin, json!({"user_id": "nobody"})).await;
    assert_eq!(unknown.code(), (404, "USER_NOT_FOUND"));
}

#[actix_web::test]
async fn a_group_always_keeps_an_owner() {
    let rest = rest(&[]).await;
    let (ann, bob) = (rest.token("ann", Role::User), rest.token("bob", Role::User));
    assert_eq!(rest.get("/api/auth/me", &bob).await.status, 200);
    let group = rest.post("/api/groups", &ann, json!({"name": "Club"})).await.body["id"].as_str().unwrap().to_owned();
    let members = format!("/api/groups/{group}/members");
    let leave = format!("{members}/ann");
    assert_eq!(rest.delete(&leave, &ann).await.code(), (409, "CONFLICT"));
    let second = json!({"username": "bob", "role": "owner"});
    assert_eq!(rest.post(&members, &ann, second.clone()).await.status, 201);
    assert_eq!(rest.post(&members, &ann, second).await.code(), (409, "ALREADY_MEMBER"));
    assert_eq!(rest.delete(&leave, &ann).await.status, 204);
    assert_eq!(rest.get(&members, &ann).await.code(), (403, "PERMISSION_DENIED"));
}

#[actix_web::test]
async fn administrators_manage_groups_but_do_not_read_them() {
    let rest = rest(&[]).await;
    let (ann, admin) = (rest.token("ann", Role::User), rest.token("root", Role::Admin));
    let group = rest.post("/api/groups", &ann, json!({"name": "Club"})).await.body["id"].as_str().unwrap().to_owned();
    let channels = format!("/api/groups/{group}/channels");
    let made = rest.post(&channels, &admin, json!({"name": "rules"})).await;
    assert_eq!(made.status, 201);
    let history = format!("/api/channels/{}/messages", made.body["id"].as_str().unwrap());
    assert_eq!(rest.get(&history, &ann).await.status, 200);
    assert_eq!(rest.get(&history, &admin).await.code(), (403, "PERMISSION_DENIED"));
}

#[actix_web::test]
async fn history_says_what_is_wrong_with_the_question() {
    let rest = rest(&[]).await;
    let (ann, bob) = (rest.token("ann", Role::User), rest.token("bob", Role::User));
    assert_eq!(rest.get("/api/auth/me", &bob).await.status, 200);
    for (query, code) in [
        ("limit=0", (400, "INVALID_MESSAGE")),
        ("limit=x", (400, "INVALID_MESSAGE")),
        ("before=-1", (400, "INVALID_MESSAGE")),
        ("before=019af0a5-0000-7000-8000-000000000000", (404, "NOT_FOUND")),
        ("limit=100000&before=5", (200, "")),
        ("", (200, "")),
    ] {
        assert_eq!(rest.get(&format!("/api/dm/bob/messages?{query}"), &ann).await.code(), code, "{query}");
    }
    assert_eq!(rest.get("/api/dm/nobody/messages", &ann).await.code(), (404, "USER_NOT_FOUND"));
    let head = TestRequest::with_uri("/readyz").method(Method::HEAD);
    assert_eq!(rest.ask(head).await.status, StatusCode::OK.as_u16());
}

#[actix_web::test]
async fn health_tells_of_each_actor_that_has_ended() {
    for actor in Watched::ALL {
        let rest = rest(&[]).await;
        assert_eq!(rest.get("/healthz", "").await.status, 200);
        let ended = match actor {
            Watched::Registry => rest.node.registry.send(Panic).await,
            Watched::Journal => rest.node.journal.panic().await,
            Watched::Presence => rest.node.presence.send(Panic).await,
            Watched::Cluster => rest.node.cluster.send(Panic).await,
        };
        assert_eq!(ended, Err(actix::MailboxError::Closed));
        let end = std::time::Instant::now() + std::time::Duration::from_secs(20);
        while rest.get("/healthz", "").await.status == 200 {
            assert!(std::time::Instant::now() < end, "{} has ended, but health still reports healthy", actor.name());
            actix_web::rt::time::sleep(std::time::Duration::from_millis(50)).await;
        }
        for path in ["/healthz", "/readyz"] {
            let answer = rest.get(path, "").await;
            assert_eq!((answer.status, answer.body["reason"].as_str()), (503, Some(actor.silence())), "{path}");
        }
        assert_eq!(rest.get("/api/v1/ws/health", "").await.body["status"], "degraded");
    }
}
