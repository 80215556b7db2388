//! Calls between users (docs/nexus.md, "Calls").

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::raw::{FrameOut, RawSocket, TEXT};
use crate::support::shape::Kind::{Text, Time, Uuid};
use crate::support::shape::assert_shape;
use crate::support::{DEADLINE, Server, Socket, User, eventually, token};

const CALL: &str = "call_123";
const TIMED: Duration = Duration::from_secs(2);

async fn send(socket: &mut Socket, kind: &str, target: &User, extra: Value) {
    let mut message = json!({"event_type": kind, "target_user_id": target.id, "call_id": CALL});
    message.as_object_mut().expect("an object").extend(extra.as_object().expect("an object").clone());
    socket.send_json(&message).await;
}

async fn offer(socket: &mut Socket, target: &User) {
    send(socket, "call.offer", target, json!({"data": {"sdp": "offer"}, "ref": "offer"})).await;
}

async fn answer(socket: &mut Socket, target: &User) {
    send(socket, "call.answer", target, json!({"data": {"sdp": "answer"}, "ref": "answer"})).await;
}

async fn expect_ack(socket: &mut Socket, reference: &str) {
    assert_eq!(socket.expect("ack").await["ref"], reference);
}

/// The next frame is the end of the call with that user, for that reason.
async fn expect_end(socket: &mut Socket, with: &User, reason: &str) -> Value {
    let end = socket.expect("call.hangup").await;
    assert_eq!((&end["user_id"], &end["call_id"], &end["reason"]), (&json!(with.id), &json!(CALL), &json!(reason)));
    end
}

async fn expect_offer(socket: &mut Socket, from: &User) -> Value {
    let offer = socket.expect("call.offer").await;
    assert_eq!((&offer["user_id"], &offer["username"]), (&json!(from.id), &json!(from.username)), "{offer}");
    offer
}

/// Alice's socket calls Bob's, which rings.
async fn ringing(server: &Server) -> (User, Socket, User, Socket) {
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let (mut caller, mut callee) = (alice.nexus().await, bob.nexus().await);
    offer(&mut caller, &bob).await;
    expect_offer(&mut callee, &alice).await;
    expect_ack(&mut caller, "offer").await;
    (alice, caller, bob, callee)
}

/// Alice's socket and Bob's are in a call.
async fn connected(server: &Server) -> (User, Socket, User, Socket) {
    let (alice, mut caller, bob, mut callee) = ringing(server).await;
    answer(&mut callee, &alice).await;
    caller.expect("call.answer").await;
    expect_ack(&mut callee, "answer").await;
    (alice, caller, bob, callee)
}

#[tokio::test]
async fn the_first_answer_connects_the_call_and_the_other_sockets_stop_ringing() {
    let server = Server::start().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let (mut caller, mut bystander) = (alice.nexus().await, alice.nexus().await);
    let (mut phone, mut laptop) = (bob.nexus().await, bob.nexus().await);
    let mut workspace = bob.open("/api/v1/ws").await;
    send(&mut caller, "call.offer", &bob, json!({"data": {"sdp": "v=0\r\n", "type": "offer"}, "ref": 1})).await;
    send(&mut caller, "call.ice", &bob, json!({"data": {"candidate": "a"}})).await;
    for socket in [&mut phone, &mut laptop] {
        let offer = expect_offer(socket, &alice).await;
        assert_shape(&offer, &[("event_id", Uuid), ("timestamp", Time), ("call_id", Text)]);
        assert_eq!(offer["data"], json!({"sdp": "v=0\r\n", "type": "offer"}));
        assert_eq!(socket.expect("call.ice").await["data"], json!({"candidate": "a"}));
    }
    assert_eq!(caller.expect("ack").await["ref"], 1);
    // a candidate before the answer follows it
    send(&mut laptop, "call.ice", &alice, json!({"data": {"candidate": "b"}})).await;
    answer(&mut laptop, &alice).await;
    let seen = caller.expect("call.answer").await;
    assert_eq!(
        (&seen["user_id"], &seen["username"], &seen["data"]["sdp"]),
        (&json!(bob.id), &json!("bob"), &json!("answer"))
    );
    assert_eq!(caller.expect("call.ice").await["data"], json!({"candidate": "b"}));
    expect_ack(&mut laptop, "answer").await;
    expect_end(&mut phone, &alice, "answered_elsewhere").await;
    answer(&mut phone, &alice).await;
    assert_eq!(phone.expect_error("TARGET_UNAVAILABLE").await["ref"], "answer");
    send(&mut caller, "call.ice", &bob, json!({"data": {"candidate": "c"}})).await;
    assert_eq!(laptop.expect("call.ice").await["data"], json!({"candidate": "c"}));
    // both sides may change the session
    send(&mut laptop, "call.offer", &alice, json!({"data": {"sdp": "with video"}, "ref": "video"})).await;
    assert_eq!(expect_offer(&mut caller, &bob).await["data"]["sdp"], "with video");
    expect_ack(&mut laptop, "video").await;
    send(&mut caller, "call.answer", &bob, json!({"data": {"sdp": "fine"}})).await;
    assert_eq!(laptop.expect("call.answer").await["data"]["sdp"], "fine");
    send(&mut caller, "call.hangup", &bob, json!({"data": {"text": "bye"}, "ref": "end"})).await;
    expect_ack(&mut caller, "end").await;
    assert_eq!(expect_end(&mut laptop, &alice, "hangup").await["data"], json!({"text": "bye"}));
    send(&mut laptop, "call.hangup", &alice, json!({"ref": "late"})).await;
    expect_ack(&mut laptop, "late").await;
    for socket in [&mut caller, &mut bystander, &mut phone, &mut laptop, &mut workspace] {
        socket.expect_nothing_before_pong().await;
    }
}

