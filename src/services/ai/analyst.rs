//! The built-in provider: runs the analysis of `core::analysis` on the blocking pool, in steps, so that it can be
//! stopped between them. It must never block the assistant's thread.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use futures_util::future::LocalBoxFuture;
use tokio::sync::mpsc;

use super::provider::{Answer, Cells, Fault, ProgressReporter, Provider, Task};
use crate::core::{
    analysis::{Analysis, Findings, Report, Step, capabilities, nothing_there},
    command::RawJson,
};

/// The built-in analyst.
#[derive(Debug, Default)]
pub struct Analyst;

impl Provider for Analyst {
    fn answer<'a>(&'a self, task: Task, reporter: &'a ProgressReporter) -> LocalBoxFuture<'a, Result<Answer, Fault>> {
        Box::pin(async move {
            let Some(table) = task.table else { return Ok(Answer { result: capabilities(), findings: None }) };
            let report = analyse(table, task.query, |percent, status| reporter.progress(percent, status)).await?;
            let findings = as_json(&report.findings)?;
            Ok(Answer { result: report.result, findings: Some(findings) })
        })
    }

    fn name(&self) -> &'static str {
        "analyst"
    }
}

/// Sets its flag when the future that waits for the work is dropped.
struct Wanted(Arc<AtomicBool>);

impl Drop for Wanted {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Runs the analysis on the blocking pool. It stops soon after the future is dropped. An empty table has findings as
/// well.
pub(super) async fn analyse(table: Cells, query: Arc<str>, progress: impl Fn(u8, &str)) -> Result<Report, Fault> {
    let wanted = Wanted(Arc::default());
    let is_unwanted = wanted.0.clone();
    let (tell, mut told) = mpsc::channel(1);
    let work = tokio::task::spawn_blocking(move || {
        let nothing = table.data.is_empty().then(|| nothing_there(&table.range));
        let mut analysis = Analysis::new(table.data, table.extent, &query);
        while !is_unwanted.load(Ordering::Relaxed) {
            match analysis.step() {
                // Progress may be skipped.
                Step::More { percent, status } => drop(tell.try_send((percent, status))),
                Step::Done => {
                    let report = analysis.finish();
                    return Some(Report { result: nothing.unwrap_or(report.result), ..report });
                }
            }
        }
        None
    });
    while let Some((percent, status)) = told.recv().await {
        progress(percent, status);
    }
    match work.await {
        Ok(Some(report)) => Ok(report),
        Ok(None) => Err(Fault::unavailable("The analysis was stopped; ask again")),
        Err(error) => {
            log::error!("event=ai_analysis_failed why=\"{error}\"");
            Err(Fault::unavailable("The analysis failed because of a server error; ask about another range"))
        }
    }
}

pub(super) fn as_json(findings: &Findings) -> Result<RawJson, Fault> {
    match serde_json::to_string(findings) {
        Ok(text) => Ok(RawJson::from_parsed(&text)),
        Err(error) => {
            log::error!("event=ai_findings_unwritable why=\"{error}\"");
            Err(Fault::unavailable("The findings can't be encoded because of a server error; ask about another range"))
        }
    }
}
