//! A right that is revoked on one node is revoked on all nodes.

use serde_json::json;
use tokio::time::Instant;

use crate::setting::{Setting, said};
use crate::support::crowd::Crowd;
use crate::support::{Cluster, Line, User, token};

/// Attempts to open sockets before the right is revoked.
const ATTEMPTS: usize = 50;

#[tokio::test]
async fn removal_from_a_group_closes_the_sockets_on_the_other_node() {
    let setting = Setting::new().await;
    let (mut alice, mut bob) = setting.both().await;
    let elsewhere = setting.alice.channel_with(&[&setting.bob]).await;
    let mut untouched = setting.bob.join(&elsewhere).await;
    let groups = setting.alice.get("/api/groups").await.expect(200);
    let mut removals = 0;
    for group in groups.as_array().expect("a list") {
        let id = group["id"].as_str().expect("an id");
        let channels = setting.alice.get(&format!("/api/groups/{id}/channels")).await.expect(200);
        if channels[0]["id"] == setting.channel.as_str() {
            setting.alice.delete(&format!("/api/groups/{id}/members/{}", setting.bob.id)).await.expect(204);
            removals += 1;
        }
    }
    assert_eq!(removals, 1);
    bob.expect_close(4403).await;
    assert_eq!(alice.expect("user_left").await["user_id"], setting.bob.id.as_str());
    untouched.expect_nothing_before_pong().await;
    setting
        .bob
        .get(&format!("/api/channels/{}/messages", setting.channel))
        .await
        .expect_error(403, "PERMISSION_DENIED");
    said("among ourselves", &mut [&mut alice]).await;
}

#[tokio::test]
async fn revoked_tokens_close_all_sockets_and_open_none() {
    let setting = Setting::new().await;
    let (mut alice, mut bob) = setting.both().await;
    let mut bob_here = setting.cluster.at(0, &setting.bob).join(&setting.channel).await;
    let token = token::for_admin("root-of-all", "root");
    let admin = User::with_token(setting.cluster.server(0).origin(), "root-of-all", "root", &token);
    admin.post("/api/auth/revoke", json!({"user_id": setting.bob.id})).await.expect(204);
    bob.expect_close(4403).await;
    bob_here.expect_close(4403).await;
    assert_eq!(alice.expect("user_left").await["user_id"], setting.bob.id.as_str());
    for node in [0, 1] {
        setting.cluster.at(node, &setting.bob).get("/api/auth/me").await.expect_error(401, "AUTHENTICATION_FAILED");
    }
    alice.expect_nothing_before_pong().await;
}

/// Two nodes without a limit on sockets per user.
async fn many_sockets() -> Cluster {
    Cluster::builder().env("MAX_CONNECTIONS_PER_USER", 0).start(2).await
}

/// Bob on both nodes, of which the second has a slow connection to the database.
async fn bob_everywhere(setting: &Setting) -> [User; 2] {
    let here = setting.cluster.at(0, &setting.bob);
    setting.cluster.nodes[1].database.set(Line::Slow);
    [here, setting.bob.clone()]
}

#[tokio::test]
async fn who_is_removed_has_no_socket_on_any_node_a_second_later() {
    let setting = Setting::of(many_sockets().await).await;
    let group = setting.alice.get("/api/groups").await.expect(200)[0]["id"].as_str().expect("an id").to_owned();
    let bob = bob_everywhere(&setting).await;
    for round in 0..3 {
        let crowd = Crowd::start(&bob, &format!("/ws/channel/{}", setting.channel));
        crowd.has_tried(ATTEMPTS).await;
        setting.alice.delete(&format!("/api/groups/{group}/members/{}", setting.bob.id)).await.expect(204);
        let left = crowd.leave(Instant::now()).await;
        assert!(left.opened > 0, "round {round}: {left:?}");
        assert_eq!(left.open, 0, "round {round}: {left:?}");
        setting.alice.add_member(&group, &setting.bob).await;
    }
}

#[tokio::test]
async fn whose_tokens_are_revoked_has_no_socket_on_any_node_a_second_later() {
    let setting = Setting::of(many_sockets().await).await;
    let origin = setting.cluster.server(0).origin();
    let admin = User::with_token(origin, "root-of-all", "root", &token::for_admin("root-of-all", "root"));
    admin.get("/api/auth/me").await.expect(200);
    bob_everywhere(&setting).await;
    for round in 0..3 {
        let bob = User::login(origin, "bob").await;
        let both = [bob.clone(), setting.cluster.at(1, &bob)];
        let crowd = Crowd::start(&both, &format!("/ws/channel/{}", setting.channel));
        crowd.has_tried(ATTEMPTS).await;
        admin.post("/api/auth/revoke", json!({"user_id": bob.id})).await.expect(204);
        let left = crowd.leave(Instant::now()).await;
        assert!(left.opened > 0, "round {round}: {left:?}");
        assert_eq!(left.open, 0, "round {round}: {left:?}");
    }
}
