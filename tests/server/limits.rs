//! Limits: how much one client may request, and what happens beyond that (docs/protocol.md, "Rate limits", "Limits").

use std::time::Duration;

use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::support::raw::{CONTINUATION, FrameOut, RawSocket, TEXT};
use crate::support::rest::{PASSWORD, post, send};
use crate::support::shape::number;
use crate::support::{Server, Socket, User};

/// Sends one message and returns the error's `retry_after`. None if the message was accepted.
async fn refused(socket: &mut Socket, reference: u64) -> Option<u64> {
    socket.send_json(&json!({"type": "message", "content": "hi", "ref": reference})).await;
    let answer = socket.next_json().await;
    if answer["type"] == "error" {
        assert_eq!((&answer["code"], &answer["ref"]), (&json!("RATE_LIMIT_EXCEEDED"), &json!(reference)), "{answer}");
        let window = if number(&answer, "retry_after") > 60 { "hour" } else { "minute" };
        assert_eq!(answer["error"], format!("Rate limit exceeded: too many requests per {window}"));
        return Some(number(&answer, "retry_after"));
    }
    socket.next_json().await;
    None
}

#[tokio::test]
async fn sixty_requests_a_minute_over_all_sockets_of_a_user() {
    let server = Server::builder().without_env("WEBSOCKET_REQUESTS_PER_MINUTE").start().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let channel = alice.channel_with(&[&bob]).await;
    let other_channel = alice.channel_with(&[]).await;
    let mut first = alice.join(&channel).await;
    let mut second = alice.join(&other_channel).await;
    let mut witness = bob.join(&channel).await;
    first.expect("user_joined").await;
    for request in 0..60 {
        let socket = if request % 2 == 0 { &mut first } else { &mut second };
        assert_eq!(refused(socket, request).await, None, "request {request} is within the limit");
    }
    for socket in [&mut first, &mut second] {
        let retry_after = refused(socket, 60).await.expect("the 61st is refused, on every socket");
        assert!((1..=60).contains(&retry_after), "{retry_after}");
    }
    // Pings are free, typing has its own bucket, and other users are not affected.
    first.expect_nothing_before_pong().await;
    first.send_json(&json!({"type": "typing", "is_typing": true})).await;
    first.expect("typing").await;
    for _ in 0..30 {
        witness.expect("message").await;
    }
    witness.expect("typing").await;
    witness.say("not my limit").await;
    witness.expect_message("not my limit").await;
}

#[tokio::test]
async fn who_goes_on_after_ten_refusals_is_blocked() {
    let server = Server::builder().env("WEBSOCKET_REQUESTS_PER_MINUTE", 5).start().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let channel = alice.channel_with(&[&bob]).await;
    let mut socket = alice.join(&channel).await;
    let mut idle = alice.join(&channel).await;
    for request in 0..5 {
        assert_eq!(refused(&mut socket, request).await, None);
        idle.expect("message").await;
    }
    for request in 0..10 {
        assert!(refused(&mut socket, request).await.is_some(), "refusal {request} is only a refusal");
    }
    socket.say("and on").await;
    let end = socket.expect_end_within(Duration::from_secs(5)).await;
    let close = end.iter().find_map(|frame| match frame {
        crate::support::socket::Frame::Close(close) => close.clone(),
        _ => None,
    });
    assert_eq!(close.map(|(code, _)| code), Some(4429), "{end:?}");

    let mut raw = RawSocket::connect(server.authority()).await;
    let path = format!("/ws/channel/{channel}?token={}", alice.token);
    let answer = raw.handshake(server.authority(), &path, &[]).await;
    assert_eq!(answer.status, 429, "{answer:?}");
    crate::support::rest::assert_error(&answer.json(), "RATE_LIMIT_EXCEEDED");
    let seconds: u64 = answer.header("retry-after").parse().expect("Retry-After in seconds");
    assert!((14 * 60..=15 * 60).contains(&seconds), "the block lasts fifteen minutes: {seconds}");
    bob.join(&channel).await;
}

#[tokio::test]
async fn the_hour_has_a_limit_of_its_own() {
    let server = Server::builder().env("WEBSOCKET_REQUESTS_PER_HOUR", 4).start().await;
    let alice = server.user("alice").await;
    let channel = alice.channel_with(&[]).await;
    let mut socket = alice.join(&channel).await;
    for request in 0..4 {
        assert_eq!(refused(&mut socket, request).await, None);
    }
    let retry_after = refused(&mut socket, 4).await.expect("the fifth in the hour is refused");
    assert!(retry_after > 60, "the hour's limit takes longer than a minute to allow again: {retry_after}");
}

