//! Configuration: defaults that need no setup, every documented variable is used, and invalid values are refused in one
//! sentence that names the variable (docs/protocol.md, "Configuration").

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Output;

use serde_json::json;

use crate::on_both;
use crate::support::rest::get;
use crate::support::server::{run_in, run_to_end};
use crate::support::{Database, Postgres, Server, User, token};

/// All output of the program.
fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Settings that must stop the start; the first variable is the invalid one.
fn bad_settings() -> Vec<Vec<(&'static str, &'static str)>> {
    let single = [
        ("WS_PORT", "http"),
        ("WS_PORT", "70000"),
        ("WS_PORT", "-1"),
        ("WS_HOST", "not a host"),
        ("DATABASE_URL", "mysql://root@localhost/x"),
        ("DATABASE_URL", "nonsense"),
        ("REDIS_URL", "http://localhost"),
        ("REDIS_PREFIX", "one*"),
        ("WEBSOCKET_REQUESTS_PER_MINUTE", "many"),
        ("WEBSOCKET_REQUESTS_PER_HOUR", "-5"),
        ("WEBSOCKET_BLOCK_DURATION_MINUTES", "1.5"),
        ("WEBSOCKET_EPHEMERAL_PER_SECOND", "x"),
        ("WEBSOCKET_EDITS_PER_SECOND", "x"),
        ("WEBSOCKET_PING_INTERVAL", "soon"),
        ("WEBSOCKET_PING_TIMEOUT", "x"),
        ("WEBSOCKET_TIMEOUT", "x"),
        ("WEBSOCKET_HEARTBEAT_INTERVAL", "x"),
        ("WEBSOCKET_HEARTBEAT_TIMEOUT", "x"),
        ("WEBSOCKET_MAX_CONNECTIONS", "x"),
        ("MAX_CONNECTIONS_PER_USER", "x"),
        ("MAX_QUEUE_SIZE", "x"),
        ("MAX_CACHE_SIZE", "x"),
        ("LOGIN_ATTEMPTS_PER_MINUTE", "x"),
        ("REGISTRATIONS_PER_HOUR", "x"),
        ("ACCESS_TOKEN_MINUTES", "0"),
        ("REFRESH_TOKEN_DAYS", "x"),
        ("WORKERS", "no"),
        ("CORK_MS", "x"),
        ("RECONNECT_SPREAD_MS", "x"),
        ("SHUTDOWN_TIMEOUT_SECONDS", "x"),
        ("AI_BASE_URL", "ftp://localhost/v1"),
        ("AI_CONCURRENCY_MAX", "0"),
        ("AI_CONCURRENCY_PER_USER", "x"),
        ("AI_QUEUE_MAX", "-1"),
        ("AI_REQUESTS_PER_HOUR", "many"),
        ("AI_CHARACTERS_PER_DAY", "x"),
        ("AI_TABLE_CHARACTERS_MAX", "x"),
        ("AI_TIMEOUT_SECONDS", "0"),
        ("AI_IDLE_TIMEOUT_SECONDS", "soon"),
        ("LOG_LEVEL", "shouting"),
        ("RUST_LOG", "convene=shouting"),
        ("DB_PORT", "x"),
        ("REDIS_PORT", "x"),
        ("REDIS_DB", "x"),
        ("ALLOW_ANONYMOUS", "maybe"),
        ("TRUSTED_PROXIES", "next door"),
        ("ALLOWED_ORIGINS", "not an origin"),
        ("JWT_ALGORITHM", "none"),
        ("JWT_PUBLIC_KEY_FILE", "/no/such/key.pem"),
    ];
    let mut cases: Vec<_> = single.map(|setting| vec![setting]).into();
    cases.push(vec![("TLS_CERT_FILE", "/no/such/cert.pem"), ("TLS_KEY_FILE", "/no/such/key.pem")]);
    cases.push(vec![("TLS_KEY_FILE", ""), ("TLS_CERT_FILE", "/no/such/cert.pem")]);
    cases.push(vec![("ALLOW_ANONYMOUS", "true"), ("WS_HOST", "0.0.0.0")]);
    cases.push(vec![("AI_MODEL", ""), ("AI_BASE_URL", "https://localhost/v1")]);
    cases.push(vec![("DB_PORT", "x"), ("DB_HOST", "localhost")]);
    cases.push(vec![("REDIS_PORT", "x"), ("REDIS_HOST", "localhost")]);
    cases.push(vec![("REDIS_DB", "x"), ("REDIS_HOST", "localhost")]);
    cases.push(vec![("DB_PORT", "x"), ("DATABASE_URL", "postgres://localhost/convene")]);
    cases.push(vec![("REDIS_PORT", "x"), ("REDIS_URL", "redis://localhost")]);
    cases.push(vec![("WEBSOCKET_TIMEOUT", "x"), ("WEBSOCKET_PING_TIMEOUT", "60")]);
    cases
}

