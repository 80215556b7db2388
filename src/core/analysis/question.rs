//! Parses a question: the figures and columns that it names, and requests that arithmetic cannot answer. The result
//! only decides which findings are reported first; it must never change a figure.

use std::borrow::Cow;

use super::{phrases, table::Table};

/// A figure that a question may ask for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Topic {
    Sum,
    Mean,
    Median,
    Max,
    Min,
    Count,
    Distinct,
    Deviation,
    Trend,
    Outliers,
    Correlation,
    Duplicates,
    Gaps,
    Blanks,
    Overview,
}

impl Topic {
    /// The name used in the findings.
    pub fn name(self) -> &'static str {
        match self {
            Topic::Sum => "sum",
            Topic::Mean => "mean",
            Topic::Median => "median",
            Topic::Max => "max",
            Topic::Min => "min",
            Topic::Count => "count",
            Topic::Distinct => "distinct",
            Topic::Deviation => "standard_deviation",
            Topic::Trend => "trend",
            Topic::Outliers => "outliers",
            Topic::Correlation => "correlation",
            Topic::Duplicates => "duplicates",
            Topic::Gaps => "gaps",
            Topic::Blanks => "blanks",
            Topic::Overview => "overview",
        }
    }

    /// Whether it is the figure of a column, which a question may name.
    pub fn has_object(self) -> bool {
        !matches!(self, Topic::Count | Topic::Correlation | Topic::Duplicates | Topic::Overview)
    }

    /// Whether it can be computed for groups of rows.
    pub fn is_of_groups(self) -> bool {
        matches!(self, Topic::Sum | Topic::Mean | Topic::Median | Topic::Max | Topic::Min | Topic::Count)
    }

    /// The figure that a word asks for.
    pub fn of(word: &str) -> Option<Topic> {
        Some(match word {
            "sum" | "sums" | "total" | "totals" | "altogether" => Topic::Sum,
            "average" | "averages" | "mean" | "means" | "avg" => Topic::Mean,
            "median" | "medians" => Topic::Median,
            "max" | "maximum" | "highest" | "largest" | "biggest" | "greatest" | "top" | "best" | "latest" => {
                Topic::Max
            }
            "min" | "minimum" | "lowest" | "smallest" | "least" | "worst" | "earliest" => Topic::Min,
            "count" | "many" | "rows" => Topic::Count,
            "distinct" | "unique" | "different" | "categories" | "frequent" | "common" => Topic::Distinct,
            "deviation" | "variance" | "spread" | "stdev" | "stddev" | "variability" => Topic::Deviation,
            "trend" | "trends" | "growth" | "growing" | "rising" | "falling" | "increase" | "increasing"
            | "decrease" | "decreasing" | "decline" | "change" | "changed" => Topic::Trend,
            "outlier" | "outliers" | "anomaly" | "anomalies" | "unusual" | "odd" | "suspicious" => Topic::Outliers,
            "correlation" | "correlations" | "correlated" | "correlate" | "relationship" | "related" => {
                Topic::Correlation
            }
            "duplicate" | "duplicates" | "duplicated" | "repeated" | "twice" => Topic::Duplicates,
            "gap" | "gaps" => Topic::Gaps,
            "blank" | "blanks" | "empty" | "missing" | "incomplete" => Topic::Blanks,
            "overview" | "summary" | "summarize" | "summarise" | "analyze" | "analyse" | "analysis" | "insight"
            | "insights" | "describe" => Topic::Overview,
            _ => return None,
        })
    }
}

/// What a question asks for.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Asked {
    /// In the order of the question, without duplicates.
    pub topics: Vec<Topic>,
    /// Indices of the columns that the question names.
    pub columns: Vec<usize>,
    /// Index of the column whose values group the rows.
    pub by: Option<usize>,
    /// Index of the column whose values name the rows with the extreme numbers.
    pub which: Option<usize>,
    /// Names that no column has, such as `column “Cost”`.
    pub unknown: Vec<String>,
    /// Requests that the analyst cannot answer.
    pub impossible: Vec<Cow<'static, str>>,
}

impl Asked {
    /// Whether the question names neither a figure nor a column.
    pub fn is_open(&self) -> bool {
        self.names_no_figure() && self.columns.is_empty() && self.by.is_none() && self.unknown.is_empty()
    }

    /// Whether the only columns that it names do not exist.
    pub fn is_about_nothing(&self) -> bool {
        self.columns.is_empty() && !self.unknown.is_empty()
    }

    /// Whether the question names no specific figure.
    pub fn names_no_figure(&self) -> bool {
        self.topics.iter().all(|topic| *topic == Topic::Overview)
    }
}

/// Recognises requests that arithmetic over cells cannot answer.
fn beyond(word: &str) -> Option<&'static str> {
    Some(match word {
        "forecast" | "forecasts" | "predict" | "prediction" | "predictions" | "project" | "future" => "forecast",
        "why" | "cause" | "causes" | "reason" | "reasons" | "explain" => "say why something is so",
        "chart" | "charts" | "plot" | "graph" | "draw" | "diagram" | "visualize" | "visualise" => "draw charts",
        "formula" | "formulas" | "formulae" => "write or evaluate formulas",
        "pivot" | "filter" | "filtered" | "where" => "filter or pivot rows",
        "translate" | "rewrite" | "write" | "draft" | "email" => "write texts",
        _ => return None,
    })
}

/// Parses a question.
pub(super) fn read(query: &str, table: &Table) -> Asked {
    let phrases::Phrases { columns, by, which, unknown } = phrases::read(query, table);
    let mut asked = Asked { columns, by, which, unknown, ..Asked::default() };
    let query = query.to_lowercase();
    for word in query.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty()) {
        if let Some(topic) = Topic::of(word)
            && !asked.topics.contains(&topic)
        {
            asked.topics.push(topic);
        }
        let grouping = ["group", "grouped"].contains(&word) && asked.by.is_none();
        let what = if grouping { Some("group rows without the name of a column") } else { beyond(word) };
        if let Some(what) = what
            && !asked.impossible.iter().any(|known| *known == what)
        {
            asked.impossible.push(what.into());
        }
    }
    if asked.by.is_some() {
        let not_of_groups = asked.topics.iter().filter(|topic| topic.has_object() && !topic.is_of_groups());
        let names =
            not_of_groups.map(|topic| format!("compute the {} of groups", topic.name().replace('_', " ")).into());
        asked.impossible.extend(names);
    }
    asked
}
