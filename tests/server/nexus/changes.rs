//! What happens to messages after they were sent: edits, deletions, read marks, reactions, mentions.

use serde_json::{Value, json};

use super::{join, joined, say, send};
use crate::on_both;
use crate::support::shape::Kind::{Count, Text, Time, Uuid};
use crate::support::shape::assert_shape;
use crate::support::{Server, Socket, User, token};

fn of(kind: &str, echo: &Value, reference: u64) -> Value {
    json!({"event_type": kind, "message_id": echo["message_id"], "ref": reference})
}

async fn expect_change(socket: &mut Socket, kind: &str, echo: &Value) -> Value {
    let change = socket.expect(kind).await;
    assert_shape(
        &change,
        &[("event_id", Uuid), ("timestamp", Time), ("user_id", Text), ("username", Text), ("seq", Count)],
    );
    assert_eq!((&change["message_id"], &change["conversation_id"]), (&echo["message_id"], &echo["conversation_id"]));
    change
}

on_both! {
    async fn an_edit_and_a_deletion_reach_all_and_change_what_is_replayed(database) {
        let server = Server::on(database).await;
        let (alice, bob) = (server.user("alice").await, server.user("bob").await);
        let mut author = joined(&alice, "conv").await;
        let mut reader = joined(&bob, "conv").await;
        author.expect("room.join").await;
        let (first, receipt) = say(&mut author, "conv", "frist").await;
        let (second, _) = say(&mut author, "conv", "secret").await;
        reader.expect("chat.message").await;
        reader.expect("chat.message").await;

        let mut edit = of("chat.edit", &first, 1);
        edit["content"] = json!("first");
        author.send_json(&edit).await;
        for socket in [&mut author, &mut reader] {
            let edited = expect_change(socket, "chat.edit", &first).await;
            assert_eq!((&edited["content"], &edited["user_id"]), (&json!("first"), &json!(alice.id)));
        }
        let ack = author.expect("ack").await;
        assert_eq!((&ack["ref"], &ack["seq"]), (&json!(1), &json!(3)));
        let mut edit = of("chat.edit", &second, 2);
        edit["content"] = json!("still secret");
        author.send_json(&edit).await;
        author.send_json(&of("chat.delete", &second, 3)).await;
        expect_change(&mut reader, "chat.edit", &second).await;
        expect_change(&mut reader, "chat.delete", &second).await;
        // an event and its acknowledgement may come in either order
        let mut due: Vec<Value> = vec![json!(2), json!(3), json!("chat.edit"), json!("chat.delete")];
        while !due.is_empty() {
            let frame = author.next_json().await;
            let of = if frame["event_type"] == "ack" { &frame["ref"] } else { &frame["event_type"] };
            let at = due.iter().position(|one| one == of).unwrap_or_else(|| panic!("unexpected: {frame}"));
            due.remove(at);
        }

        // the room's memory tells the same as its log
        for _ in 0..2 {
            let mut late = bob.nexus().await;
            let again = json!({"event_type": "room.join", "room_id": "conv", "since": 0, "epoch": receipt["epoch"]});
            late.send_json(&again).await;
            late.expect("room.join").await;
            assert_eq!(late.expect("chat.message").await["content"], "first");
            let erased = late.expect("chat.message").await;
            assert_eq!((&erased["deleted"], &erased["content"]), (&json!(true), &json!("")));
            assert!(!late.last_text().contains("secret"), "{}", late.last_text());
            for frame in late.read_until("recovered").await {
                assert!(!frame.to_string().contains("secret"), "{frame}");
            }
            late.close().await;
        }
        author.send_json(&edit).await;
        author.expect_error("NOT_FOUND").await;
    }
}

#[tokio::test]
async fn only_the_author_and_administrators_change_a_message() {
    let server = Server::start().await;
    let (alice, bob, carol) = (server.user("alice").await, server.user("bob").await, server.user("carol").await);
    let admin = User::with_token(server.origin(), "root", "root", &token::for_admin("root", "root"));
    let mut author = alice.nexus().await;
    let (echo, _) =
        send(&mut author, &json!({"event_type": "chat.message", "recipient_id": bob.id, "content": "psst"})).await;
    let mut edit = of("chat.edit", &echo, 1);
    edit["content"] = json!("changed");
    let (mut partner, mut stranger) = (bob.nexus().await, carol.nexus().await);
    partner.expect("chat.message").await;
    for message in [&edit, &of("chat.delete", &echo, 2)] {
        partner.send_json(message).await;
        partner.expect_error("PERMISSION_DENIED").await;
        // a foreign conversation is not even known to have that message
        stranger.send_json(message).await;
        stranger.expect_error("NOT_FOUND").await;
    }
    let mut react = of("chat.react", &echo, 3);
    react["emoji"] = json!("👍");
    for message in [&react, &of("chat.read", &echo, 4)] {
        stranger.send_json(message).await;
        stranger.expect_error("NOT_FOUND").await;
    }
    let mut wrong = edit.clone();
    wrong["conversation_id"] = json!("elsewhere");
    author.send_json(&wrong).await;
    author.expect_error("NOT_FOUND").await;
    author.expect_nothing_before_pong().await;
    let mut office = admin.nexus().await;
    office.send_json(&of("chat.delete", &echo, 5)).await;
    assert_eq!(office.expect("ack").await["ref"], 5);
    for socket in [&mut author, &mut partner] {
        assert_eq!(expect_change(socket, "chat.delete", &echo).await["user_id"], json!(admin.id));
    }
}

