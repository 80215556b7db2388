//! When a room's members are told who came and went: at once after a quiet while, and then together with whoever else
//! comes and goes within a period that grows with the room. So a crowd at the door costs one write per member and period
//! instead of one per member and newcomer.

use std::time::Duration;

use crate::limits;

/// The pace of one room. Times are since any fixed moment, by a clock that does not go back.
#[derive(Debug, Default)]
pub struct PresencePace {
    last: Option<Duration>,
}

impl PresencePace {
    /// How long an announcement waits in a room of so many members.
    pub fn wait(&self, now: Duration, members: usize) -> Duration {
        let Some(last) = self.last else { return Duration::ZERO };
        let members = u32::try_from(members).unwrap_or(u32::MAX);
        let (least, most) = limits::PRESENCE_PERIOD.into_inner();
        let period = limits::PRESENCE_PERIOD_PER_MEMBER.saturating_mul(members).clamp(least, most);
        (last + period).saturating_sub(now)
    }

    /// Announcements went out.
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
