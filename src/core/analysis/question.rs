//! Parses a question: the figures and columns that it names, and requests that arithmetic cannot answer. The result
//! only decides which findings are reported first; it must never change a figure.

use super::table::Table;

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

    fn of(word: &str) -> Option<Topic> {
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
    /// Requests that the analyst cannot answer.
    pub impossible: Vec<&'static str>,
}

impl Asked {
    /// Whether the question names neither a figure nor a column.
    pub fn is_open(&self) -> bool {
        self.names_no_figure() && self.columns.is_empty()
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
        "group" | "grouped" | "pivot" | "filter" | "filtered" | "where" => "group or filter rows",
        "translate" | "rewrite" | "write" | "draft" | "email" => "write texts",
        _ => return None,
    })
}

/// Parses a question.
pub(super) fn read(query: &str, table: &Table) -> Asked {
    let query = query.to_lowercase();
    let words: Vec<&str> = words_of(&query).collect();
    let mut asked = Asked::default();
    for (place, column) in table.columns.iter().enumerate() {
        let letters = column.letters().to_lowercase();
        let by_letter = words.windows(2).any(|pair| matches!(pair, ["column" | "col", letter] if *letter == letters));
        let by_name = column.name.as_deref().is_some_and(|name| names(&words, &name.to_lowercase()));
        if by_letter || by_name {
            asked.columns.push(place);
        }
    }
    for word in words {
        if let Some(topic) = Topic::of(word)
            && !asked.topics.contains(&topic)
        {
            asked.topics.push(topic);
        }
        if let Some(what) = beyond(word)
            && !asked.impossible.contains(&what)
        {
            asked.impossible.push(what);
        }
    }
    asked
}

fn words_of(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty())
}

/// Whether the words contain the name as a sequence.
fn names(words: &[&str], name: &str) -> bool {
    let name: Vec<&str> = words_of(name).collect();
    let same = |word: &str, part: &str| {
        word == part || word.strip_suffix('s') == Some(part) || part.strip_suffix('s') == Some(word)
    };
    !name.is_empty()
        && words.windows(name.len()).any(|window| window.iter().zip(&name).all(|(word, part)| same(word, part)))
}
