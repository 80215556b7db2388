//! Soft locks of tiles: who edits which tile, on all nodes (PROTOCOL 8.33). A lock ends with the socket that holds it, or when it
//! is not renewed. Two nodes may give the same lock at the same moment; then the older one counts everywhere. Nothing that
//! is stored depends on a lock.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::{Editing, TilePlace};
use crate::{
    core::profile::Author,
    ids::{Timestamp, UserId},
    limits,
};

/// What one node publishes of a lock.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct TileEdit {
    /// The user.
    pub user: Author,
    /// The place of the tile.
    pub at: TilePlace,
    /// Whether the lock is held or released.
    pub editing: Editing,
    /// When it was taken.
    pub since: Timestamp,
}

/// A lock. `K` is a socket on this node; `None` for a lock on another node.
#[derive(Clone, Debug)]
struct Lock<K> {
    user: Author,
    source: Option<K>,
    since: Timestamp,
    renewed_at: Timestamp,
}

/// Somebody else holds the lock.
#[derive(Clone, PartialEq, Debug)]
pub struct Held {
    /// The user who holds it.
    pub holder: Author,
}

/// The locks of one canvas.
#[derive(Debug)]
pub struct TileLocks<K> {
    locks: HashMap<TilePlace, Lock<K>>,
}

impl<K> Default for TileLocks<K> {
    fn default() -> TileLocks<K> {
        TileLocks { locks: HashMap::new() }
    }
}

impl<K: Copy + PartialEq> TileLocks<K> {
    /// A socket here takes or renews a lock. Returns it, with the locks that the same socket held until now.
    ///
    /// # Errors
    /// Another user holds it.
    pub fn take(
        &mut self,
        at: TilePlace,
        user: &Author,
        source: K,
        now: Timestamp,
    ) -> Result<(TileEdit, Vec<TileEdit>), Held> {
        let before = self.locks.get(&at);
        if let Some(other) = before.filter(|lock| lock.user.id != user.id) {
            return Err(Held { holder: other.user.clone() });
        }
        let since = before.map_or(now, |lock| lock.since);
        let ended = self.end(|place, lock| *place != at && lock.source == Some(source));
        if self.locks.len() < limits::TILE_LOCKS_MAX || self.locks.contains_key(&at) {
            self.locks.insert(at, Lock { user: user.clone(), source: Some(source), since, renewed_at: now });
        }
        Ok((TileEdit { user: user.clone(), at, editing: Editing::Started, since }, ended))
    }

    /// A user here releases a lock. `None` if the user does not hold it.
    pub fn release(&mut self, at: TilePlace, user: &UserId) -> Option<TileEdit> {
        self.locks.get(&at).filter(|lock| lock.user.id == *user)?;
        self.locks.remove(&at).map(|lock| stopped(at, lock))
    }

    /// Another node has published a lock. Returns whether it counts, and the lock here that it ends.
    pub fn learn(&mut self, edit: &TileEdit, now: Timestamp) -> (bool, Option<TileEdit>) {
        let before = self.locks.get(&edit.at);
        match edit.editing {
            Editing::Stopped => {
                let ends = before.is_some_and(|lock| lock.user.id == edit.user.id && lock.source.is_none());
                if ends {
                    self.locks.remove(&edit.at);
                }
                // of an unknown lock too: the members may have been sent its start
                (ends || before_is_none(&self.locks, edit.at), None)
            }
            Editing::Started => {
                let is_of_other = before.filter(|lock| lock.user.id != edit.user.id);
                let loses = is_of_other.is_some_and(|lock| (lock.since, &lock.user.id) < (edit.since, &edit.user.id));
                if loses {
                    return (false, None);
                }
                if before.is_some_and(|lock| lock.user.id == edit.user.id && lock.source.is_some()) {
                    return (true, None); // the same user edits it here as well
                }
                let lock = Lock { user: edit.user.clone(), source: None, since: edit.since, renewed_at: now };
                if self.locks.len() >= limits::TILE_LOCKS_MAX && !self.locks.contains_key(&edit.at) {
                    return (true, None);
                }
                let ended = self.locks.insert(edit.at, lock).filter(|lock| lock.user.id != edit.user.id);
                (true, ended.map(|lock| stopped(edit.at, lock)))
            }
        }
    }

    /// A socket here is gone.
    pub fn socket_left(&mut self, source: K) -> Vec<TileEdit> {
        self.end(|_, lock| lock.source == Some(source))
    }

    /// A user has left on all nodes.
    pub fn forget(&mut self, user: &UserId) {
        self.locks.retain(|_, lock| lock.user.id != *user);
    }

    /// Ends the locks that were not renewed. Those of other nodes are given some more time, because their nodes end them
    /// first. Returns those of sockets here, then those of other nodes.
    pub fn expire(&mut self, now: Timestamp) -> (Vec<TileEdit>, Vec<TileEdit>) {
        let silent_ms = |lock: &Lock<K>| now.unix_ms.saturating_sub(lock.renewed_at.unix_ms);
        let most_ms = limits::TYPING_SILENCE_MAX.as_millis() as i64;
        let slack_ms = (limits::TYPING_LOOK * 3).as_millis() as i64;
        let here = self.end(|_, lock| lock.source.is_some() && silent_ms(lock) >= most_ms);
        let elsewhere = self.end(|_, lock| lock.source.is_none() && silent_ms(lock) >= most_ms + slack_ms);
        (here, elsewhere)
    }

