//! The rate limits of one user, shared by all of the user's sockets on this node. This is the only mutable state that
//! sessions share: asking an actor for every frame would cost a round trip between threads, while a lock that is held
//! for nanoseconds is almost never contended. The lock must never be held across a wait.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::{
    actors::messages::Shared,
    core::{
        command::Charge,
        rate::{AskedFor, RateLimits, Reckoning, UserRate, Verdict},
        roster::UsedUp,
    },
    ids::{Timestamp, UserId},
    limits,
};

/// The rate limits and usage of one user.
#[derive(Debug)]
pub struct UserQuota(Mutex<Purse>);

#[derive(Debug)]
struct Purse {
    rate: UserRate,
    /// Requests made here that were not published to other nodes yet.
    untold: AskedFor,
    /// Whether the user is known to have sockets on other nodes, too.
    shared: Shared,
    /// When the user connected to this node, and the requests accepted since.
    came_at: Timestamp,
    since_coming: u32,
    /// Requests reported by other nodes before the user was known to have sockets there.
    heard_early: u32,
}

impl UserQuota {
    /// Creates a quota without usage.
    pub fn new(now: Timestamp) -> UserQuota {
        UserQuota(Mutex::new(Purse {
            rate: UserRate::new(now),
            untold: AskedFor::default(),
            shared: Shared::No,
            came_at: now,
            since_coming: 0,
            heard_early: 0,
        }))
    }

    /// Charges one message.
    pub fn charge(&self, charge: Charge, limits: &RateLimits, now: Timestamp) -> Verdict {
        let mut purse = self.purse();
        let verdict = purse.rate.charge(charge, limits, now);
        if charge != Charge::Request {
            return verdict;
        }
        match verdict {
            Verdict::Allowed => {
                purse.untold.requests = purse.untold.requests.saturating_add(1);
                purse.since_coming = purse.since_coming.saturating_add(1);
            }
            Verdict::Refused { .. } => purse.untold.refusals = purse.untold.refusals.saturating_add(1),
            Verdict::Delayed { .. } | Verdict::Dropped | Verdict::Blocked { .. } => {}
        }
        verdict
    }

    // ---- shared with other nodes ----

    /// The user's first socket on this node is about to open. Requests made here before were published, or do not count
    /// any more.
    pub fn come(&self, now: Timestamp) {
        let mut purse = self.purse();
        (purse.came_at, purse.since_coming, purse.untold) = (now, 0, AskedFor::default());
        purse.heard_early = 0;
    }

    /// Sets whether the user has sockets on other nodes, too.
    pub fn share(&self, shared: Shared) {
        self.purse().shared = shared;
    }

    /// Takes the requests that were not published yet.
    pub fn take_untold(&self) -> Option<AskedFor> {
        self.purse().take_untold()
    }

    /// The same, but only if publication is urgent: usage is so high that another node could accept more than is left.
    pub fn take_pressing(&self, limits: &RateLimits) -> Option<AskedFor> {
        let mut purse = self.purse();
        let is_pressing = purse.shared == Shared::Yes && purse.rate.is_half_used(limits);
        if is_pressing { purse.take_untold() } else { None }
    }

    /// Counts requests made on another node.
    pub fn charge_elsewhere(&self, asked_for: AskedFor, now: Timestamp) {
        let mut purse = self.purse();
        if purse.shared == Shared::No {
            purse.heard_early = purse.heard_early.saturating_add(asked_for.requests);
        }
        purse.rate.charge_elsewhere(asked_for, now);
    }

    /// The usage, for a node to which the user has connected; `None` if there is none. The other node then knows
    /// everything.
    pub fn tell_all(&self, user: &UserId, now: Timestamp) -> Option<UsedUp> {
        let mut purse = self.purse();
        let heard = match purse.shared {
            Shared::No => {
                purse.untold = AskedFor::default();
                std::mem::take(&mut purse.heard_early)
            }
            // it is not recorded which node reported them; better accept a few requests too many than refuse one too
            // early
            Shared::Yes => u32::MAX,
        };
        let account = purse.rate.account(now)?;
        Some(UsedUp { user: user.clone(), account, own: purse.since_coming, heard })
    }

