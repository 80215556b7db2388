//! Limits how often one address may sign in or register. Pure: the time is passed in. Memory must stay bounded for any
//! number of addresses.

use std::{
    collections::VecDeque,
    net::{IpAddr, Ipv6Addr},
    time::Duration,
};

use rustc_hash::FxHashMap;

use crate::ids::Timestamp;

/// The attempt is refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TryAgain {
    /// Seconds until the next attempt makes sense; at least one.
    pub after_seconds: u32,
}

/// Counts attempts per address in a sliding window. Refused attempts do not count, so that a client that waits is
/// accepted again.
pub struct AddressLimiter {
    attempts_max: usize,
    window_ms: i64,
    addresses_max: usize,
    /// Two generations of addresses. When the young one is full or older than the window, it replaces the old one,
    /// whose addresses are forgotten. Forgetting therefore costs nothing per attempt, and happens early only during a
    /// flood of addresses.
    young: FxHashMap<IpAddr, VecDeque<Timestamp>>,
    old: FxHashMap<IpAddr, VecDeque<Timestamp>>,
    turned_at: Timestamp,
}

impl AddressLimiter {
    /// At most `attempts_max` attempts within the window; 0 disables the limit. At most `addresses_max` addresses are
    /// remembered.
    pub fn new(attempts_max: usize, window: Duration, addresses_max: usize) -> AddressLimiter {
        AddressLimiter {
            attempts_max,
            window_ms: i64::try_from(window.as_millis()).unwrap_or(i64::MAX),
            addresses_max,
            young: FxHashMap::default(),
            old: FxHashMap::default(),
            turned_at: Timestamp::default(),
        }
    }

    /// Counts an attempt from this address, or refuses it.
    pub fn attempt(&mut self, address: IpAddr, now: Timestamp) -> Result<(), TryAgain> {
        if self.attempts_max == 0 {
            return Ok(());
        }
        self.turn_generations(now);
        let key = one_client(address);
        let remembered = self.old.remove(&key);
        let attempts = self.young.entry(key).or_insert_with(|| remembered.unwrap_or_default());
        let begin = now.plus_ms(-self.window_ms);
        while attempts.front().is_some_and(|at| *at <= begin) {
            attempts.pop_front();
        }
        match attempts.front() {
            Some(oldest) if attempts.len() >= self.attempts_max => {
                let wait_ms = oldest.plus_ms(self.window_ms).unix_ms - now.unix_ms;
                let after_seconds = u32::try_from(wait_ms.max(0) / 1000 + 1).unwrap_or(u32::MAX);
                Err(TryAgain { after_seconds })
            }
            Some(_) | None => {
                attempts.push_back(now);
                Ok(())
            }
        }
    }

    fn turn_generations(&mut self, now: Timestamp) {
        let aged = now >= self.turned_at.plus_ms(self.window_ms);
        if aged || self.young.len() >= self.addresses_max / 2 {
            self.old = std::mem::take(&mut self.young);
            self.turned_at = now;
        }
    }
}

/// The key of one client: an IPv6 household usually has a whole /64 network.
pub fn one_client(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from(u128::from(address) & (u128::MAX << 64))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_unix_seconds(1_700_000_000 + seconds)
    }

    #[test]
    fn the_window_slides() {
        let mut limiter = AddressLimiter::new(2, MINUTE, 100);
        let client = address("1.1.1.1");
        assert_eq!(limiter.attempt(client, at(0)), Ok(()));
        assert_eq!(limiter.attempt(client, at(30)), Ok(()));
        assert_eq!(limiter.attempt(client, at(40)), Err(TryAgain { after_seconds: 21 }));
        assert_eq!(limiter.attempt(client, at(61)), Ok(()));
        assert!(limiter.attempt(client, at(62)).is_err());
        assert_eq!(limiter.attempt(client, at(91)), Ok(()));
    }

    #[test]
    fn waiting_as_long_as_told_is_enough() {
        let mut limiter = AddressLimiter::new(1, MINUTE, 100);
        limiter.attempt(address("1.1.1.1"), at(0)).unwrap();
        let told = limiter.attempt(address("1.1.1.1"), at(7)).unwrap_err();
        assert_eq!(limiter.attempt(address("1.1.1.1"), at(7 + i64::from(told.after_seconds))), Ok(()));
    }

    #[test]
    fn addresses_do_not_disturb_each_other_but_a_64_is_one() {
        let mut limiter = AddressLimiter::new(1, MINUTE, 100);
        for client in ["1.1.1.1", "1.1.1.2", "2001:db8::1", "2001:db8:0:1::1"] {
            assert_eq!(limiter.attempt(address(client), at(0)), Ok(()), "{client}");
        }
        for client in ["::ffff:1.1.1.1", "2001:db8::2"] {
            assert!(limiter.attempt(address(client), at(0)).is_err(), "{client}");
        }
    }

    #[test]
    fn nothing_is_forgotten_within_the_window_and_memory_stays_bounded() {
        let mut limiter = AddressLimiter::new(1, MINUTE, 1_000);
        limiter.attempt(address("1.1.1.1"), at(59)).unwrap();
        assert!(limiter.attempt(address("1.1.1.1"), at(61)).is_err());
        assert!(limiter.attempt(address("1.1.1.1"), at(118)).is_err());
        for number in 0..100_000_u32 {
            let _counted = limiter.attempt(IpAddr::V4(number.into()), at(119));
            assert!(limiter.young.len() + limiter.old.len() <= 1_000);
        }
    }

    #[test]
    fn zero_is_no_limit() {
        let mut limiter = AddressLimiter::new(0, MINUTE, 100);
        assert!((0..1_000).all(|_| limiter.attempt(address("1.1.1.1"), at(0)).is_ok()));
    }
}
