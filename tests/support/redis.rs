//! A private Redis: no persistence, a free port, ended with the test process.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::guard::{self, Ending};
use super::ports::free_port;

const START_TIMEOUT: Duration = Duration::from_secs(20);
const START_ATTEMPTS: u32 = 5;

/// A Redis server. Dropping it kills it.
pub struct Redis {
    folder: TempDir,
    port: u16,
    process: Option<Child>,
}

impl Redis {
    /// Starts one and waits until it accepts connections.
    pub fn private() -> Redis {
        let folder = tempfile::Builder::new().prefix("convene-redis-").tempdir().expect("a temporary folder");
        guard::remove_at_end(folder.path());
        let mut redis = Redis { folder, port: 0, process: None };
        for _ in 0..START_ATTEMPTS {
            redis.port = free_port();
            if redis.start() {
                return redis;
            }
        }
        panic!("redis-server did not start");
    }

    /// Starts it, empty, on the same port; false if it ended at once or did not answer.
    pub fn start(&mut self) -> bool {
        let process = Command::new("redis-server")
            .args([
                "--port",
                &self.port.to_string(),
                "--bind",
                "127.0.0.1",
                "--save",
                "",
                "--appendonly",
                "no",
                "--dir",
            ])
            .arg(self.folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("Redis is not installed. Install it with: apt-get install -y redis-server");
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

    /// Kills it; what it held is gone.
    pub fn stop(&mut self) {
        if let Some(mut process) = self.process.take() {
            // It may have ended by itself, which is as good.
            let _ = process.kill();
            process.wait().expect("redis-server was our child");
            guard::forget(process.id());
        }
    }

    /// The channels that somebody listens to.
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

    /// Publishes any bytes; how many listeners got them.
    pub fn publish(&self, channel: &str, payload: &[u8]) -> usize {
        number_after(&read_line(&mut self.ask(&[b"PUBLISH", channel.as_bytes(), payload])), ':')
    }

    /// Sends one command (the Redis protocol, RESP2) on a connection of its own.
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
