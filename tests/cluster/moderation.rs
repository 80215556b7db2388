//! Mutes, bans and announcements on two nodes.

use serde_json::{Value, json};

use super::setting::{Setting, closed_with};
use crate::support::{DEADLINE, Socket, User, eventually, token};

async fn admin(origin: &str) -> User {
    let ops = User::with_token(origin, "ops", "ops", &token::for_admin("ops", "ops"));
    ops.get("/api/auth/me").await.expect(200);
    ops
}

async fn impose(by: &User, user: &User, kind: &str, room: Option<&str>) -> Value {
    let body = json!({"user_id": user.id, "kind": kind, "room_id": room, "reason": "spam"});
    by.post("/api/moderation/sanctions", body).await.expect(201)
}

async fn lift(by: &User, sanction: &Value) {
    by.delete(&format!("/api/moderation/sanctions/{}", sanction["id"].as_str().unwrap())).await.expect(204);
}

#[tokio::test]
async fn a_mute_holds_on_the_other_node_when_it_is_answered() {
    let setting = Setting::new().await;
    let (_alice, mut bob) = setting.both().await;
    let path = format!("/api/channels/{}/messages", setting.channel);
    for _ in 0..20 {
        let muted = impose(&setting.alice, &setting.bob, "mute", Some(&setting.channel)).await;
        setting.bob.post(&path, json!({"content": "x"})).await.expect_error(403, "PERMISSION_DENIED");
        bob.read_until("notification").await;
        bob.send_json(&json!({"type": "message", "content": "x"})).await;
        bob.expect_error("PERMISSION_DENIED").await;
        lift(&setting.alice, &muted).await;
        bob.read_until("notification").await;
        eventually("bob may speak again", DEADLINE, || async {
            let answer = setting.bob.post(&path, json!({"content": "y"})).await;
            (answer.status.as_u16() == 201).then_some(())
        })
        .await;
        bob.read_until("message").await;
    }
}

#[tokio::test]
async fn a_ban_closes_the_sockets_of_the_other_node_and_keeps_them_out() {
    let setting = Setting::new().await;
    let (_alice, mut bob) = setting.both().await;
    let ops = admin(setting.alice.origin()).await;
    let banned = impose(&setting.alice, &setting.bob, "ban", Some(&setting.channel)).await;
    closed_with(&mut bob, 4403).await;
    let path = format!("/api/channels/{}/messages", setting.channel);
    setting.bob.get(&path).await.expect_error(403, "PERMISSION_DENIED");
    lift(&setting.alice, &banned).await;
    eventually("bob may enter again", DEADLINE, || async {
        (setting.bob.get(&path).await.status.as_u16() == 200).then_some(())
    })
    .await;
    let mut nexus = setting.bob.nexus().await;
    impose(&ops, &setting.bob, "ban", None).await;
    closed_with(&mut nexus, 4403).await;
    setting.bob.get("/api/groups").await.expect_error(403, "PERMISSION_DENIED");
}

#[tokio::test]
async fn without_redis_a_mute_holds_at_once_and_a_ban_within_a_second() {
    let mut setting = Setting::new().await;
    let (_alice, mut bob) = setting.both().await;
    setting.cluster.stop_redis();
    let path = format!("/api/channels/{}/messages", setting.channel);
    let muted = impose(&setting.alice, &setting.bob, "mute", Some(&setting.channel)).await;
    setting.bob.post(&path, json!({"content": "x"})).await.expect_error(403, "PERMISSION_DENIED");
    lift(&setting.alice, &muted).await;
    impose(&setting.alice, &setting.bob, "ban", Some(&setting.channel)).await;
    closed_with(&mut bob, 4403).await;
    eventually("the other node knows the ban", DEADLINE, || async {
        (setting.bob.get(&path).await.status.as_u16() == 403).then_some(())
    })
    .await;
}

#[tokio::test]
async fn an_announcement_reaches_both_nodes() {
    let setting = Setting::new().await;
    let (alice, bob) = setting.both().await;
    let ops = admin(setting.alice.origin()).await;
    ops.post("/api/v1/ws/announcements", json!({"text": "noon"})).await.expect(202);
    let announced = async |mut socket: Socket| socket.read_until("notification").await.pop().unwrap();
    for socket in [alice, bob] {
        assert_eq!(announced(socket).await["data"]["text"], "noon");
    }
}
