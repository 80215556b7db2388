//! Tables: one row per server, the median of its repetitions in each column, and ratios to one of the rows.

use std::collections::BTreeMap;

/// A column. Its heading includes the unit.
pub struct Column {
    pub heading: &'static str,
    pub decimals: usize,
}

pub struct Table {
    title: String,
    columns: Vec<Column>,
    /// In the order of first appearance.
    names: Vec<String>,
    values: BTreeMap<String, Vec<Vec<f64>>>,
    /// The column by which rows are compared, and the row that counts as 1.
    ratio: Option<(usize, String)>,
}

impl Table {
    pub fn new(title: impl Into<String>, columns: Vec<Column>) -> Self {
        Table { title: title.into(), columns, names: Vec::new(), values: BTreeMap::new(), ratio: None }
    }

    /// Adds a column with the ratio of each row's `column` to that of the row `base`.
    pub fn compared_by(mut self, column: usize, base: impl Into<String>) -> Self {
        self.ratio = Some((column, base.into()));
        self
    }

    /// Adds one repetition of a row, and prints it at once, so that a long run can be watched.
    pub fn add(&mut self, name: &str, values: Vec<f64>) {
        let shown: Vec<String> = self.columns.iter().zip(&values).map(|(column, value)| column.show(*value)).collect();
        eprintln!("  {name}: {}", shown.join(", "));
        if !self.values.contains_key(name) {
            self.names.push(name.to_owned());
        }
        self.values.entry(name.to_owned()).or_default().push(values);
    }

    /// The median of a row's repetitions so far. NaN without any.
    pub fn median(&self, name: &str, column: usize) -> f64 {
        median(&self.sorted(name, column))
    }

    pub fn print(&self) {
        println!("\n### {}\n", self.title);
        let reps = self.values.values().map(Vec::len).max().unwrap_or_default();
        println!(
            "{} median{} of {reps}; lowest to highest in parentheses\n",
            load_line(),
            if reps == 1 { "" } else { "s" }
        );
        let mut headings: Vec<String> = self.columns.iter().map(|column| column.heading.to_owned()).collect();
        if let Some((column, base)) = &self.ratio {
            headings.push(format!("{} / {base}", self.columns[*column].heading));
        }
        println!("| server | {} |", headings.join(" | "));
        println!("|---|{}", "---|".repeat(headings.len()));
        for name in &self.names {
            println!("| {name} | {} |", self.cells(name).join(" | "));
        }
        println!();
    }

    fn cells(&self, name: &str) -> Vec<String> {
        let mut cells: Vec<String> = (0..self.columns.len())
            .map(|index| {
                let column = &self.columns[index];
                let sorted = self.sorted(name, index);
                match (sorted.first(), sorted.last()) {
                    (Some(low), Some(high)) if sorted.len() > 1 => {
                        format!("{} ({}–{})", column.show(median(&sorted)), column.show(*low), column.show(*high))
                    }
                    _ => column.show(median(&sorted)),
                }
            })
            .collect();
        if let Some((column, base)) = &self.ratio {
            let base = median(&self.sorted(base, *column));
            let own = median(&self.sorted(name, *column));
            cells.push(if base > 0.0 { format!("{:.2}", own / base) } else { "–".to_owned() });
        }
        cells
    }

    fn sorted(&self, name: &str, column: usize) -> Vec<f64> {
        let mut values: Vec<f64> = self.values.get(name).into_iter().flatten().map(|row| row[column]).collect();
        values.sort_by(f64::total_cmp);
        values
    }
}

impl Column {
    pub fn new(heading: &'static str, decimals: usize) -> Self {
        Column { heading, decimals }
    }

    fn show(&self, value: f64) -> String {
        if value.is_nan() { "–".to_owned() } else { format!("{value:.*}", self.decimals) }
    }
}

fn median(sorted: &[f64]) -> f64 {
    match sorted.len() {
        0 => f64::NAN,
        odd if odd % 2 == 1 => sorted[odd / 2],
        even => (sorted[even / 2 - 1] + sorted[even / 2]) / 2.0,
    }
}

/// The load averages, because latencies on a busy machine are meaningless.
fn load_line() -> String {
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let minutes: Vec<&str> = load.split_whitespace().take(3).collect();
    format!("Load averages at the end: {};", minutes.join(" "))
}
