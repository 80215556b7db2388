//! Calls between users on two nodes (docs/nexus.md, "Calls").

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::setting::Setting;
use crate::support::proxy::Line;
use crate::support::socket::Frame;
use crate::support::{Cluster, Socket, User, token};

const CALL: &str = "call_123";
const ROUNDS: usize = 12;
/// The documented time within which a call ends whose other side has disappeared.
const GONE_WITHIN: Duration = Duration::from_secs(10);

async fn send(socket: &mut Socket, kind: &str, target: &User) {
    let message =
        json!({"event_type": kind, "target_user_id": target.id, "call_id": CALL, "data": {"sdp": kind}, "ref": kind});
    socket.send_json(&message).await;
}

async fn expect_ack(socket: &mut Socket, kind: &str) {
    assert_eq!(socket.expect("ack").await["ref"], kind);
}

async fn expect_end(socket: &mut Socket, with: &User, reason: &str) {
    let end = socket.expect("call.hangup").await;
    assert_eq!((&end["user_id"], &end["reason"]), (&json!(with.id), &json!(reason)), "{end}");
}

/// The end of the call must come within that time. Answers its reason.
async fn end_within(socket: &mut Socket, with: &User, time: Duration) -> Value {
    let began = Instant::now();
    loop {
        match socket.next_within(time.saturating_sub(began.elapsed())).await {
            Some(Frame::Json(frame)) if frame["event_type"] == "call.hangup" => {
                assert_eq!(frame["user_id"], json!(with.id), "{frame}");
                return frame["reason"].clone();
            }
            Some(Frame::Json(_)) => {}
            other => panic!("expected the end of the call within {time:?}, got {other:?}"),
        }
    }
}

/// Reads until the requests with these references were all answered. Answers the frames.
async fn read_all(socket: &mut Socket, mut references: Vec<&str>) -> Vec<Value> {
    let mut frames = Vec::new();
    while !references.is_empty() {
        let frame = socket.next_json().await;
        references.retain(|reference| frame["ref"] != *reference);
        frames.push(frame);
    }
    frames
}

/// The next frame that is not about who is online, which depends on time.
async fn next_of_call(socket: &mut Socket) -> Value {
    loop {
        let frame = socket.next_json().await;
        if !frame["event_type"].as_str().is_some_and(|kind| kind.starts_with("presence.")) {
            return frame;
        }
    }
}

fn count(frames: &[Value], kind: &str) -> usize {
    frames.iter().filter(|frame| frame["event_type"] == kind).count()
}

/// Alice's socket on the first node calls Bob's on the second, which rings.
async fn ringing(setting: &Setting) -> (Socket, Socket) {
    let (mut caller, mut callee) = (setting.alice.nexus().await, setting.bob.nexus().await);
    ring(setting, &mut caller, &mut callee).await;
    (caller, callee)
}

async fn ring(setting: &Setting, caller: &mut Socket, callee: &mut Socket) {
    send(caller, "call.offer", &setting.bob).await;
    assert_eq!(callee.expect("call.offer").await["user_id"], json!(setting.alice.id));
    expect_ack(caller, "call.offer").await;
}

async fn connected(setting: &Setting) -> (Socket, Socket) {
    let (mut caller, mut callee) = ringing(setting).await;
    send(&mut callee, "call.answer", &setting.alice).await;
    caller.expect("call.answer").await;
    expect_ack(&mut callee, "call.answer").await;
    (caller, callee)
}

#[tokio::test]
async fn a_call_rings_on_both_nodes_and_connects_the_socket_that_answers() {
    let setting = Setting::new().await;
    let (alice, bob) = (&setting.alice, &setting.bob);
    let (mut caller, mut bystander) = (alice.nexus().await, setting.cluster.at(1, alice).nexus().await);
    let (mut near, mut far) = (setting.cluster.at(0, bob).nexus().await, bob.nexus().await);
    // at once: a socket on another node that the network does not know yet receives the offer again
    send(&mut caller, "call.offer", bob).await;
    send(&mut caller, "call.ice", bob).await;
    let frames = read_all(&mut caller, vec!["call.offer", "call.ice"]).await;
    assert_eq!(count(&frames, "ack"), 2, "{frames:?}");
    far.expect("call.offer").await;
    send(&mut far, "call.answer", alice).await;
    caller.expect("call.answer").await;
    assert_eq!(far.read_until("ack").await.pop().unwrap()["ref"], "call.answer");
    let seen = near.read_until("call.hangup").await;
    assert_eq!(seen.last().unwrap()["reason"], "answered_elsewhere");
    send(&mut caller, "call.ice", bob).await;
    far.expect("call.ice").await;
    expect_ack(&mut caller, "call.ice").await;
    send(&mut far, "call.offer", alice).await;
    assert_eq!(caller.expect("call.offer").await["user_id"], json!(bob.id));
    expect_ack(&mut far, "call.offer").await;
    send(&mut far, "call.hangup", alice).await;
    expect_end(&mut caller, bob, "hangup").await;
    expect_ack(&mut far, "call.hangup").await;
    for socket in [&mut caller, &mut bystander, &mut near, &mut far] {
        socket.expect_nothing_before_pong().await;
    }
}