#[tokio::test]
async fn too_much_typing_is_dropped_silently() {
    let server = Server::builder().env("WEBSOCKET_EPHEMERAL_PER_SECOND", 5).start().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let channel = alice.channel_with(&[&bob]).await;
    let mut sender = alice.join(&channel).await;
    let mut receiver = bob.join(&channel).await;
    sender.expect("user_joined").await;
    const SENT: usize = 500;
    for number in 0..SENT {
        sender.send_json(&json!({"type": "typing", "is_typing": number % 2 == 0})).await;
    }
    sender.say("the end").await;
    let heard = receiver.read_until("message").await;
    assert!(heard.iter().rev().skip(1).all(|frame| frame["type"] == "typing"), "{heard:?}");
    assert!((2..SENT / 2).contains(&heard.len()), "some of it arrives, most of it does not: {}", heard.len());
    let own = sender.read_until("message").await;
    assert!(own.iter().rev().skip(1).all(|frame| frame["type"] == "typing"), "dropped silently: {own:?}");
}

#[tokio::test]
async fn text_is_counted_in_characters() {
    let server = Server::start().await;
    let alice = server.user("alice").await;
    let channel = alice.channel_with(&[]).await;
    let mut socket = alice.join(&channel).await;
    for content in ["x".repeat(10_000), "👋".repeat(10_000)] {
        socket.say(&content).await;
        socket.expect_message(&content).await;
    }
    for content in ["x".repeat(10_001), "é".repeat(10_001)] {
        socket.send_json(&json!({"type": "message", "content": content, "ref": 1})).await;
        assert_eq!(socket.expect_error("MESSAGE_TOO_LONG").await["ref"], 1);
    }
    socket.say("and on").await;
    assert_eq!(socket.expect_message("and on").await["seq"], 3);
}

/// A chat message whose JSON is exactly `bytes` long. Its text is short; the rest is an ignored field.
fn message_of(bytes: usize) -> String {
    let frame = |filler: &str| json!({"type": "message", "content": "hi", "filler": filler}).to_string();
    frame(&"x".repeat(bytes - frame("").len()))
}

