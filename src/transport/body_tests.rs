use std::{
    future::poll_fn,
    io::{Read, Write},
    sync::mpsc,
};

use actix_web::{App, HttpRequest, HttpResponse, HttpServer};
use futures_util::StreamExt;

use super::*;

/// How a mounted endpoint uses its socket.
type Play = fn(Socket, mpsc::Sender<()>);

/// Whether the App calls [`Connection::remember`], as it should.
#[derive(Clone, Copy)]
enum Connections {
    Remembered,
    Forgotten,
}

/// Starts an App with one endpoint that runs `play`. Returns a client after its handshake, the messages of `play`, and
/// the server.
async fn mounted_client(
    connections: Connections,
    play: Play,
) -> (std::net::TcpStream, mpsc::Receiver<()>, actix_web::dev::ServerHandle) {
    let (tell, told) = mpsc::channel();
    let server = HttpServer::new(move || {
        let tell = tell.clone();
        App::new().route(
            "/",
            web::get().to(move |request: HttpRequest, payload: web::Payload| {
                let tell = tell.clone();
                async move {
                    let (socket, body) = mounted(payload, request.conn_data::<Connection>().cloned());
                    play(socket, tell);
                    let mut response = HttpResponse::SwitchingProtocols();
                    response.upgrade("websocket").streaming::<_, actix_web::Error>(body)
                }
            }),
        )
    })
    .workers(1)
    .disable_signals();
    let server = match connections {
        Connections::Remembered => server.on_connect(Connection::remember),
        Connections::Forgotten => server,
    };
    let server = server.bind("127.0.0.1:0").unwrap();
    let address = server.addrs()[0];
    let server = server.run();
    let handle = server.handle();
    actix_rt::spawn(server);
    let client = std::net::TcpStream::connect(address).unwrap();
    let asked = actix_rt::task::spawn_blocking(move || {
        let mut client = client;
        let head = "GET / HTTP/1.1\r\nhost: x\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n";
        client.write_all(head.as_bytes()).unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            client.read_exact(&mut byte).unwrap();
            answer.extend_from_slice(&byte);
        }
        assert!(answer.starts_with(b"HTTP/1.1 101"), "{}", String::from_utf8_lossy(&answer));
        client
    });
    (asked.await.unwrap(), told, handle)
}

async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    actix_rt::task::spawn_blocking(work).await.unwrap()
}

/// Echoes what it receives, then ends.
fn echo(mut socket: Socket, _: mpsc::Sender<()>) {
    actix_rt::spawn(async move {
        let mut buffer = [0; 1000];
        loop {
            let bytes = poll_fn(|cx| socket.poll_read(cx, &mut buffer)).await.unwrap();
            let mut rest = &buffer[..bytes];
            while !rest.is_empty() {
                let written = poll_fn(|cx| match socket.write(cx.waker(), rest) {
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => Poll::Pending,
                    written => Poll::Ready(written),
                });
                rest = &rest[written.await.unwrap()..];
            }
            if buffer[..bytes].contains(&b'.') {
                return socket.finish();
            }
        }
    });
}

/// Writes until the socket accepts no more bytes, then aborts.
fn jam_and_abort(mut socket: Socket, tell: mpsc::Sender<()>) {
    actix_rt::spawn(async move {
        let chunk = vec![7; 64 * 1024];
        loop {
            let write = poll_fn(|cx| match socket.write(cx.waker(), &chunk) {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => Poll::Pending,
                written => Poll::Ready(written),
            });
            match actix_rt::time::timeout(Duration::from_millis(500), write).await {
                Ok(written) => assert!(written.unwrap() > 0),
                Err(_) => break,
            }
        }
        socket.abort();
        tell.send(()).unwrap();
    });
}

#[actix_rt::test]
async fn a_mounted_socket_carries_both_ways_and_ends() {
    let (mut client, _told, server) = mounted_client(Connections::Remembered, echo).await;
    let sent = [vec![b'x'; 3_000_000], b".".to_vec()].concat();
    let mut writing = client.try_clone().unwrap();
    let expected = sent.clone();
    let writer = std::thread::spawn(move || writing.write_all(&sent).unwrap());
    let got = blocking(move || {
        let mut got = Vec::new();
        client.read_to_end(&mut got).unwrap();
        got
    });
    assert!(got.await == expected);
    writer.join().unwrap();
    server.stop(false).await;
}

#[actix_rt::test]
async fn a_jammed_mounted_client_is_cut_when_its_session_gives_up() {
    let (client, told, server) = mounted_client(Connections::Remembered, jam_and_abort).await;
    blocking(move || told.recv().unwrap()).await;
    // The client must not read: with a closed window, only a reset is visible.
    client.set_nonblocking(true).unwrap();
    let client = TcpStream::from_std(client).unwrap();
    let reset = actix_rt::time::timeout(Duration::from_secs(10), client.ready(tokio::io::Interest::ERROR)).await;
    assert!(reset.expect("the connection is still open").unwrap().is_error());
    server.stop(false).await;
}

/// Aborts after the first byte, without having written.
fn abort(mut socket: Socket, _: mpsc::Sender<()>) {
    actix_rt::spawn(async move {
        assert_eq!(poll_fn(|cx| socket.poll_read(cx, &mut [0])).await.unwrap(), 1);
        socket.abort();
    });
}

#[actix_rt::test]
async fn an_aborted_session_ends_its_connection_though_nobody_remembered_it() {
    let (mut client, _told, server) = mounted_client(Connections::Forgotten, abort).await;
    client.write_all(b"x").unwrap();
    let end = blocking(move || client.read(&mut [0; 8])).await;
    assert!(matches!(end, Ok(0) | Err(_)), "{end:?}");
    server.stop(false).await;
}

/// The two ends without a server.
fn pipe() -> (Rc<Pipe>, Body) {
    let pipe = Rc::new(Pipe::default());
    (pipe.clone(), Body(pipe))
}

#[actix_rt::test]
async fn a_pipe_is_bounded_and_gives_room_again() {
    let (pipe, mut body) = pipe();
    let bytes = vec![1; limits::MOUNTED_PIPE_BYTES_MAX + 10];
    assert_eq!(pipe.write(Waker::noop(), &bytes).unwrap(), limits::MOUNTED_PIPE_BYTES_MAX);
    let refused = pipe.write(Waker::noop(), b"x").unwrap_err();
    assert_eq!(refused.kind(), io::ErrorKind::WouldBlock);
    assert_eq!(body.next().await.unwrap().unwrap().len(), limits::MOUNTED_PIPE_BYTES_MAX);
    assert_eq!(pipe.write(Waker::noop(), b"last").unwrap(), 4);
    pipe.end(End::Finished);
    assert_eq!(body.next().await.unwrap().unwrap(), "last");
    assert!(body.next().await.is_none());
    assert_eq!(pipe.write(Waker::noop(), b"x").unwrap_err().kind(), io::ErrorKind::BrokenPipe);
}

#[actix_rt::test]
async fn an_aborted_pipe_gives_an_error_and_drops_what_it_holds() {
    let (pipe, mut body) = pipe();
    pipe.write(Waker::noop(), b"owed").unwrap();
    pipe.end(End::Aborted);
    pipe.end(End::Finished);
    assert!(body.next().await.unwrap().is_err());
}

#[actix_rt::test]
async fn a_response_that_is_dropped_tells_the_writer() {
    let (pipe, body) = pipe();
    drop(body);
    assert_eq!(pipe.write(Waker::noop(), b"x").unwrap_err().kind(), io::ErrorKind::BrokenPipe);
}
