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
    /// The applicable heartbeat setting.
    pub heartbeat: HeartbeatSetting,
    /// The field with the type of a message.
    pub discriminator: &'static str,
    /// When an unbound socket is sent what is queued for its user.
    pub queue: QueueManner,
    /// Whether its clients are informed when users with whom they share a conversation come, go or change their status.
    pub follows_presence: bool,
    /// Whether calls that are not bound to a room ring on its sockets.
    pub rings: bool,
    /// Bytes that may be queued for a client that does not read; more close its socket.
    pub owed_bytes_max: usize,
    /// The form of its messages.
    pub form: Form,
    /// Whether an unbound socket is closed when its user loses the right to the last room that it was in.
    pub closes_without_rooms: bool,
    /// With which of the user's other sockets they are counted.
    pub seats: Seats,
}

/// The form of messages.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Form {
    /// JSON objects as text.
    Json,
    /// Binary messages of a protocol that is described elsewhere.
    Binary,
}

/// With which of the user's other sockets a socket is counted, for the maximum of a user.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Seats {
    /// `MAX_CONNECTIONS_PER_USER`.
    Usual,
    /// `MAX_DOCUMENT_CONNECTIONS_PER_USER`: an editor opens one for each document.
    Documents,
}

/// When an unbound socket is sent what is queued for its user.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum QueueManner {
    /// On connect: notifications, and messages of all rooms.
    FromTheStart,
    /// On connect, notifications of this category, and never anything else.
    OfCategory(&'static str),
    /// Never: it has no form for anything in the queue.
    Never,
    /// When its client has set a notification filter. Until then it receives notifications created since it connected.
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
            follows_presence: false,
            rings: false,
            owed_bytes_max: limits::OUTBOX_DURABLE_BYTES_MAX,
            form: Form::Json,
            closes_without_rooms: false,
            seats: Seats::Usual,
        }
    }
}
