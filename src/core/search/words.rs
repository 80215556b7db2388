//! Splits text into the smallest units that can be searched for, and folds each of them so that spellings of the same word
//! are equal: without regard to case, accents, width and composition.
//!
//! A word is a run of letters, digits and their marks; everything else separates words, also within what UAX 29 calls one
//! word (`example.com`, `snake_case`, `l'avion`), because people search for the parts. In scripts that are written without
//! spaces every character is a unit of its own, so that any part of a text can be found.

use icu_properties::{
    CodePointMapData, CodePointMapDataBorrowed, CodePointSetData, CodePointSetDataBorrowed,
    props::{DefaultIgnorableCodePoint, GeneralCategory, GeneralCategoryGroup, Script},
};
use unicode_normalization::UnicodeNormalization;

const CATEGORY: CodePointMapDataBorrowed<'static, GeneralCategory> = CodePointMapData::new();
const SCRIPT: CodePointMapDataBorrowed<'static, Script> = CodePointMapData::new();
const IGNORABLE: CodePointSetDataBorrowed<'static> = CodePointSetData::new::<DefaultIgnorableCodePoint>();

/// A unit of a text.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Atom {
    /// Its folded form: letters, digits and marks only.
    pub text: Box<str>,
    /// What kind of unit it is.
    pub kind: AtomKind,
    /// Where it begins in the text, in bytes.
    pub start: usize,
    /// Where it ends, in bytes.
    pub end: usize,
    /// Whether nothing visible is between the previous unit and this one.
    pub is_joined: bool,
}

/// The kind of a unit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AtomKind {
    /// A word.
    Word,
    /// A character of a script that is written without spaces.
    Sign,
}

/// What a character means for the division into units.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Class {
    Letter,
    Sign,
    /// Belongs to the character before it.
    Mark,
    /// Invisible: as if it were not there.
    Ignored,
    Separator,
}

fn class(c: char) -> Class {
    if c.is_ascii() {
        return if c.is_ascii_alphanumeric() { Class::Letter } else { Class::Separator };
    }
    // the marks of half-width katakana are letters in Unicode
    if matches!(c, '\u{ff9e}' | '\u{ff9f}') || GeneralCategoryGroup::Mark.contains(CATEGORY.get(c)) {
        return if IGNORABLE.contains(c) { Class::Ignored } else { Class::Mark };
    }
    if IGNORABLE.contains(c) {
        return Class::Ignored;
    }
    if !c.is_alphanumeric() {
        return Class::Separator;
    }
    if is_unspaced(c) { Class::Sign } else { Class::Letter }
}

/// Whether the character belongs to a script that is written without spaces.
fn is_unspaced(c: char) -> bool {
    // the prolonged sound marks of katakana are common to several scripts
    if matches!(c, '\u{30fc}' | '\u{ff70}') {
        return true;
    }
    let scripts =
        [Script::Han, Script::Hiragana, Script::Katakana, Script::Thai, Script::Lao, Script::Khmer, Script::Myanmar];
    scripts.contains(&SCRIPT.get(c))
}

/// A unit that is being read.
struct Open {
    kind: AtomKind,
    start: usize,
    end: usize,
    is_joined: bool,
}

/// The units of a text, in order.
pub fn atoms(text: &str) -> Vec<Atom> {
    let mut found = Vec::new();
    let mut open: Option<Open> = None;
    let mut is_joined = false;
    for (start, c) in text.char_indices() {
        let end = start + c.len_utf8();
        let kind = match class(c) {
            Class::Letter => AtomKind::Word,
            Class::Sign => AtomKind::Sign,
            Class::Mark => {
                if let Some(open) = &mut open {
                    open.end = end;
                }
                continue;
            }
            Class::Ignored => continue,
            Class::Separator => {
                close(text, open.take(), &mut found);
                is_joined = false;
                continue;
            }
        };
        match &mut open {
            Some(open) if open.kind == AtomKind::Word && kind == AtomKind::Word => open.end = end,
            Some(_) | None => {
                close(text, open.take(), &mut found);
                open = Some(Open { kind, start, end, is_joined });
                is_joined = true;
            }
        }
    }
    close(text, open, &mut found);
    found
}

fn close(text: &str, open: Option<Open>, found: &mut Vec<Atom>) {
    let Some(Open { kind, start, end, is_joined }) = open else { return };
    let folded = fold(text.get(start..end).unwrap_or_default());
    if !folded.is_empty() {
        found.push(Atom { text: folded.into(), kind, start, end, is_joined });
    }
}

/// The form in which units are compared.
fn fold(unit: &str) -> String {
    if unit.is_ascii() {
        return unit.to_ascii_lowercase();
    }
    let mut plain = String::with_capacity(unit.len());
    for c in unit.nfkd().flat_map(char::to_lowercase).filter(|c| !is_dropped(*c)) {
        match spelled_out(c) {
            Some(letters) => plain.push_str(letters),
            None => plain.push(c),
        }
    }
    // The decomposition of some characters contains spaces and punctuation.
    let is_kept = |c: &char| matches!(class(*c), Class::Letter | Class::Sign | Class::Mark);
    plain.nfkc().filter(is_kept).collect()
}

/// Accents, vowel points and the Arabic elongation, which people leave out when they search. The vowel signs of other
/// scripts make another word, and are kept.
fn is_dropped(c: char) -> bool {
    matches!(c,
        '\u{300}'..='\u{36f}' | '\u{483}'..='\u{487}' | '\u{591}'..='\u{5bd}' | '\u{5bf}' | '\u{5c1}' | '\u{5c2}'
        | '\u{5c4}' | '\u{5c5}' | '\u{5c7}' | '\u{610}'..='\u{61a}' | '\u{640}' | '\u{64b}'..='\u{65f}' | '\u{670}'
        | '\u{6d6}'..='\u{6dc}' | '\u{6df}'..='\u{6e4}' | '\u{6e7}' | '\u{6e8}' | '\u{6ea}'..='\u{6ed}'
        | '\u{1ab0}'..='\u{1aff}' | '\u{1dc0}'..='\u{1dff}' | '\u{20d0}'..='\u{20ff}' | '\u{fe20}'..='\u{fe2f}')
}

/// Letters that Unicode does not decompose although people write them in other letters.
const fn spelled_out(c: char) -> Option<&'static str> {
    match c {
        'ß' => Some("ss"),
        'ς' => Some("σ"),
        'æ' => Some("ae"),
        'œ' => Some("oe"),
        'ø' => Some("o"),
        'ł' => Some("l"),
        'đ' => Some("d"),
        'ı' => Some("i"),
        _other => None,
    }
}
