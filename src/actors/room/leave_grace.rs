//! Users whose last socket broke off: their leave is announced when the grace period is over, unless they are back on
//! any node by then. Every node decides by its own clock and must never wait for another one.

use std::time::{Duration, Instant};

use actix::prelude::*;

use super::Room;
use crate::{core::profile::Author, ids::UserId, limits};

/// Whether a user whose socket has closed is likely to reconnect.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Return {
    /// The user or the server closed it deliberately.
    Unlikely,
    /// It broke off.
    Likely,
}

impl Room {
    /// For how long the leave is not announced.
    pub(super) fn grace_after(&self, back: Return) -> Duration {
        match back {
            Return::Unlikely => Duration::ZERO,
            Return::Likely => self.node.config.sockets.leave_grace,
        }
    }

    /// The user has no socket on any node any more. The leave is announced when the grace period is over.
    pub(super) fn went(&mut self, user: Author, grace: Duration, ctx: &mut Context<Self>) {
        let now = self.node.clock.now();
        match &mut self.core {
            Some(core) if !grace.is_zero() => {
                core.begin_leave_grace(user, grace, now);
                self.watch_graces(ctx);
            }
            Some(_) | None => self.announce_left(user, ctx),
        }
    }

    /// The user may not return: the leave is announced at once.
    pub(super) fn end_leave_grace(&mut self, user: &UserId, ctx: &mut Context<Self>) {
        if let Some(user) = self.core.as_mut().and_then(|core| core.end_leave_grace(user)) {
            self.announce_left(user, ctx);
        }
    }

    fn watch_graces(&mut self, ctx: &mut Context<Self>) {
        let now = self.node.clock.now();
        let Some(next) = self.core.as_mut().and_then(|core| core.next_grace_ends_in(now)) else { return };
        let wait = next.max(limits::LEAVE_GRACE_GATHER);
        let due = Instant::now() + wait;
        if self.graces.is_some_and(|set| set <= due) {
            return; // the running timer sets the next one
        }
        self.graces = Some(due);
        ctx.run_later(wait, move |room, ctx| {
            room.graces.take_if(|set| *set == due);
            room.end_graces(ctx);
            room.watch_graces(ctx);
            room.rest(ctx);
        });
    }

    fn end_graces(&mut self, ctx: &mut Context<Self>) {
        self.pass_hours();
        let now = self.node.clock.now();
        for user in self.core.as_mut().map(|core| core.take_overdue(now)).unwrap_or_default() {
            self.announce_left(user, ctx);
        }
    }
}
