//! Direct messages reach their user on any node.

use serde_json::{Value, json};

use crate::setting::Setting;
use crate::support::raw::RawSocket;
use crate::support::socket::Frame;
use crate::support::{DEADLINE, Socket, User};

async fn enter(user: &User, partner: &User) -> (Socket, Value) {
    let mut socket = user.connect_dm(partner).await;
    let first = socket.next_json().await;
    (socket, first)
}

/// Opens the conversation and waits until the partner is known to be online.
async fn enter_knowing(user: &User, partner: &User) -> Socket {
    let (mut socket, first) = enter(user, partner).await;
    if first["type"] == "connected" {
        assert_eq!(socket.expect("dm_user_online").await["user_id"], partner.id.as_str());
    }
    socket
}

async fn say(socket: &mut Socket, content: &str) {
    socket.send_json(&json!({"type": "dm_message", "content": content, "ref": content})).await;
    socket.expect_echo_and_ack("dm_message", content, content).await;
}

#[tokio::test]
async fn a_partner_on_the_other_node_gets_it_live_and_not_again_later() {
    let setting = Setting::new().await;
    let (mut alice, connected) = enter(&setting.alice, &setting.bob).await;
    assert_eq!(connected["type"], "connected", "{connected}");
    let mut bob = enter_knowing(&setting.bob, &setting.alice).await;
    assert_eq!(alice.expect("dm_user_online").await["user_id"], setting.bob.id.as_str());
    for content in ["one", "two"] {
        say(&mut alice, content).await;
        assert_eq!(bob.expect("dm_message").await["content"], content);
    }
    bob.send_json(&json!({"type": "dm_typing", "is_typing": true})).await;
    assert_eq!(alice.expect("dm_typing").await["user_id"], setting.bob.id.as_str());

    // It was delivered live, so nothing is queued on either node.
    bob.close().await;
    // Typing of the socket ends with it.
    assert_eq!(alice.expect("dm_typing").await["is_typing"], false);
    assert_eq!(alice.expect("dm_user_offline").await["user_id"], setting.bob.id.as_str());
    for node in [0, 1] {
        let mut again = enter_knowing(&setting.cluster.at(node, &setting.bob), &setting.alice).await;
        again.expect_nothing_before_pong().await;
        again.close().await;
    }
}

#[tokio::test]
async fn what_waits_for_an_absent_partner_is_delivered_on_the_other_node() {
    let setting = Setting::new().await;
    let (mut alice, _) = enter(&setting.alice, &setting.bob).await;
    for content in ["one", "two", "three"] {
        say(&mut alice, content).await;
    }
    let (mut bob, first) = enter(&setting.bob, &setting.alice).await;
    let mut queued = Vec::new();
    while queued.len() < 3 {
        let frame = bob.next_json().await;
        if frame["type"] == "dm_message" {
            queued.push(frame["content"].clone());
        } else {
            // Alice's presence may be announced a moment later if the first frame did not contain it.
            assert_eq!((&frame["type"], &first["type"]), (&json!("dm_user_online"), &json!("connected")), "{frame}");
        }
    }
    assert_eq!(queued, ["one", "two", "three"]);
    bob.close().await;
    let (mut again, _) = enter(&setting.cluster.at(0, &setting.bob), &setting.alice).await;
    again.expect_nothing_before_pong().await;
}

#[tokio::test]
async fn a_partner_is_online_until_the_last_socket_on_any_node() {
    let setting = Setting::new().await;
    let (mut alice, _) = enter(&setting.alice, &setting.bob).await;
    let there = enter_knowing(&setting.bob, &setting.alice).await;
    assert_eq!(alice.expect("dm_user_online").await["user_id"], setting.bob.id.as_str());
    let mut here = enter_knowing(&setting.cluster.at(0, &setting.bob), &setting.alice).await;
    there.close().await;
    say(&mut alice, "still there").await;
    assert_eq!(here.expect("dm_message").await["content"], "still there");
    here.close().await;
    assert_eq!(alice.expect("dm_user_offline").await["user_id"], setting.bob.id.as_str());
    say(&mut alice, "into the queue").await;
}

#[tokio::test]
async fn it_is_heard_in_a_channel_on_the_other_node() {
    let setting = Setting::new().await;
    let mut bob_in_channel = setting.bob.join(&setting.channel).await;
    let (mut alice, _) = enter(&setting.alice, &setting.bob).await;
    say(&mut alice, "psst").await;
    assert_eq!(bob_in_channel.expect("dm_message").await["content"], "psst");
    bob_in_channel.expect_nothing_before_pong().await;
}

#[tokio::test]
async fn what_a_killed_node_had_leased_and_not_written_is_delivered_by_the_next() {
    const MESSAGES: i64 = 80;
    let mut setting = Setting::new().await;
    let (mut alice, _) = enter(&setting.alice, &setting.bob).await;
    for number in 1..=MESSAGES {
        let content = format!("{number} {}", "x".repeat(9_000));
        alice.send_json(&json!({"type": "dm_message", "content": content, "ref": number.to_string()})).await;
        alice.expect_echo_and_ack("dm_message", &content, &number.to_string()).await;
    }
    // Bob's socket at the second node reads the first frame, and then stops reading.
    let authority = setting.cluster.server(1).authority().to_owned();
    let mut deaf = RawSocket::with_receive_buffer(&authority, 4096).await;
    let path = format!("/ws/dm/{}?token={}", setting.alice.id, setting.bob.token);
    assert_eq!(deaf.handshake(&authority, &path, &[]).await.status, 101);
    assert_eq!(deaf.next_json().await["seq"], MESSAGES);
    assert_eq!(alice.expect("dm_user_online").await["user_id"], setting.bob.id.as_str());
    setting.cluster.server_mut(1).kill();

    let (mut bob, first) = enter(&setting.cluster.at(0, &setting.bob), &setting.alice).await;
    assert_eq!(first["seq"], MESSAGES, "{first}");
    // The lease of the dead node must expire; messages written in the meantime are delivered at once.
    say(&mut alice, "live").await;
    assert_eq!(bob.expect("dm_message").await["content"], "live");
    for number in 1..=MESSAGES {
        match bob.next_within(DEADLINE * 2).await {
            Some(Frame::Json(frame)) => {
                assert_eq!((&frame["type"], &frame["seq"]), (&json!("dm_message"), &json!(number)))
            }
            other => panic!("expected message {number}, got {other:?}"),
        }
    }
    bob.expect_nothing_before_pong().await;
    bob.close().await;
    let (mut again, _) = enter(&setting.cluster.at(0, &setting.bob), &setting.alice).await;
    again.expect_nothing_before_pong().await;
}

#[tokio::test]
async fn whoever_opens_on_the_other_node_while_the_partner_writes_gets_all_in_order_once() {
    const MESSAGES: i64 = 90;
    let setting = Setting::new().await;
    let (mut alice, _) = enter(&setting.alice, &setting.bob).await;
    let writing = tokio::spawn(async move {
        for number in 1..=MESSAGES {
            let content = number.to_string();
            alice.send_json(&json!({"type": "dm_message", "content": content, "ref": content})).await;
            alice.read_until("ack").await;
        }
        alice
    });
    let (mut bob, _) = enter(&setting.bob, &setting.alice).await;
    for number in 1..=MESSAGES {
        let message = bob.read_until("dm_message").await.pop().expect("a message");
        assert_eq!((&message["seq"], &message["content"]), (&json!(number), &json!(number.to_string())));
    }
    let _alice = writing.await.expect("all were sent");
    bob.expect_nothing_before_pong().await;
}
