//! Limits how much of the assistant each user may use: questions per hour, and characters exchanged with a provider per
//! day. A question is charged when it is accepted; the cost of an answer is charged as it arrives. An answer may
//! therefore exceed the budget, which then refuses the next question.

use std::{collections::VecDeque, hash::Hash};

use rustc_hash::FxHashMap;

use crate::ids::Timestamp;

const HOUR_MS: i64 = 3_600_000;
const HOURS_PER_DAY: i64 = 24;

/// The limits per user; 0 disables a limit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BudgetLimits {
    /// Questions in any period of an hour.
    pub requests_per_hour: usize,
    /// Characters per day: the current clock hour and the 23 before it.
    pub characters_per_day: u64,
    /// The number of users kept in memory.
    pub users_max: usize,
}

/// A limit that has been reached.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct UsedUp {
    /// Which limit.
    pub what: Allowance,
    /// Seconds until a retry can succeed, at least 1.
    pub retry_after_seconds: u32,
}

/// What is limited.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Allowance {
    /// Questions per hour.
    Requests,
    /// Characters per day.
    Characters,
}

/// The usage of all users.
#[derive(Debug)]
pub struct Budgets<U> {
    limits: BudgetLimits,
    users: FxHashMap<U, Used>,
}

#[derive(Debug, Default)]
struct Used {
    /// Times of accepted questions, the oldest first.
    requests: VecDeque<Timestamp>,
    /// Characters per clock hour, the oldest first.
    characters: VecDeque<(i64, u64)>,
}

impl<U: Clone + Eq + Hash> Budgets<U> {
    /// Creates budgets without usage.
    pub fn new(limits: BudgetLimits) -> Budgets<U> {
        Budgets { limits, users: FxHashMap::default() }
    }

    /// Charges a question.
    ///
    /// # Errors
    /// If a limit has been reached; nothing is charged in this case.
    pub fn ask(&mut self, user: &U, now: Timestamp) -> Result<(), UsedUp> {
        self.check_characters(user, now)?;
        let most = self.limits.requests_per_hour;
        if most == 0 {
            return Ok(());
        }
        let used = self.used(user, now);
        if used.requests.len() >= most {
            // the question that must expire first
            let first = used.requests.len() - most;
            let until = used.requests.get(first).map_or(now, |at| at.plus_ms(HOUR_MS));
            return Err(UsedUp { what: Allowance::Requests, retry_after_seconds: seconds_between(now, until) });
        }
        used.requests.push_back(now);
        Ok(())
    }

    /// Checks whether the user has characters left.
    ///
    /// # Errors
    /// If not.
    pub fn check_characters(&mut self, user: &U, now: Timestamp) -> Result<(), UsedUp> {
        let most = self.limits.characters_per_day;
        if most == 0 || !self.users.contains_key(user) {
            return Ok(());
        }
        let used = self.used(user, now);
        let mut left_over = used.characters.iter().map(|(_, characters)| characters).sum::<u64>();
        if left_over < most {
            return Ok(());
        }
        // find the hour whose expiry makes room
        let mut until = now;
        for (hour, characters) in &used.characters {
            left_over -= characters;
            until = Timestamp { unix_ms: (hour + HOURS_PER_DAY).saturating_mul(HOUR_MS) };
            if left_over < most {
                break;
            }
        }
        Err(UsedUp { what: Allowance::Characters, retry_after_seconds: seconds_between(now, until) })
    }

    /// Charges the cost of an answer.
    pub fn spend(&mut self, user: &U, characters: u64, now: Timestamp) {
        if self.limits.characters_per_day == 0 || characters == 0 {
            return;
        }
        let hour = now.unix_ms.div_euclid(HOUR_MS);
        let used = self.used(user, now);
        match used.characters.back_mut() {
            Some((last, spent)) if *last >= hour => *spent = spent.saturating_add(characters),
            Some(_) | None => used.characters.push_back((hour, characters)),
        }
    }

    /// Forgets users without current usage. If there are still too many, those who have been idle longest are
    /// forgotten.
    pub fn forget_idle(&mut self, now: Timestamp) {
        self.users.retain(|_, used| {
            used.pass(now);
            !used.requests.is_empty() || !used.characters.is_empty()
        });
        if self.users.len() > self.limits.users_max {
            let mut lasts: Vec<_> = self.users.iter().map(|(user, used)| (used.last(), user.clone())).collect();
            let surplus = lasts.len() - self.limits.users_max;
            lasts.select_nth_unstable_by_key(surplus, |(last, _)| *last);
            lasts.into_iter().take(surplus).for_each(|(_, user)| drop(self.users.remove(&user)));
        }
    }

    fn used(&mut self, user: &U, now: Timestamp) -> &mut Used {
        if self.users.len() > self.limits.users_max && !self.users.contains_key(user) {
            self.forget_idle(now);
        }
        let used = self.users.entry(user.clone()).or_default();
        used.pass(now);
        used
    }
}

