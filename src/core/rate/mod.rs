//! Rate limits of one user, over all of the user's sockets (docs/protocol.md, Rate limits).
//!
//! Requests are counted in sliding windows of a minute and an hour. Ephemeral messages and edits each drain a token
//! bucket that holds one second's worth. All state is relative to the last charge, so a clock that is set back must
//! never cause a panic or lock a user out; it only loses some time.
//!
//! A window is approximated by 61 slots, each with a count and the time of its last request. A slot expires as a whole,
//! one window after its last request. A request therefore counts for at least the window minus 1/15,000 of it (4 ms of
//! the minute) and at most 61/60 of it. An empty minute accepts exactly its limit, and no sliding 59.996 s accept more.
//! A client that sends at an even rate can use the full limit if that is at most one request per slot, as with 60 per
//! minute, and otherwise at least 60/61 of it. A slot counts to 65,535; limits above that number per sixtieth of a
//! window are not enforced exactly.

mod window;

use serde::{Deserialize, Serialize};

use self::window::{Aged, SlidingWindow};
use crate::{core::command::Charge, ids::Timestamp, limits};

const MINUTE_MS: u32 = 60_000;
const HOUR_MS: u32 = 60 * MINUTE_MS;
/// The period in which refusals are added up; it starts with the first one.
const REFUSALS_WINDOW_MS: u32 = MINUTE_MS;
/// A clock that is set back further than this lifts a block, because the remaining time cannot be determined.
const STEP_BACK_MS_MAX: i64 = 60_000;

/// The limits per user; 0 disables a limit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RateLimits {
    /// Requests in any period of a minute.
    pub requests_per_minute: u32,
    /// Requests in any period of an hour.
    pub requests_per_hour: u32,
    /// Ephemeral messages per second, and the size of a burst.
    pub ephemeral_per_second: u32,
    /// Edits per second, and the size of a burst.
    pub edits_per_second: u32,
    /// How long a user is blocked who ignores refusals.
    pub block_ms: i64,
}

/// The window that was full.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Window {
    /// The minute.
    Minute,
    /// The hour.
    Hour,
}

/// The decision about a command.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// It is executed and counted.
    Allowed,
    /// It is refused with an error. The same request succeeds after the wait if nothing else is sent in the meantime.
    Refused {
        /// Seconds to wait, at least 1.
        retry_after_seconds: u32,
        /// The window that frees up last.
        window: Window,
    },
    /// It is counted and executed after the wait. Nothing more is read from its socket until then.
    Delayed {
        /// Milliseconds to wait, at least 1.
        wait_ms: u32,
    },
    /// It is dropped without a reply.
    Dropped,
    /// The user is blocked: the socket closes with 4429, and new ones are refused.
    Blocked {
        /// Seconds until the block ends, at least 1.
        retry_after_seconds: u32,
    },
}

/// A user's position relative to the limits. Nodes exchange this type: fields may be added but not renamed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct LimitStatus {
    /// Requests in the last minute.
    pub minute: u32,
    /// Requests in the last hour.
    pub hour: u32,
    /// Refusals that count towards a block.
    pub refusals: u32,
    /// Milliseconds left of a block.
    pub block_left_ms: u32,
}

impl LimitStatus {
    /// Combines the views of two nodes. Requests known to both are counted in both, so the larger count is used.
    pub fn max(self, other: LimitStatus) -> LimitStatus {
        LimitStatus {
            minute: self.minute.max(other.minute),
            hour: self.hour.max(other.hour),
            refusals: self.refusals.max(other.refusals),
            block_left_ms: self.block_left_ms.max(other.block_left_ms),
        }
    }
}

/// Recent requests of a user on one node.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct RequestCounts {
    /// Accepted requests.
    pub requests: u32,
    /// Refused requests.
    pub refusals: u32,
}

/// A user's usage, as sent to a node to which the user connects. Fields may be added but not renamed.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Account {
    /// The minute in nine slots, the current one first; the only form that earlier releases know.
    pub minute: Vec<u16>,
    /// The hour in nine slots.
    pub hour: Vec<u16>,
    /// The minute at full resolution.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub minute_ages: Vec<Aged>,
    /// The hour at full resolution.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hour_ages: Vec<Aged>,
    /// Refusals that count towards a block.
    #[serde(default)]
    pub refusals: u32,
    /// How long these still count.
    #[serde(default)]
    pub refusals_left_ms: u32,
}

/// The usage of one user. At most 416 bytes, without heap allocations.
#[derive(Clone, Debug)]
pub struct UserRate {
    /// The time of the last charge; everything else is relative to it.
    touched: Timestamp,
    minute: SlidingWindow<MINUTE_MS>,
    hour: SlidingWindow<HOUR_MS>,
    ephemeral: Bucket,
    edits: Bucket,
    block_left_ms: u32,
    refusals_left_ms: u32,
    refusals: u16,
}

