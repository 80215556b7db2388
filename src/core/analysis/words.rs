//! Composes the answer as text: first what was asked for, then an overview of the table, then notable findings, then
//! what the analyst cannot do. Every statement includes its figures, and this module must never compute a figure of its
//! own.

use std::fmt::Write;

use super::{
    by_group,
    column::OUTLIERS_NUMBERS_MIN,
    figures::LINE_POINTS_MIN,
    question::{Asked, Topic},
    report::{ColumnKind, ColumnReport, Findings, NumberFacts, OutlierRule, Outliers, Per, Slashes, Trend},
    table::Table,
};
use crate::limits;

/// How many columns an answer covers if the question names none.
const COLUMNS_NAMED_MAX: usize = 3;
/// Trends are reported as clear from this R² on.
const TELLING_R_SQUARED: f64 = 0.5;
/// Blanks are reported unasked from this share on.
const BLANKS_TOLD_PERCENT: usize = 5;

/// The answer to a question that names no sheet.
pub fn capabilities() -> String {
    "I compute figures from the cells of a sheet, and this question names no sheet. Send its `sheet_id`, and a range of \
     cells in `context.table_range` (such as A1:F200) if only some of them matter. I can report counts, sums, averages, \
     medians, extremes, deviations, outliers, trends, correlations, duplicates, blanks, and gaps between dates, also by \
     groups of rows where the question says by which column. I do not forecast or explain causes, and I know nothing except what the cells contain."
        .to_owned()
}

/// The answer for an empty range.
pub fn nothing_there(range: &str) -> String {
    format!(
        "There is nothing to compute: {range} has no cells with content. Check the range, or fill in some cells and ask again."
    )
}

/// The complete answer.
pub(super) fn compose(table: &Table, asked: &Asked, findings: &Findings) -> String {
    let mut lines = Vec::new();
    lines.extend(not_there(asked, findings));
    if let Some(groups) = findings.groups.as_ref().filter(|_| asked.by.is_some()) {
        lines.extend(by_group::answers(groups, asked, findings));
    }
    let is_answered = |topic: Topic| asked.by.is_some() && topic.is_of_groups();
    let is_void = |topic: Topic| asked.is_about_nothing() && topic.has_object();
    for topic in asked.topics.iter().copied().filter(|topic| !is_answered(*topic) && !is_void(*topic)) {
        match by_group::which(topic, asked, findings) {
            said if said.is_empty() => lines.extend(answer(topic, asked, findings)),
            said => lines.extend(said),
        }
    }
    let named = asked.names_no_figure().then_some(&asked.columns).into_iter().flatten();
    let reports = named.filter_map(|place| findings.columns.get(*place));
    lines.extend(reports.take(COLUMNS_NAMED_MAX).map(about));
    lines.push(overview(table, findings));
    lines.extend(standing_out(asked, findings));
    if !asked.impossible.is_empty() {
        let what = listed(asked.impossible.iter().map(|what| what.clone().into_owned()), "or");
        lines.push(format!("I can't {what}: I only compute figures from the cells."));
    } else if asked.topics.is_empty() && asked.is_open() {
        lines.push(
            "The question names no figure that I know; ask for a sum, average, trend, outliers or the like, and name a column."
                .to_owned(),
        );
    }
    lines.join("\n")
}

/// The columns that the question names and that do not exist.
fn not_there(asked: &Asked, findings: &Findings) -> Option<String> {
    if asked.unknown.is_empty() {
        return None;
    }
    let names = listed(asked.unknown.iter().map(|name| format!("no {name}")), "and");
    let mut there: Vec<String> = findings.columns.iter().take(limits::FINDINGS_TOLD_MAX).map(label).collect();
    let more = findings.table.columns.saturating_sub(there.len());
    if more > 0 {
        there.push(format!("{more} more"));
    }
    let verb = if there.len() == 1 { "column is" } else { "columns are" };
    Some(format!("There is {names}; the {verb} {}.", listed(there.into_iter(), "and")))
}

// ---- answers ----

