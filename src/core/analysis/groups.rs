//! Figures of groups of rows: those with the same value in one column. Also names the rows with the extreme numbers. Linear in
//! the number of cells.

use std::{cmp::Reverse, sync::Arc};

use rustc_hash::{FxHashMap, FxHashSet};

use super::{
    Value,
    column::Series,
    figures::{Moments, quantile},
    question::Asked,
    report::{Extreme, Findings, Group, GroupFigures, Groups, NamedRow},
    table::{Column, Table},
    words::show,
};
use crate::limits;

/// The values of a column by row, as texts.
type Labels = FxHashMap<u32, Arc<str>>;

/// Adds what the question asks about groups and rows to the findings.
pub(super) fn add(table: &Table, asked: &Asked, series: &[Series], findings: &mut Findings) {
    if let Some(column) = asked.which.and_then(|place| table.columns.get(place)) {
        findings.named_rows = named_rows(column, asked, series, findings);
    }
    // Several rows of one label: what they have together may be meant, too.
    let repeated = |column: &&Column| has_repetitions(&labels_of(column));
    let by = asked.by.and_then(|place| table.columns.get(place));
    let by = by.or_else(|| asked.which.and_then(|place| table.columns.get(place)).filter(repeated));
    if let Some(column) = by {
        findings.groups = Some(groups(column, table, asked, series, findings));
    }
}

fn labels_of(column: &Column) -> Labels {
    column.cells.iter().map(|(row, value)| (*row, text_of(value))).collect()
}

fn has_repetitions(labels: &Labels) -> bool {
    let mut seen = FxHashSet::default();
    labels.values().any(|label| !seen.insert(label))
}

fn text_of(value: &Value) -> Arc<str> {
    match value {
        Value::Number(number) => show(*number).into(),
        Value::Boolean(true) => "yes".into(),
        Value::Boolean(false) => "no".into(),
        Value::Text(text) => text.trim().chars().take(limits::FINDING_TEXT_CHARS_MAX).collect::<String>().into(),
    }
}

/// The indices of the columns of numbers that the question is about.
fn values_of(asked: &Asked, series: &[Series]) -> Vec<usize> {
    let is_numbers = |place: &usize| matches!(series.get(*place), Some(Series::Numbers(_)));
    let mut places: Vec<usize> = match asked.columns.is_empty() {
        true => (0..series.len()).filter(is_numbers).collect(),
        false => asked.columns.iter().copied().filter(is_numbers).collect(),
    };
    places.truncate(limits::GROUPED_COLUMNS_MAX);
    places
}

fn named_rows(column: &Column, asked: &Asked, series: &[Series], findings: &Findings) -> Vec<NamedRow> {
    let labels = labels_of(column);
    let mut rows = Vec::new();
    for place in values_of(asked, series) {
        let (Some(Series::Numbers(numbers)), Some(report)) = (series.get(place), findings.columns.get(place)) else {
            continue;
        };
        let Some(facts) = report.number.as_ref().filter(|_| report.column != column.letters()) else { continue };
        for (extreme, located) in [(Extreme::Max, &facts.max), (Extreme::Min, &facts.min)] {
            let mut found = numbers.iter().filter(|(_, number)| *number == located.value);
            let Some((row, _)) = found.next() else { continue };
            rows.push(NamedRow {
                extreme,
                column: report.column.clone(),
                cell: located.cell.clone(),
                by: column.letters(),
                label: labels.get(row).cloned(),
                also: found.count(),
            });
        }
    }
    rows
}

fn groups(by: &Column, table: &Table, asked: &Asked, series: &[Series], findings: &Findings) -> Groups {
    let labels = labels_of(by);
    let mut rows: FxHashMap<&Arc<str>, usize> = FxHashMap::default();
    for label in labels.values() {
        *rows.entry(label).or_default() += 1;
    }
    let mut figures: FxHashMap<&Arc<str>, Vec<GroupFigures>> = FxHashMap::default();
    for place in values_of(asked, series) {
        let (Some(Series::Numbers(numbers)), Some(report)) = (series.get(place), findings.columns.get(place)) else {
            continue;
        };
        if report.column == by.letters() {
            continue;
        }
        let mut values: FxHashMap<&Arc<str>, Vec<f64>> = FxHashMap::default();
        for (row, number) in numbers {
            if let Some(label) = labels.get(row) {
                values.entry(label).or_default().push(*number);
            }
        }
        for (label, mut values) in values {
            figures.entry(label).or_default().extend(figures_of(&report.column, &mut values));
        }
    }
    let mut all: Vec<Group> = rows
        .iter()
        .map(|(label, rows)| Group {
            value: Arc::clone(label),
            rows: *rows,
            figures: figures.remove(*label).unwrap_or_default(),
        })
        .collect();
    let leading = |group: &Group| group.figures.first().and_then(|figures| figures.sum).unwrap_or(f64::NEG_INFINITY);
    all.sort_by(|one, other| {
        leading(other)
            .total_cmp(&leading(one))
            .then_with(|| (Reverse(one.rows), &one.value).cmp(&(Reverse(other.rows), &other.value)))
    });
    let count = all.len();
    all.truncate(limits::GROUPS_LISTED_MAX);
    Groups { by: by.letters(), count, rows_without: table.rows.len().saturating_sub(labels.len()), groups: all }
}

fn figures_of(column: &str, values: &mut [f64]) -> Option<GroupFigures> {
    let moments = Moments::of(values)?;
    let (min, max) = values.iter().fold((f64::MAX, f64::MIN), |(min, max), value| (min.min(*value), max.max(*value)));
    Some(GroupFigures {
        column: column.to_owned(),
        count: values.len(),
        sum: moments.sum,
        mean: Some(moments.mean),
        median: quantile(values, 0.5),
        min,
        max,
    })
}
