//! Bounds of moderation.

use std::time::Duration;

/// Mutes and bans in force, which every node keeps in memory.
pub const SANCTIONS_ACTIVE_MAX: i64 = 100_000;
/// Word rules of one room, and of the server.
pub const WORD_RULES_MAX: usize = 1_000;
/// Characters of the phrase of a word rule.
pub const WORD_PHRASE_CHARS_MAX: usize = 128;
/// Words of the phrase of a word rule.
pub const WORD_PHRASE_WORDS_MAX: usize = 32;
/// Reports of one user that are not resolved.
pub const REPORTS_PENDING_PER_USER_MAX: i64 = 50;
/// Characters of the reason of a report, a mute, a ban or a removal, and of a moderator's note.
pub const MODERATION_TEXT_CHARS_MAX: usize = 1_000;
/// Characters of the reported content that are kept with the report.
pub const REPORT_EXCERPT_CHARS_MAX: usize = 2_000;
/// The longest mute or ban with an end, in seconds: ten years.
pub const SANCTION_SECONDS_MAX: u64 = 10 * 365 * 24 * 60 * 60;
/// How often a node compares its sanctions and word rules with the database, for changes that no node told it about.
pub const MODERATION_PERIOD: Duration = Duration::from_millis(500);
/// Entries in a page of reports, sanctions or the audit log.
pub const PAGE_MODERATION_MAX: i64 = 100;
/// Entries in a page of these by default.
pub const PAGE_MODERATION_DEFAULT: i64 = 50;
/// Entries of the audit log that an export reads at a time.
pub const AUDIT_EXPORT_ROWS: i64 = 1_000;
