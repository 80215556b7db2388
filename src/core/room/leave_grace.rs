//! Users whose last socket has just broken off and who are likely to reconnect. They count as members until their grace
//! period ends: no leave is announced, and no join if they return in time.
//!
//! They have no socket. Decisions that depend on a socket (queueing for absent users, the target of a signal) must
//! never treat them as present.

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use crate::{
    core::{monotonic::MonotonicClock, profile::Author},
    ids::{Timestamp, UserId},
};

/// When a grace period ends, and a serial number for those that end in the same millisecond.
type Deadline = (i64, u64);

/// The users of one room who are in their grace period.
#[derive(Debug, Default)]
pub struct LeaveGrace {
    users: HashMap<UserId, (Author, Deadline)>,
    deadlines: BTreeMap<Deadline, UserId>,
    time: Option<MonotonicClock>,
    begun: u64,
}

impl LeaveGrace {
    fn elapsed_ms(&mut self, now: Timestamp) -> i64 {
        self.time.get_or_insert_with(|| MonotonicClock::new(now)).advance(now)
    }

    /// The user has lost the last socket.
    pub fn begin(&mut self, user: Author, grace: Duration, now: Timestamp) {
        self.end(&user.id);
        let ends_ms = self.elapsed_ms(now).saturating_add(i64::try_from(grace.as_millis()).unwrap_or(i64::MAX));
        self.begun += 1;
        let deadline = (ends_ms, self.begun);
        self.deadlines.insert(deadline, user.id.clone());
        self.users.insert(user.id.clone(), (user, deadline));
    }

    /// The user is back, or leaves at once. Returns `None` if there was no grace period.
    pub fn end(&mut self, user: &UserId) -> Option<Author> {
        let (author, deadline) = self.users.remove(user)?;
        self.deadlines.remove(&deadline);
        Some(author)
    }

    /// Users whose grace period has ended, in this order.
    pub fn take_overdue(&mut self, now: Timestamp) -> Vec<Author> {
        let elapsed_ms = self.elapsed_ms(now);
        let mut overdue = Vec::new();
        while let Some(first) = self.deadlines.first_entry()
            && first.key().0 <= elapsed_ms
        {
            let user = first.remove();
            overdue.extend(self.users.remove(&user).map(|(author, _)| author));
        }
        overdue
    }

    /// The time until the next grace period ends.
    pub fn next_in(&mut self, now: Timestamp) -> Option<Duration> {
        let elapsed_ms = self.elapsed_ms(now);
        let (ends_ms, _) = self.deadlines.keys().next()?;
        Some(Duration::from_millis(u64::try_from(ends_ms.saturating_sub(elapsed_ms)).unwrap_or(0)))
    }

    /// Whether the user is in the grace period.
    pub fn contains(&self, user: &UserId) -> bool {
        self.users.contains_key(user)
    }

    /// The users, in no particular order.
    pub fn users(&self) -> impl Iterator<Item = &Author> {
        self.users.values().map(|(author, _)| author)
    }

    /// The number of users.
    pub fn len(&self) -> usize {
        self.users.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn author(name: &str) -> Author {
        Author::new(UserId::new(name).unwrap(), name)
    }

    const GRACE: Duration = Duration::from_secs(5);

    #[test]
    fn a_grace_ends_once_and_a_return_ends_it_early() {
        let at = |unix_ms| Timestamp { unix_ms };
        let mut lingering = LeaveGrace::default();
        lingering.begin(author("ann"), GRACE, at(1_000));
        lingering.begin(author("bob"), GRACE, at(2_000));
        assert_eq!((lingering.len(), lingering.next_in(at(2_000))), (2, Some(Duration::from_secs(4))));
        assert!(lingering.take_overdue(at(5_999)).is_empty());
        assert_eq!(lingering.end(&author("bob").id), Some(author("bob")));
        assert_eq!(lingering.take_overdue(at(60_000)), [author("ann")]);
        assert_eq!((lingering.len(), lingering.next_in(at(60_000))), (0, None));
    }

    #[test]
    fn whoever_breaks_off_again_has_a_whole_grace() {
        let at = |unix_ms| Timestamp { unix_ms };
        let mut lingering = LeaveGrace::default();
        lingering.begin(author("ann"), GRACE, at(0));
        lingering.begin(author("ann"), GRACE, at(4_000));
        assert!(lingering.take_overdue(at(8_999)).is_empty());
        assert_eq!(lingering.take_overdue(at(9_000)), [author("ann")]);
    }
}
