//! Notifications (docs/protocol.md, "Notifications"): stored, sent to every subscribed socket, queued for users who are
//! offline, and marked as read once.

use serde_json::{Value, json};

use crate::on_both;
use crate::support::raw::RawSocket;
use crate::support::rest::id_of;
use crate::support::shape::Kind::{Text, Time, Uuid};
use crate::support::shape::{assert_shape, number, text};
use crate::support::socket::Frame;
use crate::support::{DEADLINE, Postgres, Server, Socket, User, eventually, token};

const SEND: &str = "/api/v1/ws/broadcast/notification?event_type=notification_created";

fn admin(server: &Server) -> User {
    User::with_token(server.origin(), "ops", "ops", &token::for_admin("ops", "ops"))
}

/// The example of the seed application, with another title and priority.
fn notification(to: &User, title: &str, priority: &str) -> Value {
    json!({"user_id": to.id, "title": title, "message": "You have been assigned a new task", "category": "tasks",
           "priority": priority, "module_name": "project_management"})
}

async fn send(ops: &User, to: &User, title: &str, priority: &str) -> Value {
    ops.post(SEND, notification(to, title, priority)).await.expect(200)
}

async fn hear(socket: &mut Socket, title: &str) -> Value {
    let heard = socket.expect("notification").await;
    assert_eq!(heard["data"]["title"], title, "{heard}");
    heard
}

async fn titles(user: &User, query: &str) -> Vec<String> {
    let page = user.get(&format!("/api/v1/notifications{query}")).await.expect(200);
    page["notifications"].as_array().expect("a list").iter().map(|one| text(one, "title")).collect()
}

async fn workspace(user: &User) -> Socket {
    user.open("/api/v1/ws").await
}

async fn subscribe(socket: &mut Socket, mut filter: Value) {
    filter["type"] = json!("subscribe_notifications");
    filter["ref"] = json!("filter");
    socket.send_json(&filter).await;
    assert_eq!(socket.expect("ack").await["ref"], "filter");
}

on_both! {
    async fn it_is_stored_and_told_to_all_sockets_of_its_user(database) {
        let server = Server::builder().database(database).start().await;
        let (alice, bob, ops) = (server.user("alice").await, server.user("bob").await, admin(&server));
        let channel = alice.channel_with(&[&bob]).await;
        let (mut first, mut bystander) = (alice.join(&channel).await, bob.join(&channel).await);
        first.expect("user_joined").await;
        let mut second = workspace(&alice).await;
        second.expect_nothing_before_pong().await;
        let sent = ops.post(SEND, notification(&alice, "New Task", "high")).await.expect(200);
        assert_eq!((text(&sent, "event_type"), number(&sent, "sockets")), ("notification_created".to_owned(), 2));
        let stored = &sent["notification"];
        assert_shape(stored, &[("id", Uuid), ("created_at", Time), ("updated_at", Time), ("user_id", Text)]);
        assert_eq!((&stored["type"], &stored["status"]), (&json!("updates"), &json!("unread")), "{stored}");
        let heard = hear(&mut first, "New Task").await;
        assert_shape(&heard, &[("timestamp", Time)]);
        let event = second.expect("notification_event").await;
        assert_eq!((&event["event_type"], &event["user_id"]), (&json!("notification_created"), &json!(alice.id)));
        for said in [&heard["data"], &event["notification"]] {
            for name in ["id", "title", "message", "category", "priority", "module_name", "created_at"] {
                assert_eq!(said[name], stored[name], "{name} of {said}");
            }
        }
        bystander.expect_nothing_before_pong().await;
        let page = alice.get("/api/v1/notifications").await.expect(200);
        assert_eq!((&page["notifications"][0], &page["has_more"]), (stored, &json!(false)));
        assert_eq!(number(&page, "unread_count"), 1);
        assert_eq!(titles(&bob, "").await, [""; 0]);
    }
}

