//! SQLite: one file, one writing connection, a few reading ones, and the queries compiled for it.

mod append;
mod cells;
mod full_text;
mod read_marks;
mod repeats;
mod tiles;

use std::path::{Path, PathBuf};

use diesel::{Connection as _, ConnectionError, ConnectionResult, SqliteConnection, connection::SimpleConnection};
use diesel_async::{
    pooled_connection::{
        AsyncDieselConnectionManager, ManagerConfig, RecyclingMethod,
        deadpool::{self, Pool},
    },
    sync_connection_wrapper::SyncConnectionWrapper,
};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};
use futures_util::FutureExt;

use super::error::{Outage, StoreError};
use crate::limits;

/// The connection type of the queries.
pub(super) type Connection = SyncConnectionWrapper<SqliteConnection>;

pub(super) mod schema {
    //! The tables with this database's column types.
    crate::store::schema::tables!(Binary, BigInt, Json, BigInt);
}

/// The backend, for statements that are written by hand.
pub(super) type Db = diesel::sqlite::Sqlite;

/// The bytes of a queued event.
pub(super) const PAYLOAD_BYTES: &str = "COALESCE(octet_length(payload), 0)";

/// The version of the embedded library.
pub(super) const VERSION: &str = "sqlite_version()";

pub(super) mod types {
    //! The column types that differ between the databases.
    pub use diesel::sql_types::{BigInt as Moment, Binary as Id};
}

/// Runs a transaction that writes. It takes the write lock at once, because taking it later may fail.
macro_rules! write_transaction {
    ($connection:expr, $body:expr) => {
        $connection.immediate_transaction($body)
    };
}

/// Inserts rows in one call on the connection's thread, because SQLite inserts them one by one.
macro_rules! insert_rows {
    ($connection:expr, $table:expr, $rows:expr) => {{
        let rows = $rows;
        let insert = move |connection: &mut diesel::SqliteConnection| {
            diesel::RunQueryDsl::execute(diesel::insert_into($table).values(rows), connection)
        };
        $connection.spawn_blocking(insert).await?
    }};
}

#[path = "../queries/mod.rs"]
#[allow(clippy::duplicate_mod, reason = "the same queries, compiled for each database's types")]
pub(super) mod queries;

pub(super) use self::append::append;

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("migrations/sqlite");

/// The connections. SQLite has one writer at a time, so only one connection writes.
#[derive(Clone)]
pub(super) struct Pools {
    readers: Pool<Connection>,
    writer: Pool<Connection>,
}

/// The use of a connection.
#[derive(Clone, Copy)]
enum Purpose {
    Read,
    Write,
}

impl Pools {
    /// Creates the folder; the first connection creates the file.
    pub(super) fn new(url: &str) -> Result<Pools, StoreError> {
        let path = file(url)?;
        create_folder(&path)?;
        let readers = pool(&path, Purpose::Read, limits::STORE_SQLITE_READERS)?;
        Ok(Pools { readers, writer: pool(&path, Purpose::Write, 1)? })
    }

    /// A connection for reading.
    pub(super) async fn read(&self) -> Result<deadpool::Object<Connection>, StoreError> {
        super::pooled(self.readers.get()).await
    }

    /// The connection for writing.
    pub(super) async fn write(&self) -> Result<deadpool::Object<Connection>, StoreError> {
        super::pooled(self.writer.get()).await
    }

    /// The connection for appending to the log: the same as for writing.
    pub(super) async fn log(&self) -> Result<deadpool::Object<Connection>, StoreError> {
        self.write().await
    }
}

fn pool(path: &Path, purpose: Purpose, connections_max: usize) -> Result<Pool<Connection>, StoreError> {
    let mut config = ManagerConfig::<Connection>::default();
    config.recycling_method = RecyclingMethod::Fast;
    config.custom_setup = Box::new(move |path| {
        let path = path.to_owned();
        async move {
            let connection = tokio::task::spawn_blocking(move || connect(&path, purpose))
                .await
                .map_err(|error| ConnectionError::BadConnection(error.to_string()))??;
            Ok(SyncConnectionWrapper::new(connection))
        }
        .boxed()
    });
    Pool::builder(AsyncDieselConnectionManager::new_with_config(path.to_string_lossy(), config))
        .max_size(connections_max)
        .build()
        .map_err(|error| StoreError::Fault(error.to_string()))
}

