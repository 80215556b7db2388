//! Thousands of WebSocket clients on one thread and one epoll.
//!
//! Received bytes go into one shared buffer, and text payloads are passed on as slices of it. A connection has its own
//! buffer only for an incomplete frame. The receiver decides what to parse, so that counting frames stays cheap.

use std::io::{self, Read, Write};
use std::net::SocketAddr;
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};

use crate::Result;
use crate::frame;

const READ_BUFFER_BYTES: usize = 512 * 1024;
const EVENTS_PER_TURN: usize = 4_096;
/// How long all handshakes of a swarm may take without progress.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(60);
/// The token of the timer, distinct from those of connections.
const TIMER: Token = Token(usize::MAX);
/// A timer set to zero would be disabled.
const NOW: Duration = Duration::from_nanos(1);

/// Receives messages.
pub trait Receiver {
    fn text(&mut self, connection: usize, payload: &[u8], now: Instant);

    fn binary(&mut self, _connection: usize, _payload: &[u8], _now: Instant) {}
}

impl Receiver for () {
    fn text(&mut self, _connection: usize, _payload: &[u8], _now: Instant) {}
}

enum Phase {
    Handshake,
    Open,
    /// Contains the code of the close frame, if there was one.
    Closed(Option<u16>),
}

struct Connection {
    socket: TcpStream,
    phase: Phase,
    /// The start of an incomplete frame.
    partial: Vec<u8>,
    unsent: Vec<u8>,
    /// Sent when the connection is established.
    greeting: Option<String>,
    /// Has received its first message. Servers under test send one when the socket is in its room.
    joined: bool,
    deaf: bool,
    /// A failed handshake counts as a normal close.
    forgiven: bool,
}

/// How a client connects.
pub struct Door {
    pub address: SocketAddr,
    /// Includes the query.
    pub path: String,
    /// The first message, for servers that are joined with a message.
    pub greeting: Option<String>,
}

pub struct Swarm {
    poll: Poll,
    /// The timeout of epoll has a resolution of milliseconds, which is too coarse for ten thousand messages a second.
    timer: OwnedFd,
    events: Events,
    buffer: Vec<u8>,
    connections: Vec<Connection>,
    joined: usize,
    closed: usize,
    forgiving: bool,
    /// Reads that returned bytes. Together with the frames, they show how many frames shared a write.
    pub reads: u64,
}

