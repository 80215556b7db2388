//! The sentences about groups of rows and about the rows with the extreme numbers. Like `words`, it must never compute a figure of
//! its own.

use super::{
    question::{Asked, Topic},
    report::{Extreme, Findings, Group, GroupFigures, Groups, NamedRow, NumberFacts},
    words::{amount, counted, figure_of, label, label_of, listed},
};
use crate::limits;

/// The answers for all figures that the question asks for by group.
pub(super) fn answers(groups: &Groups, asked: &Asked, findings: &Findings) -> Vec<String> {
    let by = label_of(&groups.by, findings);
    let mut lines = Vec::new();
    let wanted = asked.topics.iter().copied().filter(|topic| topic.is_of_groups());
    let mut wanted: Vec<Topic> = wanted.collect();
    if wanted.is_empty() && asked.names_no_figure() {
        wanted = vec![Topic::Count, Topic::Sum, Topic::Mean];
    }
    for topic in wanted {
        if topic == Topic::Count {
            let rows = groups.groups.iter().map(|group| format!("{} {}", group.value, group.rows));
            lines.push(format!("Rows by {by}: {}.", shown(rows, groups)));
            continue;
        }
        let columns = groups.groups.iter().flat_map(|group| group.figures.iter().map(|figures| &figures.column));
        let mut columns: Vec<&String> = columns.collect();
        columns.sort_by_key(|letters| (letters.len(), *letters));
        columns.dedup();
        if columns.is_empty() && asked.topics.contains(&topic) {
            lines.push(format!("There are no numbers to compute the {} of by {by}.", topic.name()));
        }
        lines.extend(columns.into_iter().filter_map(|letters| one_figure(topic, letters, &by, groups, findings)));
    }
    if groups.rows_without > 0 && !lines.is_empty() {
        lines.push(format!("Rows without a value in {by} are left out: {}.", groups.rows_without));
    }
    lines
}

fn one_figure(topic: Topic, letters: &str, by: &str, groups: &Groups, findings: &Findings) -> Option<String> {
    let column = findings.columns.iter().find(|column| column.column == letters)?;
    let facts = column.number.as_ref()?;
    let name = match topic {
        Topic::Sum => "sum",
        Topic::Mean => "average",
        Topic::Median => "median",
        Topic::Max => "highest value",
        Topic::Min => "lowest value",
        Topic::Count
        | Topic::Distinct
        | Topic::Deviation
        | Topic::Trend
        | Topic::Outliers
        | Topic::Correlation
        | Topic::Duplicates
        | Topic::Gaps
        | Topic::Blanks
        | Topic::Overview => return None,
    };
    let each = groups.groups.iter().filter_map(|group| {
        let figures = figures_in(group, letters)?;
        Some(format!("{} {}", group.value, value(topic, figures, facts)))
    });
    Some(format!("The {name} of {} by {by}: {}.", label(column), shown(each, groups)))
}

fn figures_in<'a>(group: &'a Group, letters: &str) -> Option<&'a GroupFigures> {
    group.figures.iter().find(|figures| figures.column == letters)
}

fn value(topic: Topic, figures: &GroupFigures, facts: &NumberFacts) -> String {
    match topic {
        Topic::Mean => figure_of(figures.mean, facts),
        Topic::Median => figure_of(figures.median, facts),
        Topic::Max => amount(figures.max, facts),
        Topic::Min => amount(figures.min, facts),
        Topic::Sum
        | Topic::Count
        | Topic::Distinct
        | Topic::Deviation
        | Topic::Trend
        | Topic::Outliers
        | Topic::Correlation
        | Topic::Duplicates
        | Topic::Gaps
        | Topic::Blanks
        | Topic::Overview => figure_of(figures.sum, facts),
    }
}

/// The first groups, and how many more there are.
fn shown(each: impl Iterator<Item = String>, groups: &Groups) -> String {
    let mut told: Vec<String> = each.take(limits::GROUPS_TOLD_MAX).collect();
    let left = groups.count.saturating_sub(told.len());
    if left > 0 {
        told.push(format!("{} more in the findings", counted(left, "group")));
    }
    listed(told.into_iter(), "and")
}

/// The answers to "which … has the highest"; empty if the question does not ask that.
pub(super) fn which(topic: Topic, asked: &Asked, findings: &Findings) -> Vec<String> {
    let extreme = match topic {
        Topic::Max if asked.which.is_some() => Extreme::Max,
        Topic::Min if asked.which.is_some() => Extreme::Min,
        _other => return Vec::new(),
    };
    let rows = findings.named_rows.iter().filter(|row| row.extreme == extreme);
    rows.flat_map(|row| [named_row(row, findings), added_up(row, findings)]).flatten().collect()
}

fn named_row(row: &NamedRow, findings: &Findings) -> Option<String> {
    let column = findings.columns.iter().find(|column| column.column == row.column)?;
    let facts = column.number.as_ref()?;
    let (word, number) = match row.extreme {
        Extreme::Max => ("highest", facts.max.value),
        Extreme::Min => ("lowest", facts.min.value),
    };
    let by = label_of(&row.by, findings);
    let named = match &row.label {
        Some(label) => format!("{by} is {label}"),
        None => format!("{by} is empty"),
    };
    let also = if row.also > 0 { format!(", and in {}", counted(row.also, "other cell")) } else { String::new() };
    Some(format!("The {word} {} is {} in {}, where {named}{also}.", label(column), amount(number, facts), row.cell))
}

/// Which group has the most or the least together, if several rows have the same label.
fn added_up(row: &NamedRow, findings: &Findings) -> Option<String> {
    let groups = findings.groups.as_ref().filter(|groups| groups.by == row.by)?;
    // The smallest sums are cut off first.
    if row.extreme == Extreme::Min && groups.count > groups.groups.len() {
        return None;
    }
    let column = findings.columns.iter().find(|column| column.column == row.column)?;
    let sums = groups.groups.iter().filter_map(|group| Some((group, figures_in(group, &row.column)?.sum?)));
    let (word, (group, sum)) = match row.extreme {
        Extreme::Max => ("highest", sums.max_by(|one, other| one.1.total_cmp(&other.1))?),
        Extreme::Min => ("lowest", sums.min_by(|one, other| one.1.total_cmp(&other.1))?),
    };
    let by = label_of(&groups.by, findings);
    let sum = amount(sum, column.number.as_ref()?);
    Some(format!("Added up by {by}, {} has the {word} {}: {sum}.", group.value, label(column)))
}
