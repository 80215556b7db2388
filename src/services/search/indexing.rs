//! Indexes messages, one node of a cluster at a time, with pauses, so that other work of the database is not delayed. A message
//! that is not indexed yet is found nevertheless (`store::SearchStart::pending`), so nothing waits for it.

use std::time::Instant;

use crate::{
    limits,
    store::{Indexed, Store, StoreError},
};

/// Indexes in the background, on the calling thread, while the node lives.
pub fn start(store: Store) {
    actix_rt::spawn(async move {
        let mut progress = Progress { old: 0, told: Instant::now(), is_failing: false };
        loop {
            let began = Instant::now();
            let pause = match store.index_messages().await {
                Ok(done) => {
                    progress.tell(&done);
                    if done.has_more { began.elapsed().max(limits::INDEX_PAUSE_MIN) } else { limits::INDEX_PERIOD }
                }
                Err(error) => {
                    progress.tell_failure(&error);
                    limits::INDEX_PERIOD
                }
            };
            tokio::time::sleep(pause).await;
        }
    });
}

struct Progress {
    /// Messages from before search existed that this node has indexed.
    old: usize,
    told: Instant,
    is_failing: bool,
}

impl Progress {
    fn tell(&mut self, done: &Indexed) {
        if std::mem::take(&mut self.is_failing) {
            log::info!("event=search_indexing_again");
        }
        self.old += done.old;
        if done.is_old_done {
            log::info!("event=search_index_complete old_messages={}", self.old);
        } else if let Some(back_to) = done.old_back_to
            && self.told.elapsed() >= limits::INDEX_PROGRESS_TOLD
        {
            self.told = Instant::now();
            log::info!("event=search_indexing old_messages={} back_to={back_to}", self.old);
        }
    }

    /// Once per outage.
    fn tell_failure(&mut self, error: &StoreError) {
        if !std::mem::replace(&mut self.is_failing, true) {
            log::warn!("event=search_not_indexed why=\"{error}\"");
        }
    }
}