#[tokio::test]
async fn a_bad_value_stops_the_start_with_one_sentence_that_names_it() {
    for settings in bad_settings() {
        let name = settings[0].0;
        // RUST_LOG overrides LOG_LEVEL, so it must not be set when that one is tested.
        let log = (name != "LOG_LEVEL").then_some(("RUST_LOG", "off"));
        // A later setting of the same name overrides.
        let environment: Vec<_> = [("WS_PORT", "0")].into_iter().chain(log).chain(settings.clone()).collect();
        for arguments in [&[][..], &["check-config"]] {
            let output = run_to_end(arguments, &environment).await;
            let text = said(&output);
            assert!(!output.status.success(), "{arguments:?} {settings:?} should be refused; it said: {text}");
            assert_eq!(output.status.signal(), None, "{settings:?}: {text}");
            assert!(text.contains(name), "{arguments:?} {settings:?}: the sentence should name {name}: {text}");
            assert!(!text.contains("panicked"), "{settings:?}: {text}");
            assert_eq!(text.trim().lines().count(), 1, "{arguments:?} {settings:?}: one sentence: {text}");
        }
    }
}

trait Signal {
    fn signal(&self) -> Option<i32>;
}

impl Signal for std::process::ExitStatus {
    fn signal(&self) -> Option<i32> {
        std::os::unix::process::ExitStatusExt::signal(self)
    }
}

#[tokio::test]
async fn a_good_configuration_is_confirmed() {
    let output = run_to_end(&["check-config"], &[("WS_PORT", "0"), ("JWT_SECRET_KEY", token::SECRET)]).await;
    assert!(output.status.success(), "{}", said(&output));
    assert!(!said(&output).contains(token::SECRET), "a check must not print secrets: {}", said(&output));
    let help = run_to_end(&["--help"], &[]).await;
    assert!(help.status.success());
    for command in ["serve", "migrate", "check-config", "token"] {
        assert!(said(&help).contains(command), "{}", said(&help));
    }
    assert!(!run_to_end(&["dance"], &[]).await.status.success());
}

#[tokio::test]
async fn a_taken_port_is_told() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = taken.local_addr().expect("bound").port().to_string();
    let output = run_to_end(&[], &[("WS_PORT", &port), ("RUST_LOG", "off")]).await;
    assert!(!output.status.success());
    assert!(said(&output).contains(&port), "it should name the port: {}", said(&output));
    assert!(!said(&output).contains("panicked"), "{}", said(&output));
}

#[tokio::test]
async fn without_any_setting_it_makes_what_it_needs_and_keeps_it() {
    let mut server = Server::builder().without_env("JWT_SECRET_KEY").start().await;
    let secret = server.data_folder().join("jwt_secret");
    let mode = fs::metadata(&secret).expect("a generated secret").permissions().mode();
    assert_eq!(mode & 0o777, 0o600, "nobody else may read the secret");
    let kept = fs::read(&secret).expect("a secret");
    assert!(kept.len() >= 32, "long enough for HS256");
    assert!(server.data_folder().join("convene.db").exists());
    let alice = server.user("alice").await;
    let channel = alice.channel_with(&[]).await;
    server.terminate().await;
    server.restart().await;
    assert_eq!(fs::read(&secret).expect("a secret"), kept);
    alice.join(&channel).await;

    let listening: Vec<_> =
        server.stdout().lines().filter(|line| line.contains("listening")).map(str::to_owned).collect();
    assert_eq!(listening.len(), 2, "one line per start: {listening:?}");
    assert!(!server.stdout().contains(&String::from_utf8_lossy(&kept)[..]), "the secret is not printed");
}

