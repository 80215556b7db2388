//! Bounds of conversations: who takes part, what is counted, reactions.

/// Bytes of a reaction: the longest emoji that Unicode recommends has 35.
pub const EMOJI_BYTES_MAX: usize = 64;
/// Different reactions of one message, whoever gave them.
pub const REACTIONS_PER_MESSAGE_MAX: usize = 32;
/// Users whom one message may mention.
pub const MENTIONS_MAX: usize = 100;
/// Characters of a message's `content_type`.
pub const CONTENT_TYPE_CHARS_MAX: usize = 64;
/// Users who take part in one conversation, as far as they are listed and as messages are queued for them.
pub const PARTICIPANTS_MAX: i64 = 10_000;
/// Users whom a group conversation may begin with.
pub const CONVERSATION_MEMBERS_MAX: usize = 200;
/// Messages behind a read mark that are looked at for the count of those unread.
pub const UNREAD_COUNTED_MAX: i64 = 1_000;
/// Conversations on one page.
pub const PAGE_CONVERSATIONS_MAX: i64 = 100;
/// The same when a request does not say.
pub const PAGE_CONVERSATIONS_DEFAULT: i64 = 50;