on_both! {
    async fn whoever_was_away_hears_it_once(database) {
        let mut server = Server::builder().database(database).start().await;
        let (alice, ops) = (server.user("alice").await, admin(&server));
        let channel = alice.channel_with(&[]).await;
        for (title, priority) in [("1", "low"), ("2", "high"), ("3", "normal"), ("4", "critical")] {
            assert_eq!(number(&send(&ops, &alice, title, priority).await, "sockets"), 0);
        }
        server.kill();
        server.restart().await;
        let mut socket = alice.join(&channel).await;
        for title in ["2", "4", "1", "3"] {
            hear(&mut socket, title).await;
        }
        // Until delivered notifications are forgotten, a new socket may find them leased by another one, but never
        // free.
        let mut later = alice.join(&channel).await;
        later.expect_nothing_before_pong().await;
        send(&ops, &alice, "5", "low").await;
        hear(&mut socket, "5").await;
        hear(&mut later, "5").await;
        assert_eq!(titles(&alice, "?unread=true").await, ["5", "4", "3", "2", "1"], "a delivered notification is still unread");
    }
}

#[tokio::test]
async fn many_wait_and_all_come() {
    let server = Server::start().await;
    let (alice, ops) = (server.user("alice").await, admin(&server));
    let channel = alice.channel_with(&[]).await;
    let sent: Vec<String> = (0..40).map(|n| n.to_string()).collect();
    for title in &sent {
        send(&ops, &alice, title, "normal").await;
    }
    // If two sockets connect at the same time, each notification is delivered on one of them.
    let (mut one, mut other) = tokio::join!(alice.join(&channel), alice.join(&channel));
    let mut heard = Vec::new();
    while heard.len() < sent.len() {
        let frame = tokio::select! { frame = one.next_json() => frame, frame = other.next_json() => frame };
        assert_eq!(frame["type"], "notification", "{frame}");
        heard.push(text(&frame["data"], "title"));
    }
    heard.sort_by_key(|title| title.parse::<u32>().expect("a number"));
    assert_eq!(heard, sent);
}

#[tokio::test]
async fn a_workspace_socket_hears_what_its_filter_takes() {
    let server = Server::start().await;
    let (alice, ops) = (server.user("alice").await, admin(&server));
    for (title, priority) in [("low", "low"), ("critical", "critical"), ("normal", "normal")] {
        send(&ops, &alice, title, priority).await;
    }
    let mut picky = workspace(&alice).await;
    picky.expect_nothing_before_pong().await;
    subscribe(&mut picky, json!({"categories": ["tasks"], "modules": ["tables"], "priorities": ["critical"]})).await;
    picky.expect_nothing_before_pong().await;
    let next = async |socket: &mut Socket| text(&socket.expect("notification_event").await["notification"], "title");
    subscribe(&mut picky, json!({"categories": ["tasks"], "priorities": ["normal", "critical"]})).await;
    assert_eq!((next(&mut picky).await, next(&mut picky).await), ("critical".to_owned(), "normal".to_owned()));
    // Live notifications, too; each socket has its own filter.
    let mut all = workspace(&alice).await;
    subscribe(&mut all, json!({})).await;
    assert_eq!(next(&mut all).await, "low", "it waited for a socket that wants it");
    send(&ops, &alice, "not for the picky one", "high").await;
    send(&ops, &alice, "for both", "normal").await;
    assert_eq!(next(&mut all).await, "not for the picky one");
    for socket in [&mut all, &mut picky] {
        assert_eq!(next(socket).await, "for both");
    }
    for bad in
        [json!({"priorities": ["urgent"]}), json!({"categories": "tasks"}), json!({"modules": vec!["m"; 10_000]})]
    {
        let mut bad = bad;
        bad["type"] = json!("subscribe_notifications");
        all.send_json(&bad).await;
        all.expect_error("INVALID_MESSAGE").await;
    }
    send(&ops, &alice, "the filter stands", "low").await;
    assert_eq!(next(&mut all).await, "the filter stands");
    picky.expect_nothing_before_pong().await;
}

