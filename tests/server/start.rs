//! Start and end of the process: what it waits for, what it prints, and conflicts with other processes
//! (docs/operations.md).

use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};

use crate::support::guard::{self, Ending};
use crate::support::server::{BINARY, run_in};
use crate::support::{DEADLINE, Postgres, Server, eventually, token};

/// Runs the program with only these variables; its log goes to a file.
fn launch(folder: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> Child {
    let log = std::fs::File::create(folder.join("log")).expect("writable");
    let mut command = Command::new(BINARY);
    command.args(arguments).current_dir(folder).env_clear().env("JWT_SECRET_KEY", token::SECRET);
    command.env("RUST_LOG", "info").envs(environment.iter().copied());
    let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().expect("the built server");
    guard::watch(child.id(), Ending::Kill);
    child
}

async fn logs(folder: &Path, what: &str) {
    let log = || std::fs::read_to_string(folder.join("log")).unwrap_or_default();
    eventually(what, DEADLINE, || async { log().contains(what).then_some(()) }).await;
}

async fn ended(child: &mut Child) -> ExitStatus {
    let status = eventually("the end", DEADLINE, || {
        let status = child.try_wait().expect("our own child");
        async move { status }
    })
    .await;
    guard::forget(child.id());
    status
}

#[tokio::test]
async fn a_start_that_waits_says_so_refuses_clients_and_ends_at_a_signal() {
    // Accepts connections but never responds.
    let mute = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = {
        let free = TcpListener::bind("127.0.0.1:0").expect("a free port");
        free.local_addr().expect("bound").port()
    };
    let url = format!("postgres://u:hush@127.0.0.1:{}/d", mute.local_addr().expect("bound").port());
    let folder = tempfile::tempdir().expect("a temporary folder");
    for signal in ["TERM", "INT"] {
        let settings = [("DATABASE_URL", url.as_str()), ("WS_PORT", &port.to_string())];
        let mut child = launch(folder.path(), &[], &settings);
        logs(folder.path(), "event=waiting for=database").await;
        assert!(TcpStream::connect(("127.0.0.1", port)).is_err(), "nobody may connect to what can't answer yet");
        guard::signal(child.id(), signal);
        assert_eq!(ended(&mut child).await.code(), Some(0), "the signal is handled, not suffered");
        logs(folder.path(), "event=stopped").await;
    }
    // It does not wait for ever.
    let output = run_in(folder.path(), &["migrate"], &[("DATABASE_URL", &url)]).await;
    let sentence = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.code() == Some(1) && sentence.contains("does not respond"), "{sentence}");
    assert!(!sentence.contains("hush"), "{sentence}");
}

#[tokio::test]
async fn a_second_process_on_one_sqlite_folder_is_refused() {
    let server = Server::start().await;
    let folder = server.data_folder().display().to_string();
    let elsewhere = tempfile::tempdir().expect("a temporary folder");
    let settings =
        [("DATA_DIR", folder.as_str()), ("WS_PORT", "0"), ("JWT_SECRET_KEY", token::SECRET), ("RUST_LOG", "off")];
    let output = run_in(elsewhere.path(), &[], &settings).await;
    let sentence = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{sentence}");
    assert!(sentence.contains(&format!("(process {})", server.pid())) && sentence.contains("DATA_DIR"), "{sentence}");
    server.user("alice").await;
}

#[tokio::test]
async fn a_second_node_on_one_postgres_without_redis_is_noticed() {
    let url = Postgres::shared().create_database().await;
    let (one, two) = tokio::join!(
        Server::builder().env("DATABASE_URL", &url).start(),
        Server::builder().env("DATABASE_URL", &url).start()
    );
    for (node, other) in [(&one, &two), (&two, &one)] {
        let line = node.logs("event=not_alone").await;
        assert!(line.contains(&format!("convene {}@", other.pid())) && line.contains("set REDIS_URL"), "{line}");
    }
    // Until then, each node receives the other's messages from the database, with a delay.
    let alice = one.user("alice").await;
    let channel = alice.channel_with(&[]).await;
    let mut here = alice.join(&channel).await;
    let mut there = alice.at(&two).join(&channel).await;
    here.say("over there").await;
    there.expect_message("over there").await;
}

#[tokio::test]
async fn the_log_says_what_was_started_and_that_it_stopped() {
    let mut server = Server::builder().without_env("JWT_SECRET_KEY").start().await;
    let line = server.logs("event=starting").await;
    for part in ["version=", "database=sqlite://", "data=", "jwt_secret", "redis=none"] {
        assert!(line.contains(part), "{part}: {line}");
    }
    server.logs("registration=").await;
    server.terminate().await;
    server.logs("event=stopped took_ms=").await;
}

#[tokio::test]
async fn nobody_has_to_read_what_a_command_prints() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for arguments in [&["check-config"][..], &["migrate"], &["token", "--user", "u"], &["openapi"], &["asyncapi"]] {
        // The reading end is closed before anything is written.
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let mut command = Command::new(BINARY);
        command.args(arguments).current_dir(folder.path()).env_clear().env("JWT_SECRET_KEY", token::SECRET);
        let child = command.stdin(Stdio::null()).stdout(writer).stderr(Stdio::piped()).spawn().expect("the program");
        let output = child.wait_with_output().expect("our own child");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {said}");
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let mut command = Command::new(BINARY);
        command.arg("check-config").env_clear().env("WS_PORT", "x").stdin(Stdio::null()).stderr(writer);
        assert_eq!(command.status().expect("the program").code(), Some(2), "a refusal nobody reads");
    }
}

#[tokio::test]
async fn all_addresses_are_announced_as_one_that_opens() {
    let server = Server::builder().env("WS_HOST", "0.0.0.0").start().await;
    assert!(server.origin().starts_with("http://127.0.0.1:"), "{}", server.origin());
}
