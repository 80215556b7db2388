//! Invites over REST: every sentence and status of the contract, bulk invites, texts, expiry, history, rates.

use serde_json::{Value, json};

use super::{accept, admit, assert_failed, data, decline, invite, space};
use crate::on_both;
use crate::support::{DEADLINE, Server, User, eventually, token};

async fn send(from: &User, body: Value) -> crate::support::rest::Answer {
    from.post("/metaverse/invites/send", body).await
}

on_both! {
    async fn an_invite_is_answered_as_in_the_contract(database) {
        let server = Server::builder().database(database).start().await;
        let (alice, bob) = (server.user("alice").await, server.user("bob").await);
        let id = space(&alice, "Atrium", 3, false).await;
        let sent = invite(&alice, &bob, &id).await;
        assert_eq!(sent["toUser"], json!({"id": bob.id, "username": "bob"}));
        assert_eq!(sent["fromUser"], json!({"id": alice.id, "username": "alice"}));
        assert_eq!((&sent["space"], &sent["state"]), (&json!({"id": id, "name": "Atrium"}), &json!("pending")));
        // a second invite answers the first one
        assert_eq!(invite(&alice, &bob, &id).await, sent);
        let mine = data(bob.get("/metaverse/invites/my-invites").await);
        assert_eq!((&mine["invites"][0], &mine["count"], &mine["total"]), (&sent, &json!(1), &json!(1)));
        let accepted = accept(&bob, &sent).await;
        assert_eq!(accepted.body["message"], "Invite accepted successfully");
        assert_eq!(data(accepted), json!({"space": {"id": id, "name": "Atrium"}}));
        let history = data(alice.get("/metaverse/invites/history?direction=sent").await);
        assert_eq!((&history["invites"][0]["id"], &history["invites"][0]["state"]), (&sent["id"], &json!("accepted")));
        assert_eq!(data(bob.get("/metaverse/invites/history").await)["total"], 1);
        assert_eq!(data(bob.get("/metaverse/invites/my-invites?includeExpired=true").await)["total"], 0);
    }
}

on_both! {
    async fn refusals_have_the_sentences_of_the_contract(database) {
        let server = Server::builder().database(database).env("INVITES_PER_MINUTE", 0).start().await;
        let (alice, bob, carol) = (server.user("alice").await, server.user("bob").await, server.user("carol").await);
        let id = space(&alice, "Atrium", 2, false).await;
        let nowhere = "00000000-0000-7000-8000-000000000000";
        let to = |user: &User, space: &str| json!({"toUserId": user.id, "spaceId": space});
        assert_failed(send(&alice, to(&bob, nowhere)).await, 404, "ROOM_NOT_FOUND", "Space not found");
        assert_failed(send(&alice, to(&bob, "atrium")).await, 404, "ROOM_NOT_FOUND", "Space not found");
        assert_failed(send(&bob, to(&carol, &id)).await, 403, "PERMISSION_DENIED", "You do not have access to this space");
        assert_failed(send(&alice, json!({"toUserId": "nobody", "spaceId": id})).await, 404, "USER_NOT_FOUND", "User not found");
        assert_failed(send(&alice, to(&alice, &id)).await, 409, "ALREADY_MEMBER", "User is already a member of this space");
        let (first, second) = (invite(&alice, &bob, &id).await, invite(&alice, &carol, &id).await);
        assert_failed(accept(&carol, &first).await, 404, "NOT_FOUND", "Invite not found");
        assert_failed(accept(&carol, &json!({"id": "x"})).await, 404, "NOT_FOUND", "Invite not found");
        data(accept(&bob, &first).await);
        assert_failed(accept(&bob, &first).await, 409, "ALREADY_MEMBER", "User is already a member of this space");
        assert_failed(accept(&carol, &second).await, 409, "SPACE_FULL", "Space is full");
        assert_failed(send(&bob, to(&carol, &id)).await, 409, "SPACE_FULL", "Space is full");
        assert_eq!(decline(&carol, &second).await.body["message"], "Invite declined successfully");
        accept(&carol, &second).await.expect_error(409, "CONFLICT");
        decline(&carol, &second).await.expect_error(409, "CONFLICT");
        let short = data(send(&alice, json!({"toUserId": carol.id, "spaceId": space(&alice, "Den", 5, false).await, "expiresInHours": 0.000_01})).await);
        eventually("the invite expires", DEADLINE, async || {
            let mine = data(carol.get("/metaverse/invites/my-invites").await);
            (mine["total"] == 0).then_some(())
        })
        .await;
        let refused = accept(&carol, &short["invite"]).await;
        assert_failed(refused, 410, "INVITE_EXPIRED", "Invite has expired");
    }
}

on_both! {
    async fn users_who_can_be_invited_are_searched_and_paged(database) {
        let server = Server::builder().database(database).start().await;
        let (alice, bob) = (server.user("alice").await, server.user("bob").await);
        for name in ["bobby", "carol"] {
            server.user(name).await;
        }
        let id = space(&alice, "Atrium", 5, false).await;
        let path = format!("/metaverse/invites/users/{id}");
        let found = data(alice.get(&path).await);
        assert_eq!((&found["count"], &found["total"]), (&json!(3), &json!(3)));
        assert_eq!(found["users"][0], json!({"id": bob.id, "username": "bob", "email": "bob@example.org", "role": "participant",
            "displayName": "bob", "avatarUrl": null}));
        let page = data(alice.get(&format!("{path}?search=BO&limit=1&page=2")).await);
        assert_eq!((&page["users"][0]["username"], &page["count"], &page["total"]), (&json!("bobby"), &json!(1), &json!(2)));
        admit(&alice, &bob, &id).await;
        assert_eq!(data(bob.get(&path).await)["total"], 2);
        let carol = User::login(server.origin(), "carol").await;
        assert_failed(carol.get(&path).await, 403, "PERMISSION_DENIED", "You do not have access to this space");
        assert_failed(alice.get("/metaverse/invites/users/x").await, 404, "ROOM_NOT_FOUND", "Space not found");
    }
}

