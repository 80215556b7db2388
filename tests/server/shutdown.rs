//! Graceful shutdown: clients get a reconnect time, and nothing acknowledged is lost (docs/protocol.md, "Close codes").

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use crate::load::{Talker, assert_kept};
use crate::on_both;
use crate::support::raw::RawSocket;
use crate::support::shape::Kind::{Count, Text, Time};
use crate::support::shape::{assert_shape, number};
use crate::support::socket::Frame;
use crate::support::{DEADLINE, Server, eventually, guard};

#[tokio::test]
async fn every_socket_is_told_when_to_come_back() {
    let mut server = Server::builder().env("RECONNECTS_PER_SECOND", 4).env("MAX_CONNECTIONS_PER_USER", 0).start().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let channel = alice.channel_with(&[&bob]).await;
    let mut sockets = Vec::new();
    for _ in 0..12 {
        sockets.push(alice.join(&channel).await);
    }
    let mut direct = alice.connect_dm(&bob).await;
    direct.expect("connected").await;
    sockets.push(direct);
    server.request_stop();
    let mut delays = BTreeSet::new();
    for socket in &mut sockets {
        let word = socket.expect("server_restarting").await;
        assert_shape(&word, &[("type", Text), ("reconnect_in_ms", Count), ("timestamp", Time)]);
        let delay = number(&word, "reconnect_in_ms");
        // This server knows no other node, so clients must not reconnect before it has restarted.
        assert!((1_000..=5_000).contains(&delay), "{word}");
        delays.insert(delay);
        socket.expect_close(1012).await;
    }
    assert!(delays.len() > 5, "the delays should be spread, or all come back at once: {delays:?}");
    drop(sockets);
    let status = server.ended().await;
    assert_eq!(status.code(), Some(0), "{}", server.log());
}

#[tokio::test]
async fn ctrl_c_stops_it_as_gracefully() {
    let mut server = Server::start().await;
    let alice = server.user("alice").await;
    let channel = alice.channel_with(&[]).await;
    let mut socket = alice.join(&channel).await;
    guard::signal(server.pid(), "INT");
    socket.expect("server_restarting").await;
    socket.expect_close(1012).await;
    assert_eq!(server.ended().await.code(), Some(0), "{}", server.log());
}

#[tokio::test]
async fn an_idle_server_stops_at_once() {
    let mut server = Server::start().await;
    let started = Instant::now();
    assert_eq!(server.terminate().await.code(), Some(0), "{}", server.log());
    assert!(started.elapsed() < Duration::from_secs(5), "{:?}", started.elapsed());
}

on_both! {
    async fn no_acknowledged_message_is_lost_by_a_stop_under_load(database) {
        let mut server = Server::on(database).await;
        let (alice, bob, carol) = (server.user("alice").await, server.user("bob").await, server.user("carol").await);
        let channel = alice.channel_with(&[&bob, &carol]).await;
        let talkers = [
            Talker::start(bob.join(&channel).await, "bob"),
            Talker::start(carol.join(&channel).await, "carol"),
        ];
        eventually("acknowledgements under load", DEADLINE * 3, || {
            let enough = talkers.iter().all(|talker| talker.count() >= 200);
            async move { enough.then_some(()) }
        })
        .await;
        assert_eq!(server.terminate().await.code(), Some(0), "{}", server.log());
        let mut acknowledged = crate::load::Acknowledged::new();
        for talker in talkers {
            acknowledged.extend(talker.finish().await);
        }
        server.restart().await;
        assert_kept(&alice, &channel, &acknowledged).await;
    }
}

#[tokio::test]
async fn a_client_that_does_not_read_does_not_hold_the_stop() {
    let mut server = Server::builder().env("SHUTDOWN_TIMEOUT_SECONDS", 3).start().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let channel = alice.channel_with(&[&bob]).await;
    let path = format!("/ws/channel/{channel}?token={}", bob.token);
    let mut deaf = RawSocket::with_receive_buffer(server.authority(), 4096).await;
    assert_eq!(deaf.handshake(server.authority(), &path, &[]).await.status, 101);
    let mut half_open = RawSocket::connect(server.authority()).await;
    half_open.write(b"GET / HTTP/1.1\r\nHos").await;
    let mut sender = alice.join(&channel).await;
    for _ in 0..40 {
        sender.say(&"x".repeat(10_000)).await;
        while sender.next_json().await["type"] != "message" {}
    }
    let started = Instant::now();
    assert_eq!(server.terminate().await.code(), Some(0), "{}", server.log());
    assert!(started.elapsed() < Duration::from_secs(3 + 5), "{:?}", started.elapsed());
}

#[tokio::test]
async fn nobody_gets_in_while_it_drains() {
    let mut server = Server::builder().env("SHUTDOWN_TIMEOUT_SECONDS", 10).start().await;
    let alice = server.user("alice").await;
    let channel = alice.channel_with(&[]).await;
    let mut socket = alice.join(&channel).await;
    server.request_stop();
    socket.expect("server_restarting").await;
    // Refused by the listener, or by the server with a temporary status: never a new session.
    let path = format!("/ws/channel/{channel}");
    let request =
        crate::support::socket::request(server.origin(), &path, &alice.token, crate::support::socket::Place::Query);
    match crate::support::Socket::try_open_request(request).await {
        Err(tokio_tungstenite::tungstenite::Error::Http(response)) => assert_eq!(response.status(), 503),
        Err(_) => {}
        Ok(mut late) => {
            let frame = late.next_within(DEADLINE).await;
            assert!(matches!(frame, Some(Frame::Close(Some((1012, _))) | Frame::End)), "{frame:?}");
        }
    }
    socket.expect_close(1012).await;
    assert_eq!(server.ended().await.code(), Some(0), "{}", server.log());
}
