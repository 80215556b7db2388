//! Bounds of calls between users.

use std::time::Duration;

/// Characters of the id that a client gives a call.
pub const CALL_ID_CHARS_MAX: usize = 128;
/// Calls of one socket at the same time: those that it makes, those that ring, and those that are connected.
pub const CALLS_PER_SOCKET_MAX: usize = 16;
/// Sockets of the target of a call that are recorded as ringing.
pub const CALL_RINGING_SOCKETS_MAX: usize = 64;
/// How long a caller waits for the first socket of the target to ring, and a socket that has answered for the caller.
pub const CALL_CONFIRM_WAIT: Duration = Duration::from_secs(2);
/// How much longer than the caller a socket rings if it is not told that the ringing has ended.
pub const CALL_RING_SLACK: Duration = Duration::from_secs(5);
/// How often an offer is sent again within this time: a socket that has just opened on another node may have missed it.
pub const CALL_OFFER_REPEAT: Duration = Duration::from_millis(400);
/// How often a socket in a call checks that the other side's socket still exists.
pub const CALL_CHECK_PERIOD: Duration = Duration::from_secs(1);
/// Every so many checks it also asks the other side whether it still knows the call.
pub const CALL_CHECKS_PER_PROBE: u32 = 4;
/// Successive checks that must find the other side gone before the call ends.
pub const CALL_CHECKS_MISSED_MAX: u32 = 2;
/// ICE candidates of a side that are held until the other one can use them.
pub const CALL_CANDIDATES_HELD_MAX: usize = 64;
/// Bytes of these candidates.
pub const CALL_CANDIDATES_HELD_BYTES_MAX: usize = 64 * 1024;
/// Calls that a socket remembers after their end, to recognise late messages of its client.
pub const CALLS_ENDED_REMEMBERED: usize = 16;
