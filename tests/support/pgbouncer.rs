//! A private PgBouncer in front of a private PostgreSQL.

use std::fs;
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::guard::{self, Ending};
use super::ports::free_port;
use super::postgres::Account;

const START_TIMEOUT: Duration = Duration::from_secs(20);
const PLACES: [&str; 2] = ["/usr/sbin/pgbouncer", "/usr/bin/pgbouncer"];
const INSTALL: &str = "PgBouncer is not installed. Install it with: apt-get install -y pgbouncer";

/// A running PgBouncer. Dropping it kills it.
pub struct PgBouncer {
    _folder: TempDir,
    port: u16,
    process: Child,
}

impl PgBouncer {
    /// Starts one in front of 127.0.0.1:`postgres_port`, with that `pool_mode`.
    pub fn start(postgres_port: u16, pool_mode: &str) -> PgBouncer {
        let folder = tempfile::Builder::new().prefix("convene-pgbouncer-").tempdir().expect("a temporary folder");
        guard::remove_at_end(folder.path());
        let account = Account::find();
        account.own(folder.path());
        let port = free_port();
        let file = folder.path().join("pgbouncer.ini");
        let settings = format!(
            "[databases]\n* = host=127.0.0.1 port={postgres_port} user=convene\n[pgbouncer]\nlisten_addr = 127.0.0.1\n\
             listen_port = {port}\nauth_type = any\nunix_socket_dir =\npool_mode = {pool_mode}\nmax_client_conn = 200\n\
             default_pool_size = 40\nlogfile = {}\n",
            folder.path().join("log").display()
        );
        fs::write(&file, settings).expect("the temporary folder is writable");
        let program = PLACES.iter().map(Path::new).find(|program| program.exists()).expect(INSTALL);
        let process = account
            .run_as(Command::new(program))
            .arg(&file)
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect(INSTALL);
        guard::watch(process.id(), Ending::Kill);
        let bouncer = PgBouncer { _folder: folder, port, process };
        let deadline = Instant::now() + START_TIMEOUT;
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            let log = fs::read_to_string(bouncer._folder.path().join("log")).unwrap_or_default();
            assert!(Instant::now() < deadline, "PgBouncer did not start: {log}");
            std::thread::yield_now();
        }
        bouncer
    }

    /// The URL of a database through PgBouncer.
    pub fn url(&self, database_url: &str) -> String {
        let name = database_url.rsplit('/').next().unwrap_or_default();
        format!("postgres://convene@127.0.0.1:{}/{name}", self.port)
    }
}

impl Drop for PgBouncer {
    fn drop(&mut self) {
        guard::forget(self.process.id());
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
