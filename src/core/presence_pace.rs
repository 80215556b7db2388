//! Decides when joins and leaves are announced to a room: at once after a quiet period, otherwise together with all
//! others that occur within a period. The period grows with the size of the room, so that a rush of joins costs one
//! write per member and period, not one per member and join.

use std::time::Duration;

use crate::limits;

/// The pace of one room. Times are measured from any fixed point by a monotonic clock.
#[derive(Debug, Default)]
pub struct PresencePace {
    last: Option<Duration>,
}

impl PresencePace {
    /// How long an announcement must be delayed in a room with `members` members.
    pub fn wait(&self, now: Duration, members: usize) -> Duration {
        let Some(last) = self.last else { return Duration::ZERO };
        let members = u32::try_from(members).unwrap_or(u32::MAX);
        let (least, most) = limits::PRESENCE_PERIOD.into_inner();
        let period = limits::PRESENCE_PERIOD_PER_MEMBER.saturating_mul(members).clamp(least, most);
        (last + period).saturating_sub(now)
    }

    /// Announcements have been sent.
    pub fn told(&mut self, now: Duration) {
        self.last = Some(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_is_told_at_once_and_the_next_together() {
        let ms = Duration::from_millis;
        let mut pace = PresencePace::default();
        assert_eq!(pace.wait(ms(7), 10), Duration::ZERO);
        pace.told(ms(7));
        assert_eq!(pace.wait(ms(8), 10), ms(24), "the next ones wait for each other");
        assert_eq!(pace.wait(ms(8), 2_000), ms(99), "in a larger room for longer");
        assert_eq!(pace.wait(ms(8), usize::MAX), ms(499));
        assert_eq!(pace.wait(ms(32), 10), Duration::ZERO, "after a quiet while it is told at once again");
    }
}