impl UserRate {
    /// No usage.
    pub fn new(now: Timestamp) -> UserRate {
        UserRate {
            touched: now,
            minute: SlidingWindow::default(),
            hour: SlidingWindow::default(),
            ephemeral: Bucket::default(),
            edits: Bucket::default(),
            block_left_ms: 0,
            refusals_left_ms: 0,
            refusals: 0,
        }
    }

    /// Charges a command and returns the decision. Refused and dropped commands cost nothing.
    pub fn charge(&mut self, charge: Charge, limits: &RateLimits, now: Timestamp) -> Verdict {
        if charge == Charge::Free {
            return Verdict::Allowed;
        }
        self.pass(now);
        if self.block_left_ms > 0 {
            return Verdict::Blocked { retry_after_seconds: whole_seconds(self.block_left_ms) };
        }
        match charge {
            Charge::Free => Verdict::Allowed,
            Charge::Request => self.request(limits),
            Charge::Ephemeral => match self.ephemeral.take(limits.ephemeral_per_second) {
                Taken::Yes => Verdict::Allowed,
                Taken::No => Verdict::Dropped,
            },
            Charge::Edit => match self.edits.reserve(limits.edits_per_second) {
                0 => Verdict::Allowed,
                wait_ms => Verdict::Delayed { wait_ms },
            },
        }
    }

    /// The remaining seconds of a block, at least 1; `None` if the user is not blocked.
    pub fn blocked_for(&self, now: Timestamp) -> Option<u32> {
        let left = self.block_left_ms(now);
        (left > 0).then(|| whole_seconds(left))
    }

    /// The usage, refusals and remaining block, for administrators.
    pub fn limit_status(&mut self, now: Timestamp) -> LimitStatus {
        self.pass(now);
        LimitStatus {
            minute: self.minute.used(),
            hour: self.hour.used(),
            refusals: if self.refusals_left_ms > 0 { u32::from(self.refusals) } else { 0 },
            block_left_ms: self.block_left_ms,
        }
    }

    /// Ends a block and forgets the refusals that led to it. The usage remains.
    pub fn lift(&mut self) {
        self.block_left_ms = 0;
        self.refusals = 0;
        self.refusals_left_ms = 0;
    }

    /// Blocks the user until `until`, unless a longer block is in effect.
    pub fn block_until(&mut self, until: Timestamp, now: Timestamp) {
        self.pass(now);
        self.block_left_ms = self.block_left_ms.max(elapsed_ms(now, until));
    }

    /// Counts requests made on another node. A user who exceeds the allowed refusals is blocked by the node that
    /// refuses the next request.
    pub fn charge_remote(&mut self, counts: RequestCounts, now: Timestamp) {
        self.pass(now);
        if counts.requests > 0 {
            self.minute.count(counts.requests);
            self.hour.count(counts.requests);
        }
        if counts.refusals > 0 {
            self.count_refusals(counts.refusals);
        }
    }

    /// Whether usage is high enough that other nodes should be informed of every request at once.
    pub fn is_half_used(&self, limits: &RateLimits) -> bool {
        let half = |used: u32, limit: u32| limit > 0 && used >= limit.div_ceil(2);
        half(self.minute.used(), limits.requests_per_minute) || half(self.hour.used(), limits.requests_per_hour)
    }

    /// The usage for a node to which the user connects; `None` if there is none.
    pub fn account(&mut self, now: Timestamp) -> Option<Account> {
        let LimitStatus { minute, hour, refusals, block_left_ms: _ } = self.limit_status(now);
        (minute > 0 || hour > 0 || refusals > 0).then(|| Account {
            minute: self.minute.coarse(),
            hour: self.hour.coarse(),
            minute_ages: self.minute.ages(),
            hour_ages: self.hour.ages(),
            refusals,
            refusals_left_ms: self.refusals_left_ms,
        })
    }

    /// Merges the usage that another node reports. Requests known to both nodes must not be counted twice, so for each
    /// window the larger view is used. `unknown` is the number of requests accepted here that the other node has not
    /// received yet.
    pub fn adopt(&mut self, account: &Account, unknown: u32, now: Timestamp) {
        self.pass(now);
        match &account.minute_ages[..] {
            [] => self.minute.adopt(&SlidingWindow::<MINUTE_MS>::from_coarse(&account.minute), unknown),
            ages => self.minute.adopt(ages, unknown),
        }
        match &account.hour_ages[..] {
            [] => self.hour.adopt(&SlidingWindow::<HOUR_MS>::from_coarse(&account.hour), unknown),
            ages => self.hour.adopt(ages, unknown),
        }
        if account.refusals > u32::from(self.refusals) || self.refusals_left_ms == 0 {
            self.refusals = u16::try_from(account.refusals).unwrap_or(u16::MAX);
            self.refusals_left_ms = account.refusals_left_ms.min(REFUSALS_WINDOW_MS);
        }
    }

