//! Rate limits as administrators see them, and lifting a block (docs/protocol.md, "Rate limits").

use serde_json::json;

use crate::on_both;
use crate::support::raw::RawSocket;
use crate::support::rest::assert_error;
use crate::support::shape::Kind::Time;
use crate::support::shape::{assert_shape, number, text};
use crate::support::{DEADLINE, Server, Socket, User, eventually, token};

const PER_MINUTE: u64 = 3;

fn admin(server: &Server) -> User {
    User::with_token(server.origin(), "ops", "ops", &token::for_admin("ops", "ops"))
}

/// Sends messages until the socket is closed because of the block.
async fn get_blocked(socket: &mut Socket) {
    for _ in 0..PER_MINUTE + 11 {
        socket.say("on and on").await;
    }
    let mut refusals = 0;
    loop {
        let frame = socket.next_json().await;
        if frame["type"] == "error" {
            assert_error(&frame, "RATE_LIMIT_EXCEEDED");
            refusals += 1;
            let (least, most) = if refusals > 10 { (14 * 60, 15 * 60) } else { (1, 60) };
            assert!((least..=most).contains(&number(&frame, "retry_after")), "refusal {refusals}: {frame}");
        }
        if refusals > 10 {
            break;
        }
    }
    socket.expect_close(4429).await;
}

async fn handshake_status(server: &Server, user: &User, channel: &str) -> u16 {
    let path = format!("/ws/channel/{channel}?token={}", user.token);
    RawSocket::connect(server.authority()).await.handshake(server.authority(), &path, &[]).await.status
}

on_both! {
    async fn a_block_is_listed_and_lifted_for_good(database) {
        let mut server =
            Server::builder().database(database).env("WEBSOCKET_REQUESTS_PER_MINUTE", PER_MINUTE).start().await;
        let (alice, ops) = (server.user("alice").await, admin(&server));
        let channel = alice.channel_with(&[]).await;
        let limits = format!("/api/v1/ws/users/{}/limits", alice.id);
        let fresh = ops.get(&limits).await.expect(200);
        let expected = json!({"user_id": alice.id, "requests_last_minute": 0, "requests_last_hour": 0,
            "requests_per_minute": PER_MINUTE, "requests_per_hour": fresh["requests_per_hour"], "refusals": 0,
            "refusals_before_block": 10, "blocked_until": null, "retry_after": null});
        assert_eq!(fresh, expected);
        assert_eq!(ops.get("/api/v1/ws/blocks").await.expect(200), json!({"blocks": [], "has_more": false}));
        let mut socket = alice.join(&channel).await;
        socket.say_acked("counted", "1").await;
        assert_eq!(number(&ops.get(&limits).await.expect(200), "requests_last_minute"), 1);
        get_blocked(&mut socket).await;
        let blocks = eventually("the block in the list", DEADLINE, || async {
            let page = ops.get("/api/v1/ws/blocks").await.expect(200);
            (page["blocks"] != json!([])).then_some(page)
        })
        .await;
        let block = &blocks["blocks"][0];
        assert_shape(block, &[("blocked_until", Time)]);
        assert_eq!((text(block, "user_id"), text(block, "username")), (alice.id.clone(), "alice".to_owned()));
        assert!((14 * 60..=15 * 60).contains(&number(block, "retry_after")), "{block}");
        let blocked = ops.get(&limits).await.expect(200);
        assert_eq!(number(&blocked, "requests_last_minute"), PER_MINUTE);
        assert!((14 * 60..=15 * 60).contains(&number(&blocked, "retry_after")), "{blocked}");
        assert_eq!(handshake_status(&server, &alice, &channel).await, 429);

        let lift = format!("/api/v1/ws/users/{}/block", alice.id);
        assert_eq!(ops.delete(&lift).await.status, 204);
        assert_eq!(ops.delete(&lift).await.status, 204, "nothing to lift is as good");
        assert_eq!(ops.get("/api/v1/ws/blocks").await.expect(200)["blocks"], json!([]));
        let mut socket = alice.join(&channel).await;
        // The usage stays, but refusals are counted from zero.
        socket.send_json(&json!({"type": "message", "content": "too soon", "ref": 1})).await;
        socket.expect_error("RATE_LIMIT_EXCEEDED").await;
        let lifted = ops.get(&limits).await.expect(200);
        assert_eq!((number(&lifted, "refusals"), &lifted["blocked_until"]), (1, &json!(null)), "{lifted}");
        server.terminate().await;
        server.restart().await;
        alice.join(&channel).await.say_acked("back", "2").await;
    }
}

#[tokio::test]
async fn pages_of_blocks_and_the_rights_to_them() {
    let server = Server::builder().env("WEBSOCKET_REQUESTS_PER_MINUTE", PER_MINUTE).start().await;
    let ops = admin(&server);
    let mut ids = Vec::new();
    for name in ["alice", "bob", "carol"] {
        let user = server.user(name).await;
        let channel = user.channel_with(&[]).await;
        get_blocked(&mut user.join(&channel).await).await;
        ids.push(user.id);
    }
    ids.sort();
    let all = async || {
        let page = ops.get("/api/v1/ws/blocks").await.expect(200);
        (page["blocks"].as_array().map(Vec::len) == Some(3)).then_some(())
    };
    eventually("all three", DEADLINE, all).await;
    let ids_of = |page: &serde_json::Value| -> Vec<String> {
        page["blocks"].as_array().expect("a list").iter().map(|block| text(block, "user_id")).collect()
    };
    let first = ops.get("/api/v1/ws/blocks?limit=2").await.expect(200);
    assert_eq!((ids_of(&first), &first["has_more"]), (ids[..2].to_vec(), &json!(true)));
    let second = ops.get(&format!("/api/v1/ws/blocks?limit=2&after={}", ids[1])).await.expect(200);
    assert_eq!((ids_of(&second), &second["has_more"]), (ids[2..].to_vec(), &json!(false)));
    ops.get("/api/v1/ws/blocks?limit=none").await.expect_error(400, "INVALID_MESSAGE");
    ops.get("/api/v1/ws/users/nobody/limits").await.expect_error(404, "USER_NOT_FOUND");
    ops.delete("/api/v1/ws/users/nobody/block").await.expect_error(404, "USER_NOT_FOUND");
    let dave = server.user("dave").await;
    dave.get("/api/v1/ws/blocks").await.expect_error(403, "PERMISSION_DENIED");
    dave.get(&format!("/api/v1/ws/users/{}/limits", dave.id)).await.expect_error(403, "PERMISSION_DENIED");
    dave.delete(&format!("/api/v1/ws/users/{}/block", dave.id)).await.expect_error(403, "PERMISSION_DENIED");
}
