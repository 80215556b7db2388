//! Comments on tiles, and the notifications of the tiles' creators.

use serde_json::{Value, json};

use super::{create, joined, number, tile};
use crate::on_both;
use crate::support::{DEADLINE, Server, User, eventually};

/// The titles of the user's notifications, the newest first.
async fn titles(user: &User) -> Vec<Value> {
    let page = user.get("/api/v1/notifications").await.expect(200);
    let list = page["notifications"].as_array().cloned().unwrap_or_default();
    list.into_iter().map(|one| one["title"].clone()).collect()
}

on_both! {
    async fn comments_are_stored_sent_and_deleted_with_their_text(database) {
        let server = Server::on(database).await;
        let (alice, bob, carol) = (server.user("alice").await, server.user("bob").await, server.user("carol").await);
        let canvas = create(&alice).await;
        let id = tile(&bob, canvas, 1, 1).await["tile_id"].clone();
        let (mut one, mut other) = (joined(&alice, canvas).await, joined(&bob, canvas).await);
        one.expect("user_joined").await;
        let say = json!({"type": "tile_comment", "tile_id": id, "text": "Nice!", "ref": 1, "client_message_id": "c"});
        one.send_json(&say).await;
        let ack = one.expect("ack").await;
        assert_eq!(ack["tile_id"], id);
        let told = other.expect("tile_commented").await;
        let by = json!(number(&alice).await);
        assert_eq!((&told["comment_id"], &told["text"], &told["user_id"]), (&ack["id"], &json!("Nice!"), &by));
        let notified = other.expect("notification").await;
        assert_eq!(notified["data"]["title"], "alice commented on your tile");
        one.send_json(&say).await;
        assert_eq!(one.expect("ack").await["id"], ack["id"], "sent again under its id it changes nothing");
        let path = format!("/api/v1/tiles/{id}/comments");
        let added = carol.post(&path, json!({"text": "Indeed"})).await.expect(201);
        one.expect("tile_commented").await;
        let page = bob.get(&format!("{path}?limit=1")).await.expect(200);
        assert_eq!((&page["comments"][0]["comment_id"], &page["has_more"]), (&added["comment_id"], &json!(true)));
        let before = page["comments"][0]["comment_id"].as_str().unwrap();
        let rest = bob.get(&format!("{path}?before={before}")).await.expect(200);
        assert_eq!(rest["comments"][0]["text"], "Nice!");
        let own = format!("/api/v1/comments/{}", ack["id"].as_str().unwrap());
        bob.delete(&own).await.expect_error(403, "PERMISSION_DENIED");
        alice.delete(&own).await.expect(204);
        other.read_until("tile_comment_deleted").await;
        alice.delete(&own).await.expect_error(404, "NOT_FOUND");
        // the owner of the canvas moderates it
        alice.delete(&format!("/api/v1/comments/{before}")).await.expect(204);
        assert_eq!(bob.get(&path).await.expect(200)["comments"], json!([]));
        // who resumes is shown no text of a deleted comment
        let mut late = carol.open(&format!("/canvas/{canvas}?since=1")).await;
        let replayed = late.read_until("recovered").await;
        let texts: Vec<&Value> = replayed.iter().filter(|frame| frame["type"] == "tile_commented").map(|frame| &frame["text"]).collect();
        assert_eq!(texts, [""], "{replayed:?}");
        for text in [json!(""), json!(1), Value::Null] {
            carol.post(&path, json!({"text": text})).await.expect_error(400, "INVALID_MESSAGE");
        }
        carol.post(&path, json!({"text": "x".repeat(2_001)})).await.expect_error(413, "MESSAGE_TOO_LONG");
        one.send_json(&json!({"type": "tile_comment", "tile_id": 999_999, "text": "x"})).await;
        one.read_until("error").await;
        let feed = bob.get(&format!("/api/v1/canvases/{canvas}/activity?type=tile_commented,tile_comment_deleted")).await;
        let types: Vec<_> = feed.expect(200)["activities"].as_array().unwrap().iter().map(|one| one["type"].clone()).collect();
        assert_eq!(json!(types), json!(["tile_comment_deleted", "tile_comment_deleted", "tile_commented", "tile_commented"]));
    }
}

on_both! {
    async fn the_creator_is_notified_of_likes_once_a_minute(database) {
        let server = Server::on(database).await;
        let (alice, bob, carol) = (server.user("alice").await, server.user("bob").await, server.user("carol").await);
        let canvas = create(&alice).await;
        let id = tile(&alice, canvas, 1, 1).await["tile_id"].clone();
        for user in [&alice, &bob, &carol] {
            user.post(&format!("/api/v1/tiles/{id}/like"), json!({})).await.expect(200);
        }
        bob.post(&format!("/api/v1/tiles/{id}/comments"), json!({"text": "Nice"})).await.expect(201);
        let expected = ["bob commented on your tile", "bob likes your tile"];
        eventually("both notifications", DEADLINE, || async { (titles(&alice).await == expected).then_some(()) }).await;
        // a comment goes with its tile
        alice.delete(&format!("/api/v1/tiles/{id}")).await.expect(204);
        bob.get(&format!("/api/v1/tiles/{id}/comments")).await.expect_error(404, "NOT_FOUND");
    }
}
