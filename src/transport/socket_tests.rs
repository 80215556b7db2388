use std::{
    future::poll_fn,
    io::{Read, Write},
    sync::Arc,
    task::Wake,
};

use actix_service::{Service, ServiceFactory};
use actix_tls::accept::rustls_0_23::Acceptor;
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConfig, StreamOwned, pki_types::PrivatePkcs8KeyDer};

use super::*;

/// More than all kernel buffers between the two ends.
const MUCH: usize = 16 << 20;

/// Both ends of a TCP connection: ours and a plain blocking one.
async fn tcp_pair() -> (TcpStream, std::net::TcpStream) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let peer = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (ours, _) = listener.accept().await.unwrap();
    (ours, peer)
}

fn pattern(bytes: usize) -> Vec<u8> {
    (0..bytes).map(|index| (index % 251) as u8).collect()
}

/// Writes all of `bytes` like an outbox: until refused, then again when woken.
async fn write_all(socket: &mut Socket, bytes: &[u8]) -> io::Result<()> {
    let mut written = 0;
    poll_fn(|cx| {
        while written < bytes.len() {
            match socket.write(cx.waker(), &bytes[written..]) {
                Ok(more) => written += more,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Poll::Pending,
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
        match socket.flush(cx.waker()) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => Poll::Pending,
            flushed => Poll::Ready(flushed),
        }
    })
    .await
}

async fn read(socket: &mut Socket, buffer: &mut [u8]) -> io::Result<usize> {
    poll_fn(|cx| socket.poll_read(cx, buffer)).await
}

/// Writes until refused. Returns the number of accepted bytes.
fn fill(socket: &mut Socket) -> usize {
    let (bytes, mut taken) = (vec![7; 64 * 1024], 0);
    loop {
        match socket.write(Waker::noop(), &bytes) {
            Ok(more) => taken += more,
            Err(error) => {
                assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
                return taken;
            }
        }
        assert!(taken < MUCH, "a reader that has stopped must be detected");
    }
}

struct Never;

impl Wake for Never {
    fn wake(self: Arc<Self>) {}
}

#[test]
fn a_socket_is_small() {
    assert!(size_of::<Socket>() <= size_of::<TcpStream>() + size_of::<usize>(), "{}", size_of::<Socket>());
}

#[actix_rt::test]
async fn tcp_carries_much_through_a_slow_reader() {
    let (ours, mut peer) = tcp_pair().await;
    let reader = std::thread::spawn(move || {
        let mut all = Vec::new();
        peer.read_to_end(&mut all).unwrap();
        peer.write_all(b"thanks").unwrap();
        all
    });
    let mut socket = Socket::from(ours);
    write_all(&mut socket, &pattern(MUCH)).await.unwrap();
    socket.finish();
    let mut answer = [0; 64];
    let bytes = read(&mut socket, &mut answer).await.unwrap();
    assert_eq!(&answer[..bytes], b"thanks", "the reading side stays open after finish");
    assert!(reader.join().unwrap() == pattern(MUCH));
    assert_eq!(read(&mut socket, &mut answer).await.unwrap(), 0);
}

#[actix_rt::test]
async fn an_aborted_tcp_connection_is_reset_though_its_reader_has_stopped() {
    let (ours, mut peer) = tcp_pair().await;
    let mut socket = Socket::from(ours);
    assert!(fill(&mut socket) > 0);
    socket.abort();
    assert!(matches!(socket, Socket::Closed), "the descriptor is free at once");
    let mut all = Vec::new();
    assert_eq!(peer.read_to_end(&mut all).unwrap_err().kind(), io::ErrorKind::ConnectionReset);
    assert_eq!(read(&mut socket, &mut [0; 8]).await.unwrap(), 0);
    assert_eq!(socket.write(Waker::noop(), b"x").unwrap_err().kind(), io::ErrorKind::NotConnected);
    socket.abort();
    socket.finish();
    socket.flush(Waker::noop()).unwrap();
}

#[actix_rt::test]
async fn only_a_refusal_arms_the_waker_and_room_wakes_it() {
    let (ours, mut peer) = tcp_pair().await;
    let mut socket = Socket::from(ours);
    let idle = Arc::new(Never);
    let waker = Waker::from(idle.clone());
    assert_eq!(socket.write(&waker, b"x").unwrap(), 1);
    assert_eq!(Arc::strong_count(&idle), 2, "a write that is taken keeps no waker");
    let taken = fill(&mut socket);
    let reader = std::thread::spawn(move || {
        let mut all = vec![0; taken + 1 + 5];
        peer.read_exact(&mut all).unwrap();
        all
    });
    write_all(&mut socket, b"later").await.unwrap();
    assert!(reader.join().unwrap().ends_with(b"later"));
}

// ---- TLS ----

type Peer = StreamOwned<ClientConnection, std::net::TcpStream>;

/// Our end of a TLS connection, created like the server's acceptor does, and a blocking client in its own thread.
async fn tls_pair<T: Send + 'static>(
    work: impl FnOnce(Peer) -> T + Send + 'static,
) -> (Socket, std::thread::JoinHandle<T>) {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
    let server = ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key.into())
        .unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(made.cert.der().clone()).unwrap();
    let client = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let (ours, peer) = tcp_pair().await;
    let thread = std::thread::spawn(move || {
        let name = "localhost".try_into().unwrap();
        let mut peer = StreamOwned::new(ClientConnection::new(Arc::new(client), name).unwrap(), peer);
        while peer.conn.is_handshaking() {
            peer.conn.complete_io(&mut peer.sock).unwrap();
        }
        work(peer)
    });
    let acceptor = ServiceFactory::<TcpStream>::new_service(&Acceptor::new(server), ()).await.unwrap();
    let accepted = acceptor.call(ours).await.expect("a handshake");
    (accepted.into(), thread)
}

