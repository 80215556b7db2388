//! A private Redis: no persistence, a free port, ended with the test process. With other arguments it is a sentinel or
//! a node of a Redis Cluster.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::guard::{self, Ending};
use super::ports::free_port;

const START_TIMEOUT: Duration = Duration::from_secs(20);
const START_ATTEMPTS: u32 = 5;
const INSTALL: &str = "Redis is not installed. Install it with: apt-get install -y redis-server";
/// Cluster nodes talk to each other on their port plus this.
const CLUSTER_BUS: u16 = 10_000;

/// A Redis server. Dropping it kills it.
pub struct Redis {
    folder: TempDir,
    port: u16,
    arguments: Vec<String>,
    process: Option<Child>,
}

impl Redis {
    /// Starts one and waits until it accepts connections.
    pub fn private() -> Redis {
        Redis::with(&["--bind", "127.0.0.1"])
    }

    /// Starts one with further arguments.
    pub fn with(arguments: &[&str]) -> Redis {
        let mut redis = Redis::away();
        redis.arguments.extend(arguments.iter().map(ToString::to_string));
        for _ in 0..START_ATTEMPTS {
            redis.port = free_port();
            if redis.start() {
                return redis;
            }
        }
        panic!("redis-server {arguments:?} did not start");
    }

    /// A place where one may be started later. Nothing listens there until then.
    pub fn away() -> Redis {
        let folder = tempfile::Builder::new().prefix("convene-redis-").tempdir().expect("a temporary folder");
        guard::remove_at_end(folder.path());
        Redis { folder, port: free_port(), arguments: Vec::new(), process: None }
    }

    /// A sentinel that watches the master on that port under the name `main`, and decides alone that it is down.
    pub fn sentinel(master_port: u16, master_password: &str) -> Redis {
        let mut sentinel = Redis::away();
        let file = sentinel.folder.path().join("sentinel.conf");
        let settings = format!(
            "sentinel monitor main 127.0.0.1 {master_port} 1\nsentinel down-after-milliseconds main 500\n\
             sentinel failover-timeout main 3000\nsentinel auth-pass main {master_password}\n"
        );
        std::fs::write(&file, settings).expect("a temporary folder is writable");
        // The file must be the first argument.
        sentinel.arguments = vec![file.display().to_string(), "--sentinel".to_owned()];
        assert!(sentinel.start(), "redis-server --sentinel did not start");
        sentinel
    }

    /// Three masters that share the slots.
    pub fn cluster() -> Vec<Redis> {
        let nodes: Vec<Redis> = (0..3).map(|_| Redis::cluster_node()).collect();
        let addresses: Vec<String> = nodes.iter().map(|node| format!("127.0.0.1:{}", node.port)).collect();
        let output = Command::new("redis-cli")
            .args(["--cluster", "create"])
            .args(&addresses)
            .arg("--cluster-yes")
            .output()
            .expect(INSTALL);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
        nodes
    }

    fn cluster_node() -> Redis {
        for _ in 0..100 {
            let mut node = Redis::away();
            node.port = 20_000 + fastrand::u16(..5_000);
            node.arguments = ["--cluster-enabled", "yes", "--cluster-node-timeout", "2000"].map(str::to_owned).into();
            let free = |port: u16| std::net::TcpListener::bind(("127.0.0.1", port)).is_ok();
            if free(node.port) && free(node.port + CLUSTER_BUS) && node.start() {
                return node;
            }
        }
        panic!("no free pair of ports for a node of a cluster");
    }

    /// Starts it, empty, on the same port. Returns false if it ended at once or did not respond.
    pub fn start(&mut self) -> bool {
        let (file, arguments) = match self.arguments.split_first() {
            Some((file, rest)) if !file.starts_with("--") => (Some(file), rest),
            Some(_) | None => (None, &self.arguments[..]),
        };
        let process = Command::new("redis-server")
            .args(file)
            .args(["--port", &self.port.to_string(), "--save", "", "--appendonly", "no", "--dir"])
            .arg(self.folder.path())
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect(INSTALL);
        guard::watch(process.id(), Ending::Kill);
        self.process = Some(process);
        let deadline = Instant::now() + START_TIMEOUT;
        while Instant::now() < deadline {
            if TcpStream::connect(("127.0.0.1", self.port)).is_ok() {
                return true;
            }
            let ended = self.process.as_mut().is_none_or(|process| process.try_wait().is_ok_and(|end| end.is_some()));
            if ended {
                self.stop();
                return false;
            }
            std::thread::yield_now();
        }
        false
    }

    /// Kills it; its state is lost.
    pub fn stop(&mut self) {
        if let Some(mut process) = self.process.take() {
            // It may have ended by itself.
            let _ = process.kill();
            process.wait().expect("redis-server was our child");
            guard::forget(process.id());
        }
    }

    /// The channels with subscribers.
    pub fn channels(&self) -> Vec<String> {
        let mut answer = self.ask(&[b"PUBSUB", b"CHANNELS"]);
        let count = number_after(&read_line(&mut answer), '*');
        let name = |_| {
            // Its length, then the name.
            read_line(&mut answer);
            read_line(&mut answer)
        };
        (0..count).map(name).collect()
    }

    /// Publishes any bytes. Returns the number of subscribers that received them.
    pub fn publish(&self, channel: &str, payload: &[u8]) -> usize {
        number_after(&read_line(&mut self.ask(&[b"PUBLISH", channel.as_bytes(), payload])), ':')
    }

    /// Sends one command (RESP2) on a separate connection.
    fn ask(&self, words: &[&[u8]]) -> BufReader<TcpStream> {
        let mut command = format!("*{}\r\n", words.len()).into_bytes();
        for word in words {
            command.extend(format!("${}\r\n", word.len()).into_bytes());
            command.extend_from_slice(word);
            command.extend_from_slice(b"\r\n");
        }
        let mut connection = TcpStream::connect(("127.0.0.1", self.port)).expect("Redis should accept connections");
        connection.set_read_timeout(Some(START_TIMEOUT)).expect("a socket option");
        connection.write_all(&command).expect("Redis should read");
        BufReader::new(connection)
    }

    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// `redis://127.0.0.1:<port>`.
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// A folder for its files.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Creates the ACL user `convene` with the password `p@ss`, who may use only these commands and only our channels.
    pub fn let_in(&self, admin: &[&str], commands: &[&str]) {
        let user = ["ACL", "SETUSER", "convene", "on", ">p@ss", "resetchannels", "&convene:*"];
        let answer = self.cli(&[admin, &user, commands].concat());
        assert_eq!(answer.trim(), "OK");
    }

    /// The output of `redis-cli`.
    pub fn cli(&self, arguments: &[&str]) -> String {
        let port = self.port.to_string();
        let output = Command::new("redis-cli").args(["-p", &port]).args(arguments).output().expect(INSTALL);
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.stop();
    }
}

fn read_line(answer: &mut impl BufRead) -> String {
    let mut line = String::new();
    answer.read_line(&mut line).expect("Redis should answer");
    line.trim_end().to_owned()
}

fn number_after(line: &str, sign: char) -> usize {
    let number = line.strip_prefix(sign).and_then(|digits| digits.parse().ok());
    number.unwrap_or_else(|| panic!("an answer that begins with '{sign}', not '{line}'"))
}
