//! Decides which question is processed next. The number of running and queued questions is limited per node and per
//! user. Queued questions are served in order within a user and round-robin between users, so that a user with many
//! questions cannot delay the others.

use std::{collections::VecDeque, hash::Hash};

use rustc_hash::FxHashMap;

/// The limits of the queue.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct QueueLimits {
    /// Questions processed at once.
    pub at_once: usize,
    /// Of these, questions of one user.
    pub at_once_per_user: usize,
    /// Queued questions.
    pub waiting: usize,
    /// Of these, questions of one user.
    pub waiting_per_user: usize,
}

/// Why a question is rejected.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NoPlace {
    /// The queue is full.
    Full,
    /// The user has too many queued questions.
    FullForUser,
}

/// The queue. Each item belongs to a user.
#[derive(Debug)]
pub struct Queue<U, T> {
    limits: QueueLimits,
    running: FxHashMap<U, usize>,
    running_count: usize,
    /// Users with queued items, the next one in front.
    turns: VecDeque<(U, VecDeque<T>)>,
    waiting_count: usize,
}

impl<U: Clone + Eq + Hash, T> Queue<U, T> {
    /// Creates an empty queue.
    pub fn new(limits: QueueLimits) -> Queue<U, T> {
        Queue { limits, running: FxHashMap::default(), running_count: 0, turns: VecDeque::new(), waiting_count: 0 }
    }

    /// Appends an item. It stays queued until [`Queue::begin`] returns it.
    ///
    /// # Errors
    /// If the queue is full.
    pub fn enter(&mut self, user: &U, item: T) -> Result<(), NoPlace> {
        let free = self.limits.at_once.saturating_sub(self.running_count);
        // an item that can begin at once does not count as queued
        if self.waiting_count >= self.limits.waiting.saturating_add(free) {
            return Err(NoPlace::Full);
        }
        let line = self.turns.iter_mut().find(|(whose, _)| whose == user);
        let running = self.running.get(user).copied().unwrap_or_default();
        let free = free.min(self.limits.at_once_per_user.saturating_sub(running));
        let waiting = line.as_ref().map_or(0, |(_, items)| items.len());
        if waiting >= self.limits.waiting_per_user.saturating_add(free) {
            return Err(NoPlace::FullForUser);
        }
        match line {
            Some((_, items)) => items.push_back(item),
            None => self.turns.push_back((user.clone(), VecDeque::from([item]))),
        }
        self.waiting_count += 1;
        Ok(())
    }

    /// Returns the next item that may run now, if any. It counts as running until [`Queue::done`].
    pub fn begin(&mut self) -> Option<(U, T)> {
        if self.running_count >= self.limits.at_once {
            return None;
        }
        let may = |user: &U| self.running.get(user).is_none_or(|count| *count < self.limits.at_once_per_user);
        let at = self.turns.iter().position(|(user, _)| may(user))?;
        let (user, mut items) = self.turns.remove(at)?;
        let item = items.pop_front()?;
        if !items.is_empty() {
            self.turns.push_back((user.clone(), items));
        }
        self.waiting_count -= 1;
        self.running_count += 1;
        *self.running.entry(user.clone()).or_default() += 1;
        Some((user, item))
    }

    /// An item of the user has finished.
    pub fn done(&mut self, user: &U) {
        let Some(count) = self.running.get_mut(user) else { return };
        *count -= 1;
        if *count == 0 {
            self.running.remove(user);
        }
        self.running_count -= 1;
    }

    /// Removes the first queued item of the user that matches.
    pub fn remove(&mut self, user: &U, is_meant: impl Fn(&T) -> bool) -> Option<T> {
        let at = self.turns.iter().position(|(whose, _)| whose == user)?;
        let (_, items) = self.turns.get_mut(at)?;
        let item = items.iter().position(is_meant).and_then(|place| items.remove(place))?;
        if items.is_empty() {
            self.turns.remove(at);
        }
        self.waiting_count -= 1;
        Some(item)
    }

    /// The number of running items.
    pub fn running(&self) -> usize {
        self.running_count
    }

