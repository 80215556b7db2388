//! A chat completions endpoint for tests: a real HTTP server that follows a script of good and bad behaviour, one play
//! per request.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::{DEADLINE, eventually};

/// How one request is answered.
#[derive(Clone, Copy, Debug)]
pub enum Play {
    /// Streams these pieces and ends as the API specifies.
    Answers(&'static [&'static str]),
    /// Sends the whole answer at once, like servers that do not stream.
    AnswersWhole(&'static str),
    /// A status and, if any, `Retry-After`.
    Refuses(u16, Option<&'static str>),
    /// Streams these pieces, then sends nothing more.
    Stalls(&'static [&'static str]),
    /// Streams these pieces, then closes the connection within the stream.
    BreaksOff(&'static [&'static str]),
    /// Streams these pieces, then an error.
    Fails(&'static [&'static str]),
    /// Streams endlessly.
    StreamsForEver,
    /// Streams something that is not this API.
    TalksRubbish,
    /// Sends one endless line.
    SendsOneEndlessLine,
    /// Closes without an answer.
    HangsUp,
    /// Status 200 with this content type, if any, and this body, and what follows.
    Sends(Option<&'static str>, &'static str, Then),
}

/// What follows a body.
#[derive(Clone, Copy, Debug)]
pub enum Then {
    /// The end of the response.
    Ends,
    /// The connection closes although the body is incomplete.
    BreaksOff,
    /// Nothing, and no end.
    Stalls,
}

/// A received request.
#[derive(Clone, Debug)]
pub struct Asked {
    pub path: String,
    pub authorization: Option<String>,
    pub body: Value,
}

#[derive(Default)]
struct Seen {
    asked: Vec<Asked>,
    open: usize,
}

/// The endpoint. It ends with the test.
pub struct Provider {
    port: u16,
    seen: Arc<Mutex<Seen>>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Provider {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Provider {
    /// Starts the endpoint; the last play is repeated.
    pub async fn start(script: &'static [Play]) -> Provider {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let port = listener.local_addr().expect("bound").port();
        let seen: Arc<Mutex<Seen>> = Arc::default();
        let of_task = seen.clone();
        let task = tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let seen = of_task.clone();
                tokio::spawn(async move {
                    seen.lock().expect("whole").open += 1;
                    // That the other side has disconnected is what these tests are about.
                    let _ = serve(socket, &seen, script).await;
                    seen.lock().expect("whole").open -= 1;
                });
            }
        });
        Provider { port, seen, task }
    }

    /// The value for `AI_BASE_URL`.
    pub fn base_url(&self) -> String {
        format!("http://127.0.0.1:{}/v1", self.port)
    }

    /// The requests so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.seen.lock().expect("whole").asked.clone()
    }

    /// Waits for this many requests.
    pub async fn asked_times(&self, times: usize) {
        let what = format!("{times} requests to the provider");
        eventually(&what, DEADLINE, || async { (self.asked().len() == times).then_some(()) }).await;
    }

    /// Waits until no connection to it is open.
    pub async fn nobody_there(&self) {
        let open = || self.seen.lock().expect("whole").open;
        eventually("the end of all connections to the provider", DEADLINE, || async { (open() == 0).then_some(()) })
            .await;
    }
}

async fn serve(mut socket: TcpStream, seen: &Mutex<Seen>, script: &[Play]) -> std::io::Result<()> {
    loop {
        let Some(asked) = read_request(&mut socket).await? else { return Ok(()) };
        let play = {
            let mut seen = seen.lock().expect("whole");
            seen.asked.push(asked);
            script[(seen.asked.len() - 1).min(script.len() - 1)]
        };
        perform(&mut socket, play).await?;
    }
}

async fn read_request(socket: &mut TcpStream) -> std::io::Result<Option<Asked>> {
    let mut bytes = Vec::new();
    let end_of_head = loop {
        if let Some(at) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break at + 4;
        }
        if socket.read_buf(&mut bytes).await? == 0 {
            return Ok(None);
        }
    };
    let head = String::from_utf8_lossy(&bytes[..end_of_head]).into_owned();
    let header = |name: &str| {
        let line = head.lines().find(|line| line.to_ascii_lowercase().starts_with(&format!("{name}:")))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    };
    let length: usize = header("content-length").and_then(|text| text.parse().ok()).expect("a length");
    while bytes.len() < end_of_head + length {
        if socket.read_buf(&mut bytes).await? == 0 {
            return Ok(None);
        }
    }
    let path = head.split(' ').nth(1).expect("a request line").to_owned();
    let body = serde_json::from_slice(&bytes[end_of_head..]).expect("a JSON body");
    Ok(Some(Asked { path, authorization: header("authorization"), body }))
}

