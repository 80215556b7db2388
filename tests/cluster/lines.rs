//! Tests of the harness itself: the proxies must behave as the other tests assume.

use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::support::proxy::Proxy;
use crate::support::{DEADLINE, Line};

/// Long enough for bytes to cross the loopback many times.
const SILENT_FOR: Duration = Duration::from_millis(300);

/// A service behind a proxy that echoes every byte.
async fn echo_behind_a_line() -> Proxy {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = listener.local_addr().expect("a bound listener has an address").port();
    tokio::spawn(async move {
        while let Ok((mut connection, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut from, mut to) = connection.split();
                let _ = tokio::io::copy(&mut from, &mut to).await;
            });
        }
    });
    Proxy::to(port)
}

async fn connect(line: &Proxy) -> TcpStream {
    TcpStream::connect(("127.0.0.1", line.port())).await.expect("a line accepts connections")
}

async fn echo(connection: &mut TcpStream, byte: u8) {
    connection.write_all(&[byte]).await.expect("an open line takes bytes");
    let answer = tokio::time::timeout(DEADLINE, connection.read_u8()).await.expect("an open line answers");
    assert_eq!(answer.expect("an open line answers"), byte);
}

async fn end_of(connection: &mut TcpStream) -> std::io::Error {
    let end = tokio::time::timeout(DEADLINE, connection.read_u8()).await.expect("the end comes at once");
    end.expect_err("nothing comes over a severed line")
}

#[tokio::test]
async fn a_severed_line_resets_what_is_open_and_what_comes_until_it_is_restored() {
    let line = echo_behind_a_line().await;
    let mut old = connect(&line).await;
    echo(&mut old, 1).await;
    line.set(Line::Severed);
    // A connection that is reset very early may fail to connect.
    let new = match TcpStream::connect(("127.0.0.1", line.port())).await {
        Ok(mut new) => end_of(&mut new).await,
        Err(error) => error,
    };
    for error in [end_of(&mut old).await, new] {
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "{error}");
    }
    line.set(Line::Open);
    echo(&mut connect(&line).await, 2).await;
}

#[tokio::test]
async fn a_stalled_line_is_silent_and_delivers_when_it_is_restored() {
    let line = echo_behind_a_line().await;
    let mut old = connect(&line).await;
    echo(&mut old, 1).await;
    line.set(Line::Stalled);
    let mut new = connect(&line).await;
    for connection in [&mut old, &mut new] {
        connection.write_all(&[2]).await.expect("nobody tells that it is dead");
        let silence = tokio::time::timeout(SILENT_FOR, connection.read_u8()).await;
        assert!(silence.is_err(), "neither a byte nor an end: {silence:?}");
    }
    line.set(Line::Open);
    for connection in [&mut old, &mut new] {
        let late = tokio::time::timeout(DEADLINE, connection.read_u8()).await.expect("it arrives after all");
        assert_eq!(late.expect("it arrives after all"), 2);
        echo(connection, 3).await;
    }
}
