//! Sockets of the dialect: entering and leaving, actions, chat and invites, with the answers of REST.

use serde_json::{Value, json};

use super::{admit, answer, data, entered, failed, invite, nothing, opened, send, space};
use crate::on_both;
use crate::support::{Server, User, token};

const NO_ACCESS: &str = "You do not have access to this space";

on_both! {
    async fn a_newcomer_is_sent_everybody_and_the_others_the_newcomer(database) {
        let server = Server::on(database).await;
        let (alice, bob) = (server.user("alice").await, server.user("bob").await);
        let id = space(&alice, "Atrium", 5, true).await;
        let (mut first, own) = entered(&alice, &id, 100.0).await;
        assert_eq!(own["space"], json!({"id": id, "name": "Atrium"}));
        assert_eq!((&own["count"], &own["users"][0]["position"]), (&json!(1), &json!({"x": 100, "y": 0, "direction": "down"})));
        assert_eq!((&own["users"][0]["userId"], &own["users"][0]["username"]), (&json!(alice.id), &json!("alice")));
        assert!(own["seq"].is_i64() && own["epoch"].is_i64(), "{own}");

        let (mut second, own) = entered(&bob, &id, -7.5).await;
        let mut names: Vec<_> = own["users"].as_array().unwrap().iter().map(|one| one["username"].as_str().unwrap()).collect();
        names.sort_unstable();
        assert_eq!((names, &own["count"]), (vec!["alice", "bob"], &json!(2)));
        let came = first.expect("USER_JOINED").await;
        assert_eq!((&came["spaceId"], &came["userId"], &came["username"]), (&json!(id), &json!(bob.id), &json!("bob")));
        assert_eq!(came["position"], json!({"x": -7.5, "y": 0, "direction": "down"}));

        // a second socket is the same avatar, where it is already
        let (mut third, own) = entered(&bob, &id, 55.0).await;
        let of_bob = own["users"].as_array().unwrap().iter().find(|one| one["username"] == "bob").unwrap();
        assert_eq!((&own["count"], &of_bob["position"]["x"]), (&json!(2), &json!(-7.5)));
        nothing(&mut first).await;
        send(&mut third, "LEAVE_SPACE", json!({"spaceId": id})).await;
        answer(&mut third, "LEAVE_SPACE").await;
        nothing(&mut first).await;
        send(&mut second, "LEAVE_SPACE", json!({"spaceId": id})).await;
        answer(&mut second, "LEAVE_SPACE").await;
        let left = first.expect("USER_LEFT").await;
        assert_eq!((&left["userId"], &left["username"]), (&json!(bob.id), &json!("bob")));
        send(&mut second, "LEAVE_SPACE", json!({"spaceId": id})).await;
        assert_eq!(failed(&mut second, "LEAVE_SPACE", "NOT_IN_ROOM").await["error"], NO_ACCESS);
    }
}