async fn perform(socket: &mut TcpStream, play: Play) -> std::io::Result<()> {
    let hang_up = || Err(std::io::ErrorKind::ConnectionAborted.into());
    match play {
        Play::HangsUp => hang_up(),
        Play::Refuses(status, retry_after) => {
            let retry_after = retry_after.map(|value| format!("retry-after: {value}\r\n")).unwrap_or_default();
            let body = r#"{"error":{"message":"no","type":"test"}}"#;
            let head = format!("HTTP/1.1 {status} No\r\n{retry_after}content-length: {}\r\n\r\n{body}", body.len());
            socket.write_all(head.as_bytes()).await
        }
        Play::AnswersWhole(text) => {
            let body = json!({"choices": [{"message": {"content": text}, "finish_reason": "stop"}]}).to_string();
            let head = format!(
                "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
                body.len()
            );
            socket.write_all(head.as_bytes()).await
        }
        Play::Answers(pieces) => {
            begin(socket, pieces).await?;
            event(socket, &json!({"choices": [{"delta": {}, "finish_reason": "stop"}]}).to_string()).await?;
            event(socket, r#"{"choices":[],"usage":{"prompt_tokens":11,"completion_tokens":7}}"#).await?;
            event(socket, "[DONE]").await?;
            socket.write_all(b"0\r\n\r\n").await
        }
        Play::Stalls(pieces) => {
            begin(socket, pieces).await?;
            stall(socket).await
        }
        Play::Sends(kind, body, then) => send(socket, kind, body, then).await,
        Play::BreaksOff(pieces) => {
            begin(socket, pieces).await?;
            socket.write_all(b"ff\r\ndata: {\"choices\"").await?;
            hang_up()
        }
        Play::Fails(pieces) => {
            begin(socket, pieces).await?;
            event(socket, r#"{"error":{"message":"overloaded","type":"server_error"}}"#).await?;
            socket.write_all(b"0\r\n\r\n").await
        }
        Play::StreamsForEver => {
            begin(socket, &[]).await?;
            loop {
                event(socket, &piece("more ")).await?;
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
        Play::TalksRubbish => {
            begin(socket, &[]).await?;
            event(socket, "<html>not what you think</html>").await?;
            socket.write_all(b"0\r\n\r\n").await
        }
        Play::SendsOneEndlessLine => {
            begin(socket, &[]).await?;
            let line = "x".repeat(16 * 1024);
            loop {
                chunk(socket, &line).await?;
            }
        }
    }
}

async fn send(socket: &mut TcpStream, kind: Option<&str>, body: &str, then: Then) -> std::io::Result<()> {
    let kind = kind.map(|kind| format!("content-type: {kind}\r\n")).unwrap_or_default();
    let head = format!("HTTP/1.1 200 OK\r\n{kind}transfer-encoding: chunked\r\n\r\n");
    socket.write_all(head.as_bytes()).await?;
    if !body.is_empty() {
        chunk(socket, body).await?;
    }
    match then {
        Then::Ends => socket.write_all(b"0\r\n\r\n").await,
        Then::BreaksOff => Err(std::io::ErrorKind::ConnectionAborted.into()),
        Then::Stalls => stall(socket).await,
    }
}

/// Completes only when the other side has closed.
async fn stall(socket: &mut TcpStream) -> std::io::Result<()> {
    let mut nothing = Vec::new();
    socket.read_to_end(&mut nothing).await?;
    Err(std::io::ErrorKind::ConnectionAborted.into())
}

async fn begin(socket: &mut TcpStream, pieces: &[&str]) -> std::io::Result<()> {
    let head =
        "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream; charset=utf-8\r\ntransfer-encoding: chunked\r\n\r\n";
    socket.write_all(head.as_bytes()).await?;
    chunk(socket, ": a comment to keep the line alive\n\n").await?;
    for text in pieces {
        event(socket, &piece(text)).await?;
    }
    Ok(())
}

fn piece(text: &str) -> String {
    json!({"object": "chat.completion.chunk", "choices": [{"index": 0, "delta": {"content": text}, "finish_reason": null}]})
        .to_string()
}

async fn event(socket: &mut TcpStream, data: &str) -> std::io::Result<()> {
    chunk(socket, &format!("data: {data}\n\n")).await
}

async fn chunk(socket: &mut TcpStream, text: &str) -> std::io::Result<()> {
    socket.write_all(format!("{:x}\r\n{text}\r\n", text.len()).as_bytes()).await?;
    socket.flush().await
}
