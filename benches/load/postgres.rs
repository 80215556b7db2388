//! A private PostgreSQL in a temporary folder, on a free port, with its default durability.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::Result;
use crate::process::{self, CpuTime};

const START_TIMEOUT: Duration = Duration::from_secs(30);
/// PostgreSQL refuses to run as root; Debian's package creates this user.
const SYSTEM_USER: &str = "postgres";

pub struct Postgres {
    child: Child,
    folder: TempDir,
    port: u16,
}

impl Postgres {
    /// Runs `initdb`, then starts a server that listens only on 127.0.0.1 and trusts it.
    pub fn start() -> Result<Postgres> {
        let programs = programs()?;
        let folder = tempfile::Builder::new().prefix("convene-bench-pg-").tempdir()?;
        run(Command::new("chown").arg(SYSTEM_USER).arg(folder.path()))?;
        let data = folder.path().join("data");
        run(as_postgres(&programs.join("initdb")).args(["-A", "trust", "-U", "convene", "-D"]).arg(&data))?;

        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let mut server = as_postgres(&programs.join("postgres"));
        server.arg("-D").arg(&data).args(["-c", "listen_addresses=127.0.0.1", "-c", "fsync=on", "-p"]);
        server.arg(port.to_string()).arg("-k").arg(folder.path()).stdout(Stdio::null()).stderr(Stdio::null());
        let mut started = Postgres { child: server.spawn()?, folder, port };
        started.wait_ready(&programs)?;
        Ok(started)
    }

    pub fn url(&self) -> String {
        format!("postgres://convene@127.0.0.1:{}/postgres", self.port)
    }

    /// CPU time of all its processes so far.
    pub fn cpu_time(&self) -> Result<CpuTime> {
        process::cpu_time_of_family(self.postmaster()?)
    }

    /// Read from the first line of its lock file, because our child is `runuser`.
    fn postmaster(&self) -> Result<u32> {
        let lock = std::fs::read_to_string(self.folder.path().join("data/postmaster.pid"))?;
        Ok(lock.lines().next().unwrap_or_default().trim().parse()?)
    }

    fn wait_ready(&mut self, programs: &Path) -> Result<()> {
        let deadline = Instant::now() + START_TIMEOUT;
        let port = self.port.to_string();
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait()? {
                return Err(format!("PostgreSQL ended at its start: {status}").into());
            }
            let mut probe = Command::new(programs.join("pg_isready"));
            probe.args(["-q", "-h", "127.0.0.1", "-p", &port]);
            if probe.status()?.success() {
                return Ok(());
            }
            process::pause();
        }
        Err("PostgreSQL did not become ready".into())
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // SIGINT to the postmaster is a fast shutdown, which also ends `runuser`.
        if let Ok(pid) = self.postmaster() {
            let _ = Command::new("kill").args(["-INT", &pid.to_string()]).status();
        }
        let _ = self.child.wait();
    }
}

fn as_postgres(program: &Path) -> Command {
    let mut command = Command::new("runuser");
    command.args(["-u", SYSTEM_USER, "--"]).arg(program).current_dir("/");
    command
}

/// The newest `/usr/lib/postgresql/<version>/bin` of Debian.
fn programs() -> Result<PathBuf> {
    let missing = "PostgreSQL is not installed: run `apt-get install postgresql`";
    let versions = std::fs::read_dir("/usr/lib/postgresql").map_err(|_| missing)?;
    let newest =
        versions.flatten().map(|entry| entry.path().join("bin")).filter(|bin| bin.join("initdb").exists()).max();
    newest.ok_or_else(|| missing.into())
}

fn run(command: &mut Command) -> Result<()> {
    let output = command.output()?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{command:?}: {}", String::from_utf8_lossy(&output.stderr).trim()).into())
}
