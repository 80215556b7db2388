//! The only place with SQL: one set of queries for PostgreSQL and SQLite, selected at run time by `DATABASE_URL`. It
//! uses the types of `core`, and must not depend on actors, HTTP or dialects.
//!
//! `queries/` is compiled twice, under `postgres` and under `sqlite`, which provide the connection and the column
//! types. Only appending to the log is written separately for each, because it is the hot path.
//!
//! Everything runs on the store's own threads. Callers may therefore use any runtime and drop a future at any time: a
//! request that has begun runs to its end, and no connection is left within a transaction.

mod about;
mod access;
mod appending;
mod batch;
mod batch_loader;
mod canvases;
mod cell_updates;
mod claimed_profile;
mod conversations;
mod devices;
mod documents;
mod effects;
mod error;
mod files;
mod groups;
mod invite_data;
mod invites;
mod log;
mod moderation;
mod notifications;
mod postgres;
mod processes;
mod queue;
mod records;
mod repeats;
mod rooms;
mod schema;
mod search;
mod sheets;
mod silence;
mod spaces;
mod sqlite;
mod statement;
mod stored_document;
mod tile_changes;
mod users;
mod values;

use std::{
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use diesel::migration::MigrationVersion;
use tokio::runtime::Runtime;

use self::batch_loader::BatchLoader;
pub use self::{
    about::AboutDatabase,
    access::{Access, Right, RoomRef},
    appending::*,
    canvases::{ActivityFilter, Canvas, CanvasCursor, NewCanvas, PlacedTile, TileComment},
    claimed_profile::ClaimedProfile,
    conversations::{
        Contacts, ConversationCursor, ConversationSummary, MessagePlace, Participation, Partner, ReactionCount,
    },
    devices::{ClaimedPrekey, Device, NewDevice, Prekey, PutDevice},
    effects::{EffectRefused, MessageRefused, ReactionRefused, ReadRefused, StateRefused},
    error::{Outage, StoreError},
    files::*,
    invites::*,
    moderation::*,
    records::*,
    search::{Indexed, Pending, SearchStart},
    spaces::*,
    stored_document::StoredDocument,
};
use crate::{
    core::{event::RoomIdentity, profile::Profile},
    ids::{RoomId, RoomName, SheetId, Timestamp, UserId},
    limits,
};

/// Options from the configuration.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct StoreOptions {
    /// Connections to PostgreSQL. SQLite has a fixed number.
    pub connections_max: usize,
    /// Messages, and as many notifications, queued per user until they are written to a socket. The oldest are dropped.
    pub offline_queue_max: usize,
    /// Events kept per room for recovery; slightly more until the next trimming.
    pub recovery_events_max: usize,
}

impl Default for StoreOptions {
    fn default() -> StoreOptions {
        StoreOptions {
            connections_max: limits::STORE_CONNECTIONS_MAX,
            offline_queue_max: limits::OFFLINE_QUEUE_MAX,
            recovery_events_max: limits::RECOVERY_EVENTS_MAX,
        }
    }
}

/// The errors of a read-only database: PostgreSQL (unless its messages are translated) and SQLite.
const READ_ONLY: [&str; 2] = ["read-only transaction", "readonly database"];

/// Whether an error means that the database is read-only. Nothing was stored, and a retry will not help.
pub fn is_read_only(error: &StoreError) -> bool {
    let said = error.to_string();
    READ_ONLY.iter().any(|words| said.contains(words))
}

/// The kind of database.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Backend {
    /// PostgreSQL, for several nodes.
    Postgres,
    /// A local SQLite file.
    Sqlite,
}

impl Backend {
    /// The database of a URL, according to its scheme.
    pub fn of_url(url: &str) -> Result<Backend, StoreError> {
        match url.split_once("://").map(|(scheme, _)| scheme) {
            Some("postgres" | "postgresql") => Ok(Backend::Postgres),
            Some("sqlite") => Ok(Backend::Sqlite),
            // Without the URL, because it may contain a password.
            _ => Err(StoreError::Fault("DATABASE_URL must begin with sqlite:// or postgres://".into())),
        }
    }
}

/// The database. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    shared: Arc<Shared>,
}

struct Shared {
    database: Database,
    options: StoreOptions,
    loaders: Loaders,
    written: queue::Written,
    threads: Threads,
    /// The last commit of events was refused, or its result is unknown.
    append_failed: AtomicBool,
}

