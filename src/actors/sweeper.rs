//! Deletes expired notifications from the store, periodically. Every node does so; rows deleted by one are simply not
//! found by the others. It must never decide what expires, and nothing waits for it.

use actix::prelude::*;

use crate::{
    limits,
    store::{Store, StoreError},
};

/// The actor. One per node; kept alive by its timer.
pub struct Sweeper {
    store: Store,
}

/// What is removed.
#[derive(Clone, Copy)]
enum Kind {
    /// Notifications that have expired.
    Notifications,
    /// Old ids that clients gave their messages.
    ClientMessages,
}

impl Kind {
    const ALL: [Kind; 2] = [Kind::Notifications, Kind::ClientMessages];

    const fn name(self) -> &'static str {
        match self {
            Kind::Notifications => "notifications",
            Kind::ClientMessages => "client_messages",
        }
    }

    /// The limit of one query.
    const fn most(self) -> i64 {
        match self {
            Kind::Notifications => limits::NOTIFICATIONS_SWEPT_MAX,
            Kind::ClientMessages => limits::CLIENT_MESSAGES_SWEPT_MAX,
        }
    }

    async fn sweep(self, store: &Store) -> Result<usize, StoreError> {
        match self {
            Kind::Notifications => store.sweep_notifications().await,
            Kind::ClientMessages => store.sweep_client_messages().await,
        }
    }
}

impl Sweeper {
    /// Creates a sweeper for this store.
    pub fn new(store: Store) -> Sweeper {
        Sweeper { store }
    }

    fn sweep_all(&mut self, ctx: &mut Context<Self>) {
        Kind::ALL.into_iter().for_each(|kind| self.sweep(kind, ctx));
    }

    fn sweep(&mut self, kind: Kind, ctx: &mut Context<Self>) {
        let store = self.store.clone();
        let swept = async move { kind.sweep(&store).await };
        ctx.spawn(swept.into_actor(self).map(move |swept, sweeper, ctx| match swept {
            // the limit of one query was reached: there may be more
            Ok(count) if count as i64 >= kind.most() => sweeper.sweep(kind, ctx),
            Ok(0) => {}
            Ok(count) => log::debug!("event=swept what={} count={count}", kind.name()),
            Err(error) => log::warn!("event=not_swept what={} why=\"{error}\"", kind.name()),
        }));
    }
}

impl Actor for Sweeper {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        self.sweep_all(ctx);
        ctx.run_interval(limits::SWEEP_OUT_PERIOD, Self::sweep_all);
    }
}
