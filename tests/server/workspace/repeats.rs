//! Updates of cells that are sent again (docs/protocol.md, Sending again).

use serde_json::{Value, json};

use super::{joined, open};
use crate::on_both;
use crate::support::{Server, Socket};

fn update(value: &str, version: i64, id: &str) -> Value {
    json!({"type": "cell_update", "sheet_id": "budget", "cell_id": "A1", "value": value, "version": version, "ref": id,
           "client_message_id": id})
}

/// The change and its acknowledgement, in either order.
async fn changed_and_acked(socket: &mut Socket) -> (Value, Value) {
    let (one, other) = (socket.next_json().await, socket.next_json().await);
    let (change, ack) = if one["type"] == "ack" { (other, one) } else { (one, other) };
    assert_eq!((&ack["type"], &ack["seq"]), (&json!("ack"), &change["seq"]), "{change} {ack}");
    (change, ack)
}

on_both! {
    async fn an_update_of_cells_sent_again_is_no_second_change_and_no_conflict(database) {
        let server = Server::on(database).await;
        let (alice, bob) = (server.user("alice").await, server.user("bob").await);
        let mut editor = joined(&alice, "plans").await;
        let mut reader = joined(&bob, "plans").await;
        editor.expect("room_state").await;
        editor.send_json(&update("1", 0, "c-1")).await;
        let (first, ack) = changed_and_acked(&mut editor).await;
        assert_eq!((&first["client_message_id"], &first["version"]), (&json!("c-1"), &json!(1)));
        let told = reader.expect("cell_updated").await;
        assert_eq!((&told["client_message_id"], &told["id"]), (&json!(null), &first["id"]));
        editor.send_json(&update("2", 1, "c-2")).await;
        let (_, second_ack) = changed_and_acked(&mut editor).await;
        reader.expect("cell_updated").await;
        // one without a version would undo the second one, and that would be too late
        for (again, ack) in [(update("1", 0, "c-1"), &ack), (update("2", 1, "c-2"), &second_ack)] {
            editor.send_json(&again).await;
            assert_eq!(&editor.expect("ack").await, ack);
        }
        editor.send_json(&update("3", 2, "c-2")).await;
        editor.expect_error("CONFLICT").await;
        reader.expect_nothing_before_pong().await;
        let cells = alice.get("/api/v1/sheets/budget/cells").await.expect(200);
        assert_eq!((&cells["cells"][0]["value"], &cells["cells"][0]["version"]), (&json!("2"), &json!(2)), "{cells}");

        // a new socket of hers that has joined nothing but the room, several cells, and a replay
        let mut back = open(&alice).await;
        back.send_json(&json!({"type": "join_room", "room_id": "plans", "since": 0})).await;
        back.expect("room_state").await;
        for id in ["c-1", "c-2"] {
            assert_eq!(back.expect("cell_updated").await["client_message_id"], id);
        }
        back.expect("recovered").await;
        let cells = json!([{"cell_id": "B1", "value": 1}, {"cell_id": "B2", "value": 2}]);
        let several = json!({"type": "cells_update", "sheet_id": "budget", "cells": cells, "ref": "s", "client_message_id": "s-1"});
        back.send_json(&several).await;
        let (change, ack) = changed_and_acked(&mut back).await;
        assert_eq!((&change["type"], &change["client_message_id"]), (&json!("cells_updated"), &json!("s-1")));
        assert_eq!(editor.expect("cells_updated").await, change, "also on her other socket");
        back.send_json(&several).await;
        assert_eq!(back.expect("ack").await, ack);
    }
}
