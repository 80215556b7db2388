//! The harness of the black-box tests: real processes, real sockets, real databases.
//!
//! Nothing here depends on the server's code. A test starts the built binary, talks to it over TCP and checks the
//! results. A missing dependency (PostgreSQL, Redis) is a panic that names the command to install it, never a skip.
//! Every process started here ends with the test process, even if that is killed: see [`guard`].

// Every test binary compiles the whole harness and uses only a part of it.
#![allow(dead_code, unused_imports, unused_macros)]

pub mod bucket;
pub mod cluster;
pub mod crowd;
pub mod document;
pub mod guard;
pub mod load;
pub mod pgbouncer;
pub mod ports;
pub mod postgres;
pub mod provider;
pub mod proxy;
pub mod random;
pub mod raw;
pub mod redis;
pub mod rest;
pub mod server;
pub mod shape;
pub mod socket;
mod template;
pub mod token;
pub mod tus;

use std::future::Future;
use std::time::Duration;

pub use cluster::Cluster;
pub use document::YjsEditor;
pub use postgres::{Database, Postgres};
pub use proxy::Line;
pub use rest::User;
pub use server::{Server, ServerBuilder};
pub use socket::Socket;

/// How long a test waits for something that should happen at once. Generous, because the machine may be busy; a passing
/// test never waits this long.
pub const DEADLINE: Duration = Duration::from_secs(10);

/// How often a condition is checked while waiting for it.
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// Polls until `condition` returns a value.
///
/// # Panics
/// If `deadline` passes first; `what` is named in the panic.
pub async fn eventually<T, F>(what: &str, deadline: Duration, mut condition: impl FnMut() -> F) -> T
where
    F: Future<Output = Option<T>>,
{
    let end = tokio::time::Instant::now() + deadline;
    loop {
        if let Some(value) = condition().await {
            return value;
        }
        assert!(tokio::time::Instant::now() < end, "waited {deadline:?} in vain for: {what}");
        tokio::time::sleep(POLL_INTERVAL).await;
    }
}

/// Runs one test body on SQLite and on a real PostgreSQL, as two tests named `<name>::sqlite` and `<name>::postgres`.
#[macro_export]
macro_rules! on_both {
    ($(#[doc = $doc:expr])* async fn $name:ident($database:ident) $body:block) => {
        $(#[doc = $doc])*
        mod $name {
            use super::*;

            async fn on_database($database: $crate::support::Database) $body

            #[tokio::test]
            async fn sqlite() {
                on_database($crate::support::Database::Sqlite).await;
            }

            #[tokio::test]
            async fn postgres() {
                on_database($crate::support::Database::Postgres).await;
            }
        }
    };
}