    /// Whether nothing needs to be remembered, so that the user can be forgotten.
    pub fn is_idle(&self, now: Timestamp) -> bool {
        let mut then = self.clone();
        then.pass(now);
        then.block_left_ms == 0
            && then.refusals_left_ms == 0
            && then.ephemeral.spent_us == 0
            && then.edits.spent_us == 0
            && then.minute.used() == 0
            && then.hour.used() == 0
    }

    fn request(&mut self, limits: &RateLimits) -> Verdict {
        let minute_ms = self.minute.wait_ms(limits.requests_per_minute);
        let hour_ms = self.hour.wait_ms(limits.requests_per_hour);
        let (wait_ms, window) = if hour_ms > minute_ms { (hour_ms, Window::Hour) } else { (minute_ms, Window::Minute) };
        if wait_ms > 0 {
            return self.refuse(wait_ms, window, limits);
        }
        if limits.requests_per_minute > 0 {
            self.minute.count(1);
        }
        if limits.requests_per_hour > 0 {
            self.hour.count(1);
        }
        Verdict::Allowed
    }

    fn refuse(&mut self, wait_ms: u32, window: Window, limits: &RateLimits) -> Verdict {
        self.count_refusals(1);
        if u32::from(self.refusals) > limits::REFUSALS_BEFORE_BLOCK && limits.block_ms > 0 {
            self.lift();
            self.block_left_ms = u32::try_from(limits.block_ms).unwrap_or(u32::MAX);
            return Verdict::Blocked { retry_after_seconds: whole_seconds(self.block_left_ms) };
        }
        Verdict::Refused { retry_after_seconds: whole_seconds(wait_ms), window }
    }

    fn count_refusals(&mut self, refusals: u32) {
        if self.refusals_left_ms == 0 {
            self.refusals = 0;
            self.refusals_left_ms = REFUSALS_WINDOW_MS;
        }
        self.refusals = self.refusals.saturating_add(u16::try_from(refusals).unwrap_or(u16::MAX));
    }

    /// Advances the state to `now`.
    fn pass(&mut self, now: Timestamp) {
        self.block_left_ms = self.block_left_ms(now);
        let elapsed_ms = elapsed_ms(self.touched, now);
        self.touched = now;
        self.refusals_left_ms = self.refusals_left_ms.saturating_sub(elapsed_ms);
        self.ephemeral.pass(elapsed_ms);
        self.edits.pass(elapsed_ms);
        self.minute.pass(elapsed_ms);
        self.hour.pass(elapsed_ms);
    }

    fn block_left_ms(&self, now: Timestamp) -> u32 {
        if now < self.touched.plus_ms(-STEP_BACK_MS_MAX) {
            return 0;
        }
        self.block_left_ms.saturating_sub(elapsed_ms(self.touched, now))
    }
}

/// Elapsed milliseconds; 0 if the clock was set back. Saturates.
fn elapsed_ms(from: Timestamp, to: Timestamp) -> u32 {
    u32::try_from(to.unix_ms.saturating_sub(from.unix_ms).max(0)).unwrap_or(u32::MAX)
}

/// Rounded up, so that a retry after that time succeeds; at least 1.
fn whole_seconds(ms: u32) -> u32 {
    ms.div_ceil(1000).max(1)
}

enum Taken {
    Yes,
    No,
}

/// A token bucket that holds one second's worth. Its state is the refill time, in microseconds, of the missing tokens.
#[derive(Clone, Debug, Default)]
struct Bucket {
    spent_us: u32,
}

impl Bucket {
    const FULL_US: u32 = 1_000_000;

    fn pass(&mut self, elapsed_ms: u32) {
        self.spent_us = self.spent_us.saturating_sub(elapsed_ms.saturating_mul(1000));
    }

    fn take(&mut self, per_second: u32) -> Taken {
        let Some(cost_us) = Bucket::FULL_US.checked_div(per_second) else { return Taken::Yes };
        if self.spent_us + cost_us > Bucket::FULL_US {
            return Taken::No;
        }
        self.spent_us += cost_us;
        Taken::Yes
    }

    /// Takes a token that may not be available yet. Returns the milliseconds until it is. Each socket waits for one
    /// token at a time, so a user's debt is at most one token per socket.
    fn reserve(&mut self, per_second: u32) -> u32 {
        let Some(cost_us) = Bucket::FULL_US.checked_div(per_second) else { return 0 };
        self.spent_us = self.spent_us.saturating_add(cost_us);
        self.spent_us.saturating_sub(Bucket::FULL_US).div_ceil(1000)
    }
}

#[cfg(test)]
mod tests;
