//! Shared sheets over two nodes: one update is first, and acknowledged updates are kept.

use serde_json::{Value, json};

use crate::support::{Cluster, Socket, User};

const ROOM: &str = "workspace_123";
const CELLS: &str = "/api/v1/sheets/s/cells";

async fn joined(user: &User) -> Socket {
    let mut socket = user.open("/api/v1/ws").await;
    socket.send_json(&json!({"type": "join_room", "room_id": ROOM})).await;
    socket.read_until("room_state").await;
    socket
}

fn update(cell: &str, value: &str, version: u64) -> Value {
    json!({"type": "cell_update", "sheet_id": "s", "cell_id": cell, "value": value, "version": version, "ref": value})
}

/// What one socket has received.
#[derive(Default, PartialEq, Debug)]
struct Seen {
    /// Positions, versions and values, as received.
    rows: Vec<[Value; 3]>,
    acks: Vec<Value>,
    conflicts: usize,
}

impl Seen {
    /// Reads until this many updates and answers have arrived.
    async fn read(&mut self, socket: &mut Socket, rows: usize, answers: usize) {
        while self.rows.len() < rows || self.acks.len() + self.conflicts < answers {
            let frame = socket.next_json().await;
            match (frame["type"].as_str(), frame["code"].as_str()) {
                (Some("cell_updated"), _) => {
                    self.rows.push(["seq", "version", "value"].map(|name| frame[name].clone()));
                }
                (Some("ack"), _) => self.acks.push(frame["seq"].clone()),
                (Some("error"), Some("VERSION_CONFLICT")) => self.conflicts += 1,
                // Presence may be updated at any time.
                (Some("room_state"), _) => {}
                _ => panic!("{frame}"),
            }
        }
    }
}

#[tokio::test]
async fn of_many_who_change_one_version_on_two_nodes_one_is_first() {
    const TURNS: u64 = 12;
    const TRIES: usize = 4;
    let cluster = Cluster::builder().env("WEBSOCKET_REQUESTS_PER_MINUTE", 0).start(2).await;
    let [alice, bob] = cluster.users(["alice", "bob"]).await;
    let bob = cluster.at(1, &bob);
    let (mut here, mut there) = (joined(&alice).await, joined(&bob).await);
    let (mut near, mut far) = (Seen::default(), Seen::default());
    here.send_json(&update("A1", "first", 0)).await;
    tokio::join!(near.read(&mut here, 1, 1), far.read(&mut there, 1, 0));
    for version in 1..=TURNS {
        for n in 0..TRIES {
            let (one, other) = (format!("alice {version} {n}"), format!("bob {version} {n}"));
            let (one, other) = (update("A1", &one, version), update("A1", &other, version));
            tokio::join!(here.send_json(&one), there.send_json(&other));
        }
        let (rows, tries) = (version as usize + 1, version as usize * TRIES);
        tokio::join!(near.read(&mut here, rows, tries + 1), far.read(&mut there, rows, tries));
        let won = near.acks.len() + far.acks.len();
        assert_eq!(won, rows, "exactly one is first in each turn");
        assert_eq!(near.rows, far.rows, "both see the same in the same order");
        assert_eq!(near.rows[rows - 1][..2], [json!(rows), json!(rows)]);
    }
    let (one, other) = (alice.get(CELLS).await.expect(200), bob.get(CELLS).await.expect(200));
    assert_eq!(one, other, "both nodes read the same");
    assert_eq!((&one["cells"][0]["value"], &one["cells"][0]["version"]), (&near.rows[12][2], &json!(TURNS + 1)));
    for socket in [&mut here, &mut there] {
        socket.expect_nothing_before_pong().await;
    }
}

#[tokio::test]
async fn acknowledged_cells_outlive_their_node_and_come_to_who_missed_them() {
    let mut cluster = Cluster::start(2).await;
    let [alice, bob] = cluster.users(["alice", "bob"]).await;
    let (mut reader, mut writer) = (joined(&alice).await, joined(&cluster.at(1, &bob)).await);
    let mut seen = Seen::default();
    let mut written = Seen::default();
    for n in 1..=2 {
        writer.send_json(&update(&format!("A{n}"), &format!("{n}"), 0)).await;
        written.read(&mut writer, n, n).await;
    }
    seen.read(&mut reader, 2, 0).await;
    reader.close().await;
    for n in 3..=6 {
        writer.send_json(&update(&format!("A{n}"), &format!("{n}"), 0)).await;
        written.read(&mut writer, n, n).await;
    }
    cluster.server_mut(1).kill();

    let page = alice.get(CELLS).await.expect(200);
    let cells = page["cells"].as_array().expect("a page");
    let kept: Vec<&Value> = cells.iter().map(|cell| &cell["value"]).collect();
    assert_eq!(kept, ["1", "2", "3", "4", "5", "6"], "what was acknowledged is kept");
    // Bob, whose node died, reconnects to the other one.
    for user in [&alice, &cluster.at(0, &bob)] {
        let mut back = user.open("/api/v1/ws").await;
        let join = json!({"type": "join_room", "room_id": ROOM, "since": 2, "epoch": page["epoch"]});
        back.send_json(&join).await;
        let frames = back.read_until("recovered").await;
        let missed: Vec<&Value> =
            frames.iter().filter(|frame| frame["type"] == "cell_updated").map(|f| &f["seq"]).collect();
        assert_eq!(missed, [3, 4, 5, 6], "exactly what was missed");
        let recovered = &frames[frames.len() - 1];
        assert_eq!((&recovered["seq"], &recovered["complete"]), (&json!(6), &json!(true)), "{recovered}");
    }
}
