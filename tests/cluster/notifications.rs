//! Notifications reach every socket of their user on every node. For an offline user they are delivered on whichever
//! node the user connects to.

use std::time::Duration;

use serde_json::json;

use crate::setting::Setting;
use crate::support::proxy::Line;
use crate::support::rest::get;
use crate::support::shape::{number, text};
use crate::support::{DEADLINE, Socket, User, eventually, token};

fn admin(setting: &Setting, node: usize) -> User {
    let token = token::for_admin("root-of-all", "root");
    User::with_token(setting.cluster.server(node).origin(), "root-of-all", "root", &token)
}

async fn send(setting: &Setting, node: usize, to: &User, title: &str) {
    let body = json!({"user_id": to.id, "title": title, "message": "m", "category": "tasks"});
    admin(setting, node).post("/api/v1/ws/broadcast/notification", body).await.expect(200);
}

async fn hear(socket: &mut Socket) -> String {
    let frame = socket.read_until("notification").await.pop().expect("the one that was waited for");
    text(&frame["data"], "title")
}

#[tokio::test]
async fn every_socket_on_every_node_hears_it_and_of_its_reading() {
    let setting = Setting::new().await;
    let bob_here = setting.cluster.at(0, &setting.bob);
    let (mut there, mut here) = (setting.bob.join(&setting.channel).await, bob_here.open("/api/v1/ws").await);
    send(&setting, 0, &setting.bob, "one").await;
    assert_eq!(hear(&mut there).await, "one");
    let event = here.expect("notification_event").await;
    assert_eq!(event["notification"]["title"], "one");
    let id = text(&event["notification"], "id");
    let mut reader = setting.bob.open("/api/v1/ws").await;
    reader.send_json(&json!({"type": "notification_read", "notification_id": id, "ref": 1})).await;
    reader.expect("ack").await;
    let read = here.expect("notification_event").await;
    assert_eq!((&read["event_type"], &read["notification_id"]), (&json!("notification_read"), &json!(id)));
    let counts = setting.bob.get("/api/v1/notifications/unread").await.expect(200);
    assert_eq!(number(&counts, "unread_count"), 0);
    // It was delivered to one socket, so it is not queued.
    let mut later = bob_here.join(&setting.channel).await;
    send(&setting, 1, &setting.bob, "two").await;
    assert_eq!(hear(&mut later).await, "two");
}

#[tokio::test]
async fn what_waits_is_told_once_on_whichever_node_its_user_comes_to() {
    let setting = Setting::new().await;
    for title in ["1", "2", "3"] {
        send(&setting, 0, &setting.bob, title).await;
    }
    let bob_here = setting.cluster.at(0, &setting.bob);
    let (mut there, mut here) = tokio::join!(setting.bob.join(&setting.channel), bob_here.join(&setting.channel));
    let mut heard = Vec::new();
    while heard.len() < 3 {
        let frame = tokio::select! { frame = there.next_json() => frame, frame = here.next_json() => frame };
        if frame["type"] == "notification" {
            heard.push(text(&frame["data"], "title"));
        }
    }
    heard.sort();
    assert_eq!(heard, ["1", "2", "3"]);
    send(&setting, 1, &setting.bob, "4").await;
    assert_eq!((hear(&mut there).await, hear(&mut here).await), ("4".to_owned(), "4".to_owned()));
}

#[tokio::test]
async fn what_was_said_while_a_node_was_deaf_is_told_when_it_hears_again() {
    let setting = Setting::new().await;
    let mut bob = setting.bob.join(&setting.channel).await;
    setting.cluster.nodes[1].redis.set(Line::Severed);
    setting.redis_status(1, "down").await;
    send(&setting, 0, &setting.bob, "unheard").await;
    bob.expect_nothing_before_pong().await;
    setting.cluster.heal_lines();
    let heard = tokio::time::timeout(DEADLINE * 2, async {
        loop {
            if let Some(crate::support::socket::Frame::Json(frame)) = bob.next_within(Duration::from_secs(5)).await
                && frame["type"] == "notification"
            {
                break text(&frame["data"], "title");
            }
        }
    });
    assert_eq!(heard.await.expect("it comes when the node hears again"), "unheard");
}

