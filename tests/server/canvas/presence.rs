//! Opening, chat, presence, highlights and the soft lock of a tile.

use serde_json::json;

use super::{create, joined, number, open};
use crate::on_both;
use crate::support::Server;
use crate::support::shape::Kind::{Count, Opaque, Time};
use crate::support::shape::assert_shape;

on_both! {
    async fn a_newcomer_comes_first_and_then_learns_who_is_there(database) {
        let server = Server::on(database).await;
        let (alice, bob) = (server.user("alice").await, server.user("bob").await);
        let canvas = create(&alice).await;
        let (mut first, own, users) = open(&alice, canvas).await;
        assert_shape(&own, &[("seq", Count), ("epoch", Opaque), ("timestamp", Time)]);
        let alices = number(&alice).await;
        assert_eq!((&own["user_id"], &own["username"], &own["active_users"]), (&json!(alices), &json!("alice"), &json!(1)));
        assert_eq!(users["users"][0]["user_id"], alices);
        assert_eq!((&users["users"][0]["is_active"], &users["canvas_id"]), (&json!(true), &json!(canvas)));

        let (mut second, own, users) = open(&bob, canvas).await;
        assert_eq!((&own["active_users"], users["users"].as_array().unwrap().len()), (&json!(2), 2));
        let came = first.expect("user_joined").await;
        assert_eq!((&came["user_id"], &came["active_users"]), (&json!(number(&bob).await), &json!(2)));
        assert_eq!((came.get("seq"), came.get("epoch")), (None, None), "{came}");
        // a second socket alone gets its first frames
        let again = joined(&bob, canvas).await;
        first.expect_nothing_before_pong().await;
        second.expect_nothing_before_pong().await;
        again.close().await;
        second.close().await;
        let left = first.expect("user_left").await;
        assert_eq!((&left["active_users"], &left["display_name"]), (&json!(1), &json!("bob")));
    }
}

on_both! {
    async fn a_message_reaches_everybody_and_is_recovered(database) {
        let server = Server::on(database).await;
        let (alice, bob) = (server.user("alice").await, server.user("bob").await);
        let canvas = create(&alice).await;
        let (mut writer, own, _) = open(&alice, canvas).await;
        let mut reader = joined(&bob, canvas).await;
        writer.expect("user_joined").await;
        let say = json!({"type": "canvas_chat", "text": "Hello everyone!", "canvas_id": canvas, "ref": 1, "client_message_id": "m-1"});
        writer.send_json(&say).await;
        let echo = writer.expect("canvas_chat_message").await;
        assert_eq!((&echo["message_text"], &echo["client_message_id"]), (&json!("Hello everyone!"), &json!("m-1")));
        assert_eq!(echo["sender_id"], json!(number(&alice).await));
        let ack = writer.expect("ack").await;
        assert_eq!((&ack["ref"], &ack["id"], &ack["seq"]), (&json!(1), &echo["message_id"], &echo["seq"]));
        assert_eq!(reader.expect("canvas_chat_message").await["message_id"], echo["message_id"]);
        // sent again under its id it is not stored again
        writer.send_json(&say).await;
        assert_eq!(writer.expect("ack").await["seq"], ack["seq"]);
        for (bad, code) in [
            (json!({"type": "canvas_chat", "text": "x".repeat(2_001)}), "MESSAGE_TOO_LONG"),
            (json!({"type": "canvas_chat", "text": "x", "canvas_id": canvas + 1}), "INVALID_MESSAGE"),
        ] {
            writer.send_json(&bad).await;
            writer.expect_error(code).await;
        }
        writer.send_json(&json!({"type": "canvas_chat", "text": "é".repeat(2_000)})).await;
        writer.expect("canvas_chat_message").await;
        reader.expect("canvas_chat_message").await;
        let epoch = &own["epoch"];
        let mut back = bob.open(&format!("/api/v1/ws/canvas/{canvas}?since=0&epoch={epoch}")).await;
        back.expect("user_joined").await;
        back.expect("active_users").await;
        assert_eq!(back.expect("canvas_chat_message").await["seq"], 1);
        assert_eq!(back.expect("canvas_chat_message").await["seq"], 2);
        let recovered = back.expect("recovered").await;
        assert_eq!((&recovered["room_id"], &recovered["complete"]), (&json!(canvas), &json!(true)));
    }
}

