//! Groups and channels over REST: permissions, and the effects on open sockets (docs/protocol.md, "channel").

use serde_json::{Value, json};

use crate::on_both;
use crate::support::raw::RawSocket;
use crate::support::rest::id_of;
use crate::support::shape::Kind::{Boolean, Count, OptionalText, Text, Time, Uuid};
use crate::support::shape::{assert_shape, sorted_texts};
use crate::support::{Server, User};

async fn add(by: &User, group: &str, user: &User, role: &str) -> crate::support::rest::Answer {
    by.post(&format!("/api/groups/{group}/members"), json!({"user_id": user.id, "role": role})).await
}

on_both! {
    async fn the_creator_owns_a_group_and_members_see_it(database) {
        let server = Server::on(database).await;
        let (alice, bob) = (server.user("alice").await, server.user("bob").await);
        let group = alice.post("/api/groups", json!({"name": "Club 🎉", "description": "Tuesdays"})).await.expect(201);
        let fields = [
            ("id", Uuid), ("name", Text), ("description", OptionalText), ("owner_id", Text), ("role", Text),
            ("created_at", Time),
        ];
        assert_shape(&group, &fields);
        assert_eq!((&group["name"], &group["description"]), (&json!("Club 🎉"), &json!("Tuesdays")));
        assert_eq!((&group["owner_id"], &group["role"]), (&json!(alice.id), &json!("owner")));
        let path = format!("/api/groups/{}", id_of(&group));
        assert_eq!(alice.get("/api/groups").await.expect(200), json!([group]));
        assert_eq!(alice.get(&path).await.expect(200), group);

        assert_eq!(bob.get("/api/groups").await.expect(200), json!([]));
        bob.get(&path).await.expect_error(403, "PERMISSION_DENIED");
        let member = add(&alice, &id_of(&group), &bob, "member").await.expect(201);
        let fields = [
            ("user_id", Text), ("username", Text), ("display_name", OptionalText), ("role", Text), ("joined_at", Time),
            ("online", Boolean),
        ];
        assert_shape(&member, &fields);
        assert_eq!((&member["user_id"], &member["role"]), (&json!(bob.id), &json!("member")));
        assert_eq!(bob.get(&path).await.expect(200)["role"], "member");
        add(&alice, &id_of(&group), &bob, "member").await.expect_error(409, "ALREADY_MEMBER");
    }
}

on_both! {
    async fn channels_have_a_kind_and_belong_to_a_group(database) {
        let server = Server::on(database).await;
        let alice = server.user("alice").await;
        let group = alice.create_group("Club").await;
        let path = format!("/api/groups/{group}/channels");
        for kind in ["TEXT", "VOICE", "VIDEO"] {
            let channel = alice.post(&path, json!({"name": kind.to_lowercase(), "type": kind})).await.expect(201);
            let fields = [("id", Uuid), ("group_id", Uuid), ("name", Text), ("type", Text), ("created_at", Time)];
            assert_shape(&channel, &fields);
            assert_eq!((&channel["type"], &channel["group_id"]), (&json!(kind), &json!(group)));
            alice.join(&id_of(&channel)).await;
        }
        let without_kind = alice.post(&path, json!({"name": "plain"})).await.expect(201);
        assert_eq!(without_kind["type"], "TEXT");
        let channels = alice.get(&path).await.expect(200);
        let names: Value = channels.as_array().expect("a list").iter().map(|c| c["name"].clone()).collect();
        assert_eq!(sorted_texts(&names), ["plain", "text", "video", "voice"]);
    }
}

#[tokio::test]
async fn bad_fields_are_named() {
    let server = Server::start().await;
    let alice = server.user("alice").await;
    let group = alice.create_group("Club").await;
    let channels = format!("/api/groups/{group}/channels");
    let members = format!("/api/groups/{group}/members");
    let cases = [
        ("/api/groups", json!({}), "name"),
        ("/api/groups", json!({"name": ""}), "name"),
        ("/api/groups", json!({"name": "n".repeat(129)}), "name"),
        ("/api/groups", json!({"name": 5}), "name"),
        ("/api/groups", json!({"name": "n", "description": 5}), "description"),
        (channels.as_str(), json!({}), "name"),
        (&channels, json!({"name": "n".repeat(129)}), "name"),
        (&channels, json!({"name": "c", "type": "SMELL"}), "type"),
        (&members, json!({"role": "member"}), "user_id"),
        (&members, json!({"user_id": alice.id, "role": "king"}), "role"),
    ];
    for (path, body, field) in cases {
        let error = alice.post(path, body.clone()).await.expect_error(400, "INVALID_MESSAGE");
        let sentence = error["error"].as_str().unwrap_or_default();
        assert!(sentence.contains(field), "{path} {body}: the sentence should name '{field}': {sentence}");
    }
    alice.post("/api/groups", json!({"name": "n".repeat(128)})).await.expect(201);
    alice.post(&members, json!({"user_id": "nobody"})).await.expect_error(404, "USER_NOT_FOUND");
}