#[tokio::test]
async fn of_two_answers_at_once_one_wins() {
    let setting = Setting::new().await;
    let (alice, bob) = (&setting.alice, &setting.bob);
    let mut caller = alice.nexus().await;
    let (mut near, mut far) = (setting.cluster.at(0, bob).nexus().await, bob.nexus().await);
    ring(&setting, &mut caller, &mut far).await;
    near.expect("call.offer").await;
    for round in 0..ROUNDS {
        tokio::join!(send(&mut near, "call.answer", alice), send(&mut far, "call.answer", alice));
        let (of_near, of_far) =
            tokio::join!(read_all(&mut near, vec!["call.answer"]), read_all(&mut far, vec!["call.answer"]));
        let (winner, loser, wins) =
            if count(&of_near, "ack") == 1 { (&mut near, &mut far, &of_far) } else { (&mut far, &mut near, &of_near) };
        // The later answer may have been sent after its socket was told that the call is answered.
        let code = &wins.last().unwrap()["code"];
        if count(wins, "call.hangup") == 0 {
            assert_eq!(code, "CONFLICT", "round {round}: {of_near:?} {of_far:?}");
            expect_end(loser, alice, "answered_elsewhere").await;
        } else {
            assert_eq!(code, "TARGET_UNAVAILABLE", "round {round}: {of_near:?} {of_far:?}");
            let was_told = wins.iter().any(|frame| frame["reason"] == "answered_elsewhere");
            assert!(was_told, "round {round}: {of_near:?} {of_far:?}");
        }
        caller.expect("call.answer").await;
        send(winner, "call.hangup", alice).await;
        expect_ack(winner, "call.hangup").await;
        expect_end(&mut caller, bob, "hangup").await;
        send(&mut caller, "call.offer", bob).await;
        expect_ack(&mut caller, "call.offer").await;
        near.expect("call.offer").await;
        far.expect("call.offer").await;
    }
}

#[tokio::test]
async fn of_two_calls_that_cross_one_takes_precedence() {
    let setting = Setting::new().await;
    let (alice, bob) = (&setting.alice, &setting.bob);
    assert!(alice.id < bob.id, "ids sort by the time of registration");
    // both nodes know the sockets
    let (mut first, mut second) = connected(&setting).await;
    send(&mut first, "call.hangup", bob).await;
    expect_ack(&mut first, "call.hangup").await;
    expect_end(&mut second, alice, "hangup").await;
    let mut crossed = 0;
    for round in 0..ROUNDS {
        tokio::join!(send(&mut first, "call.offer", bob), send(&mut second, "call.offer", alice));
        let seen = next_of_call(&mut first).await;
        match seen["event_type"].as_str() {
            Some("ack") => {
                // Bob's own call was ended or refused, and Alice's rings
                let mut frames = read_all(&mut second, vec!["call.offer"]).await;
                if count(&frames, "call.offer") == 0 {
                    frames.extend(second.read_until("call.offer").await);
                }
                crossed += usize::from(frames.iter().any(|frame| frame["reason"] == "crossed"));
                send(&mut second, "call.answer", alice).await;
                first.expect("call.answer").await;
                expect_ack(&mut second, "call.answer").await;
            }
            Some("call.offer") => {
                // Bob's offer came before Alice had called, whose own is refused
                first.expect_error("CONFLICT").await;
                expect_ack(&mut second, "call.offer").await;
                send(&mut first, "call.answer", bob).await;
                second.expect("call.answer").await;
                expect_ack(&mut first, "call.answer").await;
            }
            _ => panic!("round {round}: {seen}"),
        }
        send(&mut first, "call.hangup", bob).await;
        expect_ack(&mut first, "call.hangup").await;
        expect_end(&mut second, alice, "hangup").await;
    }
    assert!(crossed > 0, "no round had two calls that cross");
}

