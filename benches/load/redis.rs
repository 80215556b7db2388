//! A private Redis in a temporary folder, on a free port, without persistence.

use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use crate::Result;
use crate::process::{self, CpuTime};

const START_TIMEOUT: Duration = Duration::from_secs(20);

pub struct Redis {
    child: Child,
    port: u16,
    /// Its working folder, removed at the end.
    _folder: TempDir,
}

impl Redis {
    pub fn start() -> Result<Redis> {
        let folder = tempfile::Builder::new().prefix("convene-bench-redis-").tempdir()?;
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let child = Command::new("redis-server")
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--dir"])
            .arg(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|_| "Redis is not installed: run `apt-get install redis-server`")?;
        let mut started = Redis { child, port, _folder: folder };
        started.wait_ready()?;
        Ok(started)
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    pub fn cpu_time(&self) -> Result<CpuTime> {
        process::cpu_time(self.child.id())
    }

    fn wait_ready(&mut self) -> Result<()> {
        let deadline = Instant::now() + START_TIMEOUT;
        while Instant::now() < deadline {
            if TcpStream::connect(("127.0.0.1", self.port)).is_ok() {
                return Ok(());
            }
            if let Some(status) = self.child.try_wait()? {
                return Err(format!("Redis ended at its start: {status}").into());
            }
            process::pause();
        }
        Err("Redis did not become ready".into())
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        // It may already have ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
