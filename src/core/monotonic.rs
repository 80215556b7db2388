//! Monotonic time derived from a wall clock that may be set back. A deadline kept in this time must never be delayed by
//! more than the size of the step.

use crate::ids::Timestamp;

/// Counts the milliseconds by which the wall clock has advanced.
#[derive(Clone, Copy, Debug)]
pub struct MonotonicClock {
    seen: Timestamp,
    elapsed_ms: i64,
}

impl MonotonicClock {
    /// Starts at zero.
    pub fn new(now: Timestamp) -> MonotonicClock {
        MonotonicClock { seen: now, elapsed_ms: 0 }
    }

    /// Records the wall clock and returns the milliseconds since the start.
    pub fn advance(&mut self, now: Timestamp) -> i64 {
        let step_ms = now.unix_ms.saturating_sub(self.seen.unix_ms).max(0);
        self.seen = now;
        self.elapsed_ms = self.elapsed_ms.saturating_add(step_ms);
        self.elapsed_ms
    }

    /// The expected wall clock time at `elapsed_ms`.
    pub fn wall(&self, elapsed_ms: i64) -> Timestamp {
        self.seen.plus_ms(elapsed_ms.saturating_sub(self.elapsed_ms))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_back_costs_no_more_than_itself() {
        let at = |unix_ms| Timestamp { unix_ms };
        let mut time = MonotonicClock::new(at(1_000));
        assert_eq!(time.advance(at(1_500)), 500);
        assert_eq!(time.advance(at(-9_000)), 500);
        assert_eq!(time.wall(700), at(-8_800));
        assert_eq!(time.advance(at(-8_800)), 700);
        assert_eq!(time.advance(at(i64::MAX)), i64::MAX);
        assert_eq!(time.advance(at(i64::MIN)), i64::MAX);
    }
}
