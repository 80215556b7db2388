//! What is counted of the assistant.

use std::time::Duration;

use prometheus_client::{
    encoding::{EncodeLabelSet, EncodeLabelValue, LabelValueEncoder},
    metrics::{
        counter::Counter,
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
    },
    registry::Registry,
};

use super::{Outcome, OutcomeLabel, gauge_value};
use crate::error::ErrorCode;

/// How a question to the assistant ended.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum AiOutcome {
    /// With an answer.
    Complete,
    /// It was wanted no more.
    Cancelled,
    /// The provider is away, too slow, or out of order.
    Unavailable,
    /// The user's day was used up.
    OverBudget,
    /// What it is about is not there.
    NoSuchData,
}

impl AiOutcome {
    /// As labels and logs name it.
    pub const fn name(self) -> &'static str {
        match self {
            AiOutcome::Complete => "complete",
            AiOutcome::Cancelled => "cancelled",
            AiOutcome::Unavailable => "unavailable",
            AiOutcome::OverBudget => "over_budget",
            AiOutcome::NoSuchData => "no_such_data",
        }
    }
}

impl EncodeLabelValue for AiOutcome {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> std::fmt::Result {
        std::fmt::Write::write_str(encoder, self.name())
    }
}

/// Whose tokens.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum AiTokens {
    /// Of questions.
    Prompt,
    /// Of answers.
    Completion,
}

impl EncodeLabelValue for AiTokens {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> std::fmt::Result {
        std::fmt::Write::write_str(
            encoder,
            match self {
                AiTokens::Prompt => "prompt",
                AiTokens::Completion => "completion",
            },
        )
    }
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct EndLabel {
    outcome: AiOutcome,
}

#[derive(Clone, PartialEq, Eq, Hash, Debug, EncodeLabelSet)]
struct TokensLabel {
    of: AiTokens,
}

/// The assistant's counters.
pub struct AiMetrics {
    answers: Family<EndLabel, Counter>,
    refusals: Family<OutcomeLabel, Counter>,
    running: Gauge,
    waiting: Gauge,
    seconds: Histogram,
    retries: Counter,
    tokens: Family<TokensLabel, Counter>,
}

impl Default for AiMetrics {
    fn default() -> AiMetrics {
        AiMetrics {
            answers: Family::default(),
            refusals: Family::default(),
            running: Gauge::default(),
            waiting: Gauge::default(),
            // From four milliseconds to a little more than two minutes.
            seconds: Histogram::new(exponential_buckets(0.004, 2.0, 16)),
            retries: Counter::default(),
            tokens: Family::default(),
        }
    }
}

impl AiMetrics {
    pub(super) fn register(&self, r: &mut Registry) {
        r.register("ai_answers", "Questions to the assistant that ended, by how", self.answers.clone());
        r.register("ai_refusals", "Questions that the assistant did not take, by why", self.refusals.clone());
        r.register("ai_running", "Questions that the assistant works on", self.running.clone());
        r.register("ai_waiting", "Questions that wait for their turn", self.waiting.clone());
        r.register("ai_answer_seconds", "From a question to its end", self.seconds.clone());
        r.register("ai_retries", "Times that a provider was asked again", self.retries.clone());
        r.register("ai_tokens", "Tokens that a provider has counted", self.tokens.clone());
    }

    /// A question ended.
    pub fn ended(&self, outcome: AiOutcome, took: Duration) {
        self.answers.get_or_create(&EndLabel { outcome }).inc();
        self.seconds.observe(took.as_secs_f64());
    }

    /// A question was not taken.
    pub fn refused(&self, code: ErrorCode) {
        self.refusals.get_or_create(&OutcomeLabel { outcome: Outcome::Refused(code) }).inc();
    }

    /// How many questions are worked on, and how many wait.
    pub fn load(&self, running: usize, waiting: usize) {
        self.running.set(gauge_value(running));
        self.waiting.set(gauge_value(waiting));
    }

    /// A provider is asked again.
    pub fn retried(&self) {
        self.retries.inc();
    }

    /// A provider has counted tokens.
    pub fn tokens(&self, of: AiTokens, count: u64) {
        self.tokens.get_or_create(&TokensLabel { of }).inc_by(count);
    }
}
