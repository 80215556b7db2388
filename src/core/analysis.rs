//! The built-in analyst: what a person would want to know first about the cells of a range, computed and said with its
//! figures. Everything here is arithmetic over what the sheet holds; it guesses nothing and says what it can't do. The work
//! goes in steps of one column or less, so that whoever runs it may stop between them.

mod column;
mod figures;
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

/// What a cell holds.
#[derive(Clone, PartialEq, Debug)]
pub enum Value {
    /// A number.
    Number(f64),
    /// Yes or no.
    Boolean(bool),
    /// A text, which may be a number or a date as people write them.
    Text(Arc<str>),
}

/// A cell that is not empty.
#[derive(Clone, PartialEq, Debug)]
pub struct Datum {
    /// Where.
    pub at: CellRef,
    /// What.
    pub value: Value,
}

/// Whether all cells of the range are there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Extent {
    /// They are.
    Whole,
    /// There are more than are looked at.
    CutOff,
}

/// What an analysis comes to.
#[derive(Clone, PartialEq, Debug)]
pub struct Report {
    /// For a person to read.
    pub result: String,
    /// The same figures as data.
    pub findings: Findings,
}

/// How far an analysis is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// There is more to do.
    More {
        /// 0 to 99.
        percent: u8,
        /// What comes next.
        status: &'static str,
    },
    /// [`Analysis::finish`] may be called.
    Done,
}

/// An analysis under way.
pub struct Analysis {
    table: Table,
    asked: Asked,
    findings: Findings,
    /// Which columns' figures are told, in the sheet's order.
    told: Vec<usize>,
    series: Vec<Series>,
    relations: Option<Relations>,
}

impl Analysis {
    /// Arranges the cells as a table and reads the question; linear in both.
    pub fn new(cells: Vec<Datum>, extent: Extent, query: &str) -> Analysis {
        let table = Table::new(cells);
        let mut asked = question::read(query, &table);
        let mut findings = Findings::new(&table, extent, &asked);
        let told = told(table.columns.len(), &asked.columns);
        findings.columns_left_out = table.columns.len() - told.len();
        // from here on places are those among the findings
        asked.columns = asked.columns.iter().filter_map(|place| told.binary_search(place).ok()).collect();
        Analysis { table, asked, findings, told, series: Vec::new(), relations: None }
    }

    /// Does the next part.
    pub fn step(&mut self) -> Step {
        let next = self.told.get(self.series.len()).and_then(|place| self.table.columns.get(*place));
        if let Some(column) = next {
            let (report, series) = analyse(column, self.table.rows.len());
            self.findings.columns.push(report);
            self.series.push(series);
            let percent = (self.series.len() * 80 / self.told.len().max(1)).min(80) as u8;
            return Step::More { percent, status: "Computing the figures of each column" };
        }
        let relations = self.relations.get_or_insert_with(|| Relations::new(&self.series));
        match relations.step(&self.table, &self.series, &mut self.findings) {
            Step::More { percent, status } => Step::More { percent: 80 + percent / 5, status },
            Step::Done => Step::Done,
        }
    }

    /// The text and the findings so far; of everything once [`Analysis::step`] was [`Step::Done`].
    pub fn finish(self) -> Report {
        let result = words::compose(&self.table, &self.asked, &self.findings);
        Report { result, findings: self.findings }
    }
}

/// Those that the question names before all others, as many as are told at all; in order.
fn told(columns: usize, named: &[usize]) -> Vec<usize> {
    let others = (0..columns).filter(|place| !named.contains(place));
    let mut told: Vec<usize> = named.iter().copied().chain(others).take(limits::ANALYSED_COLUMNS_MAX).collect();
    told.sort_unstable();
    told
}
