//! Counts how many distinct users a room has per hour, for administrators. Hours are clock hours; the last 24 are kept,
//! and empty hours do not count. It must never keep user ids.

use std::{
    collections::{HashSet, VecDeque},
    hash::{DefaultHasher, Hash, Hasher},
};

use crate::{
    ids::{Timestamp, UserId},
    limits,
};

const HOUR_MS: i64 = 60 * 60 * 1_000;

/// The usage of one room.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Usage {
    /// The current hour since 1970.
    hour: i64,
    /// Hashes of the ids of users seen in this hour: eight bytes each, and the ids cannot be recovered.
    seen: HashSet<u64>,
    /// Earlier hours that had users, the oldest first, with the number of users.
    past: VecDeque<(i64, u32)>,
}

impl Usage {
    /// No usage.
    pub fn new(now: Timestamp) -> Usage {
        Usage { hour: hour_of(now), seen: HashSet::new(), past: VecDeque::new() }
    }

    /// Advances the time; call it before a join or leave. The users in `present` count in every hour that has begun
    /// since the last call. A clock that is set back has no effect.
    pub fn pass<'a>(&mut self, now: Timestamp, present: impl Iterator<Item = &'a UserId>) {
        let hour = hour_of(now);
        if hour <= self.hour {
            return;
        }
        let present: HashSet<u64> = present.take(limits::USAGE_USERS_MAX).map(hash_of).collect();
        let before = std::mem::replace(&mut self.seen, present);
        self.keep(self.hour, before.len());
        let oldest = hour - limits::USAGE_HOURS + 1;
        for between in (self.hour + 1).max(oldest)..hour {
            self.keep(between, self.seen.len());
        }
        self.hour = hour;
        self.past.retain(|(of, _)| *of >= oldest);
    }

    fn keep(&mut self, hour: i64, users: usize) {
        if users > 0 {
            self.past.push_back((hour, u32::try_from(users).unwrap_or(u32::MAX)));
        }
    }

    /// Counts a user in the current hour.
    pub fn see(&mut self, user: &UserId) {
        if self.seen.len() < limits::USAGE_USERS_MAX {
            self.seen.insert(hash_of(user));
        }
    }

    /// Distinct users per hour, in thousandths: the mean over the hours in which there were any.
    pub fn users_per_hour_milli(&self) -> u64 {
        let present = (!self.seen.is_empty()).then_some(self.seen.len() as u64);
        let counts = self.past.iter().map(|(_, users)| u64::from(*users)).chain(present);
        let (hours, users) = counts.fold((0, 0), |(hours, sum), users| (hours + 1, sum + users));
        (users * 1_000_u64).checked_div(hours).unwrap_or_default()
    }

    /// Whether no hour counts any longer.
    pub fn is_over(&self, now: Timestamp) -> bool {
        let last = if self.seen.is_empty() { self.past.back().map(|(hour, _)| *hour) } else { Some(self.hour) };
        last.is_none_or(|last| last <= hour_of(now) - limits::USAGE_HOURS)
    }
}

fn hour_of(at: Timestamp) -> i64 {
    at.unix_ms.div_euclid(HOUR_MS)
}

fn hash_of(user: &UserId) -> u64 {
    let mut hasher = DefaultHasher::new();
    user.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(hours: f64) -> Timestamp {
        Timestamp { unix_ms: 1_000 * HOUR_MS + (hours * HOUR_MS as f64) as i64 }
    }

    fn users(names: &[&str]) -> Vec<UserId> {
        names.iter().map(|name| UserId::new(*name).unwrap()).collect()
    }

    #[test]
    fn different_users_of_an_hour_are_counted_once() {
        let mut usage = Usage::new(at(0.1));
        assert_eq!(usage.users_per_hour_milli(), 0);
        for user in users(&["ada", "bob", "ada", "ada"]) {
            usage.see(&user);
        }
        assert_eq!(usage.users_per_hour_milli(), 2_000);
    }

    #[test]
    fn who_stays_is_seen_in_every_hour_and_empty_hours_do_not_count() {
        let mut usage = Usage::new(at(0.5));
        users(&["ada", "bob", "eve"]).iter().for_each(|user| usage.see(user));
        // bob and eve leave; ada stays through hours 1, 2 and into 3, where bob returns
        let ada = users(&["ada"]);
        usage.pass(at(3.2), ada.iter());
        usage.see(&users(&["bob"])[0]);
        assert_eq!(usage.users_per_hour_milli(), (3 + 1 + 1 + 2) * 1_000 / 4);
        // both leave, and the room is empty for five hours
        usage.pass(at(8.0), [].iter());
        assert_eq!(usage.users_per_hour_milli(), (3 + 1 + 1 + 2) * 1_000 / 4);
        usage.see(&ada[0]);
        assert_eq!(usage.users_per_hour_milli(), (3 + 1 + 1 + 2 + 1) * 1_000 / 5);
    }

    #[test]
    fn a_day_ago_is_forgotten() {
        let mut usage = Usage::new(at(0.0));
        users(&["ada", "bob"]).iter().for_each(|user| usage.see(user));
        usage.pass(at(23.9), [].iter());
        assert_eq!(usage.users_per_hour_milli(), 2_000);
        assert!(!usage.is_over(at(23.9)));
        assert!(usage.is_over(at(24.0)));
        usage.pass(at(24.0), [].iter());
        assert_eq!(usage, Usage::new(at(24.0)));
        let ada = users(&["ada"]);
        usage.see(&ada[0]);
        usage.pass(at(1_000.0), ada.iter());
        assert_eq!((usage.past.len() as i64, usage.users_per_hour_milli()), (limits::USAGE_HOURS - 1, 1_000));
    }

    #[test]
    fn a_clock_that_steps_back_loses_nothing() {
        let mut usage = Usage::new(at(5.0));
        usage.see(&users(&["ada"])[0]);
        usage.pass(at(2.0), [].iter());
        assert_eq!(usage.users_per_hour_milli(), 1_000);
    }
}