#[tokio::test]
async fn a_hang_up_cancels_or_declines() {
    let server = Server::start().await;
    let (alice, mut caller, bob, mut phone) = ringing(&server).await;
    let mut laptop = bob.nexus().await;
    send(&mut caller, "call.hangup", &bob, json!({})).await;
    expect_end(&mut phone, &alice, "cancelled").await;
    offer(&mut caller, &bob).await;
    expect_offer(&mut phone, &alice).await;
    expect_offer(&mut laptop, &alice).await;
    expect_ack(&mut caller, "offer").await;
    send(&mut phone, "call.hangup", &alice, json!({"data": "not now"})).await;
    assert_eq!(expect_end(&mut caller, &bob, "declined").await["data"], "not now");
    expect_end(&mut laptop, &alice, "declined_elsewhere").await;
}

#[tokio::test]
async fn an_offer_that_nobody_can_take_is_refused() {
    let server = Server::start().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let mut caller = alice.nexus().await;
    let began = Instant::now();
    offer(&mut caller, &bob).await;
    assert_eq!(caller.expect_error("TARGET_UNAVAILABLE").await["ref"], "offer");
    assert!(began.elapsed() < TIMED, "at once on a single node");
    let mut workspace = bob.open("/api/v1/ws").await;
    offer(&mut caller, &bob).await;
    caller.expect_error("TARGET_UNAVAILABLE").await;
    workspace.expect_nothing_before_pong().await;
    let nobody = User::with_token(server.origin(), "nobody", "nobody", "");
    offer(&mut caller, &nobody).await;
    caller.expect_error("USER_NOT_FOUND").await;
    offer(&mut caller, &alice).await;
    caller.expect_error("INVALID_MESSAGE").await;
    let carol = server.user("carol").await;
    for kind in ["call.answer", "call.ice", "call.hangup"] {
        send(&mut caller, kind, &carol, json!({"data": 1})).await;
        caller.expect_error("TARGET_UNAVAILABLE").await;
    }
}

#[tokio::test]
async fn a_user_in_a_call_is_busy() {
    let server = Server::start().await;
    let (alice, mut caller, _, mut callee) = connected(&server).await;
    let mut third = server.user("carol").await.nexus().await;
    let other = json!({"event_type": "call.offer", "target_user_id": alice.id, "call_id": "other", "data": 1});
    third.send_json(&other).await;
    let end = third.expect("call.hangup").await;
    assert_eq!((&end["call_id"], &end["reason"], &end["user_id"]), (&json!("other"), &json!("busy"), &json!(alice.id)));
    // with the same id it is a conference
    offer(&mut third, &alice).await;
    caller.expect("call.offer").await;
    expect_ack(&mut third, "offer").await;
    callee.expect_nothing_before_pong().await;
}

