//! Cells, which come one by one and with gaps, as rows without gaps: as JSON arrays or as CSV (RFC 4180). Pure.

use actix_web::web::Bytes;

use crate::core::sheet::{CellRange, CellRef};

/// How rows are written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Layout {
    /// `[1,"a",null],[…]`: what stands between the brackets of the outer array.
    Json,
    /// Fields and CRLF.
    Csv,
}

/// A writer of rows. Cells come in row-major order.
pub(super) struct Dense {
    area: CellRange,
    layout: Layout,
    /// The field that is written next; behind the area's last row once all are.
    next: CellRef,
    written: String,
}

impl Dense {
    /// Nothing is written yet.
    pub(super) fn new(area: CellRange, layout: Layout) -> Dense {
        Dense { area, layout, next: area.first(), written: String::new() }
    }

    /// What is covered.
    pub(super) fn area(&self) -> CellRange {
        self.area
    }

    /// Writes a cell, and before it the empty ones that it comes after. One that is outside or too late is left out.
    pub(super) fn cell(&mut self, at: CellRef, value: &str) {
        if !self.area.contains(at) || at < self.next {
            return;
        }
        while self.next < at {
            self.field("null");
        }
        self.field(value);
    }

    /// What was written since the last time.
    pub(super) fn take(&mut self) -> Bytes {
        std::mem::take(&mut self.written).into()
    }

    /// Writes the empty cells that are left, and gives the rest.
    pub(super) fn finish(mut self) -> Bytes {
        while self.next.row <= self.area.last().row {
            self.field("null");
        }
        self.take()
    }

    fn field(&mut self, value: &str) {
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

    /// A JSON scalar as people would write it: a text without its quotes, `null` as nothing.
    fn csv_field(&mut self, value: &str) {
        let alone = self.area.columns() == 1;
        let text = match value {
            // a lone empty field would make an empty line, which many readers skip
            "null" if alone => return self.written.push_str("\"\""),
            "null" => return,
            text if text.starts_with('"') => match serde_json::from_str::<String>(text) {
                Ok(text) => text,
                // half of a surrogate pair: JSON has it, Unicode does not
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

    fn written(area: &str, layout: Layout, cells: &[(&str, &str)]) -> String {
        let mut dense = Dense::new(area.parse().unwrap(), layout);
        let mut text = Vec::new();
        for (at, value) in cells {
            dense.cell(at.parse().unwrap(), value);
            text.extend(dense.take());
        }
        text.extend(dense.finish());
        String::from_utf8(text).unwrap()
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

    /// Another reader of CSV, as simple as can be.
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
                let mut dense = Dense::new(area, layout);
                let mut text = Vec::new();
                for ((row, column), value) in &cells {
                    dense.cell(CellRef { row: *row, column: *column }, &serde_json::to_string(value).unwrap());
                    text.extend(dense.take());
                }
                text.extend(dense.finish());
                let text = String::from_utf8(text).unwrap();
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