#[tokio::test]
async fn only_who_may_enters_a_space() {
    let server = Server::start().await;
    let (alice, bob, carol) = (server.user("alice").await, server.user("bob").await, server.user("carol").await);
    let (hidden, small) = (space(&alice, "Den", 5, false).await, space(&alice, "Booth", 1, true).await);
    let mut socket = bob.open("/").await;
    for (space, code, sentence) in [
        (hidden.as_str(), "PERMISSION_DENIED", NO_ACCESS),
        (small.as_str(), "SPACE_FULL", "Space is full"),
        ("00000000-0000-7000-8000-000000000000", "ROOM_NOT_FOUND", "Space not found"),
        ("x", "ROOM_NOT_FOUND", "Space not found"),
    ] {
        send(&mut socket, "JOIN_SPACE", json!({"spaceId": space})).await;
        assert_eq!(failed(&mut socket, "JOIN_SPACE", code).await["error"], sentence);
    }
    // as somebody else
    send(&mut socket, "JOIN_SPACE", json!({"spaceId": hidden, "userId": alice.id})).await;
    failed(&mut socket, "JOIN_SPACE", "PERMISSION_DENIED").await;
    admit(&alice, &bob, &hidden).await;
    // the invite itself
    socket.expect("INVITE_RECEIVED").await;
    send(&mut socket, "JOIN_SPACE", json!({"spaceId": hidden, "userId": bob.id})).await;
    answer(&mut socket, "JOIN_SPACE").await;

    // who is removed leaves at once, and the others see it
    admit(&alice, &carol, &hidden).await;
    let (mut other, _) = entered(&carol, &hidden, 0.0).await;
    socket.expect("USER_JOINED").await;
    data(alice.delete(&format!("/metaverse/spaces/{hidden}/members/{}", bob.id)).await);
    let removed = socket.next_json().await;
    assert_eq!((&removed["status"], &removed["code"]), (&json!("failed"), &json!("PERMISSION_DENIED")), "{removed}");
    socket.expect_close(4403).await;
    assert_eq!(other.expect("USER_LEFT").await["userId"], json!(bob.id));
    // a socket that is in another space as well stays open
    let own = space(&bob, "Own", 1, false).await;
    admit(&alice, &bob, &hidden).await;
    let (mut socket, _) = entered(&bob, &hidden, 0.0).await;
    send(&mut socket, "JOIN_SPACE", json!({"spaceId": own})).await;
    answer(&mut socket, "JOIN_SPACE").await;
    data(alice.delete(&format!("/metaverse/spaces/{hidden}/members/{}", bob.id)).await);
    assert_eq!(socket.next_json().await["code"], "PERMISSION_DENIED");
    send(&mut socket, "CHAT", json!({"spaceId": hidden, "message": "still here?"})).await;
    assert_eq!(failed(&mut socket, "CHAT", "NOT_IN_ROOM").await["error"], NO_ACCESS);
    send(&mut socket, "CHAT", json!({"spaceId": own, "message": "here"})).await;
    socket.expect("CHAT_MESSAGE").await;
}

on_both! {
    async fn actions_and_messages_are_stored_in_order_and_recovered(database) {
        let server = Server::on(database).await;
        let (alice, bob) = (server.user("alice").await, server.user("bob").await);
        let id = space(&alice, "Atrium", 5, true).await;
        let (mut first, own) = entered(&alice, &id, 0.0).await;
        let (mut second, _) = entered(&bob, &id, 1.0).await;
        first.expect("USER_JOINED").await;
        send(&mut first, "CHAT", json!({"spaceId": id, "message": "Hello", "clientMessageId": "c-1"})).await;
        let echo = first.expect("CHAT_MESSAGE").await;
        assert_eq!((&echo["message"], &echo["clientMessageId"], &echo["seq"]), (&json!("Hello"), &json!("c-1"), &json!(1)));
        let stored = answer(&mut first, "CHAT").await;
        assert_eq!((&stored["id"], &stored["seq"]), (&echo["id"], &json!(1)));
        let heard = second.expect("CHAT_MESSAGE").await;
        assert_eq!((&heard["userId"], &heard["username"], heard.get("clientMessageId")), (&json!(alice.id), &json!("alice"), None));

        // an action is answered only with a `ref`, and not sent to the one who acts
        send(&mut first, "ACTION", json!({"spaceId": id, "action": "wave", "data": {"hand": "left"}})).await;
        let acted = second.expect("USER_ACTION").await;
        assert_eq!((&acted["userId"], &acted["action"], &acted["data"], &acted["seq"]), (&json!(alice.id), &json!("wave"), &json!({"hand": "left"}), &json!(2)));
        let again = json!({"type": "ACTION", "payload": {"spaceId": id, "action": "bow"}, "ref": 7});
        first.send_json(&again).await;
        let answered = first.next_json().await;
        assert_eq!((&answered["requestType"], &answered["ref"], &answered["data"]["seq"]), (&json!("ACTION"), &json!(7), &json!(3)));
        second.expect("USER_ACTION").await;

        let mut back = opened(&bob).await;
        send(&mut back, "JOIN_SPACE", json!({"spaceId": id, "since": 0, "epoch": own["epoch"]})).await;
        answer(&mut back, "JOIN_SPACE").await;
        for (kind, seq) in [("CHAT_MESSAGE", 1), ("USER_ACTION", 2), ("USER_ACTION", 3)] {
            assert_eq!(back.expect(kind).await["seq"], seq);
        }
        let recovered = back.expect("RECOVERED").await;
        assert_eq!((&recovered["spaceId"], &recovered["seq"], &recovered["complete"]), (&json!(id), &json!(3), &json!(true)));
        let data = json!("x".repeat(9_000));
        send(&mut first, "ACTION", json!({"spaceId": id, "action": "shout", "data": data})).await;
        failed(&mut first, "ACTION", "MESSAGE_TOO_LONG").await;
        let fresh = json!({"type": "AUTH_REFRESH", "payload": {"token": alice.token}, "ref": 1});
        first.send_json(&fresh).await;
        assert!(answer(&mut first, "AUTH_REFRESH").await["expiresAt"].is_string());
    }
}

