//! Findings that involve several columns: trends over rows or days, correlations, repeated rows. The work is done one
//! column at a time, so that the caller can stop between steps.

use rustc_hash::FxHashMap;

use super::{
    Step, Value,
    column::Series,
    figures::{Line, Pairs},
    report::{Correlation, DuplicateRow, Findings, Per, Trend},
    table::Table,
};
use crate::limits;

/// Correlations are reported from this |r| on.
const STRONG_R: f64 = 0.7;
/// With fewer rows, a strong correlation may be chance.
const CORRELATED_ROWS_MIN: u64 = 8;

/// Progress of the work.
pub(super) struct Relations {
    /// Indices of the series that hold numbers.
    numbers: Vec<usize>,
    /// The date column over which trends are computed.
    days: Option<usize>,
    next: usize,
}

impl Relations {
    pub fn new(series: &[Series]) -> Relations {
        let places = |wanted: fn(&Series) -> bool| series.iter().enumerate().filter(move |(_, it)| wanted(it));
        Relations {
            numbers: places(|it| matches!(it, Series::Numbers(_))).map(|(at, _)| at).collect(),
            days: places(|it| matches!(it, Series::Days(_))).map(|(at, _)| at).next(),
            next: 0,
        }
    }

    /// Processes the next column of numbers; after the last one, the rows.
    pub fn step(&mut self, table: &Table, series: &[Series], findings: &mut Findings) -> Step {
        let Some(place) = self.numbers.get(self.next).copied() else {
            findings.correlations.sort_by(|one, other| other.r.abs().total_cmp(&one.r.abs()));
            findings.correlations.truncate(limits::FINDING_EXAMPLES_MAX);
            repeated_rows(table, findings);
            return Step::Done;
        };
        self.trend(place, series, findings);
        self.correlate(place, series, findings);
        self.next += 1;
        let percent = (self.next * 99 / self.numbers.len().max(1)).min(99) as u8;
        Step::More { percent, status: "Looking for trends and correlations" }
    }

    fn trend(&self, place: usize, series: &[Series], findings: &mut Findings) {
        let Some(Series::Numbers(points)) = series.get(place) else { return };
        let by_day = self.days.and_then(|days| match series.get(days) {
            Some(Series::Days(days_by_row)) => Some((days, joined(days_by_row, points))),
            Some(Series::Numbers(_) | Series::None) | None => None,
        });
        // ignore dates if fewer than half of the rows have one
        let by_day = by_day.filter(|(_, pairs)| pairs.count() * 2 >= points.len() as u64);
        let trend = |per, of, pairs: Pairs| {
            let Line { slope, r_squared } = pairs.line()?;
            Some(Trend { per, of, slope, r_squared, count: pairs.count() })
        };
        let by_day = by_day.and_then(|(days, pairs)| {
            let of = findings.columns.get(days).map(|column| column.column.clone());
            trend(Per::Day, of, pairs)
        });
        // fall back to rows, also if all dates are the same
        let trend = by_day.or_else(|| {
            let mut pairs = Pairs::default();
            points.iter().for_each(|(row, value)| pairs.add(f64::from(*row), *value));
            trend(Per::Row, None, pairs)
        });
        if let Some(facts) = findings.columns.get_mut(place).and_then(|column| column.number.as_mut()) {
            facts.trend = trend;
        }
    }

    /// Correlates the column with the columns of numbers before it.
    fn correlate(&self, place: usize, series: &[Series], findings: &mut Findings) {
        let Some(Series::Numbers(points)) = series.get(place) else { return };
        if self.next >= limits::CORRELATED_COLUMNS_MAX {
            return;
        }
        let letters = |place: usize, findings: &Findings| {
            findings.columns.get(place).map_or_else(String::new, |column| column.column.clone())
        };
        for earlier in self.numbers.iter().take(self.next) {
            let Some(Series::Numbers(others)) = series.get(*earlier) else { continue };
            let pairs = joined(others, points);
            let strong = pairs.correlation().filter(|r| r.abs() >= STRONG_R && pairs.count() >= CORRELATED_ROWS_MIN);
            if let Some(r) = strong {
                let columns = [letters(*earlier, findings), letters(place, findings)];
                findings.correlations.push(Correlation { columns, r, count: pairs.count() });
            }
        }
    }
}

/// Pairs the values of the rows in which both series have one.
fn joined(first: &[(u32, f64)], second: &[(u32, f64)]) -> Pairs {
    let mut pairs = Pairs::default();
    let mut others = second.iter().peekable();
    for (row, x) in first {
        while others.next_if(|(other, _)| other < row).is_some() {}
        if let Some((_, y)) = others.next_if(|(other, _)| other == row) {
            pairs.add(*x, *y);
        }
    }
    pairs
}

/// Finds rows that repeat an earlier row. A table of one column is skipped: repeated values in it are not repeated
/// rows.
fn repeated_rows(table: &Table, findings: &mut Findings) {
    if table.columns.len() < 2 {
        return;
    }
    let mut rows: FxHashMap<u32, Vec<(u32, &Value)>> = FxHashMap::default();
    for column in &table.columns {
        for (row, value) in &column.cells {
            rows.entry(*row).or_default().push((column.index, value));
        }
    }
    let mut first_with: FxHashMap<Vec<(u32, Same<'_>)>, u32> = FxHashMap::default();
    for row in &table.rows {
        let Some(cells) = rows.remove(row) else { continue };
        let key = cells.into_iter().map(|(column, value)| (column, Same::of(value))).collect();
        let same_as = *first_with.entry(key).or_insert(*row);
        if same_as != *row {
            findings.duplicate_rows.count += 1;
            if findings.duplicate_rows.examples.len() < limits::FINDING_EXAMPLES_MAX {
                findings.duplicate_rows.examples.push(DuplicateRow { row: row + 1, same_as: same_as + 1 });
            }
        }
    }
}

/// A value in a form that can be compared and hashed.
#[derive(PartialEq, Eq, Hash)]
enum Same<'a> {
    Number(u64),
    Boolean(bool),
    Text(&'a str),
}

impl Same<'_> {
    fn of(value: &Value) -> Same<'_> {
        match value {
            Value::Number(value) => Same::Number((value + 0.0).to_bits()),
            Value::Boolean(value) => Same::Boolean(*value),
            Value::Text(text) => Same::Text(text.trim()),
        }
    }
}
