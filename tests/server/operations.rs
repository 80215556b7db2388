//! Operations and browser security: health, metrics, headers, origins, logs (docs/protocol.md, "Configuration").

use reqwest::Method;
use serde_json::json;
use tokio::io::AsyncWriteExt;

use crate::support::raw::RawSocket;
use crate::support::rest::{PASSWORD, get, post, send};
use crate::support::server::run_to_end;
use crate::support::shape::Kind::{Count, Text};
use crate::support::shape::{assert_shape, number};
use crate::support::{DEADLINE, Database, Server, User, eventually};

#[tokio::test]
async fn health_counts_and_tells_the_state_of_its_parts() {
    let server = Server::start().await;
    get(&server.url("/healthz")).await.expect(200);
    get(&server.url("/readyz")).await.expect(200);
    let health = get(&server.url("/api/v1/ws/health")).await.expect(200);
    assert_shape(&health, &[("status", Text), ("node", Text), ("connections", Count), ("uptime_seconds", Count)]);
    assert_eq!((&health["status"], &health["connections"]), (&json!("healthy"), &json!(0)));
    assert_eq!(health["redis"]["status"], "disabled");
    assert_eq!(health["database"]["status"], "ok", "{health}");

    let alice = server.user("alice").await;
    let channel = alice.channel_with(&[]).await;
    let sockets = [alice.join(&channel).await, alice.join(&channel).await];
    let connections = |expected: u64| {
        let url = server.url("/api/v1/ws/health");
        async move {
            eventually("the number of connections", DEADLINE, || async {
                (number(&get(&url).await.expect(200), "connections") == expected).then_some(())
            })
            .await;
        }
    };
    connections(2).await;
    drop(sockets);
    connections(0).await;
}

#[tokio::test]
async fn the_health_command_tells_whether_the_server_is_alive() {
    let mut server = Server::start().await;
    let (_, port) = server.authority().rsplit_once(':').expect("the address has a port");
    let port = port.to_owned();
    // A server that listens on all addresses, as in a container, is checked on loopback.
    for host in ["127.0.0.1", "0.0.0.0"] {
        let asked = run_to_end(&["health"], &[("WS_HOST", host), ("WS_PORT", &port)]).await;
        assert_eq!((asked.status.code(), asked.stderr.len()), (Some(0), 0), "{asked:?}");
    }
    server.kill();
    let asked = run_to_end(&["health"], &[("WS_PORT", &port)]).await;
    assert_eq!(asked.status.code(), Some(1));
    let sentence = String::from_utf8_lossy(&asked.stderr);
    assert!(sentence.contains(&port) && sentence.contains("check that the server runs"), "{sentence}");
}

#[tokio::test]
async fn the_health_command_is_not_fooled_by_another_program() {
    let other = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = other.local_addr().expect("bound").port().to_string();
    let answering = tokio::spawn(async move {
        let (mut stream, _) = other.accept().await.expect("the command connects");
        stream.write_all(b"HTTP/1.1 404 Not Found\r\n\r\n").await.expect("the command reads");
    });
    let asked = run_to_end(&["health"], &[("WS_PORT", &port)]).await;
    assert_eq!(asked.status.code(), Some(1), "{asked:?}");
    answering.await.expect("the other program answered");
}

/// The value of a sample, summed over its labels. None if there is no such name.
fn sample(metrics: &str, name: &str) -> Option<f64> {
    let values = metrics.lines().filter_map(|line| {
        let rest = line.strip_prefix(name)?;
        let value = if rest.starts_with('{') { rest.split_once("} ")?.1 } else { rest.strip_prefix(' ')? };
        value.split(' ').next()?.parse::<f64>().ok()
    });
    let values: Vec<f64> = values.collect();
    (!values.is_empty()).then(|| values.iter().sum())
}