#[tokio::test]
async fn several_users_are_invited_at_once_with_a_text_or_a_template() {
    let server = Server::start().await;
    let (alice, bob, carol) = (server.user("alice").await, server.user("bob").await, server.user("carol").await);
    let id = space(&alice, "Atrium", 5, false).await;
    let body = json!({"toUserIds": [bob.id, "nobody", bob.id, carol.id], "spaceId": id, "template": "meeting", "expiresInHours": 48});
    let sent = data(send(&alice, body).await);
    let names: Vec<_> =
        sent["invites"].as_array().unwrap().iter().map(|one| one["toUser"]["username"].clone()).collect();
    assert_eq!(names, ["bob", "carol"]);
    assert_eq!(
        (&sent["invites"][0]["message"], &sent["invites"][0]["template"]),
        (&json!("alice invites you to a meeting in Atrium"), &json!("meeting"))
    );
    assert_eq!(sent["failed"], json!([{"userId": "nobody", "error": "User not found", "code": "USER_NOT_FOUND"}]));
    let none = send(&alice, json!({"toUserIds": ["nobody", "noone"], "spaceId": id})).await;
    assert_eq!(none.body["data"]["failed"].as_array().map(Vec::len), Some(2), "{}", none.text);
    assert_failed(none, 404, "USER_NOT_FOUND", "User not found");
    let told = data(bob.get("/metaverse/invites/my-invites").await);
    let (from, to) = (&told["invites"][0]["createdAt"], &told["invites"][0]["expiresAt"]);
    let hours = |value: &Value| value.as_str().unwrap().parse::<chrono::DateTime<chrono::Utc>>().unwrap();
    assert_eq!((hours(to) - hours(from)).num_hours(), 48);
    let templates = data(alice.get("/metaverse/invites/templates").await);
    assert_eq!(templates["templates"][0], json!({"name": "welcome", "text": "{from} would like to show you {space}"}));
}

#[tokio::test]
async fn bad_fields_are_named() {
    let server = Server::start().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let id = space(&alice, "Atrium", 5, false).await;
    for (field, more) in [
        ("toUserId", json!({"toUserId": null})),
        ("toUserIds", json!({"toUserId": null, "toUserIds": []})),
        (
            "toUserIds",
            json!({"toUserId": null, "toUserIds": vec!["x"; 101].iter().enumerate().map(|(at, _)| at.to_string()).collect::<Vec<_>>()}),
        ),
        ("toUserIds", json!({"toUserIds": [7]})),
        ("spaceId", json!({"spaceId": 7})),
        ("toUserIds", json!({"toUserIds": [bob.id]})),
        ("toUserIds", json!({"toUserId": null, "toUserIds": [""]})),
        ("message", json!({"message": "x".repeat(501)})),
        ("message", json!({"message": "a\u{7}b"})),
        ("template", json!({"template": "unknown"})),
        ("template", json!({"template": "event", "message": "hi"})),
        ("expiresInHours", json!({"expiresInHours": 0})),
        ("expiresInHours", json!({"expiresInHours": 721})),
        ("expiresInHours", json!({"expiresInHours": "1"})),
    ] {
        let mut body = json!({"toUserId": bob.id, "spaceId": id});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let error = send(&alice, body).await.expect_error(400, "INVALID_MESSAGE");
        assert!(error["error"].as_str().unwrap().starts_with(field), "{field}: {error}");
    }
    alice.get("/metaverse/invites/history?direction=up").await.expect_error(400, "INVALID_MESSAGE");
    alice.get("/metaverse/invites/my-invites?includeExpired=maybe").await.expect_error(400, "INVALID_MESSAGE");
}

#[tokio::test]
async fn invites_are_limited_one_by_one() {
    let server = Server::builder().env("INVITES_PER_MINUTE", 3).start().await;
    let alice = server.user("alice").await;
    let id = space(&alice, "Atrium", 50, false).await;
    let mut users = Vec::new();
    for number in 0..5 {
        users.push(server.user(&format!("guest{number}")).await.id);
    }
    let sent = data(send(&alice, json!({"toUserIds": users, "spaceId": id})).await);
    assert_eq!((sent["invites"].as_array().unwrap().len(), sent["failed"].as_array().unwrap().len()), (3, 2), "{sent}");
    assert_eq!(sent["failed"][0]["code"], "RATE_LIMIT_EXCEEDED");
    let refused = send(&alice, json!({"toUserId": users[4], "spaceId": id})).await;
    assert!(refused.header("retry-after").parse::<u32>().unwrap() >= 1);
    refused.expect_error(429, "RATE_LIMIT_EXCEEDED");
}

#[tokio::test]
async fn a_confined_token_neither_sends_nor_answers_invites() {
    let server = Server::start().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let id = space(&alice, "Atrium", 5, false).await;
    let sent = invite(&alice, &bob, &id).await;
    let claims = json!({"sub": bob.id, "username": "bob", "rooms": [id], "exp": token::now() + 3600});
    let confined = token::sign(&claims, token::SECRET);
    let confined = User::with_token(server.origin(), &bob.id, "bob", &confined);
    for path in ["/metaverse/invites/my-invites", "/metaverse/spaces"] {
        confined.get(path).await.expect_error(403, "PERMISSION_DENIED");
    }
    accept(&confined, &sent).await.expect_error(403, "PERMISSION_DENIED");
    data(accept(&bob, &sent).await);
}