on_both! {
    async fn a_read_mark_only_advances(database) {
        let server = Server::on(database).await;
        let (alice, bob) = (server.user("alice").await, server.user("bob").await);
        let mut author = joined(&alice, "conv").await;
        let mut reader = joined(&bob, "conv").await;
        author.expect("room.join").await;
        let (first, _) = say(&mut author, "conv", "one").await;
        let (second, _) = say(&mut author, "conv", "two").await;
        reader.expect("chat.message").await;
        reader.expect("chat.message").await;
        reader.send_json(&of("chat.read", &second, 1)).await;
        for socket in [&mut reader, &mut author] {
            let read = expect_change(socket, "chat.read", &second).await;
            assert_eq!((&read["user_id"], &read["read_seq"]), (&json!(bob.id), &second["seq"]));
        }
        assert_eq!(reader.expect("ack").await["seq"], 3);
        for message in [&first, &second] {
            reader.send_json(&of("chat.read", message, 2)).await;
            let ack = reader.expect("ack").await;
            assert_eq!((&ack["ref"], ack.get("seq")), (&json!(2), None), "nothing has changed: {ack}");
        }
        author.expect_nothing_before_pong().await;
    }
}

on_both! {
    async fn a_reaction_is_given_once_and_taken_back(database) {
        let server = Server::on(database).await;
        let (alice, bob) = (server.user("alice").await, server.user("bob").await);
        let mut author = joined(&alice, "conv").await;
        let mut reader = joined(&bob, "conv").await;
        author.expect("room.join").await;
        let (echo, _) = say(&mut author, "conv", "one").await;
        reader.expect("chat.message").await;
        let mut react = of("chat.react", &echo, 1);
        react["emoji"] = json!("👍");
        reader.send_json(&react).await;
        for socket in [&mut reader, &mut author] {
            let reacted = expect_change(socket, "chat.react", &echo).await;
            assert_eq!((&reacted["emoji"], &reacted["removed"]), (&json!("👍"), &json!(false)));
        }
        assert_eq!(reader.expect("ack").await["seq"], 2);
        reader.send_json(&react).await;
        assert_eq!(reader.expect("ack").await.get("seq"), None);
        react["remove"] = json!(true);
        reader.send_json(&react).await;
        for socket in [&mut reader, &mut author] {
            assert_eq!(expect_change(socket, "chat.react", &echo).await["removed"], true);
        }
        author.expect_nothing_before_pong().await;
    }
}

/// Clients of the other dialects know of the chat only its messages.
#[tokio::test]
async fn the_other_dialects_see_the_changed_text_and_no_tombstone() {
    let server = Server::start().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let channel = alice.channel_with(&[&bob]).await;
    let mut bound = bob.join(&channel).await;
    let mut nexus = joined(&alice, &channel).await;
    bound.expect("user_joined").await;
    let (first, receipt) = say(&mut nexus, &channel, "frist").await;
    let (second, _) = say(&mut nexus, &channel, "oops").await;
    bound.expect_message("frist").await;
    bound.expect_message("oops").await;
    let mut edit = of("chat.edit", &first, 1);
    edit["content"] = json!("first");
    nexus.send_json(&edit).await;
    nexus.send_json(&of("chat.delete", &second, 2)).await;
    nexus.read_until("chat.delete").await;
    nexus.expect("ack").await;
    say(&mut nexus, &channel, "third").await;
    bound.expect_message("third").await;
    let mut late = bob.resume(&channel, 0, &receipt["epoch"].to_string()).await;
    late.expect("online_users").await;
    late.expect_message("first").await;
    late.expect_message("third").await;
    late.expect("recovered").await;
}

