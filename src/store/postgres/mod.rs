//! PostgreSQL: connections, encodings, migrations, and the queries compiled for it.

mod append;
mod cells;
mod comments;
mod full_text;
mod pooler;
mod processes;
mod read_marks;
mod refusal;
mod repeats;
mod statements;
mod tiles;
mod tls;

use std::{str::FromStr, time::Instant};

use diesel::{ConnectionResult, sql_types::BigInt};
use diesel_async::{
    AsyncMigrationHarness, AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection,
    pooled_connection::{
        AsyncDieselConnectionManager, ManagerConfig, PoolableConnection, RecyclingMethod,
        deadpool::{self, Pool},
    },
};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};
use futures_util::FutureExt;

use self::tls::Target;
use super::{
    StoreOptions,
    error::{Outage, StoreError},
};
use crate::limits;

/// The connection type of the queries.
pub(super) type Connection = AsyncPgConnection;

pub(super) mod schema {
    //! The tables with this database's column types.
    crate::store::schema::tables!(Uuid, Timestamptz, Jsonb, Timestamp);
}

/// The backend, for statements that are written by hand.
pub(super) type Db = diesel::pg::Pg;

/// The bytes of a queued event.
pub(super) const PAYLOAD_BYTES: &str = "COALESCE(octet_length(payload::text), 0)::bigint";

/// The server's version.
pub(super) const VERSION: &str = "current_setting('server_version')";

pub(super) mod types {
    //! The column types that differ between the databases.
    pub use diesel::sql_types::{Timestamptz as Moment, Uuid as Id};
}

/// Runs a transaction that writes.
macro_rules! write_transaction {
    ($connection:expr, $body:expr) => {
        diesel_async::AsyncConnection::transaction($connection, $body)
    };
}

/// Inserts rows with one statement.
macro_rules! insert_rows {
    ($connection:expr, $table:expr, $rows:expr) => {
        diesel_async::RunQueryDsl::execute(diesel::insert_into($table).values($rows), $connection).await?
    };
}

#[path = "../queries/mod.rs"]
#[allow(clippy::duplicate_mod, reason = "the same queries, compiled for each database's types")]
pub(super) mod queries;

pub(super) use self::{append::append, processes::other_processes};

pub(super) const MIGRATIONS: EmbeddedMigrations = embed_migrations!("migrations/postgres");

/// The advisory lock that allows only one node at a time to migrate ("convene" in ASCII).
const MIGRATION_LOCK: i64 = 0x63_6f_6e_76_65_6e_65;

/// The connections. Appends have their own, so that a burst of reads never delays a commit.
#[derive(Clone)]
pub(super) struct Pools {
    shared: Pool<Connection>,
    log: Pool<Connection>,
}

/// The use of a connection.
#[derive(Clone, Copy)]
enum Purpose {
    /// Everything except appends.
    Query,
    /// Appends to the log.
    Append,
}

