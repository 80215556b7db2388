//! A node without Redis takes itself for alone. On PostgreSQL it may be wrong: then users of one node do not see those of
//! the other, and both look healthy. So it looks who else is connected, and says so in the log.

use std::{sync::Arc, time::Instant};

use crate::{
    actors::{bridge::Reach, node::Node},
    limits,
    logged::logged,
    store::Backend,
};

/// Looks for as long as the node lives, if there is anything to look for.
pub(super) fn watch(node: &Arc<Node>) {
    if node.bridge.reach == Reach::Cluster || node.store.backend() == Backend::Sqlite {
        return;
    }
    let node = Arc::downgrade(node);
    actix_rt::spawn(async move {
        let (mut seen, mut warned): (Vec<String>, Option<Instant>) = (Vec::new(), None);
        loop {
            tokio::time::sleep(limits::NEIGHBOURS_PERIOD).await;
            let Some(node) = node.upgrade() else { return };
            let Ok(found) = node.store.other_processes().await else { continue };
            // one that is just stopping, or migrating, is gone the next time
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