#[actix_rt::test]
async fn tls_carries_much_through_a_slow_reader_to_the_last_byte() {
    let (mut socket, peer) = tls_pair(|mut peer| {
        peer.write_all(b"hello").unwrap();
        let mut all = Vec::new();
        peer.read_to_end(&mut all).unwrap(); // fails if the stream ends without a TLS close_notify
        all
    })
    .await;
    let mut buffer = [0; 64];
    let bytes = read(&mut socket, &mut buffer).await.unwrap();
    assert_eq!(&buffer[..bytes], b"hello");
    write_all(&mut socket, &pattern(MUCH)).await.unwrap();
    socket.finish();
    drop(socket);
    assert!(peer.join().unwrap() == pattern(MUCH));
}

#[actix_rt::test]
async fn flush_pushes_on_what_the_record_layer_holds() {
    let (go, gone) = std::sync::mpsc::channel::<usize>();
    let (mut socket, peer) = tls_pair(move |mut peer| {
        let mut all = vec![0; gone.recv().unwrap()];
        peer.read_exact(&mut all).unwrap();
    })
    .await;
    let taken = fill(&mut socket);
    assert_eq!(socket.flush(Waker::noop()).unwrap_err().kind(), io::ErrorKind::WouldBlock, "ciphertext is held");
    go.send(taken).unwrap();
    write_all(&mut socket, b"").await.unwrap();
    peer.join().unwrap();
}

#[actix_rt::test]
async fn an_aborted_tls_connection_is_reset_though_its_reader_has_stopped() {
    let (go, gone) = std::sync::mpsc::channel::<()>();
    let (mut socket, peer) = tls_pair(move |mut peer| {
        gone.recv().unwrap();
        peer.read_to_end(&mut Vec::new()).unwrap_err().kind()
    })
    .await;
    fill(&mut socket);
    socket.abort();
    go.send(()).unwrap();
    assert_eq!(peer.join().unwrap(), io::ErrorKind::ConnectionReset);
}
