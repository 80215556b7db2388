//! A WebSocket client: tokio-tungstenite with deadlines and expectations.
//!
//! Expectations skip nothing: an unexpected frame is a failure, which reveals duplicated, lost and misdirected frames.

use std::fmt::Write;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::handshake::client::{Request, Response};
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

/// How long the next frame may take. The server responds in milliseconds; a passing test never waits this long.
pub const FRAME_DEADLINE: Duration = Duration::from_secs(5);

/// Where a client puts its token (docs/protocol.md, "Authentication").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// `?token=`
    Query,
    /// `Authorization: Bearer`
    Header,
    /// `Sec-WebSocket-Protocol: bearer, <token>`
    Subprotocol,
}

/// One frame, as tests see it.
#[derive(Debug, Clone, PartialEq)]
pub enum Frame {
    Json(Value),
    Binary(Vec<u8>),
    /// Code and reason of a close frame. None if the frame had none.
    Close(Option<(u16, String)>),
    /// The TCP connection ended.
    End,
}

impl Frame {
    /// Whether this is a close frame with that code.
    pub fn is_close(&self, code: u16) -> bool {
        matches!(self, Frame::Close(Some((said, _))) if *said == code)
    }
}

/// What kind of frame it is: its `type`, or its `event_type` in the nexus dialect.
pub fn kind_of(frame: &Value) -> &Value {
    frame.get("type").unwrap_or(&frame["event_type"])
}

/// An open socket.
pub struct Socket {
    stream: WebSocketStream<TcpStream>,
    response: Response,
    last_text: String,
    pings: u64,
}

impl Socket {
    /// Connects. Panics with the server's response if it refuses.
    pub async fn open(origin: &str, path_and_query: &str, token: &str, place: Place) -> Socket {
        match Socket::try_open(origin, path_and_query, token, place).await {
            Ok(socket) => socket,
            Err(error) => panic!("{path_and_query} should accept the socket: {}", describe(&error)),
        }
    }

    /// Connects, or returns how the server refused.
    pub async fn try_open(origin: &str, path_and_query: &str, token: &str, place: Place) -> Result<Socket, Error> {
        Socket::try_open_request(request(origin, path_and_query, token, place)).await
    }

    /// Connects with a request built by the caller.
    pub async fn try_open_request(request: Request) -> Result<Socket, Error> {
        let authority = request.uri().authority().expect("the request has a host").to_string();
        let connection = TcpStream::connect(authority).await?;
        connection.set_nodelay(true)?;
        let handshake = tokio::time::timeout(super::DEADLINE, client_async(request, connection)).await;
        let (stream, response) = handshake.expect("the server should answer the handshake")?;
        Ok(Socket { stream, response, last_text: String::new(), pings: 0 })
    }

