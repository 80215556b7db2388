//! Bounds of the assistant.

use std::time::Duration;

/// Cells of a sheet that the assistant reads.
pub const ASSISTANT_CELLS_MAX: usize = 200_000;
/// Columns whose figures are reported.
pub const ANALYSED_COLUMNS_MAX: usize = 50;
/// Numeric columns whose correlations are computed.
pub const CORRELATED_COLUMNS_MAX: usize = 20;
/// Examples of one kind in the findings.
pub const FINDING_EXAMPLES_MAX: usize = 5;
/// Characters of a cell's text in the findings.
pub const FINDING_TEXT_CHARS_MAX: usize = 80;
/// Groups of rows that are listed in the findings.
pub const GROUPS_LISTED_MAX: usize = 100;
/// Groups of rows that a sentence lists.
pub const GROUPS_TOLD_MAX: usize = 10;
/// Columns of numbers whose figures are computed for each group.
pub const GROUPED_COLUMNS_MAX: usize = 5;
/// Names in a question that are pointed out because no column has them.
pub const UNKNOWN_NAMES_MAX: usize = 3;
/// Sentences about notable findings.
pub const FINDINGS_TOLD_MAX: usize = 12;
/// How often users who have not asked recently are forgotten.
pub const ASSISTANT_FORGETS: Duration = Duration::from_secs(600);
/// Messages in the assistant's mailbox.
pub const ASSISTANT_MAILBOX_MAX: usize = 4_096;
/// Queued questions per user.
pub const QUESTIONS_WAITING_PER_USER_MAX: usize = 64;
/// Users whose usage is remembered. Beyond that, the least recently active ones are forgotten.
pub const ASSISTANT_USERS_REMEMBERED_MAX: usize = 50_000;
/// How long pieces of a streamed answer are batched before they are sent.
pub const ANSWER_GATHER: Duration = Duration::from_millis(50);
/// Bytes of one line of a provider's stream.
pub const PROVIDER_LINE_BYTES_MAX: usize = 256 * 1024;
/// Bytes of one event of a provider's stream.
pub const PROVIDER_EVENT_BYTES_MAX: usize = 512 * 1024;
/// Bytes of an answer's text. The rest is cut off.
pub const ANSWER_BYTES_MAX: usize = 128 * 1024;
/// Bytes of a provider's response that is not a stream.
pub const PROVIDER_BODY_BYTES_MAX: usize = 4 * ANSWER_BYTES_MAX;
/// How long a provider may take to send the token usage and the end marker after the complete text.
pub const PROVIDER_LAST_WORD_WAIT: Duration = Duration::from_secs(2);
/// Requests to a provider per question, including retries.
pub const PROVIDER_ATTEMPTS_MAX: u32 = 4;
/// Pauses between attempts, from the first to the longest.
pub const PROVIDER_RETRY: std::ops::RangeInclusive<Duration> = Duration::from_millis(250)..=Duration::from_secs(4);
/// The longest retry delay of a provider that is accepted. Beyond that the question fails.
pub const PROVIDER_RETRY_AFTER_MAX: Duration = Duration::from_secs(15);
/// How long connecting to a provider may take.
pub const PROVIDER_CONNECT_MAX: Duration = Duration::from_secs(10);
/// How long a cancellation waits for other nodes that may run the question.
pub const CANCEL_ELSEWHERE_WAIT: Duration = Duration::from_secs(1);