#[tokio::test]
async fn what_was_read_is_told_to_the_users_other_sockets() {
    let server = Server::start().await;
    let (alice, bob, ops) = (server.user("alice").await, server.user("bob").await, admin(&server));
    let (mut reader, mut other) = (workspace(&alice).await, workspace(&alice).await);
    let id = id_of(&send(&ops, &alice, "Read me", "normal").await["notification"]);
    for socket in [&mut reader, &mut other] {
        socket.expect("notification_event").await;
    }
    let read = json!({"type": "notification_read", "notification_id": id, "ref": 1});
    reader.send_json(&read).await;
    assert_eq!(reader.expect("ack").await["ref"], 1);
    let event = other.expect("notification_event").await;
    assert_eq!((&event["event_type"], &event["notification_id"]), (&json!("notification_read"), &json!(id)));
    assert_eq!(titles(&alice, "?status=read").await, ["Read me"]);
    // A repetition changes nothing and is not announced.
    reader.send_json(&read).await;
    reader.expect("ack").await;
    other.expect_nothing_before_pong().await;
    for unknown in [uuid::Uuid::now_v7().to_string(), "notif_123".to_owned()] {
        reader.send_json(&json!({"type": "notification_read", "notification_id": unknown})).await;
        reader.expect_error("NOT_FOUND").await;
    }
    let mut stranger = workspace(&bob).await;
    stranger.send_json(&read).await;
    stranger.expect_error("NOT_FOUND").await;
}

#[tokio::test]
async fn its_user_lists_counts_reads_and_dismisses() {
    let server = Server::start().await;
    let (alice, bob, ops) = (server.user("alice").await, server.user("bob").await, admin(&server));
    let mut ids = Vec::new();
    for (title, priority) in [("1", "low"), ("2", "high"), ("3", "high"), ("4", "normal")] {
        ids.push(id_of(&send(&ops, &alice, title, priority).await["notification"]));
    }
    let counts = alice.get("/api/v1/notifications/unread").await.expect(200);
    let expected =
        json!({"unread_count": 4, "by_priority": {"low": 1, "normal": 1, "high": 2}, "by_category": {"tasks": 4}});
    assert_eq!(counts, expected);
    let mut socket = workspace(&alice).await;
    let read = format!("/api/v1/notifications/{}/read", ids[1]);
    bob.post(&read, json!({})).await.expect_error(404, "NOT_FOUND");
    assert_eq!(alice.post(&read, json!({})).await.status, 204);
    assert_eq!(socket.expect("notification_event").await["event_type"], "notification_read");
    assert_eq!(alice.post(&read, json!({})).await.status, 204);
    let dismiss = format!("/api/v1/notifications/{}", ids[3]);
    bob.delete(&dismiss).await.expect_error(404, "NOT_FOUND");
    assert_eq!(alice.delete(&dismiss).await.status, 204);
    let gone = socket.expect("notification_event").await;
    assert_eq!((&gone["event_type"], &gone["notification_id"]), (&json!("notification_deleted"), &json!(ids[3])));
    alice.delete(&dismiss).await.expect_error(404, "NOT_FOUND");
    alice.delete("/api/v1/notifications/none").await.expect_error(404, "NOT_FOUND");
    assert_eq!(titles(&alice, "").await, ["3", "2", "1"]);
    assert_eq!(titles(&alice, "?status=dismissed").await, ["4"]);
    assert_eq!(titles(&alice, "?priority=high&unread=true").await, ["3"]);
    assert_eq!(titles(&alice, "?category=other").await, [""; 0]);
    let page = alice.get("/api/v1/notifications?limit=2").await.expect(200);
    assert_eq!(page["has_more"], true);
    assert_eq!(titles(&alice, &format!("?limit=2&before={}", ids[1])).await, ["1"]);
    for bad in ["status=new", "priority=urgent", "before=x", "limit=0", "unread=perhaps"] {
        let answer = alice.get(&format!("/api/v1/notifications?{bad}")).await;
        let name = bad.split('=').next().expect("a name");
        let error = text(&answer.expect_error(400, "INVALID_MESSAGE"), "error");
        assert!(error.starts_with(name), "{error}");
    }
    let read = alice.post("/api/v1/notifications/read-all", json!({})).await.expect(200);
    assert_eq!(read, json!({"read": 2}));
    assert_eq!(socket.expect("notification_event").await["event_type"], "all_notifications_read");
    assert_eq!(alice.get("/api/v1/notifications/unread").await.expect(200)["unread_count"], 0);
    crate::support::rest::get(&server.url("/api/v1/notifications")).await.expect_error(401, "AUTHENTICATION_FAILED");
    // Notifications that were read or dismissed before anybody subscribed are not delivered later.
    subscribe(&mut socket, json!({})).await;
    socket.expect_nothing_before_pong().await;
}

