//! Bounds of conversations: participants, unread counts, and reactions.

use std::time::Duration;

/// Bytes of a reaction; the longest emoji that Unicode recommends has 35.
pub const EMOJI_BYTES_MAX: usize = 64;
/// Different reactions to one message, over all users.
pub const REACTIONS_PER_MESSAGE_MAX: usize = 32;
/// Users mentioned in one message.
pub const MENTIONS_MAX: usize = 100;
/// Characters of a message that the notification of a mention repeats.
pub const EXCERPT_CHARS_MAX: usize = 200;
/// The most participants of a conversation to whom the presence of each of them is announced. In a larger one, everybody who
/// connects would cost as many events as it has participants; its users read presence when they show it.
pub const PRESENCE_ANNOUNCED_PARTICIPANTS_MAX: i64 = 250;
/// Users to whom a change of a user's presence is announced.
pub const CONTACTS_MAX: i64 = 2_000;

/// Changes of presence that a node has still to announce.
pub const ANNOUNCEMENTS_MAX: usize = 10_000;

/// How long an announcement waits in a cluster, so that it reaches the sockets that were opened on other nodes before
/// the change: longer than [`super::ROSTER_GATHER`] and the time of a message between nodes.
pub const ANNOUNCEMENT_DELAY: Duration = Duration::from_millis(150);

/// Changes of presence for which the contacts of the user are being read, on one node.
pub const ANNOUNCEMENTS_IN_PROGRESS_MAX: usize = 4;
/// Characters of a status message and of a location.
pub const STATUS_TEXT_CHARS_MAX: usize = 200;
/// Characters of the ciphertext of an encrypted message: a text of the maximum length with its keys, as Base64.
pub const CIPHERTEXT_CHARS_MAX: usize = 48 * 1024;
/// Characters of a message's `content_type`.
pub const CONTENT_TYPE_CHARS_MAX: usize = 64;
/// Participants of one conversation that are listed, and for whom messages are queued.
pub const PARTICIPANTS_MAX: i64 = 10_000;
/// Initial users of a group conversation.
pub const CONVERSATION_MEMBERS_MAX: usize = 200;
/// Messages after a read mark that are examined to count unread ones.
pub const UNREAD_COUNTED_MAX: i64 = 1_000;
/// Conversations in a page.
pub const PAGE_CONVERSATIONS_MAX: i64 = 100;
/// Conversations in a page by default.
pub const PAGE_CONVERSATIONS_DEFAULT: i64 = 50;
/// The milliseconds since 1970 that a cursor may name: up to the end of the year 9999.
pub const UNIX_MS_MAX: i64 = 253_402_300_799_999;
/// Up to this number of users in a room, each read mark is an event of its own at once. In larger rooms marks are collected.
pub const READS_AT_ONCE_USERS_MAX: usize = 32;
/// How long read marks are collected in such a room, from the first one on: in the smallest and in the largest.
pub const READS_PERIOD: std::ops::RangeInclusive<Duration> = Duration::from_millis(100)..=Duration::from_secs(1);
/// How much this period grows per user in the room.
pub const READS_PERIOD_PER_USER: Duration = Duration::from_millis(1);
/// Read marks, and requests that wait for them, that a room collects; beyond that they are stored before the period ends.
pub const READS_COLLECTED_MAX: usize = 4_096;
/// Read marks in one event; with more there are several events.
pub const READS_PER_EVENT_MAX: usize = 1_024;
/// Readers that one event lists; the total counts all. It lists more of them only if they have other sockets to inform.
pub const READERS_LISTED_MAX: usize = 20;
/// Readers with other sockets that one event lists.
pub const READERS_ELSEWHERE_LISTED_MAX: usize = 100;
/// Places of messages that a large room remembers to order read marks.
pub const READ_PLACES_MAX: usize = 64;
