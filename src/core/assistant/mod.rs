//! Questions to the assistant and its answers as domain types. The submodules decide the order of questions and how
//! much each user may use. Nothing here may know a provider.

pub mod budget;
pub mod queue;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::{
    core::command::RawJson,
    ids::{SheetId, UserId},
};

/// A question of a client.
#[derive(Clone, PartialEq, Debug)]
pub struct Question {
    /// The client's id for the request.
    pub request: Arc<str>,
    /// The text of the question.
    pub query: Arc<str>,
    /// The sheet that it is about.
    pub sheet: Option<SheetId>,
    /// The range of cells, such as `A1:Z100`; absent for the whole sheet.
    pub table_range: Option<Arc<str>>,
}

/// Progress of an answer, sent to all sockets of the user who asked.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct AnswerEvent {
    /// The client's id for the request.
    pub request: Arc<str>,
    /// The user who asked.
    pub user: UserId,
    /// The phase of the answer.
    pub phase: AnswerPhase,
}

/// The phases of an answer.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AnswerPhase {
    /// Work on it has started.
    Started {
        /// The question.
        query: Arc<str>,
        /// The sheet that it is about.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        sheet: Option<SheetId>,
    },
    /// Part of the work is done.
    Progress {
        /// 0 to 100.
        percent: u8,
        /// Description of the current step.
        status: Arc<str>,
        /// The next part of the text, if the answer is streamed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        delta: Option<Arc<str>>,
    },
    /// The complete answer.
    Complete {
        /// The text.
        result: Arc<str>,
        /// The same as data, if available.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        findings: Option<RawJson>,
        /// Duration of the work.
        processing_time_ms: u64,
    },
    /// There will be no answer.
    Failed {
        /// The reason.
        fault: AnswerFault,
        /// The reason as a sentence for people.
        sentence: Arc<str>,
    },
}

/// Why there is no answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AnswerFault {
    /// The user cancelled the question.
    Cancelled,
    /// The provider is unreachable, too slow, or failed.
    Unavailable,
    /// The user's budget is used up.
    OverBudget,
    /// The data in question does not exist or the user may not read it.
    NoSuchData,
}
