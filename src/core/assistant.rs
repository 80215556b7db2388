//! What is asked of the assistant, and what it says; whose question is next, and how much each user may use.

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
    /// The client's own name for it.
    pub request: Arc<str>,
    /// In the client's words.
    pub query: Arc<str>,
    /// About which sheet.
    pub sheet: Option<SheetId>,
    /// Which of its cells, such as `A1:Z100`; absent: all.
    pub table_range: Option<Arc<str>>,
}

/// News of an answer, for all sockets of whoever asked.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct AnswerNews {
    /// The client's name for the question.
    pub request: Arc<str>,
    /// Who asked.
    pub user: UserId,
    /// How far it is.
    pub phase: AnswerPhase,
}

/// How far an answer is.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AnswerPhase {
    /// It is being worked on.
    Started {
        /// What was asked.
        query: Arc<str>,
        /// About which sheet.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        sheet: Option<SheetId>,
    },
    /// Some of it is done.
    Progress {
        /// 0 to 100.
        percent: u8,
        /// What is being done.
        status: Arc<str>,
        /// The next piece of the text, where it streams.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        delta: Option<Arc<str>>,
    },
    /// All of it.
    Complete {
        /// The text.
        result: Arc<str>,
        /// The same as data, where there is some.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        findings: Option<RawJson>,
        /// How long it took.
        processing_time_ms: u64,
    },
    /// There will be none.
    Failed {
        /// Why.
        fault: AnswerFault,
        /// One sentence, for people.
        sentence: Arc<str>,
    },
}

/// Why there is no answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AnswerFault {
    /// Whoever asked wants it no more.
    Cancelled,
    /// The provider is away, too slow, or out of order.
    Unavailable,
    /// The user has asked for too much lately.
    OverBudget,
    /// What is asked about is not there, or not the user's to see.
    NoSuchData,
}
