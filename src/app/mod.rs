//! The composition root: starts the store, the actors and the server in order, and shuts them down in order. It must hold no
//! behaviour of its own that could live in another module.

#[cfg(feature = "faults")]
pub(crate) mod faults;
mod folders;
mod internal;
mod lock;
mod single_node_check;

use std::{
    future::Future,
    io::{self, Write},
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicBool, AtomicU16, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use actix::prelude::*;
use actix_server::ServerHandle;
use actix_web::web;

use self::lock::DatabaseLock;
pub use self::{folders::BadFolder, lock::Locked};
use crate::{
    actors::{
        bridge::{BridgeLink, CloseBridge, ClusterMode, LinkStatus, local::LocalBridge, redis::RedisBridge},
        cluster::{self, Cluster},
        due::DueNotifications,
        journal::Journal,
        messages::{
            Barrier, BeginLeaving, CountAll, Drain, Everyone, FinishAnswers, HoldPresence, ListNodes, Quiesce,
            StartDraining,
        },
        moderation::{Moderation, ModerationWatch},
        node::{Clock, Node, StopSwitch},
        presence::{self, PresenceTracker},
        registry::{Registry, SetNode},
        sweeper::Sweeper,
    },
    auth::tokens::Verifier,
    config::{Config, ConfigError, DatabaseUrl, Secret, SecretSource},
    core::rate::RateLimits,
    dialects,
    http::{self, AppState, Listener},
    ids::NodeId,
    limits,
    logged::logged,
    metrics::Metrics,
    services::{self, files::BadBucket},
    store::{AboutDatabase, Store, StoreError, StoreOptions, is_read_only},
    transport::{plain, server},
};

/// Why the server failed to start or stopped.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A setting is invalid.
    #[error("{0}")]
    Config(#[from] ConfigError),
    /// The database can't be opened or migrated.
    #[error("{}", unusable(.database, .error))]
    Store {
        /// Its URL.
        database: DatabaseUrl,
        /// The database's error.
        error: StoreError,
    },
    /// The database is read-only.
    #[error("The database {database} can't be written to: {why}; {}", write_advice(.database))]
    NotWritable {
        /// Its URL, displayed without the password.
        database: DatabaseUrl,
        /// The database's error.
        why: String,
    },
    /// Another process uses the embedded database.
    #[error("{0}")]
    Locked(#[from] Locked),
    /// A folder can't be used.
    #[error("{0}")]
    Folder(#[from] BadFolder),
    /// The file storage is not usable.
    #[error("{0}")]
    Files(#[from] BadBucket),
    /// The server can't listen on the address.
    #[error("Can't listen on {address}: {error}; set WS_HOST and WS_PORT to a free address")]
    Listen {
        /// The configured address.
        address: String,
        /// The operating system's error.
        error: io::Error,
    },
    /// The server can't listen on the internal address.
    #[error("Can't listen on {address}: {error}; set INTERNAL_ADDRESS to a free address of this machine")]
    ListenInternal {
        /// The configured address.
        address: SocketAddr,
        /// The operating system's error.
        error: io::Error,
    },
    /// The HTTP client of the assistant can't be created.
    #[error("Can't set up TLS for the assistant: {0}; check the system's certificates")]
    Assistant(#[from] services::ai::BadProvider),
    /// The server failed.
    #[error("The server failed: {0}")]
    Server(io::Error),
}

/// Serves until SIGTERM or SIGINT, then drains. A signal during startup stops the server at once.
///
/// # Errors
/// The reason why the server can't start, in one sentence.
pub fn run(config: Config) -> Result<(), RunError> {
    System::new().block_on(async {
        // Before anything else: in a container we are process 1, and the kernel drops signals that process 1 has no handler for.
        let mut stop = Box::pin(stop_signal().map_err(RunError::Server)?);
        let prepared = tokio::select! {
            biased;
            () = &mut stop => None,
            prepared = prepare(config) => Some(prepared?),
        };
        let Some(Prepared { node, site, listener, _lock }) = prepared else {
            log::info!("event=stopped why=signal_while_starting");
            return Ok(());
        };
        serve(node, site, listener, stop).await
    })
}

/// A node that is ready to accept connections.
struct Prepared {
    node: Arc<Node>,
    site: web::Data<AppState>,
    listener: TcpListener,
    /// Held while the node serves.
    _lock: Option<DatabaseLock>,
}

/// Everything that happens before the first client connects. The port is bound first, so that a conflict is reported first,
/// but it accepts connections only at the end.
async fn prepare(config: Config) -> Result<Prepared, RunError> {
    let refused = |error| {
        let address = format!("{}:{}", config.listen.host, config.listen.port);
        RunError::Listen { address, error }
    };
    let port = server::reserve(&config.listen.host, config.listen.port).map_err(refused)?;
    folders::check(&config)?;
    let secret = config.auth.secret()?;
    let lock = DatabaseLock::take(&config).await?;
    describe_start(&config);
    let (host, number) = (config.listen.host.clone(), config.listen.port);
    let node = start(config, &secret).await?;
    #[cfg(feature = "faults")]
    faults::listen(&node).map_err(RunError::Server)?;
    let site = web::Data::new(AppState::new(&node, &secret)?);
    let listener =
        server::listen(port).map_err(|error| RunError::Listen { address: format!("{host}:{number}"), error })?;
    Ok(Prepared { node, site, listener, _lock: lock })
}

/// Logs what an operator needs first: the version, and where everything is.
fn describe_start(config: &Config) {
    let secret = match &config.auth.secret {
        SecretSource::Given(_) => "given".to_owned(),
        SecretSource::Kept(path) => path.display().to_string(),
    };
    let redis = config.cluster.redis.as_ref().map_or("none".to_owned(), ToString::to_string);
    log::info!(
        "event=starting version={} node={} database={} data={} secret={} redis={}",
        env!("CARGO_PKG_VERSION"),
        config.node.name,
        logged(&config.storage.database),
        logged(config.storage.data_dir.display()),
        logged(secret),
        logged(redis),
    );
    log::info!(
        "event=access registration=open registrations_per_hour={} requests_per_minute={} workers={}",
        config.auth.registrations_per_hour,
        config.rates.requests_per_minute,
        config.listen.workers,
    );
}

/// Waits for `work`. While it takes long, logs repeatedly what it waits for.
async fn patiently<T>(what: &str, work: impl Future<Output = T>) -> T {
    let began = Instant::now();
    let mut work = std::pin::pin!(work);
    loop {
        match tokio::time::timeout(limits::START_WAIT_TOLD, &mut work).await {
            Ok(done) => return done,
            Err(_elapsed) => log::warn!("event=waiting for={what} seconds={}", began.elapsed().as_secs()),
        }
    }
}

/// Starts a node: migrates and opens its store, and starts its actors on the calling thread's System. Programs that embed Convene
/// call this and mount the node into an App; `convene serve` continues with [`serve`].
///
/// # Errors
/// An invalid setting, or a database that can't be opened, migrated or written to.
pub async fn start(config: Config, secret: &Secret) -> Result<Arc<Node>, RunError> {
    start_among(config, secret, bridge).await
}

/// Like [`start`], but the caller provides the link to other nodes, created for the new node's id. Tests and programs that embed
/// several nodes in one process connect them with one [`LocalBridge`].
///
/// # Errors
/// Like [`start`].
pub async fn start_among(
    config: Config,
    secret: &Secret,
    link: impl FnOnce(&Config, NodeId, &Arc<Metrics>) -> BridgeLink,
) -> Result<Arc<Node>, RunError> {
    for warning in config.warnings() {
        log::warn!("event=config why={}", logged(warning));
    }
    let store = open_store(&config).await?;
    let metrics = Arc::new(Metrics::new());
    let rates = RateLimits {
        requests_per_minute: config.rates.requests_per_minute,
        requests_per_hour: config.rates.requests_per_hour,
        ephemeral_per_second: config.rates.ephemeral_per_second,
        edits_per_second: config.rates.edits_per_second,
        block_ms: config.rates.block.as_millis() as i64,
    };
    let id = NodeId::generate();
    let node = Arc::new(Node {
        id,
        registry: Registry::default().start(),
        journal: Journal::start(&store, &metrics),
        presence: PresenceTracker::new(id, Clock).start(),
        cluster: Cluster::default().start(),
        bridge: link(&config, id, &metrics),
        verifier: Arc::new(Verifier::new(&config.auth, secret)?),
        store,
        config: Arc::new(config),
        metrics,
        assistant: OnceLock::new(),
        clock: Clock,
        history_bytes: AtomicUsize::new(0),
        connection_counts: Arc::default(),
        invite_rates: Default::default(),
        moderation: Arc::new(Moderation::default()),
        rates,
        started: Instant::now(),
        leaving: AtomicBool::new(false),
        draining: AtomicBool::new(false),
        stop: StopSwitch::default(),
        workers: AtomicU16::new(0),
    });
    // The mailboxes are empty, because nothing else has these addresses yet.
    if node.registry.try_send(SetNode(node.clone())).is_err() {
        log::error!("event=registry_not_wired");
    }
    if node.presence.try_send(presence::Join(node.clone())).is_err() {
        log::error!("event=presence_not_wired");
    }
    if node.cluster.try_send(cluster::SetNode(node.clone())).is_err() {
        log::error!("event=cluster_not_wired");
    }
    start_watches(&node);
    services::search::start(node.store.clone());
    services::ai::start(&node)?;
    single_node_check::watch(&node);
    Ok(node)
}

/// Migrates and opens the database.
async fn open_store(config: &Config) -> Result<Store, RunError> {
    let database = config.storage.database.clone();
    let failed = |error| refused(database.clone(), error);
    let applied = patiently("database", Store::migrate(database.as_str())).await.map_err(failed)?;
    if !applied.is_empty() {
        log::info!("event=migrated count={}", applied.len());
    }
    let options = StoreOptions {
        offline_queue_max: config.storage.offline_queue_max,
        recovery_events_max: config.storage.recovery_events_max,
        ..StoreOptions::default()
    };
    let store = Store::open(database.as_str(), &options).await.map_err(failed)?;
    store.check_writable().await.map_err(failed)?;
    describe_database(&store.about().await.map_err(failed)?);
    Ok(store)
}

/// Starts what looks at the database periodically.
fn start_watches(node: &Arc<Node>) {
    Sweeper::new(node.store.clone()).start();
    DueNotifications::new(node.clone()).start();
    ModerationWatch::new(node.clone()).start();
}

/// Logs which database is used. Warns if a newer release has changed its tables, which this release can use only if that release
/// is the next one.
fn describe_database(about: &AboutDatabase) {
    log::info!(
        "event=database product={} version={} migration={}",
        about.product,
        logged(&about.version),
        about.migration
    );
    if let Some(known) = about.is_newer_than() {
        log::warn!(
            "event=newer_database migration={} known={known} why=\"a newer release has changed the tables of this database; start \
             that release, unless this is a rollback to the release directly before it\"",
            about.migration
        );
    }
}

/// The sentence for a database that can't be opened or migrated.
pub fn unusable(database: &DatabaseUrl, error: &StoreError) -> String {
    match error.advice() {
        Some(advice) => format!("The database {database} can't be used: {}; {advice}", error.reason()),
        None => format!("The database {database} can't be prepared: {error}; {}", database.advice()),
    }
}

/// Classifies why the server can't start with this database.
fn refused(database: DatabaseUrl, error: StoreError) -> RunError {
    let why = error.to_string();
    // SQLite reports the latter if the database file or its journal can't be opened.
    if is_read_only(&error) || why.contains("unable to open database file") {
        RunError::NotWritable { database, why }
    } else {
        RunError::Store { database, error }
    }
}

fn write_advice(database: &DatabaseUrl) -> &'static str {
    match database.file() {
        Some(_) => "give the user that runs Convene write permission for that file and its folder",
        None => "set DATABASE_URL to the primary server and to an account whose transactions may write",
    }
}

/// The link to other nodes. It does not wait for Redis, because the node can serve without it.
fn bridge(config: &Config, id: NodeId, metrics: &Arc<Metrics>) -> BridgeLink {
    let board = Arc::new(LinkStatus::default());
    match &config.cluster.redis {
        None => BridgeLink::new(&LocalBridge::default().start(), id, ClusterMode::SingleNode, board),
        Some(redis) => {
            log::info!("event=redis url={redis} prefix={} node={id}", redis.prefix);
            let bridge = RedisBridge::start(redis.clone(), id, board.clone(), metrics.clone());
            BridgeLink::new(&bridge, id, ClusterMode::MultiNode, board)
        }
    }
}

/// Serves REST and sockets on a listener until `shutdown` is ready, then drains the node.
///
/// # Errors
/// An invalid certificate, or a listener that the operating system refuses.
pub async fn serve(
    node: Arc<Node>,
    site: web::Data<AppState>,
    listener: TcpListener,
    shutdown: impl Future<Output = ()> + 'static,
) -> Result<(), RunError> {
    let address = listener.local_addr().map_err(RunError::Server)?;
    let tls = node.config.listen.tls.as_ref().map(|files| files.server_config()).transpose()?;
    let scheme = if tls.is_some() { "https" } else { "http" };
    let internal = internal::start(&node, &site)?;
    let app = move || {
        http::app(site.clone(), Listener::Public, |config| {
            plain::configure(config);
            http::page::configure(config);
            http::openapi::configure_asyncapi(config, dialects::asyncapi::text());
        })
    };
    let running = server::serve(&node, listener, tls, app).map_err(RunError::Server)?;
    announce(&format!("convene is listening on {scheme}://{}", openable(address)));
    log::info!("event=listening url={scheme}://{address} node={}", node.config.node.name);
    let handle = running.handle();
    let drained = actix_rt::spawn(async move {
        tokio::select! {
            () = shutdown => {}
            () = node.stop.wait() => log::info!("event=stop_called"),
        }
        drain(&node, &handle).await;
    });
    running.await.map_err(RunError::Server)?;
    // The server ends just before the drain does. A panic in the drain has already been logged.
    let _ = drained.await;
    if let Some(internal) = internal {
        internal.stop(true).await;
    }
    Ok(())
}

/// The address that a browser on this machine can open: loopback instead of the unspecified address.
fn openable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip @ (IpAddr::V4(_) | IpAddr::V6(_)) => ip,
    };
    SocketAddr::new(ip, address.port())
}

/// Prints the line that scripts wait for.
fn announce(line: &str) {
    let mut out = io::stdout().lock();
    // A closed pipe is not an error.
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

/// Completes at the first SIGTERM or SIGINT after this call. The handlers are installed at once, so that no signal is missed.
fn stop_signal() -> io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminated = signal(SignalKind::terminate())?;
    let mut interrupted = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! { _ = terminated.recv() => {}, _ = interrupted.recv() => {} }
    })
}

