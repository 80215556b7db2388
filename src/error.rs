//! The errors that users see: code on the wire, HTTP status, log level. Errors of all layers are converted to these
//! before they leave the server. This module must not depend on any other layer.

use std::borrow::Cow;

use log::Level;

/// A stable error code (docs/protocol.md, Errors).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum ErrorCode {
    /// No token, or an invalid one.
    AuthenticationFailed,
    /// A known user without the required permission.
    PermissionDenied,
    /// A limit was exceeded; `retry_after` says when to retry.
    RateLimitExceeded,
    /// Not JSON.
    InvalidJson,
    /// JSON with an invalid or missing field, which the sentence names.
    InvalidMessage,
    /// A `type` that this dialect does not have.
    UnknownMessageType,
    /// No such room.
    RoomNotFound,
    /// The room exists; this socket is not in it.
    NotInRoom,
    /// No such user.
    UserNotFound,
    /// The recipient has no socket in the room, or none that can take a call; or there is no such call.
    TargetUnavailable,
    /// Text above the length limit.
    MessageTooLong,
    /// Another change was made first.
    VersionConflict,
    /// The value is already taken, such as a username or an e-mail address.
    Conflict,
    /// The user is already a member.
    AlreadyMember,
    /// The maximum number of members is reached.
    SpaceFull,
    /// The invite was not answered in time.
    InviteExpired,
    /// The assistant is not available.
    AiUnavailable,
    /// The resource does not exist.
    NotFound,
    /// The database or a queue can't accept more at the moment.
    ServiceUnavailable,
    /// A fault of the server.
    InternalError,
}

/// What a code means in HTTP and in the log.
pub struct ErrorRow {
    /// The name on the wire.
    pub name: &'static str,
    /// The HTTP status.
    pub http_status: u16,
    /// The log level.
    pub level: Level,
}

impl ErrorCode {
    /// All codes, for tables and tests.
    pub const ALL: [ErrorCode; 20] = [
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
        ErrorCode::InviteExpired,
        ErrorCode::AiUnavailable,
        ErrorCode::NotFound,
        ErrorCode::ServiceUnavailable,
        ErrorCode::InternalError,
    ];

    /// The code's row in the table.
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
            C::InviteExpired => ("INVITE_EXPIRED", 410, Level::Debug),
            C::AiUnavailable => ("AI_UNAVAILABLE", 503, Level::Warn),
            C::NotFound => ("NOT_FOUND", 404, Level::Debug),
            C::ServiceUnavailable => ("SERVICE_UNAVAILABLE", 503, Level::Warn),
            C::InternalError => ("INTERNAL_ERROR", 500, Level::Error),
        };
        ErrorRow { name, http_status, level }
    }

    /// The name on the wire.
    pub const fn name(self) -> &'static str {
        self.row().name
    }
}

/// A refusal for display: the code, and one sentence that says what to do.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("{sentence}")]
pub struct Refusal {
    /// The code.
    pub code: ErrorCode,
    /// One sentence for users.
    pub sentence: Cow<'static, str>,
    /// For limits: seconds until a retry makes sense.
    pub retry_after_seconds: Option<u32>,
}

impl Refusal {
    /// A refusal without a retry time.
    pub fn new(code: ErrorCode, sentence: impl Into<Cow<'static, str>>) -> Refusal {
        Refusal { code, sentence: sentence.into(), retry_after_seconds: None }
    }

    /// A refusal with a retry time.
    pub fn limited(sentence: impl Into<Cow<'static, str>>, retry_after_seconds: u32) -> Refusal {
        Refusal {
            code: ErrorCode::RateLimitExceeded,
            sentence: sentence.into(),
            retry_after_seconds: Some(retry_after_seconds),
        }
    }

    /// A fault of the server. Its details are only logged.
    pub fn internal() -> Refusal {
        Refusal::new(
            ErrorCode::InternalError,
            "Something went wrong on the server; try again, and contact the operator if it happens again",
        )
    }

    /// The store or a queue can't accept this at the moment.
    pub fn unavailable() -> Refusal {
        Refusal {
            code: ErrorCode::ServiceUnavailable,
            sentence: "The server can't store this at the moment; try again in a few seconds".into(),
            retry_after_seconds: Some(2),
        }
    }

    /// The database was asked to store it but has not responded, so it may or may not be stored.
    pub fn unanswered() -> Refusal {
        Refusal {
            code: ErrorCode::ServiceUnavailable,
            sentence:
                "The database did not respond in time, so this may or may not be stored; check before you repeat it, or repeat it under the same client_message_id (REST: idempotency_key)"
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