fn answer(topic: Topic, asked: &Asked, findings: &Findings) -> Vec<String> {
    match topic {
        Topic::Count => return vec![format!("{} in use.", counted(findings.table.rows, "row"))],
        Topic::Correlation => return vec![correlations(findings)],
        Topic::Duplicates => return vec![duplicates(findings)],
        // the overview is always part of the answer
        Topic::Overview => return Vec::new(),
        Topic::Sum
        | Topic::Mean
        | Topic::Median
        | Topic::Max
        | Topic::Min
        | Topic::Distinct
        | Topic::Deviation
        | Topic::Trend
        | Topic::Outliers
        | Topic::Gaps
        | Topic::Blanks => {}
    }
    let all = || findings.columns.iter().collect::<Vec<_>>();
    let chosen = if asked.columns.is_empty() {
        all()
    } else {
        asked.columns.iter().filter_map(|place| findings.columns.get(*place)).collect()
    };
    let mut said: Vec<String> = chosen.iter().filter_map(|column| figure(topic, column)).collect();
    if said.is_empty() {
        return vec![match topic {
            Topic::Blanks => "No cell is missing in the rows in use.".to_owned(),
            Topic::Gaps => "There are no dates with a regular step, so gaps can't be found.".to_owned(),
            Topic::Sum
            | Topic::Mean
            | Topic::Median
            | Topic::Max
            | Topic::Min
            | Topic::Count
            | Topic::Distinct
            | Topic::Deviation
            | Topic::Trend
            | Topic::Outliers
            | Topic::Correlation
            | Topic::Duplicates
            | Topic::Overview => {
                format!("There are no numbers to compute the {} of.", topic.name().replace('_', " "))
            }
        }];
    }
    let left = said.len().saturating_sub(COLUMNS_NAMED_MAX);
    if asked.columns.is_empty() && left > 0 {
        said.truncate(COLUMNS_NAMED_MAX);
        said.push(format!("{} more in the findings; name one to see it here.", counted(left, "column")));
    }
    said
}

/// One figure of one column; `None` if the column does not have it.
fn figure(topic: Topic, column: &ColumnReport) -> Option<String> {
    let label = label(column);
    let number = column.number.as_ref();
    let sentence = match topic {
        Topic::Sum => format!("The sum of {label} is {}{}.", figure_of(number?.sum, number?), reservations(column)),
        Topic::Mean => {
            format!("The average of {label} is {}{}.", figure_of(number?.mean, number?), reservations(column))
        }
        Topic::Median => format!("The median of {label} is {}.", figure_of(number?.median, number?)),
        Topic::Deviation if column.readable() < 2 => {
            number?;
            format!("{label} has too few numbers for a standard deviation.")
        }
        Topic::Deviation => format!(
            "{label} has a standard deviation of {} around its mean of {}.",
            figure_of(number?.standard_deviation, number?),
            figure_of(number?.mean, number?)
        ),
        Topic::Max => match (&column.number, &column.date) {
            (Some(facts), _) => {
                format!("The highest {label} is {} in {}.", amount(facts.max.value, facts), facts.max.cell)
            }
            (None, Some(facts)) => format!("The latest {label} is {}.", facts.latest),
            (None, None) => return None,
        },
        Topic::Min => match (&column.number, &column.date) {
            (Some(facts), _) => {
                format!("The lowest {label} is {} in {}.", amount(facts.min.value, facts), facts.min.cell)
            }
            (None, Some(facts)) => format!("The earliest {label} is {}.", facts.earliest),
            (None, None) => return None,
        },
        Topic::Trend => match &number?.trend {
            Some(trend) => trend_of(&label, trend, number?),
            None if column.readable() < LINE_POINTS_MIN => format!("{label} has too few numbers for a trend."),
            None => format!("The trend of {label} is too large to compute."),
        },
        Topic::Outliers => match &number?.outliers {
            Some(outliers) => outliers_of(&label, outliers, number?),
            None if column.readable() < OUTLIERS_NUMBERS_MIN => {
                format!("{label} has too few numbers to call one an outlier.")
            }
            None => format!("The numbers of {label} are too large to call one an outlier."),
        },
        Topic::Distinct => {
            let top = column.text.as_ref().and_then(|text| text.top.first());
            let top =
                top.map(|top| format!("; the most frequent is \u{201c}{}\u{201d} ({} times)", top.value, top.count));
            format!("{label} has {}{}.", counted(column.distinct, "different value"), top.unwrap_or_default())
        }
        Topic::Gaps => gaps_of(&label, column)?,
        Topic::Blanks => {
            (column.blanks > 0).then(|| format!("{label} is empty in {}.", counted(column.blanks, "row")))?
        }
        Topic::Count | Topic::Correlation | Topic::Duplicates | Topic::Overview => return None,
    };
    Some(sentence)
}

