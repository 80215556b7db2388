//! The settings by which the sockets of a dialect differ from others. Transport, sessions and hubs use them instead of
//! matching on the dialect. This module must never know the meaning of a message.

use crate::limits;

/// The settings of one dialect.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DialectOptions {
    /// The name of the dialect, which is also that of its folder.
    pub name: &'static str,
    /// Maximum number of bytes of a message from a client.
    pub message_bytes_max: usize,
    /// Maximum number of characters of a text message from a client.
    pub message_characters_max: usize,
    /// Which setting of the heartbeat counts.
    pub heartbeat: HeartbeatSetting,
    /// The field that names the kind of a message.
    pub discriminator: &'static str,
    /// When a socket that is bound to no room is sent what is queued for its user.
    pub queue: QueueManner,
}

/// When a socket that is bound to no room is sent what is queued for its user.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum QueueManner {
    /// When it opens: notifications, and messages of all rooms.
    FromTheStart,
    /// When its client has said which notifications it wants. Until then it is sent those that were made since it opened.
    OnceChosen,
}

/// The heartbeat settings.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum HeartbeatSetting {
    /// The setting for all dialects except nexus.
    Common,
    /// The setting for nexus.
    Nexus,
}

impl DialectOptions {
    /// The settings of a dialect with JSON text messages: common heartbeat, common bounds.
    pub const fn json(name: &'static str) -> DialectOptions {
        DialectOptions {
            name,
            message_bytes_max: limits::MESSAGE_BYTES_MAX,
            message_characters_max: limits::MESSAGE_CHARS_MAX,
            heartbeat: HeartbeatSetting::Common,
            discriminator: "type",
            queue: QueueManner::OnceChosen,
        }
    }
}