impl Used {
    /// Removes expired usage. Entries from the future, which occur if the clock was set back, are moved to the present,
    /// so that no entry counts longer than it should.
    fn pass(&mut self, now: Timestamp) {
        let hour = now.unix_ms.div_euclid(HOUR_MS);
        for at in self.requests.iter_mut().rev().take_while(|at| **at > now) {
            *at = now;
        }
        for (at, _) in self.characters.iter_mut().rev().take_while(|(at, _)| *at > hour) {
            *at = hour;
        }
        while self.requests.front().is_some_and(|at| at.plus_ms(HOUR_MS) <= now) {
            self.requests.pop_front();
        }
        while self.characters.front().is_some_and(|(at, _)| at + HOURS_PER_DAY <= hour) {
            self.characters.pop_front();
        }
    }

    fn last(&self) -> i64 {
        let spent = self.characters.back().map_or(i64::MIN, |(hour, _)| hour * HOUR_MS);
        self.requests.back().map_or(spent, |at| at.unix_ms.max(spent))
    }
}

fn seconds_between(now: Timestamp, until: Timestamp) -> u32 {
    let ms = until.unix_ms.saturating_sub(now.unix_ms).max(1);
    u32::try_from((ms + 999) / 1_000).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LIMITS: BudgetLimits = BudgetLimits { requests_per_hour: 3, characters_per_day: 100, users_max: 2 };

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_unix_seconds(seconds)
    }

    #[test]
    fn an_hour_takes_its_questions_and_says_when_the_next_may_come() {
        let mut budgets = Budgets::new(LIMITS);
        for second in [0, 100, 200] {
            assert_eq!(budgets.ask(&'a', at(second)), Ok(()));
        }
        let used_up = UsedUp { what: Allowance::Requests, retry_after_seconds: 3_000 };
        assert_eq!(budgets.ask(&'a', at(600)), Err(used_up));
        assert_eq!(budgets.ask(&'b', at(600)), Ok(()), "everybody has an hour of one's own");
        assert_eq!(budgets.ask(&'a', at(3_599)), Err(UsedUp { retry_after_seconds: 1, ..used_up }));
        assert_eq!(budgets.ask(&'a', at(3_600)), Ok(()));
        assert_eq!(budgets.ask(&'a', at(3_601)), Err(UsedUp { retry_after_seconds: 99, ..used_up }));
    }

    #[test]
    fn a_day_takes_its_characters() {
        let mut budgets = Budgets::new(LIMITS);
        budgets.spend(&'a', 60, at(0));
        assert_eq!(budgets.check_characters(&'a', at(1)), Ok(()));
        budgets.spend(&'a', 60, at(7_200));
        let refused = budgets.ask(&'a', at(7_201)).unwrap_err();
        assert_eq!((refused.what, refused.retry_after_seconds), (Allowance::Characters, 86_400 - 7_201));
        assert_eq!(budgets.check_characters(&'a', at(86_399)), Err(UsedUp { retry_after_seconds: 1, ..refused }));
        assert_eq!(budgets.check_characters(&'a', at(86_400)), Ok(()));
    }

    #[test]
    fn zero_is_no_limit_and_idle_users_are_forgotten() {
        let mut budgets = Budgets::new(BudgetLimits { requests_per_hour: 0, characters_per_day: 0, users_max: 1 });
        for _ in 0..1_000 {
            budgets.ask(&'a', at(0)).unwrap();
            budgets.spend(&'a', u64::MAX, at(0));
        }
        assert!(budgets.users.is_empty());
        let mut budgets = Budgets::new(LIMITS);
        for (user, second) in (0..10).zip(0..) {
            budgets.ask(&user, at(second)).unwrap();
        }
        assert!(budgets.users.len() <= LIMITS.users_max + 1, "{}", budgets.users.len());
        budgets.forget_idle(at(10_000));
        assert!(budgets.users.is_empty());
    }

    #[test]
    fn a_clock_that_steps_back_locks_nobody_out() {
        let mut budgets = Budgets::new(LIMITS);
        for _ in 0..3 {
            budgets.ask(&'a', at(1_000_000)).unwrap();
        }
        assert_eq!(budgets.ask(&'a', at(0)).unwrap_err().retry_after_seconds, 3_600);
        assert_eq!(budgets.ask(&'a', at(3_600)), Ok(()));
    }

    proptest! {
        #[test]
        fn no_hour_takes_more_and_what_is_promised_holds(pauses in prop::collection::vec(0..2_000i64, 1..60)) {
            let mut budgets = Budgets::new(LIMITS);
            let (mut now, mut taken) = (0, Vec::new());
            for pause in pauses {
                now += pause;
                let within = taken.iter().filter(|then| now - **then < 3_600).count();
                match budgets.ask(&'a', at(now)) {
                    Ok(()) => {
                        prop_assert!(within < LIMITS.requests_per_hour);
                        taken.push(now);
                    }
                    Err(used_up) => {
                        prop_assert_eq!(within, LIMITS.requests_per_hour);
                        now += i64::from(used_up.retry_after_seconds);
                        prop_assert_eq!(budgets.ask(&'a', at(now)), Ok(()));
                        taken.push(now);
                    }
                }
            }
        }
    }
}
