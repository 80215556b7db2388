//! PostgreSQL: its connections, its encodings, its migrations, and the queries compiled for it.

mod append;
mod cells;
mod statement;
mod tls;

use std::str::FromStr;

use diesel::ConnectionResult;
use diesel_async::{
    AsyncMigrationHarness, AsyncPgConnection, SimpleAsyncConnection,
    pooled_connection::{
        AsyncDieselConnectionManager, ManagerConfig, PoolableConnection, RecyclingMethod,
        deadpool::{self, Pool},
    },
};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};
use futures_util::FutureExt;

use self::tls::Target;
use super::{StoreOptions, error::StoreError};
use crate::limits;

/// What queries run on.
pub(super) type Connection = AsyncPgConnection;

pub(super) mod schema {
    //! The tables with this database's column types.
    crate::store::schema::tables!(Uuid, Timestamptz);
}

/// A transaction that writes.
macro_rules! write_transaction {
    ($connection:expr, $body:expr) => {
        diesel_async::AsyncConnection::transaction($connection, $body)
    };
}

#[path = "queries/mod.rs"]
#[allow(clippy::duplicate_mod, reason = "the same queries, compiled for each database's types")]
pub(super) mod queries;

pub(super) use self::append::append;

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("migrations/postgres");

/// The advisory lock under which one node at a time migrates ("convene" in ASCII).
const MIGRATION_LOCK: i64 = 0x63_6f_6e_76_65_6e_65;

/// The connections: appends have their own, so that a burst of reads never keeps a commit waiting.
#[derive(Clone)]
pub(super) struct Pools {
    shared: Pool<Connection>,
    log: Pool<Connection>,
}

impl Pools {
    /// Connects to nothing yet: the first query does.
    pub(super) fn new(url: &str, options: &StoreOptions) -> Result<Pools, StoreError> {
        let target = Target::from_str(url)?;
        let shared = options.connections_max.saturating_sub(limits::STORE_LOG_CONNECTIONS).max(1);
        Ok(Pools { shared: pool(&target, shared)?, log: pool(&target, limits::STORE_LOG_CONNECTIONS)? })
    }

    /// A connection for reading.
    pub(super) async fn read(&self) -> Result<deadpool::Object<Connection>, StoreError> {
        super::pooled(self.shared.get()).await
    }

    /// A connection for writing.
    pub(super) async fn write(&self) -> Result<deadpool::Object<Connection>, StoreError> {
        super::pooled(self.shared.get()).await
    }

    /// A connection for appending to the log.
    pub(super) async fn log(&self) -> Result<deadpool::Object<Connection>, StoreError> {
        super::pooled(self.log.get()).await
    }
}

fn pool(target: &Target, connections_max: usize) -> Result<Pool<Connection>, StoreError> {
    let mut config = ManagerConfig::<Connection>::default();
    // A dead connection shows without asking: its socket is closed.
    config.recycling_method = RecyclingMethod::Fast;
    let target = target.clone();
    config.custom_setup = Box::new(move |_| {
        let target = target.clone();
        async move { connect(&target).await }.boxed()
    });
    // The URL stays in the target: the manager would print it with its password.
    Pool::builder(AsyncDieselConnectionManager::new_with_config("", config))
        .max_size(connections_max)
        .build()
        .map_err(|error| StoreError::Fault(error.to_string()))
}

async fn connect(target: &Target) -> ConnectionResult<Connection> {
    let mut connection = target.connect().await?;
    // A node that vanishes without a word must not hold a room's lock until TCP gives it up.
    let timeout_ms = limits::STORE_STATEMENT_MAX.as_millis();
    let settings = format!(
        "SET statement_timeout = {timeout_ms}; SET idle_in_transaction_session_timeout = {timeout_ms}; \
         SET client_min_messages = warning"
    );
    connection.batch_execute(&settings).await.map_err(diesel::ConnectionError::CouldntSetupConfiguration)?;
    Ok(connection)
}

/// What became of a query, given the state that it left the connection in: whatever the words of the error, on a
/// closed connection it means that the database went away. A connection that did not answer in time is given up: nobody
/// could tell what it says later from the answer to the next question.
pub(super) fn settle<T>(
    mut connection: deadpool::Object<Connection>,
    outcome: Result<Result<T, StoreError>, tokio::time::error::Elapsed>,
) -> Result<T, StoreError> {
    match outcome {
        Ok(Err(StoreError::Fault(reason))) if connection.is_broken() => Err(StoreError::Unavailable(reason)),
        Ok(other) => other,
        Err(_elapsed) => {
            drop(deadpool::Object::take(connection));
            Err(StoreError::Unavailable("it does not answer in time".into()))
        }
    }
}

/// Applies what is pending and answers its names. Needs a multi-threaded runtime.
pub(super) async fn migrate(url: &str) -> Result<Vec<String>, StoreError> {
    let target = Target::from_str(url)?;
    let mut connection = target.connect().await?;
    // Held by the session, and gone with it. No statement timeout here: a large table may take long.
    connection.batch_execute(&format!("SELECT pg_advisory_lock({MIGRATION_LOCK})")).await?;
    let mut harness = AsyncMigrationHarness::new(connection);
    super::migration_names(harness.run_pending_migrations(MIGRATIONS))
}
