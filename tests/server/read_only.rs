//! A database that becomes read-only, like an old primary after a failover.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::support::rest::assert_error;
use crate::support::{DEADLINE, Postgres, Server, User, eventually};

struct Setting {
    cluster: Postgres,
    url: String,
    _server: Server,
    alice: User,
    channel: String,
}

impl Setting {
    async fn new() -> Setting {
        let cluster = Postgres::private();
        let url = cluster.create_database().await;
        let server = Server::builder().env("DATABASE_URL", &url).start().await;
        let alice = server.user("alice").await;
        let channel = alice.channel_with(&[]).await;
        Setting { cluster, url, _server: server, alice, channel }
    }

    /// Makes sessions read-only or writable: open ones, and new ones unless their user has its own setting.
    async fn set_read_only(&self, to: &str) {
        // Sessions that refused a write are removed from the pool, so there may be none when writing is allowed again.
        let sessions = "SELECT count(*)::text FROM pg_stat_activity WHERE starts_with(application_name, 'convene')";
        let open = self.cluster.query_text(&self.url, sessions).await;
        assert!(to == "off" || open.as_deref() != Some("0"), "a warm pool");
        self.cluster.query_text(&self.url, &format!("ALTER SYSTEM SET default_transaction_read_only = {to}")).await;
        self.cluster.query_text(&self.url, "SELECT pg_reload_conf()::text").await;
    }

    /// Makes new sessions writable whatever the server's setting is, as after a failover.
    async fn let_new_sessions_write(&self) {
        self.cluster.query_text(&self.url, "ALTER ROLE convene SET default_transaction_read_only = off").await;
    }
}

#[tokio::test]
async fn after_a_failover_the_node_writes_again_by_itself() {
    let setting = Setting::new().await;
    let mut socket = setting.alice.join(&setting.channel).await;
    socket.say_acked("before", "b").await;
    // Many sessions, so that many are unusable afterwards.
    let reads = (0..20).map(|_| setting.alice.get("/api/groups"));
    futures_util::future::join_all(reads).await;
    setting.let_new_sessions_write().await;
    setting.set_read_only("on").await;
    let began = Instant::now();
    for turn in 0..20 {
        socket.say_acked(&format!("after {turn}"), "a").await;
    }
    assert!(began.elapsed() < Duration::from_secs(8), "not one was refused or kept waiting: {:?}", began.elapsed());
    eventually("REST writes again", DEADLINE, || async {
        let answer = setting.alice.post("/api/groups", json!({"name": "after"})).await;
        (answer.status == 201).then_some(())
    })
    .await;
    // It works on every connection from then on.
    let writes = (0..20).map(|_| setting.alice.post("/api/groups", json!({"name": "many"})));
    for answer in futures_util::future::join_all(writes).await {
        assert_eq!(answer.status, 201, "{}", answer.text);
    }
}

#[tokio::test]
async fn what_a_read_only_database_refuses_is_known_not_to_be_stored() {
    let setting = Setting::new().await;
    let mut socket = setting.alice.join(&setting.channel).await;
    socket.say_acked("before", "b").await;
    setting.set_read_only("on").await;
    let refused = eventually("a refusal", DEADLINE * 2, || async {
        let answer = setting.alice.post("/api/groups", json!({"name": "refused"})).await;
        (answer.status != 201).then_some(answer)
    })
    .await;
    assert_eq!(refused.status, 503, "{}", refused.text);
    socket.send_json(&json!({"type": "message", "content": "refused", "ref": 1})).await;
    let error = socket.read_until("error").await.pop().expect("an error");
    assert_error(&error, "SERVICE_UNAVAILABLE");
    let sentence = error["error"].as_str().unwrap_or_default();
    assert!(!sentence.contains("may or may not"), "a plain refusal: {error}");
    setting.set_read_only("off").await;
    eventually("REST writes again", DEADLINE, || async {
        (setting.alice.post("/api/groups", json!({"name": "healed"})).await.status == 201).then_some(())
    })
    .await;
    socket.say_acked("healed", "h").await;
    let contents: Vec<_> =
        setting.alice.history(&setting.channel).await.iter().map(|message| message["content"].clone()).collect();
    assert_eq!(contents, ["healed", "before"]);
}
