//! The assistant's metrics. Labels must never contain text from outside.

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
    /// The user cancelled it.
    Cancelled,
    /// The provider was unreachable, too slow, or failing.
    Unavailable,
    /// The user's daily budget was used up.
    OverBudget,
    /// The data that it is about does not exist.
    NoSuchData,
}

impl AiOutcome {
    /// The name in labels and logs.
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

/// The kind of tokens.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum AiTokens {
    /// Tokens of questions.
    Prompt,
    /// Tokens of answers.
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

/// The assistant's metrics.
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
        r.register("ai_answers", "Questions to the assistant, by outcome", self.answers.clone());
        r.register("ai_refusals", "Questions that the assistant refused, by reason", self.refusals.clone());
        r.register("ai_running", "Questions in progress", self.running.clone());
        r.register("ai_waiting", "Questions in the queue", self.waiting.clone());
        r.register("ai_answer_seconds", "Time from a question to its end", self.seconds.clone());
        r.register("ai_retries", "Retried requests to a provider", self.retries.clone());
        r.register("ai_tokens", "Tokens reported by the provider", self.tokens.clone());
    }

    /// A question ended.
    pub fn ended(&self, outcome: AiOutcome, took: Duration) {
        self.answers.get_or_create(&EndLabel { outcome }).inc();
        self.seconds.observe(took.as_secs_f64());
    }

    /// A question was refused.
    pub fn refused(&self, code: ErrorCode) {
        self.refusals.get_or_create(&OutcomeLabel { outcome: Outcome::Refused(code) }).inc();
    }

    /// Sets how many questions are in progress and queued.
    pub fn load(&self, running: usize, waiting: usize) {
        self.running.set(gauge_value(running));
        self.waiting.set(gauge_value(waiting));
    }

    /// A request to the provider is retried.
    pub fn retried(&self) {
        self.retries.inc();
    }

    /// The provider reported token usage.
    pub fn tokens(&self, of: AiTokens, count: u64) {
        self.tokens.get_or_create(&TokensLabel { of }).inc_by(count);
    }
}