impl Swarm {
    pub fn new() -> Result<Swarm> {
        let poll = Poll::new()?;
        let timer = timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC)?;
        poll.registry().register(&mut SourceFd(&timer.as_raw_fd()), TIMER, Interest::READABLE)?;
        Ok(Swarm {
            poll,
            timer,
            events: Events::with_capacity(EVENTS_PER_TURN),
            buffer: vec![0; READ_BUFFER_BYTES],
            connections: Vec::new(),
            joined: 0,
            closed: 0,
            forgiving: false,
            reads: 0,
        })
    }

    /// Opens one connection per door, at most `at_once` handshakes at a time, until all have joined their rooms.
    pub fn join_all<R: Receiver>(&mut self, doors: &[Door], at_once: usize, receiver: &mut R) -> Result<()> {
        let already = self.joined;
        let mut started = 0;
        let mut progress = (already, Instant::now());
        while self.joined - already < doors.len() {
            while started < doors.len() && started < self.joined - already + at_once {
                self.open(&doors[started])?;
                started += 1;
            }
            self.turn(Instant::now() + Duration::from_millis(100), receiver)?;
            self.require_all_open()?;
            if self.joined > progress.0 {
                progress = (self.joined, Instant::now());
            } else if progress.1.elapsed() > HANDSHAKE_TIMEOUT {
                let missing = doors.len() - (self.joined - already);
                return Err(format!("{missing} of {} sockets are still not in their rooms", doors.len()).into());
            }
        }
        Ok(())
    }

    fn open(&mut self, door: &Door) -> Result<()> {
        let connection = self.connect(self.connections.len(), TcpStream::connect(door.address)?, door)?;
        self.connections.push(connection);
        Ok(())
    }

    /// Reconnects a connection that the server has closed, possibly through another door.
    pub fn reopen(&mut self, index: usize, door: &Door) -> Result<()> {
        let opened = self.connect(index, TcpStream::connect(door.address)?, door)?;
        let ended = std::mem::replace(&mut self.connections[index], opened);
        self.joined -= usize::from(ended.joined);
        self.closed -= usize::from(ended.is_closed());
        Ok(())
    }

    /// Opens one connection with a kernel receive buffer of about `bytes`, and waits until it has joined its room.
    pub fn join_with_receive_buffer<R: Receiver>(
        &mut self,
        door: &Door,
        bytes: usize,
        receiver: &mut R,
    ) -> Result<usize> {
        let socket = socket2::Socket::new(socket2::Domain::for_address(door.address), socket2::Type::STREAM, None)?;
        socket.set_recv_buffer_size(bytes)?;
        socket.connect(&door.address.into())?;
        socket.set_nonblocking(true)?;
        let index = self.connections.len();
        let connection = self.connect(index, TcpStream::from_std(socket.into()), door)?;
        self.connections.push(connection);
        let deadline = Instant::now() + HANDSHAKE_TIMEOUT;
        while !self.connections[index].joined {
            if Instant::now() > deadline {
                return Err("the socket with a small receive buffer did not get into its room".into());
            }
            self.turn(Instant::now() + Duration::from_millis(100), receiver)?;
        }
        Ok(index)
    }

    fn connect(&self, index: usize, mut socket: TcpStream, door: &Door) -> Result<Connection> {
        // Edge-triggered: the write event fires once when the connection is established, and again only after a full
        // buffer.
        self.poll.registry().register(&mut socket, Token(index), Interest::READABLE | Interest::WRITABLE)?;
        let request = format!(
            "GET {} HTTP/1.1\r\nHost: {}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
            door.path, door.address
        );
        Ok(Connection {
            socket,
            phase: Phase::Handshake,
            partial: Vec::new(),
            unsent: request.into_bytes(),
            greeting: door.greeting.clone(),
            joined: false,
            deaf: false,
            forgiven: self.forgiving,
        })
    }

    pub fn len(&self) -> usize {
        self.connections.len()
    }

    /// Sends a text frame. Bytes that the kernel does not accept now are sent in a later turn.
    pub fn send(&mut self, connection: usize, text: &[u8]) -> Result<()> {
        let connection = &mut self.connections[connection];
        frame::append(frame::TEXT, text, &mut connection.unsent);
        connection.flush()?;
        Ok(())
    }

    /// Stops reading from this connection.
    pub fn make_deaf(&mut self, connection: usize) {
        self.connections[connection].deaf = true;
    }

    /// Bytes (up to 1 MiB) in the kernel's buffer of a connection that does not read, or `None` once the server has
    /// reset it.
    pub fn waiting_bytes(&mut self, connection: usize) -> Option<usize> {
        let mut window = vec![0; 1 << 20];
        match self.connections[connection].socket.peek(&mut window) {
            Ok(bytes) => Some(bytes),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Some(0),
            Err(_) => None,
        }
    }

    /// Waits for the next event, at most until `until`, and passes received messages to `receiver`.
    pub fn turn<R: Receiver>(&mut self, until: Instant, receiver: &mut R) -> Result<()> {
        let left = until.saturating_duration_since(Instant::now());
        // Edge-triggered: setting the timer again clears an expiry.
        let expiry = Itimerspec { it_interval: Timespec::default(), it_value: left.max(NOW).try_into()? };
        timerfd_settime(&self.timer, TimerfdTimerFlags::empty(), &expiry)?;
        match self.poll.poll(&mut self.events, None) {
            Err(error) if error.kind() != io::ErrorKind::Interrupted => return Err(error.into()),
            _ => {}
        }
        for event in &self.events {
            let index = event.token().0;
            let Some(connection) = self.connections.get_mut(index) else { continue };
            let (was_joined, was_closed) = (connection.joined, connection.is_closed());
            if event.is_writable() {
                connection.flush()?;
            }
            if event.is_readable() || event.is_read_closed() || event.is_error() {
                self.reads += connection.drain(index, &mut self.buffer, receiver)?;
            }
            self.joined += usize::from(connection.joined && !was_joined);
            self.closed += usize::from(connection.is_closed() && !was_closed);
        }
        Ok(())
    }

    /// Runs until `until` without sending anything.
    pub fn listen_until<R: Receiver>(&mut self, until: Instant, receiver: &mut R) -> Result<()> {
        while Instant::now() < until {
            self.turn(until, receiver)?;
        }
        Ok(())
    }

    /// From now on, a server may die while a client connects.
    pub fn forgive_failed_handshakes(&mut self) {
        self.forgiving = true;
    }

    /// Whether the connection is closed.
    pub fn is_closed(&self, connection: usize) -> bool {
        self.connections[connection].is_closed()
    }

    /// Breaks the connection without a close frame. Nothing more is received.
    pub fn cut(&mut self, connection: usize) -> Result<()> {
        let connection = &mut self.connections[connection];
        if !connection.is_closed() {
            // It may already be broken.
            let _ = connection.socket.shutdown(std::net::Shutdown::Both);
            connection.phase = Phase::Closed(None);
            self.closed += 1;
        }
        Ok(())
    }

    /// Connections that the server has closed and that were not reopened.
    pub fn closed(&self) -> usize {
        self.closed
    }

    /// Fails if the server has closed any connection.
    pub fn require_all_open(&self) -> Result<()> {
        self.require_closed(0)
    }

    /// Fails unless the server has closed exactly this many connections.
    pub fn require_closed(&self, expected: usize) -> Result<()> {
        if self.closed == expected {
            return Ok(());
        }
        let code = self.connections.iter().find_map(|connection| match connection.phase {
            Phase::Closed(code) => Some(code),
            Phase::Handshake | Phase::Open => None,
        });
        let code = code.flatten().map_or_else(|| "without a close frame".to_owned(), |code| format!("with {code}"));
        Err(format!("the server closed {} connections, the first one {code}", self.closed - expected.min(self.closed))
            .into())
    }
}

