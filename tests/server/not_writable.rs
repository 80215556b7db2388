//! A read-only database: the server does not start on one, and is not ready if its database becomes read-only
//! (docs/operations.md, "Health and metrics").

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::process::Stdio;

use crate::support::rest::get;
use crate::support::server::run_to_end;
use crate::support::{DEADLINE, Postgres, Server, eventually, token};

/// The user `nobody`, who owns no files.
const NOBODY: u32 = 65_534;

async fn ready(server: &Server, status: u16) -> String {
    let url = server.url("/readyz");
    eventually(&format!("readiness {status}"), DEADLINE, || async {
        let answer = get(&url).await;
        (answer.status == status).then_some(answer.text)
    })
    .await
}

/// Also affects open sessions, as after a failover to a former standby.
async fn writing(cluster: &Postgres, database: &str, is_refused: &str) {
    let set = format!("ALTER SYSTEM SET default_transaction_read_only = {is_refused}");
    cluster.query_text(database, &set).await;
    cluster.query_text(database, "SELECT pg_reload_conf()::text").await;
}

#[tokio::test]
async fn a_node_whose_database_takes_no_write_is_not_ready_and_none_starts_on_it() {
    let cluster = Postgres::private();
    let database = cluster.create_database().await;
    let server = Server::builder().env("DATABASE_URL", &database).start().await;
    let alice = server.user("alice").await;
    ready(&server, 200).await;

    writing(&cluster, &database, "on").await;
    let reason = ready(&server, 503).await;
    assert!(reason.contains("read-only"), "{reason}");
    let health = get(&server.url("/api/v1/ws/health")).await.expect(200);
    assert_eq!((&health["status"], &health["database"]["status"]), (&"degraded".into(), &"read_only".into()));
    let metrics = get(&server.url("/metrics")).await.text;
    assert!(metrics.lines().any(|line| line == "convene_store_up 0"), "{metrics}");
    get(&server.url("/healthz")).await.expect(200);
    alice.get("/api/groups").await.expect(200);
    let settings = [("DATABASE_URL", &*database), ("JWT_SECRET_KEY", token::SECRET), ("WS_PORT", "0")];
    let second = run_to_end(&[], &settings).await;
    let said = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(!second.status.success(), "{said}");
    let name = database.rsplit('/').next().expect("a name");
    assert!(said.contains(name) && said.contains("read-only transaction"), "{said}");
    assert!(said.contains("set DATABASE_URL to the primary"), "it should say what to do: {said}");

    writing(&cluster, &database, "off").await;
    ready(&server, 200).await;
}

#[tokio::test]
async fn the_server_does_not_start_on_a_file_that_it_may_not_write() {
    let mut server = Server::start().await;
    server.user("alice").await;
    let data = server.data_folder();
    server.kill();
    let mut folders = vec![data.clone()];
    folders.extend(data.ancestors().skip(1).take_while(|folder| *folder != std::env::temp_dir()).map(Into::into));
    for file in fs::read_dir(&data).expect("the data folder").flatten() {
        fs::set_permissions(file.path(), Permissions::from_mode(0o444)).expect("our own file");
    }
    for folder in folders {
        fs::set_permissions(folder, Permissions::from_mode(0o555)).expect("our own folder");
    }
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_convene"));
    command.env_clear().env("DATA_DIR", &data).env("JWT_SECRET_KEY", token::SECRET).env("WS_PORT", "0");
    command.current_dir("/").stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    if fs::metadata("/proc/self").expect("a process").uid() == 0 {
        command.uid(NOBODY).gid(NOBODY);
    }
    let ended = tokio::time::timeout(DEADLINE, command.output()).await.expect("it should end").expect("it should run");
    let said = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert!(!ended.status.success(), "{said}");
    // The folder is checked first, so it is refused first if it is read-only.
    assert!(said.contains(&data.display().to_string()), "it should name the place: {said}");
    let advised = ["write permission", "where this user may write"].iter().any(|advice| said.contains(advice));
    assert!(advised, "it should say what to do: {said}");
    fs::set_permissions(&data, Permissions::from_mode(0o755)).expect("our own folder");
}
