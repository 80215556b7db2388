//! Arranges cells as a table: columns, rows in use, and a header row if the first row is one.

use std::{collections::BTreeMap, ops::RangeInclusive, sync::Arc};

use rustc_hash::FxHashSet;

use super::{
    Datum, Value,
    reading::{Reading, Unit, read},
};
use crate::core::sheet::CellRef;

/// Number of cells per column that are examined to detect a header row.
const HEADER_SAMPLE_CELLS: usize = 100;
/// In a table of texts only, the header row must be followed by at least this many rows.
const HEADER_TEXT_ROWS_MIN: usize = 3;

/// Numbers that may be years.
const YEARS: RangeInclusive<f64> = 1900.0..=2100.0;

/// The cells of a range.
pub(super) struct Table {
    /// Columns with at least one non-empty cell, in order.
    pub columns: Vec<Column>,
    /// Rows in use, without the header row, in order.
    pub rows: Vec<u32>,
    /// The header row.
    pub header: Option<u32>,
    /// The first and the last corner of the cells in use; `None` if all are empty.
    pub corners: Option<(CellRef, CellRef)>,
    /// Number of non-empty cells, including the header.
    pub cells: usize,
}

/// A column.
pub(super) struct Column {
    /// Its index.
    pub index: u32,
    /// Its name in the header row.
    pub name: Option<Arc<str>>,
    /// Its non-empty cells by row, without the header.
    pub cells: Vec<(u32, Value)>,
}

impl Table {
    pub fn new(data: Vec<Datum>) -> Table {
        let mut columns: BTreeMap<u32, Vec<(u32, Value)>> = BTreeMap::new();
        let mut rows = Vec::with_capacity(data.len());
        for Datum { at, value } in data {
            if matches!(&value, Value::Text(text) if text.trim().is_empty()) {
                continue;
            }
            rows.push(at.row);
            columns.entry(at.column).or_default().push((at.row, value));
        }
        let cells = rows.len();
        rows.sort_unstable();
        rows.dedup();
        for cells in columns.values_mut() {
            // cheap if the cells are already ordered by row, as they usually are
            cells.sort_by_key(|(row, _)| *row);
        }
        let corners = match (rows.first(), rows.last(), columns.first_key_value(), columns.last_key_value()) {
            (Some(top), Some(bottom), Some((left, _)), Some((right, _))) => {
                Some((CellRef { row: *top, column: *left }, CellRef { row: *bottom, column: *right }))
            }
            _ => None,
        };
        let header = rows.first().copied().filter(|first| names_columns(*first, &columns, rows.len()));
        if header.is_some() {
            rows.remove(0);
        }
        let columns = columns.into_iter().map(|(index, cells)| Column::new(index, cells, header)).collect();
        Table { columns, rows, header, corners, cells }
    }
}

impl Column {
    fn new(index: u32, mut cells: Vec<(u32, Value)>, header: Option<u32>) -> Column {
        let named = header.is_some() && cells.first().map(|(row, _)| *row) == header;
        let name = match named.then(|| cells.remove(0).1) {
            Some(Value::Text(text)) => Some(text.trim().into()),
            Some(Value::Number(year)) => Some(year.to_string().into()),
            Some(Value::Boolean(_)) | None => None,
        };
        Column { index, name, cells }
    }

    /// Whether most of its cells are plain texts.
    pub fn is_texts(&self) -> bool {
        is_most(&self.cells, is_plain_text)
    }

    /// The letters of the column.
    pub fn letters(&self) -> String {
        letters(self.index)
    }
}

/// The letters of a column.
fn letters(column: u32) -> String {
    let text = CellRef { row: 0, column }.to_string();
    text.trim_end_matches('1').to_owned()
}

