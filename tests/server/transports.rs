//! One contract for both transports: the socket that the server owns after the upgrade, and a session mounted in an
//! actix-web App.

use std::time::Duration;

use serde_json::json;

use crate::support::raw::{CLOSE, CONTINUATION, FrameOut, PING, PONG, RawSocket, TEXT};
use crate::support::rest::{User, id_of};
use crate::support::socket::Place;
use crate::support::{Server, Socket};

#[derive(Clone, Copy)]
enum Transport {
    Owned,
    Mounted,
}

impl Transport {
    async fn start(self) -> (Server, User, String) {
        let server = match self {
            Transport::Owned => Server::builder(),
            Transport::Mounted => Server::builder().mounted(),
        };
        let server = server.env("LEAVE_GRACE_MS", 0).start().await;
        let alice = server.user("alice").await;
        let channel = alice.channel_with(&[]).await;
        (server, alice, channel)
    }
}

/// Makes a test for each transport from one body.
macro_rules! on_both_transports {
    ($($name:ident)*) => {
        mod owned {
            $(#[tokio::test] async fn $name() { super::$name(super::Transport::Owned).await; })*
        }
        mod mounted {
            $(#[tokio::test] async fn $name() { super::$name(super::Transport::Mounted).await; })*
        }
    };
}

on_both_transports! {
    a_message_is_echoed_and_acknowledged
    a_refused_upgrade_says_why
    the_subprotocol_is_answered
    control_frames_may_come_between_fragments
    the_closing_handshake_is_completed
    breaches_are_closed_with_their_code
    a_reader_that_stops_is_cut_and_leaves
}

async fn a_message_is_echoed_and_acknowledged(transport: Transport) {
    let (_server, alice, channel) = transport.start().await;
    let mut socket = alice.join(&channel).await;
    assert!(socket.header("x-connection-id").starts_with("ws_"));
    let (echo, ack) = socket.say_acked("hello", "r1").await;
    assert_eq!(echo["id"], ack["id"]);
}

async fn a_refused_upgrade_says_why(transport: Transport) {
    let (server, _alice, channel) = transport.start().await;
    let mut raw = RawSocket::connect(server.authority()).await;
    let answer = raw.handshake(server.authority(), &format!("/ws/channel/{channel}?token=rubbish"), &[]).await;
    assert_eq!(answer.status, 401);
    assert_eq!(answer.json()["code"], "AUTHENTICATION_FAILED");
}

async fn the_subprotocol_is_answered(transport: Transport) {
    let (server, alice, channel) = transport.start().await;
    let path = format!("/ws/channel/{channel}");
    let mut socket = Socket::open(server.origin(), &path, &alice.token, Place::Subprotocol).await;
    assert_eq!(socket.header("sec-websocket-protocol"), "bearer");
    socket.expect("online_users").await;
}

async fn control_frames_may_come_between_fragments(transport: Transport) {
    let (server, alice, channel) = transport.start().await;
    let path = format!("/ws/channel/{channel}?token={}", alice.token);
    let mut raw = RawSocket::upgrade(server.authority(), &path).await;
    raw.next_json().await;
    let text = json!({"type": "ping", "ref": 7}).to_string();
    let (head, tail) = text.split_at(9);
    raw.send(&FrameOut::new(TEXT, head).unfinished()).await;
    raw.send(&FrameOut::new(PING, "alive?")).await;
    raw.send(&FrameOut::new(CONTINUATION, tail)).await;
    let pong = raw.next_frame().await.expect("an answer to the ping");
    assert_eq!((pong.opcode(), pong.payload.as_slice()), (PONG, b"alive?".as_slice()));
    assert_eq!(raw.next_json().await["ref"], 7);
}

async fn the_closing_handshake_is_completed(transport: Transport) {
    let (server, alice, channel) = transport.start().await;
    let path = format!("/ws/channel/{channel}?token={}", alice.token);
    let mut raw = RawSocket::upgrade(server.authority(), &path).await;
    raw.next_json().await;
    raw.send(&FrameOut::new(CLOSE, 1000u16.to_be_bytes())).await;
    raw.expect_close(1000).await;
    raw.expect_end().await;
}

async fn breaches_are_closed_with_their_code(transport: Transport) {
    let (server, alice, channel) = transport.start().await;
    let path = format!("/ws/channel/{channel}?token={}", alice.token);
    let huge = "x".repeat(64 * 1024 + 1);
    let breaches = [
        (FrameOut::new(TEXT, b"\xff\xfe"), 1007),
        (FrameOut::new(TEXT, "{}").unmasked(), 1002),
        (FrameOut::new(TEXT, huge), 1009),
    ];
    for (frame, code) in breaches {
        let mut raw = RawSocket::upgrade(server.authority(), &path).await;
        raw.next_json().await;
        raw.send(&frame).await;
        raw.expect_close(code).await;
    }
}

async fn a_reader_that_stops_is_cut_and_leaves(transport: Transport) {
    let (server, alice, channel) = transport.start().await;
    let bob = server.user("bob").await;
    let groups = alice.get("/api/groups").await.expect(200);
    alice.add_member(&id_of(&groups[0]), &bob).await;
    let mut sender = alice.join(&channel).await;
    let mut deaf = RawSocket::with_receive_buffer(server.authority(), 4096).await;
    let path = format!("/ws/channel/{channel}?token={}", bob.token);
    assert_eq!(deaf.handshake(server.authority(), &path, &[]).await.status, 101);
    sender.expect("user_joined").await;
    let content = "x".repeat(9_000);
    let began = std::time::Instant::now();
    loop {
        sender.say(&content).await;
        let frames = sender.read_until("message").await;
        if frames.iter().any(|frame| frame["type"] == "user_left") {
            break;
        }
        assert!(began.elapsed() < Duration::from_secs(15), "the stalled reader is still there");
    }
}
