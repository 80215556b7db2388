//! The part of a message that shows why it matches, as plain pieces of text of which some are marked. A client shows them as
//! text: there is no markup that a message could forge, and no offset whose unit could be misunderstood.

use std::collections::BTreeSet;

use super::matching::{Match, Occurrence};
use crate::limits;

/// The part of a message around its matches.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Extract {
    /// Its pieces, in order. Together they are the text.
    pub parts: Vec<Part>,
    /// Whether the message has text before it.
    pub has_before: bool,
    /// Whether the message has text behind it.
    pub has_after: bool,
}

/// A piece of an extract.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Part {
    /// The text, never empty.
    pub text: String,
    /// Whether it is what was searched for.
    pub is_match: bool,
}

impl Extract {
    /// The extract with the most different terms, and the first one of these.
    pub fn new(text: &str, found: &Match) -> Extract {
        let (start, end) = window(text, &found.ranges);
        let mut parts = Vec::new();
        let mut at = start;
        for one in &found.ranges {
            let (from, to) = (one.start.max(start), one.end.min(end));
            if from >= to {
                continue;
            }
            push(&mut parts, text.get(at..from), IsMatch::No);
            push(&mut parts, text.get(from..to), IsMatch::Yes);
            at = to;
        }
        push(&mut parts, text.get(at..end), IsMatch::No);
        let rest = |part: Option<&str>| part.is_some_and(|part| !part.trim().is_empty());
        Extract { parts, has_before: rest(text.get(..start)), has_after: rest(text.get(end..)) }
    }
}

#[derive(Clone, Copy, PartialEq)]
enum IsMatch {
    Yes,
    No,
}

fn push(parts: &mut Vec<Part>, text: Option<&str>, is_match: IsMatch) {
    let Some(text) = text.filter(|text| !text.is_empty()) else { return };
    parts.push(Part { text: text.to_owned(), is_match: is_match == IsMatch::Yes });
}

/// Where the extract begins and ends, in bytes.
fn window(text: &str, ranges: &[Occurrence]) -> (usize, usize) {
    let most = limits::SEARCH_EXTRACT_CHARS_MAX;
    if text.chars().nth(most).is_none() {
        return (0, text.len());
    }
    let reach = most - limits::SEARCH_EXTRACT_CHARS_BEFORE;
    let starts = ranges.iter().enumerate().take(limits::SEARCH_EXTRACT_STARTS_MAX);
    let first = starts.map(|(place, one)| (terms_within(ranges.get(place..), forward(text, one.start, reach)), one));
    // the first one of several with as many terms
    let first = first.reduce(|best, other| if other.0 > best.0 { other } else { best }).map(|(_, one)| one);
    let at = first.map_or(0, |first| first.start);
    let start = back(text, at, limits::SEARCH_EXTRACT_CHARS_BEFORE);
    let end = forward(text, start, most);
    // A match is not cut, unless it is longer than an extract.
    let keep_until = first.map_or(at, |first| first.end).min(end);
    (after_space(text, start, at), before_space(text, keep_until, end))
}

/// How many different terms begin before that byte.
fn terms_within(ranges: Option<&[Occurrence]>, end: usize) -> usize {
    let within = ranges.into_iter().flatten().take_while(|one| one.start < end);
    within.map(|one| one.term).collect::<BTreeSet<usize>>().len()
}

/// The byte that is so many characters further on.
fn forward(text: &str, from: usize, chars: usize) -> usize {
    let rest = text.get(from..).unwrap_or_default();
    rest.char_indices().nth(chars).map_or(text.len(), |(at, _)| from + at)
}

/// The byte that is so many characters before.
fn back(text: &str, from: usize, chars: usize) -> usize {
    let before = text.get(..from).unwrap_or_default();
    before.char_indices().rev().nth(chars.saturating_sub(1)).map_or(0, |(at, _)| at)
}

/// The beginning of the first word in the range, or its end if there is none.
fn after_space(text: &str, start: usize, end: usize) -> usize {
    if start == 0 {
        return 0;
    }
    let between = text.get(start..end).unwrap_or_default();
    let space = between.char_indices().find(|(_, c)| c.is_whitespace());
    space.map_or(start, |(at, c)| start + at + c.len_utf8())
}

/// The end of the last word in the range, or its end if there is none.
fn before_space(text: &str, start: usize, end: usize) -> usize {
    if end == text.len() {
        return end;
    }
    let between = text.get(start..end).unwrap_or_default();
    between.rfind(char::is_whitespace).map_or(end, |at| start + at)
}