    /// A header of the server's 101 response.
    pub fn header(&self, name: &str) -> &str {
        self.response.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// The text of the last frame, unchanged.
    pub fn last_text(&self) -> &str {
        &self.last_text
    }

    pub async fn send_json(&mut self, value: &Value) {
        self.send_text(&value.to_string()).await;
    }

    pub async fn send_text(&mut self, text: &str) {
        self.send_frame(Message::text(text)).await;
    }

    pub async fn send_frame(&mut self, message: Message) {
        self.try_send(message).await.expect("the socket should take a frame");
    }

    /// Sends a message. Returns an error if the connection is closed.
    pub async fn try_send(&mut self, message: Message) -> Result<(), Error> {
        tokio::time::timeout(super::DEADLINE, self.stream.send(message)).await.expect("the server should read")
    }

    /// Sends a chat message, with a `ref` if given.
    pub async fn say(&mut self, content: &str) {
        self.send_json(&json!({"type": "message", "content": content})).await;
    }

    /// Sends a chat message with `ref`, and reads until both its echo and its ack have arrived, in either order.
    /// Returns (echo, ack). Any other frame is a failure.
    pub async fn say_acked(&mut self, content: &str, reference: &str) -> (Value, Value) {
        let kind = "message";
        self.send_json(&json!({"type": kind, "content": content, "ref": reference})).await;
        self.expect_echo_and_ack(kind, content, reference).await
    }

    /// Reads the echo and the ack of a message that was just sent, in either order.
    pub async fn expect_echo_and_ack(&mut self, kind: &str, content: &str, reference: &str) -> (Value, Value) {
        let (first, second) = (self.next_json().await, self.next_json().await);
        let (echo, ack) = if first["type"] == "ack" { (second, first) } else { (first, second) };
        assert_eq!((&echo["type"], &echo["content"]), (&json!(kind), &json!(content)), "{echo}");
        assert_eq!((&ack["type"], &ack["ref"]), (&json!("ack"), &json!(reference)), "{ack}");
        assert_eq!((&ack["id"], &ack["seq"]), (&echo["id"], &echo["seq"]), "{ack} acknowledges {echo}");
        (echo, ack)
    }

    /// The next frame within `deadline`. None if there was none. WebSocket pings and pongs do not count.
    pub async fn next_within(&mut self, deadline: Duration) -> Option<Frame> {
        let end = tokio::time::Instant::now() + deadline;
        loop {
            let message = match tokio::time::timeout_at(end, self.stream.next()).await {
                Err(_) => return None,
                Ok(None | Some(Err(_))) => return Some(Frame::End),
                Ok(Some(Ok(message))) => message,
            };
            match message {
                Message::Text(text) => {
                    self.last_text = text.to_string();
                    let value = serde_json::from_str(&text);
                    return Some(Frame::Json(
                        value.unwrap_or_else(|e| panic!("the server sent bad JSON ({e}): {text}")),
                    ));
                }
                Message::Close(frame) => {
                    return Some(Frame::Close(frame.map(|f| (f.code.into(), f.reason.to_string()))));
                }
                Message::Binary(bytes) => return Some(Frame::Binary(bytes.to_vec())),
                Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => {}
            }
        }
    }

    /// The next frame.
    ///
    /// # Panics
    /// If none arrives within [`FRAME_DEADLINE`], or the socket closes.
    pub async fn next_json(&mut self) -> Value {
        match self.next_within(FRAME_DEADLINE).await {
            Some(Frame::Json(value)) => value,
            Some(other) => panic!("expected a frame, got {other:?}"),
            None => panic!("expected a frame, got none within {FRAME_DEADLINE:?}"),
        }
    }

    /// The next frame, which must be of that `type`. Frames about the presence of users, which depend on time, are
    /// skipped unless one is expected.
    pub async fn expect(&mut self, kind: &str) -> Value {
        loop {
            match self.next_within(FRAME_DEADLINE).await {
                Some(Frame::Json(value)) if kind_of(&value) == kind => return value,
                Some(Frame::Json(value)) if is_about_presence(&value, kind) => {}
                Some(other) => panic!("expected '{kind}', got {other:?}"),
                None => panic!("expected '{kind}', got nothing within {FRAME_DEADLINE:?}"),
            }
        }
    }

    /// The next frame, which must be an error with that code.
    pub async fn expect_error(&mut self, code: &str) -> Value {
        let error = self.expect("error").await;
        super::rest::assert_error(&error, code);
        error
    }

    /// Expects the connection to end, with any close code or none.
    pub async fn expect_end_within(&mut self, deadline: Duration) -> Vec<Frame> {
        let end = tokio::time::Instant::now() + deadline;
        let mut frames = Vec::new();
        loop {
            let left = end.saturating_duration_since(tokio::time::Instant::now());
            match self.next_within(left).await {
                Some(Frame::End) => return frames,
                Some(frame) => frames.push(frame),
                None => panic!("the connection should have ended within {deadline:?}; so far: {frames:?}"),
            }
        }
    }

    /// The next frame, which must be a chat message with that text.
    pub async fn expect_message(&mut self, content: &str) -> Value {
        let message = self.expect("message").await;
        assert_eq!(message["content"], content, "{message}");
        message
    }

    /// The next frame, which must be a close with that code. The client answers it, and the connection must end.
    /// Returns the reason.
    pub async fn expect_close(&mut self, code: u16) -> String {
        self.expect_close_within(code, FRAME_DEADLINE).await
    }

    /// Like [`Socket::expect_close`], with another deadline.
    pub async fn expect_close_within(&mut self, code: u16, deadline: Duration) -> String {
        match self.next_within(deadline).await {
            Some(Frame::Close(Some((got, reason)))) if got == code => {
                assert_eq!(self.next_within(FRAME_DEADLINE).await, Some(Frame::End), "after the close with {code}");
                reason
            }
            Some(other) => panic!("expected a close with {code}, got {other:?}"),
            None => panic!("expected a close with {code}, got nothing within {deadline:?}"),
        }
    }

    /// Reads frames up to one of that `type`. Returns all of them.
    pub async fn read_until(&mut self, kind: &str) -> Vec<Value> {
        let mut frames = Vec::new();
        loop {
            frames.push(self.next_json().await);
            if frames.last().is_some_and(|frame| kind_of(frame) == kind) {
                return frames;
            }
        }
    }

    /// Asserts that no frame is queued for this socket: sends a ping and expects its pong as the next frame.
    ///
    /// This only sees frames that were passed to this socket before the server read the ping. Frames that must still
    /// pass through other actors need a later event to wait for.
    pub async fn expect_nothing_before_pong(&mut self) {
        self.pings += 1;
        let reference = format!("ping {}", self.pings);
        self.send_json(&json!({"type": "ping", "event_type": "ping", "ref": reference})).await;
        let pong = self.expect("pong").await;
        assert_eq!(pong["ref"], reference.as_str(), "{pong}");
    }

    /// The same, and none about the presence of users either.
    pub async fn expect_nothing_at_all_before_pong(&mut self) {
        self.send_json(&json!({"type": "ping", "event_type": "ping"})).await;
        let next = self.next_json().await;
        assert_eq!(kind_of(&next), "pong", "{next}");
    }

    /// Closes with 1000 and waits for the server's answer.
    pub async fn close(mut self) {
        // The server may have closed first.
        let _ = self.stream.close(None).await;
        let end = tokio::time::Instant::now() + FRAME_DEADLINE;
        while let Ok(Some(Ok(_))) = tokio::time::timeout_at(end, self.stream.next()).await {}
    }
}

/// Whether it is a frame of the nexus dialect about users or their sockets, and `expected` is of neither kind.
fn is_about_presence(frame: &Value, expected: &str) -> bool {
    let is_of_users = |kind: &str| kind.starts_with("presence.");
    let is_of_sockets = |kind: &str| matches!(kind, "connect" | "disconnect");
    kind_of(frame).as_str().is_some_and(|kind| {
        (is_of_users(kind) && !is_of_users(expected)) || (is_of_sockets(kind) && !is_of_sockets(expected))
    })
}

/// The handshake request, with the token in the given place.
pub fn request(origin: &str, path_and_query: &str, token: &str, place: Place) -> Request {
    let mut url = format!("{}{path_and_query}", origin.replacen("http", "ws", 1));
    if place == Place::Query {
        let separator = if url.contains('?') { '&' } else { '?' };
        write!(url, "{separator}token={token}").expect("a String takes everything");
    }
    let mut request = url.into_client_request().expect("the URL should be valid");
    let header = |text: String| HeaderValue::from_str(&text).expect("a token is plain ASCII");
    match place {
        Place::Query => {}
        Place::Header => {
            request.headers_mut().insert("Authorization", header(format!("Bearer {token}")));
        }
        Place::Subprotocol => {
            request.headers_mut().insert("Sec-WebSocket-Protocol", header(format!("bearer, {token}")));
        }
    }
    request
}

fn describe(error: &Error) -> String {
    match error {
        Error::Http(response) => {
            let body = response.body().as_deref().map(String::from_utf8_lossy).unwrap_or_default();
            format!("HTTP {} {body}", response.status())
        }
        other => other.to_string(),
    }
}
