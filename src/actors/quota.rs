//! A user's rate buckets, shared by all of the user's sockets on this node. It is the one mutable thing that sessions
//! share: asking an actor for every frame would cost a round trip between threads, a lock that is held for a few
//! nanoseconds and almost never contended does not.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::{
    core::{
        command::Charge,
        rate::{RateLimits, Reckoning, UserRate, Verdict},
        roster::UsedUp,
    },
    ids::{Timestamp, UserId},
};

/// The buckets of one user.
#[derive(Debug)]
pub struct UserQuota(Mutex<Purse>);

#[derive(Debug)]
struct Purse {
    rate: UserRate,
    /// Requests let through since other nodes were last told.
    untold: u32,
}

impl UserQuota {
    /// Full buckets.
    pub fn new(now: Timestamp) -> UserQuota {
        UserQuota(Mutex::new(Purse { rate: UserRate::new(now), untold: 0 }))
    }

    /// Counts one message.
    pub fn charge(&self, charge: Charge, limits: &RateLimits, now: Timestamp) -> Verdict {
        let mut purse = self.purse();
        let verdict = purse.rate.charge(charge, limits, now);
        if charge == Charge::Request && verdict == Verdict::Allowed {
            purse.untold = purse.untold.saturating_add(1);
        }
        verdict
    }

    /// Requests let through here since this was last asked.
    pub fn take_untold(&self) -> u32 {
        std::mem::take(&mut self.purse().untold)
    }

    /// Counts requests that another node has let through.
    pub fn charge_elsewhere(&self, requests: u32, now: Timestamp) {
        self.purse().rate.charge_elsewhere(requests, now);
    }

    /// What is used up, for a node that the user came to; none if nothing is.
    pub fn used(&self, user: &UserId, now: Timestamp) -> Option<UsedUp> {
        let (minute, hour) = self.purse().rate.used(now)?;
        Some(UsedUp { user: user.clone(), minute: minute.to_vec(), hour: hour.to_vec() })
    }

    /// Takes over what another node knows, where that is more.
    pub fn adopt(&self, used: &UsedUp, now: Timestamp) {
        self.purse().rate.adopt(&used.minute, &used.hour, now);
    }

    /// Blocks the user until that moment.
    pub fn block_until(&self, until: Timestamp, now: Timestamp) {
        self.purse().rate.block_until(until, now);
    }

    /// Ends a block.
    pub fn lift(&self) {
        self.purse().rate.lift();
    }

    /// Where the user stands.
    pub fn reckoning(&self, now: Timestamp) -> Reckoning {
        self.purse().rate.reckoning(now)
    }

    /// Seconds that a block still lasts.
    pub fn blocked_for(&self, now: Timestamp) -> Option<u32> {
        self.purse().rate.blocked_for(now)
    }

    /// Whether there is nothing to remember.
    pub fn is_idle(&self, now: Timestamp) -> bool {
        self.purse().rate.is_idle(now)
    }

    /// The core is plain data: a panic elsewhere can't leave it half changed.
    fn purse(&self) -> MutexGuard<'_, Purse> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
