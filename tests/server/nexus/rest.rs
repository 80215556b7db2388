//! The routes of the seed.

use serde_json::json;

use super::{joined, say};
use crate::support::{Server, User, token};

/// A token that is confined to rooms.
fn confined(server: &Server, user: &User) -> User {
    let claims = json!({
        "sub": user.id, "username": user.username, "rooms": ["open_*"], "iat": token::now(), "exp": token::now() + 3600,
    });
    User::with_token(server.origin(), &user.id, &user.username, &token::sign(&claims, token::SECRET))
}

#[tokio::test]
async fn everybody_may_ask_who_is_online_except_with_a_confined_token() {
    let server = Server::start().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let absent = json!({
        "user_id": alice.id, "username": "alice", "status": "offline", "status_message": null, "location": null,
    });
    let presence = format!("/api/presence/{}", alice.id);
    assert_eq!(bob.get(&presence).await.expect(200), absent);
    assert_eq!(bob.get("/api/ws/online").await.expect(200), json!({"online_users": [], "count": 0}));
    let mut socket = alice.nexus().await;
    let busy = json!({"event_type": "presence.update", "status": "busy", "status_message": "Deep work", "ref": 1});
    socket.send_json(&busy).await;
    socket.expect("ack").await;
    let shown = json!({
        "user_id": alice.id, "username": "alice", "status": "busy", "status_message": "Deep work", "location": null,
    });
    assert_eq!(bob.get(&presence).await.expect(200), shown);
    assert_eq!(bob.get("/api/ws/online").await.expect(200), json!({"online_users": [shown], "count": 1}));
    let statistics = bob.get("/api/ws/stats").await.expect(200);
    assert_eq!((&statistics["total_connections"], &statistics["users_online"]), (&json!(1), &json!(1)));
    bob.get("/api/presence/nobody").await.expect_error(404, "USER_NOT_FOUND");
    let confined = confined(&server, &bob);
    for path in [&presence, "/api/ws/online", "/api/ws/stats"] {
        confined.get(path).await.expect_error(403, "PERMISSION_DENIED");
    }
}

#[tokio::test]
async fn the_members_of_a_room_are_shown_to_those_who_may_enter_it() {
    let server = Server::start().await;
    let (alice, bob, carol) = (server.user("alice").await, server.user("bob").await, server.user("carol").await);
    let dave = server.user("dave").await;
    let mut first = joined(&alice, "open_room").await;
    let mut second = bob.nexus().await;
    say(&mut second, "open_room", "hello").await;
    first.read_until("chat.message").await;
    let members = |of: &[(&User, bool)]| {
        let mut members: Vec<_> = of
            .iter()
            .map(|(user, online)| json!({"user_id": user.id, "username": user.username, "online": online}))
            .collect();
        members.sort_by_key(|member| member["user_id"].to_string());
        members
    };
    let shown = carol.get("/api/ws/rooms/open_room").await.expect(200);
    let expected = members(&[(&alice, true), (&bob, true)]);
    assert_eq!(
        (&shown["room_id"], &shown["count"], &shown["members"]),
        (&json!("open_room"), &json!(2), &json!(expected))
    );
    confined(&server, &carol).get("/api/ws/rooms/open_room").await.expect(200);

    let channel = alice.channel_with(&[&bob, &dave]).await;
    let path = format!("/api/ws/rooms/{channel}");
    let expected = members(&[(&alice, true), (&bob, true), (&dave, false)]);
    assert_eq!(bob.get(&path).await.expect(200)["members"], json!(expected));
    carol.get(&path).await.expect_error(403, "PERMISSION_DENIED");
    confined(&server, &bob).get(&path).await.expect_error(403, "PERMISSION_DENIED");
    bob.get("/api/ws/rooms/no_such_room").await.expect_error(404, "ROOM_NOT_FOUND");
}

#[tokio::test]
async fn administrators_send_typed_notifications() {
    let server = Server::start().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let ops = User::with_token(server.origin(), "ops", "ops", &token::for_admin("ops", "ops"));
    let (mut first, mut second) = (alice.nexus().await, bob.nexus().await);
    // the example of the seed
    let message = json!({
        "user_id": alice.id, "title": "New Message", "message": "You have a new message", "notification_type": "info",
        "priority": "normal",
    });
    alice.post("/api/notifications/send", message.clone()).await.expect_error(403, "PERMISSION_DENIED");
    let sent = ops.post("/api/notifications/send", message).await.expect(200);
    let shown = first.expect("notification").await;
    assert_eq!(shown["notification_id"], sent["notification"]["id"]);
    for (field, value) in [
        ("title", "New Message"),
        ("message", "You have a new message"),
        ("notification_type", "info"),
        ("priority", "normal"),
        ("category", "general"),
    ] {
        assert_eq!(shown[field], value, "{field}");
    }
    let alert = json!({
        "title": "System Alert", "message": "Maintenance in 10 minutes", "notification_type": "warning",
        "priority": "high", "data": {"minutes": 10},
    });
    bob.post("/api/notifications/broadcast", alert.clone()).await.expect_error(403, "PERMISSION_DENIED");
    let sent = ops.post("/api/notifications/broadcast", alert).await.expect(200);
    assert_eq!(sent["users"], 2);
    for socket in [&mut first, &mut second] {
        let shown = socket.expect("notification").await;
        assert_eq!((&shown["notification_type"], &shown["data"]["minutes"]), (&json!("warning"), &json!(10)));
    }
    let error = ops.post("/api/notifications/send", json!({"user_id": alice.id, "title": "x"})).await;
    error.expect_error(400, "INVALID_MESSAGE");
    let unknown = json!({"user_id": "nobody", "title": "x", "message": "y"});
    ops.post("/api/notifications/send", unknown).await.expect_error(404, "USER_NOT_FOUND");
}
