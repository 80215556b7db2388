//! Whether a text matches a query, where, and how well. This decides alone: the index only proposes.

use super::{
    query::{Query, Term},
    words::{Atom, atoms},
};

/// The number of units that a message has on average; rank compares its length with it.
const USUAL_ATOMS: f64 = 16.0;
/// How little further occurrences of a term add (BM25's k1).
const SATURATION: f64 = 1.2;
/// How much longer messages lose (BM25's b).
const LENGTH_WEIGHT: f64 = 0.5;
/// What terms next to each other add, compared with one occurrence of a term.
const NEARNESS: f64 = 1.0;

/// How a text matches a query.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Match {
    /// Where, as byte ranges of the text, in order and without overlaps.
    pub ranges: Vec<Occurrence>,
    /// How well, in millionths. Only ranks of the same query compare.
    pub rank: u64,
}

/// One occurrence of a term.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Occurrence {
    /// Its first byte.
    pub start: usize,
    /// The byte behind it.
    pub end: usize,
    /// Which term of the query.
    pub term: usize,
}

/// How the text matches the query. None if it does not.
pub fn find(query: &Query, text: &str) -> Option<Match> {
    let units = atoms(text);
    let places: Vec<Vec<usize>> = query.terms.iter().map(|term| places(term, &units)).collect();
    if places.iter().any(Vec::is_empty) {
        return None;
    }
    if query.excluded.iter().any(|term| !places_from(term, &units, 0, 1).is_empty()) {
        return None;
    }
    let rank = rank(&query.terms, &places, units.len());
    let ranges = ranges(&query.terms, &places, &units);
    Some(Match { ranges, rank })
}

fn places(term: &Term, units: &[Atom]) -> Vec<usize> {
    places_from(term, units, 0, usize::MAX)
}

/// Where the term occurs, as indices of its first unit.
fn places_from(term: &Term, units: &[Atom], from: usize, most: usize) -> Vec<usize> {
    let is_at = |place: &usize| units.get(*place..).is_some_and(|rest| term.is_at(rest));
    (from..units.len()).filter(is_at).take(most).collect()
}

fn ranges(terms: &[Term], places: &[Vec<usize>], units: &[Atom]) -> Vec<Occurrence> {
    let mut all: Vec<Occurrence> = Vec::new();
    for (term, (asked, places)) in terms.iter().zip(places).enumerate() {
        for place in places {
            let last = place + asked.atoms.len() - 1;
            if let (Some(first), Some(last)) = (units.get(*place), units.get(last)) {
                all.push(Occurrence { start: first.start, end: last.end, term });
            }
        }
    }
    all.sort_unstable_by_key(|one| (one.start, std::cmp::Reverse(one.end)));
    let mut kept: Vec<Occurrence> = Vec::with_capacity(all.len());
    for one in all {
        match kept.last_mut() {
            Some(last) if one.start < last.end => last.end = last.end.max(one.end),
            Some(_) | None => kept.push(one),
        }
    }
    kept
}

/// More occurrences, a shorter text and terms close together rank higher. How rare a term is does not count, because every
/// match has all of them.
fn rank(terms: &[Term], places: &[Vec<usize>], length: usize) -> u64 {
    let length = as_f64(length) / USUAL_ATOMS;
    let norm = SATURATION * (1.0 - LENGTH_WEIGHT + LENGTH_WEIGHT * length);
    let of_term = |places: &Vec<usize>| {
        let count = as_f64(places.len());
        count * (SATURATION + 1.0) / (count + norm)
    };
    let frequency: f64 = places.iter().map(of_term).sum();
    let gaps = smallest_span(places).map(|span| span.saturating_sub(terms.len()));
    let nearness = gaps.map_or(0.0, |gaps| NEARNESS * as_f64(terms.len()) / (1.0 + as_f64(gaps)));
    // both are small positive numbers
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "see above")]
    let rank = ((frequency + nearness) * 1e6) as u64;
    rank
}

#[allow(clippy::cast_precision_loss, reason = "numbers of units in a message")]
fn as_f64(number: usize) -> f64 {
    number as f64
}

/// The smallest number of units in a row that contains every term. None for a single term.
fn smallest_span(places: &[Vec<usize>]) -> Option<usize> {
    if places.len() < 2 {
        return None;
    }
    let mut all: Vec<(usize, usize)> =
        places.iter().enumerate().flat_map(|(term, places)| places.iter().map(move |place| (*place, term))).collect();
    all.sort_unstable();
    let mut counts = vec![0_usize; places.len()];
    let (mut missing, mut from, mut best) = (places.len(), 0, None::<usize>);
    for (place, term) in &all {
        if let Some(count) = counts.get_mut(*term) {
            missing -= usize::from(*count == 0);
            *count += 1;
        }
        while missing == 0 {
            let Some((first, dropped)) = all.get(from) else { break };
            best = Some(best.map_or(place - first + 1, |best| best.min(place - first + 1)));
            if let Some(count) = counts.get_mut(*dropped) {
                *count -= 1;
                missing += usize::from(*count == 0);
            }
            from += 1;
        }
    }
    best
}