fn connect(path: &str, purpose: Purpose) -> ConnectionResult<SqliteConnection> {
    let mut connection = SqliteConnection::establish(path)?;
    let wait_ms = limits::STORE_LOCK_WAIT.as_millis();
    // busy_timeout first, because even the switch to WAL may encounter a lock. FULL: a commit is on the disk. 16 MiB of
    // cache, and of log before a checkpoint, because commits touch the same pages repeatedly.
    let pragmas = format!(
        "PRAGMA busy_timeout = {wait_ms}; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; \
         PRAGMA foreign_keys = ON; PRAGMA temp_store = MEMORY; PRAGMA cache_size = -16384; \
         PRAGMA wal_autocheckpoint = 4096; PRAGMA journal_size_limit = 67108864"
    );
    connection.batch_execute(&pragmas).map_err(ConnectionError::CouldntSetupConfiguration)?;
    match purpose {
        Purpose::Read => connection.batch_execute("PRAGMA query_only = ON"),
        Purpose::Write => Ok(()),
    }
    .map_err(ConnectionError::CouldntSetupConfiguration)?;
    Ok(connection)
}

/// SQLite's errors need no further evaluation.
pub(super) fn settle<T>(_connection: &mut Connection, outcome: Result<T, StoreError>) -> Result<T, StoreError> {
    outcome
}

/// Applies pending migrations and returns their names. All in one transaction, so that two processes do not interfere.
pub(super) async fn migrate(url: &str) -> Result<Vec<String>, StoreError> {
    let path = file(url)?;
    create_folder(&path)?;
    let task = tokio::task::spawn_blocking(move || {
        let mut connection =
            connect(&path.to_string_lossy(), Purpose::Write).map_err(|error| explained(&path, error))?;
        connection
            .immediate_transaction(|connection| super::migration_names(connection.run_pending_migrations(MIGRATIONS)))
    });
    task.await.map_err(|error| StoreError::Fault(error.to_string()))?
}

/// Why the file can't be opened, in terms of what an operator can do about it.
fn explained(path: &Path, error: ConnectionError) -> StoreError {
    let told = |problem: &str, advice| StoreError::Unavailable(Outage::before_sending(problem).advising(advice));
    let why = error.to_string();
    if path.is_dir() {
        return told("it is a folder", "name a file in DATABASE_URL, such as sqlite:///var/lib/convene/convene.db");
    }
    if why.contains("file is not a database") {
        let advice = "move the file away, or name another place with DATA_DIR or DATABASE_URL";
        return told("the file is not a SQLite database", advice);
    }
    if why.contains("disk image is malformed") {
        return told("the file is damaged", "restore it from a backup");
    }
    error.into()
}

/// The file that a URL names: `sqlite://relative/path`, `sqlite:///absolute/path`.
fn file(url: &str) -> Result<PathBuf, StoreError> {
    let path = url.strip_prefix("sqlite://").unwrap_or_default();
    if path.is_empty() || path.starts_with(':') || path.contains(['?', '#']) {
        let sentence = "DATABASE_URL for SQLite names a file, as in sqlite://data/convene.db, without parameters";
        return Err(StoreError::Fault(sentence.into()));
    }
    Ok(PathBuf::from(path))
}

fn create_folder(path: &Path) -> Result<(), StoreError> {
    let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) else { return Ok(()) };
    std::fs::create_dir_all(folder)
        .map_err(|error| StoreError::Fault(format!("can't create the folder {}: {error}", folder.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_file_that_is_no_database_is_explained() {
        let folder = tempfile::tempdir().unwrap();
        let text = folder.path().join("text.db");
        std::fs::write(&text, "no database, but long enough to look like one".repeat(99)).unwrap();
        for (path, problem) in [(folder.path(), "it is a folder"), (&text, "the file is not a SQLite database")] {
            let error = migrate(&format!("sqlite://{}", path.display())).await.unwrap_err();
            assert!(error.reason().starts_with(problem) && error.advice().is_some(), "{error:?}");
        }
    }

    #[test]
    fn a_url_names_a_file() {
        assert_eq!(file("sqlite://data/convene.db").unwrap(), Path::new("data/convene.db"));
        assert_eq!(file("sqlite:///var/lib/c.db").unwrap(), Path::new("/var/lib/c.db"));
        for bad in ["sqlite://", "sqlite://:memory:", "sqlite://a.db?mode=ro"] {
            assert!(file(bad).is_err(), "{bad}");
        }
    }
}
