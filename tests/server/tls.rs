//! TLS with certificate and key files: the same REST API and sockets, encrypted.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use futures_util::{SinkExt, StreamExt};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use tokio_tungstenite::tungstenite::Message;

use crate::support::server::run_in;
use crate::support::{DEADLINE, Server, token};

/// A server with a new certificate for `localhost`, and the certificate.
async fn tls_server() -> (Server, CertificateDer<'static>) {
    tls_server_in(tempfile::tempdir().expect("a temporary folder").path()).await
}

/// The same, with its files in `folder`.
async fn tls_server_in(folder: &Path) -> (Server, CertificateDer<'static>) {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).expect("a certificate");
    let (cert_file, key_file) = (folder.join("cert.pem"), folder.join("key.pem"));
    fs::write(&cert_file, made.cert.pem()).expect("writable");
    fs::write(&key_file, made.signing_key.serialize_pem()).expect("writable");
    let builder = Server::builder().env("TLS_CERT_FILE", cert_file.display());
    let server = builder.env("TLS_KEY_FILE", key_file.display()).start().await;
    (server, made.cert.der().clone())
}

async fn connect(server: &Server, certificate: &CertificateDer<'static>) -> TlsStream<TcpStream> {
    let mut roots = RootCertStore::empty();
    roots.add(certificate.clone()).expect("our own certificate");
    let provider = Arc::new(tokio_rustls::rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.expect("TLS 1.2 and 1.3").with_root_certificates(roots).with_no_client_auth();
    let name = ServerName::try_from("localhost").expect("a name");
    let stream = TcpStream::connect(server.authority()).await.expect("the server listens");
    let handshake = TlsConnector::from(Arc::new(config)).connect(name, stream);
    tokio::time::timeout(DEADLINE, handshake).await.expect("a timely handshake").expect("a TLS handshake")
}

async fn http(stream: &mut TlsStream<TcpStream>, request: String) -> String {
    stream.write_all(request.as_bytes()).await.expect("the server reads");
    let mut answer = Vec::new();
    let reading = stream.read_to_end(&mut answer);
    // A server may close TCP without a TLS close_notify.
    let _ = tokio::time::timeout(DEADLINE, reading).await.expect("the answer ends");
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn rest_and_sockets_work_over_tls() {
    let (server, certificate) = tls_server().await;
    assert!(server.origin().starts_with("https://"), "{}", server.origin());
    let close = "Host: localhost\r\nConnection: close";
    let answer =
        http(&mut connect(&server, &certificate).await, format!("GET /healthz HTTP/1.1\r\n{close}\r\n\r\n")).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");

    // Alice and Bob are provisioned from their tokens; then they exchange messages.
    let (alice, bob) = (token::for_user("alice", "alice", 60), token::for_user("bob", "bob", 60));
    let me = format!("GET /api/auth/me HTTP/1.1\r\n{close}\r\nAuthorization: Bearer {bob}\r\n\r\n");
    let answer = http(&mut connect(&server, &certificate).await, me).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    let url = format!("wss://localhost/ws/dm/bob?token={alice}");
    let stream = connect(&server, &certificate).await;
    let (mut socket, _) = tokio_tungstenite::client_async(url, stream).await.expect("an upgrade over TLS");
    let expect = async |socket: &mut tokio_tungstenite::WebSocketStream<TlsStream<TcpStream>>, kind: &str| {
        let next = tokio::time::timeout(DEADLINE, socket.next()).await.expect("a frame in time");
        let text = next.expect("not the end").expect("no error").into_text().expect("text");
        let frame: Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(frame["type"], kind, "{frame}");
        frame
    };
    expect(&mut socket, "connected").await;
    // Larger than a TLS record and than what one write accepts.
    let content = "x".repeat(10_000);
    for _ in 0..50 {
        let message = json!({"type": "dm_message", "content": content}).to_string();
        socket.send(Message::text(message)).await.expect("the server reads");
    }
    for seq in 1..=50 {
        assert_eq!(expect(&mut socket, "dm_message").await["seq"], seq);
    }
    socket.close(None).await.expect("a close");
}

#[tokio::test]
async fn noise_instead_of_tls_harms_nobody() {
    let (server, certificate) = tls_server().await;
    let mut plain = TcpStream::connect(server.authority()).await.expect("the server listens");
    plain.write_all(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n").await.expect("the server reads");
    let mut answer = Vec::new();
    let _ = tokio::time::timeout(DEADLINE, plain.read_to_end(&mut answer)).await.expect("the server hangs up");
    assert!(!answer.starts_with(b"HTTP/1.1 200"), "no plain HTTP on a TLS port");
    connect(&server, &certificate).await;
}

#[tokio::test]
async fn the_health_command_knows_a_server_with_tls() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let (mut server, _) = tls_server_in(folder.path()).await;
    let (_, port) = server.authority().rsplit_once(':').expect("the address has a port");
    let port = port.to_owned();
    let settings = [("WS_PORT", port.as_str()), ("TLS_CERT_FILE", "cert.pem"), ("TLS_KEY_FILE", "key.pem")];
    let asked = run_in(folder.path(), &["health"], &settings).await;
    assert_eq!(asked.status.code(), Some(0), "{asked:?}");
    // Without the certificate files, the check takes the server for another program.
    let asked = run_in(folder.path(), &["health"], &settings[..1]).await;
    assert_eq!(asked.status.code(), Some(1), "{asked:?}");
    server.kill();
    let asked = run_in(folder.path(), &["health"], &settings).await;
    assert_eq!(asked.status.code(), Some(1), "{asked:?}");
}
