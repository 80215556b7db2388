//! Cells arranged as a table: columns, the rows in use, and whether the first of them names the columns.

use std::{collections::BTreeMap, ops::RangeInclusive, sync::Arc};

use rustc_hash::FxHashSet;

use super::{
    Datum, Value,
    reading::{Reading, Unit, read},
};
use crate::core::sheet::CellRef;

/// Cells looked at to decide whether a row names columns.
const HEADER_SAMPLE_CELLS: usize = 100;
/// Rows of text alone below a row of text until that one may be taken for names.
const HEADER_TEXT_ROWS_MIN: usize = 3;

/// Numbers that may be years.
const YEARS: RangeInclusive<f64> = 1900.0..=2100.0;

/// The cells of a range.
pub(super) struct Table {
    /// With at least one cell that is not empty; in order.
    pub columns: Vec<Column>,
    /// The rows in use, without the one that names the columns; in order.
    pub rows: Vec<u32>,
    /// The row that names the columns.
    pub header: Option<u32>,
    /// The first and the last corner of what is in use; none where nothing is.
    pub corners: Option<(CellRef, CellRef)>,
    /// Cells that are not empty, the names of columns included.
    pub cells: usize,
}

/// A column.
pub(super) struct Column {
    /// Which.
    pub index: u32,
    /// As the header row names it.
    pub name: Option<Arc<str>>,
    /// Its cells that are not empty, without the name; by row.
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
            // no work where the cells come by row, as they do
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

    /// Its letters.
    pub fn letters(&self) -> String {
        letters(self.index)
    }
}

/// The letters of a column.
fn letters(column: u32) -> String {
    let text = CellRef { row: 0, column }.to_string();
    text.trim_end_matches('1').to_owned()
}

/// What the first cell of a column would say as its name.
enum Heading<'a> {
    /// A text that is nothing else.
    Text(&'a str),
    /// A text that means yes or no elsewhere, such as `No` above numbers of a list.
    YesOrNo(&'a str),
    /// A year above numbers that are none.
    Year(u32),
}

/// Whether the first row names the columns: plain texts, each once, above columns that hold something else; or above
/// columns of text, if every column has one and none of them comes again below. Beside such texts there may be others that
/// are names by what stands below them.
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
    // one number of that size may be any number, and so may be those that do not follow each other
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
