//! How much one user may ask for, over all of the user's sockets (docs/protocol.md, Rate limits).
//!
//! Requests are counted in sliding windows of a minute and an hour; ephemeral messages and edits drain a token bucket of
//! one second's worth each. Everything is kept relative to the last charge, so a clock that steps back loses time but can
//! neither panic nor lock anybody out.
//!
//! The approximation: a window is kept as 61 slots, each with its count and the moment of its last request. A slot is
//! forgotten as a whole, a window after its last request. So a request counts for at least the window less 1/15,000 of
//! it (4 ms of the minute) and at most for 61/60 of it: a fresh minute takes exactly its limit, no sliding 59.996 s ever
//! take more, and whoever sends evenly is left alone up to the limit where that is one request a slot, as with 60 a
//! minute, and up to 60/61 of it where it is more. A slot counts to 65,535: limits above that per sixtieth of a window
//! are not enforced exactly.

mod window;

use serde::{Deserialize, Serialize};

use self::window::{Aged, SlidingWindow};
use crate::{core::command::Charge, ids::Timestamp, limits};

const MINUTE_MS: u32 = 60_000;
const HOUR_MS: u32 = 60 * MINUTE_MS;
/// How long refusals are added up, from the first of them.
const REFUSALS_WINDOW_MS: u32 = MINUTE_MS;
/// A clock that steps back further than this lifts a block, since nobody can tell how much of it is left.
const STEP_BACK_MS_MAX: i64 = 60_000;

/// The limits of one user; 0 switches one off.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RateLimits {
    /// Requests in any minute.
    pub requests_per_minute: u32,
    /// Requests in any hour.
    pub requests_per_hour: u32,
    /// Ephemeral messages a second, and at once.
    pub ephemeral_per_second: u32,
    /// Edits a second, and at once.
    pub edits_per_second: u32,
    /// How long a user is blocked who goes on after the refusals.
    pub block_ms: i64,
}

/// Which window was full.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Window {
    /// The minute.
    Minute,
    /// The hour.
    Hour,
}

/// What becomes of a command.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// It is carried out, and counted.
    Allowed,
    /// It is refused with an error; the same request succeeds after the wait if nothing else is sent meanwhile.
    Refused {
        /// Seconds to wait, at least 1.
        retry_after_seconds: u32,
        /// The window that frees up last.
        window: Window,
    },
    /// It is counted, and carried out after the wait: until then nothing more is read from its socket.
    Delayed {
        /// Milliseconds to wait, at least 1.
        wait_ms: u32,
    },
    /// It is dropped without an answer.
    Dropped,
    /// The user is blocked: the socket closes with 4429, and new ones are refused.
    Blocked {
        /// Seconds until the block ends, at least 1.
        retry_after_seconds: u32,
    },
}

/// Where a user stands. Nodes tell it each other, so fields may be added but not renamed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Reckoning {
    /// Requests of the last minute.
    pub minute: u32,
    /// Requests of the last hour.
    pub hour: u32,
    /// Refusals that count towards a block.
    pub refusals: u32,
    /// Milliseconds left of a block.
    pub block_left_ms: u32,
}

impl Reckoning {
    /// Two nodes' views of one user: what both have heard of is in both, so the fuller one counts.
    pub fn max(self, other: Reckoning) -> Reckoning {
        Reckoning {
            minute: self.minute.max(other.minute),
            hour: self.hour.max(other.hour),
            refusals: self.refusals.max(other.refusals),
            block_left_ms: self.block_left_ms.max(other.block_left_ms),
        }
    }
}

/// What was asked for lately on one node.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct AskedFor {
    /// Requests let through.
    pub requests: u32,
    /// Requests refused.
    pub refusals: u32,
}

/// What a user has used up, as one node tells it to another that the user came to; fields may be added but not renamed.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Account {
    /// The minute in nine slots, the present one first: all that earlier releases know.
    pub minute: Vec<u16>,
    /// The hour in nine slots.
    pub hour: Vec<u16>,
    /// The minute as it is.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub minute_ages: Vec<Aged>,
    /// The hour as it is.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub hour_ages: Vec<Aged>,
    /// Refusals that count towards a block.
    #[serde(default)]
    pub refusals: u32,
    /// For how long they count.
    #[serde(default)]
    pub refusals_left_ms: u32,
}

