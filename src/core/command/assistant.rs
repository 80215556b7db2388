//! What a client may ask the assistant.

use std::sync::Arc;

use super::Charge;
use crate::core::assistant::Question;

/// A command to the assistant.
#[derive(Clone, PartialEq, Debug)]
pub enum AssistantCommand {
    /// Ask it something.
    Ask(Question),
    /// An answer is not wanted any more.
    Cancel {
        /// The client's name for the question.
        request: Arc<str>,
    },
}

impl AssistantCommand {
    /// How it is counted.
    pub const fn charge(&self) -> Charge {
        match self {
            AssistantCommand::Ask(_) | AssistantCommand::Cancel { .. } => Charge::Request,
        }
    }
}
