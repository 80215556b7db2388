//! The usual setup of these tests: two nodes, users on both, one room.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::rest::get;
use crate::support::shape::{opaque, sorted_texts};
use crate::support::socket::Frame;
use crate::support::{Cluster, Socket, User, eventually};

/// The documented 5 s, plus slack for a busy machine.
pub const FIVE_SECONDS: Duration = Duration::from_secs(6);

/// Two nodes, Alice on the first and Bob on the second, and a channel with both.
pub struct Setting {
    pub cluster: Cluster,
    pub alice: User,
    pub bob: User,
    pub channel: String,
}

impl Setting {
    pub async fn new() -> Setting {
        Setting::of(Cluster::start(2).await).await
    }

    /// The same on a cluster with other settings.
    pub async fn of(cluster: Cluster) -> Setting {
        let [alice, bob] = cluster.users(["alice", "bob"]).await;
        let channel = alice.channel_with(&[&bob]).await;
        let bob = cluster.at(1, &bob);
        Setting { cluster, alice, bob, channel }
    }

    /// Both in the channel, each aware of the other.
    pub async fn both(&self) -> (Socket, Socket) {
        let mut alice = self.alice.join(&self.channel).await;
        let bob = join_knowing(&self.bob, &self.channel, &[&self.alice]).await;
        assert_eq!(alice.expect("user_joined").await["user_id"], self.bob.id.as_str());
        (alice, bob)
    }

    /// A third user with access to the channel, registered on the first node.
    pub async fn guest(&self, username: &str) -> User {
        let guest = self.cluster.server(0).user(username).await;
        self.admit(&guest).await;
        guest
    }

    /// Makes a user a member of Alice's group.
    pub async fn admit(&self, user: &User) {
        let groups = self.alice.get("/api/groups").await.expect(200);
        let group = groups[0]["id"].as_str().expect("Alice's only group");
        self.alice.add_member(group, user).await;
    }

    /// Waits until a node's health reports this state of its Redis. Returns how long it took.
    pub async fn redis_status(&self, node: usize, status: &str) -> Duration {
        let url = self.cluster.server(node).url("/api/v1/ws/health");
        let begun = Instant::now();
        eventually(&format!("redis '{status}' at node {node}"), crate::support::DEADLINE * 2, || async {
            let health = get(&url).await.expect(200);
            let expected = if status == "ok" { "healthy" } else { "degraded" };
            (health["redis"]["status"] == status && health["status"] == expected).then_some(())
        })
        .await;
        begun.elapsed()
    }
}

/// Joins and waits until all members are known. A node that just loaded the room may have to ask the other nodes, and
/// then announces the rest with `user_joined`.
pub async fn join_knowing(user: &User, channel: &str, others: &[&User]) -> Socket {
    let mut socket = user.connect(channel).await;
    let first = socket.expect("online_users").await;
    let mut known = sorted_texts(&first["users"]);
    while !others.iter().all(|other| known.contains(&other.id)) {
        let joined = socket.expect("user_joined").await["user_id"].as_str().expect("a user id").to_owned();
        assert!(!known.contains(&joined), "told twice of {joined}");
        known.push(joined);
    }
    socket
}

/// A chat message that everybody must receive next.
pub async fn all_hear(content: &str, sockets: &mut [&mut Socket]) -> Value {
    let mut first = None;
    for socket in sockets {
        let message = socket.expect_message(content).await;
        assert_eq!(first.get_or_insert(message.clone()), &message, "everybody hears the same");
    }
    first.expect("somebody listens")
}

/// Sends a message from the first socket and expects that all receive it.
pub async fn said(content: &str, sockets: &mut [&mut Socket]) -> Value {
    sockets[0].say(content).await;
    all_hear(content, sockets).await
}

/// Sends a request with a `ref` and returns the code of the error.
pub async fn refused(socket: &mut Socket, message: &Value) -> String {
    let mut message = message.clone();
    message["ref"] = json!("refused");
    socket.send_json(&message).await;
    let error = socket.expect("error").await;
    assert_eq!(error["ref"], "refused", "{error}");
    error["code"].as_str().expect("a code").to_owned()
}

/// Reads until the socket is closed with this code, skipping other frames.
pub async fn closed_with(socket: &mut Socket, code: u16) -> Vec<Frame> {
    let frames = socket.expect_end_within(crate::support::DEADLINE).await;
    let closed = frames.iter().any(|frame| matches!(frame, Frame::Close(Some((got, _))) if *got == code));
    assert!(closed, "expected a close with {code}, got {frames:?}");
    frames
}

/// The epoch of a channel, from its first frame.
pub async fn epoch_of(user: &User, channel: &str) -> String {
    let mut socket = user.connect(channel).await;
    let epoch = opaque(&socket.expect("online_users").await, "epoch");
    socket.close().await;
    epoch
}