#[tokio::test]
async fn metrics_count_what_happens() {
    let server = Server::start().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let channel = alice.channel_with(&[&bob]).await;
    let mut sender = alice.join(&channel).await;
    let mut receiver = bob.join(&channel).await;
    sender.expect("user_joined").await;
    for number in 0..10 {
        sender.say_acked("counted", &number.to_string()).await;
        receiver.expect("message").await;
    }
    receiver.close().await;
    sender.expect("user_left").await;
    let answer = get(&server.url("/metrics")).await;
    assert!(answer.header("Content-Type").contains("text"), "{}", answer.header("Content-Type"));
    // Workers report their counts periodically.
    let url = server.url("/metrics");
    let metrics = eventually("deliveries in the metrics", DEADLINE, || async {
        let text = get(&url).await.text;
        sample(&text, "convene_deliveries_total").is_some_and(|deliveries| deliveries >= 20.0).then_some(text)
    })
    .await;
    let at_least = [
        ("convene_connections", 1.0),
        ("convene_connections_total", 2.0),
        ("convene_disconnects_total", 1.0),
        ("convene_rooms", 1.0),
        ("convene_deliveries_total", 20.0),
        ("convene_delivered_bytes_total", 20.0 * 100.0),
        ("convene_requests_total", 10.0),
        ("convene_journal_appends_total", 10.0),
        ("convene_journal_commits_total", 1.0),
        ("convene_journal_commit_seconds_count", 1.0),
        ("convene_upgrades_total", 2.0),
        ("convene_store_up", 1.0),
    ];
    for (name, least) in at_least {
        let value = sample(&metrics, name);
        assert!(
            value.is_some_and(|value| value >= least),
            "{name} should be at least {least}, is {value:?}\n{metrics}"
        );
    }
    assert_eq!(sample(&metrics, "convene_connections"), Some(1.0));
    for name in ["convene_ephemeral_dropped_total", "convene_slow_consumers_total", "convene_journal_queue"] {
        assert_eq!(sample(&metrics, name), Some(0.0), "{name}");
    }
}

#[tokio::test]
async fn answers_carry_security_headers() {
    let server = Server::start().await;
    let page = get(&server.url("/")).await;
    assert_eq!(page.status, 200);
    assert!(page.header("Content-Type").starts_with("text/html"), "{}", page.header("Content-Type"));
    let policy = page.header("Content-Security-Policy");
    assert!(policy.contains("default-src") && policy.contains("frame-ancestors"), "{policy}");
    for path in ["/", "/healthz", "/api/auth/me", "/no/such/path"] {
        let answer = get(&server.url(path)).await;
        assert_eq!(answer.header("X-Content-Type-Options"), "nosniff", "{path}");
        assert_eq!(answer.header("X-Frame-Options"), "DENY", "{path}");
        assert!(!answer.header("Referrer-Policy").is_empty(), "{path}");
    }
    let login = json!({"username": "nobody", "password": PASSWORD});
    let answer = post(&server.url("/api/auth/login"), login).await;
    assert!(answer.header("Cache-Control").contains("no-store"), "tokens must not be cached: {:?}", answer.headers);
}

#[tokio::test]
async fn unknown_paths_methods_and_bodies_get_the_contracts_error() {
    let server = Server::start().await;
    let alice = server.user("alice").await;
    alice.get("/api/no/such/thing").await.expect_error(404, "NOT_FOUND");
    let wrong_method = alice.request(Method::PUT, "/api/auth/login", Some(json!({}))).await;
    assert!([404, 405].contains(&wrong_method.status.as_u16()), "{}", wrong_method.text);
    let huge = json!({"name": "n", "description": "x".repeat(300 * 1024)});
    let answer = alice.post("/api/groups", huge).await;
    assert!([400, 413].contains(&answer.status.as_u16()), "{}", answer.status);
    assert_eq!(answer.body["type"], "error", "{}", answer.text);
    // A plain GET to a WebSocket endpoint.
    let answer = alice.get("/ws/channel/x").await;
    assert!((400..=426).contains(&answer.status.as_u16()), "{}", answer.status);
}

