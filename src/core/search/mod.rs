//! Full-text search, as far as it does not depend on a database: how a text is split into words, what a query asks for, the
//! keys under which a message is indexed, whether a message matches, its extract and its rank. Both databases index the
//! same keys, and every result is checked here against the current text, so both answer equally. The index only proposes
//! candidates: a candidate that is out of date must never be returned.

mod candidates;
mod extract;
mod key;
mod matching;
mod query;
mod words;

#[cfg(test)]
mod tests;

pub use self::{
    candidates::{Bucket, Candidate, Candidates, Next, Read},
    extract::{Extract, Part},
    key::{Audience, Expression, Key, KeyEnd, Scope, keys_of, number_of, time_of},
    matching::{Match, Occurrence, find},
    query::{BadQuery, Query, Term, TermEnd},
    words::{Atom, AtomKind, atoms},
};