    /// Merges the usage reported by another node. If the user has just connected here, that node does not know all
    /// requests made here since.
    pub fn adopt(&self, used: &UsedUp, now: Timestamp) {
        let mut purse = self.purse();
        let since_ms = now.unix_ms.saturating_sub(purse.came_at.unix_ms);
        let just_came = (0..=limits::COMING_KNOWN_WITHIN.as_millis() as i64).contains(&since_ms);
        let unknown = if just_came { purse.since_coming.saturating_sub(used.heard) } else { 0 };
        purse.rate.adopt(&used.account, unknown, now);
        if purse.shared == Shared::No {
            // the user connected to both nodes at once, and this one has not reported its own requests to the other yet
            purse.heard_early = purse.heard_early.max(used.own);
        }
    }

    // ---- blocks ----

    /// Blocks the user until that time.
    pub fn block_until(&self, until: Timestamp, now: Timestamp) {
        self.purse().rate.block_until(until, now);
    }

    /// Ends a block.
    pub fn lift(&self) {
        let mut purse = self.purse();
        purse.untold.refusals = 0;
        purse.rate.lift();
    }

    /// The user's position relative to the limits.
    pub fn reckoning(&self, now: Timestamp) -> Reckoning {
        self.purse().rate.reckoning(now)
    }

    /// The remaining seconds of a block.
    pub fn blocked_for(&self, now: Timestamp) -> Option<u32> {
        self.purse().rate.blocked_for(now)
    }

    /// Whether nothing needs to be remembered.
    pub fn is_idle(&self, now: Timestamp) -> bool {
        self.purse().rate.is_idle(now)
    }

    /// The state is plain data, so a panic while the lock is held cannot leave it inconsistent.
    fn purse(&self) -> MutexGuard<'_, Purse> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Purse {
    fn take_untold(&mut self) -> Option<AskedFor> {
        let untold = std::mem::take(&mut self.untold);
        (untold != AskedFor::default()).then_some(untold)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: RateLimits = RateLimits {
        requests_per_minute: 60,
        requests_per_hour: 1_000,
        ephemeral_per_second: 60,
        edits_per_second: 120,
        block_ms: 0,
    };

    fn ask(quota: &UserQuota, now: Timestamp, times: usize) {
        (0..times).for_each(|_| assert_eq!(quota.charge(Charge::Request, &LIMITS, now), Verdict::Allowed));
    }

    fn minute(quota: &UserQuota, now: Timestamp) -> u32 {
        quota.reckoning(now).minute
    }

    /// Whichever message arrives first, each request counts once on both nodes.
    #[test]
    fn nodes_that_a_user_comes_to_at_once_count_everything_once() {
        let (now, user) = (Timestamp::from_unix_seconds(1_700_000_000), UserId::new("ann").unwrap());
        let both = || {
            let (one, two) = (UserQuota::new(now), UserQuota::new(now));
            ask(&one, now, 10);
            ask(&two, now, 7);
            (one, two)
        };
        // both publish before either has received
        let (one, two) = both();
        let (of_one, of_two) = (one.tell_all(&user, now).unwrap(), two.tell_all(&user, now).unwrap());
        two.adopt(&of_one, now);
        one.adopt(&of_two, now);
        assert_eq!((minute(&one, now), minute(&two, now)), (17, 17));
        // one publishes after it has merged the other's usage
        let (one, two) = both();
        one.adopt(&two.tell_all(&user, now).unwrap(), now);
        two.adopt(&one.tell_all(&user, now).unwrap(), now);
        assert_eq!((minute(&one, now), minute(&two, now)), (17, 17));
        // two learns earlier that the user is shared, and some of its messages are in transit
        let (one, two) = both();
        two.share(Shared::Yes);
        one.charge_elsewhere(two.take_untold().unwrap(), now);
        ask(&two, now, 3);
        let late = two.take_untold().unwrap();
        two.adopt(&one.tell_all(&user, now).unwrap(), now);
        one.share(Shared::Yes);
        one.charge_elsewhere(late, now);
        assert_eq!((minute(&one, now), minute(&two, now)), (20, 20));
    }

    #[test]
    fn what_presses_is_told_from_half_of_the_limit_on() {
        let (now, quota) = (Timestamp::from_unix_seconds(1_700_000_000), UserQuota::new(Timestamp::default()));
        ask(&quota, now, 30);
        assert_eq!(quota.take_pressing(&LIMITS), None, "nobody else has to know");
        quota.share(Shared::Yes);
        assert_eq!(quota.take_pressing(&LIMITS), Some(AskedFor { requests: 30, refusals: 0 }));
        assert_eq!(quota.take_pressing(&LIMITS), None);
        assert_eq!(quota.take_untold(), None);
    }
}