#[tokio::test]
async fn an_administrator_sends_changes_and_takes_back() {
    let server = Server::start().await;
    let (alice, ops) = (server.user("alice").await, admin(&server));
    let mut socket = workspace(&alice).await;
    let mut body = notification(&alice, "Draft", "low");
    body["data"] = json!({"task": 7, "nul": "a\u{0}b"});
    body["expires_at"] = json!("2100-01-01T00:00:00+01:00");
    let id = id_of(&ops.post("/api/v1/ws/broadcast/notification", body.clone()).await.expect(200)["notification"]);
    let created = socket.expect("notification_event").await;
    assert_eq!(created["notification"]["data"], json!({"task": 7, "nul": "a\u{fffd}b"}));
    let of = |event: &str| format!("/api/v1/ws/broadcast/notification?event_type=notification_{event}");
    body["title"] = json!("Final");
    ops.post(&of("updated"), body.clone()).await.expect_error(400, "INVALID_MESSAGE");
    body["notification_id"] = json!(id);
    let updated = ops.post(&of("updated"), body.clone()).await.expect(200);
    assert_eq!(updated["notification"]["expires_at"], "2099-12-31T23:00:00.000Z");
    let event = socket.expect("notification_event").await;
    assert_eq!(
        (&event["event_type"], &event["notification"]["title"]),
        (&json!("notification_updated"), &json!("Final"))
    );
    let deleted = ops.post(&of("deleted"), json!({"notification_id": id})).await.expect(200);
    assert_eq!((number(&deleted, "sockets"), &deleted["notification"]["status"]), (1, &json!("dismissed")));
    assert_eq!(socket.expect("notification_event").await["event_type"], "notification_deleted");
    ops.post(&of("deleted"), json!({"notification_id": id})).await.expect_error(404, "NOT_FOUND");
    ops.post(&of("updated"), body).await.expect_error(404, "NOT_FOUND");
    assert_eq!(titles(&alice, "").await, [""; 0]);
}

#[tokio::test]
async fn without_a_user_it_goes_to_everybody_online() {
    let server = Server::start().await;
    let (alice, bob, carol) = (server.user("alice").await, server.user("bob").await, server.user("carol").await);
    let ops = admin(&server);
    let (mut one, mut other) = (workspace(&alice).await, workspace(&bob).await);
    let body = json!({"title": "Hello", "message": "all", "category": "system"});
    eventually("both online", DEADLINE, || async {
        let online = number(&ops.get("/api/v1/ws/stats").await.expect(200), "users_online");
        (online == 2).then_some(())
    })
    .await;
    let sent = ops.post(SEND, body).await.expect(200);
    assert_eq!((number(&sent, "users"), number(&sent, "sockets")), (2, 2), "{sent}");
    for socket in [&mut one, &mut other] {
        let heard = socket.expect("notification_event").await;
        assert_eq!(heard["notification"]["priority"], "normal", "{heard}");
    }
    assert_eq!(titles(&carol, "").await, [""; 0]);
}

