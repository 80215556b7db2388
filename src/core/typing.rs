//! Tracks who is typing in a room, per socket, because a typing indicator must end with the socket that started it even
//! if the user has other sockets. An indicator that is not renewed expires.

use std::{hash::Hash, sync::Arc, time::Duration};

use rustc_hash::FxHashMap;

use crate::{core::profile::Author, ids::UserId, limits};

/// Where in a room a user types: a cell, by the client's id, or the room itself.
pub type TypingPlace = Option<Arc<str>>;

/// A user has stopped typing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Stopped {
    /// The user.
    pub user: Author,
    /// The place.
    pub place: TypingPlace,
}

#[derive(Debug)]
struct Typing {
    user: Author,
    place: TypingPlace,
    /// When it was last renewed.
    at: Duration,
}

/// The users typing in one room. `K` identifies the source, such as a socket. Times are measured from any fixed point.
#[derive(Debug)]
pub struct Typists<K> {
    sources: FxHashMap<K, Vec<Typing>>,
}

impl<K> Default for Typists<K> {
    fn default() -> Typists<K> {
        Typists { sources: FxHashMap::default() }
    }
}

impl<K: Clone + Eq + Hash> Typists<K> {
    /// The user starts or continues typing. If the source types in too many places, the oldest one is ended and
    /// returned.
    pub fn started(&mut self, source: K, user: &Author, place: &TypingPlace, now: Duration) -> Option<Stopped> {
        if self.sources.len() >= limits::TYPISTS_MAX && !self.sources.contains_key(&source) {
            return None; // not tracked; the indicator expires at the receivers
        }
        let places = self.sources.entry(source).or_default();
        places.retain(|typing| typing.user.id != user.id || typing.place != *place);
        let oldest = (places.len() >= limits::TYPING_PLACES_MAX).then(|| places.remove(0));
        places.push(Typing { user: user.clone(), place: place.clone(), at: now });
        oldest.and_then(|typing| self.unless_elsewhere(typing))
    }

    /// The user has stopped typing.
    pub fn stopped(&mut self, source: K, user: &UserId, place: &TypingPlace) {
        if let Some(places) = self.sources.get_mut(&source) {
            places.retain(|typing| typing.user.id != *user || typing.place != *place);
            if places.is_empty() {
                self.sources.remove(&source);
            }
        }
    }

    /// Removes the sources that match. Returns the users who have stopped typing with them.
    pub fn ended(&mut self, is_gone: impl Fn(&K) -> bool) -> Vec<Stopped> {
        let gone: Vec<K> = self.sources.keys().filter(|source| is_gone(source)).cloned().collect();
        let ended: Vec<Typing> = gone.iter().filter_map(|source| self.sources.remove(source)).flatten().collect();
        ended.into_iter().filter_map(|typing| self.unless_elsewhere(typing)).collect()
    }

    /// Removes and returns the indicators that were not renewed within the time that `silence` returns for their
    /// source.
    pub fn silent(&mut self, now: Duration, silence: impl Fn(&K) -> Duration) -> Vec<(K, Stopped)> {
        let mut silent = Vec::new();
        for (source, places) in &mut self.sources {
            let most = silence(source);
            for typing in places.extract_if(.., |typing| now.saturating_sub(typing.at) >= most) {
                silent.push((source.clone(), typing));
            }
        }
        self.sources.retain(|_, places| !places.is_empty());
        let stopped = |(source, typing): (K, Typing)| Some((source, self.unless_elsewhere(typing)?));
        silent.into_iter().filter_map(stopped).collect()
    }

    /// Whether nobody is typing.
    pub fn is_empty(&self) -> bool {
        self.sources.is_empty()
    }

    /// A user who types in the same place from another source has not stopped.
    fn unless_elsewhere(&self, typing: Typing) -> Option<Stopped> {
        let Typing { user, place, .. } = typing;
        let mut others = self.sources.values().flatten();
        let goes_on = others.any(|other| other.user.id == user.id && other.place == place);
        (!goes_on).then_some(Stopped { user, place })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ann() -> Author {
        Author::new(UserId::new("ann").unwrap(), "ann")
    }

    fn second(n: u64) -> Duration {
        Duration::from_secs(n)
    }

    const LONG: Duration = Duration::from_secs(10);

    #[test]
    fn typing_ends_with_its_source_unless_it_goes_on_elsewhere() {
        let mut typists = Typists::default();
        let cell: TypingPlace = Some("A1".into());
        typists.started(1, &ann(), &None, second(0));
        typists.started(2, &ann(), &None, second(0));
        typists.started(2, &ann(), &cell, second(0));
        assert_eq!(typists.ended(|source| *source == 2), [Stopped { user: ann(), place: cell }]);
        assert_eq!(typists.ended(|source| *source == 1), [Stopped { user: ann(), place: None }]);
        assert!(typists.is_empty());
        typists.started(3, &ann(), &None, second(0));
        typists.stopped(3, &ann().id, &None);
        assert!(typists.is_empty(), "what was said to have stopped is not said again");
    }

    #[test]
    fn whoever_is_silent_has_stopped() {
        let mut typists = Typists::default();
        typists.started(1, &ann(), &None, second(0));
        typists.started(1, &ann(), &None, second(5));
        assert!(typists.silent(second(14), |_| LONG).is_empty());
        assert_eq!(typists.silent(second(15), |_| LONG), [(1, Stopped { user: ann(), place: None })]);
        assert!(typists.is_empty());
    }

    #[test]
    fn a_source_types_in_so_many_places_at_once() {
        let mut typists = Typists::default();
        for cell in 0..limits::TYPING_PLACES_MAX {
            assert_eq!(typists.started(1, &ann(), &Some(cell.to_string().into()), second(0)), None);
        }
        let oldest = typists.started(1, &ann(), &None, second(1));
        assert_eq!(oldest, Some(Stopped { user: ann(), place: Some("0".into()) }));
    }
}