#[tokio::test]
async fn a_request_without_upgrade_is_told_what_is_missing_and_a_slash_does_not_matter() {
    let server = Server::start().await;
    let alice = server.user("alice").await;
    let channel = alice.channel_with(&[]).await;
    let places = [format!("/ws/channel/{channel}"), format!("/ws/dm/{}", alice.id), "/api/v1/ws".to_owned()];
    for place in places.iter().flat_map(|place| [place.clone(), format!("{place}/")]) {
        let answer = alice.get(&place).await;
        assert_eq!(answer.header("Upgrade"), "websocket", "{place}");
        let error = answer.expect_error(426, "INVALID_MESSAGE");
        assert!(error["error"].as_str().is_some_and(|said| said.contains("proxy")), "{error}");
        if !place.starts_with("/ws/dm/") {
            let mut raw = RawSocket::connect(server.authority()).await;
            let path = format!("{place}?token={}", alice.token);
            assert_eq!(raw.handshake(server.authority(), &path, &[]).await.status, 101, "{place}");
        }
    }
    alice.get("/ws/channel/x").await.expect_error(404, "ROOM_NOT_FOUND");
    alice.get("/ws/elsewhere").await.expect_error(404, "NOT_FOUND");
    for path in ["/api/auth/me", "/api/groups", "/healthz", "/api/v1/ws/health"] {
        alice.get(&format!("{path}/")).await.expect(200);
        alice.get(&format!("{path}/?x=1")).await.expect(200);
    }
    alice.get("/no/such/thing/").await.expect_error(404, "NOT_FOUND");
}

#[tokio::test]
async fn idle_connections_are_kept_and_end_when_the_node_drains() {
    let mut server = Server::start().await;
    let mut idle = RawSocket::connect(server.authority()).await;
    assert_eq!(idle.get(server.authority(), "/healthz", &[]).await.status, 200);
    assert_eq!(idle.get(server.authority(), "/healthz", &[]).await.status, 200);
    let began = std::time::Instant::now();
    server.request_stop();
    idle.expect_end().await;
    assert_eq!(server.ended().await.code(), Some(0));
    assert!(began.elapsed() < std::time::Duration::from_secs(4), "a stop waits for nobody who is idle");

    let brief = Server::builder().env("HTTP_KEEP_ALIVE_SECONDS", 1).start().await;
    let mut idle = RawSocket::connect(brief.authority()).await;
    assert_eq!(idle.get(brief.authority(), "/healthz", &[]).await.status, 200);
    idle.expect_end().await;
}

#[tokio::test]
async fn json_is_taken_without_its_content_type() {
    let server = Server::start().await;
    server.user("alice").await;
    let body = json!({"username": "alice", "password": PASSWORD}).to_string();
    for kind in ["application/x-www-form-urlencoded", "text/plain"] {
        let request = reqwest::Client::new().post(server.url("/api/auth/login")).header("Content-Type", kind);
        send(request.body(body.clone()), None).await.expect(200);
    }
    let request = reqwest::Client::new().post(server.url("/api/auth/login")).body(body);
    send(request, None).await.expect(200);
}

async fn preflight(server: &Server, origin: &str) -> crate::support::rest::Answer {
    let request = reqwest::Client::new()
        .request(Method::OPTIONS, server.url("/api/groups"))
        .header("Origin", origin)
        .header("Access-Control-Request-Method", "POST")
        .header("Access-Control-Request-Headers", "authorization,content-type");
    send(request, None).await
}

#[tokio::test]
async fn cors_allows_the_configured_origins_only() {
    let server = Server::builder().env("ALLOWED_ORIGINS", "https://app.example,https://other.example").start().await;
    for origin in ["https://app.example", "https://other.example"] {
        let answer = preflight(&server, origin).await;
        assert!(answer.status.is_success(), "{}", answer.status);
        assert_eq!(answer.header("Access-Control-Allow-Origin"), origin);
        let headers = answer.header("Access-Control-Allow-Headers").to_lowercase();
        assert!(headers.contains("authorization") && headers.contains("content-type"), "{headers}");
    }
    for origin in ["https://evil.example", "http://app.example", "https://app.example.evil.example", "null"] {
        let refused = preflight(&server, origin).await;
        assert_eq!(refused.header("Access-Control-Allow-Origin"), "", "{origin}");
        let error = refused.expect_error(403, "PERMISSION_DENIED");
        let sentence = error["error"].as_str().expect("a sentence");
        assert!(sentence.contains(&format!("add {origin} to ALLOWED_ORIGINS")), "{sentence}");
    }
    let closed = Server::start().await;
    assert_eq!(preflight(&closed, "https://app.example").await.header("Access-Control-Allow-Origin"), "");
}