#[tokio::test]
async fn a_call_that_nobody_answers_ends_on_both_sides() {
    let server = Server::builder().env("CALL_RING_SECONDS", 1).start().await;
    let (alice, mut caller, bob, mut callee) = ringing(&server).await;
    expect_end(&mut caller, &bob, "timeout").await;
    expect_end(&mut callee, &alice, "timeout").await;
}

#[tokio::test]
async fn a_call_ends_with_the_socket_that_began_or_answered_it() {
    let server = Server::start().await;
    let (alice, caller, bob, mut callee) = connected(&server).await;
    let mut other = alice.nexus().await;
    drop(caller);
    expect_end(&mut callee, &alice, "disconnected").await;
    offer(&mut other, &bob).await;
    expect_offer(&mut callee, &alice).await;
    expect_ack(&mut other, "offer").await;
    callee.close().await;
    expect_end(&mut other, &bob, "disconnected").await;
    let mut callee = bob.nexus().await;
    offer(&mut other, &bob).await;
    expect_offer(&mut callee, &alice).await;
    other.close().await;
    expect_end(&mut callee, &alice, "disconnected").await;
}

/// Whichever offer arrives first, the user whose id sorts first is the caller.
#[tokio::test]
async fn of_two_calls_that_cross_one_takes_precedence() {
    let server = Server::start().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    assert!(alice.id < bob.id, "ids sort by the time of registration");
    let (mut first, mut second) = (alice.nexus().await, bob.nexus().await);
    let to = |user: &User, id| json!({"event_type": "call.offer", "target_user_id": user.id, "call_id": id, "data": 1, "ref": id});
    for round in 0..20 {
        let (from_alice, from_bob) = (to(&bob, "a"), to(&alice, "b"));
        tokio::join!(first.send_json(&from_alice), second.send_json(&from_bob));
        let seen = first.next_json().await;
        match seen["event_type"].as_str() {
            // Bob rings. If his offer was sent by then it was ended, otherwise it is refused
            Some("ack") => {
                let (mut rings, mut answered) = (false, false);
                while !(rings && answered) {
                    let seen = second.next_json().await;
                    rings |= seen["event_type"] == "call.offer" && seen["call_id"] == "a";
                    answered |= seen["ref"] == "b";
                }
            }
            // Bob's offer came before Alice had called, whose own offer is refused
            Some("call.offer") => {
                assert_eq!(seen["call_id"], "b", "round {round}");
                first.expect_error("CONFLICT").await;
                assert_eq!(second.expect("ack").await["ref"], "b");
            }
            _ => panic!("round {round}: {seen}"),
        }
        let hang_up = |user: &User, id| json!({"event_type": "call.hangup", "target_user_id": user.id, "call_id": id, "ref": "end"});
        first.send_json(&hang_up(&bob, "a")).await;
        first.send_json(&hang_up(&bob, "b")).await;
        read_until_quiet(&mut first, 2).await;
        second.send_json(&hang_up(&alice, "a")).await;
        second.send_json(&hang_up(&alice, "b")).await;
        read_until_quiet(&mut second, 2).await;
    }
}

/// Reads until that many requests with the reference `end` were answered.
async fn read_until_quiet(socket: &mut Socket, mut answers: usize) {
    while answers > 0 {
        if socket.next_json().await["ref"] == "end" {
            answers -= 1;
        }
    }
    socket.send_json(&json!({"event_type": "ping", "ref": "quiet"})).await;
    socket.read_until("pong").await;
}