    /// The number of queued items.
    pub fn waiting(&self) -> usize {
        self.waiting_count
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    const LIMITS: QueueLimits = QueueLimits { at_once: 2, at_once_per_user: 1, waiting: 4, waiting_per_user: 2 };

    fn started(queue: &mut Queue<char, u32>) -> Vec<u32> {
        std::iter::from_fn(|| queue.begin()).map(|(_, item)| item).collect()
    }

    #[test]
    fn users_take_turns_and_each_is_served_in_order() {
        let mut queue = Queue::new(QueueLimits { at_once: 1, at_once_per_user: 1, waiting: 9, waiting_per_user: 9 });
        for (user, item) in [('a', 1), ('a', 2), ('a', 3), ('b', 4), ('c', 5), ('b', 6)] {
            queue.enter(&user, item).unwrap();
        }
        let mut order = Vec::new();
        while let Some((user, item)) = queue.begin() {
            order.push(item);
            queue.done(&user);
        }
        assert_eq!(order, [1, 4, 5, 2, 6, 3]);
    }

    #[test]
    fn a_user_at_the_limit_keeps_nobody_waiting() {
        let mut queue = Queue::new(LIMITS);
        queue.enter(&'a', 1).unwrap();
        queue.enter(&'a', 2).unwrap();
        queue.enter(&'b', 3).unwrap();
        assert_eq!(started(&mut queue), [1, 3]);
        assert_eq!((queue.running(), queue.waiting()), (2, 1));
        queue.done(&'b');
        assert!(started(&mut queue).is_empty());
        queue.done(&'a');
        assert_eq!(started(&mut queue), [2]);
    }

    #[test]
    fn who_finds_no_place_is_told_why() {
        let mut queue = Queue::new(LIMITS);
        for item in 0..3 {
            queue.enter(&'a', item).unwrap();
        }
        assert_eq!(queue.enter(&'a', 3), Err(NoPlace::FullForUser), "one would begin, two wait");
        for user in ['b', 'c', 'd'] {
            queue.enter(&user, 9).unwrap();
        }
        assert_eq!(queue.enter(&'e', 9), Err(NoPlace::Full));
        assert_eq!(queue.remove(&'a', |item| *item == 1), Some(1));
        assert_eq!(queue.remove(&'a', |item| *item == 1), None);
        queue.enter(&'e', 9).unwrap();
    }

    proptest! {
        #[test]
        fn the_limits_hold_and_nothing_is_lost(steps in prop::collection::vec((0..4u8, 0..4u8), 1..200)) {
            let mut queue = Queue::new(LIMITS);
            let (mut running, mut waiting, mut name) = (Vec::new(), BTreeMap::<u8, Vec<u32>>::new(), 0);
            for (user, what) in steps {
                match what {
                    0 | 1 => {
                        name += 1;
                        if queue.enter(&user, name).is_ok() {
                            waiting.entry(user).or_default().push(name);
                        }
                    }
                    2 => {
                        if let Some(at) = running.iter().position(|whose| *whose == user) {
                            running.remove(at);
                            queue.done(&user);
                        }
                    }
                    _ => {
                        let last = waiting.get(&user).and_then(|items| items.last().copied());
                        let removed = queue.remove(&user, |item| Some(*item) == last);
                        prop_assert_eq!(removed, last);
                        waiting.entry(user).or_default().pop();
                    }
                }
                while let Some((user, item)) = queue.begin() {
                    // items of one user keep their order
                    prop_assert_eq!(waiting.get_mut(&user).unwrap().remove(0), item);
                    running.push(user);
                }
                prop_assert!(running.len() <= LIMITS.at_once);
                for user in 0..4 {
                    prop_assert!(running.iter().filter(|whose| **whose == user).count() <= LIMITS.at_once_per_user);
                }
                let left: usize = waiting.values().map(Vec::len).sum();
                prop_assert_eq!((queue.running(), queue.waiting()), (running.len(), left));
                // nothing stays queued while it could run
                for (user, items) in &waiting {
                    let may = running.len() < LIMITS.at_once && !running.contains(user);
                    prop_assert!(items.is_empty() || !may);
                }
            }
        }
    }
}
