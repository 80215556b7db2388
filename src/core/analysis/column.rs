//! The figures of a single column. Cells that do not have the column's kind are counted but must never enter a figure.

use std::cmp::Reverse;

use rustc_hash::{FxHashMap, FxHashSet};

use super::{
    Value,
    figures::{Moments, finite, mean_distance, quantile},
    reading::{Reading, SlashDate, SlashOrder, Unit, read, show_date},
    report::{
        BooleanFacts, ColumnKind, ColumnReport, DateFacts, Frequent, Gap, Located, NumberFacts, OutlierRule, Outliers,
        Slashes, TextFacts,
    },
    table::Column,
};
use crate::{core::sheet::CellRef, limits};

/// Columns with fewer numbers are not searched for outliers.
pub(super) const OUTLIERS_NUMBERS_MIN: usize = 5;
/// Outlier threshold, in mean absolute deviations, for columns whose quartiles are equal. The second factor converts a
/// mean absolute deviation to a standard deviation, assuming a normal distribution.
const FAR_MEAN_DISTANCES: f64 = 3.5 * 1.2533;
/// Columns with fewer dates have no usual step.
const GAPS_DATES_MIN: usize = 4;
/// A step longer than this multiple of the usual step is a gap.
const GAP_STEPS: f64 = 1.5;

/// The numbers or dates of a column by row, as input for comparisons between columns.
pub(super) enum Series {
    /// Numbers.
    Numbers(Vec<(u32, f64)>),
    /// Days.
    Days(Vec<(u32, f64)>),
    /// The column holds neither numbers nor dates.
    None,
}

/// The cells of a column, grouped by how they were read.
#[derive(Default)]
struct Readings {
    numbers: Vec<(u32, f64)>,
    units: Vec<Unit>,
    days: Vec<(u32, f64)>,
    slashes: Vec<(u32, SlashDate)>,
    yes: usize,
    no: usize,
    texts: usize,
}

/// Returns the figures of a column and its series. `rows` is the number of rows in use.
pub(super) fn analyse(column: &Column, rows: usize) -> (ColumnReport, Series) {
    let count = column.cells.len();
    let mut readings = Readings::of(&column.cells);
    let slashes = readings.settle_slashes();
    let kind = readings.kind(count);
    // a column of numbers, or a mixed column that is mostly numbers and therefore has figures too
    let mostly_numbers = readings.numbers.len() * 2 > count;
    let of_kind = match kind {
        ColumnKind::Number | ColumnKind::Mixed if mostly_numbers => readings.numbers.len(),
        ColumnKind::Date => readings.days.len(),
        ColumnKind::Boolean => readings.yes + readings.no,
        ColumnKind::Text => readings.texts,
        ColumnKind::Number | ColumnKind::Mixed | ColumnKind::Empty => count,
    };
    let mut report = ColumnReport {
        column: column.letters(),
        name: column.name.clone(),
        kind,
        count,
        blanks: rows.saturating_sub(count),
        distinct: distinct(&column.cells),
        unreadable: count - of_kind,
        number: None,
        date: None,
        boolean: None,
        text: None,
    };
    let series = match kind {
        ColumnKind::Number | ColumnKind::Mixed if mostly_numbers => {
            report.number = number_facts(column.index, &readings);
            Series::Numbers(readings.numbers)
        }
        ColumnKind::Date => {
            report.date = date_facts(&readings.days, slashes);
            Series::Days(readings.days)
        }
        ColumnKind::Boolean => {
            report.boolean = Some(BooleanFacts { yes: readings.yes, no: readings.no });
            Series::None
        }
        ColumnKind::Text => {
            report.text = Some(TextFacts { top: most_frequent(&column.cells) });
            Series::None
        }
        ColumnKind::Number | ColumnKind::Mixed | ColumnKind::Empty => Series::None,
    };
    (report, series)
}

