//! Places in a text: as offsets in UTF-16 code units, which Yjs counts in, and as lines and columns, which JSON editors
//! count in. Both start at 0, lines end with LF. A place must never be outside the text, nor between the two halves of a
//! surrogate pair: places from outside are moved to the nearest one before that is allowed.

use std::sync::Arc;

use ropey::Rope;
use serde::{Deserialize, Serialize};

/// A place in a text.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, Serialize, Deserialize)]
pub struct Position {
    /// The line, from 0.
    pub line: u32,
    /// The column in UTF-16 code units, from 0.
    pub column: u32,
}

/// A replacement of a part of a text. Offsets are in UTF-16 code units; several splices apply one after another.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Splice {
    /// Where it begins.
    pub at: usize,
    /// How many code units are removed.
    pub removed: usize,
    /// What is inserted instead.
    pub inserted: Arc<str>,
}

impl Splice {
    /// The number of code units that are inserted.
    pub fn inserted_units(&self) -> usize {
        units(&self.inserted)
    }
}

/// The number of UTF-16 code units of a text.
pub(super) fn units(text: &str) -> usize {
    text.chars().map(char::len_utf16).sum()
}

/// The offset of a position, moved into the text.
pub(super) fn offset_of(text: &Rope, position: Position) -> usize {
    let Some(line) = usize::try_from(position.line).ok().filter(|line| *line < text.len_lines()) else {
        return text.len_utf16_cu();
    };
    let (start, end) = (text.line_to_char(line), line_end(text, line));
    let first = text.char_to_utf16_cu(start);
    let asked = first.saturating_add(position.column as usize);
    snap(text, asked.min(text.char_to_utf16_cu(end)))
}

/// The position of an offset in the text.
pub(super) fn position_of(text: &Rope, offset: usize) -> Position {
    let place = text.utf16_cu_to_char(offset.min(text.len_utf16_cu()));
    let line = text.char_to_line(place);
    let column = text.char_to_utf16_cu(place) - text.char_to_utf16_cu(text.line_to_char(line));
    Position { line: as_u32(line), column: as_u32(column) }
}

/// The offset, moved into the text and to the beginning of a surrogate pair.
pub(super) fn snap(text: &Rope, offset: usize) -> usize {
    text.char_to_utf16_cu(text.utf16_cu_to_char(offset.min(text.len_utf16_cu())))
}

/// Applies a splice. It must be within the text.
pub(super) fn splice(text: &mut Rope, splice: &Splice) {
    let start = text.utf16_cu_to_char(splice.at.min(text.len_utf16_cu()));
    let end = text.utf16_cu_to_char((splice.at + splice.removed).min(text.len_utf16_cu()));
    if end > start {
        text.remove(start..end);
    }
    if !splice.inserted.is_empty() {
        text.insert(start, &splice.inserted);
    }
}

/// The place before the LF that ends a line, or the end of the text.
fn line_end(text: &Rope, line: usize) -> usize {
    match line + 1 < text.len_lines() {
        true => text.line_to_char(line + 1) - 1, // a line that is followed by another ends with LF
        false => text.len_chars(),
    }
}

fn as_u32(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(line: u32, column: u32) -> Position {
        Position { line, column }
    }

    #[test]
    fn positions_are_moved_into_the_text() {
        let text = Rope::from_str("ab\r\nc\u{2028}😀d\n");
        for (position, offset) in [
            (at(0, 0), 0),
            (at(0, 2), 2),
            (at(0, 3), 3), // before the LF: CR is a character of the line
            (at(0, 9), 3),
            (at(1, 0), 4),
            (at(1, 2), 6), // U+2028 ends no line
            (at(1, 3), 6), // between the halves of a pair
            (at(1, 4), 8),
            (at(1, u32::MAX), 9),
            (at(2, 0), 10),
            (at(2, 5), 10),
            (at(u32::MAX, 0), 10),
        ] {
            assert_eq!(offset_of(&text, position), offset, "{position:?}");
        }
    }

    #[test]
    fn offsets_and_positions_are_inverse() {
        let text = Rope::from_str("one\n\ntwo 😀\nthree");
        for offset in 0..=text.len_utf16_cu() {
            let position = position_of(&text, offset);
            assert_eq!(offset_of(&text, position), snap(&text, offset), "{offset}");
        }
    }
}
