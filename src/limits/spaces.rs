//! Bounds of spaces and invites (docs/metaverse.md).

use std::time::Duration;

/// Members of a space.
pub const SPACE_CAPACITY_MAX: u32 = 100_000;
/// The capacity of a space that is created without one.
pub const SPACE_CAPACITY_DEFAULT: u32 = 50;
/// The radius within which moves are sent, in units of positions.
pub const INTEREST_RADIUS_MAX: u32 = 1_000_000;
/// Spaces in a list.
pub const PAGE_SPACES_MAX: i64 = 100;
/// Members or users in a page by default.
pub const PAGE_USERS_DEFAULT: i64 = 50;
/// Members or users in a page.
pub const PAGE_USERS_MAX: i64 = 100;
/// Invites in a page by default.
pub const PAGE_INVITES_DEFAULT: i64 = 50;
/// Invites in a page.
pub const PAGE_INVITES_MAX: i64 = 100;
/// The last page that can be read, so that a page number cannot overflow.
pub const PAGE_NUMBER_MAX: i64 = 1_000_000;
/// Pending invites to one user, over all spaces.
pub const INVITES_PENDING_PER_USER_MAX: i64 = 1_000;
/// Invites to one user that are kept, pending ones included. The oldest of the others are deleted.
pub const INVITES_KEPT_PER_USER_MAX: i64 = 2_000;
/// Users invited by one request.
pub const INVITED_PER_REQUEST_MAX: usize = 100;
/// Characters of the text of an invite.
pub const INVITE_MESSAGE_CHARS_MAX: usize = 500;
/// Hours after which an invite expires at the latest.
pub const INVITE_HOURS_MAX: f64 = 720.0;
/// Milliseconds before the end of an invite at which its user is reminded at the earliest.
pub const REMINDER_LEAD_MS_MAX: i64 = 60 * 60 * 1_000;
/// Milliseconds after which an invite expires that another program has stored without an end.
pub const INVITE_LIFETIME_MS: i64 = 24 * 60 * 60 * 1_000;
/// Reminders stored by one transaction.
pub const REMINDERS_PER_COMMIT: i64 = 200;
/// Notifications of other programs that are queued by one transaction.
pub const ARRIVALS_PER_COMMIT: i64 = 200;
/// How often a node looks for notifications of other programs, and for reminders that are due.
pub const DUE_PERIOD: Duration = Duration::from_secs(1);
/// Avatars in the answer to a join.
pub const AVATARS_LISTED_MAX: usize = 10_000;
/// Avatars whose places other nodes may have published before their users are announced, besides as many as there are users.
pub const AVATARS_EXPECTED_MAX: usize = 1_000;
/// The coordinates of a place, on both sides of zero.
pub const COORDINATE_MAX: f64 = 1_000_000.0;
/// Characters of the direction of an avatar.
pub const DIRECTION_CHARS_MAX: usize = 16;
/// The minimum period between two frames with moves to one client.
pub const MOVES_PERIOD: Duration = Duration::from_millis(50);
/// Moves in one frame.
pub const MOVES_PER_FRAME_MAX: usize = 1_000;
/// Moves in one message to other nodes.
pub const MOVES_PER_MESSAGE_MAX: usize = 500;
/// Characters of the name of an action in a space.
pub const ACTION_NAME_CHARS_MAX: usize = 64;
/// Bytes of the data of an action in a space, which are stored.
pub const ACTION_DATA_BYTES_MAX: usize = 8 * 1024;
/// Entries of the state of a space. With [`STATE_VALUE_BYTES_MAX`] it bounds what a newcomer is sent of it.
pub const STATE_KEYS_MAX: usize = 256;
/// Characters of the key of an entry.
pub const STATE_KEY_CHARS_MAX: usize = 128;
/// Bytes of the value of an entry, as JSON.
pub const STATE_VALUE_BYTES_MAX: usize = 4 * 1024;
/// Seconds after which an entry ends at the latest, if it ends by itself.
pub const STATE_TTL_SECONDS_MAX: f64 = 30.0 * 24.0 * 60.0 * 60.0;
/// How often a room looks for entries that have ended, at least; the end of an entry that is known in advance is not missed by more.
pub const STATE_LOOK: Duration = Duration::from_secs(1);
/// How long the node of a socket may be unknown until the entries that end with the socket are ended: its membership may only
/// be late.
pub const STATE_HOLDER_WAIT: Duration = Duration::from_secs(5);