impl Readings {
    fn of(cells: &[(u32, Value)]) -> Readings {
        let mut readings = Readings::default();
        for (row, value) in cells {
            let reading = match value {
                Value::Number(value) => {
                    finite(*value).map_or(Reading::Text, |value| Reading::Number(value, Unit::Plain))
                }
                Value::Boolean(value) => Reading::Boolean(*value),
                Value::Text(text) => read(text),
            };
            match reading {
                Reading::Number(value, unit) => {
                    readings.numbers.push((*row, value));
                    if !readings.units.contains(&unit) {
                        readings.units.push(unit);
                    }
                }
                Reading::Date(days) => readings.days.push((*row, days)),
                Reading::SlashDate(slash) => readings.slashes.push((*row, slash)),
                Reading::Boolean(true) => readings.yes += 1,
                Reading::Boolean(false) => readings.no += 1,
                Reading::Text => readings.texts += 1,
            }
        }
        readings
    }

    /// Converts slash dates to days, using the day-month order under which more of them are valid dates.
    fn settle_slashes(&mut self) -> Option<Slashes> {
        if self.slashes.is_empty() {
            return None;
        }
        let possible = |order| self.slashes.iter().filter(|(_, slash)| slash.days(order).is_some()).count();
        let (month_first, day_first) = (possible(SlashOrder::MonthFirst), possible(SlashOrder::DayFirst));
        let (order, said) = match month_first.cmp(&day_first) {
            std::cmp::Ordering::Greater => (SlashOrder::MonthFirst, Slashes::MonthFirst),
            std::cmp::Ordering::Less => (SlashOrder::DayFirst, Slashes::DayFirst),
            std::cmp::Ordering::Equal => (SlashOrder::MonthFirst, Slashes::MonthFirstAssumed),
        };
        for (row, slash) in std::mem::take(&mut self.slashes) {
            match slash.days(order) {
                Some(days) => self.days.push((row, days)),
                None => self.texts += 1,
            }
        }
        self.days.sort_by_key(|(row, _)| *row);
        Some(said)
    }

    fn kind(&self, count: usize) -> ColumnKind {
        if count == 0 {
            return ColumnKind::Empty;
        }
        let kinds = [
            (self.numbers.len(), ColumnKind::Number),
            (self.days.len(), ColumnKind::Date),
            (self.yes + self.no, ColumnKind::Boolean),
            (self.texts, ColumnKind::Text),
        ];
        let most = kinds.into_iter().find(|(share, _)| share * 5 >= count * 4);
        most.map_or(ColumnKind::Mixed, |(_, kind)| kind)
    }
}

fn distinct(cells: &[(u32, Value)]) -> usize {
    let (mut numbers, mut texts, mut booleans) = (FxHashSet::default(), FxHashSet::default(), FxHashSet::default());
    for (_, value) in cells {
        match value {
            // 0 and -0 are the same number
            Value::Number(value) => numbers.insert((value + 0.0).to_bits()),
            Value::Text(text) => texts.insert(text.trim()),
            Value::Boolean(value) => booleans.insert(*value),
        };
    }
    numbers.len() + texts.len() + booleans.len()
}

// ---- numbers ----