/// The form of an invite without its times.
fn shape(invite: &Value) -> Value {
    let mut invite = invite.clone();
    for field in ["createdAt", "expiresAt", "decidedAt"] {
        invite.as_object_mut().unwrap().remove(field);
    }
    invite
}

on_both! {
    async fn invites_over_sockets_are_those_of_rest(database) {
        let server = Server::on(database).await;
        let (alice, bob, carol) = (server.user("alice").await, server.user("bob").await, server.user("carol").await);
        let id = space(&alice, "Atrium", 3, false).await;
        let (mut sender, mut invited) = (opened(&alice).await, opened(&bob).await);
        send(&mut sender, "SEND_INVITE", json!({"toUserId": bob.id, "spaceId": id})).await;
        let sent = sender.next_json().await;
        assert_eq!(sent["message"], "Invite sent successfully", "{sent}");
        let sent = sent["data"]["invite"].clone();
        // REST answers the pending one, and notifies nobody again
        assert_eq!(shape(&invite(&alice, &bob, &id).await), shape(&sent));
        let received = invited.expect("INVITE_RECEIVED").await;
        assert_eq!(shape(&received["invite"]), shape(&sent));
        nothing(&mut invited).await;

        send(&mut invited, "GET_INVITES", json!({})).await;
        let listed = answer(&mut invited, "GET_INVITES").await;
        assert_eq!(listed, data(bob.get("/metaverse/invites/my-invites").await));
        send(&mut sender, "GET_USERS", json!({"spaceId": id, "search": "ca"})).await;
        let users = answer(&mut sender, "GET_USERS").await;
        assert_eq!(users, data(alice.get(&format!("/metaverse/invites/users/{id}?search=ca")).await));
        assert_eq!(users["users"][0]["username"], "carol");

        let named = json!({"notificationId": sent["id"]});
        send(&mut sender, "ACCEPT_INVITE", named.clone()).await;
        assert_eq!(failed(&mut sender, "ACCEPT_INVITE", "NOT_FOUND").await["error"], "Invite not found");
        send(&mut invited, "ACCEPT_INVITE", named.clone()).await;
        let accepted = invited.next_json().await;
        assert_eq!(accepted["message"], "Invite accepted successfully", "{accepted}");
        assert_eq!(accepted["data"], json!({"space": {"id": id, "name": "Atrium"}}));
        let news = sender.expect("INVITE_ACCEPTED").await;
        assert_eq!((&news["user"], &news["invite"]["state"]), (&json!({"id": bob.id, "username": "bob"}), &json!("accepted")));
        send(&mut invited, "DECLINE_INVITE", named).await;
        failed(&mut invited, "DECLINE_INVITE", "ALREADY_MEMBER").await;

        let several = json!({"toUserIds": [carol.id, bob.id], "spaceId": id, "template": "welcome"});
        send(&mut sender, "SEND_INVITE", several).await;
        let sent = answer(&mut sender, "SEND_INVITE").await;
        assert_eq!((&sent["invites"][0]["template"], &sent["failed"][0]["code"]), (&json!("welcome"), &json!("ALREADY_MEMBER")));
        send(&mut sender, "SEND_INVITE", json!({"toUserIds": [bob.id], "spaceId": id})).await;
        let nobody = failed(&mut sender, "SEND_INVITE", "ALREADY_MEMBER").await;
        assert_eq!(nobody["data"]["failed"][0]["userId"], json!(bob.id));

        // what was queued while the user had no socket
        let mut late = opened(&carol).await;
        let received = late.expect("INVITE_RECEIVED").await;
        let named = json!({"notificationId": received["invite"]["id"]});
        send(&mut late, "DECLINE_INVITE", named.clone()).await;
        assert_eq!(late.next_json().await["message"], "Invite declined successfully");
        assert_eq!(sender.expect("INVITE_DECLINED").await["user"]["username"], "carol");
        send(&mut late, "ACCEPT_INVITE", named).await;
        failed(&mut late, "ACCEPT_INVITE", "CONFLICT").await;
    }
}

