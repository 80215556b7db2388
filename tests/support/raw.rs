//! A client on plain TCP: hand-made handshakes and frames, valid and invalid (RFC 6455 section 5).

use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};

use super::DEADLINE;
use super::socket::FRAME_DEADLINE;

pub const CONTINUATION: u8 = 0x0;
pub const TEXT: u8 = 0x1;
pub const BINARY: u8 = 0x2;
pub const CLOSE: u8 = 0x8;
pub const PING: u8 = 0x9;
pub const PONG: u8 = 0xA;

/// The key of the RFC's example (section 1.3) and the matching accept value.
pub const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
pub const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

const FIN: u8 = 0x80;
const MASKED: u8 = 0x80;
const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// A frame to send, with all bits under the test's control.
#[derive(Clone)]
pub struct FrameOut {
    /// FIN, RSV1–3 and the opcode.
    pub first_byte: u8,
    pub masked: bool,
    pub payload: Vec<u8>,
}

/// A frame received from the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FrameIn {
    pub first_byte: u8,
    pub payload: Vec<u8>,
}

impl FrameOut {
    /// A complete, masked frame, as a normal client sends it.
    pub fn new(opcode: u8, payload: impl AsRef<[u8]>) -> FrameOut {
        FrameOut { first_byte: FIN | opcode, masked: true, payload: payload.as_ref().to_vec() }
    }

    /// Without FIN: more fragments follow.
    pub fn unfinished(mut self) -> FrameOut {
        self.first_byte &= !FIN;
        self
    }

    /// With reserved bits set (0x40, 0x20, 0x10).
    pub fn reserved(mut self, bits: u8) -> FrameOut {
        self.first_byte |= bits;
        self
    }

    /// Without a mask, which is invalid for a client.
    pub fn unmasked(mut self) -> FrameOut {
        self.masked = false;
        self
    }

    /// The frame as bytes.
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = vec![self.first_byte];
        let mask_bit = if self.masked { MASKED } else { 0 };
        match self.payload.len() {
            short @ 0..=125 => bytes.push(mask_bit | short as u8),
            medium @ 126..=65_535 => {
                bytes.push(mask_bit | 126);
                bytes.extend((medium as u16).to_be_bytes());
            }
            long => {
                bytes.push(mask_bit | 127);
                bytes.extend((long as u64).to_be_bytes());
            }
        }
        if self.masked {
            bytes.extend(MASK);
            bytes.extend(self.payload.iter().zip(MASK.iter().cycle()).map(|(byte, mask)| byte ^ mask));
        } else {
            bytes.extend(&self.payload);
        }
        bytes
    }
}

impl FrameIn {
    pub fn opcode(&self) -> u8 {
        self.first_byte & 0x0f
    }

    /// The payload of a text frame as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        assert_eq!(self.opcode(), TEXT, "{self:?}");
        serde_json::from_slice(&self.payload).expect("the server sends JSON")
    }

    /// The code of a close frame. None if it has none.
    #[track_caller]
    pub fn close_code(&self) -> Option<u16> {
        assert_eq!(self.opcode(), CLOSE, "{self:?}");
        self.payload.first_chunk().map(|code| u16::from_be_bytes(*code))
    }
}

/// An HTTP response, read byte by byte.
#[derive(Debug)]
pub struct HttpAnswer {
    pub status: u16,
    /// Header lines with the names in lower case.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl HttpAnswer {
    /// The header's value, or an empty text.
    pub fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }

    /// The body as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|e| panic!("a JSON body ({e}), not {self:?}"))
    }
}

/// A TCP connection to the server.
pub struct RawSocket {
    pub stream: TcpStream,
    buffer: Vec<u8>,
}

impl RawSocket {
    /// Connects and sends nothing.
    pub async fn connect(authority: &str) -> RawSocket {
        let stream = TcpStream::connect(authority).await.expect("the server should accept connections");
        stream.set_nodelay(true).expect("a TCP option");
        RawSocket { stream, buffer: Vec::new() }
    }

    /// Connects with a receive buffer of about this size, so that the peer soon notices that nobody reads.
    pub async fn with_receive_buffer(authority: &str, bytes: u32) -> RawSocket {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.set_recv_buffer_size(bytes).expect("a TCP option");
        let address = authority.parse().expect("the server's address is numeric");
        let stream = socket.connect(address).await.expect("the server should accept connections");
        RawSocket { stream, buffer: Vec::new() }
    }

    /// Connects and upgrades manually. Panics unless the server answers 101.
    pub async fn upgrade(authority: &str, path_and_query: &str) -> RawSocket {
        let mut socket = RawSocket::connect(authority).await;
        let answer = socket.handshake(authority, path_and_query, &[]).await;
        assert_eq!(answer.status, 101, "{answer:?}");
        assert_eq!(answer.header("sec-websocket-accept"), ACCEPT, "{answer:?}");
        socket
    }

    /// Sends an upgrade request with the given additional header lines and reads the answer.
    pub async fn handshake(&mut self, authority: &str, path_and_query: &str, headers: &[&str]) -> HttpAnswer {
        let mut lines = vec!["Upgrade: websocket".to_owned(), "Connection: Upgrade".to_owned()];
        lines.extend(["Sec-WebSocket-Version: 13".to_owned(), format!("Sec-WebSocket-Key: {KEY}")]);
        lines.extend(headers.iter().map(|line| (*line).to_owned()));
        self.get(authority, path_and_query, &lines).await
    }

