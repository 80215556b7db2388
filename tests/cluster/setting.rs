//! What most of these tests begin with: two nodes, people on both, one room.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::rest::get;
use crate::support::shape::{opaque, sorted_texts};
use crate::support::socket::Frame;
use crate::support::{Cluster, Socket, User, eventually};

/// "Within 5 s" of the contract, and a busy machine's share.
pub const FIVE_SECONDS: Duration = Duration::from_secs(6);

/// Two nodes, Alice at the first and Bob at the second, and a channel of both.
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

    /// Both in the channel, each knowing of the other.
    pub async fn both(&self) -> (Socket, Socket) {
        let mut alice = self.alice.join(&self.channel).await;
        let bob = join_knowing(&self.bob, &self.channel, &[&self.alice]).await;
        assert_eq!(alice.expect("user_joined").await["user_id"], self.bob.id.as_str());
        (alice, bob)
    }

    /// A third person with a right to the channel, registered at the first node.
    pub async fn guest(&self, username: &str) -> User {
        let guest = self.cluster.server(0).user(username).await;
        let groups = self.alice.get("/api/groups").await.expect(200);
        let group = groups[0]["id"].as_str().expect("Alice's only group");
        self.alice.add_member(group, &guest).await;
        guest
    }

    /// Waits until a node's health says so of its Redis; how long it took.
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

/// Joins, and waits until everybody who is there is known: a node whose first member this is may have to ask the others
/// first, and then tells the rest by `user_joined`.
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

/// The content of a chat message that everybody must get next, and nothing else before it.
pub async fn all_hear(content: &str, sockets: &mut [&mut Socket]) -> Value {
    let mut first = None;
    for socket in sockets {
        let message = socket.expect_message(content).await;
        assert_eq!(first.get_or_insert(message.clone()), &message, "everybody hears the same");
    }
    first.expect("somebody listens")
}

/// Says something and has everybody hear it, the speaker first.
pub async fn said(content: &str, sockets: &mut [&mut Socket]) -> Value {
    sockets[0].say(content).await;
    all_hear(content, sockets).await
}

/// Asks with a `ref` and returns the error's code.
pub async fn refused(socket: &mut Socket, message: &Value) -> String {
    let mut message = message.clone();
    message["ref"] = json!("refused");
    socket.send_json(&message).await;
    let error = socket.expect("error").await;
    assert_eq!(error["ref"], "refused", "{error}");
    error["code"].as_str().expect("a code").to_owned()
}

/// Reads until the socket is closed with that code, whatever is said before.
pub async fn closed_with(socket: &mut Socket, code: u16) -> Vec<Frame> {
    let frames = socket.expect_end_within(crate::support::DEADLINE).await;
    let closed = frames.iter().any(|frame| matches!(frame, Frame::Close(Some((got, _))) if *got == code));
    assert!(closed, "expected a close with {code}, got {frames:?}");
    frames
}

/// The epoch of a channel, as its first frame tells it.
pub async fn epoch_of(user: &User, channel: &str) -> String {
    let mut socket = user.connect(channel).await;
    let epoch = opaque(&socket.expect("online_users").await, "epoch");
    socket.close().await;
    epoch
}
