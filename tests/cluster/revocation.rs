//! A right that is taken away on one node is gone on all.

use serde_json::json;

use crate::setting::{Setting, said};
use crate::support::{User, token};

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