#[tokio::test]
async fn the_longest_chat_text_can_be_sent_with_every_character_escaped() {
    let server = Server::start().await;
    let alice = server.user("alice").await;
    let channel = alice.channel_with(&[]).await;
    let mut socket = alice.join(&channel).await;
    let most = convene::limits::CHAT_CHARS_MAX;
    let message = |count: usize| format!(r#"{{"type":"message","content":"{}"}}"#, r"\ud83c\udf89".repeat(count));
    socket.send_text(&message(most)).await;
    socket.expect_message(&"🎉".repeat(most)).await;
    socket.send_text(&message(most + 1)).await;
    socket.expect_error("MESSAGE_TOO_LONG").await;
}

#[tokio::test]
async fn a_frame_over_64_kib_closes_with_1009() {
    const LIMIT: usize = 64 * 1024;
    let server = Server::start().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let channel = alice.channel_with(&[&bob]).await;
    let mut witness = bob.join(&channel).await;
    let mut socket = alice.join(&channel).await;
    witness.expect("user_joined").await;
    socket.send_text(&message_of(LIMIT)).await;
    socket.expect_message("hi").await;
    witness.expect_message("hi").await;
    socket.send_text(&message_of(LIMIT + 1)).await;
    socket.expect_close(1009).await;
    witness.expect("user_left").await;

    // Fragments count together, and the limit is detected before all bytes have arrived.
    let path = format!("/ws/channel/{channel}?token={}", alice.token);
    let mut raw = RawSocket::upgrade(server.authority(), &path).await;
    raw.next_json().await;
    let half = vec![b' '; LIMIT / 2 + 1];
    raw.send(&FrameOut::new(TEXT, &half).unfinished()).await;
    raw.send(&FrameOut::new(CONTINUATION, &half).unfinished()).await;
    raw.expect_close(1009).await;

    // A header that announces too much is refused without waiting for the payload.
    let mut raw = RawSocket::upgrade(server.authority(), &path).await;
    raw.next_json().await;
    let mut header = vec![0x81, 0xff];
    header.extend(u64::MAX.to_be_bytes());
    header[2] = 0x7f;
    raw.write(&header).await;
    raw.write(&[1, 2, 3, 4]).await;
    raw.expect_close(1009).await;
    witness.say("undisturbed").await;
    while witness.next_json().await["type"] != "message" {}
}

#[tokio::test]
async fn the_sixth_socket_of_a_user_replaces_the_oldest() {
    let server = Server::start().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let channel = alice.channel_with(&[&bob]).await;
    let other_channel = alice.channel_with(&[]).await;
    let mut oldest = alice.join(&other_channel).await;
    let mut second = alice.join(&channel).await;
    let mut others = Vec::new();
    for _ in 0..3 {
        others.push(alice.join(&channel).await);
    }
    oldest.expect_nothing_before_pong().await;
    let mut sixth = alice.join(&channel).await;
    oldest.expect_close(4409).await;
    second.expect_nothing_before_pong().await;
    sixth.expect_nothing_before_pong().await;
    bob.join(&channel).await;
}

#[tokio::test]
async fn the_server_can_be_full() {
    let server = Server::builder().env("WEBSOCKET_MAX_CONNECTIONS", 2).start().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let channel = alice.channel_with(&[&bob]).await;
    let (_first, second) = (alice.join(&channel).await, alice.join(&channel).await);
    let path = format!("/ws/channel/{channel}?token={}", bob.token);
    let mut raw = RawSocket::connect(server.authority()).await;
    let answer = raw.handshake(server.authority(), &path, &[]).await;
    assert_eq!(answer.status, 503, "{answer:?}");
    assert!(answer.json()["error"].is_string(), "{answer:?}");
    second.close().await;
    crate::support::eventually("a free place", crate::support::DEADLINE, || async {
        let mut raw = RawSocket::connect(server.authority()).await;
        (raw.handshake(server.authority(), &path, &[]).await.status == 101).then_some(())
    })
    .await;
}

async fn login_from(server: &Server, forwarded_for: Option<&str>) -> crate::support::rest::Answer {
    let mut request = reqwest::Client::new().post(server.url("/api/auth/login"));
    if let Some(address) = forwarded_for {
        request = request.header("X-Forwarded-For", address);
    }
    send(request, Some(json!({"username": "alice", "password": "wrong password"}))).await
}

fn assert_limited(answer: crate::support::rest::Answer) {
    let seconds: u64 = answer.header("Retry-After").parse().expect("Retry-After in seconds");
    let error = answer.expect_error(429, "RATE_LIMIT_EXCEEDED");
    assert_eq!(error["retry_after"], seconds, "{error}");
}

#[tokio::test]
async fn logins_are_limited_per_address() {
    let server = Server::builder().env("LOGIN_ATTEMPTS_PER_MINUTE", 3).start().await;
    for attempt in 0..3 {
        // The header is ignored, because anybody can set it.
        login_from(&server, Some(&format!("203.0.113.{attempt}"))).await.expect_error(401, "AUTHENTICATION_FAILED");
    }
    assert_limited(login_from(&server, None).await);
    assert_limited(login_from(&server, Some("203.0.113.99")).await);

    let proxied = Server::builder()
        .env("LOGIN_ATTEMPTS_PER_MINUTE", 1)
        .env("TRUSTED_PROXIES", "127.0.0.1,192.0.2.1")
        .start()
        .await;
    login_from(&proxied, Some("203.0.113.1")).await.expect_error(401, "AUTHENTICATION_FAILED");
    assert_limited(login_from(&proxied, Some("203.0.113.1")).await);
    login_from(&proxied, Some("203.0.113.2")).await.expect_error(401, "AUTHENTICATION_FAILED");
    // Entries that the client wrote itself are to the left of those that our proxies added.
    assert_limited(login_from(&proxied, Some("198.51.100.7, 203.0.113.2, 192.0.2.1")).await);
}

#[tokio::test]
async fn registrations_are_limited_per_address() {
    let server = Server::builder().env("REGISTRATIONS_PER_HOUR", 2).start().await;
    let register = |name: &str| {
        let url = server.url("/api/auth/register");
        let account: Value = json!({"username": name, "email": format!("{name}@example.org"), "password": PASSWORD});
        async move { post(&url, account).await }
    };
    register("alice").await.expect(201);
    register("bob").await.expect(201);
    assert_limited(register("carol").await);
    User::login(server.origin(), "alice").await;
}

#[tokio::test]
async fn a_flood_of_pings_costs_nothing() {
    let server = Server::builder().env("WEBSOCKET_REQUESTS_PER_MINUTE", 3).start().await;
    let alice = server.user("alice").await;
    let channel = alice.channel_with(&[]).await;
    let mut socket = alice.join(&channel).await;
    for _ in 0..100 {
        socket.send_frame(Message::Ping("p".into())).await;
        socket.expect_nothing_before_pong().await;
    }
    assert_eq!(refused(&mut socket, 1).await, None);
}
