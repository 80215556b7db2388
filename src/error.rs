//! One table of what can be refused: code on the wire, HTTP status, log level. Every layer's errors end here before a
//! person sees them; this file must never know where they came from.

use std::borrow::Cow;

use log::Level;

/// A stable error code (docs/protocol.md, Errors).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum ErrorCode {
    /// No token, or one that does not hold.
    AuthenticationFailed,
    /// A known user without the right.
    PermissionDenied,
    /// More than the limit allows; `retry_after` says when to come back.
    RateLimitExceeded,
    /// Not JSON at all.
    InvalidJson,
    /// JSON with a wrong or missing field, which the sentence names.
    InvalidMessage,
    /// A `type` that this dialect does not have.
    UnknownMessageType,
    /// No such room.
    RoomNotFound,
    /// The room exists; this socket is not in it.
    NotInRoom,
    /// No such user.
    UserNotFound,
    /// The one it is for has no socket there.
    TargetUnavailable,
    /// Text over the limit.
    MessageTooLong,
    /// Somebody else's change came first.
    VersionConflict,
    /// Taken already: a user name, an address.
    Conflict,
    /// In already.
    AlreadyMember,
    /// As many people are in as may be.
    SpaceFull,
    /// The assistant can't answer now.
    AiUnavailable,
    /// No such thing.
    NotFound,
    /// The database or a queue does not take more for the moment.
    ServiceUnavailable,
    /// A fault of ours.
    InternalError,
}

/// What a code means outside the socket.
pub struct ErrorRow {
    /// As written on the wire.
    pub name: &'static str,
    /// The status of an HTTP answer with this code.
    pub http_status: u16,
    /// How loudly it is logged.
    pub level: Level,
}

impl ErrorCode {
    /// All codes, for tables and tests.
    pub const ALL: [ErrorCode; 19] = [
        ErrorCode::AuthenticationFailed,
        ErrorCode::PermissionDenied,
        ErrorCode::RateLimitExceeded,
        ErrorCode::InvalidJson,
        ErrorCode::InvalidMessage,
        ErrorCode::UnknownMessageType,
        ErrorCode::RoomNotFound,
        ErrorCode::NotInRoom,
        ErrorCode::UserNotFound,
        ErrorCode::TargetUnavailable,
        ErrorCode::MessageTooLong,
        ErrorCode::VersionConflict,
        ErrorCode::Conflict,
        ErrorCode::AlreadyMember,
        ErrorCode::SpaceFull,
        ErrorCode::AiUnavailable,
        ErrorCode::NotFound,
        ErrorCode::ServiceUnavailable,
        ErrorCode::InternalError,
    ];

    /// The code's row of the table.
    pub const fn row(self) -> ErrorRow {
        use ErrorCode as C;
        let (name, http_status, level) = match self {
            C::AuthenticationFailed => ("AUTHENTICATION_FAILED", 401, Level::Info),
            C::PermissionDenied => ("PERMISSION_DENIED", 403, Level::Info),
            C::RateLimitExceeded => ("RATE_LIMIT_EXCEEDED", 429, Level::Info),
            C::InvalidJson => ("INVALID_JSON", 400, Level::Debug),
            C::InvalidMessage => ("INVALID_MESSAGE", 400, Level::Debug),
            C::UnknownMessageType => ("UNKNOWN_MESSAGE_TYPE", 400, Level::Debug),
            C::RoomNotFound => ("ROOM_NOT_FOUND", 404, Level::Debug),
            C::NotInRoom => ("NOT_IN_ROOM", 403, Level::Debug),
            C::UserNotFound => ("USER_NOT_FOUND", 404, Level::Debug),
            C::TargetUnavailable => ("TARGET_UNAVAILABLE", 409, Level::Debug),
            C::MessageTooLong => ("MESSAGE_TOO_LONG", 413, Level::Debug),
            C::VersionConflict => ("VERSION_CONFLICT", 409, Level::Debug),
            C::Conflict => ("CONFLICT", 409, Level::Debug),
            C::AlreadyMember => ("ALREADY_MEMBER", 409, Level::Debug),
            C::SpaceFull => ("SPACE_FULL", 409, Level::Debug),
            C::AiUnavailable => ("AI_UNAVAILABLE", 503, Level::Warn),
            C::NotFound => ("NOT_FOUND", 404, Level::Debug),
            C::ServiceUnavailable => ("SERVICE_UNAVAILABLE", 503, Level::Warn),
            C::InternalError => ("INTERNAL_ERROR", 500, Level::Error),
        };
        ErrorRow { name, http_status, level }
    }

    /// As written on the wire.
    pub const fn name(self) -> &'static str {
        self.row().name
    }
}

/// A refusal, ready to be told to a person: the code and one sentence that says what to do.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{sentence}")]
pub struct Refusal {
    /// The kind.
    pub code: ErrorCode,
    /// One sentence, for people.
    pub sentence: Cow<'static, str>,
    /// For limits: seconds until it is worth trying again.
    pub retry_after_seconds: Option<u32>,
}

impl Refusal {
    /// A refusal without a waiting time.
    pub fn new(code: ErrorCode, sentence: impl Into<Cow<'static, str>>) -> Refusal {
        Refusal { code, sentence: sentence.into(), retry_after_seconds: None }
    }

    /// A refusal that says when to come back.
    pub fn limited(sentence: impl Into<Cow<'static, str>>, retry_after_seconds: u32) -> Refusal {
        Refusal {
            code: ErrorCode::RateLimitExceeded,
            sentence: sentence.into(),
            retry_after_seconds: Some(retry_after_seconds),
        }
    }

    /// A fault of ours whose details are in the log only.
    pub fn internal() -> Refusal {
        Refusal::new(
            ErrorCode::InternalError,
            "Something went wrong on the server; try again, and tell its operator if it goes on",
        )
    }

    /// The store or a queue can't take it now.
    pub fn unavailable() -> Refusal {
        Refusal {
            code: ErrorCode::ServiceUnavailable,
            sentence: "The server can't store this for the moment; try again in a few seconds".into(),
            retry_after_seconds: Some(2),
        }
    }

    /// The database was asked to store it and has not answered: it may have.
    pub fn unanswered() -> Refusal {
        Refusal {
            code: ErrorCode::ServiceUnavailable,
            sentence:
                "The database did not answer in time, so this may or may not be stored; look before you repeat it"
                    .into(),
            retry_after_seconds: Some(2),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_have_names_of_their_own_and_error_statuses() {
        let mut names: Vec<_> = ErrorCode::ALL.iter().map(|c| c.name()).collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), ErrorCode::ALL.len());
        assert!(ErrorCode::ALL.iter().all(|c| (400..600).contains(&c.row().http_status)));
    }
}
