//! Conflates read marks in large rooms. If all members of a room read a message, as many events to as many members would
//! follow. The marks of a period therefore become one event, which contains the newest mark of each reader. It lists a
//! limited number of them; a reader with other sockets is always listed, since these sockets have to know the mark.
//!
//! A mark never goes back: of two marks of one reader the one with the higher sequence number remains, in whatever order
//! they arrive. This module has no clock: its owner takes the marks when the period ends.

use std::{collections::HashMap, time::Duration};

use crate::{
    core::event::{ChatDurable, ReadMark},
    ids::UserId,
    limits,
};

/// Whether other sockets of the reader have to be informed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OtherSockets {
    /// There are some.
    Yes,
    /// The socket that has sent the mark is the only one.
    No,
}

/// The marks of one room that are not stored yet.
#[derive(Debug, Default)]
pub struct ReadMarks {
    /// In the order of the readers' first marks.
    marks: Vec<ReadMark>,
    places: HashMap<UserId, usize>,
}

/// How long marks are collected in a room with so many users.
pub fn period(users: usize) -> Duration {
    let users = u32::try_from(users).unwrap_or(u32::MAX);
    let (least, most) = limits::READS_PERIOD.into_inner();
    limits::READS_PERIOD_PER_USER.saturating_mul(users).clamp(least, most)
}

impl ReadMarks {
    /// A user has read up to a message.
    pub fn add(&mut self, mark: ReadMark) {
        match self.places.get(&mark.reader.id).and_then(|at| self.marks.get_mut(*at)) {
            Some(known) if known.up_to < mark.up_to => *known = mark,
            Some(_) => {}
            None => {
                self.places.insert(mark.reader.id.clone(), self.marks.len());
                self.marks.push(mark);
            }
        }
    }

    /// The number of readers.
    pub fn len(&self) -> usize {
        self.marks.len()
    }

    /// Whether there are no marks.
    pub fn is_empty(&self) -> bool {
        self.marks.is_empty()
    }

    /// Takes the marks as events: one, unless there are very many readers or many that have to be listed.
    pub fn take(&mut self, has_other_sockets: impl Fn(&UserId) -> OtherSockets) -> Vec<ChatDurable> {
        self.places.clear();
        let is_elsewhere = |mark: &ReadMark| has_other_sockets(&mark.reader.id) == OtherSockets::Yes;
        let (mut elsewhere, mut others): (Vec<ReadMark>, Vec<ReadMark>) =
            std::mem::take(&mut self.marks).into_iter().partition(is_elsewhere);
        let mut events = Vec::new();
        while !elsewhere.is_empty() || !others.is_empty() {
            let mut listed = take_first(&mut elsewhere, limits::READERS_ELSEWHERE_LISTED_MAX);
            listed.extend(take_first(&mut others, limits::READERS_LISTED_MAX.saturating_sub(listed.len())));
            let unlisted = take_first(&mut others, limits::READS_PER_EVENT_MAX - listed.len());
            events.extend(ChatDurable::read_by(listed, unlisted));
        }
        events
    }
}

fn take_first(marks: &mut Vec<ReadMark>, most: usize) -> Vec<ReadMark> {
    let rest = marks.split_off(most.min(marks.len()));
    std::mem::replace(marks, rest)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{
        core::profile::Author,
        ids::{EventId, Seq},
    };

    fn mark(user: usize, up_to: i64) -> ReadMark {
        let message = EventId(uuid::Uuid::from_u128(up_to.unsigned_abs().into()));
        let reader = Author::new(UserId::new(format!("user-{user}")).unwrap(), "somebody");
        ReadMark { reader, message, up_to: Seq(up_to) }
    }

    /// All marks of an event, and how many of them it lists.
    fn marks(event: &ChatDurable) -> (Vec<ReadMark>, usize) {
        let ChatDurable::ReadMarked { reader, message, up_to, others, more, unlisted } = event else { panic!() };
        assert_eq!(*more, unlisted.len());
        let first = ReadMark { reader: reader.clone(), message: *message, up_to: *up_to };
        let all = [first].into_iter().chain(others.iter().cloned()).chain(unlisted.iter().cloned());
        (all.collect(), 1 + others.len())
    }

    #[test]
    fn a_crowd_becomes_one_event_with_a_bounded_list() {
        let mut collected = ReadMarks::default();
        (0..1_000).for_each(|user| collected.add(mark(user, 7)));
        let events = collected.take(|_| OtherSockets::No);
        assert_eq!(events.len(), 1);
        let (all, listed) = marks(&events[0]);
        assert_eq!((all.len(), listed), (1_000, limits::READERS_LISTED_MAX));
        assert!(collected.is_empty());
        assert!(collected.take(|_| OtherSockets::No).is_empty());
    }

    #[test]
    fn the_period_grows_with_the_room() {
        assert_eq!(period(33), Duration::from_millis(100));
        assert_eq!(period(500), Duration::from_millis(500));
        assert_eq!(period(usize::MAX), Duration::from_secs(1));
    }

    proptest! {
        #[test]
        fn each_reader_is_there_once_with_the_newest_mark(
            sent in proptest::collection::vec((0_usize..400, 1_i64..50), 0..3_000),
            elsewhere_every in 1_usize..400,
        ) {
            let mut collected = ReadMarks::default();
            let mut newest: HashMap<UserId, i64> = HashMap::new();
            for (user, up_to) in sent {
                let mark = mark(user, up_to);
                let best = newest.entry(mark.reader.id.clone()).or_default();
                *best = (*best).max(up_to);
                collected.add(mark);
            }
            let is_elsewhere = |user: &UserId| {
                let number: usize = user.as_str().trim_start_matches("user-").parse().unwrap();
                number.is_multiple_of(elsewhere_every)
            };
            let sockets = |user: &UserId| if is_elsewhere(user) { OtherSockets::Yes } else { OtherSockets::No };
            for event in collected.take(sockets) {
                let (all, listed) = marks(&event);
                prop_assert!(all.len() <= limits::READS_PER_EVENT_MAX);
                prop_assert!(listed <= limits::READERS_ELSEWHERE_LISTED_MAX);
                for (at, mark) in all.iter().enumerate() {
                    prop_assert_eq!(newest.remove(&mark.reader.id), Some(mark.up_to.0));
                    prop_assert!(at < listed || !is_elsewhere(&mark.reader.id));
                }
            }
            prop_assert!(newest.is_empty());
        }
    }
}
