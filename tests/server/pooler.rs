//! PgBouncer between the server and PostgreSQL: it either works or is refused at the start with an explanation.

use std::time::Duration;

use crate::support::pgbouncer::PgBouncer;
use crate::support::server::run_to_end;
use crate::support::{DEADLINE, Postgres, Server, eventually};

/// The advisory lock that allows only one node at a time to migrate.
const MIGRATION_LOCK: i64 = 0x63_6f_6e_76_65_6e_65;

#[tokio::test]
async fn a_pooler_that_changes_server_connections_is_refused_with_a_sentence() {
    let cluster = Postgres::private();
    for pool_mode in ["transaction", "statement"] {
        let bouncer = PgBouncer::start(cluster.port(), pool_mode);
        let url = bouncer.url(&cluster.create_database().await);
        for command in ["serve", "migrate"] {
            let output = run_to_end(&[command], &[("DATABASE_URL", &url), ("WS_PORT", "0")]).await;
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(!output.status.success(), "{pool_mode}: {command} must not start");
            assert!(said.contains("pool_mode = session"), "{pool_mode}: {command} says what to do: {said}");
        }
        let settings = "SELECT setting FROM pg_settings WHERE name = 'statement_timeout'";
        assert_eq!(cluster.query_text(&url, settings).await.as_deref(), Some("0"), "nothing of ours is left there");
    }
}

#[tokio::test]
async fn a_pooler_that_keeps_a_session_together_works() {
    let cluster = Postgres::private();
    let bouncer = PgBouncer::start(cluster.port(), "session");
    let url = bouncer.url(&cluster.create_database().await);
    for _ in 0..2 {
        // The second run must not be blocked by a lock that the first one left.
        let output = run_to_end(&["migrate"], &[("DATABASE_URL", &url)]).await;
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    let first = Server::builder().env("DATABASE_URL", &url).start().await;
    let second = Server::builder().env("DATABASE_URL", &url).start().await;
    for server in [&first, &second] {
        let alice = server.user(&format!("alice{}", server.pid())).await;
        let channel = alice.channel_with(&[]).await;
        let mut socket = alice.join(&channel).await;
        for turn in 0..50 {
            socket.say_acked(&format!("through the pooler {turn}"), "r").await;
        }
        assert_eq!(alice.history(&channel).await.len(), 50);
    }
}

#[tokio::test]
async fn waiting_for_another_nodes_migration_is_logged() {
    let cluster = Postgres::private();
    let url = cluster.create_database().await;
    let lock = cluster.hold(&url, &format!("SELECT pg_advisory_xact_lock({MIGRATION_LOCK})")).await;
    let migrating = {
        let url = url.clone();
        tokio::spawn(async move { run_to_end(&["migrate"], &[("DATABASE_URL", &url)]).await })
    };
    let asked = "SELECT query FROM pg_stat_activity WHERE starts_with(application_name, 'convene') AND query LIKE \
                 '%pg_try_advisory_lock%' AND now() - backend_start > interval '1 second'";
    eventually("a second look at the lock", DEADLINE * 3, || cluster.query_text(&url, asked)).await;
    assert!(!migrating.is_finished(), "it waits");
    drop(lock);
    let output = tokio::time::timeout(Duration::from_secs(60), migrating)
        .await
        .expect("the migration continues")
        .expect("no panic");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{said}");
    assert!(said.contains("event=migration_waits"), "{said}");
}