/// Batched reads and writes that every new socket needs, and other frequent requests.
struct Loaders {
    users: BatchLoader<UserId, Option<Profile>>,
    channels: BatchLoader<(RoomId, UserId), Option<ChannelAccess>>,
    heads: BatchLoader<RoomId, Option<RoomHead>>,
    opens: BatchLoader<(RoomName, UserId), Option<OpenRoom>>,
    sheets: BatchLoader<SheetId, Option<RoomName>>,
    spaces: BatchLoader<(RoomId, UserId), Option<SpaceAccess>>,
    waiting: BatchLoader<UserId, bool>,
    leases: BatchLoader<(UserId, QueueQuery, Timestamp), Leased>,
    delivered: BatchLoader<(UserId, Vec<QueuedId>), ()>,
    identities: BatchLoader<RoomId, Option<RoomIdentity>>,
    participants: BatchLoader<(RoomId, UserId), Participation>,
}

#[derive(Clone)]
enum Database {
    Postgres(postgres::Pools),
    Sqlite(sqlite::Pools),
}

/// Runs one query function on the configured database, on the calling thread, which must be one of the store's.
macro_rules! on {
    ($database:expr, $pool:ident, $file:ident::$query:ident($($argument:expr),* $(,)?)) => {
        match &$database {
            $crate::store::Database::Postgres(pools) => {
                let mut connection = pools.$pool().await?;
                let query = $crate::store::postgres::queries::$file::$query(&mut connection, $($argument),*);
                let outcome = tokio::time::timeout($crate::limits::STORE_ANSWER_MAX, query).await;
                $crate::store::postgres::settle(connection, outcome)
            }
            $crate::store::Database::Sqlite(pools) => {
                let mut connection = pools.$pool().await?;
                let outcome = $crate::store::sqlite::queries::$file::$query(&mut connection, $($argument),*).await;
                $crate::store::sqlite::settle(&mut connection, outcome)
            }
        }
    };
}
use on;

/// Runs one query function on the store's own threads, from anywhere. Arguments are moved there.
macro_rules! run {
    ($store:expr, $pool:ident, $file:ident::$query:ident($($argument:expr),* $(,)?)) => {{
        let database = $store.shared.database.clone();
        $store.shared.threads.run(async move { $crate::store::on!(database, $pool, $file::$query($($argument),*)) }).await
    }};
}
use run;

impl Store {
    /// Prepares the connections. Creates the folder and the file of a SQLite database. Connects to PostgreSQL only with
    /// the first query, so that a server starts while its database is unavailable. [`Store::migrate`] creates the
    /// tables.
    pub async fn open(url: &str, options: &StoreOptions) -> Result<Store, StoreError> {
        let database = match Backend::of_url(url)? {
            Backend::Postgres => Database::Postgres(postgres::Pools::new(url, options)?),
            Backend::Sqlite => Database::Sqlite(sqlite::Pools::new(url)?),
        };
        let threads = Threads::new()?;
        let loaders = Loaders::new(&threads, &database);
        let store = Store {
            shared: Arc::new(Shared {
                database,
                options: *options,
                loaders,
                written: queue::Written::default(),
                threads,
                append_failed: AtomicBool::new(false),
            }),
        };
        match store.backend() {
            Backend::Postgres => {}
            Backend::Sqlite => store.ping().await?,
        }
        Ok(store)
    }

    /// Applies pending migrations and returns their names. Several nodes may call this at the same time.
    pub async fn migrate(url: &str) -> Result<Vec<String>, StoreError> {
        let threads = Threads::new()?;
        let url = url.to_owned();
        match Backend::of_url(&url)? {
            Backend::Postgres => threads.run(async move { postgres::migrate(&url).await }).await,
            Backend::Sqlite => threads.run(async move { sqlite::migrate(&url).await }).await,
        }
    }

    /// The kind of database.
    pub fn backend(&self) -> Backend {
        match &self.shared.database {
            Database::Postgres(_) => Backend::Postgres,
            Database::Sqlite(_) => Backend::Sqlite,
        }
    }

    /// Whether the database responds.
    pub async fn ping(&self) -> Result<(), StoreError> {
        run!(self, read, users::ping())
    }

    /// Whether the database is writable. Usually this changes nothing; only after a commit of events has failed, a row
    /// is actually written, until that succeeds.
    pub async fn check_writable(&self) -> Result<(), StoreError> {
        if !self.shared.append_failed.load(Ordering::Relaxed) {
            return run!(self, write, users::begin_write());
        }
        run!(self, write, users::write_one())?;
        self.shared.append_failed.store(false, Ordering::Relaxed);
        Ok(())
    }
}

