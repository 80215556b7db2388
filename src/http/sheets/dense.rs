//! Writes cells, which arrive one by one and with gaps, as rows without gaps: JSON arrays or CSV (RFC 4180). Pure.

use actix_web::web::Bytes;

use crate::{
    core::sheet::{CellRange, CellRef},
    limits,
};

/// The format of rows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Layout {
    /// `[1,"a",null],[…]`: the contents of the outer array.
    Json,
    /// Fields separated by commas, rows ended by CRLF.
    Csv,
}

/// Writes rows. Cells must arrive in row-major order.
pub(super) struct Dense {
    area: CellRange,
    layout: Layout,
    /// The next field to write; after the area's last row once all are written.
    next: CellRef,
    written: String,
    /// Fields written since the last [`Dense::take`].
    fields: usize,
}

/// The state after a call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Progress {
    /// Everything is written.
    Done,
    /// The piece is full: take it, then call again.
    Full,
}

impl Dense {
    /// A writer that has written nothing yet.
    pub(super) fn new(area: CellRange, layout: Layout) -> Dense {
        Dense { area, layout, next: area.first(), written: String::new(), fields: 0 }
    }

    /// The covered area.
    pub(super) fn area(&self) -> CellRange {
        self.area
    }

    /// Writes a cell and the empty cells before it. A cell that is outside the area or out of order is skipped.
    pub(super) fn cell(&mut self, at: CellRef, value: &str) -> Progress {
        if !self.area.contains(at) || at < self.next {
            return Progress::Done;
        }
        let filled = self.fill_up_to(at);
        if filled == Progress::Done {
            self.field(value);
        }
        filled
    }

    /// Writes the remaining empty cells.
    pub(super) fn rest(&mut self) -> Progress {
        self.fill_up_to(CellRef { row: self.area.last().row + 1, column: self.area.first().column })
    }

    fn fill_up_to(&mut self, at: CellRef) -> Progress {
        while self.next < at {
            if self.fields >= limits::FIELDS_AT_ONCE {
                return Progress::Full;
            }
            self.field("null");
        }
        Progress::Done
    }

    /// The text written since the last call.
    pub(super) fn take(&mut self) -> Bytes {
        self.fields = 0;
        std::mem::take(&mut self.written).into()
    }

    fn field(&mut self, value: &str) {
        self.fields += 1;
        let CellRef { row, column } = self.next;
        let (first, last) = (self.area.first(), self.area.last());
        match self.layout {
            Layout::Json if column > first.column => self.written.push(','),
            Layout::Json if row > first.row => self.written.push_str(",["),
            Layout::Json => self.written.push('['),
            Layout::Csv if column > first.column => self.written.push(','),
            Layout::Csv => {}
        }
        match self.layout {
            Layout::Json => self.written.push_str(value),
            Layout::Csv => self.csv_field(value),
        }
        let row_ends = column == last.column;
        match self.layout {
            Layout::Json if row_ends => self.written.push(']'),
            Layout::Csv if row_ends => self.written.push_str("\r\n"),
            Layout::Json | Layout::Csv => {}
        }
        self.next =
            if row_ends { CellRef { row: row + 1, column: first.column } } else { CellRef { row, column: column + 1 } };
    }

    /// A JSON scalar in plain form: a string without its quotes, `null` as nothing.
    fn csv_field(&mut self, value: &str) {
        let alone = self.area.columns() == 1;
        let text = match value {
            // A row of one empty field would be an empty line, which many readers skip.
            "null" if alone => return self.written.push_str("\"\""),
            "null" => return,
            text if text.starts_with('"') => match serde_json::from_str::<String>(text) {
                Ok(text) => text,
                // Half of a surrogate pair: allowed in JSON, but not in Unicode.
                Err(_) => text.to_owned(),
            },
            other => other.to_owned(),
        };
        if text.contains(['"', ',', '\r', '\n']) || (alone && text.is_empty()) {
            self.written.push('"');
            self.written.push_str(&text.replace('"', "\"\""));
            self.written.push('"');
        } else {
            self.written.push_str(&text);
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::{collection::btree_map, prelude::*};
    use serde_json::Value;

    use super::*;

    /// Writes the cells piece by piece.
    fn pieces<'a>(area: CellRange, layout: Layout, cells: impl Iterator<Item = (CellRef, &'a str)>) -> Vec<Bytes> {
        let mut dense = Dense::new(area, layout);
        let mut pieces = Vec::new();
        for (at, value) in cells {
            while dense.cell(at, value) == Progress::Full {
                pieces.push(dense.take());
            }
            pieces.push(dense.take());
        }
        while dense.rest() == Progress::Full {
            pieces.push(dense.take());
        }
        pieces.push(dense.take());
        pieces
    }

    fn written(area: &str, layout: Layout, cells: &[(&str, &str)]) -> String {
        let cells = cells.iter().map(|(at, value)| (at.parse().unwrap(), *value));
        String::from_utf8(pieces(area.parse().unwrap(), layout, cells).concat()).unwrap()
    }

