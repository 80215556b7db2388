//! A server under test as a child process: started on its core, awaited, and stopped.

use std::ffi::OsString;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::Result;
use crate::client::Swarm;
use crate::process::{self, CpuTime};

/// Every server under test prints a line with this text, followed by `<ip>:<port>`, when it accepts connections.
const READY: &str = "listening on http://";
/// Long enough for a server under valgrind.
const STOP_TIMEOUT: Duration = Duration::from_secs(60);
const METRICS_TIMEOUT: Duration = Duration::from_secs(30);

/// How to start a server.
pub struct ServerCommand {
    pub program: OsString,
    pub arguments: Vec<OsString>,
    pub environment: Vec<(String, String)>,
    /// The working directory; a `.env` in it would be read.
    pub directory: Option<PathBuf>,
    /// In the syntax of taskset(1). `None` leaves the choice to the scheduler.
    pub cores: Option<String>,
}

impl ServerCommand {
    pub fn new(program: impl AsRef<Path>) -> Self {
        let program = program.as_ref().as_os_str().to_owned();
        ServerCommand { program, arguments: Vec::new(), environment: Vec::new(), directory: None, cores: None }
    }

    fn command(&self) -> Command {
        let Some(cores) = &self.cores else { return Command::new(&self.program) };
        let mut command = Command::new("taskset");
        command.args(["-c", cores]).arg(&self.program);
        command
    }
}

pub struct Server {
    child: Child,
    pub address: SocketAddr,
}

impl Server {
    /// Starts the server and waits until it prints its address.
    pub fn start(how: &ServerCommand) -> Result<Server> {
        let mut command = how.command();
        command.args(&how.arguments).envs(how.environment.iter().map(|(name, value)| (name, value)));
        if let Some(directory) = &how.directory {
            command.current_dir(directory);
        }
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("cannot start {}: {error}", Path::new(&how.program).display()))?;
        let output = child.stdout.take().ok_or("the server has no standard output")?;
        let mut lines = BufReader::new(output).lines();
        let address = loop {
            let Some(line) = lines.next().transpose()? else {
                let status = child.wait()?;
                return Err(format!("{} ended at its start: {status}", Path::new(&how.program).display()).into());
            };
            if let Some((_, address)) = line.split_once(READY) {
                break address.trim().trim_end_matches('/').parse()?;
            }
        };
        // Later output must not fill the pipe.
        std::thread::spawn(move || lines.for_each(drop));
        Ok(Server { child, address })
    }

    /// The server's process id; `taskset` has replaced itself by the server.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    pub fn cpu_time(&self) -> Result<CpuTime> {
        process::cpu_time(self.pid())
    }

    pub fn resident_bytes(&self) -> Result<u64> {
        process::resident_bytes(self.pid())
    }

    /// Kills the server with SIGKILL, like a crash.
    pub fn kill(mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// A counter of `/metrics`, by its full name.
    pub fn counter(&self, name: &str) -> Result<u64> {
        let mut socket = TcpStream::connect(self.address)?;
        socket.set_read_timeout(Some(METRICS_TIMEOUT))?;
        write!(socket, "GET /metrics HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n", self.address)?;
        let mut answer = String::new();
        socket.read_to_string(&mut answer)?;
        let value = answer.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        Ok(value.ok_or_else(|| format!("/metrics has no {name}"))?.trim().parse()?)
    }

    /// Sends SIGTERM, then disconnects the clients; the exit status must be 0. In this order a draining server need not
    /// announce every departure to everybody.
    pub fn stop(mut self, clients: Option<Swarm>) -> Result<()> {
        terminate(self.pid())?;
        process::pause();
        drop(clients);
        let deadline = Instant::now() + STOP_TIMEOUT;
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait()? {
                return if status.success() { Ok(()) } else { Err(format!("the server ended with {status}").into()) };
            }
            process::pause();
        }
        Err(format!("the server did not stop within {} s of SIGTERM", STOP_TIMEOUT.as_secs()).into())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // After `stop` both calls fail without effect.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn terminate(pid: u32) -> Result<()> {
    let status = Command::new("kill").args(["-TERM", &pid.to_string()]).status()?;
    if status.success() { Ok(()) } else { Err(format!("kill -TERM {pid}: {status}").into()) }
}
