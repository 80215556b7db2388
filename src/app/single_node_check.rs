//! Warns if a node without Redis shares its PostgreSQL database with another node. Both nodes would look healthy, but their users
//! would not see each other. The check must never stop a node, because the other process may be a migration or a restart.

use std::{sync::Arc, time::Instant};

use crate::{
    actors::{bridge::ClusterMode, node::Node},
    limits,
    logged::logged,
    store::Backend,
};

/// Checks repeatedly while the node lives. Does nothing with Redis or SQLite.
pub(super) fn watch(node: &Arc<Node>) {
    if node.bridge.cluster_mode == ClusterMode::MultiNode || node.store.backend() == Backend::Sqlite {
        return;
    }
    let node = Arc::downgrade(node);
    actix_rt::spawn(async move {
        let (mut seen, mut warned): (Vec<String>, Option<Instant>) = (Vec::new(), None);
        loop {
            tokio::time::sleep(limits::NEIGHBOURS_PERIOD).await;
            let Some(node) = node.upgrade() else { return };
            let Ok(found) = node.store.other_processes().await else { continue };
            // A process that is stopping or migrating is gone at the next check.
            let stays = found.iter().find(|name| seen.contains(name));
            if let Some(other) = stays
                && warned.is_none_or(|at| at.elapsed() >= limits::NEIGHBOURS_WARNED)
            {
                warned = Some(Instant::now());
                log::warn!(
                    "event=not_alone other={} why=\"another server uses this database, and neither has REDIS_URL: their users \
                     do not see each other; set REDIS_URL on both\"",
                    logged(other)
                );
            }
            seen = found;
        }
    });
}