impl Loaders {
    fn new(threads: &Threads, database: &Database) -> Loaders {
        let (of_users, of_channels, of_rooms) = (database.clone(), database.clone(), database.clone());
        let (of_opens, of_sheets) = (database.clone(), database.clone());
        let (of_waiting, of_delivered, of_spaces) = (database.clone(), database.clone(), database.clone());
        let (of_leases, of_identities, of_participants) = (database.clone(), database.clone(), database.clone());
        Loaders {
            users: BatchLoader::start(threads, move |ids| {
                let database = of_users.clone();
                async move { on!(database, read, users::several(&ids)) }
            }),
            channels: BatchLoader::start(threads, move |asked| {
                let database = of_channels.clone();
                async move { on!(database, read, rooms::channel_accesses(&asked)) }
            }),
            heads: BatchLoader::start(threads, move |ids| {
                let database = of_rooms.clone();
                async move { on!(database, read, rooms::each_head(&ids)) }
            }),
            opens: BatchLoader::start(threads, move |asked| {
                let database = of_opens.clone();
                async move { on!(database, read, open_rooms::accesses(&asked)) }
            }),
            sheets: BatchLoader::start(threads, move |ids| {
                let database = of_sheets.clone();
                async move { on!(database, read, sheets::rooms(&ids)) }
            }),
            spaces: BatchLoader::start(threads, move |asked| {
                let database = of_spaces.clone();
                async move { on!(database, read, spaces::accesses(&asked)) }
            }),
            waiting: BatchLoader::start(threads, move |users| {
                let database = of_waiting.clone();
                async move { on!(database, read, user_queue::waits(&users)) }
            }),
            leases: BatchLoader::start(threads, move |asked| {
                let database = of_leases.clone();
                async move { on!(database, write, user_queue::lease_each(&asked)) }
            }),
            identities: BatchLoader::start(threads, move |ids| {
                let database = of_identities.clone();
                async move { on!(database, read, rooms::each_identity(&ids)) }
            }),
            participants: BatchLoader::start(threads, move |asked| {
                let database = of_participants.clone();
                async move { on!(database, write, participants::add_each(&asked)) }
            }),
            delivered: BatchLoader::start(threads, move |rows| {
                let database = of_delivered.clone();
                async move { on!(database, write, user_queue::delivered(&rows)) }
            }),
        }
    }
}

/// The store's own runtime. It lives as long as the store, unlike the threads of actors and tests.
struct Threads {
    runtime: Option<Runtime>,
}

impl Threads {
    fn new() -> Result<Threads, StoreError> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(limits::STORE_THREADS)
            .max_blocking_threads(limits::STORE_BLOCKING_THREADS_MAX)
            .thread_name("convene-store")
            .enable_all()
            .build()
            .map_err(|error| StoreError::Fault(format!("can't start the store's threads: {error}")))?;
        Ok(Threads { runtime: Some(runtime) })
    }

    /// Runs in the background until it or the store ends.
    fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        if let Some(runtime) = &self.runtime {
            runtime.spawn(work);
        }
    }

    /// Runs to the end, even if the caller no longer waits.
    async fn run<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, StoreError>> + Send + 'static,
    ) -> Result<T, StoreError> {
        let Some(runtime) = &self.runtime else { return Err(StoreError::Fault("the store is closed".into())) };
        runtime.spawn(work).await.unwrap_or_else(|error| Err(StoreError::Fault(error.to_string())))
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        // A plain drop would block, which an asynchronous caller must not do.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// A connection from a pool, in bounded time.
async fn pooled<T, E: std::fmt::Display>(connection: impl Future<Output = Result<T, E>>) -> Result<T, StoreError> {
    match tokio::time::timeout(limits::STORE_CONNECTION_WAIT, connection).await {
        Ok(Ok(connection)) => Ok(connection),
        Ok(Err(error)) => Err(StoreError::Unavailable(Outage::before_sending(error.to_string()))),
        Err(_elapsed) => Err(StoreError::Unavailable(Outage::before_sending("no connection became free in time"))),
    }
}

/// Converts the result of the migration library.
fn migration_names(applied: diesel::migration::Result<Vec<MigrationVersion<'_>>>) -> Result<Vec<String>, StoreError> {
    match applied {
        Ok(versions) => Ok(versions.iter().map(ToString::to_string).collect()),
        Err(error) => Err(match error.downcast::<diesel::result::Error>() {
            Ok(error) => StoreError::from(*error),
            Err(error) => StoreError::Fault(format!("a migration failed: {error}")),
        }),
    }
}
