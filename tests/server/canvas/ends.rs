//! How a canvas ends, and who may not open a socket on it.

use serde_json::json;

use super::{create, create_as, joined, tile};
use crate::on_both;
use crate::support::{
    Server, Socket,
    socket::{Frame, Place},
};

on_both! {
    async fn a_canvas_that_is_deactivated_closes_its_sockets_and_is_not_found(database) {
        let server = Server::on(database).await;
        let (alice, bob) = (server.user("alice").await, server.user("bob").await);
        let canvas = create(&alice).await;
        let made = tile(&alice, canvas, 1, 1).await["tile_id"].clone();
        let path = format!("/api/v1/canvases/{canvas}");
        bob.delete(&path).await.expect_error(403, "PERMISSION_DENIED");
        let (mut own, mut other) = (joined(&alice, canvas).await, joined(&bob, canvas).await);
        own.expect("user_joined").await;
        alice.delete(&path).await.expect(204);
        // who is closed later may still see that the other one left
        for socket in [&mut own, &mut other] {
            let frames = socket.expect_end_within(crate::support::DEADLINE).await;
            assert!(frames.iter().any(|frame| matches!(frame, Frame::Close(Some((4403, _))))), "{frames:?}");
        }
        for path in [path.clone(), format!("{path}/tiles"), format!("{path}/activity")] {
            alice.get(&path).await.expect_error(404, "ROOM_NOT_FOUND");
        }
        alice.delete(&path).await.expect_error(404, "ROOM_NOT_FOUND");
        alice.get(&format!("/api/v1/tiles/{made}")).await.expect_error(404, "NOT_FOUND");
        alice.post(&format!("{path}/tiles"), json!({"x": 2, "y": 2, "content": "x"})).await.expect_error(404, "ROOM_NOT_FOUND");
        assert_eq!(alice.get("/api/v1/canvases").await.expect(200)["canvases"], json!([]));
        assert_eq!(refused(&server, &bob.token, canvas).await, 404);
    }
}

#[tokio::test]
async fn a_socket_without_the_right_is_refused_before_the_upgrade() {
    let server = Server::start().await;
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let canvas = create_as(&alice, "private").await;
    assert_eq!(refused(&server, &bob.token, canvas).await, 403);
    assert_eq!(refused(&server, &bob.token, canvas + 1).await, 404);
    assert_eq!(refused(&server, "nonsense", canvas).await, 401);
}

/// The status with which the server refuses a socket.
async fn refused(server: &Server, token: &str, canvas: i64) -> u16 {
    use tokio_tungstenite::tungstenite::Error;
    match Socket::try_open(server.origin(), &format!("/canvas/{canvas}"), token, Place::Query).await {
        Err(Error::Http(response)) => response.status().as_u16(),
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("the socket was opened"),
    }
}

on_both! {
    async fn the_chat_is_read_and_written_over_rest(database) {
        let server = Server::on(database).await;
        let (alice, bob) = (server.user("alice").await, server.user("bob").await);
        let canvas = create(&alice).await;
        let mut socket = joined(&bob, canvas).await;
        let path = format!("/api/v1/canvases/{canvas}/messages");
        let sent = alice.post(&path, json!({"content": "Hello", "idempotency_key": "k"})).await.expect(201);
        assert_eq!((&sent["conversation_id"], &sent["seq"]), (&json!(format!("canvas/{canvas}")), &json!(1)));
        assert_eq!(alice.post(&path, json!({"content": "Hello", "idempotency_key": "k"})).await.expect(201), sent);
        let heard = socket.expect("canvas_chat_message").await;
        assert_eq!((&heard["message_id"], &heard["message_text"]), (&sent["id"], &json!("Hello")));
        socket.send_json(&json!({"type": "canvas_chat", "text": "Hi"})).await;
        socket.expect("canvas_chat_message").await;
        let page = bob.get(&format!("{path}?limit=1")).await.expect(200);
        assert_eq!((&page["messages"][0]["content"], &page["has_more"]), (&json!("Hi"), &json!(true)));
        let rest = bob.get(&format!("{path}?before={}", page["messages"][0]["seq"])).await.expect(200);
        assert_eq!(rest["messages"][0]["id"], sent["id"]);
        alice.post(&path, json!({"content": "x".repeat(2_001)})).await.expect_error(413, "MESSAGE_TOO_LONG");
        bob.get("/api/v1/canvases/999/messages").await.expect_error(404, "ROOM_NOT_FOUND");
    }
}