#[tokio::test]
async fn a_socket_from_a_foreign_page_is_refused() {
    let same_host = Server::start().await;
    let configured = Server::builder().env("ALLOWED_ORIGINS", "https://app.example").start().await;
    let open = Server::builder().env("ALLOWED_ORIGINS", "*").start().await;
    let (own, foreign) = (format!("http://{}", same_host.authority()), "https://evil.example".to_owned());
    let app = "https://app.example".to_owned();
    let near_miss = "https://app.example.evil.example".to_owned();
    let cases = [
        (&same_host, None, 101),
        (&same_host, Some(&own), 101),
        (&same_host, Some(&foreign), 403),
        (&same_host, Some(&near_miss), 403),
        (&configured, None, 101),
        (&configured, Some(&app), 101),
        (&configured, Some(&foreign), 403),
        (&configured, Some(&near_miss), 403),
        (&open, Some(&foreign), 101),
    ];
    let mut users: Vec<(String, User, String)> = Vec::new();
    for server in [&same_host, &configured, &open] {
        let alice = server.user("alice").await;
        let channel = alice.channel_with(&[]).await;
        users.push((server.origin().to_owned(), alice, channel));
    }
    for (server, origin, status) in cases {
        let (_, alice, channel) = users.iter().find(|(known, ..)| known == server.origin()).expect("a user per server");
        let mut raw = RawSocket::connect(server.authority()).await;
        let header = origin.map(|origin| format!("Origin: {origin}"));
        let headers: Vec<&str> = header.iter().map(String::as_str).collect();
        let path = format!("/ws/channel/{channel}?token={}", alice.token);
        let answer = raw.handshake(server.authority(), &path, &headers).await;
        assert_eq!(answer.status, status, "Origin {origin:?}: {answer:?}");
        if status == 403 {
            crate::support::rest::assert_error(&answer.json(), "PERMISSION_DENIED");
        }
    }
}

#[tokio::test]
async fn logs_never_hold_secrets_or_what_people_say() {
    for database in [Database::Sqlite, Database::Postgres] {
        let server = Server::builder().database(database).env("RUST_LOG", "debug").start().await;
        let alice = server.user("alice").await;
        let channel = alice.channel_with(&[]).await;
        let mut socket = alice.join(&channel).await;
        socket.say_acked("a very private sentence", "r").await;
        socket.send_json(&json!({"type": "message", "content": 7, "note": "another private sentence"})).await;
        socket.expect_error("INVALID_MESSAGE").await;
        socket.send_json(&json!({"type": "auth_refresh", "token": alice.token})).await;
        socket.expect("ack").await;
        post(&server.url("/api/auth/login"), json!({"username": "alice", "password": "a mistyped password"})).await;
        post(&server.url("/api/auth/refresh"), json!({"refresh_token": alice.refresh_token})).await.expect(200);
        let mut raw = RawSocket::connect(server.authority()).await;
        raw.handshake(server.authority(), "/ws/channel/x?token=some-secret-token", &[]).await;
        socket.close().await;
        let log = server.log();
        assert!(!log.is_empty(), "there is a log to look at");
        let secrets = [
            alice.token.as_str(),
            &alice.refresh_token,
            PASSWORD,
            "private sentence",
            "mistyped",
            "some-secret-token",
            crate::support::token::SECRET,
        ];
        for secret in secrets {
            assert!(!log.contains(secret), "the log holds '{secret}':\n{log}");
        }
    }
}