/// What is queued for a user is changed, too.
#[tokio::test]
async fn what_was_deleted_is_not_in_the_queue() {
    let server = Server::start().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let mut author = alice.nexus().await;
    let message = |text: &str| json!({"event_type": "chat.message", "recipient_id": bob.id, "content": text});
    let (first, _) = send(&mut author, &message("frist")).await;
    let (second, _) = send(&mut author, &message("secret")).await;
    let mut edit = of("chat.edit", &first, 1);
    edit["content"] = json!("first");
    author.send_json(&edit).await;
    author.send_json(&of("chat.delete", &second, 2)).await;
    author.read_until("chat.delete").await;
    let mut reader = bob.nexus().await;
    assert_eq!(reader.expect("chat.message").await["content"], "first");
    assert_eq!(reader.expect("chat.message").await["deleted"], true);
    reader.expect_nothing_before_pong().await;
}

#[tokio::test]
async fn who_is_mentioned_is_notified_once() {
    let server = Server::start().await;
    let (alice, bob, carol) = (server.user("alice").await, server.user("bob").await, server.user("carol").await);
    let channel = alice.channel_with(&[&bob]).await;
    let mut author = joined(&alice, &channel).await;
    let (mut mentioned, mut stranger) = (bob.nexus().await, carol.nexus().await);
    let mentions = json!([bob.id, bob.id, carol.id, alice.id, "nobody"]);
    let message =
        json!({"event_type": "chat.message", "conversation_id": channel, "content": "look", "mentions": mentions});
    let (echo, _) = send(&mut author, &message).await;
    let mut named = vec![alice.id.clone(), bob.id.clone()];
    named.sort();
    let mut shown: Vec<String> =
        echo["mentions"].as_array().unwrap().iter().map(|id| id.as_str().unwrap().to_owned()).collect();
    shown.sort();
    assert_eq!(shown, named, "only those who may be here");
    // the message is queued for a mentioned user who is not in the room
    let mut received = [mentioned.next_json().await, mentioned.next_json().await];
    received.sort_by_key(|frame| frame["event_type"].to_string());
    let [message, notification] = received;
    assert_eq!((&message, &notification["event_type"]), (&echo, &json!("notification")));
    assert_eq!((&notification["category"], &notification["message"]), (&json!("mention"), &json!("look")));
    assert_eq!(notification["data"]["message_id"], echo["message_id"]);
    mentioned.expect_nothing_before_pong().await;
    stranger.expect_nothing_before_pong().await;
    author.expect_nothing_before_pong().await;
}

#[tokio::test]
async fn a_ciphertext_arrives_as_it_was_sent() {
    let server = Server::start().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let mut reader = bob.nexus().await;
    let mut author = alice.nexus().await;
    let ciphertext = "A".repeat(20_000);
    let message = json!({
        "event_type": "chat.message", "recipient_id": bob.id, "content_type": "encrypted", "ciphertext": ciphertext,
    });
    send(&mut author, &message).await;
    let received = reader.expect("chat.message").await;
    assert_eq!((&received["ciphertext"], &received["content_type"]), (&json!(ciphertext), &json!("encrypted")));
    join(&mut author, "other").await;
}

on_both! {
    async fn a_change_sent_again_is_answered_like_the_first_one(database) {
        let server = Server::on(database).await;
        let (alice, bob) = (server.user("alice").await, server.user("bob").await);
        let mut author = joined(&alice, "conv").await;
        let mut reader = joined(&bob, "conv").await;
        author.expect("room.join").await;
        let (echo, _) = say(&mut author, "conv", "frist").await;
        reader.expect("chat.message").await;
        let named = |kind: &str, id: &str| {
            let mut change = of(kind, &echo, 1);
            change["client_message_id"] = json!(id);
            change
        };
        let mut edit = named("chat.edit", "e-1");
        edit["content"] = json!("first");
        let mut react = named("chat.react", "r-1");
        react["emoji"] = json!("👍");
        let delete = named("chat.delete", "d-1");
        let mut acks = Vec::new();
        for change in [&edit, &react, &delete] {
            author.send_json(change).await;
            let kind = change["event_type"].as_str().unwrap();
            let told = author.expect(kind).await;
            assert_eq!(told["client_message_id"], change["client_message_id"], "{told}");
            assert_eq!(reader.expect(kind).await["client_message_id"], Value::Null);
            acks.push(author.expect("ack").await);
        }
        // the edit and the reaction would be refused now, since the message is deleted
        let mut elsewhere = alice.nexus().await;
        for (change, ack) in [&edit, &react, &delete].into_iter().zip(&acks) {
            for socket in [&mut author, &mut elsewhere] {
                socket.send_json(change).await;
                let again = socket.expect("ack").await;
                assert_eq!((&again["id"], &again["seq"]), (&ack["id"], &ack["seq"]), "{change}");
                socket.expect_nothing_before_pong().await;
            }
        }
        reader.expect_nothing_before_pong().await;
        let mut other = named("chat.react", "r-1");
        other["emoji"] = json!("👎");
        author.send_json(&other).await;
        author.expect_error("CONFLICT").await;
    }
}
