//! Tiles over sockets and REST: one set of rules, and the same broadcasts.

use reqwest::Method;
use serde_json::json;

use super::{create, create_as, joined, number, open, tile};
use crate::on_both;
use crate::support::Server;

on_both! {
    async fn a_change_over_rest_is_broadcast_to_all_but_the_one_who_did_it(database) {
        let server = Server::on(database).await;
        let (alice, bob) = (server.user("alice").await, server.user("bob").await);
        let canvas = create(&alice).await;
        let (mut own, first, _) = open(&alice, canvas).await;
        let mut other = joined(&bob, canvas).await;
        own.expect("user_joined").await;
        let made = tile(&alice, canvas, 15, 10).await;
        let (id, alices) = (made["tile_id"].as_i64().unwrap(), number(&alice).await);
        assert_eq!((&made["version"], &made["creator_id"], &made["seq"]), (&json!(1), &json!(alices), &json!(1)));
        let created = other.expect("tile_created").await;
        for (field, value) in [("tile_id", json!(id)), ("canvas_id", json!(canvas)), ("creator_id", json!(alices)), ("x", json!(15)),
            ("y", json!(10)), ("like_count", json!(0)), ("content", json!("Hello")), ("version", json!(1)), ("user_id", json!(alices)), ("seq", json!(1))] {
            assert_eq!(created[field], value, "{field}");
        }
        let path = format!("/api/v1/tiles/{id}");
        let updated = bob.request(Method::PATCH, &path, Some(json!({"content": "Ho", "version": 1}))).await.expect(200);
        assert_eq!((&updated["version"], &updated["content"]), (&json!(2), &json!("Ho")));
        assert_eq!(own.expect("tile_updated").await["user_id"], json!(number(&bob).await));
        let late = alice.request(Method::PATCH, &path, Some(json!({"content": "late", "version": 1}))).await;
        let late = late.expect_error(409, "VERSION_CONFLICT");
        assert_eq!((&late["tile"]["content"], &late["tile"]["version"]), (&json!("Ho"), &json!(2)));
        let like = bob.post(&format!("{path}/like"), json!({})).await.expect(200);
        assert_eq!((&like["like_count"], &like["liked"]), (&json!(1), &json!(true)));
        // the notification of the like may come before it or after it
        let mut told = own.read_until("notification").await;
        if told.iter().all(|frame| frame["type"] != "tile_liked") {
            told.push(own.expect("tile_liked").await);
        }
        let liked = told.iter().find(|frame| frame["type"] == "tile_liked").expect("the like");
        assert_eq!(liked["like_count"], 1);
        let again = bob.post(&format!("{path}/like"), json!({})).await.expect(200);
        assert_eq!((&again["like_count"], &again["liked"]), (&json!(1), &json!(true)), "one like per user");
        let unliked = bob.delete(&format!("{path}/like")).await.expect(200);
        assert_eq!((&unliked["like_count"], &unliked["liked"]), (&json!(0), &json!(false)));
        assert_eq!(own.expect("tile_liked").await["liked"], false);
        let taken = bob.post(&format!("/api/v1/canvases/{canvas}/tiles"), json!({"x": 15, "y": 10, "content": "x"})).await;
        assert_eq!(taken.expect_error(409, "CONFLICT")["tile"]["tile_id"], id);
        alice.delete(&path).await.expect(204);
        assert_eq!(other.expect("tile_deleted").await["tile_id"], id);
        alice.get(&path).await.expect_error(404, "NOT_FOUND");
        own.expect_nothing_before_pong().await;
        other.expect_nothing_before_pong().await;

        // a replay leaves out what the user did, and has what the others did
        let epoch = &first["epoch"];
        let mut back = alice.open(&format!("/canvas/{canvas}?since=0&epoch={epoch}")).await;
        back.expect("user_joined").await;
        back.expect("active_users").await;
        for (kind, seq) in [("tile_updated", 2), ("tile_liked", 3), ("tile_liked", 4)] {
            assert_eq!(back.expect(kind).await["seq"], seq);
        }
        assert_eq!(back.expect("recovered").await["seq"], 5);
    }
}