#[tokio::test]
async fn a_confined_token_neither_calls_nor_is_called() {
    let server = Server::start().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let confined = |user: &User| {
        let (now, rooms) = (token::now(), ["lobby"]);
        let claims = json!({"sub": user.id, "username": user.username, "rooms": rooms, "iat": now, "exp": now + 3600});
        token::sign(&claims, token::SECRET)
    };
    let guest = User::with_token(server.origin(), &bob.id, "bob", &confined(&bob));
    let (mut caller, mut callee) = (alice.nexus().await, guest.nexus().await);
    offer(&mut callee, &alice).await;
    callee.expect_error("PERMISSION_DENIED").await;
    offer(&mut caller, &bob).await;
    caller.expect_error("TARGET_UNAVAILABLE").await;
    callee.expect_nothing_before_pong().await;
    // a fresh token that is confined ends the calls of the socket
    let mut free = bob.nexus().await;
    offer(&mut caller, &bob).await;
    expect_offer(&mut free, &alice).await;
    expect_ack(&mut caller, "offer").await;
    answer(&mut free, &alice).await;
    caller.expect("call.answer").await;
    expect_ack(&mut free, "answer").await;
    free.send_json(&json!({"event_type": "auth.refresh", "token": confined(&bob), "ref": "r"})).await;
    expect_end(&mut caller, &bob, "disconnected").await;
    expect_ack(&mut free, "r").await;
    expect_end(&mut free, &alice, "disconnected").await;
}

/// The sockets of a blocked user are closed, so that no call reaches the user.
#[tokio::test]
async fn a_blocked_user_is_unavailable() {
    let server = Server::builder().env("WEBSOCKET_REQUESTS_PER_MINUTE", 5).start().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let mut caller = alice.nexus().await;
    let mut callee = bob.nexus().await;
    for _ in 0..20 {
        callee.send_json(&json!({"event_type": "room.join"})).await;
    }
    let frames = callee.expect_end_within(Duration::from_secs(10)).await;
    assert!(frames.iter().any(|frame| frame.is_close(4429)), "{frames:?}");
    offer(&mut caller, &bob).await;
    caller.expect_error("TARGET_UNAVAILABLE").await;
}

#[tokio::test]
async fn nothing_of_a_call_is_stored_or_logged() {
    const MARK: &str = "fingerprint 4B:FF:20:6E";
    let server = Server::builder().env("RUST_LOG", "debug").start().await;
    let (alice, mut caller, bob, mut callee) = connected(&server).await;
    for kind in ["call.offer", "call.ice", "call.hangup"] {
        send(&mut caller, kind, &bob, json!({"data": {"sdp": MARK}})).await;
        callee.expect(kind).await;
    }
    // nobody receives it
    send(&mut caller, "call.answer", &bob, json!({"data": {"sdp": MARK}})).await;
    caller.expect_error("TARGET_UNAVAILABLE").await;
    // something that is stored follows
    super::say(&mut caller, "conv", "stored").await;
    let _ = alice;
    let files = || std::fs::read_dir(server.data_folder()).expect("a folder").map(|file| file.expect("a file").path());
    let contains = |text: &str| {
        let mut bytes = files().filter(|path| path.is_file()).map(|path| std::fs::read(path).expect("a readable file"));
        bytes.any(|bytes| bytes.windows(text.len()).any(|window| window == text.as_bytes()))
    };
    eventually("the message in the database", DEADLINE, || async { contains("stored").then_some(()) }).await;
    assert!(!contains(MARK) && !server.log().contains(MARK));
}

/// Anybody may call a user, so that a flood of candidates must not cost a slow reader the socket.
#[tokio::test]
async fn a_slow_reader_loses_candidates_and_keeps_its_socket() {
    let server = Server::start().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let mut slow = RawSocket::with_receive_buffer(server.authority(), 4096).await;
    let path = format!("/ws?token={}", bob.token);
    assert_eq!(slow.handshake(server.authority(), &path, &[]).await.status, 101);
    assert_eq!(slow.next_json().await["event_type"], "system.message");
    let mut caller = alice.nexus().await;
    offer(&mut caller, &bob).await;
    expect_ack(&mut caller, "offer").await;
    let candidate = json!({"data": "x".repeat(60_000)});
    for _ in 0..400 {
        send(&mut caller, "call.ice", &bob, candidate.clone()).await;
    }
    send(&mut caller, "call.hangup", &bob, json!({"ref": "end"})).await;
    expect_ack(&mut caller, "end").await;
    let mut candidates = 0;
    loop {
        let frame = slow.next_json().await;
        match frame["event_type"].as_str() {
            Some("call.ice") => candidates += 1,
            Some("call.hangup") => break,
            _ => {}
        }
    }
    assert!((1..400).contains(&candidates), "{candidates}");
    slow.send(&FrameOut::new(TEXT, r#"{"event_type":"ping"}"#)).await;
    while slow.next_json().await["event_type"] != "pong" {}
}
