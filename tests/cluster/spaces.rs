//! Spaces and invites on two nodes: news reach the sockets on both, reminders and rows of other programs are delivered once, and
//! the last place is given once.

use serde_json::{Value, json};

use crate::support::{Cluster, Socket, User};

/// A space of the user with so many places.
async fn space(admin: &User, capacity: u32) -> String {
    let made = admin.post("/metaverse/spaces", json!({"name": "Atrium", "capacity": capacity})).await.expect(201);
    made["data"]["space"]["id"].as_str().expect("an id").to_owned()
}

async fn invite(from: &User, to: &User, space: &str, hours: f64) -> Value {
    let body = json!({"toUserId": to.id, "spaceId": space, "expiresInHours": hours});
    from.post("/metaverse/invites/send", body).await.expect(200)["data"]["invite"].clone()
}

/// The data of the next notification.
async fn notified(socket: &mut Socket) -> Value {
    socket.read_until("notification").await.pop().expect("the one that was waited for")["data"].clone()
}

#[tokio::test]
async fn news_of_an_invite_reach_both_sides_on_any_node() {
    let cluster = Cluster::start(2).await;
    let [alice, bob] = cluster.users(["alice", "bob"]).await;
    let (bob_there, alice_there) = (cluster.at(1, &bob), cluster.at(1, &alice));
    let (mut here, mut there) = (bob.nexus().await, bob_there.nexus().await);
    let mut sender = alice_there.nexus().await;
    let id = space(&alice, 3).await;
    let sent = invite(&alice, &bob, &id, 1.0).await;
    for socket in [&mut here, &mut there] {
        let data = notified(socket).await;
        assert_eq!((&data["spaceId"], &data["state"]), (&json!(id), &json!("pending")));
    }
    let path = format!("/metaverse/invites/{}/decline", sent["id"].as_str().unwrap());
    bob_there.post(&path, json!({})).await.expect(200);
    assert_eq!(notified(&mut sender).await["event"], "invite_declined");
}

#[tokio::test]
async fn a_reminder_is_delivered_once_in_the_whole_cluster() {
    let cluster = Cluster::start(2).await;
    let [alice, bob] = cluster.users(["alice", "bob"]).await;
    let (mut here, mut there) = (bob.nexus().await, cluster.at(1, &bob).nexus().await);
    let id = space(&alice, 3).await;
    // four seconds: the reminder is due after three
    let sent = invite(&alice, &bob, &id, 4.0 / 3600.0).await;
    for socket in [&mut here, &mut there] {
        assert_eq!(notified(socket).await["state"], "pending");
        let reminder = notified(socket).await;
        assert_eq!((&reminder["event"], &reminder["invite"]["id"]), (&json!("invite_reminder"), &sent["id"]));
        socket.expect_nothing_before_pong().await;
    }
    let listed = bob.get("/api/v1/notifications?category=invites").await.expect(200);
    let titles = listed["notifications"].as_array().expect("a list").iter().map(|one| one["title"].clone());
    assert!(titles.filter(|title| title == "Your invitation to Atrium expires soon").count() <= 1, "{listed}");
}

#[tokio::test]
async fn a_reminder_that_became_due_while_all_nodes_were_down_is_delivered_once() {
    let mut cluster = Cluster::start(2).await;
    let [alice, bob] = cluster.users(["alice", "bob"]).await;
    let id = space(&alice, 3).await;
    let (client, connection) = tokio_postgres::connect(cluster.database_url(), tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    let mut sent = invite(&alice, &bob, &id, 48.0).await["id"].clone();
    // A reminder that is delivered again would come before that of the next round.
    for round in 0..2 {
        (0..2).for_each(|node| cluster.server_mut(node).kill());
        let due = "UPDATE invites SET remind_at = now() WHERE remind_at IS NOT NULL";
        assert_eq!(client.execute(due, &[]).await.unwrap(), 1, "round {round}: only the new invite is not reminded of");
        for node in 0..2 {
            cluster.server_mut(node).restart().await;
        }
        cluster.all_ready().await;
        let mut socket = cluster.at(round, &bob).nexus().await;
        // the invite itself comes first, and may be repeated because the node was killed
        let reminder = loop {
            let data = notified(&mut socket).await;
            if data["event"] == "invite_reminder" {
                break data;
            }
        };
        assert_eq!(reminder["invite"]["id"], sent, "round {round}: {reminder}");
        let other = space(&alice, 3).await;
        sent = invite(&alice, &bob, &other, 48.0).await["id"].clone();
    }
}

#[tokio::test]
async fn a_row_of_another_program_is_delivered_to_all_sockets_and_its_invite_can_be_accepted() {
    let cluster = Cluster::start(2).await;
    let [alice, bob] = cluster.users(["alice", "bob"]).await;
    let (mut here, mut there) = (bob.nexus().await, cluster.at(1, &bob).nexus().await);
    let id = space(&alice, 3).await;
    let (client, connection) = tokio_postgres::connect(cluster.database_url(), tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    let data = json!({"spaceId": id, "fromUserId": alice.id}).to_string();
    let sql = format!(
        "INSERT INTO notifications (id, user_id, type, title, message, data) \
         VALUES (gen_random_uuid(), '{}', 'invites', 'Come', 'to us', '{data}') RETURNING id::TEXT",
        bob.id
    );
    let row = client.query_one(&sql, &[]).await.unwrap();
    let invite: String = row.get(0);
    for socket in [&mut here, &mut there] {
        let frame = socket.read_until("notification").await.pop().unwrap();
        assert_eq!((&frame["notification_id"], &frame["title"]), (&json!(invite), &json!("Come")));
        socket.expect_nothing_before_pong().await;
    }
    let accepted = bob.post(&format!("/metaverse/invites/{invite}/accept"), json!({})).await.expect(200);
    assert_eq!(accepted["data"]["space"], json!({"id": id, "name": "Atrium"}));
}

#[tokio::test]
async fn the_last_place_is_given_once_by_two_nodes() {
    let cluster = Cluster::start(2).await;
    let [alice, bob, carol] = cluster.users(["alice", "bob", "carol"]).await;
    for _ in 0..5 {
        let id = space(&alice, 2).await;
        let (first, second) = (invite(&alice, &bob, &id, 1.0).await, invite(&alice, &carol, &id, 1.0).await);
        let path = |invite: &Value| format!("/metaverse/invites/{}/accept", invite["id"].as_str().unwrap());
        let carol_there = cluster.at(1, &carol);
        let (paths, body) = ((path(&first), path(&second)), json!({}));
        let (one, other) = tokio::join!(bob.post(&paths.0, body.clone()), carol_there.post(&paths.1, body));
        let mut statuses = [one.status.as_u16(), other.status.as_u16()];
        statuses.sort_unstable();
        assert_eq!(statuses, [200, 409], "{} {}", one.text, other.text);
        let space = alice.get(&format!("/metaverse/spaces/{id}")).await.expect(200);
        assert_eq!(space["data"]["space"]["memberCount"], 2);
    }
}
