//! Word filters: words and phrases that are refused or masked. Texts are divided into whole words as search does it, without
//! regard to case, accents, width and composition, so that a rule for `ass` does not find `class` but does find `ÀSS`.

use rustc_hash::FxHashMap;

use crate::{
    core::search::{Atom, atoms},
    ids::{RoomId, WordRuleId},
};

/// What happens to a text with the phrase.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum WordAction {
    /// The text is refused.
    Refuse,
    /// The phrase is replaced by asterisks.
    Mask,
}

impl WordAction {
    /// The name in REST and in the database.
    pub const fn name(self) -> &'static str {
        match self {
            WordAction::Refuse => "refuse",
            WordAction::Mask => "mask",
        }
    }

    /// The action with that name.
    pub fn from_name(name: &str) -> Option<WordAction> {
        [WordAction::Refuse, WordAction::Mask].into_iter().find(|action| action.name() == name)
    }
}

/// A phrase that is refused or masked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct WordRule {
    /// Its id.
    pub id: WordRuleId,
    /// Where it applies. `None`: on the whole server.
    pub room: Option<RoomId>,
    /// The phrase, as a moderator wrote it.
    pub phrase: String,
    /// What happens to a text with it.
    pub action: WordAction,
}

/// What a filter makes of a text.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Filtered {
    /// Nothing was found.
    Unchanged,
    /// What was found is masked.
    Masked(String),
    /// It is refused.
    Refused,
}

/// The rules of one room or of the server, by the first word of their phrases.
#[derive(Debug, Default)]
pub struct WordFilter {
    phrases: FxHashMap<Box<str>, Vec<Phrase>>,
}

#[derive(Debug)]
struct Phrase {
    /// The words after the first one.
    rest: Box<[Box<str>]>,
    action: WordAction,
}

/// The words of a phrase, folded.
pub fn phrase_words(phrase: &str) -> Vec<Box<str>> {
    atoms(phrase).into_iter().map(|atom| atom.text).collect()
}

impl WordFilter {
    /// One filter for each room that has rules, and for the server.
    pub fn by_room(rules: &[WordRule]) -> FxHashMap<Option<RoomId>, WordFilter> {
        let mut filters: FxHashMap<Option<RoomId>, WordFilter> = FxHashMap::default();
        for rule in rules {
            let mut words = phrase_words(&rule.phrase).into_iter();
            let Some(first) = words.next() else { continue };
            let phrase = Phrase { rest: words.collect(), action: rule.action };
            filters.entry(rule.room).or_default().phrases.entry(first).or_default().push(phrase);
        }
        filters
    }

    /// Applies the rules to a text. A text with a refused phrase is refused, whatever else is in it.
    pub fn apply(&self, text: &str) -> Filtered {
        let words: Vec<Atom> = atoms(text);
        let mut masked: Vec<(usize, usize)> = Vec::new();
        for (at, word) in words.iter().enumerate() {
            for phrase in self.phrases.get(&word.text).into_iter().flatten() {
                let Some(rest) = words.get(at + 1..at + 1 + phrase.rest.len()) else { continue };
                if !rest.iter().map(|word| &word.text).eq(phrase.rest.iter()) {
                    continue;
                }
                match phrase.action {
                    WordAction::Refuse => return Filtered::Refused,
                    WordAction::Mask => {
                        masked.extend(std::iter::once(word).chain(rest).map(|word| (word.start, word.end)));
                    }
                }
            }
        }
        if masked.is_empty() {
            return Filtered::Unchanged;
        }
        masked.sort_unstable();
        masked.dedup();
        Filtered::Masked(with_masks(text, &masked))
    }
}

/// The text with asterisks in these places, which are in order and do not overlap.
fn with_masks(text: &str, places: &[(usize, usize)]) -> String {
    let mut written = String::with_capacity(text.len());
    let mut done = 0;
    for (start, end) in places {
        written.push_str(text.get(done..*start).unwrap_or_default());
        let hidden = text.get(*start..*end).unwrap_or_default();
        written.extend(hidden.chars().map(|_| '*'));
        done = *end;
    }
    written.push_str(text.get(done..).unwrap_or_default());
    written
}
