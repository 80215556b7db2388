//! State that belongs to a socket ends with it, even if other sockets of its user stay open.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::json;

use super::{join, joined, open, server};
use crate::support::tus::{TUS, Uploader, id_of};
use crate::support::{DEADLINE, Server};

#[tokio::test]
async fn typing_ends_with_its_socket_though_another_stays() {
    let server = server().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let mut reader = joined(&alice, "room").await;
    let _first = joined(&bob, "room").await;
    reader.expect("room_state").await;
    for way in ["leaves", "breaks off"] {
        let mut second = joined(&bob, "room").await;
        second.send_json(&json!({"type": "typing_start", "cell_id": "B2", "room": "room"})).await;
        reader.expect("user_typing_start").await;
        match way {
            "leaves" => second.send_json(&json!({"type": "leave_room", "room_id": "room"})).await,
            _ => drop(second),
        }
        let stopped = reader.expect("user_typing_stop").await;
        assert_eq!((&stopped["user_id"], &stopped["cell_id"]), (&json!(bob.id), &json!("B2")), "{way}");
    }
    reader.expect_nothing_before_pong().await;
}

#[tokio::test]
async fn typing_in_a_channel_ends_with_its_socket_too() {
    let server = Server::start().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let channel = alice.channel_with(&[&bob]).await;
    let mut reader = alice.join(&channel).await;
    let mut first = bob.join(&channel).await;
    reader.expect("user_joined").await;
    let mut second = bob.join(&channel).await;
    second.send_json(&json!({"type": "typing", "is_typing": true})).await;
    for socket in [&mut reader, &mut first] {
        assert_eq!(socket.expect("typing").await["is_typing"], true);
    }
    second.close().await;
    for socket in [&mut reader, &mut first] {
        let stopped = socket.expect("typing").await;
        assert_eq!((&stopped["user_id"], &stopped["is_typing"]), (&json!(bob.id), &json!(false)));
    }
}

#[tokio::test]
async fn an_announced_upload_ends_with_its_socket() {
    let server = server().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let mut member = joined(&bob, "room").await;
    for others in [0, 1] {
        let mut uploader = open(&alice).await;
        let mut other = if others == 1 { Some(open(&alice).await) } else { None };
        if let Some(other) = &mut other {
            // the server sends nothing on its own, so only an answer shows that the socket is registered
            other.expect_nothing_before_pong().await;
        }
        join(&mut uploader, "room").await;
        if others == 0 {
            member.expect("room_state").await;
        }
        for (file, uploaded) in [("whole", 10), ("half", 5)] {
            let start = json!({"type": "file_upload_start", "file_id": file, "filename": "f", "file_size": 10});
            uploader.send_json(&start).await;
            let progress = json!({
                "type": "file_upload_progress", "file_id": file, "bytes_uploaded": uploaded, "total_bytes": 10,
            });
            uploader.send_json(&progress).await;
            for socket in [Some(&mut member), other.as_mut()].into_iter().flatten() {
                socket.expect("file_upload_start").await;
                socket.expect("file_upload_progress").await;
            }
        }
        drop(uploader);
        for socket in [Some(&mut member), other.as_mut()].into_iter().flatten() {
            let cancelled = socket.expect("file_upload_cancelled").await;
            assert_eq!((&cancelled["file_id"], &cancelled["reason"]), (&json!("half"), &json!("disconnected")));
        }
    }
    member.expect_nothing_before_pong().await;
}

#[tokio::test]
async fn typing_that_is_not_repeated_stops_after_ten_seconds() {
    let server = server().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let mut reader = joined(&alice, "room").await;
    let mut typist = joined(&bob, "room").await;
    reader.expect("room_state").await;
    let typing_in = |cell: &str| json!({"type": "typing_start", "cell_id": cell, "room": "room"});
    let began = Instant::now();
    typist.send_json(&typing_in("B2")).await;
    assert_eq!(reader.expect("user_typing_start").await["cell_id"], "B2");
    // Repeated typing continues.
    let mut again = tokio::time::interval(Duration::from_secs(1));
    loop {
        again.tick().await;
        typist.send_json(&typing_in("C3")).await;
        let frame = reader.next_json().await;
        if frame["type"] == "user_typing_stop" {
            assert_eq!((&frame["user_id"], &frame["cell_id"]), (&json!(bob.id), &json!("B2")));
            break;
        }
        assert_eq!((&frame["type"], &frame["cell_id"]), (&json!("user_typing_start"), &json!("C3")), "{frame}");
        assert!(began.elapsed() < 2 * DEADLINE, "typing in B2 never stopped");
    }
    let after = began.elapsed();
    assert!(after > Duration::from_millis(9_900), "it stopped after {after:?}");
}

#[tokio::test]
async fn an_upload_over_tus_that_is_deleted_is_reported() {
    let server = server().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let mut member = joined(&bob, "room").await;
    let mut own = joined(&alice, "room").await;
    member.expect("room_state").await;
    let uploader = Uploader { server: &server, user: &alice };
    let location = uploader.create(10, "f.txt").await;
    let whole = uploader.upload("whole.txt", b"whole").await;
    for location in [&whole, &location] {
        assert_eq!(uploader.send(Method::DELETE, location, &[TUS], b"").await.status, 204);
    }
    for socket in [&mut member, &mut own] {
        let frames = socket.read_until("file_upload_cancelled").await;
        let cancelled = frames.last().expect("it was read until then");
        // Not the completed one.
        assert_eq!((&cancelled["file_id"], &cancelled["reason"]), (&json!(id_of(&location)), &json!("deleted")));
    }
}