    /// Whether nobody edits anything.
    pub fn is_empty(&self) -> bool {
        self.locks.is_empty()
    }

    /// The place of the tile that a user edits.
    pub fn of(&self, user: &UserId) -> Option<TilePlace> {
        self.locks.iter().filter(|(_, lock)| lock.user.id == *user).map(|(at, _)| *at).min()
    }

    /// The locks that these users hold here.
    pub fn held_here(&self, users: &mut dyn Iterator<Item = &Author>) -> Vec<TileEdit> {
        let users: Vec<&UserId> = users.map(|user| &user.id).collect();
        let here = self.locks.iter().filter(|(_, lock)| lock.source.is_some() && users.contains(&&lock.user.id));
        let edit = |(at, lock): (&TilePlace, &Lock<K>)| TileEdit {
            user: lock.user.clone(),
            at: *at,
            editing: Editing::Started,
            since: lock.since,
        };
        here.map(edit).collect()
    }

    fn end(&mut self, ends: impl Fn(&TilePlace, &Lock<K>) -> bool) -> Vec<TileEdit> {
        let ended = self.locks.extract_if(|at, lock| ends(at, lock));
        let mut ended: Vec<TileEdit> = ended.map(|(at, lock)| stopped(at, lock)).collect();
        ended.sort_by_key(|edit| edit.at);
        ended
    }
}

fn before_is_none<K>(locks: &HashMap<TilePlace, Lock<K>>, at: TilePlace) -> bool {
    !locks.contains_key(&at)
}

fn stopped<K>(at: TilePlace, lock: Lock<K>) -> TileEdit {
    TileEdit { user: lock.user, at, editing: Editing::Stopped, since: lock.since }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(name: &str) -> Author {
        Author::new(UserId::new(name).unwrap(), name)
    }

    fn second(n: i64) -> Timestamp {
        Timestamp { unix_ms: n * 1_000 }
    }

    const A: TilePlace = TilePlace { x: 1, y: 1 };
    const B: TilePlace = TilePlace { x: 2, y: 1 };

    #[test]
    fn the_first_holds_the_lock_until_it_ends() {
        let mut locks = TileLocks::<u8>::default();
        let (ann, bob) = (user("ann"), user("bob"));
        let (taken, ended) = locks.take(A, &ann, 1, second(0)).unwrap();
        assert_eq!((taken.editing, ended), (Editing::Started, vec![]));
        assert_eq!(locks.take(A, &bob, 2, second(1)), Err(Held { holder: ann.clone() }));
        assert_eq!(locks.release(A, &bob.id), None);
        // one tile per socket
        let (_, ended) = locks.take(B, &ann, 1, second(2)).unwrap();
        assert_eq!((ended[0].at, ended[0].editing), (A, Editing::Stopped));
        assert_eq!(locks.of(&ann.id), Some(B));
        assert!(locks.take(A, &bob, 2, second(3)).is_ok());
        assert_eq!(locks.socket_left(1).len(), 1);
        assert_eq!((locks.of(&ann.id), locks.of(&bob.id)), (None, Some(A)));
        assert_eq!(locks.release(A, &bob.id).unwrap().editing, Editing::Stopped);
        assert!(locks.is_empty());
    }

    #[test]
    fn a_lock_that_is_not_renewed_ends() {
        let mut locks = TileLocks::<u8>::default();
        let most = limits::TYPING_SILENCE_MAX.as_secs() as i64;
        locks.take(A, &user("ann"), 1, second(0)).unwrap();
        locks.take(A, &user("ann"), 1, second(5)).unwrap();
        assert_eq!(locks.expire(second(most)), (vec![], vec![]), "it was renewed");
        assert_eq!(locks.expire(second(most + 5)).0.len(), 1);
    }

    #[test]
    fn of_two_nodes_that_give_a_lock_the_older_one_counts_on_both() {
        let (ann, bob) = (user("ann"), user("bob"));
        let (mut one, mut other) = (TileLocks::<u8>::default(), TileLocks::<u8>::default());
        let (first, _) = one.take(A, &ann, 1, second(1)).unwrap();
        let (later, _) = other.take(A, &bob, 1, second(2)).unwrap();
        assert_eq!(one.learn(&later, second(3)), (false, None));
        let (counts, ended) = other.learn(&first, second(3));
        assert!(counts);
        assert_eq!(ended.map(|edit| (edit.user, edit.editing)), Some((bob.clone(), Editing::Stopped)));
        assert_eq!(other.take(A, &bob, 1, second(4)), Err(Held { holder: ann.clone() }));
        let gone = one.socket_left(1).remove(0);
        assert_eq!(other.learn(&gone, second(5)), (true, None));
        assert!(other.take(A, &bob, 1, second(6)).is_ok());
    }
}
