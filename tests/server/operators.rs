//! What operators are told and asked for: the internal address, secrets in files, and databases that can't be used
//! (docs/operations.md).

use std::fs;

use crate::support::rest::get;
use crate::support::server::run_to_end;
use crate::support::{DEADLINE, Postgres, Server, User, eventually, token};

/// The URL of a path at the internal address.
async fn internal(server: &Server, path: &str) -> String {
    let log = server.logs("event=listening_internal").await;
    let (_, rest) = log.split_once("event=listening_internal url=").expect("the line has a URL");
    format!("{}{path}", rest.split_whitespace().next().expect("a URL"))
}

#[tokio::test]
async fn metrics_and_administration_are_served_at_the_internal_address_only() {
    let server =
        Server::builder().env("INTERNAL_ADDRESS", "127.0.0.1:0").env("ADMIN_INTERNAL_ONLY", "true").start().await;
    let origin = internal(&server, "").await;
    for path in ["/metrics", "/%6detrics"] {
        get(&server.url(path)).await.expect_error(404, "NOT_FOUND");
    }
    assert!(get(&format!("{origin}/metrics")).await.text.contains("convene_store_up 1"));
    let public = get(&server.url("/api/v1/ws/health")).await.expect(200);
    assert_eq!(public, serde_json::json!({ "status": "healthy" }), "the public address reveals nothing else");
    let full = get(&format!("{origin}/api/v1/ws/health")).await.expect(200);
    assert!(full["node"].is_string() && full["connections"].is_u64(), "{full}");
    for path in ["/healthz", "/readyz"] {
        get(&server.url(path)).await.expect(200);
        get(&format!("{origin}{path}")).await.expect(200);
    }

    let admin = token::for_admin("ops", "ops");
    let outside = User::with_token(server.origin(), "ops", "ops", &admin);
    let answer = outside.get("/api/v1/ws/stats/detailed").await;
    assert!(answer.text.contains("internal address"), "{}", answer.text);
    answer.expect_error(403, "PERMISSION_DENIED");
    outside.get("/api/auth/me").await.expect(200);
    User::with_token(&origin, "ops", "ops", &admin).get("/api/v1/ws/stats/detailed").await.expect(200);
    let alice = server.user("alice").await;
    let inside = User::with_token(&origin, &alice.id, "alice", &alice.token);
    inside.get("/api/v1/ws/stats/detailed").await.expect_error(403, "PERMISSION_DENIED");
    // Neither pages nor sockets.
    for path in ["/", "/ws/x"] {
        get(&format!("{origin}{path}")).await.expect_error(404, "NOT_FOUND");
    }
}

#[tokio::test]
async fn a_taken_internal_address_is_told() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = taken.local_addr().expect("bound").to_string();
    let settings = [("INTERNAL_ADDRESS", address.as_str()), ("WS_PORT", "0"), ("RUST_LOG", "off")];
    let output = run_to_end(&[], &settings).await;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains(&address) && said.contains("set INTERNAL_ADDRESS"), "{said}");
}

#[tokio::test]
async fn secrets_are_read_from_files() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, format!("{text}\n")).expect("writable");
        path.display().to_string()
    };
    let url = Postgres::shared().create_database().await;
    let (secret, database) = (file("jwt", token::SECRET), file("database", &url));
    let server = Server::builder()
        .without_env("JWT_SECRET_KEY")
        .env("JWT_SECRET_KEY_FILE", &secret)
        .env("DATABASE_URL_FILE", &database)
        .start()
        .await;
    let ops = User::with_token(server.origin(), "ops", "ops", &token::for_admin("ops", "ops"));
    ops.get("/api/auth/me").await.expect(200);
    assert!(server.logs("event=database").await.contains("product=PostgreSQL version="));
    let both = [("JWT_SECRET_KEY_FILE", secret.as_str()), ("JWT_SECRET_KEY", token::SECRET)];
    let output = run_to_end(&["check-config"], &both).await;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.code() == Some(2) && said.contains("unset one of the two"), "{said}");
    assert!(!said.contains(token::SECRET), "{said}");
}

/// What the program says when it can't use this database.
async fn refused(url: &str) -> String {
    let settings = [("DATABASE_URL", url), ("JWT_SECRET_KEY", token::SECRET), ("WS_PORT", "0"), ("RUST_LOG", "off")];
    let output = run_to_end(&[], &settings).await;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(!said.contains("hush"), "{said}");
    said
}

#[tokio::test]
async fn a_database_that_can_not_be_used_is_explained() {
    let cluster = Postgres::private();
    let url = cluster.create_database().await;
    let place = format!("127.0.0.1:{}", cluster.port());
    for (url, problem, advice) in [
        (format!("postgres://stranger:hush@{place}/x"), "refuses the user \"stranger\"", "DB_USER and DB_PASSWORD"),
        (format!("postgres://convene:hush@{place}/nothing"), "no database \"nothing\"", "create the database"),
        (format!("postgres://convene:hush@{place}/x?sslmode=require"), "no encrypted connection", "ssl = on"),
        ("postgres://convene:hush@127.0.0.1:1/x".to_owned(), "nothing listens at 127.0.0.1:1", "start PostgreSQL"),
        ("postgres://convene:hush@nowhere.invalid/x".to_owned(), "the host nowhere.invalid:5432", "correct the host"),
    ] {
        let said = refused(&url).await;
        assert!(said.contains(problem) && said.contains(advice), "{url}: {said}");
    }

    let rules = cluster.query_text(&url, "SHOW hba_file").await.expect("a file");
    cluster.query_text(&url, "CREATE ROLE ann LOGIN PASSWORD 'right'").await;
    let lines = "('host all convene 127.0.0.1/32 trust'), ('host all all 127.0.0.1/32 scram-sha-256')";
    cluster.query_text(&url, &format!("COPY (VALUES {lines}) TO '{rules}'")).await;
    cluster.query_text(&url, "SELECT pg_reload_conf()::text").await;
    let name = url.rsplit('/').next().expect("a name");
    eventually("the wrong password", DEADLINE, || async {
        let said = refused(&format!("postgres://ann:hush@{place}/{name}")).await;
        (said.contains("refuses the user \"ann\"") && said.contains("DB_PASSWORD")).then_some(())
    })
    .await;
    let said = refused(&format!("postgres://ann@{place}/{name}")).await;
    assert!(said.contains("for a password, and none is configured"), "{said}");
    // She may connect, but not create tables.
    let said = refused(&format!("postgres://ann:right@{place}/{name}")).await;
    assert!(said.contains("permission denied for schema") && said.contains("GRANT CREATE"), "{said}");
}

#[tokio::test]
async fn a_database_of_a_newer_release_is_noticed() {
    let cluster = Postgres::shared();
    let url = cluster.create_database().await;
    let mut server = Server::builder().env("DATABASE_URL", &url).start().await;
    server.logs("event=database product=PostgreSQL").await;
    assert!(!server.log().contains("event=newer_database"));
    cluster.query_text(&url, "INSERT INTO __diesel_schema_migrations (version) VALUES ('29990101000000')").await;
    server.terminate().await;
    server.restart().await;
    let log = server.logs("event=newer_database migration=29990101000000").await;
    assert!(log.contains("start that release"), "{log}");
}
