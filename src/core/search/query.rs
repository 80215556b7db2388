//! What a query asks for: words, `"phrases"`, `prefix*` and `-excluded` ones. Parsing must never fail on an unusual spelling;
//! only a query without a word to search for, or one that is too long, is refused.

use super::words::{Atom, AtomKind, atoms};
use crate::limits;

/// A parsed query: a message must contain all terms and none of the excluded ones.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Query {
    /// At least one.
    pub terms: Vec<Term>,
    /// What must not occur.
    pub excluded: Vec<Term>,
}

/// Units that follow each other. A word is a term of one unit.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Term {
    /// At least one.
    pub atoms: Vec<Atom>,
    /// Whether a word may continue after the last unit.
    pub end: TermEnd,
}

/// The end of a term.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TermEnd {
    /// The last word must end there.
    Exact,
    /// The last word may continue.
    Prefix,
}

/// Why a query is refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum BadQuery {
    /// It is too long.
    #[error("must have at most {} characters; search for fewer words", limits::SEARCH_QUERY_CHARS_MAX)]
    TooLong,
    /// It has too many terms.
    #[error(
        "must have at most {} words and phrases, of {} words together; search for fewer",
        limits::SEARCH_TERMS_MAX,
        limits::SEARCH_ATOMS_MAX
    )]
    TooManyTerms,
    /// It has nothing to search for.
    #[error("must contain a letter or a digit; enter a word to search for")]
    NoWords,
    /// All its terms are excluded.
    #[error("must contain a word that is not excluded; add one without a minus")]
    OnlyExcluded,
}

impl Query {
    /// Reads a query. A phrase without its closing quotation mark extends to the end.
    ///
    /// # Errors
    /// See [`BadQuery`].
    pub fn parse(text: &str) -> Result<Query, BadQuery> {
        if text.chars().count() > limits::SEARCH_QUERY_CHARS_MAX {
            return Err(BadQuery::TooLong);
        }
        let mut query = Query { terms: Vec::new(), excluded: Vec::new() };
        let mut rest = text;
        while let Some(item) = next_item(&mut rest) {
            let atoms = atoms(item.text);
            if atoms.is_empty() {
                continue;
            }
            let term = Term { atoms, end: item.end };
            let list = if item.is_excluded { &mut query.excluded } else { &mut query.terms };
            if !list.iter().any(|other| other.means(&term)) {
                list.push(term);
            }
        }
        let terms = || query.terms.iter().chain(&query.excluded);
        if terms().count() > limits::SEARCH_TERMS_MAX
            || terms().map(|term| term.atoms.len()).sum::<usize>() > limits::SEARCH_ATOMS_MAX
        {
            return Err(BadQuery::TooManyTerms);
        }
        match (query.terms.is_empty(), query.excluded.is_empty()) {
            (true, true) => Err(BadQuery::NoWords),
            (true, false) => Err(BadQuery::OnlyExcluded),
            (false, _) => Ok(query),
        }
    }
}

impl Term {
    /// Whether both terms ask for the same.
    fn means(&self, other: &Term) -> bool {
        let parts = |term: &Term| term.atoms.iter().map(|atom| (atom.text.clone(), atom.is_joined)).collect::<Vec<_>>();
        self.end == other.end && parts(self) == parts(other)
    }

    /// Whether the units, from this place on, are those of the term.
    pub(super) fn is_at(&self, text: &[Atom]) -> bool {
        let Some(there) = text.get(..self.atoms.len()) else { return false };
        let last = self.atoms.len() - 1;
        self.atoms.iter().zip(there).enumerate().all(|(place, (asked, found))| {
            let is_same = match self.end {
                TermEnd::Prefix if place == last => found.text.starts_with(&*asked.text),
                TermEnd::Prefix | TermEnd::Exact => found.text == asked.text,
            };
            is_same && asked.kind == found.kind && (place == 0 || !is_run(asked) || found.is_joined)
        })
    }
}

/// Whether the unit continues a run of characters that are written without spaces.
fn is_run(atom: &Atom) -> bool {
    atom.is_joined && atom.kind == AtomKind::Sign
}

/// A part of a query as it is written.
struct Item<'a> {
    text: &'a str,
    is_excluded: bool,
    end: TermEnd,
}

const fn is_quote(c: char) -> bool {
    matches!(c, '"' | '“' | '”' | '„' | '‟' | '«' | '»' | '＂')
}

fn is_space(c: char) -> bool {
    c.is_whitespace() || c.is_control()
}

/// Takes the next item from the text.
fn next_item<'a>(rest: &mut &'a str) -> Option<Item<'a>> {
    let text = rest.trim_start_matches(is_space);
    if text.is_empty() {
        return None;
    }
    let (is_excluded, text) = match text.strip_prefix('-') {
        Some(after) if !after.starts_with(is_space) => (true, after),
        Some(_) | None => (false, text),
    };
    let (content, after) = match text.strip_prefix(is_quote) {
        Some(phrase) => phrase.split_once(is_quote).unwrap_or((phrase, "")),
        // A minus alone is skipped with the space behind it.
        None => text.split_at(text.find(|c| is_space(c) || is_quote(c)).unwrap_or(text.len())),
    };
    let (end, after) = match (content.ends_with('*'), after.strip_prefix('*')) {
        (_, Some(after)) => (TermEnd::Prefix, after),
        (true, None) => (TermEnd::Prefix, after),
        (false, None) => (TermEnd::Exact, after),
    };
    *rest = after;
    Some(Item { text: content, is_excluded, end })
}
