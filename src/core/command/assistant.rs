//! Requests of a client to the assistant.

use std::sync::Arc;

use super::Charge;
use crate::core::assistant::Question;

/// A command to the assistant.
#[derive(Clone, PartialEq, Debug)]
pub enum AssistantCommand {
    /// Ask a question.
    Ask(Question),
    /// Cancel a question.
    Cancel {
        /// The client's id for the question.
        request: Arc<str>,
    },
}

impl AssistantCommand {
    /// How it is charged.
    pub const fn charge(&self) -> Charge {
        match self {
            AssistantCommand::Ask(_) | AssistantCommand::Cancel { .. } => Charge::Request,
        }
    }
}
