//! A rectangle of cells in the usual notation: `A1:Z100`, `B2`, whole columns `A:C`, whole rows `1:10`.

use std::{fmt, str::FromStr};

use super::{BadCellRef, CellRef};
use crate::limits;

/// A rectangle of cells, including both corners. The first corner is never below or to the right of the last.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct CellRange {
    first: CellRef,
    last: CellRef,
}

/// The error for a text that is not a [`CellRange`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a range is two cells such as A1:Z100, one cell, columns such as A:C or rows such as 1:10")]
pub struct BadCellRange;

impl From<BadCellRef> for BadCellRange {
    fn from(_: BadCellRef) -> BadCellRange {
        BadCellRange
    }
}

const LAST: CellRef = CellRef { row: limits::SHEET_ROWS_MAX - 1, column: limits::SHEET_COLUMNS_MAX - 1 };

impl CellRange {
    /// All cells that a sheet can have.
    pub const WHOLE: CellRange = CellRange { first: CellRef { row: 0, column: 0 }, last: LAST };

    /// The smallest rectangle that contains both cells, whichever corners they are.
    pub fn between(one: CellRef, other: CellRef) -> CellRange {
        CellRange {
            first: CellRef { row: one.row.min(other.row), column: one.column.min(other.column) },
            last: CellRef { row: one.row.max(other.row), column: one.column.max(other.column) },
        }
    }

    /// The top left corner.
    pub const fn first(self) -> CellRef {
        self.first
    }

    /// The bottom right corner.
    pub const fn last(self) -> CellRef {
        self.last
    }

    /// Whether the cell lies in the rectangle.
    pub fn contains(self, cell: CellRef) -> bool {
        (self.first.row..=self.last.row).contains(&cell.row)
            && (self.first.column..=self.last.column).contains(&cell.column)
    }

    /// The number of rows.
    pub const fn rows(self) -> u32 {
        self.last.row - self.first.row + 1
    }

    /// The number of columns.
    pub const fn columns(self) -> u32 {
        self.last.column - self.first.column + 1
    }

    /// The number of cells, including empty ones.
    pub fn cells(self) -> u64 {
        u64::from(self.rows()) * u64::from(self.columns())
    }
}

impl FromStr for CellRange {
    type Err = BadCellRange;

    fn from_str(text: &str) -> Result<CellRange, BadCellRange> {
        let Some((one, other)) = text.split_once(':') else {
            let cell = text.parse()?;
            return Ok(CellRange::between(cell, cell));
        };
        let (columns, rows) = (one.bytes().all(|byte| byte.is_ascii_alphabetic()), one.bytes().all(is_digit));
        // a dimension missing on both sides spans the whole sheet
        let (one, other) = match (columns, rows) {
            (false, false) => (one.parse()?, other.parse()?),
            (true, _) => (corner(one, "1")?, corner(other, &limits::SHEET_ROWS_MAX.to_string())?),
            (false, true) => {
                let leftmost: CellRef = corner("A", one)?;
                let other: CellRef = corner("A", other)?;
                (leftmost, CellRef { row: other.row, column: LAST.column })
            }
        };
        Ok(CellRange::between(one, other))
    }
}

fn is_digit(byte: u8) -> bool {
    byte.is_ascii_digit()
}

/// Parses a cell from a column and a row given separately. Neither may contain part of the other.
fn corner(column: &str, row: &str) -> Result<CellRef, BadCellRange> {
    let sound = column.bytes().all(|byte| byte.is_ascii_alphabetic()) && row.bytes().all(is_digit);
    if !sound {
        return Err(BadCellRange);
    }
    Ok(format!("{column}{row}").parse()?)
}

impl fmt::Display for CellRange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.first == self.last { self.first.fmt(f) } else { write!(f, "{}:{}", self.first, self.last) }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn range(text: &str) -> CellRange {
        text.parse().unwrap()
    }

    #[test]
    fn ranges_are_read_as_people_write_them() {
        for (written, meant) in [
            ("A1:B2", "A1:B2"),
            ("b2", "B2"),
            ("B2:B2", "B2"),
            ("C9:A1", "A1:C9"),
            ("A9:C1", "A1:C9"),
            ("A:C", "A1:C1048576"),
            ("c:a", "A1:C1048576"),
            ("1:10", "A1:XFD10"),
            ("10:1", "A1:XFD10"),
            ("3:3", "A3:XFD3"),
            ("A:XFD", "A1:XFD1048576"),
            ("1:1048576", "A1:XFD1048576"),
        ] {
            assert_eq!(range(written).to_string(), meant, "{written}");
        }
        assert_eq!(range("A:XFD"), CellRange::WHOLE);
        assert_eq!(CellRange::WHOLE.cells(), 16_384 * 1_048_576);
    }

    #[test]
    fn what_is_no_range_is_refused() {
        for text in [
            "",
            ":",
            "A",
            "1",
            "A:",
            ":B2",
            "A1:",
            "A1:B",
            "A:1",
            "1:A",
            "A1:B2:C3",
            "A0:B1",
            "A:XFE",
            "0:1",
            "1:1048577",
            "A1 : B2",
            "A1;B2",
            "A1:ZZZ999999",
            "-1:2",
            "$A$1",
            "Sheet!A1",
            "é:ü",
            "99999999:1",
            "A1:12",
            "A:B2",
            "1:A2",
        ] {
            assert_eq!(text.parse::<CellRange>(), Err(BadCellRange), "{text}");
        }
    }

    fn cell() -> impl Strategy<Value = CellRef> {
        let row = prop_oneof![0..50_u32, 0..limits::SHEET_ROWS_MAX];
        let column = prop_oneof![0..50_u32, 0..limits::SHEET_COLUMNS_MAX];
        (row, column).prop_map(|(row, column)| CellRef { row, column })
    }

    proptest! {
        #[test]
        fn a_range_reads_back_as_it_is_shown(one in cell(), other in cell()) {
            let range = CellRange::between(one, other);
            prop_assert_eq!(range.to_string().parse::<CellRange>(), Ok(range));
            prop_assert_eq!(one.to_string().parse::<CellRef>(), Ok(one));
            prop_assert!(range.contains(one) && range.contains(other));
            prop_assert_eq!(CellRange::between(other, one), range);
            prop_assert!(CellRange::WHOLE.contains(one));
        }

        #[test]
        fn a_range_has_the_cells_between_its_corners(corners in [0..8_u32, 0..8_u32, 0..8_u32, 0..8_u32]) {
            let [row, column, other_row, other_column] = corners;
            let other = CellRef { row: other_row, column: other_column };
            let range = CellRange::between(CellRef { row, column }, other);
            let all = (0..64).map(|n| CellRef { row: n / 8, column: n % 8 });
            prop_assert_eq!(all.filter(|cell| range.contains(*cell)).count() as u64, range.cells());
        }

        #[test]
        fn no_text_makes_it_panic(text in "[A-Za-z0-9:$ é-]{0,12}") {
            if let Ok(range) = text.parse::<CellRange>() {
                prop_assert!(range.first().row <= range.last().row && range.first().column <= range.last().column);
            }
        }
    }
}