#[tokio::test]
async fn two_servers_do_not_share_a_generated_secret() {
    let first = Server::builder().without_env("JWT_SECRET_KEY").start().await;
    let second = Server::builder().without_env("JWT_SECRET_KEY").start().await;
    let alice = first.user("alice").await;
    let stranger = User::with_token(second.origin(), &alice.id, "alice", &alice.token);
    stranger.get("/api/auth/me").await.expect_error(401, "AUTHENTICATION_FAILED");
}

#[tokio::test]
async fn an_env_file_is_read_and_the_environment_wins() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    fs::write(folder.path().join(".env"), "WS_PORT=http\nMAX_QUEUE_SIZE=7\n").expect("writable");
    let from_file = run_in(folder.path(), &["check-config"], &[]).await;
    assert!(!from_file.status.success() && said(&from_file).contains("WS_PORT"), "{}", said(&from_file));
    let overridden = run_in(folder.path(), &["check-config"], &[("WS_PORT", "0")]).await;
    assert!(overridden.status.success(), "{}", said(&overridden));
}

#[tokio::test]
async fn no_value_of_an_env_file_is_printed_and_none_is_changed() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for (line, named) in [
        ("JWT_SECRET_KEY=hush horse battery staple", "line 2: JWT_SECRET_KEY"),
        ("AI_API_KEY=hush\\q", "line 2: AI_API_KEY"),
        ("DATABASE_URL=postgres://convene:hush/convene", "DATABASE_URL"),
        ("DATABASE_URL=postgres://convene:${DB_PASSWORD}@hush/convene", "line 2: DATABASE_URL"),
    ] {
        fs::write(folder.path().join(".env"), format!("WS_PORT=0\n{line}\n")).expect("writable");
        for arguments in [&[][..], &["check-config"]] {
            let output = run_in(folder.path(), arguments, &[]).await;
            let text = said(&output);
            assert_eq!(output.status.code(), Some(2), "{line}: {text}");
            assert!(text.contains(named) && !text.contains("hush"), "{line}: {text}");
        }
    }
    let fields = "DB_HOST=pa$host\nNODE_NAME=pa$word#1\nMAX_QUEUE_SIZ=7\nGREETING=hush\n";
    fs::write(folder.path().join(".env"), fields).expect("writable");
    let output = run_in(folder.path(), &["check-config"], &[("WS_PROT", "1")]).await;
    let text = said(&output);
    assert!(output.status.success() && text.contains("\nNODE_NAME=pa$word#1\n"), "{text}");
    assert!(text.contains("did you mean MAX_QUEUE_SIZE?") && text.contains("did you mean WS_PORT?"), "{text}");
    assert!(text.contains("GREETING") && !text.contains("hush"), "{text}");
    let (given, defaults) = text.split_once("# defaults\n").expect("a line between them");
    assert!(given.contains("NODE_NAME=") && defaults.contains("WS_PORT=8000"), "{text}");
}

#[tokio::test]
async fn flags_win_over_the_environment() {
    let arguments = ["check-config", "--host", "::1", "--port", "9000", "--data", "/srv/convene"];
    let output = run_to_end(&arguments, &[("WS_PORT", "8001")]).await;
    let text = said(&output);
    for line in ["WS_HOST=::1", "WS_PORT=9000", "DATA_DIR=/srv/convene"] {
        assert!(text.lines().any(|written| written == line), "{line}: {text}");
    }
    assert_eq!(run_to_end(&["--port", "x"], &[]).await.status.code(), Some(2));
}

#[tokio::test]
async fn a_data_folder_that_cannot_be_used_is_named() {
    let output = run_to_end(&[], &[("DATA_DIR", "/dev/null/x"), ("WS_PORT", "0"), ("RUST_LOG", "off")]).await;
    assert!(said(&output).contains("DATA_DIR") && said(&output).contains("/dev/null/x"), "{}", said(&output));
    assert!(!said(&output).contains("is not set"), "{}", said(&output));
    let folder = tempfile::tempdir().expect("a temporary folder");
    fs::write(folder.path().join("convene.db"), "no database, but long enough to look like one".repeat(99))
        .expect("writable");
    let place = folder.path().display().to_string();
    let output = run_to_end(&[], &[("DATA_DIR", &place), ("WS_PORT", "0"), ("RUST_LOG", "off")]).await;
    assert!(said(&output).contains(&place) && said(&output).contains("DATA_DIR"), "{}", said(&output));
}

