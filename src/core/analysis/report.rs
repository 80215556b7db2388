//! The findings as data (docs/workspace.md, "The analyst's findings"). Clients depend on the field names: fields may be
//! added but must never be renamed or removed. Every number is finite.

use std::{borrow::Cow, sync::Arc};

use serde::Serialize;

use super::{Extent, question::Asked, table::Table};

/// All findings of an analysis.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Findings {
    /// The table that was analysed.
    pub table: TableFacts,
    /// How the question was interpreted.
    pub question: QuestionFacts,
    /// The columns, in the order of the sheet.
    pub columns: Vec<ColumnReport>,
    /// The number of columns that were not analysed.
    pub columns_left_out: usize,
    /// Correlated columns of numbers, the strongest first.
    pub correlations: Vec<Correlation>,
    /// Rows that occur more than once.
    pub duplicate_rows: DuplicateRows,
    /// Figures of groups of rows, if the question asks for groups.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub groups: Option<Groups>,
    /// Rows with the extreme numbers, if the question asks which they are.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub named_rows: Vec<NamedRow>,
}

/// Groups of rows that have the same value in a column.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Groups {
    /// Letters of that column.
    pub by: String,
    /// The number of groups.
    pub count: usize,
    /// Rows in use in which that column is empty.
    pub rows_without: usize,
    /// The groups, those with the largest sum of the first column first; limited in number.
    pub groups: Vec<Group>,
}

/// A group of rows.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Group {
    /// Their value, truncated if long.
    pub value: Arc<str>,
    /// The number of rows.
    pub rows: usize,
    /// Figures of the columns of numbers that the question names, or of the first ones.
    pub figures: Vec<GroupFigures>,
}

/// Figures of a column of numbers within a group.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct GroupFigures {
    /// Letters of the column.
    pub column: String,
    /// How many numbers it has there.
    pub count: usize,
    /// The sum.
    pub sum: Option<f64>,
    /// The arithmetic mean.
    pub mean: Option<f64>,
    /// The median.
    pub median: Option<f64>,
    /// The smallest.
    pub min: f64,
    /// The largest.
    pub max: f64,
}

/// An end of the range of a column's numbers.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Extreme {
    /// The largest.
    Max,
    /// The smallest.
    Min,
}

/// The row with an extreme number.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct NamedRow {
    /// Which number.
    pub extreme: Extreme,
    /// Letters of the column of numbers.
    pub column: String,
    /// The first cell with the number.
    pub cell: String,
    /// Letters of the column that names the row.
    pub by: String,
    /// Its value in that row, truncated if long; null if the cell is empty.
    pub label: Option<Arc<str>>,
    /// How many other cells have the same number.
    pub also: usize,
}

/// The table that was analysed.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct TableFacts {
    /// From the first to the last cell in use; absent if there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub range: Option<String>,
    /// Rows in use, without the header.
    pub rows: usize,
    /// Columns in use.
    pub columns: usize,
    /// The row that names the columns, counted from 1.
    pub header_row: Option<u32>,
    /// Cells that are not empty.
    pub cells: usize,
    /// Whether the range holds more cells than were analysed.
    pub cut_off: bool,
}

/// How the question was interpreted.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct QuestionFacts {
    /// Names of the figures that it asks for.
    pub topics: Vec<&'static str>,
    /// Letters of the columns that it names.
    pub columns: Vec<String>,
    /// Letters of the column by which it groups the rows.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// Letters of the column whose values name the rows that it asks for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub which: Option<String>,
    /// Requests that the analyst cannot answer.
    pub not_possible: Vec<Cow<'static, str>>,
}

/// The kind of most cells of a column.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ColumnKind {
    /// Numbers.
    Number,
    /// Dates.
    Date,
    /// Booleans.
    Boolean,
    /// Texts.
    Text,
    /// No kind has at least four fifths of the cells.
    Mixed,
    /// The column has no cells below its name.
    Empty,
}

/// A column.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct ColumnReport {
    /// Its letters.
    pub column: String,
    /// Its name in the header row.
    pub name: Option<Arc<str>>,
    /// The kind of most of its cells.
    pub kind: ColumnKind,
    /// Cells that are not empty.
    pub count: usize,
    /// Rows in use in which it is empty.
    pub blanks: usize,
    /// Number of different values.
    pub distinct: usize,
    /// Cells that enter no figure: those that do not have the column's kind, or in a mixed column of mostly numbers
    /// those that are not numbers.
    pub unreadable: usize,
    /// Figures of a column of numbers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub number: Option<NumberFacts>,
    /// Figures of a column of dates.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub date: Option<DateFacts>,
    /// Figures of a column of booleans.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub boolean: Option<BooleanFacts>,
    /// Figures of a column of texts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<TextFacts>,
}

impl ColumnReport {
    /// The number of cells that enter the figures.
    pub(super) fn readable(&self) -> usize {
        self.count - self.unreadable
    }
}