/// Drains the node. Load balancers and other nodes are notified first. Then the node refuses new sockets, stops reading, stores
/// and acknowledges what it has read, sends every client a reconnect time, and only then stops the server.
async fn drain(node: &Node, server: &ServerHandle) {
    let began = Instant::now();
    let config = &node.config.node;
    node.leaving.store(true, Ordering::Relaxed);
    log::info!("event=draining");
    let counted = node.registry.send(CountAll).timeout(limits::ASK_TIMEOUT).await.unwrap_or_default();
    leave(node, config.spread_ms(counted.connections)).await;
    tokio::time::sleep(config.shutdown_delay).await;
    node.draining.store(true, Ordering::Relaxed);
    let (told, patience) = (Instant::now(), config.shutdown_timeout);
    finish_answers(node, patience / 2).await;
    tell(node.presence.send(HoldPresence).timeout(limits::ASK_TIMEOUT).await);
    // The number of sockets has changed during the delay.
    let counted = node.registry.send(CountAll).timeout(limits::ASK_TIMEOUT).await.unwrap_or_default();
    let spread_ms = config.spread_ms(counted.connections);
    leave(node, spread_ms).await;
    if let Ok(everyone) = node.registry.send(StartDraining).timeout(limits::ASK_TIMEOUT).await {
        settle(node, &everyone).await;
        let floor_ms = floor_ms(node).await;
        while told.elapsed() < patience && sockets_left(&everyone, Drain { floor_ms, spread_ms }).await > 0 {
            tokio::time::sleep(limits::DRAIN_POLL).await;
        }
    }
    server.stop(true).await;
    // Last, because other nodes receive events until here.
    tell(node.bridge.close_bridge.send(CloseBridge).timeout(limits::ASK_TIMEOUT).await);
    log::info!("event=stopped took_ms={}", began.elapsed().as_millis());
}