#[tokio::test]
async fn what_is_wrong_is_refused_by_its_name() {
    let server = Server::start().await;
    let (alice, ops) = (server.user("alice").await, admin(&server));
    let body = |name: &str, value: Value| {
        let mut body = notification(&alice, "Title", "low");
        body[name] = value;
        body
    };
    alice.post(SEND, body("title", json!("x"))).await.expect_error(403, "PERMISSION_DENIED");
    for (name, value) in [
        ("title", json!(null)),
        ("title", json!("x".repeat(256))),
        ("message", json!(["a"])),
        ("message", json!("x".repeat(2_001))),
        ("category", json!("")),
        ("category", json!("x".repeat(65))),
        ("priority", json!("urgent")),
        ("module_name", json!(7)),
        ("data", json!([1])),
        ("data", json!({"long": "x".repeat(5_000)})),
        ("expires_at", json!("tomorrow")),
        ("expires_at", json!("2020-01-01T00:00:00Z")),
    ] {
        let answer = ops.post(SEND, body(name, value)).await;
        let error = text(&answer.expect_error(400, "INVALID_MESSAGE"), "error");
        assert!(error.starts_with(name), "{error}");
    }
    let unknown_event = "/api/v1/ws/broadcast/notification?event_type=notification_sung";
    ops.post(unknown_event, body("title", json!("x"))).await.expect_error(400, "INVALID_MESSAGE");
    ops.post(SEND, body("user_id", json!("nobody"))).await.expect_error(404, "USER_NOT_FOUND");
    ops.post(SEND, body("user_id", json!("x".repeat(200)))).await.expect_error(400, "INVALID_MESSAGE");
    assert_eq!(titles(&alice, "").await, [""; 0]);
}

#[tokio::test]
async fn what_a_dead_node_had_in_hand_is_told_when_its_lease_ends() {
    let postgres = Postgres::shared();
    let url = postgres.create_database().await;
    let server = Server::builder().env("DATABASE_URL", &url).start().await;
    let (alice, ops) = (server.user("alice").await, admin(&server));
    let channel = alice.channel_with(&[]).await;
    send(&ops, &alice, "left behind", "normal").await;
    let lease = "UPDATE user_queue SET leased_until = now() + interval '2 seconds' RETURNING user_id";
    assert_eq!(postgres.query_text(&url, lease).await.as_ref(), Some(&alice.id));
    let mut socket = alice.join(&channel).await;
    socket.expect_nothing_before_pong().await;
    hear(&mut socket, "left behind").await;
    socket.expect_nothing_before_pong().await;
}

#[tokio::test]
async fn what_a_stalled_socket_never_took_is_told_to_the_next() {
    let server = Server::builder().env("LEAVE_GRACE_MS", 0).start().await;
    let (alice, bob, ops) = (server.user("alice").await, server.user("bob").await, admin(&server));
    let channel = alice.channel_with(&[&bob]).await;
    let mut sender = alice.join(&channel).await;
    let mut stalled = RawSocket::with_receive_buffer(server.authority(), 4096).await;
    let path = format!("/ws/channel/{channel}?token={}", bob.token);
    assert_eq!(stalled.handshake(server.authority(), &path, &[]).await.status, 101);
    sender.expect("user_joined").await;
    // More than the system buffers, less than the send buffer of a socket.
    let content = "x".repeat(9_000);
    for _ in 0..40 {
        sender.say(&content).await;
        sender.expect_message(&content).await;
    }
    assert_eq!(number(&send(&ops, &bob, "in the backlog", "normal").await, "sockets"), 1);
    match sender.next_within(DEADLINE * 2).await {
        Some(Frame::Json(left)) if left["type"] == "user_left" => assert_eq!(left["user_id"], bob.id.as_str()),
        other => panic!("it is cut, and leaves: {other:?}"),
    }
    let mut back = bob.join(&channel).await;
    hear(&mut back, "in the backlog").await;
    let mut other = bob.join(&channel).await;
    other.expect_nothing_before_pong().await;
    back.expect_nothing_before_pong().await;
}

on_both! {
    async fn of_what_waits_the_latest_are_told(database) {
        let server = Server::builder().database(database).env("MAX_QUEUE_SIZE", 5).start().await;
        let (alice, ops) = (server.user("alice").await, admin(&server));
        let channel = alice.channel_with(&[]).await;
        for title in ["1", "2", "3", "4", "5", "6", "7"] {
            send(&ops, &alice, title, "normal").await;
        }
        let mut socket = alice.join(&channel).await;
        for title in ["3", "4", "5", "6", "7"] {
            hear(&mut socket, title).await;
        }
        socket.expect_nothing_before_pong().await;
        assert_eq!(titles(&alice, "").await, ["7", "6", "5", "4", "3", "2", "1"], "all are kept");
    }
}
