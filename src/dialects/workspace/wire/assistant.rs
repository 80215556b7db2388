//! Messages about questions to the assistant, and about its answers.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{
    core::assistant::{AnswerFault, AnswerPhase},
    dialects::{
        input::{Id, Name, NameOrEmpty, Prose},
        output::{Relayed, RelayedObject},
    },
    ids::{SheetId, UserId},
    limits,
};

/// The client's id for a question.
type RequestName = Name<{ limits::CLIENT_NAME_CHARS_MAX }>;

// ---- from clients ----

#[derive(Deserialize, JsonSchema)]
pub struct AiRequest {
    /// The client's id for the question.
    #[schemars(example = &"req_123")]
    pub request_id: RequestName,
    /// Must not be empty or only spaces.
    #[schemars(required, length(min = 1), example = &"What are the trends?")]
    pub query: Option<Prose<{ limits::QUESTION_CHARS_MAX }>>,
    pub sheet_id: Option<Id<SheetId>>,
    pub context: Option<Context>,
}

#[derive(Deserialize, JsonSchema)]
pub struct Context {
    /// The range of cells; the whole sheet if absent.
    #[schemars(example = &"A1:Z100")]
    pub table_range: Option<NameOrEmpty<{ limits::CURSOR_CELL_CHARS_MAX }>>,
}

#[derive(Deserialize, JsonSchema)]
pub struct AiCancel {
    #[schemars(example = &"req_123")]
    pub request_id: RequestName,
}

/// The common part of all messages about a question.
#[derive(Deserialize)]
pub struct AboutQuestion {
    pub request_id: RequestName,
}

// ---- from the server ----

#[derive(Serialize, JsonSchema)]
pub struct AiEvent<'a> {
    pub event_type: AiEventType,
    #[schemars(length(min = 1, max = limits::CLIENT_NAME_CHARS_MAX), example = &"req_123")]
    pub request_id: &'a str,
    pub user_id: &'a UserId,
    /// Depends on `event_type`.
    pub data: Answer<'a>,
}

#[derive(Serialize, JsonSchema)]
pub enum AiEventType {
    #[serde(rename = "ai_start")]
    Start,
    #[serde(rename = "ai_progress")]
    Progress,
    #[serde(rename = "ai_complete")]
    Complete,
    #[serde(rename = "ai_error")]
    Error,
}

impl From<&AnswerPhase> for AiEventType {
    fn from(phase: &AnswerPhase) -> AiEventType {
        match phase {
            AnswerPhase::Started { .. } => AiEventType::Start,
            AnswerPhase::Progress { .. } => AiEventType::Progress,
            AnswerPhase::Complete { .. } => AiEventType::Complete,
            AnswerPhase::Failed { .. } => AiEventType::Error,
        }
    }
}

/// Progress of an answer.
#[derive(Serialize, JsonSchema)]
#[serde(untagged)]
pub enum Answer<'a> {
    Start {
        #[schemars(example = &"What are the trends?")]
        query: &'a str,
        #[serde(skip_serializing_if = "Option::is_none")]
        sheet_id: Option<&'a SheetId>,
    },
    Progress {
        #[schemars(range(max = 100))]
        progress: u8,
        status: &'a str,
        /// The next part of the text, if the answer is streamed.
        #[serde(skip_serializing_if = "Option::is_none")]
        delta: Option<&'a str>,
    },
    Complete {
        result: &'a str,
        /// The same as data, if available.
        #[serde(skip_serializing_if = "Option::is_none")]
        findings: Option<RelayedObject<'a>>,
        /// In seconds.
        processing_time: f64,
    },
    Error {
        /// One sentence for people.
        error: &'a str,
        code: Fault,
    },
}

/// Why there is no answer.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum Fault {
    AiCancelled,
    AiUnavailable,
    RateLimitExceeded,
    NotFound,
}

impl<'a> From<&'a AnswerPhase> for Answer<'a> {
    fn from(phase: &'a AnswerPhase) -> Answer<'a> {
        match phase {
            AnswerPhase::Started { query, sheet } => Answer::Start { query, sheet_id: sheet.as_ref() },
            AnswerPhase::Progress { percent, status, delta } => {
                Answer::Progress { progress: *percent, status, delta: delta.as_deref() }
            }
            AnswerPhase::Complete { result, findings, processing_time_ms } => Answer::Complete {
                result,
                findings: findings.as_ref().map(|findings| RelayedObject(Relayed(findings))),
                processing_time: *processing_time_ms as f64 / 1000.0,
            },
            AnswerPhase::Failed { fault, sentence } => {
                let code = match fault {
                    AnswerFault::Cancelled => Fault::AiCancelled,
                    AnswerFault::Unavailable => Fault::AiUnavailable,
                    AnswerFault::OverBudget => Fault::RateLimitExceeded,
                    AnswerFault::NoSuchData => Fault::NotFound,
                };
                Answer::Error { error: sentence, code }
            }
        }
    }
}