impl Connection {
    fn is_closed(&self) -> bool {
        matches!(self.phase, Phase::Closed(_))
    }

    fn flush(&mut self) -> io::Result<()> {
        while !self.unsent.is_empty() {
            match self.socket.write(&self.unsent) {
                Ok(written) => drop(self.unsent.drain(..written)),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                // The connection is not established yet; a write event will follow.
                Err(error) if error.kind() == io::ErrorKind::NotConnected => break,
                // Reading reports the error.
                Err(error) if is_reset(&error) => break,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Reads until nothing is left. Returns how many reads returned bytes.
    fn drain<R: Receiver>(&mut self, index: usize, buffer: &mut [u8], receiver: &mut R) -> Result<u64> {
        let mut reads = 0;
        while !self.deaf && !self.is_closed() {
            let held = self.partial.len();
            buffer[..held].copy_from_slice(&self.partial);
            let filled = match self.socket.read(&mut buffer[held..]) {
                Ok(0) => return self.ended().map(|()| reads),
                Ok(read) => held + read,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(reads),
                Err(error) if is_reset(&error) => return self.ended().map(|()| reads),
                Err(error) => return Err(error.into()),
            };
            reads += 1;
            let used = self.consume(index, &buffer[..filled], receiver)?;
            self.partial.clear();
            self.partial.extend_from_slice(&buffer[used..filled]);
            // A short read has emptied the socket. A new event follows when more arrives.
            if filled < buffer.len() {
                return Ok(reads);
            }
        }
        Ok(reads)
    }

    fn ended(&mut self) -> Result<()> {
        if matches!(self.phase, Phase::Handshake) && !self.forgiven {
            return Err("the server ended a connection during the handshake".into());
        }
        self.phase = Phase::Closed(None);
        Ok(())
    }

    /// Handles the complete frames in `bytes`. Returns how many bytes they take.
    fn consume<R: Receiver>(&mut self, index: usize, bytes: &[u8], receiver: &mut R) -> Result<usize> {
        let mut used = 0;
        if matches!(self.phase, Phase::Handshake) {
            let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else { return Ok(0) };
            if !bytes.starts_with(b"HTTP/1.1 101") {
                let answer = String::from_utf8_lossy(bytes);
                let (status, body) = (answer.lines().next().unwrap_or_default(), &answer[end + 4..]);
                return Err(format!("the server refused an upgrade: {status} {body}").into());
            }
            self.phase = Phase::Open;
            used = end + 4;
            if let Some(greeting) = self.greeting.take() {
                frame::append(frame::TEXT, greeting.as_bytes(), &mut self.unsent);
                self.flush()?;
            }
        }
        let now = Instant::now();
        while let Some(frame) = frame::first(&bytes[used..])? {
            used += frame.bytes;
            match frame.opcode {
                frame::TEXT => {
                    self.joined = true;
                    receiver.text(index, frame.payload, now);
                }
                frame::BINARY => {
                    self.joined = true;
                    receiver.binary(index, frame.payload, now);
                }
                frame::PING => {
                    frame::append(frame::PONG, frame.payload, &mut self.unsent);
                    self.flush()?;
                }
                frame::CLOSE => {
                    let code = frame.payload.first_chunk().map(|code| u16::from_be_bytes(*code));
                    self.phase = Phase::Closed(code);
                    return Ok(used);
                }
                _ => {}
            }
        }
        Ok(used)
    }
}

fn is_reset(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionReset | io::ErrorKind::ConnectionRefused | io::ErrorKind::BrokenPipe
    )
}
