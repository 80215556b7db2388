//! The server as a separate process: the built binary, a temporary data folder, a free port.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use tempfile::TempDir;

use super::guard::{self, Ending};
use super::rest::User;
use super::{DEADLINE, Database, Postgres, eventually, token};

/// The binary of this crate, built by cargo for this test.
pub const BINARY: &str = env!("CARGO_BIN_EXE_convene");

/// The first start creates the schema, which may take long on a loaded machine.
const START_TIMEOUT: Duration = Duration::from_secs(60);
const STOP_TIMEOUT: Duration = Duration::from_secs(30);
const LISTENING: &str = "convene is listening on ";

/// The settings of a server to be started.
pub struct ServerBuilder {
    environment: BTreeMap<String, String>,
    database: Database,
    program: PathBuf,
}

/// A running (or killed) server and its data.
pub struct Server {
    folder: Arc<TempDir>,
    environment: BTreeMap<String, String>,
    program: PathBuf,
    process: Option<Child>,
    address: String,
    log: Arc<Mutex<String>>,
    stdout: Arc<Mutex<String>>,
}

impl ServerBuilder {
    /// Sets an environment variable of the server.
    pub fn env(mut self, name: &str, value: impl ToString) -> Self {
        self.environment.insert(name.to_owned(), value.to_string());
        self
    }

    /// Removes a variable that the harness sets, so that the server's default applies.
    pub fn without_env(mut self, name: &str) -> Self {
        self.environment.remove(name);
        self
    }

    /// Chooses the database, which is new in either case. SQLite by default.
    pub fn database(mut self, database: Database) -> Self {
        self.database = database;
        self
    }

    /// Runs the example that mounts Convene in its own App, instead of the server.
    pub fn mounted(mut self) -> Self {
        self.program = Path::new(BINARY).with_file_name("examples").join("mounted");
        assert!(self.program.exists(), "the example is not built; run: cargo build --example mounted");
        self
    }

    /// Starts the server and waits until it listens.
    pub async fn start(mut self) -> Server {
        if self.database == Database::Postgres && !self.environment.contains_key("DATABASE_URL") {
            self.environment.insert("DATABASE_URL".to_owned(), Postgres::shared().create_database().await);
        }
        let folder = tempfile::Builder::new().prefix("convene-server-").tempdir().expect("a temporary folder");
        guard::remove_at_end(folder.path());
        let mut server = Server {
            folder: Arc::new(folder),
            environment: self.environment,
            program: self.program,
            process: None,
            address: String::new(),
            log: Arc::default(),
            stdout: Arc::default(),
        };
        server.launch().await;
        server
    }
}

impl Server {
    /// A server on SQLite with the harness's settings: a known secret, and no rate limits.
    pub async fn start() -> Server {
        Server::builder().start().await
    }

    /// The same on the given database.
    pub async fn on(database: Database) -> Server {
        Server::builder().database(database).start().await
    }

    /// A server with other settings. Rate limits are off unless set again or removed with
    /// [`ServerBuilder::without_env`].
    pub fn builder() -> ServerBuilder {
        let settings = [
            ("JWT_SECRET_KEY", token::SECRET),
            ("WS_HOST", "127.0.0.1"),
            ("WS_PORT", "0"),
            ("WORKERS", "2"),
            ("WEBSOCKET_REQUESTS_PER_MINUTE", "0"),
            ("WEBSOCKET_REQUESTS_PER_HOUR", "0"),
            ("WEBSOCKET_EPHEMERAL_PER_SECOND", "0"),
            ("WEBSOCKET_EDITS_PER_SECOND", "0"),
            ("LOGIN_ATTEMPTS_PER_MINUTE", "0"),
            ("REGISTRATIONS_PER_HOUR", "0"),
            ("REST_READS_PER_MINUTE", "0"),
            ("REST_WRITES_PER_MINUTE", "0"),
            ("RUST_LOG", "info"),
        ];
        let environment = settings.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        ServerBuilder { environment, database: Database::Sqlite, program: BINARY.into() }
    }

    /// Registers a user over REST (the name must be new on this server) and logs in.
    pub async fn user(&self, username: &str) -> User {
        User::register(self.origin(), username).await
    }

    /// `http://127.0.0.1:<port>` (or https).
    pub fn origin(&self) -> &str {
        &self.address
    }

