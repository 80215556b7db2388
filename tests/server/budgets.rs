//! Budgets of HTTP clients: whoever exceeds one is refused or disconnected, and nobody else notices.

use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use serde_json::json;
use tokio::sync::Mutex;

use crate::support::raw::RawSocket;
use crate::support::{DEADLINE, Server, eventually};

/// The server still answers somebody else.
async fn assert_serves(server: &Server) {
    let mut other = RawSocket::connect(server.authority()).await;
    assert_eq!(other.get(server.authority(), "/healthz", &[]).await.status, 200);
}

#[tokio::test]
async fn a_head_that_does_not_end_closes_the_connection() {
    let server = Server::builder().env("HTTP_KEEP_ALIVE_SECONDS", 1).start().await;
    let mut first = RawSocket::connect(server.authority()).await;
    first.write(b"GET /healthz HTTP/1.1\r\nHo").await;
    let mut second = RawSocket::connect(server.authority()).await;
    assert_eq!(second.get(server.authority(), "/healthz", &[]).await.status, 200);
    second.write(b"G").await;
    assert_serves(&server).await;
    second.expect_end().await;
    // of an incomplete head, the first one is answered
    assert_eq!(first.read_http().await.status, 408);
    first.expect_end().await;
}

#[tokio::test]
async fn a_body_that_does_not_arrive_is_refused() {
    let server = Server::builder().env("HTTP_BODY_SECONDS", 1).start().await;
    let authority = server.authority();
    for (path, length) in
        [("/api/auth/login", "Content-Length: 100"), ("/api/auth/register", "Transfer-Encoding: chunked")]
    {
        let mut slow = RawSocket::connect(authority).await;
        let head =
            format!("POST {path} HTTP/1.1\r\nHost: {authority}\r\nContent-Type: application/json\r\n{length}\r\n\r\n");
        slow.write(head.as_bytes()).await;
        slow.write(if length.starts_with('C') { b"{" } else { b"1\r\n{\r\n" }).await;
        assert_serves(&server).await;
        let answer = slow.read_http().await;
        assert_eq!((answer.status, answer.json()["code"].as_str()), (408, Some("INVALID_MESSAGE")), "{answer:?}");
    }
}

#[tokio::test]
async fn an_answer_that_nobody_reads_is_given_up() {
    let server = Server::builder().env("HTTP_UNREAD_SECONDS", 1).start().await;
    let mut idle = RawSocket::with_receive_buffer(server.authority(), 2_048).await;
    // more than the buffers of both sides hold
    for _ in 0..20 {
        let request = format!("GET /api/openapi.json HTTP/1.1\r\nHost: {}\r\n\r\n", server.authority());
        idle.write(request.as_bytes()).await;
    }
    let idle = Mutex::new(idle);
    eventually("the server closes the connection of a client that reads nothing", DEADLINE, || async {
        idle.lock().await.try_write(b" ").await.is_err().then_some(())
    })
    .await;
    assert_serves(&server).await;
}

/// Whether the server has closed the connection.
async fn is_closed(connection: &RawSocket) -> bool {
    // The readiness may be stale, so it is waited for briefly.
    let _ready = tokio::time::timeout(Duration::from_millis(1), connection.stream.readable()).await;
    match connection.stream.try_read(&mut [0]) {
        Ok(count) => count == 0,
        Err(error) => error.kind() != std::io::ErrorKind::WouldBlock,
    }
}

#[tokio::test]
async fn an_address_has_so_many_http_connections() {
    const MOST: usize = 8;
    let builder = Server::builder().env("HTTP_CONNECTIONS_PER_ADDRESS", MOST).env("MAX_CONNECTIONS_PER_USER", 0);
    let server = builder.start().await;
    let alice = server.user("alice").await;
    // Sockets do not count once they are open.
    let mut sockets = Vec::new(); // kept open
    for _ in 0..2 * MOST {
        sockets.push(alice.nexus().await);
    }
    let mut connections = Vec::new();
    for _ in 0..3 * MOST {
        connections.push(RawSocket::connect(server.authority()).await);
    }
    let them = &connections;
    eventually("the surplus is closed", DEADLINE, || async move {
        let mut closed = 0;
        for connection in them {
            closed += usize::from(is_closed(connection).await);
        }
        (closed >= 2 * MOST).then_some(())
    })
    .await;
    drop(connections);
    eventually("the places are free again", DEADLINE, || async {
        let mut one = RawSocket::connect(server.authority()).await;
        (!is_closed(&one).await && one.get(server.authority(), "/healthz", &[]).await.status == 200).then_some(())
    })
    .await;
}

#[tokio::test]
async fn requests_are_limited_per_user() {
    let server = Server::builder().env("REST_WRITES_PER_MINUTE", 3).env("REST_READS_PER_MINUTE", 5).start().await;
    let [alice, bob] = [server.user("alice").await, server.user("bob").await];
    for number in 0..3 {
        alice.post("/api/groups", json!({"name": format!("group {number}")})).await.expect(201);
    }
    let refused = alice.post("/api/groups", json!({"name": "one too many"})).await;
    assert_eq!(refused.status.as_u16(), 429);
    let body = refused.body.clone();
    assert_eq!(body["code"], "RATE_LIMIT_EXCEEDED");
    assert_eq!(refused.header("Retry-After"), body["retry_after"].to_string());
    // reads are counted apart, and so are other users
    for _ in 0..5 {
        alice.get("/api/groups").await.expect(200);
    }
    assert_eq!(alice.get("/api/groups").await.status.as_u16(), 429);
    bob.post("/api/groups", json!({"name": "another"})).await.expect(201);
}

#[tokio::test]
async fn files_are_readable_by_their_owner_only() {
    let server = Server::start().await;
    server.user("alice").await;
    for entry in std::fs::read_dir(server.data_folder()).expect("the data folder") {
        let entry = entry.expect("an entry");
        let mode = entry.metadata().expect("its metadata").permissions().mode() & 0o777;
        assert_eq!(mode & 0o077, 0, "{:?} has the mode {mode:o}", entry.path());
    }
}
