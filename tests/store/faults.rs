//! A database that becomes unavailable, returns, or is locked by others: callers get the right error, and the store
//! recovers.

use std::{
    net::TcpListener,
    time::{Duration, Instant},
};

use convene::{
    ids::Seq,
    store::{Attempt, Before, Store, StoreError, StoreOptions},
};

use crate::fixture::{Database, Server, append, channel, connect, message, on_both, user};

fn assert_unavailable<T: std::fmt::Debug>(outcome: Result<T, StoreError>) {
    assert!(matches!(outcome, Err(StoreError::Unavailable(_))), "{outcome:?}");
}

/// A migrated database on its own server.
async fn own_server() -> (Server, String, Store) {
    let server = Server::start(&[]).await;
    let url = server.create_database().await;
    Store::migrate(&url).await.unwrap();
    let store = Store::open(&url, &StoreOptions::default()).await.unwrap();
    (server, url, store)
}

on_both! {
    async fn a_dropped_future_leaves_no_trace(database: Database) {
        let store = database.store().await;
        let ada = user(&store, "ada").await;
        let (_, room) = channel(&store, &ada).await;
        for turn in 0..200_u32 {
            let batch: Vec<_> = (0..20).map(|_| message(room, &ada, "x")).collect();
            // Cancelled anywhere from before the start until nearly done.
            let _ = tokio::time::timeout(Duration::from_micros(u64::from(turn) * 20), append(&store, &batch, Attempt::First)).await;
        }
        append(&store, &[message(room, &ada, "last")], Attempt::First).await.unwrap();
        let head = store.room_head(room).await.unwrap().unwrap().seq;
        let messages = store.messages(room, Before::Newest, i64::MAX).await.unwrap();
        assert_eq!(messages.len(), usize::try_from(head.0).unwrap());
        assert_eq!(head.0 % 20, 1, "all of a batch or nothing");
        store.ping().await.unwrap();
    }

    async fn a_store_is_used_from_threads_that_come_and_go(database: Database) {
        let store = database.store().await;
        let ada = user(&store, "ada").await;
        let (_, room) = channel(&store, &ada).await;
        for _ in 0..3 {
            let (store, ada) = (store.clone(), ada.clone());
            let thread = std::thread::spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
                runtime.block_on(async { append(&store, &[message(room, &ada, "x")], Attempt::First).await.unwrap() });
            });
            tokio::task::spawn_blocking(|| thread.join().unwrap()).await.unwrap();
        }
        assert_eq!(store.room_head(room).await.unwrap().unwrap().seq, Seq(3));
    }
}

#[tokio::test]
async fn a_refused_connection_is_unavailable_at_once() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let url = format!("postgres://nobody@127.0.0.1:{port}/none");
    let store = Store::open(&url, &StoreOptions::default()).await.unwrap();
    let begun = Instant::now();
    assert_unavailable(store.ping().await);
    assert_unavailable(Store::migrate(&url).await);
    assert!(begun.elapsed() < Duration::from_secs(3));
}

