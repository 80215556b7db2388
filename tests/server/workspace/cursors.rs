//! Cursors: sent to the others, the latest position of each, at most one frame per period.

use std::{collections::HashMap, time::Instant};

use serde_json::{Value, json};

use super::{join, joined, open, server};
use crate::support::raw::{FrameOut, RawSocket, TEXT};
use crate::support::{Socket, User, token};

fn cursor_at(x: i64) -> Value {
    json!({"type": "cursor_move", "room": "board", "x": x, "y": 300, "cell": "B2"})
}

#[tokio::test]
async fn a_cursor_is_told_to_the_others_and_kept_for_newcomers() {
    let server = server().await;
    let (alice, bob, carol) = (server.user("alice").await, server.user("bob").await, server.user("carol").await);
    let mut mover = joined(&alice, "board").await;
    let mut watcher = joined(&bob, "board").await;
    mover.expect("room_state").await;
    mover.send_json(&cursor_at(150)).await;
    let moved = watcher.expect("cursor_moved").await;
    assert_eq!((&moved["user_id"], &moved["username"]), (&json!(alice.id), &json!("alice")));
    assert_eq!(moved["cursor"], json!({"x": 150, "y": 300, "cell": "B2"}));
    assert!(moved.get("cursors").is_none(), "a single moving user has no list: {moved}");
    mover.expect_nothing_before_pong().await;

    let mut newcomer = open(&carol).await;
    let state = join(&mut newcomer, "board").await;
    let of_alice = state["users"].as_array().unwrap().iter().find(|user| user["user_id"] == alice.id.as_str()).unwrap();
    assert_eq!(of_alice["cursor"], json!({"x": 150, "y": 300, "cell": "B2"}));
    let of_bob = state["users"].as_array().unwrap().iter().find(|user| user["user_id"] == bob.id.as_str()).unwrap();
    assert_eq!(of_bob["cursor"], Value::Null);
}

/// The positions that an observer has received, by the top-level fields and by the lists.
#[derive(Default)]
struct Seen {
    by_first: HashMap<String, Value>,
    by_list: HashMap<String, Value>,
    frames: usize,
}

impl Seen {
    /// Reads until the top-level fields have named everybody else at the newest position.
    async fn read(socket: &mut Socket, own: &str, others: usize, newest: i64) -> Seen {
        let mut seen = Seen::default();
        while seen.by_first.values().filter(|x| **x == newest).count() < others {
            let frame = socket.next_json().await;
            if frame["type"] != "cursor_moved" {
                continue;
            }
            seen.frames += 1;
            assert_ne!(frame["user_id"], own, "the top-level fields never show the receiver's own cursor");
            let first = std::iter::once(&frame);
            for (at, pointed) in first.chain(frame["cursors"].as_array().into_iter().flatten()).enumerate() {
                let (id, x) = (pointed["user_id"].as_str().expect("an id").to_owned(), pointed["cursor"]["x"].clone());
                if at == 0 {
                    seen.by_first.insert(id.clone(), x.clone());
                }
                seen.by_list.insert(id, x);
            }
        }
        seen
    }
}

#[tokio::test]
async fn a_crowd_that_moves_is_told_in_few_frames_and_ends_at_the_newest_places() {
    const PEOPLE: usize = 12;
    const MOVES: i64 = 60;
    let server = server().await;
    let mut sockets = Vec::new();
    for person in 0..PEOPLE {
        let (id, name) = (format!("person-{person}"), format!("person{person}"));
        let user = User::with_token(server.origin(), &id, &name, &token::for_user(&id, &name, 600));
        sockets.push((joined(&user, "board").await, user.id));
    }
    let begun = Instant::now();
    for x in 0..MOVES {
        for (socket, _) in &mut sockets {
            socket.send_json(&cursor_at(x)).await;
        }
    }
    let reading = sockets.iter_mut().map(|(socket, own)| Seen::read(socket, own, PEOPLE - 1, MOVES - 1));
    let all = futures_util::future::join_all(reading).await;
    let periods = begun.elapsed().as_millis() as usize / 33 + 2;
    for ((_, own), mut seen) in sockets.iter().zip(all) {
        assert!(seen.frames <= periods, "{} frames in {periods} periods", seen.frames);
        seen.by_list.remove(own);
        assert_eq!(seen.by_first, seen.by_list, "clients that read lists converge on the same positions");
    }
}

#[tokio::test]
async fn a_cursor_goes_with_its_user() {
    let server = server().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let mut mover = joined(&alice, "board").await;
    let mut watcher = joined(&bob, "board").await;
    mover.send_json(&cursor_at(1)).await;
    watcher.expect("cursor_moved").await;
    mover.close().await;
    watcher.expect("room_state").await;
    joined(&alice, "board").await;
    let state = watcher.expect("room_state").await;
    let of_alice = state["users"].as_array().unwrap().iter().find(|user| user["user_id"] == alice.id.as_str()).unwrap();
    assert_eq!(of_alice["cursor"], Value::Null, "a new stay begins without a cursor");
}

/// The state of a large room exceeds a socket's send buffer, and a moving cursor is sent along with it.
#[tokio::test]
async fn a_crowd_is_counted_to_the_last_while_a_cursor_moves() {
    const PEOPLE: usize = 400;
    let server = server().await;
    let alice = server.user("alice").await;
    let mut first = joined(&alice, "board").await;
    let person = |person: usize| {
        let (id, name) = (format!("person-{person}"), format!("person{person}"));
        User::with_token(server.origin(), &id, &name, &token::for_user(&id, &name, 600))
    };
    let mut mover = joined(&person(1), "board").await;
    let (crowded, mut told) = tokio::sync::oneshot::channel();
    let crowd = async {
        let mut reading = tokio::task::JoinSet::new();
        for at in 2..PEOPLE {
            let path = format!("/api/v1/ws?token={}", person(at).token);
            let mut member = RawSocket::upgrade(server.authority(), &path).await;
            let join = json!({"type": "join_room", "room_id": "board"}).to_string();
            member.send(&FrameOut::new(TEXT, join.as_bytes())).await;
            reading.spawn(async move { tokio::io::copy(&mut member.stream, &mut tokio::io::sink()).await });
        }
        crowded.send(()).expect("the mover waits for it");
        reading
    };
    let moving = async {
        for x in 0.. {
            mover.send_json(&cursor_at(x)).await;
            while mover.next_within(std::time::Duration::from_millis(5)).await.is_some() {}
            if told.try_recv().is_ok() {
                break;
            }
        }
    };
    let counting = async {
        let counted = async { while first.next_json().await["total_users"] != PEOPLE {} };
        tokio::time::timeout(crate::support::DEADLINE * 6, counted).await.expect("everybody is counted in the end");
    };
    let (_reading, (), ()) = tokio::join!(crowd, moving, counting);
}