on_both! {
    async fn a_socket_changes_tiles_by_the_same_rules(database) {
        let server = Server::on(database).await;
        let (alice, bob) = (server.user("alice").await, server.user("bob").await);
        let canvas = create(&alice).await;
        let (mut one, mut other) = (joined(&alice, canvas).await, joined(&bob, canvas).await);
        one.expect("user_joined").await;
        let create = json!({"type": "tile_create", "x": 1, "y": 2, "content": "Hello", "ref": "t-1", "client_message_id": "c-1"});
        one.send_json(&create).await;
        let ack = one.expect("ack").await;
        let id = ack["tile_id"].as_i64().unwrap();
        assert_eq!((&ack["version"], &ack["seq"], &ack["like_count"]), (&json!(1), &json!(1), &json!(0)));
        assert_eq!(other.expect("tile_created").await["tile_id"], id);
        one.send_json(&create).await;
        assert_eq!(one.expect("ack").await, ack, "sent again under its id it changes nothing");
        other.send_json(&json!({"type": "tile_create", "x": 1, "y": 2, "content": "x", "ref": 2})).await;
        assert_eq!(other.expect_error("CONFLICT").await["tile"]["tile_id"], id);
        other.send_json(&json!({"type": "tile_update", "tile_id": id, "content": "Ho", "version": 1, "ref": 3})).await;
        assert_eq!(other.expect("ack").await["version"], 2);
        assert_eq!(one.expect("tile_updated").await["content"], "Ho");
        one.send_json(&json!({"type": "tile_update", "tile_id": id, "content": "late", "version": 1, "ref": 4})).await;
        assert_eq!(one.expect_error("VERSION_CONFLICT").await["tile"]["version"], 2);
        for (liked, count) in [(true, 1), (true, 1), (false, 0)] {
            one.send_json(&json!({"type": "tile_like", "tile_id": id, "liked": liked, "ref": 5})).await;
            assert_eq!(one.expect("ack").await["like_count"], count);
        }
        assert_eq!(other.expect("tile_liked").await["liked"], true);
        assert_eq!(other.expect("tile_liked").await["liked"], false);
        one.send_json(&json!({"type": "tile_delete", "tile_id": id, "ref": 6})).await;
        one.expect("ack").await;
        other.expect("tile_deleted").await;
        for message in [json!({"type": "tile_delete", "tile_id": id}), json!({"type": "tile_like", "tile_id": id})] {
            one.send_json(&message).await;
            one.expect_error("NOT_FOUND").await;
        }
        for (x, y) in [(json!(40), json!(0)), (json!(0), json!(30)), (json!(1.5), json!(0)), (json!("1"), json!(0)), (json!(9007199254740992_i64), json!(0))] {
            one.send_json(&json!({"type": "tile_create", "x": x, "y": y, "content": "x"})).await;
            one.expect_error("INVALID_MESSAGE").await;
            alice.post(&format!("/api/v1/canvases/{canvas}/tiles"), json!({"x": x, "y": y, "content": "x"})).await
                .expect_error(400, "INVALID_MESSAGE");
        }
        other.expect_nothing_before_pong().await;
        let feed = bob.get(&format!("/api/v1/canvases/{canvas}/activity")).await.expect(200);
        let types: Vec<_> = feed["activities"].as_array().unwrap().iter().map(|entry| entry["type"].clone()).collect();
        assert_eq!(json!(types), json!(["tile_deleted", "tile_liked", "tile_liked", "tile_updated", "tile_created"]));
        let bobs = number(&bob).await;
        let own = bob.get(&format!("/api/v1/canvases/{canvas}/activity?user_id={bobs}&type=tile_updated,tile_created")).await.expect(200);
        assert_eq!((own["activities"].as_array().unwrap().len(), &own["activities"][0]["user_id"]), (1, &json!(bobs)));
        bob.get(&format!("/api/v1/canvases/{canvas}/activity?type=burnt")).await.expect_error(400, "INVALID_MESSAGE");
        bob.get(&format!("/api/v1/canvases/{canvas}/activity?user_id=0")).await.expect_error(400, "INVALID_MESSAGE");
        bob.get(&format!("/api/v1/canvases?after={}", i64::MAX)).await.expect_error(400, "INVALID_MESSAGE");
    }
}

#[tokio::test]
async fn the_visible_region_is_read_page_by_page() {
    let server = Server::start().await;
    let alice = server.user("alice").await;
    let canvas = create(&alice).await;
    for (x, y) in [(1, 1), (2, 2), (2, 3), (3, 3), (9, 9)] {
        tile(&alice, canvas, x, y).await;
    }
    let places = |page: &serde_json::Value| {
        page["tiles"].as_array().unwrap().iter().map(|tile| json!([tile["x"], tile["y"]])).collect::<Vec<_>>()
    };
    let path = format!("/api/v1/canvases/{canvas}/tiles?x0=2&y0=2&x1=5&y1=5");
    let page = alice.get(&format!("{path}&limit=2")).await.expect(200);
    assert_eq!(
        (places(&page), &page["has_more"], &page["seq"]),
        (vec![json!([2, 2]), json!([2, 3])], &json!(true), &json!(5))
    );
    let rest = alice.get(&format!("{path}&limit=2&after={}", page["next"].as_str().unwrap())).await.expect(200);
    assert_eq!((places(&rest), &rest["has_more"], &rest["next"]), (vec![json!([3, 3])], &json!(false), &json!(null)));
    let reversed = format!("/api/v1/canvases/{canvas}/tiles?x0=2&x1=1");
    alice.get(&reversed).await.expect_error(400, "INVALID_MESSAGE");
}

#[tokio::test]
async fn a_private_canvas_admits_only_members() {
    let server = Server::start().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let canvas = create_as(&alice, "private").await;
    let made = tile(&alice, canvas, 1, 1).await["tile_id"].clone();
    let (of_canvas, of_tile) = (format!("/api/v1/canvases/{canvas}"), format!("/api/v1/tiles/{made}"));
    for path in [of_canvas.clone(), format!("{of_canvas}/tiles"), format!("{of_canvas}/activity"), of_tile] {
        bob.get(&path).await.expect_error(403, "PERMISSION_DENIED");
    }
    assert_eq!(bob.get("/api/v1/canvases").await.expect(200)["canvases"], json!([]));
    let members = format!("{of_canvas}/members");
    bob.post(&members, json!({"user_id": bob.id})).await.expect_error(403, "PERMISSION_DENIED");
    alice.post(&members, json!({"number": number(&bob).await})).await.expect(201);
    alice.post(&members, json!({"user_id": bob.id})).await.expect_error(409, "ALREADY_MEMBER");
    let mut socket = joined(&bob, canvas).await;
    alice.delete(&format!("{members}/{}", bob.id)).await.expect(204);
    socket.expect_close(4403).await;
    bob.get(&of_canvas).await.expect_error(403, "PERMISSION_DENIED");
}
