//! Newtype identifiers and the timestamp, so that a user id can't be passed where a room id is expected. Pure data:
//! this module must never read a clock or do I/O.

use std::{fmt, str::FromStr, sync::Arc};

use chrono::{DateTime, Datelike, SecondsFormat, Timelike};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{limits, names};

/// A user's id: an opaque string of 1–128 characters (docs/protocol.md, Identity). Cheap to clone.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(try_from = "String")]
pub struct UserId(Arc<str>);

/// The error for a string that is not a valid [`UserId`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a user id is 1 to 128 characters without control characters")]
pub struct BadUserId;

impl UserId {
    /// Validates length and characters.
    pub fn new(text: impl Into<Arc<str>>) -> Result<UserId, BadUserId> {
        let text = text.into();
        let length = text.chars().count();
        if length == 0 || length > limits::USER_ID_CHARS_MAX || text.chars().any(char::is_control) {
            return Err(BadUserId);
        }
        Ok(UserId(text))
    }

    /// The id of a user registered here: a UUIDv7.
    pub fn generate() -> UserId {
        UserId(Uuid::now_v7().to_string().into())
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for UserId {
    type Error = BadUserId;

    fn try_from(text: String) -> Result<UserId, BadUserId> {
        UserId::new(text)
    }
}

impl FromStr for UserId {
    type Err = BadUserId;

    fn from_str(text: &str) -> Result<UserId, BadUserId> {
        UserId::new(text)
    }
}

impl fmt::Display for UserId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident, $bad:ident, $most:expr, $is_fit:path, $sentence:literal) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
        #[serde(try_from = "String")]
        pub struct $name(Arc<str>);

        #[doc = concat!("Why a string is no [`", stringify!($name), "`].")]
        #[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
        #[error($sentence)]
        pub struct $bad;

        impl $name {
            /// Validates length and characters.
            pub fn new(text: impl Into<Arc<str>>) -> Result<$name, $bad> {
                let text = text.into();
                if !$is_fit(&text) { Err($bad) } else { $name::stored(text) }
            }

            /// Accepts a value from the database or another node. An older release with weaker rules may have created
            /// it.
            pub fn stored(text: impl Into<Arc<str>>) -> Result<$name, $bad> {
                let text = text.into();
                let length = text.chars().count();
                if length == 0 || length > $most || text.chars().any(char::is_control) {
                    return Err($bad);
                }
                Ok($name(text))
            }

            /// The id as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = $bad;

            fn try_from(text: String) -> Result<$name, $bad> {
                $name::stored(text)
            }
        }

        impl FromStr for $name {
            type Err = $bad;

