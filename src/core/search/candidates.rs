//! The candidates of a search in the order of their numbers, newest first, over buckets that are read only as far as needed.
//! Buckets may overlap, because messages can be indexed late. Pure: the caller reads what is asked for, and brings it.

use std::collections::VecDeque;

use crate::{
    ids::{EventId, RoomId},
    limits,
};

/// A part of the index.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Bucket {
    /// Which.
    pub id: i64,
    /// The lowest number of a message in it.
    pub lowest: i64,
    /// The highest number of a message in it.
    pub highest: i64,
}

/// A message that may match.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Candidate {
    /// Its number.
    pub number: i64,
    /// Which.
    pub message: EventId,
    /// In which room.
    pub room: RoomId,
}

/// What is to be read from the index.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Read {
    /// Passed back with the result.
    source: usize,
    /// In these buckets, the one with the highest numbers first.
    pub buckets: Vec<Bucket>,
    /// Only messages with lower numbers.
    pub before: i64,
    /// At most so many, those with the highest numbers.
    pub limit: usize,
}

/// The next step.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Next {
    /// The next candidate.
    Candidate(Candidate),
    /// To be read and passed to [`Candidates::found`] first.
    Read(Read),
    /// There are no more.
    End,
}

/// Buckets that are read together.
struct Source {
    buckets: Vec<Bucket>,
    found: VecDeque<Candidate>,
    /// Further candidates have lower numbers than this. None: there are no more.
    rest: Option<i64>,
    limit: usize,
}

/// The candidates of a search.
pub struct Candidates {
    sources: Vec<Source>,
    /// Buckets that are not read yet, the one with the highest numbers last.
    unread: Vec<Bucket>,
    /// Only messages with lower numbers.
    before: i64,
    /// How many buckets are read next.
    at_once: usize,
}

impl Candidates {
    /// A search in these buckets for messages whose number is lower than `before`. `known` are candidates that need not be
    /// read, in any order; all of them have lower numbers as well.
    pub fn new(mut buckets: Vec<Bucket>, mut known: Vec<Candidate>, before: i64) -> Candidates {
        buckets.sort_unstable_by_key(|bucket| (bucket.highest, bucket.id));
        known.sort_unstable_by_key(|one| std::cmp::Reverse((one.number, one.message)));
        let known = Source { buckets: Vec::new(), found: known.into(), rest: None, limit: 0 };
        Candidates { sources: vec![known], unread: buckets, before, at_once: 1 }
    }

    /// The next candidate, or what must be read to know it.
    pub fn advance(&mut self) -> Next {
        let heads = self.sources.iter().enumerate();
        let best = heads.filter_map(|(at, source)| source.found.front().map(|one| (one.number, one.message, at))).max();
        let is_due = |bound: i64| best.is_none_or(|(number, _, _)| bound >= number);
        for (at, source) in self.sources.iter_mut().enumerate() {
            let Some(before) = source.rest.filter(|before| source.found.is_empty() && is_due(before.saturating_sub(1)))
            else {
                continue;
            };
            source.limit = source.limit.saturating_mul(limits::SEARCH_READ_GROWTH).min(limits::SEARCH_READ_MAX);
            return Next::Read(Read { source: at, buckets: source.buckets.clone(), before, limit: source.limit });
        }
        if self.unread.last().is_some_and(|bucket| is_due(bucket.highest.min(self.before.saturating_sub(1)))) {
            return Next::Read(self.open());
        }
        let Some((_, _, at)) = best else { return Next::End };
        match self.sources.get_mut(at).and_then(|source| source.found.pop_front()) {
            Some(candidate) => Next::Candidate(candidate),
            None => Next::End,
        }
    }

    /// Begins to read further buckets: at first one, then more and more, since a word that was not found in the newest ones
    /// is rare.
    fn open(&mut self) -> Read {
        let from = self.unread.len().saturating_sub(self.at_once);
        let mut buckets = self.unread.split_off(from);
        buckets.reverse();
        self.at_once = self.at_once.saturating_mul(limits::SEARCH_READ_GROWTH).min(limits::SEARCH_BUCKETS_AT_ONCE);
        let (source, limit) = (self.sources.len(), limits::SEARCH_READ_FIRST);
        let read = Read { source, buckets: buckets.clone(), before: self.before, limit };
        self.sources.push(Source { buckets, found: VecDeque::new(), rest: Some(self.before), limit });
        read
    }

    /// Takes the result of a read: the candidates with the highest numbers first. Fewer than the limit mean that there are no
    /// more.
    pub fn found(&mut self, read: &Read, candidates: Vec<Candidate>) {
        let Some(source) = self.sources.get_mut(read.source) else { return };
        source.rest = match candidates.last() {
            Some(last) if candidates.len() >= read.limit => Some(last.number),
            Some(_) | None => None,
        };
        source.found = candidates.into();
    }
}