fn gaps_of(label: &str, column: &ColumnReport) -> Option<String> {
    let date = column.date.as_ref()?;
    let step = date.usual_step_days?;
    Some(match date.gaps.first() {
        None => format!("{label} has no gaps: at most {} days lie between its dates.", show(step * 1.5)),
        Some(gap) => format!(
            "{label} has {}; the longest is {} days, from {} to {}, where {} is usual.",
            counted(date.gap_count, "gap"),
            show(gap.days),
            gap.from,
            gap.to,
            show(step)
        ),
    })
}

fn trend_of(label: &str, trend: &Trend, facts: &NumberFacts) -> String {
    let strength = format!("a straight line explains {} of its variance", percent(trend.r_squared));
    if trend.r_squared < TELLING_R_SQUARED {
        return format!("{label} has no clear trend: {strength}.");
    }
    let direction = if trend.slope > 0.0 { "rises" } else { "falls" };
    let per = match trend.per {
        Per::Row => "row",
        Per::Day => "day",
    };
    let over = trend.of.as_ref().map_or(String::new(), |of| format!(" (by column {of})"));
    format!("{label} {direction} by about {} per {per}{over}; {strength}.", amount(trend.slope.abs(), facts))
}

fn outliers_of(label: &str, outliers: &Outliers, facts: &NumberFacts) -> String {
    if facts.min.value == facts.max.value {
        return format!("{label} has no outliers: all its numbers are {}.", amount(facts.min.value, facts));
    }
    let span = format!("{} to {}", amount(outliers.low, facts), amount(outliers.high, facts));
    let rule = match outliers.rule {
        OutlierRule::Tukey => "1.5 times the interquartile range beyond the quartiles",
        OutlierRule::MeanDistance => "about 4.4 times the average distance from the median",
    };
    if outliers.count == 0 {
        return format!("{label} has no outliers: all of it lies within {span} ({rule}).");
    }
    let cells = outliers.cells.iter().map(|cell| format!("{} in {}", amount(cell.value, facts), cell.cell));
    let examples = listed(cells, "and");
    let more = outliers.count - outliers.cells.len();
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let counted = counted(outliers.count, "outlier");
    format!("{label} has {counted} outside of {span} ({rule}): {examples}{more}.")
}

fn correlations(findings: &Findings) -> String {
    if findings.correlations.is_empty() {
        return "No two columns of numbers are strongly correlated (|r| of 0.7 or more over at least 8 rows)."
            .to_owned();
    }
    let pairs = findings.correlations.iter().map(|pair| {
        let [one, other] = &pair.columns;
        format!("{} and {} (r = {:.2})", label_of(one, findings), label_of(other, findings), pair.r)
    });
    format!("These columns are correlated, which does not mean that one causes the other: {}.", listed(pairs, "and"))
}

fn duplicates(findings: &Findings) -> String {
    let repeated = &findings.duplicate_rows;
    match repeated.examples.first() {
        None => "No row repeats another one.".to_owned(),
        Some(first) => {
            let verb = if repeated.count == 1 { "repeats" } else { "repeat" };
            let rows = counted(repeated.count, "row");
            format!(
                "{rows} {verb} an earlier one entirely, such as row {}, which is the same as row {}.",
                first.row, first.same_as
            )
        }
    }
}