#[tokio::test]
async fn a_silent_peer_is_unavailable_in_bounded_time() {
    // Accepts connections but never responds.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("postgres://nobody@127.0.0.1:{}/none", listener.local_addr().unwrap().port());
    let store = Store::open(&url, &StoreOptions::default()).await.unwrap();
    let begun = Instant::now();
    assert_unavailable(store.ping().await);
    assert!(begun.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn a_killed_postgres_is_noticed_and_its_return_heals_all() {
    let (mut server, _, store) = own_server().await;
    let ada = user(&store, "ada").await;
    let (_, room) = channel(&store, &ada).await;
    let mut stored = 0;
    for _ in 0..3 {
        let writer = {
            let (store, ada) = (store.clone(), ada.clone());
            tokio::spawn(async move {
                let mut acknowledged = 0;
                loop {
                    let batch = [message(room, &ada, "x"), message(room, &ada, "y")];
                    match append(&store, &batch, Attempt::First).await {
                        Ok(_) => acknowledged += 1,
                        Err(error) => return (acknowledged, batch, error),
                    }
                }
            })
        };
        while store.room_head(room).await.unwrap().unwrap().seq.0 < stored + 20 {}
        server.kill().await;
        let (acknowledged, batch, error) = writer.await.unwrap();
        assert_unavailable::<()>(Err(error));
        assert_unavailable(store.ping().await);
        assert_unavailable(append(&store, &batch, Attempt::Again).await);
        server.resume().await;
        let seqs = append(&store, &batch, Attempt::Again).await.unwrap();
        store.ping().await.unwrap();
        stored += 2 * (acknowledged + 1);
        // Nothing acknowledged is lost, and appends with an unknown outcome are stored once.
        assert_eq!(seqs, [Seq(stored - 1), Seq(stored)]);
        assert_eq!(store.room_head(room).await.unwrap().unwrap().seq, Seq(stored));
        let messages = store.messages(room, Before::Newest, i64::MAX).await.unwrap();
        assert_eq!(messages.len(), usize::try_from(stored).unwrap());
    }
}

/// Repeats the query until it returns a row.
async fn until_rows(client: &tokio_postgres::Client, sql: &str) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while client.query(sql, &[]).await.unwrap().is_empty() {
        assert!(Instant::now() < deadline, "never: {sql}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn an_administrators_shutdown_is_unavailable() {
    let (server, url, store) = own_server().await;
    let ada = user(&store, "ada").await;
    let (_, room) = channel(&store, &ada).await;
    let (holder, watcher) = (connect(&url).await.unwrap(), connect(&url).await.unwrap());
    for _ in 0..5 {
        // The append waits for a lock while its connection is terminated.
        holder.batch_execute("BEGIN; LOCK TABLE rooms IN ACCESS EXCLUSIVE MODE").await.unwrap();
        let task = {
            let (store, batch) = (store.clone(), [message(room, &ada, "x")]);
            tokio::spawn(async move { append(&store, &batch, Attempt::First).await })
        };
        let waiting = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event_type = 'Lock'";
        until_rows(&watcher, waiting).await;
        assert_unavailable(task.await.unwrap());
        holder.batch_execute("ROLLBACK").await.unwrap();
    }
    // Idle connections are terminated, too: the next query must not use a dead one.
    append(&store, &[message(room, &ada, "x")], Attempt::First).await.unwrap();
    let others = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'convene'";
    server.execute("postgres", others).await;
    let none = "SELECT 1 WHERE NOT EXISTS (SELECT FROM pg_stat_activity WHERE application_name = 'convene')";
    until_rows(&watcher, none).await;
    let mut outcome = append(&store, &[message(room, &ada, "x")], Attempt::First).await;
    // Terminated on the server, but the client may not know yet; in that case the error must be the right one.
    for _ in 0..3 {
        if outcome.is_err() {
            assert_unavailable(outcome);
            outcome = append(&store, &[message(room, &ada, "x")], Attempt::First).await;
        }
    }
    outcome.unwrap();
}

#[tokio::test]
async fn a_lock_held_for_too_long_is_unavailable() {
    let (_server, url, store) = own_server().await;
    let ada = user(&store, "ada").await;
    let (_, room) = channel(&store, &ada).await;
    let holder = connect(&url).await.unwrap();
    holder.batch_execute("BEGIN; LOCK TABLE rooms IN ACCESS EXCLUSIVE MODE").await.unwrap();
    let begun = Instant::now();
    let tasks: Vec<_> = (0..4)
        .map(|_| {
            let (store, batch) = (store.clone(), [message(room, &ada, "x")]);
            tokio::spawn(async move { append(&store, &batch, Attempt::First).await })
        })
        .collect();
    for task in tasks {
        // Two wait for the lock, two for a connection.
        assert_unavailable(task.await.unwrap());
    }
    assert!(begun.elapsed() < convene::limits::STORE_STATEMENT_MAX + Duration::from_secs(3));
    // Reads of other tables continue.
    store.user(&ada.id).await.unwrap();
    holder.batch_execute("ROLLBACK").await.unwrap();
    assert_eq!(append(&store, &[message(room, &ada, "x")], Attempt::First).await.unwrap(), [Seq(1)]);
}

#[tokio::test]
async fn a_locked_file_is_unavailable() {
    use diesel::{Connection, SqliteConnection, connection::SimpleConnection};
    let database = Database::sqlite().await;
    let store = database.store().await;
    let ada = user(&store, "ada").await;
    let (_, room) = channel(&store, &ada).await;
    let mut other = SqliteConnection::establish(&database.file().to_string_lossy()).unwrap();
    other.batch_execute("BEGIN IMMEDIATE").unwrap();
    let begun = Instant::now();
    assert_unavailable(append(&store, &[message(room, &ada, "x")], Attempt::First).await);
    assert!(begun.elapsed() < convene::limits::STORE_LOCK_WAIT * 2);
    // Readers do not wait for writers.
    assert_eq!(store.room_head(room).await.unwrap().unwrap().seq, Seq(0));
    other.batch_execute("ROLLBACK").unwrap();
    assert_eq!(append(&store, &[message(room, &ada, "x")], Attempt::First).await.unwrap(), [Seq(1)]);
}

#[tokio::test]
async fn a_commit_is_on_the_disk() {
    let database = Database::sqlite().await;
    let store = database.store().await;
    let ada = user(&store, "ada").await;
    let (_, room) = channel(&store, &ada).await;
    append(&store, &[message(room, &ada, "x")], Attempt::First).await.unwrap();
    // A copy of the files while they are in use is what a crash would leave.
    let copy = tempfile::tempdir().unwrap();
    for suffix in ["", "-wal"] {
        let from = format!("{}{suffix}", database.file().display());
        std::fs::copy(from, copy.path().join(format!("convene.db{suffix}"))).unwrap();
    }
    let url = format!("sqlite://{}/convene.db", copy.path().display());
    let after = Store::open(&url, &StoreOptions::default()).await.unwrap();
    assert_eq!(after.room_head(room).await.unwrap().unwrap().seq, Seq(1));
}

#[tokio::test]
async fn a_url_of_neither_database_is_refused_without_repeating_it() {
    for url in ["mysql://root:secret@h/d", "convene.db", "", "sqlite://", "postgres://u:secret@h:notaport/d"] {
        let Err(error) = Store::open(url, &StoreOptions::default()).await else { panic!("{url} was accepted") };
        assert!(error.to_string().contains("DATABASE_URL"), "{error}");
        assert!(!error.to_string().contains("secret"), "{error}");
    }
}