    /// Sends a GET with exactly these header lines in addition to `Host`, and reads the response.
    pub async fn get(&mut self, authority: &str, path_and_query: &str, headers: &[String]) -> HttpAnswer {
        let head = format!("GET {path_and_query} HTTP/1.1\r\nHost: {authority}\r\n{}\r\n\r\n", headers.join("\r\n"));
        self.write(head.as_bytes()).await;
        self.read_http().await
    }

    pub async fn send(&mut self, frame: &FrameOut) {
        self.write(&frame.bytes()).await;
    }

    /// Writes bytes unchanged.
    pub async fn write(&mut self, bytes: &[u8]) {
        self.try_write(bytes).await.expect("the connection should take bytes");
    }

    /// Writes bytes. Returns an error if the connection is closed.
    pub async fn try_write(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        tokio::time::timeout(DEADLINE, self.stream.write_all(bytes)).await.expect("the server should read")
    }

    /// The next frame from the server, including control frames. None at the end of the connection.
    pub async fn next_frame(&mut self) -> Option<FrameIn> {
        self.next_frame_within(FRAME_DEADLINE).await
    }

    /// Like [`RawSocket::next_frame`], with another deadline.
    ///
    /// # Panics
    /// If neither a frame nor the end arrives in time.
    pub async fn next_frame_within(&mut self, deadline: Duration) -> Option<FrameIn> {
        let end = tokio::time::Instant::now() + deadline;
        loop {
            if let Some((frame, used)) = parse_frame(&self.buffer) {
                self.buffer.drain(..used);
                return Some(frame);
            }
            match tokio::time::timeout_at(end, self.fill()).await {
                Err(_) => panic!("expected a frame, got none within {deadline:?}"),
                Ok(false) => return None,
                Ok(true) => {}
            }
        }
    }

    /// The next text frame as JSON; skips pings of the server.
    pub async fn next_json(&mut self) -> Value {
        loop {
            let frame = self.next_frame().await.expect("a frame, not the end of the connection");
            if frame.opcode() != PING {
                return frame.json();
            }
        }
    }

    /// Expects a close frame with that code, then the end of the connection.
    pub async fn expect_close(&mut self, code: u16) {
        let frame = self.next_frame().await.unwrap_or_else(|| panic!("a close with {code}, not the bare end"));
        assert_eq!(frame.opcode(), CLOSE, "expected a close with {code}, got {frame:?}");
        assert_eq!(frame.close_code(), Some(code), "{frame:?}");
        self.expect_end().await;
    }

    /// Expects that the server closes the connection without a further frame.
    pub async fn expect_end(&mut self) {
        let frame = self.next_frame_within(DEADLINE).await;
        assert_eq!(frame, None, "expected the end of the connection");
    }

    /// Reads one response with `Content-Length` or without a body.
    pub async fn read_http(&mut self) -> HttpAnswer {
        let head_end = loop {
            if let Some(at) = self.buffer.windows(4).position(|window| window == b"\r\n\r\n") {
                break at;
            }
            assert!(self.fill_in_time().await, "the connection ended before the answer's head did");
        };
        let head = String::from_utf8_lossy(&self.buffer[..head_end]).into_owned();
        self.buffer.drain(..head_end + 4);
        let mut lines = head.split("\r\n");
        let status = lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok()).expect("a status line");
        let fields = lines.filter_map(|line| line.split_once(':'));
        let headers: Vec<_> = fields.map(|(n, v)| (n.to_ascii_lowercase(), v.trim().to_owned())).collect();
        let mut answer = HttpAnswer { status, headers, body: Vec::new() };
        let length = answer.header("content-length").parse().unwrap_or(0);
        while self.buffer.len() < length {
            assert!(self.fill_in_time().await, "the connection ended before the answer's body did");
        }
        answer.body = self.buffer.drain(..length).collect();
        answer
    }

    async fn fill_in_time(&mut self) -> bool {
        tokio::time::timeout(DEADLINE, self.fill()).await.expect("the server should answer")
    }

    /// Reads more bytes. Returns false at the end of the connection.
    async fn fill(&mut self) -> bool {
        let mut chunk = [0; 16 * 1024];
        match self.stream.read(&mut chunk).await {
            Ok(0) | Err(_) => false,
            Ok(count) => {
                self.buffer.extend_from_slice(&chunk[..count]);
                true
            }
        }
    }
}

/// A server frame from the start of `bytes`, and its length. None if it is incomplete.
fn parse_frame(bytes: &[u8]) -> Option<(FrameIn, usize)> {
    let [first_byte, second_byte] = *bytes.first_chunk()?;
    assert_eq!(second_byte & MASKED, 0, "a server must not mask its frames (RFC 6455 section 5.1)");
    let (length, start) = match second_byte {
        126 => (u16::from_be_bytes(*bytes.get(2..)?.first_chunk()?) as usize, 4),
        127 => (u64::from_be_bytes(*bytes.get(2..)?.first_chunk()?) as usize, 10),
        short => (short as usize, 2),
    };
    let payload = bytes.get(start..start + length)?.to_vec();
    Some((FrameIn { first_byte, payload }, start + length))
}
