//! A user's rate buckets, shared by all of the user's sockets on this node. It is the one mutable thing that sessions
//! share: asking an actor for every frame would cost a round trip between threads, a lock that is held for a few
//! nanoseconds and almost never contended does not.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::{
    core::{
        command::Charge,
        rate::{RateLimits, UserRate, Verdict},
    },
    ids::Timestamp,
};

/// The buckets of one user.
#[derive(Debug)]
pub struct UserQuota(Mutex<UserRate>);

impl UserQuota {
    /// Full buckets.
    pub fn new(now: Timestamp) -> UserQuota {
        UserQuota(Mutex::new(UserRate::new(now)))
    }

    /// Counts one message.
    pub fn charge(&self, charge: Charge, limits: &RateLimits, now: Timestamp) -> Verdict {
        self.rate().charge(charge, limits, now)
    }

    /// Seconds that a block still lasts.
    pub fn blocked_for(&self, now: Timestamp) -> Option<u32> {
        self.rate().blocked_for(now)
    }

    /// Whether there is nothing to remember.
    pub fn is_idle(&self, now: Timestamp) -> bool {
        self.rate().is_idle(now)
    }

    /// The core is plain data: a panic elsewhere can't leave it half changed.
    fn rate(&self) -> MutexGuard<'_, UserRate> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