/// A number and its cell.
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
    /// `%` or a currency sign, if all numbers have the same one.
    pub unit: Option<char>,
    /// Whether the column holds numbers of different units.
    pub mixed_units: bool,
    /// All unit signs, in the order of their first use.
    pub units: Vec<char>,
    /// The sum.
    pub sum: Option<f64>,
    /// The arithmetic mean.
    pub mean: Option<f64>,
    /// The median.
    pub median: Option<f64>,
    /// The first quartile.
    pub lower_quartile: Option<f64>,
    /// The third quartile.
    pub upper_quartile: Option<f64>,
    /// The smallest.
    pub min: Located,
    /// The largest.
    pub max: Located,
    /// The sample standard deviation.
    pub standard_deviation: Option<f64>,
    /// Numbers far from the others; absent if there are too few numbers.
    pub outliers: Option<Outliers>,
    /// A straight line fitted to the numbers.
    pub trend: Option<Trend>,
}

/// Numbers far from the others.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Outliers {
    /// The rule that was applied.
    pub rule: OutlierRule,
    /// Numbers below this are outliers.
    pub low: f64,
    /// Numbers above this are outliers.
    pub high: f64,
    /// The number of outliers.
    pub count: usize,
    /// The most distant ones.
    pub cells: Vec<Located>,
}

/// The rule that decides what is an outlier.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub enum OutlierRule {
    /// More than 1.5 times the interquartile range outside the quartiles.
    #[serde(rename = "tukey_1.5_iqr")]
    Tukey,
    /// More than 3.5 mean absolute deviations, scaled to a standard deviation, from the quartiles; used if both are
    /// equal.
    #[serde(rename = "mean_absolute_deviation_3.5")]
    MeanDistance,
}

/// The independent variable of a trend.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Per {
    /// The row number.
    Row,
    /// A column of dates.
    Day,
}

/// How dates such as 3/4/2024 were interpreted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Slashes {
    /// Month first, as other dates of the column show.
    MonthFirst,
    /// Day first, as other dates of the column show.
    DayFirst,
    /// Month first, by assumption.
    MonthFirstAssumed,
}

/// A straight line fitted to a column.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Trend {
    /// The independent variable.
    pub per: Per,
    /// Letters of the date column, if it is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub of: Option<String>,
    /// The rise per row or day.
    pub slope: f64,
    /// The share of the variance that the line explains: 0 to 1.
    pub r_squared: f64,
    /// The number of points.
    pub count: u64,
}

/// Figures of a column of dates.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct DateFacts {
    /// The first date.
    pub earliest: String,
    /// The last date.
    pub latest: String,
    /// Days between the first and the last.
    pub span_days: f64,
    /// The median number of days between consecutive dates.
    pub usual_step_days: Option<f64>,
    /// The number of steps longer than 1.5 times the usual one.
    pub gap_count: usize,
    /// The longest gaps.
    pub gaps: Vec<Gap>,
    /// How dates with slashes were interpreted, if there are any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slashes: Option<Slashes>,
}

/// A period without dates.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Gap {
    /// The date before the gap.
    pub from: String,
    /// The date after the gap.
    pub to: String,
    /// Days between the two.
    pub days: f64,
}

/// Figures of a column of booleans.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct BooleanFacts {
    /// Number of true values.
    #[serde(rename = "true")]
    pub yes: usize,
    /// Number of false values.
    #[serde(rename = "false")]
    pub no: usize,
}

/// Figures of a column of texts.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct TextFacts {
    /// Repeated texts, the most frequent first.
    pub top: Vec<Frequent>,
}

/// A text and the number of its occurrences.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Frequent {
    /// The text, truncated if long.
    pub value: String,
    /// The number of occurrences.
    pub count: usize,
}

/// Two correlated columns of numbers.
#[derive(Clone, PartialEq, Debug, Serialize)]
pub struct Correlation {
    /// Their letters.
    pub columns: [String; 2],
    /// Pearson's coefficient: -1 to 1.
    pub r: f64,
    /// Rows in which both have a number.
    pub count: u64,
}

/// Rows that occur more than once.
#[derive(Clone, Default, PartialEq, Debug, Serialize)]
pub struct DuplicateRows {
    /// How many rows repeat an earlier one.
    pub count: usize,
    /// The first of these.
    pub examples: Vec<DuplicateRow>,
}

/// A row that repeats an earlier one. Row numbers count from 1.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub struct DuplicateRow {
    /// The later row.
    pub row: u32,
    /// The earlier row.
    pub same_as: u32,
}

impl Findings {
    /// Findings before the first step.
    pub(super) fn new(table: &Table, extent: Extent, asked: &Asked) -> Findings {
        let letters = |column: &usize| table.columns.get(*column).map(|column| column.letters());
        let unknown = asked.unknown.iter().map(|name| format!("find a {name}").into());
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
                by: asked.by.as_ref().and_then(letters),
                which: asked.which.as_ref().and_then(letters),
                not_possible: asked.impossible.iter().cloned().chain(unknown).collect(),
            },
            columns: Vec::new(),
            columns_left_out: 0,
            correlations: Vec::new(),
            duplicate_rows: DuplicateRows::default(),
            groups: None,
            named_rows: Vec::new(),
        }
    }
}
