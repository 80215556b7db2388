//! Deletes expired notifications from the store, periodically. Every node does so; rows deleted by one are simply not
//! found by the others. It must never decide what expires, and nothing waits for it.

use actix::prelude::*;

use crate::{limits, store::Store};

/// The actor. One per node; kept alive by its timer.
pub struct Sweeper {
    store: Store,
}

impl Sweeper {
    /// Creates a sweeper for this store.
    pub fn new(store: Store) -> Sweeper {
        Sweeper { store }
    }

    fn sweep(&mut self, ctx: &mut Context<Self>) {
        let store = self.store.clone();
        let swept = async move { store.sweep_notifications().await };
        ctx.spawn(swept.into_actor(self).map(|swept, sweeper, ctx| match swept {
            // the limit of one query was reached: there may be more
            Ok(count) if count as i64 >= limits::NOTIFICATIONS_SWEPT_MAX => sweeper.sweep(ctx),
            Ok(0) => {}
            Ok(count) => log::debug!("event=notifications_swept count={count}"),
            Err(error) => log::warn!("event=not_swept why=\"{error}\""),
        }));
    }
}

impl Actor for Sweeper {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        self.sweep(ctx);
        ctx.run_interval(limits::NOTIFICATIONS_SWEEP, Self::sweep);
    }
}