impl Pools {
    /// Does not connect; the first query does.
    pub(super) fn new(url: &str, options: &StoreOptions) -> Result<Pools, StoreError> {
        let target = Target::from_str(url)?;
        let shared = options.connections_max.saturating_sub(limits::STORE_LOG_CONNECTIONS).max(1);
        Ok(Pools {
            shared: pool(&target, shared, Purpose::Query)?,
            log: pool(&target, limits::STORE_LOG_CONNECTIONS, Purpose::Append)?,
        })
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

fn pool(target: &Target, connections_max: usize, purpose: Purpose) -> Result<Pool<Connection>, StoreError> {
    let mut config = ManagerConfig::<Connection>::default();
    // A dead connection is detected without a query, because its socket is closed.
    config.recycling_method = RecyclingMethod::Fast;
    let target = target.clone();
    config.custom_setup = Box::new(move |_| {
        let target = target.clone();
        async move { connect(&target, purpose).await }.boxed()
    });
    // The URL stays in the target, because the manager would print it with its password.
    Pool::builder(AsyncDieselConnectionManager::new_with_config("", config))
        .max_size(connections_max)
        .build()
        .map_err(|error| StoreError::Fault(error.to_string()))
}

async fn connect(target: &Target, purpose: Purpose) -> ConnectionResult<Connection> {
    let mut connection = target.connect().await?;
    // A node that disappears must not hold a room's lock until TCP times out.
    let timeout_ms = limits::STORE_STATEMENT_MAX.as_millis();
    let (lock_ms, more) = match purpose {
        Purpose::Query => (timeout_ms, ""),
        // Appends find all rows by their keys. Plans are made while the tables are small, and kept while they grow.
        Purpose::Append => (limits::STORE_ROW_LOCK_WAIT.as_millis(), "SET enable_seqscan = off"),
    };
    let settings = format!(
        "SET statement_timeout = {timeout_ms}; SET idle_in_transaction_session_timeout = {timeout_ms}; \
         SET lock_timeout = {lock_ms}; SET client_min_messages = warning; {more}"
    );
    connection.batch_execute(&settings).await.map_err(diesel::ConnectionError::CouldntSetupConfiguration)?;
    Ok(connection)
}

/// Evaluates the result of a query together with the state of the connection. Any error on a closed connection means
/// that the database became unavailable. A connection that did not respond in time is dropped, because its late
/// response could be taken for that of the next query. A connection is also dropped after an error that may occur again
/// on it, or that is unknown; after a failover all idle connections are dropped.
pub(super) fn settle<T>(
    mut connection: deadpool::Object<Connection>,
    outcome: Result<Result<T, StoreError>, tokio::time::error::Elapsed>,
) -> Result<T, StoreError> {
    match outcome {
        Ok(Err(StoreError::Fault(reason))) => {
            let error = match connection.is_broken() {
                true => StoreError::Unavailable(Outage::unanswered(reason)),
                false => StoreError::Fault(reason),
            };
            drop(deadpool::Object::take(connection));
            Err(error)
        }
        Ok(Err(StoreError::Unavailable(outage))) => {
            if outage.spoils_all_connections()
                && let Some(pool) = deadpool::Object::pool(&connection)
            {
                pool.retain(|_, _| false);
            }
            if outage.spoils_connection() {
                drop(deadpool::Object::take(connection));
            }
            Err(StoreError::Unavailable(outage))
        }
        Ok(other) => other,
        Err(_elapsed) => {
            drop(deadpool::Object::take(connection));
            Err(StoreError::Unavailable(Outage::unanswered("it does not respond in time")))
        }
    }
}

/// Applies pending migrations and returns their names. Needs a multi-threaded runtime.
pub(super) async fn migrate(url: &str) -> Result<Vec<String>, StoreError> {
    let target = Target::from_str(url)?;
    pooler::refuse_transaction_pooling(&target).await?;
    let mut connection = target.connect().await?;
    lock_migrations(&mut connection).await?;
    // No statement timeout here, because migrating a large table may take long.
    let mut harness = AsyncMigrationHarness::new(connection);
    let names = super::migration_names(harness.run_pending_migrations(MIGRATIONS));
    // The lock belongs to the session, which a pooler may keep open.
    let mut connection = harness.into_inner();
    connection.batch_execute(&format!("SELECT pg_advisory_unlock({MIGRATION_LOCK})")).await?;
    names
}

/// Takes the migration lock, waiting in bounded time for another node that holds it.
async fn lock_migrations(connection: &mut Connection) -> Result<(), StoreError> {
    let began = Instant::now();
    let mut is_waiting = false;
    loop {
        let lock = diesel::dsl::sql::<diesel::sql_types::Bool>("pg_try_advisory_lock(")
            .bind::<BigInt, _>(MIGRATION_LOCK)
            .sql(")");
        if diesel::select(lock).get_result::<bool>(connection).await? {
            return Ok(());
        }
        if began.elapsed() >= limits::STORE_MIGRATION_WAIT {
            let sentence = format!(
                "another session has held the migration lock for {} s; find it with SELECT pid FROM pg_locks WHERE \
                 locktype = 'advisory', and end it with pg_terminate_backend(pid) if it is not a migrating node",
                limits::STORE_MIGRATION_WAIT.as_secs()
            );
            return Err(StoreError::Unavailable(Outage::before_sending(sentence)));
        }
        if !std::mem::replace(&mut is_waiting, true) {
            log::warn!("event=migration_waits why=\"waiting for another node's migration\"");
        }
        tokio::time::sleep(limits::STORE_MIGRATION_RETRY).await;
    }
}
