//! The bounded list of members that a large room sends to newcomers. It is kept in segments, so that a join or leave
//! invalidates only one of them: the encoded form of each segment is shared by all newcomers.

use std::{collections::HashMap, time::Duration};

use crate::{core::profile::Author, ids::UserId, limits};

/// The listed members of one room, in segments. `S` is the encoded form of a segment.
#[derive(Debug)]
pub struct Listing<S> {
    places: HashMap<UserId, usize>,
    segments: Vec<Segment<S>>,
}

#[derive(Debug)]
struct Segment<S> {
    users: Vec<Author>,
    /// The encoded form, and when it was made.
    made: Option<(S, Duration)>,
}

impl<S> Default for Listing<S> {
    fn default() -> Listing<S> {
        Listing { places: HashMap::new(), segments: Vec::new() }
    }
}

impl<S: Clone> Listing<S> {
    /// Adds a member, unless the list is full.
    pub fn insert(&mut self, user: &Author) {
        if self.places.contains_key(&user.id) || self.is_full() {
            return;
        }
        let free = self.segments.iter().position(|segment| segment.users.len() < limits::LISTING_SEGMENT_USERS);
        let at = free.unwrap_or_else(|| {
            self.segments.push(Segment { users: Vec::new(), made: None });
            self.segments.len() - 1
        });
        if let Some(segment) = self.segments.get_mut(at) {
            segment.users.push(user.clone());
            segment.made = None;
            self.places.insert(user.id.clone(), at);
        }
    }

    /// Removes a member. Returns whether it was listed.
    pub fn remove(&mut self, user: &UserId) -> bool {
        let Some(at) = self.places.remove(user) else { return false };
        if let Some(segment) = self.segments.get_mut(at) {
            segment.users.retain(|listed| listed.id != *user);
            segment.made = None;
        }
        true
    }

    /// The listed data of a member has changed.
    pub fn change(&mut self, user: &UserId) {
        if let Some(segment) = self.places.get(user).and_then(|at| self.segments.get_mut(*at)) {
            segment.made = None;
        }
    }

    /// Whether the member is listed.
    pub fn contains(&self, user: &UserId) -> bool {
        self.places.contains_key(user)
    }

    /// Whether no further member can be listed.
    pub fn is_full(&self) -> bool {
        self.places.len() >= limits::ONLINE_USERS_LISTED_MAX
    }

    /// The encoded segments. Those that have changed, or are older than [`limits::LISTING_FRESH`], are encoded again.
    /// `now` is measured from any fixed point.
    pub fn segments(&mut self, now: Duration, make: impl Fn(&[Author]) -> S) -> Vec<S> {
        let filled = self.segments.iter_mut().filter(|segment| !segment.users.is_empty());
        let made = filled.map(|segment| {
            let kept = segment.made.take().filter(|(_, at)| now.saturating_sub(*at) < limits::LISTING_FRESH);
            let (made, at) = kept.unwrap_or_else(|| (make(&segment.users), now));
            segment.made = Some((made.clone(), at));
            made
        });
        made.collect()
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    fn user(number: usize) -> Author {
        Author::new(UserId::new(format!("user-{number}")).unwrap(), "somebody")
    }

    /// The number of listed users, and the number of segments that had to be encoded.
    fn listed(listing: &mut Listing<usize>, now: Duration) -> (usize, usize) {
        let made = Cell::new(0);
        let segments = listing.segments(now, |users| {
            made.set(made.get() + 1);
            users.len()
        });
        (segments.into_iter().sum(), made.get())
    }

    #[test]
    fn whoever_comes_or_goes_makes_one_segment_anew_however_large_the_room() {
        let mut listing = Listing::default();
        let (most, now) = (limits::ONLINE_USERS_LISTED_MAX, Duration::ZERO);
        (0..most).for_each(|number| listing.insert(&user(number)));
        assert_eq!(listed(&mut listing, now), (most, most.div_ceil(limits::LISTING_SEGMENT_USERS)));
        assert!(listing.remove(&user(500).id));
        assert_eq!(listed(&mut listing, now), (most - 1, 1));
        listing.insert(&user(most));
        assert_eq!(listed(&mut listing, now), (most, 1), "the place is taken again");
        listing.insert(&user(most + 1));
        assert_eq!(listed(&mut listing, now), (most, 0), "and the list is full");
        assert!(!listing.contains(&user(most + 1).id) && !listing.remove(&user(most + 1).id));
        listing.change(&user(7).id);
        assert_eq!(listed(&mut listing, now), (most, 1));
        assert_eq!(listed(&mut listing, limits::LISTING_FRESH).0, most, "old ones are made anew");
    }
}