// ---- overview ----

fn overview(table: &Table, findings: &Findings) -> String {
    let facts = &findings.table;
    let range = facts.range.as_deref().unwrap_or("The range");
    let mut text = format!("{range}: {} by {}", counted(facts.rows, "row"), counted(facts.columns, "column"));
    match facts.header_row {
        Some(row) => {
            let named = table.columns.iter().filter(|column| column.name.is_some()).count();
            let _written = write!(
                text,
                ", with names in row {row}{}",
                if named < facts.columns { " for some columns" } else { "" }
            );
        }
        None => text.push_str(", without a header row"),
    }
    text.push('.');
    if facts.cut_off {
        let _written = write!(text, " There are more cells than I analyse; these are the first {}.", facts.cells);
    }
    text
}

/// Summary of a column in one sentence.
fn about(column: &ColumnReport) -> String {
    let label = label(column);
    let blanks = if column.blanks > 0 { format!(", {} empty", column.blanks) } else { String::new() };
    let figures = match (&column.number, &column.date, &column.boolean) {
        (Some(facts), _, _) => {
            let figure = |value: Option<f64>| figure_of(value, facts);
            format!(
                "sum {}, average {}, median {}, from {} to {}",
                figure(facts.sum),
                figure(facts.mean),
                figure(facts.median),
                amount(facts.min.value, facts),
                amount(facts.max.value, facts)
            )
        }
        (None, Some(facts), _) => format!("from {} to {}", facts.earliest, facts.latest),
        (None, None, Some(facts)) => format!("{} yes, {} no", facts.yes, facts.no),
        (None, None, None) => counted(column.distinct, "different value"),
    };
    let kind = match column.kind {
        ColumnKind::Number => "numbers",
        ColumnKind::Date => "dates",
        ColumnKind::Boolean => "yes or no",
        ColumnKind::Text => "texts",
        ColumnKind::Mixed => "values of different kinds",
        ColumnKind::Empty => "no values",
    };
    format!("{label}: {} {kind}{blanks}; {figures}.", column.count)
}

// ---- notable findings ----

fn standing_out(asked: &Asked, findings: &Findings) -> Vec<String> {
    let mut lines = Vec::new();
    let is_new = |topic: Topic| !asked.topics.contains(&topic);
    // columns that the question names have been described already
    if asked.is_open() {
        let numbers = findings.columns.iter().filter(|column| column.number.is_some());
        lines.extend(numbers.take(COLUMNS_NAMED_MAX).map(about));
    }
    for column in &findings.columns {
        let label = label(column);
        if let Some(facts) = &column.number {
            let telling = facts.trend.as_ref().filter(|trend| trend.r_squared >= TELLING_R_SQUARED);
            if let Some(trend) = telling.filter(|trend| is_new(Topic::Trend) && trend.count >= 5) {
                lines.push(trend_of(&label, trend, facts));
            }
            let far = facts.outliers.as_ref().filter(|outliers| outliers.count > 0);
            if let Some(outliers) = far.filter(|_| is_new(Topic::Outliers)) {
                lines.push(outliers_of(&label, outliers, facts));
            }
            if facts.mixed_units {
                lines.push(format!("{label} holds numbers {}; its figures ignore the units.", units_of(facts)));
            }
        }
        if column.date.as_ref().is_some_and(|date| date.gap_count > 0) && is_new(Topic::Gaps) {
            lines.extend(gaps_of(&label, column));
        }
        let is_holey = column.blanks * 100 >= findings.table.rows.max(1) * BLANKS_TOLD_PERCENT && column.blanks > 0;
        if is_holey && is_new(Topic::Blanks) {
            lines.push(format!("{label} is empty in {}.", counted(column.blanks, "row")));
        }
        if column.unreadable > 0 {
            let cells = counted(column.unreadable, "cell");
            lines.push(format!("{label} has {cells} of another kind, which its figures leave out."));
        }
        if column.date.as_ref().is_some_and(|date| date.slashes == Some(Slashes::MonthFirstAssumed)) {
            lines.push(format!("The dates of {label} may have the day or the month first; I assumed the month."));
        }
    }
    if !findings.correlations.is_empty() && is_new(Topic::Correlation) {
        lines.push(correlations(findings));
    }
    if findings.duplicate_rows.count > 0 && is_new(Topic::Duplicates) {
        lines.push(duplicates(findings));
    }
    let left = lines.len().saturating_sub(limits::FINDINGS_TOLD_MAX);
    if left > 0 {
        lines.truncate(limits::FINDINGS_TOLD_MAX);
        lines.push(format!("{} more in the findings.", counted(left, "remark")));
    }
    lines
}