/// What one user has used up. 416 bytes at most, no heap.
#[derive(Clone, Debug)]
pub struct UserRate {
    /// The last charge; everything else is relative to it.
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
    /// Nothing used.
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

    /// Counts a command and says what becomes of it. Refused and dropped ones use nothing up.
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

    /// Seconds left of a block, at least 1; none if the user is not blocked.
    pub fn blocked_for(&self, now: Timestamp) -> Option<u32> {
        let left = self.block_left_ms(now);
        (left > 0).then(|| whole_seconds(left))
    }

    /// What is used up, refused and left of a block, for administrators.
    pub fn reckoning(&mut self, now: Timestamp) -> Reckoning {
        self.pass(now);
        Reckoning {
            minute: self.minute.used(),
            hour: self.hour.used(),
            refusals: if self.refusals_left_ms > 0 { u32::from(self.refusals) } else { 0 },
            block_left_ms: self.block_left_ms,
        }
    }

    /// Ends a block, and forgets the refusals that led to it. What was used up stays so.
    pub fn lift(&mut self) {
        self.block_left_ms = 0;
        self.refusals = 0;
        self.refusals_left_ms = 0;
    }

    /// Blocks the user until that moment, unless a longer block runs already.
    pub fn block_until(&mut self, until: Timestamp, now: Timestamp) {
        self.pass(now);
        self.block_left_ms = self.block_left_ms.max(elapsed_ms(now, until));
    }

    /// Counts what was asked for on another node. Who goes on after too many refusals is blocked by the node that
    /// refuses the next one.
    pub fn charge_elsewhere(&mut self, asked_for: AskedFor, now: Timestamp) {
        self.pass(now);
        if asked_for.requests > 0 {
            self.minute.count(asked_for.requests);
            self.hour.count(asked_for.requests);
        }
        if asked_for.refusals > 0 {
            self.count_refusals(asked_for.refusals);
        }
    }

    /// Whether so much is used up that other nodes should hear of each request as it comes.
    pub fn is_half_used(&self, limits: &RateLimits) -> bool {
        let half = |used: u32, limit: u32| limit > 0 && used >= limit.div_ceil(2);
        half(self.minute.used(), limits.requests_per_minute) || half(self.hour.used(), limits.requests_per_hour)
    }

    /// For another node that the user comes to; none if nothing is used up.
    pub fn account(&mut self, now: Timestamp) -> Option<Account> {
        let Reckoning { minute, hour, refusals, block_left_ms: _ } = self.reckoning(now);
        (minute > 0 || hour > 0 || refusals > 0).then(|| Account {
            minute: self.minute.coarse(),
            hour: self.hour.coarse(),
            minute_ages: self.minute.ages(),
            hour_ages: self.hour.ages(),
            refusals,
            refusals_left_ms: self.refusals_left_ms,
        })
    }

    /// Takes over what another node knows of the user, where that is more. What both know is not counted twice: of
    /// each window the fuller view counts. `unknown`: requests that were let through here and that the other node has
    /// not heard of.
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

    /// Whether there is nothing to remember any more, so that the user can be forgotten.
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

    /// Lets the time since the last charge pass.
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

/// Milliseconds that have passed; none if the clock stepped back, and never more than matters here.
fn elapsed_ms(from: Timestamp, to: Timestamp) -> u32 {
    u32::try_from(to.unix_ms.saturating_sub(from.unix_ms).max(0)).unwrap_or(u32::MAX)
}

/// Rounded up, so that the promise is kept; at least 1.
fn whole_seconds(ms: u32) -> u32 {
    ms.div_ceil(1000).max(1)
}

enum Taken {
    Yes,
    No,
}

/// A token bucket that holds one second's worth, as the microseconds of refilling that it lacks.
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

    /// Takes a token that may not be there yet. Answers how many milliseconds it takes to come. Each socket waits for one
    /// at a time, so a user's debt is at most one token a socket.
    fn reserve(&mut self, per_second: u32) -> u32 {
        let Some(cost_us) = Bucket::FULL_US.checked_div(per_second) else { return 0 };
        self.spent_us = self.spent_us.saturating_add(cost_us);
        self.spent_us.saturating_sub(Bucket::FULL_US).div_ceil(1000)
    }
}

#[cfg(test)]
mod tests;
