//! A private PostgreSQL: its own cluster in a temporary folder, on a free port, with `fsync` on.
//!
//! One cluster serves a test process, and every test gets a new database in it. Tests that stop or freeze the database
//! start their own cluster.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::guard::{self, Ending};
use super::ports::free_port;
use super::template;

/// Starting takes about a second, but much longer on a loaded machine.
const START_TIMEOUT: Duration = Duration::from_secs(60);
const START_ATTEMPTS: u32 = 5;
const INSTALL: &str = "PostgreSQL is not installed. Install it with: apt-get install -y postgresql";

/// The database that a test runs on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Database {
    Sqlite,
    Postgres,
}

/// A running cluster. Dropping it stops it and removes its files.
pub struct Postgres {
    folder: TempDir,
    port: u16,
    process: Option<Child>,
    account: Account,
}

impl Postgres {
    /// The cluster shared by the tests of this process.
    pub fn shared() -> &'static Postgres {
        static SHARED: OnceLock<Postgres> = OnceLock::new();
        SHARED.get_or_init(Postgres::private)
    }

    /// A separate cluster that the caller may stop, freeze and start.
    pub fn private() -> Postgres {
        let account = Account::find();
        let folder = tempfile::Builder::new().prefix("convene-postgres-").tempdir().expect("a temporary folder");
        guard::remove_at_end(folder.path());
        account.own(folder.path());
        template::copy_fresh_cluster(&account, folder.path());
        let mut cluster = Postgres { folder, port: 0, process: None, account };
        for _ in 0..START_ATTEMPTS {
            cluster.port = free_port();
            if cluster.start().is_ok() {
                return cluster;
            }
        }
        panic!("PostgreSQL did not start: {}", cluster.log());
    }

    /// Creates an empty database and returns its URL.
    pub async fn create_database(&self) -> String {
        static COUNTER: AtomicU32 = AtomicU32::new(0);
        let name = format!("test_{}", COUNTER.fetch_add(1, Ordering::Relaxed));
        let client = self.connect("postgres").await.expect("the cluster should accept connections");
        client.batch_execute(&format!("CREATE DATABASE {name}")).await.expect("a new database");
        self.url(&name)
    }

    /// The URL of a database of this cluster.
    pub fn url(&self, database: &str) -> String {
        format!("postgres://convene@127.0.0.1:{}/{database}", self.port)
    }

    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Starts the stopped cluster again, on the same port and data, and waits until it responds.
    pub fn start(&mut self) -> Result<(), String> {
        let log = fs::OpenOptions::new().create(true).append(true).open(self.log_path()).map_err(|e| e.to_string())?;
        let process = self
            .account
            .command("postgres")
            .arg("-D")
            .arg(self.folder.path().join("data"))
            .args(["-p", &self.port.to_string(), "-h", "127.0.0.1"])
            .args(["-c", "unix_socket_directories=", "-c", "fsync=on", "-c", "max_connections=200"])
            .args(["-c", "shared_buffers=32MB"])
            .current_dir(self.folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .process_group(0)
            .spawn()
            .map_err(|e| e.to_string())?;
        guard::watch(process.id(), Ending::Quit);
        let process = self.process.insert(process);
        let ready = self.account.programs.join("pg_isready");
        let deadline = Instant::now() + START_TIMEOUT;
        while Instant::now() < deadline {
            if let Ok(Some(status)) = process.try_wait() {
                guard::forget(process.id());
                self.process = None;
                return Err(format!("postgres ended with {status}"));
            }
            // `-t 1` makes pg_isready itself wait for the server, so that this loop does not spin.
            let answer =
                Command::new(&ready).args(["-q", "-t", "1", "-h", "127.0.0.1", "-p", &self.port.to_string()]).status();
            if answer.is_ok_and(|status| status.success()) {
                return Ok(());
            }
        }
        Err("postgres did not become ready".to_owned())
    }

    /// Stops it immediately, like a crash (it recovers from its log at the next start).
    pub fn stop_at_once(&mut self) {
        if let Some(mut process) = self.process.take() {
            guard::signal(process.id(), "QUIT");
            process.wait().expect("the postmaster was our child");
            guard::forget(process.id());
        }
    }

    /// Freezes every process of the cluster: connections stay open, but nothing responds.
    pub fn freeze(&self) {
        self.signal_all("STOP");
    }

    /// Ends a [`Postgres::freeze`].
    pub fn thaw(&self) {
        self.signal_all("CONT");
    }

    /// Terminates every connection to a database, whatever it is doing. The cluster stays up.
    pub async fn cut_connections(&self, database_url: &str) {
        let name = database_url.rsplit('/').next().unwrap_or_default();
        let client = self.connect("postgres").await.expect("the cluster should accept connections");
        let cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1";
        client.execute(cut, &[&name]).await.expect("the superuser may cut connections");
    }

    /// Runs one query in `database` and returns the first column of its first row as text.
    pub async fn query_text(&self, database_url: &str, query: &str) -> Option<String> {
        let (client, connection) = tokio_postgres::connect(database_url, tokio_postgres::NoTls).await.ok()?;
        tokio::spawn(connection);
        client.query_opt(query, &[]).await.expect("the query should run").map(|row| row.get(0))
    }

    /// Runs a statement that locks rows, and holds the locks until the returned value is dropped.
    pub async fn hold(&self, database_url: &str, locking: &str) -> Held {
        let (client, connection) =
            tokio_postgres::connect(database_url, tokio_postgres::NoTls).await.expect("the database should answer");
        tokio::spawn(connection);
        client.batch_execute(&format!("BEGIN; {locking}")).await.expect("the rows should be free");
        Held { _transaction: client }
    }

    async fn connect(&self, database: &str) -> Result<tokio_postgres::Client, tokio_postgres::Error> {
        let (client, connection) = tokio_postgres::connect(&self.url(database), tokio_postgres::NoTls).await?;
        tokio::spawn(connection);
        Ok(client)
    }

    fn signal_all(&self, name: &str) {
        let postmaster = self.process.as_ref().expect("the cluster should be running").id();
        // The postmaster first, so that it can't start new children while the others are being frozen.
        guard::signal(postmaster, name);
        for child in children_of(postmaster) {
            // A backend may have ended in the meantime.
            guard::try_signal(child, name);
        }
    }

    fn log_path(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    fn log(&self) -> String {
        fs::read_to_string(self.log_path()).unwrap_or_default()
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        if self.process.is_some() {
            self.signal_all("CONT");
        }
        self.stop_at_once();
    }
}

/// Locks held by a test. The transaction ends with its connection.
pub struct Held {
    _transaction: tokio_postgres::Client,
}

/// The account that runs PostgreSQL, which refuses to run as root, and the location of its programs.
pub struct Account {
    programs: PathBuf,
    other: Option<(u32, u32)>,
}

impl Account {
    /// Finds the account of this machine.
    pub fn find() -> Account {
        let other = (effective_user_id() == 0).then(|| user_and_group("postgres").expect(INSTALL));
        Account { programs: programs_folder(), other }
    }

    /// The major version, as Debian's folders name it.
    pub fn version(&self) -> String {
        let folder = self.programs.parent().and_then(Path::file_name).expect("…/<version>/bin");
        folder.to_string_lossy().into_owned()
    }

    /// Distinguishes accounts in the names of kept clusters.
    pub fn name(&self) -> String {
        self.other.map_or_else(effective_user_id, |(user, _)| user).to_string()
    }

    /// A program of PostgreSQL, to be run under this account.
    pub fn command(&self, program: &str) -> Command {
        self.run_as(Command::new(self.programs.join(program)))
    }

    /// Makes a program run under this account, because some refuse to run as root.
    pub fn run_as(&self, mut command: Command) -> Command {
        if let Some((user, group)) = self.other {
            command.uid(user).gid(group);
        }
        command
    }

    /// Makes the account the owner of a folder.
    pub fn own(&self, folder: &Path) {
        if let Some((user, group)) = self.other {
            std::os::unix::fs::chown(folder, Some(user), Some(group)).expect("root may give a folder away");
            fs::set_permissions(folder, fs::Permissions::from_mode(0o700)).expect("root may set permissions");
        }
    }
}

/// The newest `/usr/lib/postgresql/<version>/bin`.
fn programs_folder() -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql").expect(INSTALL);
    let mut found: Vec<(u32, PathBuf)> = versions
        .flatten()
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin"))))
        .filter(|(_, programs)| programs.join("postgres").exists())
        .collect();
    found.sort();
    found.pop().expect(INSTALL).1
}

fn effective_user_id() -> u32 {
    let status = fs::read_to_string("/proc/self/status").expect("/proc should be mounted");
    let line = status.lines().find(|line| line.starts_with("Uid:")).expect("every process has a user");
    line.split_whitespace().nth(2).and_then(|id| id.parse().ok()).expect("the effective user id is a number")
}

fn user_and_group(name: &str) -> Option<(u32, u32)> {
    let accounts = fs::read_to_string("/etc/passwd").ok()?;
    let line = accounts.lines().find(|line| line.split(':').next() == Some(name))?;
    let mut fields = line.split(':').skip(2);
    Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
}

/// The direct children of a process, from `/proc`.
fn children_of(parent: u32) -> Vec<u32> {
    let processes = fs::read_dir("/proc").expect("/proc should be mounted");
    let ids = processes.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    ids.filter(|id| {
        // "pid (name) state parent …"; the name may contain any characters.
        let status = fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
        let fields = status.rsplit_once(')').map(|(_, rest)| rest.split_whitespace());
        fields.and_then(|mut fields| fields.nth(1)?.parse().ok()) == Some(parent)
    })
    .collect()
}
