//! Finds in a question what it says about columns: which ones it names, the column by which it groups, the column whose values name
//! rows, and names that no column has. It knows no figures besides the words for them.

use std::borrow::Cow;

use super::{question::Topic, table::Table};
use crate::limits;

/// What a question says about columns.
#[derive(Default)]
pub(super) struct Phrases {
    /// Indices of the columns that it names otherwise, in ascending order.
    pub columns: Vec<usize>,
    /// The column after "by" and the like.
    pub by: Option<usize>,
    /// The column after "which", or the first column of texts after "who".
    pub which: Option<usize>,
    /// Names that no column has, ready for a sentence.
    pub unknown: Vec<String>,
}

/// Words between a figure and the name of a column.
const FILLERS: [&str; 27] = [
    "of", "in", "for", "the", "a", "an", "all", "any", "each", "every", "my", "our", "your", "this", "these", "is",
    "are", "was", "were", "value", "values", "number", "numbers", "column", "columns", "col", "total",
];

/// Words that end the search for a name.
const GENERAL: [&str; 61] = [
    "data", "sheet", "table", "row", "rows", "cell", "cells", "range", "time", "here", "there", "it", "them", "that",
    "please", "and", "or", "vs", "versus", "with", "over", "between", "than", "from", "to", "on", "at", "by", "per",
    "have", "has", "had", "does", "do", "did", "we", "i", "you", "so", "far", "now", "today", "overall", "ever",
    "together", "up", "me", "show", "give", "what", "which", "who", "how", "its", "their", "entry", "entries",
    "record", "records", "one", "ones",
];

/// Figures that are often directly followed by what they are of: "total cost".
const BEFORE_NAMES: [&str; 17] = [
    "sum", "total", "totals", "average", "averages", "mean", "avg", "median", "max", "maximum", "min", "minimum",
    "highest", "largest", "biggest", "lowest", "smallest",
];

/// A column that is named at a place of the question.
#[derive(Clone, Copy)]
struct Mention {
    at: usize,
    column: usize,
    words: usize,
}

/// Reads the phrases of a question.
pub(super) fn read(query: &str, table: &Table) -> Phrases {
    let written: Vec<&str> = words_of(query).collect();
    let lower: Vec<String> = written.iter().map(|word| word.to_lowercase()).collect();
    let words: Vec<&str> = lower.iter().map(String::as_str).collect();
    let mut reader =
        Reader { written, mentions: mentions(&words, table), words, used: Vec::new(), found: Phrases::default() };
    reader.grouping();
    reader.naming(table);
    reader.unknown();
    let Reader { mentions, used, mut found, .. } = reader;
    let is_free = |mention: &&Mention| !used.contains(&mention.at);
    found.columns = mentions.iter().filter(is_free).map(|mention| mention.column).collect();
    found.columns.sort_unstable();
    found.columns.dedup();
    found
}

struct Reader<'a> {
    written: Vec<&'a str>,
    words: Vec<&'a str>,
    mentions: Vec<Mention>,
    /// Places of mentions that have another role than naming what a figure is of.
    used: Vec<usize>,
    found: Phrases,
}

