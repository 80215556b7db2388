//! Administration of the whole cluster from any node.

use serde_json::{Value, json};

use crate::setting::{Setting, said};
use crate::support::rest::assert_timestamp;
use crate::support::shape::number;
use crate::support::{DEADLINE, User, eventually, token};

/// An administrator connected to a node.
fn admin(setting: &Setting, node: usize) -> User {
    let token = token::for_admin("root-of-all", "root");
    User::with_token(setting.cluster.server(node).origin(), "root-of-all", "root", &token)
}

#[tokio::test]
async fn any_connection_can_be_ended_from_any_node() {
    let setting = Setting::new().await;
    let (mut alice, mut bob) = setting.both().await;
    let path = format!("/api/v1/ws/connections/{}", bob.header("X-Connection-Id"));
    setting.alice.delete(&path).await.expect_error(403, "PERMISSION_DENIED");
    bob.expect_nothing_before_pong().await;
    // Nodes learn about each other's sockets with a short delay.
    eventually("that the other node knows the connection", DEADLINE, || async {
        let answer = admin(&setting, 0).delete(&path).await;
        (answer.status == 204).then_some(()).or_else(|| {
            answer.expect_error(404, "NOT_FOUND");
            None
        })
    })
    .await;
    bob.expect_close(4403).await;
    assert_eq!(alice.expect("user_left").await["user_id"], setting.bob.id.as_str());
    for node in [0, 1] {
        eventually("that it is known to have ended", DEADLINE, || async {
            (admin(&setting, node).delete(&path).await.status == 404).then_some(())
        })
        .await;
    }
    for unknown in ["/api/v1/ws/connections/ws_nobody_1761566400_7f3a", "/api/v1/ws/connections/x"] {
        for node in [0, 1] {
            admin(&setting, node).delete(unknown).await.expect_error(404, "NOT_FOUND");
        }
    }
}

#[tokio::test]
async fn a_user_is_notified_on_all_sockets() {
    let setting = Setting::new().await;
    let (mut alice, mut bob) = setting.both().await;
    let mut bob_here = setting.cluster.at(0, &setting.bob).join(&setting.channel).await;
    let path = format!("/api/v1/ws/users/{}/notify", setting.bob.id);
    let data =
        json!({"type": "direct_message", "from": "admin", "message": "Please review", "n": [1, null, {"a": "é"}]});
    setting.alice.post(&path, data.clone()).await.expect_error(403, "PERMISSION_DENIED");
    for node in [0, 1] {
        let answer = admin(&setting, node).post(&path, data.clone()).await;
        assert!(answer.status.is_success(), "{}", answer.text);
        for socket in [&mut bob, &mut bob_here] {
            let notification = socket.expect("notification").await;
            assert_eq!(notification["data"], data, "{notification}");
            assert_timestamp(&notification["timestamp"]);
        }
    }
    for body in [json!([1]), json!("text"), json!(7)] {
        admin(&setting, 0).post(&path, body).await.expect_error(400, "INVALID_MESSAGE");
    }
    said("Alice heard nothing of it", &mut [&mut alice, &mut bob, &mut bob_here]).await;
}

#[tokio::test]
async fn a_room_is_broadcast_to_on_all_nodes() {
    let setting = Setting::new().await;
    let (mut alice, mut bob) = setting.both().await;
    let path = format!("/api/v1/ws/rooms/{}/broadcast", setting.channel);
    let data = json!({"type": "system_announcement", "title": "Maintenance Notice"});
    setting.bob.post(&path, data.clone()).await.expect_error(403, "PERMISSION_DENIED");
    for node in [0, 1] {
        let answer = admin(&setting, node).post(&path, data.clone()).await;
        assert!(answer.status.is_success(), "{}", answer.text);
        for socket in [&mut alice, &mut bob] {
            let broadcast = socket.expect("broadcast").await;
            assert_eq!((&broadcast["data"], &broadcast["room_id"]), (&data, &json!(setting.channel)), "{broadcast}");
            assert_timestamp(&broadcast["timestamp"]);
        }
    }
    let unknown = format!("/api/v1/ws/rooms/{}/broadcast", uuid::Uuid::now_v7());
    admin(&setting, 0).post(&unknown, data).await.expect_error(404, "ROOM_NOT_FOUND");
    said("nothing is stored of it", &mut [&mut alice, &mut bob]).await;
    assert_eq!(setting.alice.history(&setting.channel).await.len(), 1);
}

#[tokio::test]
async fn statistics_count_the_whole_cluster() {
    let setting = Setting::new().await;
    let (_alice, _bob) = setting.both().await;
    let _bob_here = setting.cluster.at(0, &setting.bob).join(&setting.channel).await;
    for path in ["stats", "stats/detailed", "rooms"] {
        setting.bob.get(&format!("/api/v1/ws/{path}")).await.expect_error(403, "PERMISSION_DENIED");
    }
    for node in [0, 1] {
        let admin = admin(&setting, node);
        // Counts are sent with the heartbeats.
        eventually(&format!("three connections counted at node {node}"), DEADLINE, || async {
            let stats = admin.get("/api/v1/ws/stats").await.expect(200);
            (number(&stats, "total_connections") == 3 && number(&stats, "rooms_active") == 1).then_some(())
        })
        .await;
        let detailed = admin.get("/api/v1/ws/stats/detailed").await.expect(200).to_string();
        assert!(detailed.contains("node-0") && detailed.contains("node-1"), "per node: {detailed}");
        let room = eventually(&format!("the room's users at node {node}"), DEADLINE, || async {
            let rooms = admin.get("/api/v1/ws/rooms").await.expect(200);
            let mut list = rooms.as_array().expect("a list").iter();
            list.find(|room: &&Value| room["room_id"] == setting.channel.as_str()).cloned()
        })
        .await;
        assert_eq!(number(&room, "user_count"), 2, "users, not sockets: {room}");
    }
}

#[tokio::test]
async fn a_node_is_taken_out_over_rest() {
    let mut setting = Setting::new().await;
    let (mut alice, mut bob) = setting.both().await;
    setting.bob.post("/api/v1/ws/shutdown", json!({})).await.expect_error(403, "PERMISSION_DENIED");
    admin(&setting, 1).post("/api/v1/ws/shutdown", json!({})).await.expect(202);
    bob.expect("server_restarting").await;
    bob.expect_close(1012).await;
    assert_eq!(setting.cluster.server_mut(1).ended().await.code(), Some(0));
    setting.cluster.wait_ready(0, 200).await;
    alice.say("only that node").await;
    alice.expect_message("only that node").await;
}
