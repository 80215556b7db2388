//! A revoked right takes effect within a second, also for sockets that are being opened at that moment: a removed,
//! revoked or blocked user has no open socket (docs/protocol.md, "Authentication").

use serde_json::json;
use tokio::time::Instant;

use crate::on_both;
use crate::support::crowd::Crowd;
use crate::support::proxy::Proxy;
use crate::support::{DEADLINE, Database, Line, Postgres, Server, ServerBuilder, User, token};

/// How often a race is run.
const ROUNDS: usize = 5;
/// The same with a slow database, which makes the race certain.
const SLOW_ROUNDS: usize = 2;
/// Attempts to open a socket before the right is revoked.
const ATTEMPTS: usize = 50;

fn admin(server: &Server) -> User {
    User::with_token(server.origin(), "ops", "ops", &token::for_admin("ops", "ops"))
}

async fn nobody_slips_in_while_removed(server: &Server, rounds: usize, before: impl FnOnce()) {
    let (alice, bob) = (server.user("alice").await, server.user("bob").await);
    let group = alice.create_group("team").await;
    let channel = alice.create_channel(&group, "general").await;
    before();
    for round in 0..rounds {
        alice.add_member(&group, &bob).await;
        let crowd = Crowd::start(std::slice::from_ref(&bob), &format!("/ws/channel/{channel}"));
        crowd.has_tried(ATTEMPTS).await;
        alice.delete(&format!("/api/groups/{group}/members/{}", bob.id)).await.expect(204);
        let left = crowd.leave(Instant::now()).await;
        assert!(left.opened > 0, "round {round}: {left:?}");
        assert_eq!(left.open, 0, "round {round}: {left:?}");
    }
}

async fn nobody_slips_in_while_revoked(server: &Server, rounds: usize, before: impl FnOnce()) {
    let (alice, ops) = (server.user("alice").await, admin(server));
    let channel = alice.channel_with(&[]).await;
    ops.get("/api/auth/me").await.expect(200);
    before();
    for round in 0..rounds {
        let alice = User::login(server.origin(), "alice").await;
        let paths = [format!("/ws/channel/{channel}"), "/api/v1/ws".to_owned()];
        let crowd = Crowd::start(std::slice::from_ref(&alice), &paths[round % paths.len()]);
        crowd.has_tried(ATTEMPTS).await;
        ops.post("/api/auth/revoke", json!({"user_id": alice.id})).await.expect(204);
        let left = crowd.leave(Instant::now()).await;
        assert!(left.opened > 0, "round {round}: {left:?}");
        assert_eq!(left.open, 0, "round {round}: {left:?}");
    }
}

/// A server without a limit on sockets per user.
fn server(database: Database) -> ServerBuilder {
    Server::builder().database(database).env("MAX_CONNECTIONS_PER_USER", 0)
}

/// A server whose connection to the database becomes slow on request.
async fn with_slow_database() -> (Server, Proxy) {
    let postgres = Postgres::shared();
    let url = postgres.create_database().await;
    let name = url.rsplit('/').next().unwrap_or_default().to_owned();
    let line = Proxy::to(postgres.port());
    let through = format!("postgres://convene@127.0.0.1:{}/{name}", line.port());
    (server(Database::Postgres).env("DATABASE_URL", through).start().await, line)
}

on_both! {
    async fn who_is_removed_from_a_group_has_no_socket_a_second_later(database) {
        nobody_slips_in_while_removed(&server(database).start().await, ROUNDS, || {}).await;
    }
}

on_both! {
    async fn whose_tokens_are_revoked_has_no_socket_a_second_later(database) {
        nobody_slips_in_while_revoked(&server(database).start().await, ROUNDS, || {}).await;
    }
}

#[tokio::test]
async fn who_is_removed_has_no_socket_a_second_later_with_a_slow_database() {
    let (server, line) = with_slow_database().await;
    nobody_slips_in_while_removed(&server, SLOW_ROUNDS, || line.set(Line::Slow)).await;
}

#[tokio::test]
async fn whose_tokens_are_revoked_has_no_socket_a_second_later_with_a_slow_database() {
    let (server, line) = with_slow_database().await;
    nobody_slips_in_while_revoked(&server, SLOW_ROUNDS, || line.set(Line::Slow)).await;
}

#[tokio::test]
async fn who_is_blocked_has_no_socket_a_second_later() {
    let server = server(Database::Sqlite).env("WEBSOCKET_REQUESTS_PER_MINUTE", 3).start().await;
    for round in 0..ROUNDS {
        let alice = server.user(&format!("alice{round}")).await;
        let channel = alice.channel_with(&[]).await;
        let mut talker = alice.join(&channel).await;
        let crowd = Crowd::start(std::slice::from_ref(&alice), &format!("/ws/channel/{channel}"));
        crowd.has_tried(ATTEMPTS).await;
        for _ in 0..14 {
            talker.say("on and on").await;
        }
        let end = talker.expect_end_within(DEADLINE).await;
        assert!(end.iter().any(|frame| frame.is_close(4429)), "{end:?}");
        let left = crowd.leave(Instant::now()).await;
        assert!(left.opened > 0, "round {round}: {left:?}");
        assert_eq!(left.open, 0, "round {round}: {left:?}");
    }
}
