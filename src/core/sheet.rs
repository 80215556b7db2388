//! Shared sheets: cells, where they are, and what they hold. A cell's place is written as in every spreadsheet (`B2`);
//! its value is any JSON scalar, kept as the client wrote it. Nothing here evaluates a formula.

mod range;
mod versions;

use std::{fmt, str::FromStr, sync::Arc};

use serde::{Deserialize, Serialize};

pub use self::{
    range::{BadCellRange, CellRange},
    versions::{BadUpdate, NotTaken, Versions, beyond_clocks, check},
};
use crate::{
    core::command::RawJson,
    ids::{Timestamp, UserId},
    limits,
};

/// A cell's place. Counted from 0; shown as `A1`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CellRef {
    /// From 0, which is row 1.
    pub row: u32,
    /// From 0, which is column A.
    pub column: u32,
}

/// Why a text is no [`CellRef`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a cell is a column from A to XFD and a row from 1 to 1048576, such as B2")]
pub struct BadCellRef;

impl FromStr for CellRef {
    type Err = BadCellRef;

    fn from_str(text: &str) -> Result<CellRef, BadCellRef> {
        let letters = text.bytes().take_while(u8::is_ascii_alphabetic).count();
        let (column, row) = text.split_at_checked(letters).ok_or(BadCellRef)?;
        // longer ones lie outside of any sheet, and could not be counted
        if !(1..=3).contains(&column.len()) || row.len() > 7 || !row.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(BadCellRef);
        }
        let column = column.bytes().fold(0, |sum, letter| sum * 26 + u32::from(letter.to_ascii_uppercase() - b'A') + 1);
        let row: u32 = row.parse().map_err(|_| BadCellRef)?;
        if column > limits::SHEET_COLUMNS_MAX || row == 0 || row > limits::SHEET_ROWS_MAX {
            return Err(BadCellRef);
        }
        Ok(CellRef { row: row - 1, column: column - 1 })
    }
}

impl fmt::Display for CellRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (mut letters, mut left) = (Vec::with_capacity(3), self.column + 1);
        while left > 0 {
            left -= 1;
            letters.push(char::from(b'A' + (left % 26) as u8));
            left /= 26;
        }
        for letter in letters.iter().rev() {
            write!(f, "{letter}")?;
        }
        write!(f, "{}", self.row + 1)
    }
}

impl TryFrom<String> for CellRef {
    type Error = BadCellRef;

    fn try_from(text: String) -> Result<CellRef, BadCellRef> {
        text.parse()
    }
}

impl From<CellRef> for String {
    fn from(cell: CellRef) -> String {
        cell.to_string()
    }
}

/// What a cell holds, as a client sends it and as everybody is told it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Cell {
    /// Where.
    #[serde(rename = "cell")]
    pub at: CellRef,
    /// Any JSON scalar, as it was written; `null` for an empty cell.
    pub value: RawJson,
    /// How the client computes it, never looked into.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub formula: Option<Arc<str>>,
    /// On its way in: the version that the sender saw last, 0 for "whatever it is". Once stored: the new version.
    pub version: i64,
}

/// A cell that somebody else had changed before.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum CellConflict {
    /// In full.
    Shown {
        /// As it is.
        current: Cell,
        /// Who changed it last.
        user: UserId,
    },
    /// One of so many that what it holds would be too much to tell.
    Named {
        /// Where.
        at: CellRef,
        /// What it is at.
        version: i64,
    },
}

impl CellConflict {
    /// Where.
    pub fn at(&self) -> CellRef {
        match self {
            CellConflict::Shown { current, .. } => current.at,
            CellConflict::Named { at, .. } => *at,
        }
    }
}

impl Cell {
    /// Bytes of its texts.
    pub fn text_bytes(&self) -> usize {
        self.value.as_str().len() + self.formula.as_deref().map_or(0, str::len)
    }
}

/// A cell as it is, with who changed it last.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StoredCell {
    /// The cell.
    pub cell: Cell,
    /// Who changed it last.
    pub user: UserId,
    /// When.
    pub at: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_written_as_in_every_spreadsheet() {
        for text in ["A1", "Z26", "AA1", "AZ10", "BA7", "ZZ100", "AAA1", "XFD1048576"] {
            assert_eq!(text.parse::<CellRef>().unwrap().to_string(), text);
        }
        assert_eq!("b2".parse::<CellRef>(), Ok(CellRef { row: 1, column: 1 }));
        for text in ["", "A", "1", "A0", "XFE1", "A1048577", "ZZZ999999", "AAAA1", "A1B", "A-1", "A 1", "É1", "A+1"] {
            assert_eq!(text.parse::<CellRef>(), Err(BadCellRef), "{text}");
        }
    }
}
