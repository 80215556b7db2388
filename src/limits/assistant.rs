//! The bounds of the assistant.

use std::time::Duration;

/// Cells of a sheet that the assistant looks at.
pub const ASSISTANT_CELLS_MAX: usize = 200_000;
/// Columns whose figures are told.
pub const ANALYSED_COLUMNS_MAX: usize = 50;
/// Columns of numbers that are compared with each other.
pub const CORRELATED_COLUMNS_MAX: usize = 20;
/// Examples of one kind in the findings.
pub const FINDING_EXAMPLES_MAX: usize = 5;
/// Characters of a cell's text in the findings.
pub const FINDING_TEXT_CHARS_MAX: usize = 80;
/// Sentences about what stands out.
pub const FINDINGS_TOLD_MAX: usize = 12;
/// How often users who have not asked lately are forgotten.
pub const ASSISTANT_FORGETS: Duration = Duration::from_secs(600);
/// Messages in the assistant's mailbox.
pub const ASSISTANT_MAILBOX_MAX: usize = 4_096;
/// Questions of one user that wait for their turn.
pub const QUESTIONS_WAITING_PER_USER_MAX: usize = 64;
/// Users whose use of the assistant is remembered; more are forgotten, those first who used it longest ago.
pub const ASSISTANT_USERS_REMEMBERED_MAX: usize = 50_000;
/// Pieces of a streaming answer are gathered for so long, and then told together.
pub const ANSWER_GATHER: Duration = Duration::from_millis(50);
/// Bytes of one line of a provider's stream.
pub const PROVIDER_LINE_BYTES_MAX: usize = 256 * 1024;
/// Bytes of one event of a provider's stream.
pub const PROVIDER_EVENT_BYTES_MAX: usize = 512 * 1024;
/// Bytes of an answer's text; what comes after is left out.
pub const ANSWER_BYTES_MAX: usize = 128 * 1024;
/// Bytes of a provider's answer that is no stream.
pub const PROVIDER_BODY_BYTES_MAX: usize = 4 * ANSWER_BYTES_MAX;
/// How long a provider whose text is complete may take to say what it cost, and that this is all.
pub const PROVIDER_LAST_WORD_WAIT: Duration = Duration::from_secs(2);
/// Times that a provider is asked.
pub const PROVIDER_ATTEMPTS_MAX: u32 = 4;
/// Pauses between attempts, growing from the first to the last.
pub const PROVIDER_RETRY: std::ops::RangeInclusive<Duration> = Duration::from_millis(250)..=Duration::from_secs(4);
/// How long a provider may ask us to wait; one that wants more has no answer for now.
pub const PROVIDER_RETRY_AFTER_MAX: Duration = Duration::from_secs(15);
/// How long connecting to a provider may take.
pub const PROVIDER_CONNECT_MAX: Duration = Duration::from_secs(10);
/// How long another node is waited for that may have the question to be cancelled.
pub const CANCEL_ELSEWHERE_WAIT: Duration = Duration::from_secs(1);
