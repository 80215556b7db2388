//! Who is online on this node: users with a socket, and those whose last socket went less than a grace ago. It answers
//! questions and reports changes; it never decides who may do what.

use std::sync::Arc;

use actix::prelude::*;

use super::{
    messages::{SocketClosed, SocketOpened, WhoIsOnline},
    node::Clock,
    outbox::ConnKey,
};
use crate::{
    core::presence::{PresenceChange, PresenceCore},
    ids::UserId,
    limits,
    metrics::Metrics,
};

/// The actor. One per node.
pub struct PresenceTracker {
    core: PresenceCore<ConnKey>,
    clock: Clock,
    metrics: Arc<Metrics>,
    timer: Timer,
}

/// Whether a look at the graces is due.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Timer {
    Off,
    Set,
}

impl PresenceTracker {
    /// Nobody is online yet.
    pub fn new(clock: Clock, metrics: Arc<Metrics>) -> PresenceTracker {
        PresenceTracker { core: PresenceCore::new(clock.now()), clock, metrics, timer: Timer::Off }
    }

    fn tell(&mut self, changes: impl IntoIterator<Item = PresenceChange>, ctx: &mut Context<Self>) {
        for change in changes {
            match change {
                PresenceChange::Online(user) => log::debug!("event=online user={user}"),
                PresenceChange::Offline(user) => log::debug!("event=offline user={user}"),
            }
        }
        self.metrics.users_online(self.core.users());
        // graces are all of one length, so a timer that is set is never too late
        if self.timer == Timer::Set {
            return;
        }
        if let Some(at) = self.core.next_deadline() {
            let left_ms = at.unix_ms.saturating_sub(self.clock.now().unix_ms).max(1) as u64;
            self.timer = Timer::Set;
            ctx.run_later(std::time::Duration::from_millis(left_ms), |tracker, ctx| {
                tracker.timer = Timer::Off;
                let changes = tracker.core.tick(tracker.clock.now());
                tracker.tell(changes, ctx);
            });
        }
    }
}

impl Actor for PresenceTracker {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(limits::PRESENCE_MAILBOX_MAX);
    }
}

impl Handler<SocketOpened> for PresenceTracker {
    type Result = ();

    fn handle(&mut self, opened: SocketOpened, ctx: &mut Self::Context) {
        let change = self.core.connect(&opened.user, opened.conn, self.clock.now());
        self.tell(change, ctx);
    }
}

impl Handler<SocketClosed> for PresenceTracker {
    type Result = ();

    fn handle(&mut self, closed: SocketClosed, ctx: &mut Self::Context) {
        self.core.disconnect(&closed.user, closed.conn, self.clock.now());
        self.tell(None, ctx);
    }
}

impl Handler<WhoIsOnline> for PresenceTracker {
    type Result = MessageResult<WhoIsOnline>;

    fn handle(&mut self, ask: WhoIsOnline, _: &mut Self::Context) -> Self::Result {
        let online: Vec<UserId> = self.core.online_among(&ask.0);
        MessageResult(online)
    }
}
