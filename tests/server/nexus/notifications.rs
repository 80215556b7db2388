//! Notifications, and what is queued.

use serde_json::{Value, json};

use super::{joined, send};
use crate::on_both;
use crate::support::{Server, Socket, User, token};

async fn notify(server: &Server, to: &User, title: &str, priority: &str) -> Value {
    let ops = User::with_token(server.origin(), "ops", "ops", &token::for_admin("ops", "ops"));
    let body = json!({"user_id": to.id, "title": title, "message": "m", "priority": priority});
    ops.post("/api/notifications/send", body).await.expect(200)["notification"]["id"].clone()
}

async fn ask(socket: &mut Socket, kind: &str, id: Option<&Value>) {
    let mut message = json!({"event_type": kind, "ref": "asked"});
    if let Some(id) = id {
        message["notification_id"] = id.clone();
    }
    socket.send_json(&message).await;
}

on_both! {
    async fn reading_and_clearing_are_stored_and_shown_on_the_other_sockets(database) {
        let server = Server::on(database).await;
        let alice = server.user("alice").await;
        let mut first = alice.nexus().await;
        let mut second = alice.nexus().await;
        first.expect("connect").await;
        let mut workspace = alice.open("/api/v1/ws").await;
        for socket in [&mut first, &mut second] {
            socket.expect("connect").await;
        }
        let mut ids = Vec::new();
        for title in ["one", "two", "three"] {
            ids.push(notify(&server, &alice, title, "normal").await);
            for socket in [&mut first, &mut second] {
                assert_eq!(socket.expect("notification").await["title"], title);
            }
            workspace.expect("notification_event").await;
        }
        ask(&mut first, "notification.read", Some(&ids[0])).await;
        assert_eq!(first.expect("ack").await["ref"], "asked");
        assert_eq!(second.expect("notification.read").await["notification_id"], ids[0]);
        assert_eq!(workspace.expect("notification_event").await["event_type"], "notification_read");

        ask(&mut first, "notification.clear", Some(&ids[1])).await;
        first.expect("ack").await;
        assert_eq!(second.expect("notification.clear").await["notification_id"], ids[1]);
        assert_eq!(workspace.expect("notification_event").await["event_type"], "notification_deleted");
        ask(&mut first, "notification.clear", Some(&ids[1])).await;
        first.expect_error("NOT_FOUND").await;

        // all that are read
        ask(&mut first, "notification.clear", None).await;
        first.expect("ack").await;
        assert_eq!(second.expect("notification.clear").await.get("notification_id"), None);
        assert_eq!(workspace.expect("notification_event").await["event_type"], "read_notifications_deleted");
        ask(&mut first, "notification.clear", None).await;
        first.expect("ack").await;
        for socket in [&mut first, &mut second] {
            socket.expect_nothing_before_pong().await;
        }
        let left = alice.get("/api/v1/notifications").await.expect(200);
        assert_eq!(left["notifications"].as_array().unwrap().len(), 1);
        assert_eq!(left["notifications"][0]["id"], ids[2]);
    }
}

on_both! {
    async fn what_is_urgent_is_delivered_first_and_all_of_it_once(database) {
        let server = Server::on(database).await;
        let (alice, bob) = (server.user("alice").await, server.user("bob").await);
        let mut author = bob.nexus().await;
        let message = |text: &str| json!({"event_type": "chat.message", "recipient_id": alice.id, "content": text});
        let (echo, receipt) = send(&mut author, &message("first")).await;
        assert_eq!((&receipt["queued_for"], &receipt["delivered_to"]), (&json!([alice.id]), &json!([])));
        notify(&server, &alice, "usual", "normal").await;
        send(&mut author, &message("second")).await;
        notify(&server, &alice, "urgent", "critical").await;
        notify(&server, &alice, "important", "high").await;

        let mut socket = alice.nexus().await;
        for (kind, field, text) in [
            ("notification", "title", "urgent"),
            ("notification", "title", "important"),
            ("chat.message", "content", "first"),
            ("notification", "title", "usual"),
            ("chat.message", "content", "second"),
        ] {
            assert_eq!(socket.expect(kind).await[field], text);
        }
        socket.expect_nothing_before_pong().await;
        socket.close().await;
        let mut again = joined(&alice, "elsewhere").await;
        again.expect_nothing_before_pong().await;
        assert_eq!(echo["seq"], 1);
    }
}