    /// The URL of a path on this server.
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.address)
    }

    /// `127.0.0.1:<port>`, for raw TCP.
    pub fn authority(&self) -> &str {
        self.address.split_once("://").expect("the listening line carries a URL").1
    }

    /// `DATA_DIR` of this server.
    pub fn data_folder(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// The process id.
    pub fn pid(&self) -> u32 {
        self.process.as_ref().expect("the server should be running").id()
    }

    /// Its standard error so far, over all starts.
    pub fn log(&self) -> String {
        self.log.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until the log contains this, and returns the log. Lines reach the harness with a short delay.
    pub async fn logs(&self, what: &str) -> String {
        let found = || async { Some(self.log()).filter(|log| log.contains(what)) };
        eventually(&format!("'{what}' in the log"), DEADLINE, found).await
    }

    /// Its standard output so far.
    pub fn stdout(&self) -> String {
        self.stdout.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Changes a variable for the next start.
    pub fn set_env(&mut self, name: &str, value: impl ToString) {
        self.environment.insert(name.to_owned(), value.to_string());
    }

    /// Kills it with SIGKILL, and waits until the process is gone.
    pub fn kill(&mut self) {
        let mut process = self.process.take().expect("the server should be running");
        process.kill().expect("our own child can be killed");
        process.wait().expect("our own child can be waited for");
        guard::forget(process.id());
    }

    /// Whether it was started and not yet ended by [`Server::kill`], [`Server::terminate`] or [`Server::ended`].
    pub fn is_started(&self) -> bool {
        self.process.is_some()
    }

    /// SIGSTOP: it keeps its sockets but does nothing.
    pub fn pause(&self) {
        guard::signal(self.pid(), "STOP");
    }

    /// Ends a [`Server::pause`].
    pub fn resume(&self) {
        guard::signal(self.pid(), "CONT");
    }

    /// Sends it a signal, by its name without `SIG`.
    pub fn signal(&self, name: &str) {
        guard::signal(self.pid(), name);
    }

    /// Requests a stop without waiting.
    pub fn request_stop(&self) {
        guard::signal(self.pid(), "TERM");
    }

    /// Waits until the process exits by itself.
    pub async fn ended(&mut self) -> ExitStatus {
        let mut process = self.process.take().expect("the server should be running");
        let pid = process.id();
        let status = eventually("the server's end", STOP_TIMEOUT, || {
            let status = process.try_wait().expect("our own child can be waited for");
            async move { status }
        })
        .await;
        guard::forget(pid);
        status
    }

    /// Sends SIGTERM and waits for the exit.
    pub async fn terminate(&mut self) -> ExitStatus {
        self.request_stop();
        self.ended().await
    }

    /// Starts it again after [`Server::kill`] or [`Server::terminate`]: with the same data and the same port.
    pub async fn restart(&mut self) {
        assert!(self.process.is_none(), "stop the server before starting it again");
        let port = self.authority().rsplit_once(':').expect("the address has a port").1.to_owned();
        self.environment.insert("WS_PORT".to_owned(), port);
        self.launch().await;
    }

    /// Resident bytes of the process.
    pub fn resident_bytes(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).expect("a running process");
        let line = status.lines().find(|line| line.starts_with("VmRSS:")).expect("Linux reports the resident size");
        let kib: u64 = line.split_whitespace().nth(1).and_then(|kib| kib.parse().ok()).expect("a size in KiB");
        kib * 1024
    }

    async fn launch(&mut self) {
        let mut process = command(&self.program, self.folder.path(), &self.environment)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the built server should start");
        guard::watch(process.id(), Ending::Kill);
        let (listening, heard) = mpsc::channel();
        let stdout = process.stdout.take().expect("asked for as a pipe");
        let kept = Arc::clone(&self.stdout);
        thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                append(&kept, &line);
                if let Some(address) = line.strip_prefix(LISTENING) {
                    let _ = listening.send(address.trim_end().trim_end_matches('/').to_owned());
                }
            }
        });
        let stderr = process.stderr.take().expect("asked for as a pipe");
        let kept = Arc::clone(&self.log);
        thread::spawn(move || {
            for line in BufReader::new(stderr).split(b'\n').map_while(Result::ok) {
                append(&kept, &String::from_utf8_lossy(&line));
            }
        });
        self.process = Some(process);
        let waiting = tokio::task::spawn_blocking(move || heard.recv_timeout(START_TIMEOUT));
        match waiting.await.expect("waiting does not panic") {
            Ok(address) => self.address = address,
            Err(_) => panic!("the server did not print '{LISTENING}…'; its log: {}", self.log()),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.process.is_some() {
            self.kill();
        }
        if thread::panicking() {
            eprintln!("---- the server's standard error ----\n{}", self.log());
        }
    }
}

/// Runs the binary to its end with only these arguments and variables, in an empty folder.
pub async fn run_to_end(arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    let folder = tempfile::tempdir().expect("a temporary folder");
    run_in(folder.path(), arguments, environment).await
}

/// Runs the binary to its end in `folder`.
///
/// # Panics
/// If it is still running after a minute; it is then killed.
pub async fn run_in(folder: &Path, arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    let variables = environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let mut process = command(Path::new(BINARY), folder, &variables)
        .args(arguments)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the built server should start");
    let pid = process.id();
    guard::watch(pid, Ending::Kill);
    let read = |mut pipe: Box<dyn Read + Send>| {
        thread::spawn(move || {
            let mut bytes = Vec::new();
            let _ = pipe.read_to_end(&mut bytes);
            bytes
        })
    };
    let stdout = read(Box::new(process.stdout.take().expect("asked for as a pipe")));
    let stderr = read(Box::new(process.stderr.take().expect("asked for as a pipe")));
    let deadline = tokio::time::Instant::now() + START_TIMEOUT;
    let status = loop {
        if let Some(status) = process.try_wait().expect("our own child can be waited for") {
            break status;
        }
        if tokio::time::Instant::now() > deadline {
            process.kill().expect("our own child can be killed");
            process.wait().expect("our own child can be waited for");
            guard::forget(pid);
            panic!("convene {arguments:?} {environment:?} should have ended by itself");
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    guard::forget(pid);
    let join = |reader: thread::JoinHandle<Vec<u8>>| reader.join().expect("reading a pipe does not panic");
    Output { status, stdout: join(stdout), stderr: join(stderr) }
}

/// The command without our own environment, so that a developer's settings do not affect the tests.
fn command(program: &Path, folder: &Path, environment: &BTreeMap<String, String>) -> Command {
    let mut command = Command::new(program);
    command.current_dir(folder).env_clear().env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command.env("DATA_DIR", folder.join("data")).env("RUST_BACKTRACE", "1").envs(environment).stdin(Stdio::null());
    command
}

fn append(text: &Mutex<String>, line: &str) {
    let mut text = text.lock().unwrap_or_else(PoisonError::into_inner);
    text.push_str(line);
    text.push('\n');
}
