//! Simple rates per user, such as of invites and of REST requests: a bucket that holds a minute's worth and refills evenly. They
//! are apart from the rate limits of sockets, which all nodes share. Each node has its own.

use std::collections::HashMap;

use crate::{
    ids::{Timestamp, UserId},
    limits,
};

const MINUTE_MS: i64 = 60_000;

/// What users have done recently. Bounded: users with full buckets are forgotten.
#[derive(Debug, Default)]
pub struct UserRates {
    /// When the bucket of each user will be full again.
    full_at: HashMap<UserId, Timestamp>,
}

impl UserRates {
    /// Takes one unit out of the user's bucket of so many a minute; 0: without a limit.
    ///
    /// # Errors
    /// The seconds, at least 1, after which another one is allowed.
    pub fn take(&mut self, user: &UserId, per_minute: u32, now: Timestamp) -> Result<(), u32> {
        let Some(cost_ms) = MINUTE_MS.checked_div(i64::from(per_minute)) else { return Ok(()) };
        if self.full_at.len() >= limits::RATED_USERS_MAX {
            self.full_at.retain(|_, full_at| *full_at > now);
        }
        let full_at = self.full_at.get(user).copied().unwrap_or(now).max(now).plus_ms(cost_ms.max(1));
        // a clock that was set back must not lock anybody out for longer than a minute
        let full_at = full_at.min(now.plus_ms(2 * MINUTE_MS));
        let over_ms = full_at.unix_ms - now.unix_ms - MINUTE_MS;
        if over_ms > 0 {
            return Err(u32::try_from(over_ms).unwrap_or(u32::MAX).div_ceil(1000).max(1));
        }
        if self.full_at.len() < limits::RATED_USERS_MAX || self.full_at.contains_key(user) {
            self.full_at.insert(user.clone(), full_at);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_holds_a_minutes_worth_and_refills_evenly() {
        let (mut rates, user) = (UserRates::default(), UserId::new("ada").unwrap());
        let at = |seconds: i64| Timestamp::from_unix_seconds(1_700_000_000 + seconds);
        for _ in 0..30 {
            assert_eq!(rates.take(&user, 30, at(0)), Ok(()));
        }
        assert_eq!(rates.take(&user, 30, at(0)), Err(2));
        assert_eq!(rates.take(&user, 30, at(1)), Err(1));
        assert_eq!(rates.take(&user, 30, at(2)), Ok(()));
        assert_eq!(rates.take(&user, 30, at(2)), Err(2));
        assert_eq!(rates.take(&UserId::new("bob").unwrap(), 30, at(2)), Ok(()));
        assert_eq!(rates.take(&user, 0, at(2)), Ok(()));
        // the clock was set back by an hour
        assert_eq!(rates.take(&user, 30, at(-3600)), Err(60));
        assert_eq!((0..30).map(|_| rates.take(&user, 30, at(600))).filter(Result::is_ok).count(), 30);
    }
}
