//! Time that never goes back, made from a wall clock that may. Deadlines kept in it come late by nothing but the
//! step itself, and never by hours because somebody set the clock.

use crate::ids::Timestamp;

/// Counts the milliseconds by which the wall clock went forward.
#[derive(Clone, Copy, Debug)]
pub struct Steady {
    seen: Timestamp,
    elapsed_ms: i64,
}

impl Steady {
    /// Starts at zero.
    pub fn new(now: Timestamp) -> Steady {
        Steady { seen: now, elapsed_ms: 0 }
    }

    /// Takes note of the wall clock; answers the milliseconds since the start.
    pub fn advance(&mut self, now: Timestamp) -> i64 {
        let step_ms = now.unix_ms.saturating_sub(self.seen.unix_ms).max(0);
        self.seen = now;
        self.elapsed_ms = self.elapsed_ms.saturating_add(step_ms);
        self.elapsed_ms
    }

    /// What the wall clock will show at that moment, as far as it is known now.
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
        let mut time = Steady::new(at(1_000));
        assert_eq!(time.advance(at(1_500)), 500);
        assert_eq!(time.advance(at(-9_000)), 500);
        assert_eq!(time.wall(700), at(-8_800));
        assert_eq!(time.advance(at(-8_800)), 700);
        assert_eq!(time.advance(at(i64::MAX)), i64::MAX);
        assert_eq!(time.advance(at(i64::MIN)), i64::MAX);
    }
}