#[tokio::test]
async fn a_token_is_never_signed_with_a_secret_of_its_own() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let place = folder.path().join("data");
    let settings = [("DATA_DIR", place.to_str().expect("UTF-8"))];
    let output = run_in(folder.path(), &["token", "--user", "ops", "--role", "admin"], &settings).await;
    assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0));
    assert!(said(&output).contains("there is no secret at") && said(&output).contains("DATA_DIR"), "{}", said(&output));
    assert!(!place.exists(), "it must make nothing");
}

#[tokio::test]
async fn the_separate_database_variables_make_a_postgres_url() {
    let cluster = Postgres::shared();
    let url = cluster.create_database().await;
    let name = url.rsplit('/').next().expect("a database name");
    let server = Server::builder()
        .env("DB_HOST", "127.0.0.1")
        .env("DB_PORT", cluster.port())
        .env("DB_USER", "convene")
        .env("DB_PASSWORD", "p@ss:w/rd?#%")
        .env("DATABASE", name)
        .start()
        .await;
    let alice = server.user("alice").await;
    let query = "SELECT username::text FROM users WHERE username = 'alice'";
    assert_eq!(cluster.query_text(&url, query).await.as_deref(), Some("alice"));
    assert!(!server.data_folder().join("convene.db").exists(), "SQLite is not used");

    // DATABASE_URL overrides them.
    let other = Server::builder()
        .env("DB_HOST", "127.0.0.1")
        .env("DB_PORT", cluster.port())
        .env("DB_USER", "convene")
        .env("DATABASE", name)
        .env("DATABASE_URL", "sqlite://here.db")
        .start()
        .await;
    User::with_token(other.origin(), &alice.id, "alice", &alice.token).get("/api/auth/me").await.expect(200);
    assert!(other.data_folder().with_file_name("here.db").exists());
}

on_both! {
    async fn migrating_alone_makes_the_schema_and_does_no_harm_twice(database) {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let url = match database {
            Database::Sqlite => format!("sqlite://{}", folder.path().join("new/migrated.db").display()),
            Database::Postgres => Postgres::shared().create_database().await,
        };
        for _ in 0..2 {
            let output = run_in(folder.path(), &["migrate"], &[("DATABASE_URL", &url)]).await;
            assert!(output.status.success(), "{}", said(&output));
        }
        let server = Server::builder().env("DATABASE_URL", &url).start().await;
        server.user("alice").await;
        let again = run_in(folder.path(), &["migrate"], &[("DATABASE_URL", &url)]).await;
        assert!(again.status.success(), "while a server is running: {}", said(&again));
        User::login(server.origin(), "alice").await;
    }
}

#[tokio::test]
async fn the_token_command_makes_tokens_that_work() {
    let server = Server::start().await;
    let secret = ("JWT_SECRET_KEY", token::SECRET);
    let arguments = ["token", "--user", "u-1", "--username", "ursula", "--role", "admin", "--ttl-seconds", "60"];
    let output = run_to_end(&arguments, &[secret]).await;
    assert!(output.status.success(), "{}", said(&output));
    let minted = String::from_utf8(output.stdout).expect("a token is ASCII");
    assert_eq!(minted.trim().split('.').count(), 3, "the token and nothing else: {minted}");
    let ursula = User::with_token(server.origin(), "u-1", "ursula", minted.trim());
    let me = ursula.get("/api/auth/me").await.expect(200);
    assert_eq!((&me["id"], &me["username"], &me["role"]), (&json!("u-1"), &json!("ursula"), &json!("admin")));
    let without_user = run_to_end(&["token"], &[secret]).await;
    assert!(!without_user.status.success());
}

#[tokio::test]
async fn the_address_is_as_configured() {
    let server = Server::builder().env("WS_HOST", "127.0.0.2").start().await;
    assert!(server.origin().starts_with("http://127.0.0.2:"), "{}", server.origin());
    get(&server.url("/healthz")).await.expect(200);
}