// ---- formatting ----

pub(super) fn label(column: &ColumnReport) -> String {
    match &column.name {
        Some(name) => {
            let name: String = name.chars().take(limits::FINDING_TEXT_CHARS_MAX).collect();
            format!("\u{201c}{name}\u{201d} ({})", column.column)
        }
        None => format!("column {}", column.column),
    }
}

pub(super) fn label_of(letters: &str, findings: &Findings) -> String {
    let column = findings.columns.iter().find(|column| column.column == letters);
    column.map_or_else(|| format!("column {letters}"), label)
}

/// Qualifications that a sum must be read with.
fn reservations(column: &ColumnReport) -> String {
    let mut text = String::new();
    if column.unreadable > 0 {
        let _written = write!(text, ", ignoring {} without a number", counted(column.unreadable, "cell"));
    }
    if let Some(facts) = column.number.as_ref().filter(|facts| facts.mixed_units) {
        let _written = write!(text, ", although it adds up numbers {}", units_of(facts));
    }
    text
}

/// The different units of a column, as a phrase.
fn units_of(facts: &NumberFacts) -> String {
    match facts.units.as_slice() {
        [only] => format!("with {only} and without a unit"),
        several => format!("with {}", listed(several.iter().map(char::to_string), "and")),
    }
}

pub(super) fn counted(count: usize, noun: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{} {noun}{plural}", show(count as f64))
}

pub(super) fn listed(items: impl Iterator<Item = String>, joint: &str) -> String {
    let mut items: Vec<String> = items.collect();
    match (items.pop(), items.is_empty()) {
        (Some(last), true) => last,
        (Some(last), false) => format!("{} {joint} {last}", items.join(", ")),
        (None, _) => String::new(),
    }
}

/// Formats a number with the unit of its column.
pub(super) fn amount(value: f64, facts: &NumberFacts) -> String {
    match facts.unit {
        Some('%') => format!("{} %", show(value)),
        Some(sign) if value < 0.0 => format!("-{sign}{}", show(-value)),
        Some(sign) => format!("{sign}{}", show(value)),
        None => show(value),
    }
}

/// Formats a figure that may be too large for a number.
pub(super) fn figure_of(value: Option<f64>, facts: &NumberFacts) -> String {
    value.map_or_else(|| "too large to compute".to_owned(), |value| amount(value, facts))
}

fn percent(share: f64) -> String {
    format!("{:.0} %", share * 100.0)
}

/// Formats a number for people: at most four decimals, with thousands separators; very large and very small ones with
/// an exponent.
pub(super) fn show(value: f64) -> String {
    let size = value.abs();
    if size != 0.0 && !(1e-4..1e15).contains(&size) {
        return format!("{value:.4e}");
    }
    let decimals = if size >= 1_000.0 { 2 } else { 4 };
    let text = format!("{value:.decimals$}");
    let (whole, fraction) = text.split_once('.').unwrap_or((&text, ""));
    let (sign, digits) = whole.strip_prefix('-').map_or(("", whole), |digits| ("-", digits));
    let mut out = String::with_capacity(text.len() + 6);
    out.push_str(sign);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    let fraction = fraction.trim_end_matches('0');
    if !fraction.is_empty() {
        out.push('.');
        out.push_str(fraction);
    }
    if out == "-0" { "0".to_owned() } else { out }
}
