//! A client that stops reading: disconnected within ten seconds, no delay for others, constant memory.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::raw::{FrameOut, RawSocket, TEXT};
use crate::support::shape::{number, opaque};
use crate::support::{Server, Socket, User};

/// Joins a channel on a socket with a small receive buffer, reads the first frame, then stops reading.
async fn join_and_stall(server: &Server, user: &User, channel: &str) -> RawSocket {
    let mut deaf = RawSocket::with_receive_buffer(server.authority(), 4096).await;
    let path = format!("/ws/channel/{channel}?token={}", user.token);
    assert_eq!(deaf.handshake(server.authority(), &path, &[]).await.status, 101);
    assert_eq!(deaf.next_json().await["type"], "online_users");
    deaf
}

/// Reads until this message's echo. Returns whether a `user_left` came before it.
async fn read_to_echo(socket: &mut Socket, content: &str) -> bool {
    let mut somebody_left = false;
    loop {
        let frame = socket.next_json().await;
        somebody_left |= frame["type"] == "user_left";
        if frame["type"] == "message" {
            assert!(frame["content"] == content, "messages come in order");
            return somebody_left;
        }
    }
}

#[tokio::test]
async fn it_is_gone_within_ten_seconds_and_delays_nobody() {
    let server = Server::builder().env("LEAVE_GRACE_MS", 0).start().await;
    let (alice, bob, carol) = (server.user("alice").await, server.user("bob").await, server.user("carol").await);
    let channel = alice.channel_with(&[&bob, &carol]).await;
    let mut sender = alice.connect(&channel).await;
    let epoch = opaque(&sender.expect("online_users").await, "epoch");
    let mut reader = carol.join(&channel).await;
    let stalled = join_and_stall(&server, &bob, &channel).await;
    reader.expect("user_joined").await;

    let started = Instant::now();
    let mut slowest = Duration::ZERO;
    let mut sent = 0;
    loop {
        sent += 1;
        let content = format!("{sent} {}", "x".repeat(9_000));
        let sent_at = Instant::now();
        sender.say(&content).await;
        let gone = read_to_echo(&mut reader, &content).await;
        slowest = slowest.max(sent_at.elapsed());
        read_to_echo(&mut sender, &content).await;
        if gone {
            break;
        }
        assert!(
            started.elapsed() < Duration::from_secs(10 + 2),
            "the stalled socket is still there after {sent} messages"
        );
    }
    assert!(slowest < Duration::from_secs(1), "another member waited {slowest:?} for a message");
    drop(stalled);

    // It reconnects and misses nothing, although the replay is larger than a socket's send buffer.
    let mut back = bob.resume(&channel, 0, &epoch).await;
    back.expect("online_users").await;
    for seq in 1..=sent {
        assert_eq!(number(&back.expect("message").await, "seq"), seq);
    }
    let recovered = back.expect("recovered").await;
    assert_eq!((&recovered["complete"], &recovered["seq"]), (&json!(true), &json!(sent)));
}

#[tokio::test]
async fn a_crowd_of_them_does_not_grow_the_memory() {
    const STALLED: usize = 30;
    const MESSAGES: usize = 1_000;
    let server = Server::builder().env("MAX_CONNECTIONS_PER_USER", 0).start().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let channel = alice.channel_with(&[&bob]).await;
    let mut sender = alice.join(&channel).await;
    let mut crowd = Vec::new();
    for _ in 0..STALLED {
        crowd.push(join_and_stall(&server, &bob, &channel).await);
    }
    sender.expect("user_joined").await;
    let before = server.resident_bytes();
    // 40 KB each: 40 MB in total, or 1.2 GB if it were buffered for each member of the crowd.
    let content = "👋".repeat(10_000);
    let mut most = before;
    for number in 0..MESSAGES {
        sender.say(&content).await;
        read_to_echo(&mut sender, &content).await;
        if number % 50 == 0 {
            most = most.max(server.resident_bytes());
        }
    }
    let grown = most.saturating_sub(before) / (1024 * 1024);
    assert!(grown < 64, "the server grew by {grown} MiB");
}

#[tokio::test]
async fn one_who_does_not_look_delays_no_cursor() {
    let server = Server::start().await;
    let (alice, bob, carol) = (server.user("alice").await, server.user("bob").await, server.user("carol").await);
    let join = json!({"type": "join_room", "room_id": "board"});
    let (mut mover, mut watcher) = (alice.open("/api/v1/ws").await, carol.open("/api/v1/ws").await);
    for socket in [&mut mover, &mut watcher] {
        socket.send_json(&join).await;
        socket.expect("room_state").await;
    }
    let mut deaf = RawSocket::with_receive_buffer(server.authority(), 4096).await;
    let path = format!("/api/v1/ws?token={}", bob.token);
    assert_eq!(deaf.handshake(server.authority(), &path, &[]).await.status, 101);
    deaf.write(&FrameOut::new(TEXT, join.to_string().as_bytes()).bytes()).await;
    watcher.expect("room_state").await;
    let cell = "x".repeat(64);
    let before = server.resident_bytes();
    let mut slowest = Duration::ZERO;
    for x in 0..150 {
        let moved = Instant::now();
        mover.send_json(&json!({"type": "cursor_move", "room": "board", "x": x, "y": 0, "cell": cell})).await;
        while watcher.read_until("cursor_moved").await.pop().expect("the last")["cursor"]["x"] != x {}
        slowest = slowest.max(moved.elapsed());
    }
    assert!(slowest < Duration::from_secs(1), "another member waited {slowest:?} for a cursor");
    let grown = server.resident_bytes().saturating_sub(before) / (1024 * 1024);
    assert!(grown < 32, "the server grew by {grown} MiB");
}
