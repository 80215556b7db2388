//! Who types in a room, and on which socket: what a socket began must end with it, also where the same user has others.
//! A source that does not say for a while that it goes on counts as having stopped.

use std::{hash::Hash, sync::Arc, time::Duration};

use rustc_hash::FxHashMap;

use crate::{core::profile::Author, ids::UserId, limits};

/// Where in a room somebody types: a cell by the client's own name, or the room itself.
pub type TypingPlace = Option<Arc<str>>;

/// Somebody has stopped typing there.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Stopped {
    /// Who.
    pub user: Author,
    /// Where.
    pub place: TypingPlace,
}

#[derive(Debug)]
struct Typing {
    user: Author,
    place: TypingPlace,
    /// When it was said last.
    at: Duration,
}

/// The typists of one room. `K` names what somebody types on. Times are since any fixed moment.
#[derive(Debug)]
pub struct Typists<K> {
    sources: FxHashMap<K, Vec<Typing>>,
}

impl<K> Default for Typists<K> {
    fn default() -> Typists<K> {
        Typists { sources: FxHashMap::default() }
    }
}

impl<K: Copy + Eq + Hash> Typists<K> {
    /// The user types there, or goes on. A source that types in too many places has stopped in the oldest.
    pub fn started(&mut self, source: K, user: &Author, place: &TypingPlace, now: Duration) -> Option<Stopped> {
        if self.sources.len() >= limits::TYPISTS_MAX && !self.sources.contains_key(&source) {
            return None; // the others let it expire
        }
        let places = self.sources.entry(source).or_default();
        places.retain(|typing| typing.user.id != user.id || typing.place != *place);
        let oldest = (places.len() >= limits::TYPING_PLACES_MAX).then(|| places.remove(0));
        places.push(Typing { user: user.clone(), place: place.clone(), at: now });
        oldest.and_then(|typing| self.unless_elsewhere(typing))
    }

    /// The user says so.
    pub fn stopped(&mut self, source: K, user: &UserId, place: &TypingPlace) {
        if let Some(places) = self.sources.get_mut(&source) {
            places.retain(|typing| typing.user.id != *user || typing.place != *place);
            if places.is_empty() {
                self.sources.remove(&source);
            }
        }
    }

    /// Such sources are gone. Answers who has stopped with them.
    pub fn ended(&mut self, is_gone: impl Fn(&K) -> bool) -> Vec<Stopped> {
        let gone: Vec<K> = self.sources.keys().filter(|source| is_gone(source)).copied().collect();
        let ended: Vec<Typing> = gone.iter().filter_map(|source| self.sources.remove(source)).flatten().collect();
        ended.into_iter().filter_map(|typing| self.unless_elsewhere(typing)).collect()
    }

    /// Answers who has not said for as long as `silence` says of its source that they go on, with that source.
    pub fn silent(&mut self, now: Duration, silence: impl Fn(&K) -> Duration) -> Vec<(K, Stopped)> {
        let mut silent = Vec::new();
        for (source, places) in &mut self.sources {
            let most = silence(source);
            for typing in places.extract_if(.., |typing| now.saturating_sub(typing.at) >= most) {
                silent.push((*source, typing));
            }
        }
        self.sources.retain(|_, places| !places.is_empty());
        let stopped = |(source, typing): (K, Typing)| Some((source, self.unless_elsewhere(typing)?));
        silent.into_iter().filter_map(stopped).collect()
    }

    /// Whether nobody types.
    pub fn is_empty(&self) -> bool {
        self.sources.is_empty()
    }

    /// Somebody who types in the same place on another source has not stopped.
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
