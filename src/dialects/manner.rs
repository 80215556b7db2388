//! How the sockets of a dialect are treated, where dialects differ: what the transport, the sessions and the hubs ask
//! instead of matching on the dialect. It must never know what a message means.

use crate::limits;

/// One dialect's.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Manner {
    /// The dialect's name, which is its folder's, too.
    pub name: &'static str,
    /// Bytes of one message from a client.
    pub message_bytes_max: usize,
    /// Characters of one text message from a client.
    pub message_characters_max: usize,
    /// Which setting of the heartbeat counts.
    pub heartbeat: HeartbeatSetting,
}

/// Which setting of the heartbeat counts for a dialect's sockets.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum HeartbeatSetting {
    /// That of all dialects but nexus.
    Common,
    /// That of nexus.
    Nexus,
}

impl Manner {
    /// That of a dialect of JSON texts under this name: the common heartbeat, the common bounds.
    pub const fn json(name: &'static str) -> Manner {
        Manner {
            name,
            message_bytes_max: limits::MESSAGE_BYTES_MAX,
            message_characters_max: limits::MESSAGE_CHARS_MAX,
            heartbeat: HeartbeatSetting::Common,
        }
    }
}