impl<'a> Reader<'a> {
    fn word(&self, at: usize) -> &'a str {
        self.words.get(at).copied().unwrap_or_default()
    }

    /// The column that is named at this place, by the most words.
    fn mention(&self, at: usize) -> Option<Mention> {
        self.mentions.iter().filter(|mention| mention.at == at).max_by_key(|mention| mention.words).copied()
    }

    fn take(&mut self, mention: Mention) -> usize {
        self.used.extend(mention.at..mention.at + mention.words);
        mention.column
    }

    /// "by region", "per region", "for each region".
    fn grouping(&mut self) {
        for at in 0..self.words.len() {
            let joint = self.word(at);
            let is_order =
                at > 0 && ["sort", "sorted", "order", "ordered", "rank", "ranked"].contains(&self.word(at - 1));
            if is_order || !["by", "per", "each"].contains(&joint) {
                continue;
            }
            let next = if ["the", "each", "every"].contains(&self.word(at + 1)) { at + 2 } else { at + 1 };
            match self.mention(next) {
                Some(mention) if self.found.by.is_none() => self.found.by = Some(self.take(mention)),
                Some(_) => {}
                None if joint == "by" => self.miss(next),
                None => {}
            }
        }
    }

    /// "which region has the highest …", "who has the lowest …".
    fn naming(&mut self, table: &Table) {
        if !self.words.iter().any(|word| matches!(Topic::of(word), Some(Topic::Max | Topic::Min))) {
            return;
        }
        for at in 0..self.words.len() {
            match (self.word(at), self.mention(at + 1)) {
                ("which" | "what" | "whose", Some(mention)) if self.found.which.is_none() => {
                    self.found.which = Some(self.take(mention));
                }
                ("who", _) if self.found.which.is_none() => {
                    self.found.which = table.columns.iter().position(|column| column.is_texts());
                }
                _other => {}
            }
        }
    }

    /// "total cost", "the sum of column D", where there is no such column.
    fn unknown(&mut self) {
        for at in 0..self.words.len() {
            let word = self.word(at);
            let is_column = ["column", "col"].contains(&word) && self.mention(at).is_none();
            if is_column && is_letters(self.word(at + 1)) {
                self.miss(at + 1);
            }
            let is_of = ["of", "in", "for"].contains(&self.word(at + 1));
            let has_object = Topic::of(word).is_some_and(Topic::has_object);
            if !has_object || !(is_of || BEFORE_NAMES.contains(&word)) {
                continue;
            }
            let mut next = at + 1;
            while self.mention(next).is_none() && FILLERS.contains(&self.word(next)) {
                next += 1;
            }
            self.miss(next);
        }
    }

    /// Notes that the word at this place is no column, if it can be the name of one.
    fn miss(&mut self, at: usize) {
        let word = self.word(at);
        let is_name = !word.is_empty()
            && self.mention(at).is_none()
            && Topic::of(word).is_none()
            && !FILLERS.contains(&word)
            && !GENERAL.contains(&word)
            && !word.starts_with(|c: char| c.is_ascii_digit());
        let by_letter = at > 0 && ["column", "col"].contains(&self.word(at - 1)) && is_letters(word);
        let written = self.written.get(at).copied().unwrap_or_default();
        let name: Cow<'_, str> = match by_letter {
            true => format!("column {}", word.to_uppercase()).into(),
            false => {
                let cut: String = written.chars().take(limits::FINDING_TEXT_CHARS_MAX).collect();
                format!("column \u{201c}{cut}\u{201d}").into()
            }
        };
        let is_new = !self.found.unknown.iter().any(|known| *known == name);
        if is_name && is_new && self.found.unknown.len() < limits::UNKNOWN_NAMES_MAX {
            self.found.unknown.push(name.into_owned());
        }
    }
}

/// Whether it can be the letters of a column.
fn is_letters(word: &str) -> bool {
    (1..=2).contains(&word.len())
        && word.chars().all(|c| c.is_ascii_alphabetic())
        && !["is", "of", "in"].contains(&word)
}

/// All places at which columns are named, by "column C" or by their names.
fn mentions(words: &[&str], table: &Table) -> Vec<Mention> {
    let mut found = Vec::new();
    for (column, facts) in table.columns.iter().enumerate() {
        let letters = facts.letters().to_lowercase();
        let name = facts.name.as_deref().unwrap_or_default().to_lowercase();
        let name: Vec<&str> = words_of(&name).collect();
        for at in 0..words.len() {
            let rest = words.get(at..).unwrap_or_default();
            if matches!(rest, ["column" | "col", letter, ..] if *letter == letters) {
                found.push(Mention { at, column, words: 2 });
            }
            let fits = rest.len() >= name.len() && rest.iter().zip(&name).all(|(word, part)| is_same(word, part));
            if !name.is_empty() && fits {
                found.push(Mention { at, column, words: name.len() });
            }
        }
    }
    found
}

fn words_of(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty())
}

/// Whether the words are the same up to the number.
fn is_same(word: &str, part: &str) -> bool {
    word == part || word.strip_suffix('s') == Some(part) || part.strip_suffix('s') == Some(word)
}
