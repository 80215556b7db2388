//! The findings as data (docs/workspace.md, "The analyst's findings"). The names of fields are a promise to clients:
//! they are added, never changed. Every number is finite.

use std::sync::Arc;

use serde::Serialize;

use super::{Extent, question::Asked, table::Table};

/// All that was found.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Findings {
    /// What was looked at.
    pub table: TableFacts,
    /// How the question was understood.
    pub question: QuestionFacts,
    /// Column by column.
    pub columns: Vec<ColumnReport>,
    /// Columns beyond those.
    pub columns_left_out: usize,
    /// Columns of numbers that go together, the strongest first.
    pub correlations: Vec<Correlation>,
    /// Rows that are there more than once.
    pub duplicate_rows: DuplicateRows,
}

/// What was looked at.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct TableFacts {
    /// From the first to the last cell in use; absent when none is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub range: Option<String>,
    /// Rows in use, without the header.
    pub rows: usize,
    /// Columns in use.
    pub columns: usize,
    /// The row, from 1, that names the columns.
    pub header_row: Option<u32>,
    /// Cells that are not empty.
    pub cells: usize,
    /// Whether there are more cells than were looked at.
    pub cut_off: bool,
}

/// How the question was understood.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct QuestionFacts {
    /// What it asks for, by name.
    pub topics: Vec<&'static str>,
    /// Letters of the columns that it names.
    pub columns: Vec<String>,
    /// What it asks for that the analyst can't do.
    pub not_possible: Vec<&'static str>,
}

/// What most cells of a column are.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ColumnKind {
    /// Numbers.
    Number,
    /// Dates.
    Date,
    /// Yes and no.
    Boolean,
    /// Texts.
    Text,
    /// No kind has four fifths.
    Mixed,
    /// Nothing below the name.
    Empty,
}

/// A column.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct ColumnReport {
    /// Its letters.
    pub column: String,
    /// As the header names it.
    pub name: Option<Arc<str>>,
    /// What it holds.
    pub kind: ColumnKind,
    /// Cells that are not empty.
    pub count: usize,
    /// Rows in use where it is empty.
    pub blanks: usize,
    /// Different values.
    pub distinct: usize,
    /// Cells that are not of the column's kind, or no numbers in a mixed one that is mostly numbers: in none of its figures.
    pub unreadable: usize,
    /// Figures of numbers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub number: Option<NumberFacts>,
    /// Figures of dates.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub date: Option<DateFacts>,
    /// How many are yes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub boolean: Option<BooleanFacts>,
    /// The most frequent texts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<TextFacts>,
}

impl ColumnReport {
    /// Cells that its figures are of.
    pub(super) fn readable(&self) -> usize {
        self.count - self.unreadable
    }
}

/// A number and where it is.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Located {
    /// The first cell with it.
    pub cell: String,
    /// The number.
    pub value: f64,
}

/// Figures of a column of numbers.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct NumberFacts {
    /// `%` or a currency's sign, if all numbers have the same.
    pub unit: Option<char>,
    /// Whether numbers of different units stand together.
    pub mixed_units: bool,
    /// All of those signs, in the order in which they come.
    pub units: Vec<char>,
    /// All together.
    pub sum: Option<f64>,
    /// The arithmetic mean.
    pub mean: Option<f64>,
    /// The middle one.
    pub median: Option<f64>,
    /// A quarter of the numbers is below this.
    pub lower_quartile: Option<f64>,
    /// A quarter of the numbers is above this.
    pub upper_quartile: Option<f64>,
    /// The smallest.
    pub min: Located,
    /// The largest.
    pub max: Located,
    /// Of the sample.
    pub standard_deviation: Option<f64>,
    /// Numbers far from the others; absent of too few numbers.
    pub outliers: Option<Outliers>,
    /// The straight line through them.
    pub trend: Option<Trend>,
}