#[tokio::test]
async fn a_hang_up_that_crosses_an_answer_leaves_no_call() {
    let setting = Setting::new().await;
    let (alice, bob) = (&setting.alice, &setting.bob);
    let (mut caller, mut callee) = ringing(&setting).await;
    for _ in 0..ROUNDS {
        tokio::join!(send(&mut caller, "call.hangup", bob), send(&mut callee, "call.answer", alice));
        // the answer came first, or it found no call any more
        let frames = read_all(&mut caller, vec!["call.hangup"]).await;
        let was_answered = count(&frames, "call.answer") == 1;
        let mut frames = read_all(&mut callee, vec!["call.answer"]).await;
        if count(&frames, "call.hangup") == 0 {
            frames.extend(callee.read_until("call.hangup").await);
        }
        let reason = if was_answered { "hangup" } else { "cancelled" };
        assert!(frames.iter().any(|frame| frame["reason"] == reason), "{frames:?}");
        // neither side is busy, and the same id can be used again
        ring(&setting, &mut caller, &mut callee).await;
    }
}

#[tokio::test]
async fn calls_end_when_a_node_is_killed() {
    let mut setting = Setting::new().await;
    let (mut caller, callee) = connected(&setting).await;
    setting.cluster.server_mut(1).kill();
    assert_eq!(end_within(&mut caller, &setting.bob, GONE_WITHIN).await, "disconnected");
    drop(callee);
    setting.cluster.server_mut(1).restart().await;
    setting.cluster.all_ready().await;
    let mut callee = setting.bob.nexus().await;
    ring(&setting, &mut caller, &mut callee).await;
    // the caller's node: what rings must not ring on
    setting.cluster.server_mut(0).kill();
    assert_eq!(end_within(&mut callee, &setting.alice, GONE_WITHIN).await, "disconnected");
}

/// The call goes on while the nodes do not hear each other; the end that was lost is learned afterwards.
#[tokio::test]
async fn a_lost_hang_up_is_learned_when_the_nodes_hear_each_other_again() {
    let setting = Setting::new().await;
    let (mut caller, mut callee) = connected(&setting).await;
    setting.cluster.nodes[0].redis.set(Line::Deaf);
    send(&mut callee, "call.hangup", &setting.alice).await;
    expect_ack(&mut callee, "call.hangup").await;
    caller.expect_nothing_before_pong().await;
    setting.cluster.nodes[0].redis.set(Line::Open);
    assert_eq!(end_within(&mut caller, &setting.bob, Duration::from_secs(20)).await, "hangup");
}

#[tokio::test]
async fn offers_that_nobody_can_take_are_refused() {
    let setting = Setting::new().await;
    let (alice, bob) = (&setting.alice, &setting.bob);
    let mut caller = alice.nexus().await;
    let mut own = setting.cluster.at(1, alice).nexus().await;
    send(&mut caller, "call.offer", alice).await;
    caller.expect_error("INVALID_MESSAGE").await;
    own.expect_nothing_before_pong().await;
    let nobody = User::with_token(setting.cluster.server(0).origin(), "nobody", "nobody", "");
    send(&mut caller, "call.offer", &nobody).await;
    caller.expect_error("USER_NOT_FOUND").await;
    // a confined token on the other node
    let claims =
        json!({"sub": bob.id, "username": "bob", "rooms": ["lobby"], "iat": token::now(), "exp": token::now() + 60});
    let guest = token::sign(&claims, token::SECRET);
    let guest = User::with_token(setting.cluster.server(1).origin(), &bob.id, "bob", &guest);
    let mut confined = guest.nexus().await;
    send(&mut caller, "call.offer", bob).await;
    assert_eq!(caller.expect_error("TARGET_UNAVAILABLE").await["ref"], "call.offer");
    send(&mut confined, "call.offer", alice).await;
    confined.expect_error("PERMISSION_DENIED").await;
    for socket in [&mut caller, &mut own, &mut confined] {
        socket.expect_nothing_before_pong().await;
    }
}

#[tokio::test]
async fn a_user_in_a_call_on_another_node_is_busy_and_ringing_ends_on_both_nodes() {
    let setting = Setting::of(Cluster::builder().env("CALL_RING_SECONDS", 2).start(2).await).await;
    let (mut caller, mut callee) = connected(&setting).await;
    let carol = setting.cluster.server(0).user("carol").await;
    let mut third = carol.nexus().await;
    let offer = json!({"event_type": "call.offer", "target_user_id": setting.bob.id, "call_id": "other", "data": 1});
    third.send_json(&offer).await;
    expect_end(&mut third, &setting.bob, "busy").await;
    send(&mut callee, "call.hangup", &setting.alice).await;
    expect_end(&mut caller, &setting.bob, "hangup").await;
    expect_ack(&mut callee, "call.hangup").await;
    ring(&setting, &mut caller, &mut callee).await;
    expect_end(&mut caller, &setting.bob, "timeout").await;
    expect_end(&mut callee, &setting.alice, "timeout").await;
}
