//! Whose question is next: so many at once on the node and for each user; the others wait, first come first served, and
//! by turns between users, so that nobody with many questions keeps the others waiting.

use std::{collections::VecDeque, hash::Hash};

use rustc_hash::FxHashMap;

/// How many.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct QueueLimits {
    /// Worked on at once.
    pub at_once: usize,
    /// Of them, one user's.
    pub at_once_per_user: usize,
    /// Waiting.
    pub waiting: usize,
    /// Of them, one user's.
    pub waiting_per_user: usize,
}

/// Why a question finds no place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NoPlace {
    /// Too many wait.
    Full,
    /// Too many of the same user wait.
    FullForUser,
}

/// The queue. What is in it belongs to users.
#[derive(Debug)]
pub struct Queue<U, T> {
    limits: QueueLimits,
    running: FxHashMap<U, usize>,
    running_count: usize,
    /// Users with something waiting, the one whose turn it is first.
    turns: VecDeque<(U, VecDeque<T>)>,
    waiting_count: usize,
}

impl<U: Clone + Eq + Hash, T> Queue<U, T> {
    /// An empty one.
    pub fn new(limits: QueueLimits) -> Queue<U, T> {
        Queue { limits, running: FxHashMap::default(), running_count: 0, turns: VecDeque::new(), waiting_count: 0 }
    }

    /// Takes a place at the end. What may begin is told by [`Queue::begin`], and until then everything waits.
    ///
    /// # Errors
    /// If it finds no place.
    pub fn enter(&mut self, user: &U, item: T) -> Result<(), NoPlace> {
        let free = self.limits.at_once.saturating_sub(self.running_count);
        // whoever may begin at once does not wait
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

    /// What may begin now, if anything; it runs until [`Queue::done`].
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

    /// Something of the user that ran has ended.
    pub fn done(&mut self, user: &U) {
        let Some(count) = self.running.get_mut(user) else { return };
        *count -= 1;
        if *count == 0 {
            self.running.remove(user);
        }
        self.running_count -= 1;
    }

    /// Takes out what of the user's waits and is meant.
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

    /// How many run.
    pub fn running(&self) -> usize {
        self.running_count
    }

    /// How many wait.
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
                    // each user's own come in their order
                    prop_assert_eq!(waiting.get_mut(&user).unwrap().remove(0), item);
                    running.push(user);
                }
                prop_assert!(running.len() <= LIMITS.at_once);
                for user in 0..4 {
                    prop_assert!(running.iter().filter(|whose| **whose == user).count() <= LIMITS.at_once_per_user);
                }
                let left: usize = waiting.values().map(Vec::len).sum();
                prop_assert_eq!((queue.running(), queue.waiting()), (running.len(), left));
                // nobody waits for nothing
                for (user, items) in &waiting {
                    let may = running.len() < LIMITS.at_once && !running.contains(user);
                    prop_assert!(items.is_empty() || !may);
                }
            }
        }
    }
}