/// Notifications of other categories wait for sockets that show them.
#[tokio::test]
async fn other_notifications_go_on_waiting() {
    let server = Server::start().await;
    let bob = server.user("bob").await;
    let ops = User::with_token(server.origin(), "ops", "ops", &token::for_admin("ops", "ops"));
    let notice = json!({"user_id": bob.id, "title": "News", "message": "There is some", "category": "workspace", "priority": "normal"});
    ops.post("/api/v1/ws/broadcast/notification?event_type=notification_created", notice).await.expect(200);
    let mut socket = opened(&bob).await;
    nothing(&mut socket).await;
    let mut other = bob.nexus().await;
    assert_eq!(other.expect("notification").await["title"], "News");
}

/// However they are sent, and whatever becomes of them, a user's invites are limited.
#[tokio::test]
async fn ten_thousand_invites_in_a_minute_are_refused_but_for_a_few() {
    let server = Server::start().await;
    let alice = server.user("alice").await;
    let id = space(&alice, "Atrium", 9, false).await;
    let mut socket = opened(&alice).await;
    let (mut limited, mut looked_up) = (0, 0);
    for request in 0..100 {
        let users: Vec<_> = (0..100).map(|user| format!("nobody-{request}-{user}")).collect();
        send(&mut socket, "SEND_INVITE", json!({"toUserIds": users, "spaceId": id})).await;
        let answer = socket.next_json().await;
        assert_eq!(answer["status"], "failed", "{answer}");
        for one in answer["data"]["failed"].as_array().unwrap() {
            match one["code"].as_str().unwrap() {
                "RATE_LIMIT_EXCEEDED" => limited += 1,
                "USER_NOT_FOUND" => looked_up += 1,
                other => panic!("{other}: {answer}"),
            }
        }
    }
    assert_eq!(limited + looked_up, 10_000);
    // thirty at once, and one more every other second
    assert!((30..60).contains(&looked_up), "{looked_up} were allowed");
    // other requests are not affected
    send(&mut socket, "GET_INVITES", json!({})).await;
    answer(&mut socket, "GET_INVITES").await;
}

#[tokio::test]
async fn invites_over_sockets_have_a_rate_of_their_own() {
    let server = Server::builder().env("INVITES_PER_MINUTE", "2").start().await;
    let alice = server.user("alice").await;
    let mut others: Vec<User> = Vec::new();
    for name in ["bob", "carol", "dave"] {
        others.push(server.user(name).await);
    }
    let id = space(&alice, "Atrium", 9, false).await;
    let mut socket = opened(&alice).await;
    for (at, other) in others.iter().enumerate() {
        send(&mut socket, "SEND_INVITE", json!({"toUserId": other.id, "spaceId": id})).await;
        if at < 2 {
            answer(&mut socket, "SEND_INVITE").await;
        } else {
            let limited = failed(&mut socket, "SEND_INVITE", "RATE_LIMIT_EXCEEDED").await;
            assert!(limited["retry_after"].is_u64(), "{limited}");
        }
    }
}
