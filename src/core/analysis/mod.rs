//! The built-in analyst: computes figures over the cells of a range and reports them as text and as data. It exists so
//! that a server without an AI provider can answer questions about a sheet. It only does arithmetic over the cells: it
//! must never estimate, and it reports what it cannot do. The work is split into steps of at most one column, so that
//! the caller can stop between them.

mod by_group;
mod column;
mod figures;
mod groups;
mod phrases;
mod question;
mod reading;
mod relations;
mod report;
mod table;
mod words;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use self::{
    column::{Series, analyse},
    question::Asked,
    relations::Relations,
    table::Table,
};
pub use self::{
    figures::finite,
    report::{ColumnKind, Findings},
    words::{capabilities, nothing_there},
};
use crate::{core::sheet::CellRef, limits};

/// The value of a cell.
#[derive(Clone, PartialEq, Debug)]
pub enum Value {
    /// A number.
    Number(f64),
    /// A boolean.
    Boolean(bool),
    /// A text, possibly a number or a date in one of the usual notations.
    Text(Arc<str>),
}

/// A cell that is not empty.
#[derive(Clone, PartialEq, Debug)]
pub struct Datum {
    /// Its position.
    pub at: CellRef,
    /// Its value.
    pub value: Value,
}

/// Whether the analysis covers all cells of the range.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Extent {
    /// All of them.
    Whole,
    /// Only the first cells; the range holds more than an analysis may read.
    CutOff,
}

/// The result of an analysis.
#[derive(Clone, PartialEq, Debug)]
pub struct Report {
    /// The answer as text.
    pub result: String,
    /// The same figures as data.
    pub findings: Findings,
}

/// Progress of an analysis.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// More steps are needed.
    More {
        /// 0 to 99.
        percent: u8,
        /// Description of the next step.
        status: &'static str,
    },
    /// The analysis is complete; call [`Analysis::finish`].
    Done,
}

/// An analysis in progress.
pub struct Analysis {
    table: Table,
    asked: Asked,
    findings: Findings,
    /// Columns that are reported, in the order of the sheet.
    told: Vec<usize>,
    series: Vec<Series>,
    relations: Option<Relations>,
}

impl Analysis {
    /// Arranges the cells as a table and parses the question. Linear in the size of both.
    pub fn new(cells: Vec<Datum>, extent: Extent, query: &str) -> Analysis {
        let table = Table::new(cells);
        let mut asked = question::read(query, &table);
        let mut findings = Findings::new(&table, extent, &asked);
        let named: Vec<usize> = asked.columns.iter().copied().chain(asked.by).chain(asked.which).collect();
        let told = told(table.columns.len(), &named);
        findings.columns_left_out = table.columns.len() - told.len();
        // from here on `asked.columns` are indices into the findings
        asked.columns = asked.columns.iter().filter_map(|place| told.binary_search(place).ok()).collect();
        Analysis { table, asked, findings, told, series: Vec::new(), relations: None }
    }

    /// Does the next step.
    pub fn step(&mut self) -> Step {
        let next = self.told.get(self.series.len()).and_then(|place| self.table.columns.get(*place));
        if let Some(column) = next {
            let (report, series) = analyse(column, self.table.rows.len());
            self.findings.columns.push(report);
            self.series.push(series);
            let percent = (self.series.len() * 80 / self.told.len().max(1)).min(80) as u8;
            return Step::More { percent, status: "Computing the figures of each column" };
        }
        let (table, asked) = (&self.table, &self.asked);
        let relations = self.relations.get_or_insert_with(|| Relations::new(&self.series));
        match relations.step(table, &self.series, &mut self.findings) {
            Step::More { percent, status } => Step::More { percent: 80 + percent / 5, status },
            Step::Done => {
                groups::add(table, asked, &self.series, &mut self.findings);
                Step::Done
            }
        }
    }

    /// Returns the text and the findings so far. They are complete once [`Analysis::step`] has returned [`Step::Done`].
    pub fn finish(self) -> Report {
        let result = words::compose(&self.table, &self.asked, &self.findings);
        Report { result, findings: self.findings }
    }
}

/// Selects the columns to report: those named by the question first, up to the limit. Returned in ascending order.
fn told(columns: usize, named: &[usize]) -> Vec<usize> {
    let others = (0..columns).filter(|place| !named.contains(place));
    let mut told: Vec<usize> = named.iter().copied().chain(others).take(limits::ANALYSED_COLUMNS_MAX).collect();
    told.sort_unstable();
    told
}
