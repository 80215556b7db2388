//! Spaces over REST: created, listed, changed, and with members.

use reqwest::Method;
use serde_json::json;

use super::{admit, assert_failed, data, invite, space};
use crate::on_both;
use crate::support::{Server, User, token};

const NO_ACCESS: &str = "You do not have access to this space";

on_both! {
    async fn a_space_is_created_listed_and_changed(database) {
        let server = Server::builder().database(database).start().await;
        let (alice, bob) = (server.user("alice").await, server.user("bob").await);
        let new = json!({"name": "Atrium", "capacity": 5, "isPublic": true, "interestRadius": 40});
        let made = alice.post("/metaverse/spaces", new).await;
        assert_eq!(made.status, 201);
        let made = data(made)["space"].clone();
        let path = format!("/metaverse/spaces/{}", made["id"].as_str().unwrap());
        assert_eq!((&made["name"], &made["capacity"], &made["memberCount"], &made["isPublic"]), (&json!("Atrium"), &json!(5), &json!(1), &json!(true)));
        assert_eq!((&made["interestRadius"], &made["role"], &made["ownerId"]), (&json!(40), &json!("admin"), &json!(alice.id)));
        assert_eq!(data(alice.get(&path).await)["space"], made);
        let hidden = space(&alice, "Den", 2, false).await;
        let seen = data(bob.get("/metaverse/spaces").await);
        assert_eq!((&seen["count"], &seen["total"], &seen["spaces"][0]["role"]), (&json!(1), &json!(1), &json!(null)));
        assert_eq!(data(alice.get("/metaverse/spaces?limit=1&page=2").await)["spaces"][0]["id"], json!(hidden));
        let change = json!({"name": "Hall", "isPublic": false, "interestRadius": null});
        bob.request(Method::PATCH, &path, Some(change.clone())).await.expect_error(403, "PERMISSION_DENIED");
        let changed = data(alice.request(Method::PATCH, &path, Some(change)).await)["space"].clone();
        assert_eq!((&changed["name"], &changed["capacity"], &changed["isPublic"], &changed["interestRadius"]), (&json!("Hall"), &json!(5), &json!(false), &json!(null)));
        assert_failed(bob.get(&path).await, 403, "PERMISSION_DENIED", NO_ACCESS);
        assert_failed(bob.get(&format!("{path}/members")).await, 403, "PERMISSION_DENIED", NO_ACCESS);
        for unknown in ["/metaverse/spaces/00000000-0000-7000-8000-000000000000", "/metaverse/spaces/x"] {
            assert_failed(bob.get(unknown).await, 404, "ROOM_NOT_FOUND", "Space not found");
        }
    }
}

on_both! {
    async fn members_have_roles_and_the_last_admin_stays(database) {
        let server = Server::builder().database(database).start().await;
        let (alice, bob, carol) = (server.user("alice").await, server.user("bob").await, server.user("carol").await);
        let id = space(&alice, "Atrium", 3, false).await;
        admit(&alice, &bob, &id).await;
        let members = format!("/metaverse/spaces/{id}/members");
        let of = |user: &User| format!("{members}/{}", user.id);
        let listed = data(bob.get(&members).await);
        let roles: Vec<_> = listed["members"].as_array().unwrap().iter().map(|one| (one["userId"].clone(), one["role"].clone())).collect();
        assert_eq!(roles, [(json!(alice.id), json!("admin")), (json!(bob.id), json!("member"))]);
        assert_eq!((&listed["count"], &listed["total"]), (&json!(2), &json!(2)));
        bob.delete(&of(&alice)).await.expect_error(403, "PERMISSION_DENIED");
        alice.delete(&members).await.expect_error(409, "CONFLICT");
        alice.delete(&of(&carol)).await.expect_error(404, "NOT_FOUND");
        bob.request(Method::PATCH, &of(&bob), Some(json!({"role": "admin"}))).await.expect_error(403, "PERMISSION_DENIED");
        alice.request(Method::PATCH, &of(&bob), Some(json!({"role": "king"}))).await.expect_error(400, "INVALID_MESSAGE");
        let promoted = data(alice.request(Method::PATCH, &of(&bob), Some(json!({"role": "admin"}))).await);
        assert_eq!(promoted["member"]["role"], "admin");
        data(alice.delete(&members).await);
        alice.get(&members).await.expect_error(403, "PERMISSION_DENIED");
        let smaller = json!({"capacity": 1});
        let path = format!("/metaverse/spaces/{id}");
        assert_eq!(data(bob.request(Method::PATCH, &path, Some(smaller)).await)["space"]["memberCount"], 1);
        let full = bob.post("/metaverse/invites/send", json!({"toUserId": carol.id, "spaceId": id})).await;
        assert_failed(full, 409, "SPACE_FULL", "Space is full");
        data(bob.request(Method::PATCH, &path, Some(json!({"capacity": 2}))).await);
        admit(&bob, &carol, &id).await;
        bob.request(Method::PATCH, &path, Some(json!({"capacity": 1}))).await.expect_error(409, "CONFLICT");
        data(bob.delete(&of(&carol)).await);
    }
}

#[tokio::test]
async fn bad_fields_are_named_and_administrators_manage_all_spaces() {
    let server = Server::start().await;
    let alice = server.user("alice").await;
    for (field, body) in [
        ("name", json!({})),
        ("name", json!({"name": "x".repeat(129)})),
        ("capacity", json!({"name": "a", "capacity": 0})),
        ("capacity", json!({"name": "a", "capacity": "many"})),
        ("isPublic", json!({"name": "a", "isPublic": "yes"})),
        ("interestRadius", json!({"name": "a", "interestRadius": -1})),
    ] {
        let error = alice.post("/metaverse/spaces", body).await.expect_error(400, "INVALID_MESSAGE");
        assert!(error["error"].as_str().unwrap().starts_with(field), "{field}: {error}");
        assert_eq!(error["status"], "failed");
    }
    alice.get("/metaverse/spaces?page=0").await.expect_error(400, "INVALID_MESSAGE");
    let id = space(&alice, "Den", 2, false).await;
    let ops = User::with_token(server.origin(), "ops", "ops", &token::for_admin("ops", "ops"));
    let renamed = ops.request(Method::PATCH, &format!("/metaverse/spaces/{id}"), Some(json!({"name": "Lair"}))).await;
    assert_eq!(data(renamed)["space"]["name"], "Lair");
    let nobody = User::with_token(server.origin(), "x", "x", "no token");
    let refused = nobody.get("/metaverse/spaces").await.expect_error(401, "AUTHENTICATION_FAILED");
    assert_eq!(refused["status"], "failed");
}

#[tokio::test]
async fn a_notification_of_an_invite_reaches_the_sockets_of_other_dialects() {
    let server = Server::start().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let id = space(&alice, "Atrium", 3, false).await;
    let mut nexus = bob.nexus().await;
    let mut workspace = bob.open("/api/v1/ws").await;
    let mut sender = alice.nexus().await;
    let sent = invite(&alice, &bob, &id).await;
    let told = nexus.read_until("notification").await.pop().unwrap();
    assert_eq!(
        (&told["notification_id"], &told["category"], &told["data"]["spaceId"]),
        (&sent["id"], &json!("invites"), &json!(id))
    );
    let told = workspace.read_until("notification_event").await.pop().unwrap();
    assert_eq!(told["notification"]["id"], sent["id"], "{told}");
    data(super::accept(&bob, &sent).await);
    let told = sender.read_until("notification").await.pop().unwrap();
    assert_eq!((&told["data"]["event"], &told["data"]["invite"]["id"]), (&json!("invite_accepted"), &sent["id"]));
}
