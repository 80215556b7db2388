//! The rate limits of one user, shared by all of the user's sockets on this node. This is the only mutable state that
//! sessions share: asking an actor for every frame would cost a round trip between threads, while a lock that is held
//! for nanoseconds is almost never contended. The lock must never be held across a wait.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::{
    actors::messages::Shared,
    core::{
        command::Charge,
        rate::{LimitStatus, RateLimits, RequestCounts, UserRate, Verdict},
        roster::UserAccount,
    },
    ids::{Timestamp, UserId},
    limits,
};

/// The rate limits and usage of one user.
#[derive(Debug)]
pub struct UserQuota(Mutex<UserBuckets>);

#[derive(Debug)]
struct UserBuckets {
    rate: UserRate,
    /// Requests made here that were not published to other nodes yet.
    untold: RequestCounts,
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
        UserQuota(Mutex::new(UserBuckets {
            rate: UserRate::new(now),
            untold: RequestCounts::default(),
            shared: Shared::No,
            came_at: now,
            since_coming: 0,
            heard_early: 0,
        }))
    }

    /// Charges one message.
    pub fn charge(&self, charge: Charge, limits: &RateLimits, now: Timestamp) -> Verdict {
        let mut buckets = self.buckets();
        let verdict = buckets.rate.charge(charge, limits, now);
        if charge != Charge::Request {
            return verdict;
        }
        match verdict {
            Verdict::Allowed => {
                buckets.untold.requests = buckets.untold.requests.saturating_add(1);
                buckets.since_coming = buckets.since_coming.saturating_add(1);
            }
            Verdict::Refused { .. } => buckets.untold.refusals = buckets.untold.refusals.saturating_add(1),
            Verdict::Delayed { .. } | Verdict::Dropped | Verdict::Blocked { .. } => {}
        }
        verdict
    }

    // ---- shared with other nodes ----

    /// The user's first socket on this node is about to open. Requests made here before were published, or do not count
    /// any more.
    pub fn come(&self, now: Timestamp) {
        let mut buckets = self.buckets();
        (buckets.came_at, buckets.since_coming, buckets.untold) = (now, 0, RequestCounts::default());
        buckets.heard_early = 0;
    }

    /// Sets whether the user has sockets on other nodes, too.
    pub fn share(&self, shared: Shared) {
        self.buckets().shared = shared;
    }

    /// Takes the requests that were not published yet.
    pub fn take_unpublished(&self) -> Option<RequestCounts> {
        self.buckets().take_unpublished()
    }

    /// The same, but only if publication is urgent: usage is so high that another node could accept more than is left.
    pub fn take_pressing(&self, limits: &RateLimits) -> Option<RequestCounts> {
        let mut buckets = self.buckets();
        let is_pressing = buckets.shared == Shared::Yes && buckets.rate.is_half_used(limits);
        if is_pressing { buckets.take_unpublished() } else { None }
    }

    /// Counts requests made on another node.
    pub fn charge_remote(&self, counts: RequestCounts, now: Timestamp) {
        let mut buckets = self.buckets();
        if buckets.shared == Shared::No {
            buckets.heard_early = buckets.heard_early.saturating_add(counts.requests);
        }
        buckets.rate.charge_remote(counts, now);
    }

    /// The usage, for a node to which the user has connected; `None` if there is none. The other node then knows
    /// everything.
    pub fn export_usage(&self, user: &UserId, now: Timestamp) -> Option<UserAccount> {
        let mut buckets = self.buckets();
        let heard = match buckets.shared {
            Shared::No => {
                buckets.untold = RequestCounts::default();
                std::mem::take(&mut buckets.heard_early)
            }
            // it is not recorded which node reported them; better accept a few requests too many than refuse one too
            // early
            Shared::Yes => u32::MAX,
        };
        let account = buckets.rate.account(now)?;
        Some(UserAccount { user: user.clone(), account, own: buckets.since_coming, heard })
    }

    /// Merges the usage reported by another node. If the user has just connected here, that node does not know all
    /// requests made here since.
    pub fn adopt(&self, used: &UserAccount, now: Timestamp) {
        let mut buckets = self.buckets();
        let since_ms = now.unix_ms.saturating_sub(buckets.came_at.unix_ms);
        let just_came = (0..=limits::COMING_KNOWN_WITHIN.as_millis() as i64).contains(&since_ms);
        let unknown = if just_came { buckets.since_coming.saturating_sub(used.heard) } else { 0 };
        buckets.rate.adopt(&used.account, unknown, now);
        if buckets.shared == Shared::No {
            // the user connected to both nodes at once, and this one has not reported its own requests to the other yet
            buckets.heard_early = buckets.heard_early.max(used.own);
        }
    }

    // ---- blocks ----

    /// Blocks the user until that time.
    pub fn block_until(&self, until: Timestamp, now: Timestamp) {
        self.buckets().rate.block_until(until, now);
    }

    /// Ends a block.
    pub fn lift(&self) {
        let mut buckets = self.buckets();
        buckets.untold.refusals = 0;
        buckets.rate.lift();
    }

    /// The user's position relative to the limits.
    pub fn limit_status(&self, now: Timestamp) -> LimitStatus {
        self.buckets().rate.limit_status(now)
    }

    /// The remaining seconds of a block.
    pub fn blocked_for(&self, now: Timestamp) -> Option<u32> {
        self.buckets().rate.blocked_for(now)
    }

    /// Whether nothing needs to be remembered.
    pub fn is_idle(&self, now: Timestamp) -> bool {
        self.buckets().rate.is_idle(now)
    }

    /// The state is plain data, so a panic while the lock is held cannot leave it inconsistent.
    fn buckets(&self) -> MutexGuard<'_, UserBuckets> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl UserBuckets {
    fn take_unpublished(&mut self) -> Option<RequestCounts> {
        let untold = std::mem::take(&mut self.untold);
        (untold != RequestCounts::default()).then_some(untold)
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
        quota.limit_status(now).minute
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
        let (of_one, of_two) = (one.export_usage(&user, now).unwrap(), two.export_usage(&user, now).unwrap());
        two.adopt(&of_one, now);
        one.adopt(&of_two, now);
        assert_eq!((minute(&one, now), minute(&two, now)), (17, 17));
        // one publishes after it has merged the other's usage
        let (one, two) = both();
        one.adopt(&two.export_usage(&user, now).unwrap(), now);
        two.adopt(&one.export_usage(&user, now).unwrap(), now);
        assert_eq!((minute(&one, now), minute(&two, now)), (17, 17));
        // two learns earlier that the user is shared, and some of its messages are in transit
        let (one, two) = both();
        two.share(Shared::Yes);
        one.charge_remote(two.take_unpublished().unwrap(), now);
        ask(&two, now, 3);
        let late = two.take_unpublished().unwrap();
        two.adopt(&one.export_usage(&user, now).unwrap(), now);
        one.share(Shared::Yes);
        one.charge_remote(late, now);
        assert_eq!((minute(&one, now), minute(&two, now)), (20, 20));
    }

    #[test]
    fn what_presses_is_told_from_half_of_the_limit_on() {
        let (now, quota) = (Timestamp::from_unix_seconds(1_700_000_000), UserQuota::new(Timestamp::default()));
        ask(&quota, now, 30);
        assert_eq!(quota.take_pressing(&LIMITS), None, "nobody else has to know");
        quota.share(Shared::Yes);
        assert_eq!(quota.take_pressing(&LIMITS), Some(RequestCounts { requests: 30, refusals: 0 }));
        assert_eq!(quota.take_pressing(&LIMITS), None);
        assert_eq!(quota.take_unpublished(), None);
    }
}