            fn from_str(text: &str) -> Result<$name, $bad> {
                $name::new(text)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

/// For ids that are never shown to people, any characters are allowed.
const fn is_any(_text: &str) -> bool {
    true
}

text_id!(
    /// The name of an open room: a string of 1–128 characters (docs/protocol.md, Rooms on demand). Cheap to clone.
    RoomName,
    BadRoomName,
    limits::ROOM_NAME_CHARS_MAX,
    names::is_readable,
    "a room's name is 1 to 128 characters, of which something is visible, without invisible ones"
);
text_id!(
    /// A shared sheet's id: a string of 1–128 characters. Cheap to clone.
    SheetId,
    BadSheetId,
    limits::SHEET_ID_CHARS_MAX,
    is_any,
    "a sheet's id is 1 to 128 characters without control characters"
);

text_id!(
    /// The id of a collaborative document: a string of 1–128 characters. Cheap to clone.
    DocumentId,
    BadDocumentId,
    limits::DOCUMENT_ID_CHARS_MAX,
    is_any,
    "a document's id is 1 to 128 characters without control characters"
);

text_id!(
    /// The id that a client gives a message, so that it can send it again without doubling it: a free string of 1–128
    /// characters (docs/protocol.md, Sending again). Cheap to clone.
    ClientMessageId,
    BadClientMessageId,
    limits::CLIENT_MESSAGE_ID_CHARS_MAX,
    is_any,
    "a client's id of a message is 1 to 128 characters without control characters"
);

/// Only characters that need no escape in a path.
fn is_unreserved(text: &str) -> bool {
    text.chars().all(|c| c.is_ascii_alphanumeric() || "-._~".contains(c))
}

text_id!(
    /// The id that a device chooses for itself: a string of 1–64 characters, unique among those of its user. Cheap to
    /// clone.
    DeviceId,
    BadDeviceId,
    limits::DEVICE_ID_CHARS_MAX,
    is_unreserved,
    "a device's id is 1 to 64 of the characters A-Z, a-z, 0-9, -, ., _ and ~"
);

text_id!(
    /// The id that a client gives a call: a free string of 1–128 characters (docs/nexus.md, Calls). Cheap to clone.
    CallId,
    BadCallId,
    limits::CALL_ID_CHARS_MAX,
    is_any,
    "a call's id is 1 to 128 characters without control characters"
);

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl $name {
            /// Creates a new id that sorts by time (UUIDv7).
            pub fn generate() -> $name {
                $name(Uuid::now_v7())
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;

            fn from_str(text: &str) -> Result<$name, uuid::Error> {
                text.parse().map($name)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

uuid_id!(
    /// The id of a room of any kind. A channel or a direct conversation has the id of its room.
    RoomId
);
uuid_id!(
    /// The id of a stored event in a room's log. A chat message has the id of the event that created it.
    EventId
);
uuid_id!(
    /// The id of a group, which owns channels and has members.
    GroupId
);
uuid_id!(
    /// The id of a refresh token (`jti`).
    TokenId
);

uuid_id!(
    /// The id of a stored notification.
    NotificationId
);
uuid_id!(
    /// The id of an uploaded file.
    FileId
);
uuid_id!(
    /// The id of a mute or a ban.
    SanctionId
);
uuid_id!(
    /// The id of a word rule.
    WordRuleId
);
uuid_id!(
    /// The id of a report to moderators.
    ReportId
);

macro_rules! number_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub i64);

        impl FromStr for $name {
            type Err = std::num::ParseIntError;

            fn from_str(text: &str) -> Result<$name, std::num::ParseIntError> {
                text.parse().map($name)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

number_id!(
    /// The id of a canvas, assigned by the database.
    CanvasId
);
number_id!(
    /// The id of a tile, assigned by the database; unique over all canvases.
    TileId
);

/// Identifies a connection of this process; never reused.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct ConnKey {
    /// The worker.
    pub worker: u16,
    /// Incremented with each connection of the worker.
    pub generation: u32,
}

/// Identifies a socket in the cluster; never reused.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
pub struct SocketId {
    /// The node that has it.
    pub node: NodeId,
    /// The connection on that node.
    #[serde(flatten)]
    pub conn: ConnKey,
}

/// An area of a room. The room's kind decides what the number means; it must mean the same on all nodes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub struct Area(pub u64);

/// One incarnation of a node. It is random at every start, so that a restarted node counts as a different one. Shown as
/// 16 hex digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct NodeId(pub u64);

impl From<NodeId> for String {
    fn from(id: NodeId) -> String {
        id.to_string()
    }
}

impl TryFrom<String> for NodeId {
    type Error = std::num::ParseIntError;

    fn try_from(text: String) -> Result<NodeId, Self::Error> {
        text.parse()
    }
}

impl NodeId {
    /// Creates a new id.
    pub fn generate() -> NodeId {
        NodeId(Uuid::new_v4().as_u64_pair().0)
    }
}

impl FromStr for NodeId {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<NodeId, Self::Err> {
        u64::from_str_radix(text, 16).map(NodeId)
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// The position of a stored event in its room: counted from 1, without gaps, and the same on every node.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Seq(pub i64);

impl Seq {
    /// The next position.
    pub const fn next(self) -> Seq {
        Seq(self.0 + 1)
    }
}

impl fmt::Display for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Distinguishes the incarnations of a room's sequence. A `since` is only valid within its epoch.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Epoch(pub i64);

impl Epoch {
    /// An epoch that no room has.
    pub const NONE: Epoch = Epoch(-1);
}

/// A moment in milliseconds since 1970, UTC. Shown as RFC 3339 with milliseconds and `Z`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp {
    /// Milliseconds since 1970-01-01T00:00:00Z.
    pub unix_ms: i64,
}

impl Timestamp {
    /// From whole seconds, as in a token's `exp`.
    pub const fn from_unix_seconds(seconds: i64) -> Timestamp {
        Timestamp { unix_ms: seconds.saturating_mul(1000) }
    }

    /// Whole seconds since 1970.
    pub const fn unix_seconds(self) -> i64 {
        self.unix_ms.div_euclid(1000)
    }

    /// This moment plus `ms` milliseconds.
    pub const fn plus_ms(self, ms: i64) -> Timestamp {
        Timestamp { unix_ms: self.unix_ms.saturating_add(ms) }
    }
}

impl FromStr for Timestamp {
    type Err = chrono::ParseError;

    /// Parses RFC 3339.
    fn from_str(text: &str) -> Result<Timestamp, chrono::ParseError> {
        DateTime::parse_from_rfc3339(text).map(|moment| Timestamp { unix_ms: moment.timestamp_millis() })
    }
}

impl Timestamp {
    /// Formats as RFC 3339 with milliseconds and `Z`. Does not allocate for the years 0 to 9999.
    pub fn rfc3339(self) -> Rfc3339 {
        let moment = DateTime::from_timestamp_millis(self.unix_ms).unwrap_or_default();
        let year = moment.year();
        if !(0..=9999).contains(&year) {
            return Rfc3339(Written::Long(moment.to_rfc3339_opts(SecondsFormat::Millis, true)));
        }
        let mut text = *b"0000-00-00T00:00:00.000Z";
        put_digits(&mut text, 3, year.unsigned_abs());
        put_digits(&mut text, 6, moment.month());
        put_digits(&mut text, 9, moment.day());
        put_digits(&mut text, 12, moment.hour());
        put_digits(&mut text, 15, moment.minute());
        put_digits(&mut text, 18, moment.second());
        put_digits(&mut text, 22, moment.timestamp_subsec_millis());
        Rfc3339(Written::Short(text))
    }
}

/// Writes a number right-aligned, so that its last digit is at `last`. The positions before it must contain zeros.
fn put_digits(text: &mut [u8; 24], last: usize, number: u32) {
    let mut left = number;
    for place in text.iter_mut().take(last + 1).rev().take_while(|place| place.is_ascii_digit()) {
        *place = b'0' + (left % 10) as u8;
        left /= 10;
    }
}

/// A moment as text.
pub struct Rfc3339(Written);

enum Written {
    Short([u8; 24]),
    Long(String),
}

impl Rfc3339 {
    /// The text.
    pub fn as_str(&self) -> &str {
        match &self.0 {
            // Only digits and ASCII signs, so it is valid UTF-8.
            Written::Short(text) => std::str::from_utf8(text).unwrap_or_default(),
            Written::Long(text) => text,
        }
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.rfc3339().as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timestamp_shows_milliseconds_and_z() {
        let moment = Timestamp { unix_ms: 1_705_314_600_007 };
        assert_eq!(moment.to_string(), "2024-01-15T10:30:00.007Z");
        assert_eq!("2024-01-15T11:30:00.007+01:00".parse(), Ok(moment));
        assert_eq!(Timestamp { unix_ms: -1 }.to_string(), "1969-12-31T23:59:59.999Z");
    }

    #[test]
    fn a_timestamp_is_written_as_chrono_writes_it() {
        for step in -2_000..2_000_i64 {
            let unix_ms = step * 157_784_760_123 + step;
            let moment = DateTime::from_timestamp_millis(unix_ms).unwrap();
            let expected = moment.to_rfc3339_opts(SecondsFormat::Millis, true);
            assert_eq!(Timestamp { unix_ms }.to_string(), expected, "{unix_ms}");
        }
        assert_eq!(Timestamp { unix_ms: i64::MAX }.to_string(), "1970-01-01T00:00:00.000Z");
    }

    #[test]
    fn user_ids_are_bounded() {
        assert!(UserId::new("").is_err());
        assert!(UserId::new("é".repeat(128)).is_ok());
        assert!(UserId::new("x".repeat(129)).is_err());
        assert!(UserId::new("a\nb").is_err());
    }
}