    #[test]
    fn the_widest_gap_is_written_in_pieces() {
        let (first, last) = (CellRef { row: 0, column: 0 }, CellRef { row: 1_999, column: 999 });
        let area = CellRange::between(first, last);
        assert_eq!(area.cells(), limits::SHEET_FIELDS_MAX);
        let pieces = pieces(area, Layout::Csv, [(CellRef { row: 1_999, column: 0 }, "7")].into_iter());
        let longest = pieces.iter().map(Bytes::len).max().unwrap();
        assert!(longest <= 2 * limits::FIELDS_AT_ONCE, "{longest}");
        let empty = ",".repeat(999) + "\r\n";
        assert!(pieces.concat() == (empty.repeat(1_999) + "7" + &empty).into_bytes());
    }

    #[test]
    fn gaps_are_filled() {
        let cells = [("B1", "1"), ("A2", "\"x\""), ("C2", "true"), ("C4", "2.50")];
        let rows = "[null,1,null],[\"x\",null,true],[null,null,null],[null,null,2.50]";
        assert_eq!(written("A1:C4", Layout::Json, &cells), rows);
        assert_eq!(written("A1:C4", Layout::Csv, &cells), ",1,\r\nx,,true\r\n,,\r\n,,2.50\r\n");
        assert_eq!(written("B2:C3", Layout::Json, &cells), "[null,true],[null,null]");
        assert_eq!(written("A1:A1", Layout::Json, &[]), "[null]");
    }

    #[test]
    fn csv_fields_are_quoted_where_they_must_be() {
        let cells = [
            ("A1", r#""a,b""#),
            ("B1", r#""say \"hi\"""#),
            ("C1", r#""two\nlines""#),
            ("D1", r#""=1+1""#),
            ("E1", r#""""#),
            ("F1", r#""é \u00e9""#),
            ("G1", r#""\ud800""#),
            ("H1", "-0.10e3"),
        ];
        let expected = "\"a,b\",\"say \"\"hi\"\"\",\"two\nlines\",=1+1,,é é,\"\"\"\\ud800\"\"\",-0.10e3\r\n";
        assert_eq!(written("A1:H1", Layout::Csv, &cells), expected);
        assert_eq!(written("A1:A3", Layout::Csv, &[("A2", "\"\"")]), "\"\"\r\n\"\"\r\n\"\"\r\n");
    }

    /// A second, minimal CSV reader.
    fn read_csv(text: &str) -> Vec<Vec<String>> {
        let (mut rows, mut row, mut field, mut quoted) = (Vec::new(), Vec::new(), String::new(), false);
        let mut characters = text.chars().peekable();
        while let Some(c) = characters.next() {
            match (c, quoted) {
                ('"', true) if characters.peek() == Some(&'"') => field.push(characters.next().unwrap()),
                ('"', _) => quoted = !quoted,
                (',', false) => row.push(std::mem::take(&mut field)),
                ('\r', false) if characters.peek() == Some(&'\n') => {
                    characters.next();
                    row.push(std::mem::take(&mut field));
                    rows.push(std::mem::take(&mut row));
                }
                (c, _) => field.push(c),
            }
        }
        assert!(!quoted && field.is_empty() && row.is_empty());
        rows
    }

    proptest! {
        #[test]
        fn both_layouts_read_back_as_they_were(
            cells in btree_map((0..6_u32, 0..5_u32), "[a-c\"',;=\r\n\\\\é\u{0}-\u{1f}👩]{0,6}", 0..30),
            corners in (0..6_u32, 0..5_u32, 0..6_u32, 0..5_u32),
        ) {
            let (row, column, other_row, other_column) = corners;
            let area = CellRange::between(CellRef { row, column }, CellRef { row: other_row, column: other_column });
            for layout in [Layout::Json, Layout::Csv] {
                let values: Vec<(CellRef, String)> = cells.iter().map(|((row, column), value)| {
                    (CellRef { row: *row, column: *column }, serde_json::to_string(value).unwrap())
                }).collect();
                let pieces = pieces(area, layout, values.iter().map(|(at, value)| (*at, value.as_str())));
                let text = String::from_utf8(pieces.concat()).unwrap();
                let rows: Vec<Vec<String>> = match layout {
                    Layout::Csv => read_csv(&text),
                    Layout::Json => serde_json::from_str::<Vec<Vec<Value>>>(&format!("[{text}]")).unwrap().iter()
                        .map(|row| row.iter().map(|value| value.as_str().unwrap_or_default().to_owned()).collect())
                        .collect(),
                };
                let expected: Vec<Vec<String>> = (area.first().row..=area.last().row).map(|row| {
                    let columns = area.first().column..=area.last().column;
                    columns.map(|column| cells.get(&(row, column)).cloned().unwrap_or_default()).collect()
                }).collect();
                prop_assert_eq!(rows, expected);
            }
        }
    }
}
