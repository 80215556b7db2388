//! Executes a plan on a running cluster, as punctually as the machine allows, and records what it did.

use std::time::Duration;

use tokio::time::sleep;

use crate::plan::{Action, Plan, Service};
use crate::stage::{Direction, Move, Stage};
use crate::support::{Cluster, Postgres};

/// One executed action.
#[derive(Clone, Copy, Debug)]
pub struct Deed {
    /// The step of the plan that it belongs to.
    pub step: usize,
    pub action: Action,
    pub from_ms: u64,
    pub until_ms: u64,
}

/// Executes the whole plan, and prints each fault when it begins.
pub async fn perform(plan: &Plan, cluster: &mut Cluster, stage: &Stage, direction: &Direction) -> Vec<Deed> {
    let mut deeds: Vec<Deed> = Vec::new();
    for (at_ms, action, step) in plan.actions(cluster.nodes.len()) {
        let wait_ms = at_ms.saturating_sub(stage.now_ms());
        sleep(Duration::from_millis(wait_ms)).await;
        let from_ms = stage.now_ms();
        if deeds.iter().all(|deed| deed.step != step) {
            println!("{:>9.3} s  {}", from_ms as f64 / 1_000.0, plan.steps[step].fault);
        }
        perform_one(action, cluster, direction).await;
        deeds.push(Deed { step, action, from_ms, until_ms: stage.now_ms() });
    }
    deeds
}

async fn perform_one(action: Action, cluster: &mut Cluster, direction: &Direction) {
    match action {
        Action::Kill(node) => cluster.server_mut(node).kill(),
        Action::Terminate(node) => cluster.server(node).request_stop(),
        Action::Start(node) => {
            let server = cluster.server_mut(node);
            if server.is_started() {
                let status = server.ended().await;
                assert_eq!(status.code(), Some(0), "a node that is asked to stop ends well: {}", server.log());
            }
            server.restart().await;
        }
        Action::Pause(node) => cluster.server(node).pause(),
        Action::Resume(node) => cluster.server(node).resume(),
        Action::StopRedis => cluster.stop_redis(),
        Action::StartRedis => cluster.start_redis(),
        Action::Set(node, Service::Redis, line) => cluster.nodes[node].redis.set(line),
        Action::Set(node, Service::Database, line) => cluster.nodes[node].database.set(line),
        Action::LockRow(for_ms) => lock_row(cluster.database_url().to_owned(), for_ms),
        Action::Inside(node, fault) => cluster.server(node).signal(fault.signal()),
        Action::Move(percent) => {
            direction.moves.send_replace(Move { percent });
        }
    }
}

/// Locks the row of the oldest room. A frozen node may hold the lock itself; nothing else waits for it.
fn lock_row(database_url: String, for_ms: u64) {
    tokio::spawn(async move {
        let locking = "SELECT seq FROM rooms ORDER BY created_at, id LIMIT 1 FOR UPDATE";
        let _held = Postgres::shared().hold(&database_url, locking).await;
        sleep(Duration::from_millis(for_ms)).await;
    });
}