/// Numbers far from the others.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Outliers {
    /// By which rule.
    pub rule: OutlierRule,
    /// Below this is far.
    pub low: f64,
    /// Above this is far.
    pub high: f64,
    /// How many.
    pub count: usize,
    /// The furthest.
    pub cells: Vec<Located>,
}

/// What is far.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub enum OutlierRule {
    /// One and a half times the middle half's width beyond it.
    #[serde(rename = "tukey_1.5_iqr")]
    Tukey,
    /// So many mean distances from the middle half, where that is one number.
    #[serde(rename = "mean_absolute_deviation_3.5")]
    MeanDistance,
}

/// What a trend goes by.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Per {
    /// Row by row.
    Row,
    /// By a column of dates.
    Day,
}

/// How dates such as 3/4/2024 were read.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Slashes {
    /// The column says so.
    MonthFirst,
    /// The column says so.
    DayFirst,
    /// Nothing says it.
    MonthFirstAssumed,
}

/// A straight line through a column.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Trend {
    /// What it goes by.
    pub per: Per,
    /// Letters of the column with the days.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub of: Option<String>,
    /// By how much it rises per row or day.
    pub slope: f64,
    /// How much of the variance it explains: 0 to 1.
    pub r_squared: f64,
    /// Through how many points.
    pub count: u64,
}

/// Figures of a column of dates.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct DateFacts {
    /// The first.
    pub earliest: String,
    /// The last.
    pub latest: String,
    /// From the first to the last.
    pub span_days: f64,
    /// What mostly lies between neighbours.
    pub usual_step_days: Option<f64>,
    /// How many times it is more than one and a half of that.
    pub gap_count: usize,
    /// The longest.
    pub gaps: Vec<Gap>,
    /// How dates with slashes were read, if there are any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slashes: Option<Slashes>,
}

/// Days without a date.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Gap {
    /// The date before.
    pub from: String,
    /// The date after.
    pub to: String,
    /// Between them.
    pub days: f64,
}

/// How many are yes.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct BooleanFacts {
    /// Yes.
    #[serde(rename = "true")]
    pub yes: usize,
    /// No.
    #[serde(rename = "false")]
    pub no: usize,
}

/// The most frequent texts.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct TextFacts {
    /// The most frequent first.
    pub top: Vec<Frequent>,
}

/// A text and how often it is there.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Frequent {
    /// The text, a long one cut.
    pub value: String,
    /// How often.
    pub count: usize,
}

/// Two columns of numbers that go together.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Correlation {
    /// Their letters.
    pub columns: [String; 2],
    /// Pearson's coefficient: -1 to 1.
    pub r: f64,
    /// Rows in which both have a number.
    pub count: u64,
}

/// Rows that are there more than once.
#[derive(Clone, Default, PartialEq, Debug, Serialize)]
pub struct DuplicateRows {
    /// How many rows repeat an earlier one.
    pub count: usize,
    /// The first of them.
    pub examples: Vec<DuplicateRow>,
}

/// A row that repeats an earlier one; numbers from 1.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub struct DuplicateRow {
    /// The later.
    pub row: u32,
    /// The earlier.
    pub same_as: u32,
}

impl Findings {
    /// Nothing found yet.
    pub(super) fn new(table: &Table, extent: Extent, asked: &Asked) -> Findings {
        let letters = |column: &usize| table.columns.get(*column).map(|column| column.letters());
        Findings {
            table: TableFacts {
                range: table.corners.map(|(first, last)| format!("{first}:{last}")),
                rows: table.rows.len(),
                columns: table.columns.len(),
                header_row: table.header.map(|row| row + 1),
                cells: table.cells,
                cut_off: extent == Extent::CutOff,
            },
            question: QuestionFacts {
                topics: asked.topics.iter().map(|topic| topic.name()).collect(),
                columns: asked.columns.iter().filter_map(letters).collect(),
                not_possible: asked.impossible.clone(),
            },
            columns: Vec::new(),
            columns_left_out: 0,
            correlations: Vec::new(),
            duplicate_rows: DuplicateRows::default(),
        }
    }
}