/// Announces to the other nodes how long this node's users will take to reconnect to them.
async fn leave(node: &Node, spread_ms: u64) {
    let leaving_ms = spread_ms.saturating_add(limits::LEAVING_SLACK.as_millis() as u64);
    tell(node.cluster.send(BeginLeaving { leaving_ms }).timeout(limits::ASK_TIMEOUT).await);
}

/// Lets the assistant finish its answers while the users are still connected. Answers that take too long are reported as failed.
async fn finish_answers(node: &Node, within: Duration) {
    if let Some(assistant) = node.assistant.get() {
        let patience = within.saturating_add(limits::ASK_TIMEOUT);
        tell(assistant.finish.send(FinishAnswers { within }).timeout(patience).await);
    }
}

/// Waits until everything that was read is stored and the replies have reached the hubs.
async fn settle(node: &Node, everyone: &Everyone) {
    for hub in &everyone.hubs {
        tell(hub.send(Quiesce).timeout(limits::ASK_TIMEOUT).await);
    }
    for room in &everyone.rooms {
        tell(room.send(Barrier).timeout(limits::ASK_TIMEOUT).await);
    }
    match tokio::time::timeout(limits::ASK_TIMEOUT, node.journal.settled()).await {
        Ok(settled) => tell(settled),
        Err(_elapsed) => tell(Err(MailboxError::Timeout)),
    }
    for room in &everyone.rooms {
        tell(room.send(Barrier).timeout(limits::ASK_TIMEOUT).await);
    }
}

fn tell(answer: Result<(), MailboxError>) {
    if let Err(error) = answer {
        log::debug!("event=drain_step why=\"{error}\"");
    }
}

/// The minimum reconnect delay of clients. If no other node accepts them, it lets this one restart first.
async fn floor_ms(node: &Node) -> u64 {
    let known = node.cluster.send(ListNodes).timeout(limits::ASK_TIMEOUT).await.unwrap_or_default();
    let others = known.peers.iter().any(|(_, peer)| peer.beat.leaving_ms.is_none());
    if others { 0 } else { node.config.node.reconnect_floor.as_millis() as u64 }
}

async fn sockets_left(everyone: &Everyone, drain: Drain) -> usize {
    let mut left = 0;
    for hub in &everyone.hubs {
        left += hub.send(drain).timeout(limits::ASK_TIMEOUT).await.unwrap_or(0);
    }
    left
}
