//! WebRTC signalling: relayed unchanged, only to the target, and not stored (docs/protocol.md, "channel").

use serde_json::json;

use crate::support::Server;
use crate::support::shape::Kind::Text;
use crate::support::shape::assert_shape;

/// Data that re-encoding would change: numbers that lose digits as doubles, escapes, unusual spacing, a repeated key.
const DATA: &str = r#"{ "sdp":"v=0\r\no=- 46117 2 IN IP4 127.0.0.1\r\n\u0041\/é👋", "n":1.0e+05,"big":12345678901234567890.10,  "a":[ ],"a":{},"sdpMid" : null }"#;

#[tokio::test]
async fn signals_reach_the_targets_sockets_in_the_channel_byte_for_byte() {
    let server = Server::start().await;
    let (alice, bob, carol) = (server.user("alice").await, server.user("bob").await, server.user("carol").await);
    let group = alice.create_group("Calls").await;
    alice.add_member(&group, &bob).await;
    alice.add_member(&group, &carol).await;
    let channel = alice.create_channel(&group, "call").await;
    let elsewhere = alice.create_channel(&group, "elsewhere").await;
    let mut caller = alice.join(&channel).await;
    let mut desktop = bob.join(&channel).await;
    let mut mobile = bob.join(&channel).await;
    let mut in_other_channel = bob.join(&elsewhere).await;
    let mut bystander = carol.join(&channel).await;
    caller.read_until("user_joined").await;
    caller.read_until("user_joined").await;
    desktop.expect("user_joined").await;
    mobile.expect("user_joined").await;

    for kind in ["webrtc_offer", "webrtc_answer", "webrtc_ice_candidate"] {
        let frame = format!(r#"{{"type":"{kind}","target_user_id":"{}","data":{DATA}}}"#, bob.id);
        caller.send_text(&frame).await;
        for socket in [&mut desktop, &mut mobile] {
            let signal = socket.expect(kind).await;
            assert_shape(&signal, &[("type", Text), ("from_user_id", Text), ("from_username", Text)]);
            assert_eq!((&signal["from_user_id"], &signal["from_username"]), (&json!(alice.id), &json!("alice")));
            assert_eq!(signal.get("target_user_id"), None, "the receiver knows who it is");
            assert!(socket.last_text().contains(DATA), "data should be unchanged in {}", socket.last_text());
        }
    }
    caller.say("a later event").await;
    caller.expect_message("a later event").await;
    bystander.expect_message("a later event").await;
    in_other_channel.expect_nothing_before_pong().await;
    assert_eq!(alice.history(&channel).await.len(), 1, "nothing of a signal is stored");
}

#[tokio::test]
async fn an_absent_target_is_unavailable() {
    let server = Server::start().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let group = alice.create_group("Calls").await;
    alice.add_member(&group, &bob).await;
    let channel = alice.create_channel(&group, "call").await;
    let elsewhere = alice.create_channel(&group, "elsewhere").await;
    let mut caller = alice.join(&channel).await;
    let mut other = bob.join(&elsewhere).await;
    for target in [bob.id.as_str(), "nobody"] {
        let offer = json!({"type": "webrtc_offer", "target_user_id": target, "data": {"sdp": "x"}, "ref": target});
        caller.send_json(&offer).await;
        assert_eq!(caller.expect_error("TARGET_UNAVAILABLE").await["ref"], target);
    }
    other.expect_nothing_before_pong().await;
}

#[tokio::test]
async fn a_channel_signal_needs_a_target_and_data() {
    let server = Server::start().await;
    let alice = server.user("alice").await;
    let channel = alice.channel_with(&[]).await;
    let mut caller = alice.join(&channel).await;
    let cases = [
        (json!({"type": "webrtc_offer", "data": {}}), "target_user_id"),
        (json!({"type": "webrtc_offer", "target_user_id": 7, "data": {}}), "target_user_id"),
        (json!({"type": "webrtc_offer", "target_user_id": alice.id}), "data"),
    ];
    for (frame, field) in cases {
        caller.send_json(&frame).await;
        let error = caller.expect_error("INVALID_MESSAGE").await;
        let sentence = error["error"].as_str().unwrap_or_default();
        assert!(sentence.contains(field), "the sentence should name '{field}': {sentence}");
    }
}

#[tokio::test]
async fn in_a_direct_conversation_the_target_is_the_partner() {
    let server = Server::start().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let mut caller = alice.connect_dm(&bob).await;
    caller.expect("connected").await;
    caller.send_json(&json!({"type": "webrtc_offer", "data": {"sdp": "x"}, "ref": 1})).await;
    assert_eq!(caller.expect_error("TARGET_UNAVAILABLE").await["ref"], 1);

    let mut callee = bob.connect_dm(&alice).await;
    callee.expect("dm_user_online").await;
    caller.expect("dm_user_online").await;
    caller.send_text(&format!(r#"{{"type":"webrtc_offer","data":{DATA}}}"#)).await;
    assert_eq!(callee.expect("webrtc_offer").await["from_user_id"], alice.id.as_str());
    assert!(callee.last_text().contains(DATA), "{}", callee.last_text());
    callee.send_json(&json!({"type": "webrtc_answer", "data": {"sdp": "y"}})).await;
    assert_eq!(caller.expect("webrtc_answer").await["data"], json!({"sdp": "y"}));
    callee.expect_nothing_before_pong().await;
}