/// The first cell of a column as a possible column name.
enum Heading<'a> {
    /// A text that has no other interpretation.
    Text(&'a str),
    /// A text that could also be a boolean, such as `No` above a column of numbers.
    YesOrNo(&'a str),
    /// A year above numbers that are not years.
    Year(u32),
}

/// Whether the first row is a header row. Its texts must be unique and at least one must be plain text. Either a column
/// below them must hold mostly something other than plain text, or, in a table of texts, every column must have a name
/// and no name may recur below. Texts that could be booleans, and consecutive years, count as names if the cells below
/// allow it.
fn names_columns(first: u32, columns: &BTreeMap<u32, Vec<(u32, Value)>>, rows: usize) -> bool {
    if rows < 2 {
        return false;
    }
    let (mut names, mut years) = (FxHashSet::default(), Vec::new());
    let (mut has_plain, mut typed_below, mut comes_again) = (false, false, false);
    for cells in columns.values() {
        let Some(((row, value), body)) = cells.split_first() else { continue };
        if *row != first {
            continue;
        }
        let sample = body.get(..HEADER_SAMPLE_CELLS).unwrap_or(body);
        let name = match Heading::of(value, sample) {
            Some(Heading::Text(name)) => {
                has_plain = true;
                name.trim().to_owned()
            }
            Some(Heading::YesOrNo(name)) => name.trim().to_owned(),
            Some(Heading::Year(year)) => {
                years.push(year);
                year.to_string()
            }
            None => return false,
        };
        typed_below |= is_most(sample, |value| !is_plain_text(value));
        comes_again |= sample.iter().any(|(_, value)| matches!(value, Value::Text(text) if text.trim() == name));
        if !names.insert(name.to_lowercase()) {
            return false;
        }
    }
    // a single number in this range need not be a year, nor need numbers that are not consecutive
    let in_a_row = years.windows(2).all(|pair| matches!(pair, [one, next] if one.abs_diff(*next) == 1));
    if !has_plain || years.len() == 1 || !in_a_row {
        return false;
    }
    typed_below || (!comes_again && names.len() > 1 && names.len() == columns.len() && rows > HEADER_TEXT_ROWS_MIN)
}

impl Heading<'_> {
    fn of<'a>(value: &'a Value, below: &[(u32, Value)]) -> Option<Heading<'a>> {
        let year = || year(value).filter(|_| is_most(below, |value| is_number(value) && year(value).is_none()));
        match value {
            Value::Number(_) => year().map(Heading::Year),
            Value::Boolean(_) => None,
            Value::Text(text) => match read(text) {
                Reading::Text => Some(Heading::Text(text)),
                Reading::Boolean(_) => is_most(below, is_number).then_some(Heading::YesOrNo(text)),
                Reading::Number(..) => year().map(Heading::Year),
                Reading::Date(_) | Reading::SlashDate(_) => None,
            },
        }
    }
}

fn is_most(cells: &[(u32, Value)], is_meant: impl Fn(&Value) -> bool) -> bool {
    cells.iter().filter(|(_, value)| is_meant(value)).count() * 2 > cells.len()
}

fn is_number(value: &Value) -> bool {
    number(value).is_some()
}

fn number(value: &Value) -> Option<(f64, Unit)> {
    match value {
        Value::Number(value) => Some((*value, Unit::Plain)),
        Value::Boolean(_) => None,
        Value::Text(text) => match read(text) {
            Reading::Number(value, unit) => Some((value, unit)),
            Reading::Date(_) | Reading::SlashDate(_) | Reading::Boolean(_) | Reading::Text => None,
        },
    }
}

fn year(value: &Value) -> Option<u32> {
    let (value, _) = number(value).filter(|(_, unit)| *unit == Unit::Plain)?;
    (value.fract() == 0.0 && YEARS.contains(&value)).then_some(value as u32)
}

fn is_plain_text(value: &Value) -> bool {
    match value {
        Value::Text(text) => read(text) == Reading::Text,
        Value::Number(_) | Value::Boolean(_) => false,
    }
}