fn number_facts(column: u32, readings: &Readings) -> Option<NumberFacts> {
    let numbers = &readings.numbers;
    // `rev` because `max_by` returns the last of equal elements, and the first is wanted
    let min = numbers.iter().min_by(|one, other| one.1.total_cmp(&other.1))?;
    let max = numbers.iter().rev().max_by(|one, other| one.1.total_cmp(&other.1))?;
    let located =
        |(row, value): &(u32, f64)| Located { cell: CellRef { row: *row, column }.to_string(), value: *value };
    let mut values: Vec<f64> = numbers.iter().map(|(_, value)| *value).collect();
    let moments = Moments::of(&values)?;
    let [lower_quartile, median, upper_quartile] = [0.25, 0.5, 0.75].map(|share| quantile(&mut values, share));
    let rule = rule(&values, lower_quartile.zip(upper_quartile));
    let outliers = rule.map(|(rule, low, high)| {
        let mut far: Vec<_> = numbers.iter().filter(|(_, value)| *value < low || *value > high).collect();
        let count = far.len();
        let distance = |value: f64| if value < low { low - value } else { value - high };
        far.sort_by(|one, other| distance(other.1).total_cmp(&distance(one.1)));
        far.truncate(limits::FINDING_EXAMPLES_MAX);
        Outliers { rule, low, high, count, cells: far.into_iter().map(located).collect() }
    });
    Some(NumberFacts {
        unit: match readings.units.as_slice() {
            [unit] => unit.sign(),
            [] | [_, ..] => None,
        },
        mixed_units: readings.units.len() > 1,
        units: readings.units.iter().filter_map(|unit| unit.sign()).collect(),
        sum: moments.sum,
        mean: Some(moments.mean),
        median,
        lower_quartile,
        upper_quartile,
        min: located(min),
        max: located(max),
        standard_deviation: moments.standard_deviation,
        outliers,
        trend: None,
    })
}

/// Tukey's fences. If the quartiles are equal, all other numbers would be outliers, so mean absolute deviations are
/// used instead.
fn rule(values: &[f64], quartiles: Option<(f64, f64)>) -> Option<(OutlierRule, f64, f64)> {
    let (low, high) = quartiles.filter(|_| values.len() >= OUTLIERS_NUMBERS_MIN)?;
    let (rule, reach) = if low < high {
        (OutlierRule::Tukey, 1.5 * (high - low))
    } else {
        (OutlierRule::MeanDistance, FAR_MEAN_DISTANCES * mean_distance(values, low)?)
    };
    Some((rule, finite(low - reach)?, finite(high + reach)?))
}

// ---- dates ----

fn date_facts(days: &[(u32, f64)], slashes: Option<Slashes>) -> Option<DateFacts> {
    let mut days: Vec<f64> = days.iter().map(|(_, day)| *day).collect();
    days.sort_by(f64::total_cmp);
    days.dedup();
    let (earliest, latest) = (*days.first()?, *days.last()?);
    let mut steps: Vec<f64> = days.windows(2).filter_map(|pair| Some(pair.get(1)? - pair.first()?)).collect();
    let usual = if days.len() >= GAPS_DATES_MIN { quantile(&mut steps, 0.5) } else { None };
    let mut gaps: Vec<Gap> = Vec::new();
    if let Some(usual) = usual {
        let pairs = days.windows(2).filter_map(|pair| Some((*pair.first()?, *pair.get(1)?)));
        let wide = pairs.filter(|(from, to)| to - from > usual * GAP_STEPS);
        gaps.extend(wide.map(|(from, to)| Gap { from: show_date(from), to: show_date(to), days: to - from }));
    }
    let gap_count = gaps.len();
    gaps.sort_by(|one, other| other.days.total_cmp(&one.days));
    gaps.truncate(limits::FINDING_EXAMPLES_MAX);
    Some(DateFacts {
        earliest: show_date(earliest),
        latest: show_date(latest),
        span_days: latest - earliest,
        usual_step_days: usual,
        gap_count,
        gaps,
        slashes,
    })
}

// ---- texts ----

fn most_frequent(cells: &[(u32, Value)]) -> Vec<Frequent> {
    let mut counts: FxHashMap<&str, usize> = FxHashMap::default();
    for (_, value) in cells {
        if let Value::Text(text) = value {
            *counts.entry(text.trim()).or_default() += 1;
        }
    }
    // a text that occurs once is not frequent
    let mut counts: Vec<_> = counts.into_iter().filter(|(_, count)| *count > 1).collect();
    counts.sort_unstable_by_key(|(text, count)| (Reverse(*count), *text));
    counts.truncate(limits::FINDING_EXAMPLES_MAX);
    let cut = |text: &str| text.chars().take(limits::FINDING_TEXT_CHARS_MAX).collect();
    counts.into_iter().map(|(text, count)| Frequent { value: cut(text), count }).collect()
}
