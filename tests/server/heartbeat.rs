//! The heartbeat: the server pings sockets and closes silent ones (docs/protocol.md, "Heartbeat").

use std::time::{Duration, Instant};

use crate::support::raw::{CLOSE, FrameOut, PING, PONG, RawSocket};
use crate::support::{Server, User};

async fn impatient_server() -> (Server, User, String) {
    let server = Server::builder().env("WEBSOCKET_PING_INTERVAL", 1).env("WEBSOCKET_PING_TIMEOUT", 3).start().await;
    let alice = server.user("alice").await;
    let channel = alice.channel_with(&[]).await;
    (server, alice, channel)
}

#[tokio::test]
async fn a_silent_socket_is_pinged_and_then_closed() {
    let (server, alice, channel) = impatient_server().await;
    let path = format!("/ws/channel/{channel}?token={}", alice.token);
    let mut silent = RawSocket::upgrade(server.authority(), &path).await;
    silent.next_json().await;
    let started = Instant::now();
    let mut pings = 0;
    let close = loop {
        let frame = silent.next_frame_within(Duration::from_secs(10)).await.expect("a close before the end");
        match frame.opcode() {
            PING => pings += 1,
            CLOSE => break frame,
            _ => panic!("unexpected {frame:?}"),
        }
    };
    assert_eq!(close.close_code(), Some(4508));
    assert!(pings >= 2, "a ping every second: {pings}");
    let waited = started.elapsed();
    assert!((Duration::from_secs(2)..Duration::from_secs(7)).contains(&waited), "about three seconds: {waited:?}");
}

#[tokio::test]
async fn a_socket_that_answers_pings_stays() {
    let (server, alice, channel) = impatient_server().await;
    let path = format!("/ws/channel/{channel}?token={}", alice.token);
    let mut socket = RawSocket::upgrade(server.authority(), &path).await;
    socket.next_json().await;
    let started = Instant::now();
    while started.elapsed() < Duration::from_secs(6) {
        let ping = socket.next_frame_within(Duration::from_secs(5)).await.expect("pings go on");
        assert_eq!(ping.opcode(), PING, "{ping:?}");
        socket.send(&FrameOut::new(PONG, &ping.payload)).await;
    }
}

#[tokio::test]
async fn the_other_name_of_the_timeout_counts_too() {
    let server = Server::builder().env("WEBSOCKET_PING_INTERVAL", 1).env("WEBSOCKET_TIMEOUT", 2).start().await;
    let alice = server.user("alice").await;
    let channel = alice.channel_with(&[]).await;
    let path = format!("/ws/channel/{channel}?token={}", alice.token);
    let mut silent = RawSocket::upgrade(server.authority(), &path).await;
    silent.next_json().await;
    loop {
        let frame = silent.next_frame_within(Duration::from_secs(8)).await.expect("a close before the end");
        if frame.opcode() == CLOSE {
            assert_eq!(frame.close_code(), Some(4508));
            break;
        }
    }
}