#[tokio::test]
async fn a_workspace_socket_without_a_filter_hears_what_its_node_missed_and_nothing_older() {
    let setting = Setting::new().await;
    send(&setting, 0, &setting.bob, "old").await;
    let mut bob = setting.bob.open("/api/v1/ws").await;
    bob.expect_nothing_before_pong().await;
    setting.cluster.nodes[1].redis.set(Line::Severed);
    setting.redis_status(1, "down").await;
    send(&setting, 0, &setting.bob, "unheard").await;
    bob.expect_nothing_before_pong().await;
    setting.cluster.heal_lines();
    let heard = async |bob: &mut Socket| {
        let event = bob.read_until("notification_event").await.pop().expect("the one that was waited for");
        text(&event["notification"], "title")
    };
    let first = tokio::time::timeout(DEADLINE * 2, async {
        loop {
            if let Some(crate::support::socket::Frame::Json(frame)) = bob.next_within(Duration::from_secs(5)).await
                && frame["type"] == "notification_event"
            {
                break text(&frame["notification"], "title");
            }
        }
    });
    assert_eq!(first.await.expect("it comes when the node hears again"), "unheard");
    bob.expect_nothing_before_pong().await;
    bob.send_json(&json!({"type": "subscribe_notifications"})).await;
    assert_eq!(heard(&mut bob).await, "old");
}

#[tokio::test]
async fn a_room_made_private_on_one_node_sends_out_those_on_another() {
    let setting = Setting::new().await;
    let (mut alice, mut bob) = (setting.alice.open("/api/v1/ws").await, setting.bob.open("/api/v1/ws").await);
    let join = json!({"type": "join_room", "room_id": "den"});
    alice.send_json(&join).await;
    alice.expect("room_state").await;
    bob.send_json(&join).await;
    bob.read_until("room_state").await;
    let change = Some(json!({"visibility": "private"}));
    setting.alice.request(reqwest::Method::PATCH, "/api/v1/rooms/den", change).await.expect(200);
    let refusal = bob.read_until("error").await.pop().expect("a refusal");
    assert_eq!(refusal["code"], "PERMISSION_DENIED", "{refusal}");
    bob.send_json(&join).await;
    bob.read_until("error").await;
    // Both nodes count the room's users under the same id.
    let ops = admin(&setting, 1);
    eventually("one user in the room", DEADLINE, || async {
        let rooms = ops.get("/api/v1/ws/rooms").await.expect(200);
        let room = rooms.as_array().expect("rooms").iter().find(|room| room["room_id"] == "den").cloned()?;
        assert_eq!(room["avg_users_per_hour"], 2.0, "{room}");
        (number(&room, "user_count") == 1).then_some(())
    })
    .await;
}

#[tokio::test]
async fn what_was_missed_is_asked_for_until_the_database_answers() {
    let setting = Setting::new().await;
    let mut bob = setting.bob.join(&setting.channel).await;
    let node = &setting.cluster.nodes[1];
    node.redis.set(Line::Severed);
    setting.redis_status(1, "down").await;
    send(&setting, 0, &setting.bob, "missed").await;
    node.database.set(Line::Severed);
    node.redis.set(Line::Open);
    let url = setting.cluster.server(1).url("/api/v1/ws/health");
    eventually("Redis is heard again, and the database is not", DEADLINE * 2, || async {
        let health = get(&url).await.expect(200);
        (health["redis"]["status"] == "ok" && health["database"]["status"] == "down").then_some(())
    })
    .await;
    node.database.set(Line::Open);
    assert_eq!(hear(&mut bob).await, "missed");
}