#[tokio::test]
async fn what_users_do_is_shown_to_the_others() {
    let server = Server::start().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let canvas = create(&alice).await;
    let (mut doer, mut seer) = (joined(&alice, canvas).await, joined(&bob, canvas).await);
    doer.expect("user_joined").await;
    let alices = number(&alice).await;
    doer.send_json(&json!({"type": "user_presence", "presence_type": "typing", "is_typing": true})).await;
    let typing = seer.expect("user_typing").await;
    assert_eq!((&typing["user_id"], &typing["is_typing"]), (&json!(alices), &json!(true)));
    let status =
        json!({"type": "user_presence", "presence_type": "status", "status": "away", "status_message": "Lunch"});
    doer.send_json(&status).await;
    let shown = seer.expect("user_presence_update").await;
    assert_eq!((&shown["status"], &shown["status_message"]), (&json!("away"), &json!("Lunch")));
    let mention = json!({"type": "tile_mention", "tile_x": 20, "tile_y": 15, "highlight_type": "mention", "message": "Look", "duration": 3000, "ref": 1});
    doer.send_json(&mention).await;
    let highlight = seer.expect("tile_highlight").await;
    for field in ["tile_x", "tile_y", "highlight_type", "message", "duration"] {
        assert_eq!(highlight[field], mention[field], "{field}");
    }
    assert_eq!((&highlight["user_id"], &highlight["canvas_id"]), (&json!(alices), &json!(canvas)));
    assert_eq!(doer.expect("ack").await["ref"], 1);
    doer.send_json(&json!({"type": "tile_mention", "tile_x": 40, "tile_y": 0})).await;
    doer.expect_error("INVALID_MESSAGE").await;
    doer.send_json(&json!({"type": "user_activity", "activity_type": "zoom", "data": {"level": 3}, "ref": 2})).await;
    assert_eq!(doer.expect("ack").await["seq"], 1);
    let activity = seer.expect("user_activity").await;
    assert_eq!((&activity["activity_type"], &activity["data"]), (&json!("zoom"), &json!({"level": 3})));
    doer.expect_nothing_before_pong().await;
    let (_third, _, users) = open(&server.user("carol").await, canvas).await;
    let away = users["users"].as_array().unwrap().iter().find(|user| user["username"] == "alice").unwrap().clone();
    assert_eq!((&away["is_active"], &away["status_message"]), (&json!(false), &json!("Lunch")));
}

#[tokio::test]
async fn the_first_who_edits_a_tile_holds_its_lock_until_the_socket_ends() {
    let server = Server::start().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let canvas = create(&alice).await;
    let (mut first, mut second) = (joined(&alice, canvas).await, joined(&bob, canvas).await);
    first.expect("user_joined").await;
    let edit = |is_editing| json!({"type": "user_presence", "presence_type": "editing_tile", "tile_x": 15, "tile_y": 10, "is_editing": is_editing, "ref": 1});
    first.send_json(&edit(true)).await;
    first.expect("ack").await;
    let shown = second.expect("user_presence_update").await;
    assert_eq!(
        (&shown["tile_x"], &shown["is_editing"], &shown["status"]),
        (&json!(15), &json!(true), &json!("online"))
    );
    second.send_json(&edit(true)).await;
    let error = second.expect_error("CONFLICT").await;
    assert_eq!((&error["holder"]["user_id"], &error["ref"]), (&json!(number(&alice).await), &json!(1)));
    let (third, _, users) = open(&bob, canvas).await;
    let editor = users["users"].as_array().unwrap().iter().find(|user| user["username"] == "alice").unwrap().clone();
    assert_eq!((&editor["tile_x"], &editor["tile_y"], &editor["is_editing"]), (&json!(15), &json!(10), &json!(true)));
    third.close().await;
    // another socket of the same user goes on, and yet the lock ends
    let other = joined(&alice, canvas).await;
    first.close().await;
    let ended = second.expect("user_presence_update").await;
    assert_eq!((&ended["is_editing"], &ended["tile_y"]), (&json!(false), &json!(10)));
    second.send_json(&edit(true)).await;
    second.expect("ack").await;
    drop(other);
}
