//! Status and typing.

use serde_json::json;

use super::{join, joined, open, server};

#[tokio::test]
async fn a_status_is_told_in_all_rooms_of_the_user_and_kept() {
    let server = server().await;
    let (alice, bob, carol) = (server.user("alice").await, server.user("bob").await, server.user("carol").await);
    let mut in_one = joined(&alice, "one").await;
    let mut in_two = joined(&alice, "two").await;
    let mut first = joined(&bob, "one").await;
    let mut second = joined(&carol, "two").await;
    in_one.expect("room_state").await;
    in_two.expect("room_state").await;
    in_one.send_json(&json!({"type": "status_update", "status": "busy"})).await;
    for socket in [&mut first, &mut second, &mut in_one, &mut in_two] {
        let changed = socket.expect("user_status_changed").await;
        assert_eq!((&changed["user_id"], &changed["status"]), (&json!(alice.id), &json!("busy")));
        let room = &changed["room"];
        assert!(room == "one" || room == "two", "the event names its room: {changed}");
    }
    for socket in [&mut first, &mut second, &mut in_one, &mut in_two] {
        socket.expect_nothing_before_pong().await;
    }
    // In a room that is joined later, and for users who join later.
    join(&mut in_one, "three").await;
    let state = join(&mut first, "three").await;
    let of_alice = state["users"].as_array().unwrap().iter().find(|user| user["user_id"] == alice.id.as_str()).unwrap();
    assert_eq!(of_alice["status"], "busy");
}

#[tokio::test]
async fn typing_is_told_to_the_others() {
    let server = server().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let mut typist = joined(&alice, "room").await;
    let mut reader = joined(&bob, "room").await;
    typist.expect("room_state").await;
    for (sent, told) in [("typing_start", "user_typing_start"), ("typing_stop", "user_typing_stop")] {
        typist.send_json(&json!({"type": sent, "cell_id": "A1", "room": "room"})).await;
        let frame = reader.expect(told).await;
        assert_eq!((&frame["user_id"], &frame["username"]), (&json!(alice.id), &json!("alice")));
        assert_eq!(frame["cell_id"], "A1");
    }
    typist.expect_nothing_before_pong().await;
}

#[tokio::test]
async fn an_upload_is_told_to_the_users_other_sockets_and_to_the_rooms() {
    let server = server().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let mut uploader = joined(&alice, "room").await;
    let mut other = open(&alice).await;
    // the server sends nothing on its own, so only an answer shows that the socket is registered
    other.expect_nothing_before_pong().await;
    let mut member = joined(&bob, "room").await;
    uploader.expect("room_state").await;
    let start = json!({
        "type": "file_upload_start", "file_id": "file_123", "filename": "data.csv", "file_size": 1024000,
        "mime_type": "text/csv",
    });
    uploader.send_json(&start).await;
    let progress = json!({
        "type": "file_upload_progress", "file_id": "file_123", "bytes_uploaded": 512000, "total_bytes": 1024000,
        "percentage": 50.0,
    });
    uploader.send_json(&progress).await;
    for socket in [&mut other, &mut member] {
        for sent in [&start, &progress] {
            let told = socket.next_json().await;
            for (field, value) in sent.as_object().unwrap() {
                assert_eq!(told[field], *value, "{field} of {told}");
            }
            assert_eq!(told["user_id"], alice.id.as_str());
        }
        socket.expect_nothing_before_pong().await;
    }
    uploader.expect_nothing_before_pong().await;
}
