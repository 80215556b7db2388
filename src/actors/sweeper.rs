//! Sweeps out of the store, now and then, what has expired. Every node does so: what one has swept out the others do not
//! find. It decides nothing, and nobody waits for it.

use actix::prelude::*;

use crate::{limits, store::Store};

/// The actor. One per node; its timer keeps it alive.
pub struct Sweeper {
    store: Store,
}

impl Sweeper {
    /// For that store.
    pub fn new(store: Store) -> Sweeper {
        Sweeper { store }
    }

    fn sweep(&mut self, ctx: &mut Context<Self>) {
        let store = self.store.clone();
        let swept = async move { store.sweep_notifications().await };
        ctx.spawn(swept.into_actor(self).map(|swept, sweeper, ctx| match swept {
            // as many as go at once: there may be more
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