#[tokio::test]
async fn roles_decide_who_may_what() {
    let server = Server::start().await;
    let owner = server.user("owner").await;
    let (moderator, member) = (server.user("moderator").await, server.user("member").await);
    let (stranger, guest) = (server.user("stranger").await, server.user("guest").await);
    let group = owner.create_group("Club").await;
    add(&owner, &group, &moderator, "moderator").await.expect(201);
    add(&moderator, &group, &member, "member").await.expect(201);
    let channels = format!("/api/groups/{group}/channels");
    let members = format!("/api/groups/{group}/members");

    moderator.post(&channels, json!({"name": "by-moderator"})).await.expect(201);
    for user in [&member, &stranger] {
        user.post(&channels, json!({"name": "no"})).await.expect_error(403, "PERMISSION_DENIED");
        add(user, &group, &guest, "member").await.expect_error(403, "PERMISSION_DENIED");
        let path = format!("{members}/{}", moderator.id);
        user.delete(&path).await.expect_error(403, "PERMISSION_DENIED");
    }
    for role in ["moderator", "owner"] {
        add(&moderator, &group, &guest, role).await.expect_error(403, "PERMISSION_DENIED");
    }
    moderator.delete(&format!("{members}/{}", owner.id)).await.expect_error(403, "PERMISSION_DENIED");
    for path in [format!("/api/groups/{group}"), members.clone(), channels.clone()] {
        stranger.get(&path).await.expect_error(403, "PERMISSION_DENIED");
        member.get(&path).await.expect(200);
    }
    for path in ["", "/members", "/channels"] {
        let unknown = format!("/api/groups/{}{path}", uuid::Uuid::now_v7());
        let answer = owner.get(&unknown).await;
        assert_eq!(answer.status, 404, "{unknown}: {}", answer.text);
    }
    let by_name = owner.post(&members, json!({"username": "guest"})).await.expect(201);
    assert_eq!((&by_name["user_id"], &by_name["role"]), (&json!(guest.id), &json!("member")));
    moderator.delete(&format!("{members}/{}", guest.id)).await.expect(204);
    member.delete(&format!("{members}/{}", member.id)).await.expect(204);
    member.get(&format!("/api/groups/{group}")).await.expect_error(403, "PERMISSION_DENIED");
}

on_both! {
    async fn removal_closes_the_users_sockets_in_that_group(database) {
        let server = Server::on(database).await;
        let (alice, bob) = (server.user("alice").await, server.user("bob").await);
        let group = alice.create_group("Club").await;
        alice.add_member(&group, &bob).await;
        let channel = alice.create_channel(&group, "general").await;
        let other_channel = alice.channel_with(&[&bob]).await;
        let mut watcher = alice.join(&channel).await;
        let mut removed = bob.join(&channel).await;
        watcher.expect("user_joined").await;
        let mut elsewhere = bob.join(&other_channel).await;

        alice.delete(&format!("/api/groups/{group}/members/{}", bob.id)).await.expect(204);
        removed.expect_close(4403).await;
        assert_eq!(watcher.expect("user_left").await["user_id"], bob.id.as_str());
        elsewhere.expect_nothing_before_pong().await;
        bob.get(&format!("/api/channels/{channel}/messages")).await.expect_error(403, "PERMISSION_DENIED");
        let mut raw = RawSocket::connect(server.authority()).await;
        let path = format!("/ws/channel/{channel}?token={}", bob.token);
        assert_eq!(raw.handshake(server.authority(), &path, &[]).await.status, 403);
        alice.add_member(&group, &bob).await;
        bob.join(&channel).await;
    }
}

#[tokio::test]
async fn members_and_searches_show_who_is_online() {
    let server = Server::start().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let group = alice.create_group("Club").await;
    alice.add_member(&group, &bob).await;
    let channel = alice.create_channel(&group, "general").await;
    let _socket = bob.join(&channel).await;
    let members = alice.get(&format!("/api/groups/{group}/members")).await.expect(200);
    let online = |id: &str| {
        let member = members.as_array().expect("a list").iter().find(|member| member["user_id"] == id);
        member.unwrap_or_else(|| panic!("{id} in {members}"))["online"].clone()
    };
    assert_eq!((online(&bob.id), online(&alice.id)), (json!(true), json!(false)));

    let found = alice.get("/api/users?query=BO").await.expect(200);
    assert_eq!(found.as_array().map(Vec::len), Some(1), "{found}");
    let fields =
        [("id", Text), ("username", Text), ("display_name", OptionalText), ("number", Count), ("online", Boolean)];
    assert_shape(&found[0], &fields);
    let of_number = async |number: &Value| alice.get(&format!("/api/users?number={number}")).await;
    assert_eq!(of_number(&found[0]["number"]).await.expect(200), found);
    assert_eq!(of_number(&json!(999_999)).await.expect(200), json!([]));
    of_number(&json!(-1)).await.expect_error(400, "INVALID_MESSAGE");
    assert_eq!((&found[0]["id"], &found[0]["online"]), (&json!(bob.id), &json!(true)));
    assert_eq!(found[0].get("email"), None, "a search must not tell addresses");
    for query in ["%25", "_ob", "b%25"] {
        let found = alice.get(&format!("/api/users?query={query}")).await.expect(200);
        assert_eq!(found, json!([]), "'{query}' is text, not a pattern");
    }
}
