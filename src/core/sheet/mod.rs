//! Shared sheets: positions and contents of cells. A position is written as in other spreadsheets (`B2`); a value is
//! any JSON scalar, kept as the client wrote it. Formulas must never be evaluated here.

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

/// The position of a cell. Counted from 0; displayed as `A1`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CellRef {
    /// From 0, which is row 1.
    pub row: u32,
    /// From 0, which is column A.
    pub column: u32,
}

/// The error for a text that is not a [`CellRef`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a cell is a column from A to XFD and a row from 1 to 1048576, such as B2")]
pub struct BadCellRef;

impl FromStr for CellRef {
    type Err = BadCellRef;

    fn from_str(text: &str) -> Result<CellRef, BadCellRef> {
        let letters = text.bytes().take_while(u8::is_ascii_alphabetic).count();
        let (column, row) = text.split_at_checked(letters).ok_or(BadCellRef)?;
        // longer ones are outside of any sheet and could overflow
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

/// The content of a cell, as a client sends it and as it is broadcast.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Cell {
    /// Its position.
    #[serde(rename = "cell")]
    pub at: CellRef,
    /// Any JSON scalar, as it was written; `null` for an empty cell.
    pub value: RawJson,
    /// The client's formula; never evaluated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub formula: Option<Arc<str>>,
    /// In an update: the version that the sender saw last, or 0 to overwrite any version. Once stored: the new version.
    pub version: i64,
}

/// A cell that was changed by somebody else in the meantime.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum CellConflict {
    /// With its content.
    Shown {
        /// The current content.
        current: Cell,
        /// The user who changed it last.
        user: UserId,
    },
    /// Without its content, because there are too many conflicts to send all contents.
    Named {
        /// The position.
        at: CellRef,
        /// The current version.
        version: i64,
    },
}

impl CellConflict {
    /// The position of the cell.
    pub fn at(&self) -> CellRef {
        match self {
            CellConflict::Shown { current, .. } => current.at,
            CellConflict::Named { at, .. } => *at,
        }
    }
}

impl Cell {
    /// The number of bytes of its texts.
    pub fn text_bytes(&self) -> usize {
        self.value.as_str().len() + self.formula.as_deref().map_or(0, str::len)
    }
}

/// A stored cell, with the user who changed it last.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StoredCell {
    /// The cell.
    pub cell: Cell,
    /// Who changed it last.
    pub user: UserId,
    /// When it was changed.
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
