//! The metaverse dialect and its REST routes (docs/metaverse.md).

mod invites;
mod spaces;

use serde_json::{Value, json};

use crate::support::{User, rest::Answer};

/// The data of a successful answer.
#[track_caller]
pub fn data(answer: Answer) -> Value {
    assert!(answer.status.is_success(), "{}", answer.text);
    assert_eq!(answer.body["status"], "success", "{}", answer.text);
    answer.body["data"].clone()
}

/// Asserts a refusal in the form of the dialect.
#[track_caller]
pub fn assert_failed(answer: Answer, status: u16, code: &str, sentence: &str) {
    let body = answer.expect_error(status, code);
    assert_eq!((&body["status"], &body["error"]), (&json!("failed"), &json!(sentence)), "{body}");
}

/// Creates a space with so many places.
pub async fn space(admin: &User, name: &str, capacity: u32, is_public: bool) -> String {
    let new = json!({"name": name, "capacity": capacity, "isPublic": is_public});
    let made = data(admin.post("/metaverse/spaces", new).await);
    made["space"]["id"].as_str().expect("an id").to_owned()
}

/// Invites a user and returns the invite.
pub async fn invite(from: &User, to: &User, space: &str) -> Value {
    let sent = from.post("/metaverse/invites/send", json!({"toUserId": to.id, "spaceId": space})).await;
    assert_eq!(sent.body["message"], "Invite sent successfully", "{}", sent.text);
    data(sent)["invite"].clone()
}

/// Accepts an invite.
pub async fn accept(user: &User, invite: &Value) -> Answer {
    user.post(&format!("/metaverse/invites/{}/accept", invite["id"].as_str().expect("an id")), json!({})).await
}

/// Declines an invite.
pub async fn decline(user: &User, invite: &Value) -> Answer {
    user.post(&format!("/metaverse/invites/{}/decline", invite["id"].as_str().expect("an id")), json!({})).await
}

/// Makes the user a member.
pub async fn admit(admin: &User, user: &User, space: &str) {
    let sent = invite(admin, user, space).await;
    data(accept(user, &sent).await);
}
